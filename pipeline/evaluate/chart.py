"""Scores become an SVG: each method's mIoU as a bar, its 95 % interval as a line over it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pyarrow as pa

from schemas.job.evaluate import EvaluateJob

BAR, GAP, LEFT, SCALE, TOP = 14, 10, 250, 4.0, 40  # points; SCALE of them are one per cent
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#4a5568", "#975a16", "#285e61")


def chart(job: EvaluateJob, scores: pa.Table) -> str:
    """Return the chart; a colour for each method, a group for each way of giving references."""
    rows = [
        row
        for row in scores.to_pylist()
        if row["fold"] is None and row["metric"] == "miou_grid" and row["value"] is not None
    ]
    colours = colours_of(job)
    parts: list[str] = []
    y = TOP
    for given in dict.fromkeys(_given(row) for row in rows):
        shots, form, growth_px = given
        grown = f", masks {growth_px:+d} px" if growth_px else ""
        parts.append(svg_text(8, y + 10, f"{form}, {shots}-shot{grown}", weight="bold"))
        y += BAR + 4
        for row in rows:
            if _given(row) == given:
                parts += _bar(row, y, colours[row["method"]])
                y += BAR + 4
        y += GAP
    return _page(parts, y)


def colours_of(job: EvaluateJob) -> dict[str, str]:
    """Return each method's colour, in every chart the same."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(job.methods)}


def references_of(row: Mapping[str, Any]) -> str:
    """Say in words how a score's references were given."""
    growth = f", masks {row['mask_growth_px']:+d} px" if row["mask_growth_px"] else ""
    return f"{row['shots']} x {row['format']}{growth}"


def _given(row: dict[str, Any]) -> tuple[int, str, int]:
    return row["shots"], row["format"], row["mask_growth_px"]


def _bar(row: dict[str, Any], y: float, colour: str) -> list[str]:
    # Without an interval the line has no length.
    value, low, high = (
        100 * (row["value"] if row[name] is None else row[name])
        for name in ("value", "low", "high")
    )
    middle = y + BAR / 2
    return [
        svg_text(20, y + 11, row["method"]),
        f'<rect x="{LEFT}" y="{y}" width="{value * SCALE:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<line x1="{LEFT + low * SCALE:.1f}" x2="{LEFT + high * SCALE:.1f}" y1="{middle}" '
        f'y2="{middle}" stroke="black" stroke-width="2"/>',
        svg_text(LEFT + max(value, high) * SCALE + 6, y + 11, f"{value:.1f}"),
    ]


def _page(parts: Sequence[str], height: float) -> str:
    width = LEFT + 100 * SCALE + 50
    axis = [
        f'<line x1="{LEFT + at * SCALE}" x2="{LEFT + at * SCALE}" y1="{TOP - 6}" y2="{height}" '
        'stroke="#cccccc"/>' + svg_text(LEFT + at * SCALE - 8, TOP - 10, str(at))
        for at in range(0, 101, 20)
    ]
    title = svg_text(8, 18, "mIoU on the 512 grid, per cent; lines: 95 % intervals", weight="bold")
    return svg("mIoU by method", (width, height + 10), [title, *axis, *parts])


def svg(title: str, size_wh: tuple[float, float], parts: Sequence[str]) -> str:
    """Return a chart of its parts on white."""
    width, height = size_wh
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            'font-family="sans-serif" font-size="12" role="img">',
            f"<title>{title}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def svg_text(x: float, y: float, text: str, weight: str = "normal") -> str:
    """Return a line of text that begins at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}">{escape(text)}</text>'
