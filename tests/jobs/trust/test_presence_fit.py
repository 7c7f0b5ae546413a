"""vrp presence fit makes a head of every method, with the signals that it has."""

import json
from pathlib import Path

import pytest
import yaml

from jobs.main import main
from model.presence.signals import OF_FEATURES, OF_MASK

NETWORKS = {part: {"type": "nano", "weights": "random:0"} for part in ("sam", "backbone")}


@pytest.mark.parametrize("method", ["persam", "matcher"])
def test_a_method_that_searches_gets_a_head_of_the_signals_it_has(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    method: str,
) -> None:
    monkeypatch.setenv("VRP_CACHE", str(tmp_path / "cache"))
    box = {"type": "box", "xyxy": [1, 1, 8, 8]}
    document = {
        "targets": {"type": "images", "uris": "nowhere"},
        "references": [{"category": "cat", "image": "cat.png", "annotation": box}],
        "method": {"type": method, **NETWORKS},
        "output": {"uri": "out"},
        "allow_random_weights": True,
    }
    job, head = tmp_path / "job.yaml", tmp_path / "head.json"
    job.write_text(yaml.safe_dump(document))
    with pytest.raises(SystemExit) as ended:
        main(["presence", "fit", str(job), "--to", str(head), "--episodes", "10"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)["pairs"] > 0
    (fitted,) = json.loads(head.read_text())
    assert fitted["method"] == method
    assert {*OF_MASK, *OF_FEATURES} <= set(fitted["signals"])
