"""Name every object of a labeling output once, below its folder.

job.json                      whose output it is, claimed by the first run
plan/00000.parquet …          the shards, one file for each run that found new ones
attempts/<unit>.json          what a unit is doing; gone once it is committed
rejected/<unit>-<hash>.parquet
labels/<unit>.parquet         its presence commits the unit
references/<id>.jpg, .json    copies of the references
presence.json                 how present is told from absent, by the first actor that began
runs/<time>-<random>.json     counts and times of a run
commit.json                   written last: the only list of what exists
state/at-work-<n>.json         a run that works on it, beating; state/ended.json: how the last ended
state/submitted.json          what `vrp submit` sent last
inputs/<sha256><suffix>       files of the submitting machine, for the cluster
reviews/<reviewer>-<n>.parquet verdicts of people, a file for each batch; written by `vrp studio`
report.html                   written by `vrp report`
certificate.json, .html       written by `vrp certify`
"""

JOB = "job.json"
COMMIT = "commit.json"
PRESENCE = "presence.json"
REPORT = "report.html"
CERTIFICATE = "certificate.json"
CERTIFICATE_PAGE = "certificate.html"

PLAN = "plan"
ATTEMPTS = "attempts"
REJECTED = "rejected"
LABELS = "labels"
REFERENCES = "references"
RUNS = "runs"
INPUTS = "inputs"
REVIEWS = "reviews"
STATE = "state"
ENDED = f"{STATE}/ended.json"
SUBMITTED = f"{STATE}/submitted.json"


def plan_file(number: int) -> str:
    return f"{PLAN}/{number:05d}.parquet"


def attempt_note(unit: object) -> str:
    return f"{ATTEMPTS}/{unit}.json"


def labels_part(unit: object) -> str:
    return f"{LABELS}/{unit}.parquet"


def rejected_part(unit: object, sha256: str) -> str:
    return f"{REJECTED}/{unit}-{sha256[:8]}.parquet"


def kept_reference(reference_id: str, suffix: str) -> str:
    return f"{REFERENCES}/{reference_id}.{suffix}"


def run_record(name: str) -> str:
    return f"{RUNS}/{name}.json"


def at_work(number: int) -> str:
    return f"{STATE}/at-work-{number:05d}.json"


def review_file(reviewer: str, number: int) -> str:
    return f"{REVIEWS}/{reviewer}-{number:06d}.parquet"
