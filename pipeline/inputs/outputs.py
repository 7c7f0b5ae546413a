"""Leave out of a listing what an output of ours keeps for itself.

An output may lie within its own input folder: its copies of references are images, and its parts
Parquet files, that must never be labelled.
"""

from collections.abc import Mapping

# pipeline.output.paths, which builds on the inputs and so cannot be asked here; a test compares.
OUTPUT_MARKS = ("job.json", "plan/00000.parquet")
OUTPUT_FOLDERS = (
    "attempts",
    "inputs",
    "labels",
    "plan",
    "references",
    "rejected",
    "reviews",
    "runs",
    "state",
)


def without_outputs(listing: Mapping[str, int]) -> dict[str, int]:
    """Return a folder's files, path -> size, without those in the folders of outputs below it."""
    claim, plan = OUTPUT_MARKS
    kept_by_outputs = tuple(
        f"{folder}{own}/"
        for name in listing
        if name.rpartition("/")[2] == claim
        and (folder := name.removesuffix(claim)) + plan in listing
        for own in OUTPUT_FOLDERS
    )
    return {name: size for name, size in listing.items() if not name.startswith(kept_by_outputs)}
