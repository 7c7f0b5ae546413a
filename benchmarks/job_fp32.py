"""Label an image with five categories in fp32, against a naive loop.

python -m benchmarks.job_fp32 [--json]
"""

from benchmarks.figure import tell
from benchmarks.vrp_job import job_figure

if __name__ == "__main__":
    tell(job_figure("fp32", 2.5), __doc__)
