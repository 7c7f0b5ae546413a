"""Turn a certificate into a page that needs nothing else."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.certify.certificate import NAMES, Certificate

TEMPLATE = "page.html.j2"


def page_of(certificate: Certificate) -> str:
    """Return the page; names are escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(TEMPLATE).render(certificate=certificate, names=NAMES)
