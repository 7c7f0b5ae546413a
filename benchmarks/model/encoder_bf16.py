"""SAM's image encoder in bf16 against segment_anything's.

python -m benchmarks.model.encoder_bf16 [--json]
"""

from benchmarks.parts.encoder import encoder_figure
from benchmarks.parts.figure import tell

if __name__ == "__main__":
    tell(encoder_figure("bf16", 1.7), __doc__)
