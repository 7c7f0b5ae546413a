"""Name every object of a training output once, below its folder.

job.json                                  whose output it is (pipeline/output/paths.py)
fold-<n>/runs/<number>/<checkpoint>/…     what Ray Train saves, a run for each start
fold-<n>/metrics/<first step>.parquet     rows since the checkpoint before
fold-<n>/tensorboard/…                    the same for TensorBoard
fold-<n>/metrics.parquet                  all rows of a finished fold
fold-<n>/vrp.safetensors
fold-<n>/result.json                      written last: the fold is finished
"""

import re

RUNS = "runs"
METRICS = "metrics"
ALL_METRICS = "metrics.parquet"
WEIGHTS = "vrp.safetensors"
RESULT = "result.json"

IN_FOLD = re.compile(r"fold-(\d+)/(.+)")
"""A fold's number, and the path below its folder."""


def fold_folder(number: int) -> str:
    return f"fold-{number}"


def metrics_part(first_step: int) -> str:
    return f"{METRICS}/{first_step:010d}.parquet"


def tensorboard_file(first_step: int) -> str:
    return f"tensorboard/events.out.tfevents.{first_step:010d}.vrp"
