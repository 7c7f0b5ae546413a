"""What README.md and docs/ name is there: commands, options, targets, modules, paths, links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
import typer
import yaml
from typer.core import TyperGroup

from jobs.main import Kind, app, spec_of
from pipeline.weights.from_card import fill_methods

JOBS = {kind: spec_of(kind) for kind in get_args(Kind)}
ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
README_BYTES = 8 * 1024

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"(?<![\w/.:-])((?:schemas|model|pipeline|jobs|tests|docs|examples|benchmarks|\.ci)/[\w./*-]*"
    r"|cluster\.yaml|requirements\.lock)"
)


@dataclass(frozen=True)
class Code:
    """A line of a block, or an inline span, and the page it stands in."""

    page: str
    text: str


def code_of(page: Path) -> Iterator[Code]:
    text = page.read_text()
    for _, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield Code(page.name, line.strip())
    for span in SPAN.findall(FENCE.sub("", text)):
        yield Code(page.name, " ".join(span.split()))


CODE = [code for page in PAGES for code in code_of(page)]
COMMANDS = [code for code in CODE if code.text.startswith("vrp ")]


def vrp() -> TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def words_of(line: str) -> list[str]:
    """Return a command's words, without the remark and the & behind it."""
    return shlex.split(re.sub(r"\s(#.*|&)$", "", line))


def fault_of(line: str) -> str:
    """Return what the command line has no such thing of, "" for nothing."""
    command, words = vrp(), words_of(line)[1:]
    while isinstance(command, TyperGroup) and words:
        if words[0] not in command.commands:
            return words[0]
        command = command.commands[words.pop(0)]
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return " ".join(word for word in words if word.startswith("-") and word not in options)


def all_options(group: TyperGroup) -> Iterator[str]:
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from all_options(command)
        for option in command.params:
            yield from (*option.opts, *option.secondary_opts)


def test_every_command_that_the_docs_name_exists_with_its_options() -> None:
    assert len(COMMANDS) > 20
    assert not [(code, fault) for code in COMMANDS if (fault := fault_of(code.text))]


def test_an_option_that_the_docs_name_alone_is_one_of_some_command() -> None:
    named = {code.text.split()[0] for code in CODE if code.text.startswith("--")}
    assert not named - set(all_options(vrp()))


def test_every_make_target_that_the_docs_name_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {code.text.split()[1] for code in CODE if re.match(r"make [a-z]", code.text)}
    assert {"demo", "test"} <= named <= targets


def test_every_module_that_the_docs_run_exists() -> None:
    named = {name for code in CODE for name in re.findall(r"python -m ([\w.]+)", code.text)}
    for place in (ROOT / name.replace(".", "/") for name in named):
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), place


def test_every_path_that_the_docs_name_exists() -> None:
    named = {(code.page, path.rstrip("/.,")) for code in CODE for path in PATH.findall(code.text)}
    assert not [(page, path) for page, path in named if not any(ROOT.glob(path))]


def test_the_readme_has_a_remark_for_every_folder() -> None:
    named, above = set[str](), ""
    for line in README.read_text().splitlines():
        if entry := re.fullmatch(r"(  )?([\w.]+/) +\S.*", line):
            above = above if entry[1] else entry[2]
            named.add(above + entry[2] if entry[1] else entry[2])
    packages = [ROOT / name for name in ("schemas", "model", "pipeline", "jobs")]
    inner = [path for package in packages for path in package.iterdir() if any(path.glob("[!_.]*"))]
    others = {"tests/", "docs/", "examples/", "benchmarks/"}
    assert named == others | {f"{path.relative_to(ROOT)}/" for path in (*packages, *inner)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_relative_link_leads_to_a_file(page: Path) -> None:
    links = LINK.findall(FENCE.sub("", page.read_text()))
    local = [link.partition("#")[0] for link in links if "://" not in link]
    assert not [link for link in local if not (page.parent / link).exists()]


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.read_bytes()) <= README_BYTES
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= set(LINK.findall(README.read_text()))


@pytest.mark.parametrize(
    ("page", "kind"),
    [("README.md", "label"), ("docs/train.md", "train"), ("docs/evaluate.md", "evaluate")],
)
def test_the_first_job_that_a_page_shows_is_one(page: str, kind: Kind) -> None:
    blocks = [text for name, text in FENCE.findall((ROOT / page).read_text()) if name == "yaml"]
    spec_of(kind).model_validate(fill_methods(yaml.safe_load(blocks[0]), ROOT))
