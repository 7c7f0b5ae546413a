"""vrp weights: list, download, examine and import weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import Anonymous, EndpointUrl, Region
from schemas.errors import BadInput, BadWeights
from schemas.names import LabelType, SamType

if TYPE_CHECKING:
    from rich.console import Console

    from model.checkpoints.identify import FileIdentity
    from pipeline.weights.catalogue import Published

weights_app = typer.Typer(
    help="List, download, examine and import weights. Exit codes: 0 done, 2 wrong input, 1 else.",
    no_args_is_help=True,
)


@weights_app.command("list")
def list_weights() -> None:
    """Print the names that a job may use for published weights."""
    from rich.table import Table

    from pipeline.weights.catalogue import CATALOGUE

    table = Table(box=None)
    for heading in ("name", "kind", "trained on", "size", "sha256", "licence"):
        table.add_column(heading, no_wrap=True)
    for name, published in CATALOGUE.items():
        size = f"{published.size_bytes / 1e6:.0f} MB" if published.size_bytes else ""
        digest = (published.sha256 or "")[:12]
        table.add_row(name, published.kind, published.trained_on, size, digest, published.licence)
    _console().print(table)


@weights_app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A name of `vrp weights list`, or an address.")],
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
) -> None:
    """Download weights into this node's cache and check them; print where they are."""
    from model.checkpoints.identify import identify
    from pipeline.weights.catalogue import CATALOGUE
    from pipeline.weights.fetch import localise
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    path = localise(name, storage)
    identity = identify(path)
    if published := CATALOGUE.get(name):
        _check_published(name, published, identity)
    typer.echo(path)


@weights_app.command()
def verify(
    weights: Annotated[str, typer.Argument(metavar="PATH", help="A file, address or name.")],
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
) -> None:
    """Say which network a file fits, its sha256, its published name and its model card."""
    from model.checkpoints.identify import identify
    from pipeline.weights.catalogue import CATALOGUE
    from pipeline.weights.fetch import localise, sha256_of
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    path = localise(weights, storage)
    identity, digest = identify(path), sha256_of(path)
    known = [name for name, published in CATALOGUE.items() if published.sha256 == digest]
    console = _console()
    console.print(f"fits:   {identity.kind} {', '.join(identity.types)}", markup=False)
    console.print(f"sha256: {digest}")
    console.print(f"known:  {', '.join(known) or 'not a catalogued file'}")
    if identity.card:
        console.print(f"card:   {identity.card.model_dump_json(indent=2)}", markup=False)


@weights_app.command("import")
def import_weights(
    checkpoint: Annotated[Path, typer.Argument(help="best_model.pt of the public VRP-SAM code.")],
    output: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    sam: Annotated[SamType, typer.Option(help="The SAM it was trained with.")] = "vit_h",
    label_type: Annotated[LabelType, typer.Option(help="Its --condition.")] = "mask",
    fold: Annotated[str | None, typer.Option(help="E.g. coco-20i/0.")] = None,
    backbone_output: Annotated[
        Path | None, typer.Option(help="Where to write the frozen backbone that it carries.")
    ] = None,
) -> None:
    """Convert a checkpoint that was trained with the authors' public code."""
    from model.checkpoints.identify import read_authors
    from model.checkpoints.state_dict import save_weights
    from schemas.job.method import READINGS
    from schemas.record.card import Training, VrpCard

    for path in (output, backbone_output):
        if path and path.suffix != ".safetensors":
            raise BadInput("a file of another format", str(path), path.suffix, ".safetensors")
    imported = read_authors(checkpoint)
    training = Training(data=f"not recorded; imported from {checkpoint.name}")
    card = VrpCard(
        network="vrp",
        sam=sam,
        backbone=imported.backbone_type,
        reading=READINGS["authors_code"],
        queries=imported.queries,
        label_types=(label_type,),
        fold=fold,
        training=training,
    )
    save_weights(imported.encoder, output, card)
    typer.echo(output)
    if backbone_output:
        save_weights(imported.backbone, backbone_output, None)
        typer.echo(backbone_output)


def _check_published(name: str, published: Published, identity: FileIdentity) -> None:
    if identity.kind != published.kind or published.type not in identity.types:
        raise BadWeights(
            "a published file of another network",
            name,
            f"{identity.kind} {', '.join(identity.types)}",
            f"{published.kind} {published.type}",
        )


def _console() -> Console:
    from rich.console import Console

    # No terminal says its width where output is piped, and rich would cut digests at 80 columns.
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
