"""Label an image with five categories in bf16, against a naive loop.

python -m benchmarks.model.job_bf16 [--json]
"""

from benchmarks.parts.figure import tell
from benchmarks.parts.vrp_job import job_figure

if __name__ == "__main__":
    tell(job_figure("bf16", 3), __doc__)
