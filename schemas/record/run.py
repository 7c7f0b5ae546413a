"""What a run leaves beside its labels for people to read: its references and its times.

None of it is needed to read, resume or commit labels.
"""

from pydantic import Field

from schemas.job.reference import Annotation
from schemas.record.receipt import StageSeconds
from schemas.spec import Spec


class KeptReference(Spec):
    """references/<id>.json: what was drawn, in pixels of the image as given.

    references/<id>.jpg beside it is that image, scaled down where it was large.
    """

    id: str
    category_id: int
    height: int
    width: int
    annotation: Annotation


class Run(Spec):
    """runs/<begun>-<random>.json: one run that ended in any way short of being killed."""

    begun: str = Field(description="UTC, as ISO 8601.")
    seconds: float = Field(description="Wall time from the first unit asked for to the last.")
    units: int
    images: int
    rejected: int
    taken: int = Field(default=0, description="Rows taken from the job's earlier output.")
    stages: StageSeconds = Field(description="Added up over all actors and their threads.")
