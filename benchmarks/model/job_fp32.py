"""Label an image with five categories in fp32, against a naive loop.

python -m benchmarks.model.job_fp32 [--json]
"""

from benchmarks.parts.figure import tell
from benchmarks.parts.vrp_job import job_figure

if __name__ == "__main__":
    tell(job_figure("fp32", 2.5), __doc__)
