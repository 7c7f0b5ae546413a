"""Give an image the file name that other tools are told: one that opens it.

Below the folder that `targets` names, that of `vrp export images`, or a COCO source's own folder.
"""

from collections.abc import Mapping

from pipeline.export.safe_name import name_for
from pipeline.images.formats import has_image_suffix, suffix_of
from pipeline.inputs.address import split_uri
from pipeline.inputs.tar import cleaned
from pipeline.output.paths import PLAN
from pipeline.output.plan import read_plan
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.record.commit import Identity


def file_name(image_id: str, uri: str, source: str, coco_names: Mapping[str, str]) -> str:
    """Return an image's file name; coco_names: those of a COCO source, by image id.

    A tar's member keeps its extension: `<shard>/<member>`. A row of a Parquet file has no name, so
    one is made of its id, of a PNG unless the id itself ends as an image's file does.
    """
    match source:
        case "coco":
            return coco_names[image_id]
        case "webdataset":
            return _member_name(image_id, split_uri(uri, in_archive=True)[1])
        case "parquet":
            return name_for(image_id, ".png")
        case _:
            return image_id


def _member_name(image_id: str, member: str) -> str:
    """Return a member's id with the suffix that it lacks; older ids end at the first dot."""
    path = cleaned(member)
    parts = image_id.split("/")
    keys = ("/".join(parts[start:]) for start in range(1, len(parts)))
    key = next((key for key in keys if path.startswith(key)), "")
    if key:
        return image_id + path[len(key) :]
    # A second image of one id, `a#2`.
    return f"{image_id}.{suffix_of(path)}" if has_image_suffix(path) else image_id


def coco_names(output: Place, identity: Identity) -> dict[str, str]:
    """Return the `file_name` of each image of a COCO source, by image id; none for other sources.

    Rows know URIs alone; the plan knows where in them the folder ends. Raises BadStorage.
    """
    if identity.source != "coco":
        return {}
    names: dict[str, str] = {}
    for shard in read_plan(output)[0]:
        folder = f"{shard.uri.rstrip('/')}/"
        names.update((image_id, uri.removeprefix(folder)) for image_id, uri in shard.images)
    if not names:
        raise BadStorage(
            "an output whose plan is gone",
            output.below(PLAN).uri,
            "no list of images",
            "the plan, which has the images' file names",
        )
    return names
