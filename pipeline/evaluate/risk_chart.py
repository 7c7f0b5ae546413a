"""Scores become an SVG: of a method's decisions of presence, how many of the surest are wrong."""

from html import escape

import pyarrow as pa

from pipeline.evaluate.chart import COLOURS
from pipeline.evaluate.metrics import RISK_AT
from schemas.job.evaluate import EvaluateJob

LEFT, TOP, WIDTH, HEIGHT = 50, 30, 420, 200  # points of the plot
LINE = 16


def risk_chart(job: EvaluateJob, scores: pa.Table) -> str:
    """Return the chart: coverage to the right, risk upwards, a line a method and way of asking."""
    curves: dict[str, list[tuple[int, float]]] = {}
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(job.methods)}
    colour_of: dict[str, str] = {}
    for row in scores.to_pylist():
        if row["fold"] is None and row["metric"].startswith(RISK_AT) and row["value"] is not None:
            growth = f", {row['mask_growth_px']:+d} px" if row["mask_growth_px"] else ""
            name = f"{row['method']}, {row['shots']} x {row['format']}{growth}"
            coverage = int(row["metric"].removeprefix(RISK_AT))
            curves.setdefault(name, []).append((coverage, row["value"]))
            colour_of[name] = colours[row["method"]]
    top = max((risk for points in curves.values() for _, risk in points), default=0.0) or 0.1
    height = TOP + HEIGHT + 40 + LINE * len(curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" '
        'font-family="sans-serif" font-size="12" role="img">',
        "<title>Wrong decisions of presence by coverage</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        _text(8, 18, "Wrong among the surest decisions of presence, per cent"),
    ]
    for part in (0, 50, 100):
        x, y = _place(part, part / 100 * top, top)
        parts.append(_text(x - 8, TOP + HEIGHT + 16, f"{part}"))
        parts.append(_text(8, y + 4, f"{part * top:.1f}"))
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#cccccc"/>'
        )
    parts.append(_text(LEFT + WIDTH - 120, TOP + HEIGHT + 30, "coverage, per cent"))
    for number, (name, points) in enumerate(curves.items()):
        places = (_place(coverage, risk, top) for coverage, risk in sorted(points))
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        y = TOP + HEIGHT + 44 + LINE * number
        parts += [
            f'<polyline points="{line}" fill="none" stroke="{colour_of[name]}" stroke-width="2"/>',
            f'<rect x="8" y="{y - 9}" width="10" height="10" fill="{colour_of[name]}"/>',
            _text(24, y, name),
        ]
    return "\n".join([*parts, "</svg>\n"])


def _place(coverage: float, risk: float, top: float) -> tuple[float, float]:
    return LEFT + coverage / 100 * WIDTH, TOP + HEIGHT * (1 - risk / top)


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="black">{escape(text)}</text>'
