"""SAM's image encoder in bf16 against segment_anything's.

python -m benchmarks.encoder_bf16 [--json]
"""

from benchmarks.encoder import encoder_figure
from benchmarks.figure import tell

if __name__ == "__main__":
    tell(encoder_figure("bf16", 1.7), __doc__)
