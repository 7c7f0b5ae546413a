"""SAM's image encoder in fp32 against segment_anything's.

python -m benchmarks.model.encoder_fp32 [--json]
"""

from benchmarks.parts.encoder import encoder_figure
from benchmarks.parts.figure import tell

if __name__ == "__main__":
    tell(encoder_figure("fp32", 1.35), __doc__)
