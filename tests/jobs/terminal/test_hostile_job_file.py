"""Job files that nobody should have written: one readable refusal, whatever stands in them."""

import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.terminal.job_file import read_job
from jobs.terminal.strict_yaml import MAX_BYTES, load_yaml
from schemas.errors import BadInput
from schemas.job.label import LabelJob

GOOD = """\
targets: {type: images, uris: in/}
references:
- {category: cat, image: cat.jpg, annotation: {type: box, xyxy: [1, 2, 3, 4]}}
method: {type: matcher, sam: {type: vit_b, weights: a.pth}}
output: {uri: out}
"""


def refused(text: str | bytes, folder: Path) -> str:
    path = folder / "job.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput) as raised:
        read_job(LabelJob, path)
    str(raised.value).encode()
    return str(raised.value)


def bomb(levels: int) -> str:
    """Nine aliases of nine aliases of …: 9 ** levels values in some 30 bytes a level."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]")
    return "\n".join(lines)


def test_a_bomb_of_aliases_is_refused_before_it_is_expanded(tmp_path: Path) -> None:
    assert "aliases that repeat" in refused(bomb(40) + "\n" + GOOD, tmp_path)


def test_a_bomb_of_merged_mappings_is_refused(tmp_path: Path) -> None:
    lines = ["m0: &m0 {a: 1, b: 2}"]
    for level in range(1, 30):
        lines.append(f"m{level}: &m{level} {{<<: [{', '.join([f'*m{level - 1}'] * 9)}]}}")
    assert "aliases that repeat" in refused("\n".join(lines), tmp_path)


def test_an_alias_that_contains_itself_is_refused(tmp_path: Path) -> None:
    assert "contains itself" in refused("targets: &a [*a]", tmp_path)


def test_an_alias_that_repeats_a_section_is_understood() -> None:
    text = "a: &shared {b: [1, 2]}\nc: *shared\nd: {<<: *shared, e: 3}"
    expected = {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": {"b": [1, 2], "e": 3}}
    assert load_yaml(text) == expected


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system [touch PWNED]", "!!python/name:os.system", "!include /etc/x"],
)
def test_a_tag_that_would_build_something_is_refused(
    tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "could not determine a constructor" in refused(f"targets: {tag}", tmp_path)
    assert not Path("PWNED").exists()


def test_a_key_that_stands_twice_is_named_with_its_line(tmp_path: Path) -> None:
    assert "'output' stands twice, line 6" in refused(GOOD + "output: {uri: other}\n", tmp_path)


@pytest.mark.parametrize(
    "value",
    ["2001-13-40", "!!int ''", "!!float ''", "!!timestamp x", "0x_", "0b_", "9" * 5000, "[" * 5000],
    ids=lambda value: value[:15],
)
def test_a_value_that_pyyaml_stumbles_over_is_refused(value: str, tmp_path: Path) -> None:
    assert "not YAML" in refused(f"targets: {value}", tmp_path)


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xfe\x00", b"[1]", b"a: \x80", b"--- a\n--- b"])
def test_bytes_that_are_no_job_are_refused(data: bytes, tmp_path: Path) -> None:
    assert "a job file is not" in refused(data, tmp_path)


def test_half_a_surrogate_pair_can_be_reported(tmp_path: Path) -> None:
    assert r"\ud800" in refused('"\\ud800": 1\n' + GOOD, tmp_path)


def test_thousands_of_faults_are_counted_and_twenty_are_shown(tmp_path: Path) -> None:
    message = refused(GOOD + "".join(f"k{n}: 1\n" for n in range(3000)), tmp_path)
    assert "the job has 3000 faults" in message
    assert "and 2980 more" in message


def test_a_file_without_an_end_is_read_up_to_the_limit() -> None:
    command = (
        f"from jobs.terminal.job_file import *; read_job(Spec, Path('/dev/zero')); {MAX_BYTES}"
    )
    run = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_one_gib,
    )
    assert "a job file is too long" in run.stderr


def _one_gib() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
keys = st.sampled_from([*sorted(LabelJob.model_fields), "type", "uri", "uris", "xyxy"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | scalars, inner, max_size=3),
    max_leaves=8,
)
QUICK = settings(max_examples=150)


@QUICK
@given(st.dictionaries(keys, values, max_size=4))
def test_any_document_is_a_job_or_one_refusal(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(GOOD) | changed), encoding="utf-8")
    try:
        job = read_job(LabelJob, path)
    except BadInput as error:
        str(error).encode()
    else:
        assert LabelJob.model_validate_json(job.model_dump_json()) == job


@QUICK
@given(st.text("ab:-&*![]{}\"'\n #<0x.,?|>%@\\", max_size=40) | st.text(max_size=20))
def test_any_text_is_values_or_one_error(text: str) -> None:
    with suppress(yaml.YAMLError):
        load_yaml(text)
