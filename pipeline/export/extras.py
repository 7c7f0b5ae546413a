"""Import a library that only some exports need, or say how to install it."""

import importlib
import sys
from typing import Any

from schemas.errors import BadInput


def library(module: str, extra: str) -> Any:
    """Return a module of an optional dependency. Raises BadInput where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BadInput(
            "an export without the library it needs",
            f"the Python in {sys.prefix}",
            str(error),
            f"pip install 'vrp-label[{extra}]'",
        ) from error
