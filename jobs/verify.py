"""vrp verify: re-read a commit and list what is not as it says."""

import json

import typer

from jobs.terminal.options import Anonymous, AsJson, EndpointUrl, OutputUri, Region

SHOWN = 1000  # faults printed; a damaged output of a million images may have as many


def verify(
    output: OutputUri,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Check a commit without Ray: parts, hashes, counts, masks, and that no image is there twice.

    Exit codes: 0 whole, 1 faults (each printed), 2 wrong input.
    """
    from rich.console import Console

    from pipeline.output.audit import audit
    from pipeline.storage.place import Place
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    faults = 0
    for fault in audit(Place.open(output, storage)):
        faults += 1
        if faults <= SHOWN:
            console.print(fault, markup=False)
    if faults > SHOWN:
        console.print(f"… and {faults - SHOWN} more")
    console.print(f"{output}: {f'{faults} faults' if faults else 'whole'}", markup=False)
    if as_json:
        typer.echo(json.dumps({"output": output, "faults": faults}))
    if faults:
        raise typer.Exit(1)
