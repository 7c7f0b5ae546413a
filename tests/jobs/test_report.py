"""What an operator types for a report, and where it goes."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from jobs.report import report
from pipeline.storage.files import open_filesystem, read_bytes
from schemas.errors import BadStorage
from tests.made.outputs.output import make_output
from tests.made.servers.s3 import SECRET, Bucket


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(report)
    return CliRunner().invoke(app, arguments)


def test_the_page_goes_into_the_output_unless_told_otherwise(tmp_path: Path) -> None:
    output, truth = make_output(tmp_path)
    done = run(output)
    assert done.stdout.startswith(f"report: {output}/report.html (")
    assert "mIoU" not in (tmp_path / "labels/report.html").read_text()
    assert run(output, "--truth", truth, "--to", f"{tmp_path}/page.html").exit_code == 0
    assert "mIoU" in (tmp_path / "page.html").read_text()


def test_what_of_the_ground_truth_is_not_used_is_printed_and_stands_in_the_page(
    tmp_path: Path,
) -> None:
    output, truth = make_output(tmp_path)
    document = json.loads(Path(truth).read_text())
    far = [[1, 1, 1e8, 1, 1e8, 9]]
    document["annotations"].append(document["annotations"][0] | {"id": 77, "segmentation": far})
    Path(truth).write_text(json.dumps(document), encoding="utf-8-sig")
    done = run(output, "--truth", truth)
    assert done.exit_code == 0, done.exception
    assert "ground truth: annotation 77: a polygon with a corner at 100000000" in done.stdout
    assert "ground truth: categories are matched by name" in done.stdout
    assert "annotation 77: a polygon" in (tmp_path / "labels/report.html").read_text()


def test_an_output_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    assert isinstance(run(str(tmp_path / "out")).exception, BadStorage)


def test_an_output_on_s3_gets_its_page_there(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Path(make_output(tmp_path)[0])
    for file in filter(Path.is_file, output.rglob("*")):
        bucket.put(f"out/{file.relative_to(output)}", file.read_bytes())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    done = run(f"{bucket.uri}/out", "--endpoint-url", str(bucket.storage.endpoint_url))
    assert done.exit_code == 0, done.exception
    page = read_bytes(*open_filesystem(f"{bucket.uri}/out/report.html", bucket.storage))
    # Pictures of images on the disk are looked for on the disk.
    assert page.count(b"<img ") > 5
