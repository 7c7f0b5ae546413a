"""vrp train as an operator reads it, before anything is trained."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

from jobs.main import app
from tests.made.data.training import a_job, write_dataset


def test_a_damaged_checkpoint_is_named_with_where_the_training_goes_on(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data")
    document = a_job(tmp_path).model_dump(
        mode="json", exclude={"episodes": {"per_epoch"}, "storage": True}
    )
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(document))
    torn = tmp_path / "out/fold-0/runs/0000/checkpoint_4"
    torn.mkdir(parents=True)
    (torn / "state.json").write_bytes(b'{"fold": 0, "st')
    done = CliRunner().invoke(app, ["train", str(tmp_path / "job.yaml"), "--dry-run"])
    assert done.exit_code == 0, done.output
    said = f"fold 0: checkpoint {torn} is damaged, going on from the beginning"
    assert said in done.output
