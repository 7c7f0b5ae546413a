"""Say what a result depends on: flat fields, their fingerprint, and the lines where two differ."""

import hashlib
import json
from collections.abc import Mapping


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return a line for every field that differs."""
    lines = []
    for key in sorted(found.keys() | wanted.keys()):
        before, after = found.get(key), wanted.get(key)
        if before is None:
            lines.append(f"{key}: only in this job ({after})")
        elif after is None:
            lines.append(f"{key}: only in the output ({before})")
        elif before != after:
            lines.append(f"{key}: {before} in the output, {after} in this job")
    return lines


def leaves(key: str, value: object) -> list[tuple[str, str]]:
    """Flatten nested values to readable places: method.reading.mask_scale -> 1.0."""
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in leaves(f"{key}.{name}", inner)]
    return [(key, json.dumps(value) if not isinstance(value, str) else value)]


def fingerprint_of(fields: Mapping[str, str]) -> str:
    """Return the sha256 of fields, whatever their order."""
    return hashlib.sha256(json.dumps(dict(fields), sort_keys=True).encode()).hexdigest()
