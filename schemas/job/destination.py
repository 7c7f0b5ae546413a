"""What the file of any job says of where its results go; its other keys are for its own command."""

from pydantic import ConfigDict

from schemas.job.storage import Output, Storage
from schemas.spec import Spec, Uri


class Destination(Spec):
    """An output, or for embeddings a store."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    output: Output | None = None
    embeddings: Uri | None = None
    storage: Storage = Storage()
