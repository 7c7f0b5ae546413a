"""Turn a certificate into a page that needs nothing else."""

from pathlib import Path

from pipeline.certify.certificate import NAMES, Certificate
from pipeline.report.template import filled

TEMPLATE = Path(__file__).with_name("page.html.j2")


def page_of(certificate: Certificate) -> str:
    """Return the page; names are escaped."""
    return filled(TEMPLATE, certificate=certificate, names=NAMES)
