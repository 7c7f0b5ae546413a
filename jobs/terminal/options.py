"""Options that several commands share."""

from typing import Annotated

import typer

OutputUri = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="A labeling job's output: a folder or s3://….")
]
EndpointUrl = Annotated[str | None, typer.Option(help="Of S3, if it is not AWS.")]
Region = Annotated[str | None, typer.Option(help="Of S3.")]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="Read a public bucket unsigned.")]
AsJson = Annotated[bool, typer.Option("--json", help="The last line of output is one JSON object.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Where another run is at work on the output: after it.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="key.subkey=value, may be repeated.")
]
Preset = Annotated[
    str | None, typer.Option(help="A table of a paper (docs/ablations.md), or a paper's recipe.")
]


def with_preset(preset: str | None, overrides: list[str] | None) -> list[str]:
    """Return the overrides with the preset before them; the job file's own preset gives way."""
    return [*([f"preset={preset}"] if preset is not None else []), *(overrides or [])]
