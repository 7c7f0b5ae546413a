"""Name every object of an evaluation's output once, below its folder.

episodes-<sha256>.parquet                                          the manifest
parts/<episodes>/<method>/<fold>-<unit size>-<unit>.parquet        the counts of a unit
results.parquet, scores.parquet, results.svg, results.md, results.html
results.json                                                       written last
"""

DIGITS = 12  # of a sha256, in a name: as of reference ids, no collision in one output

PARTS = "parts"
COUNTS = "results.parquet"
SCORES = "scores.parquet"
CHART = "results.svg"
PAGE = "results.md"
HTML = "results.html"
RESULT = "results.json"
EPISODES_STEM = "episodes-"


def episodes_file(sha256: str) -> str:
    return f"{EPISODES_STEM}{sha256[:DIGITS]}.parquet"


def parts_folder(episodes_sha256: str) -> str:
    return f"{PARTS}/{episodes_sha256[:DIGITS]}"
