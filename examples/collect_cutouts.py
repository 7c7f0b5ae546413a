"""Collects objects with transparency from packages, for `vrp lite train --cutouts`.

Four packages, unpacked side by side in one folder, hold them (terms in brackets):

    tuxpaint-stamps-default   Debian  photos and drawings of things (GPL-2)
    fonts-noto-color-emoji    Debian  emoji (OFL-1.1)
    @lobehub/fluent-emoji-3d  npm     rendered emoji (MIT)
    @twemoji/svg              npm     flat emoji (CC-BY-4.0); drawn by cairosvg, from PyPI
    emoji-datasource          npm     what emoji are called (MIT)

    python examples/collect_cutouts.py UNPACKED OUT     # OUT/<category>/<style>.png

Left out is what the photos of `lite` may show, trained on or held out, and letters and signs.
"""

import argparse
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import cairosvg  # pyright: ignore[reportMissingImports] - not the product's
from PIL import Image, ImageDraw, ImageFont

SIDE = 220
LEAST_SIDE = 24
SEEN = [255 if level > 40 else 0 for level in range(256)]


def words_of(*texts: str) -> set[str]:
    """Return the words of some names."""
    return {word for text in texts for word in re.split("[^a-z]+", text.lower())}


LIKE_HELD_OUT = re.compile(
    "dog|wolf|poodle|puppy|horse|pony|couch|sofa|table|potted|plant|seedling|fox|dingo|donkey"
    "|unicorn"
)
IN_PHOTOS = words_of(
    "airplane automobile backpack bag bed beetle bench bicycle blazer blouse boat boot boots "
    "bowl broccoli building bus cab cake canoe cape car carrot chair clock coat cow cup "
    "deciduous donut doughnut dress elephant evergreen face ferry fork frisbee giraffe glass "
    "grass hair handbag hat jacket jeans light lorry mandarine microwave motorbike motorcycle "
    "mountain mug orange oven ox palm pants person pizza poloshirt purse refrigerator road "
    "sailboat sandals scarf scooter seat sedan ship shirt shoe shoes shorts sink skateboard "
    "skirt sky sneakers speedboat spoon sportscar stocking stoplight suit tangerine taxi teddy "
    "tie toilet toothbrush traffic tree truck tshirt umbrella vase vest water wine zebra"
)
KINDS = {"Animals & Nature", "Food & Drink", "Objects", "Activities", "Travel & Places"}
OTHER_KINDS = {"time", "place-map"}
DETAIL = re.compile(
    r"([_-](photo|small|large|little|new|old|baby|stand|sitting|flying|profile|mean|left|closed"
    r"|open|\d+))+"
)
SEVERAL = re.compile(
    "^(apple|pig|penguin|hen|heron|tiger|wrench|rabbit|lion|cep|guitar|frog|strawberry|dreydl|bunny"
    "|candy_cane|lemon|pear)[_-].*$"
)


def stamps(root: Path) -> Iterator[tuple[str, str, Image.Image]]:
    """Yield category, style and image of the stamps; pictures of one thing share a category."""
    for path in sorted(root.rglob("*.png")):
        place, stem = path.relative_to(root), path.stem.lower()
        if place.parts[0] in ("symbols", "space") or "grave-" in stem or "flags" in place.parts:
            continue
        if re.search("_mirror|_flip", str(place)) or LIKE_HELD_OUT.search(stem):
            continue
        if words_of(str(place.with_suffix(""))) & IN_PHOTOS:
            continue
        name = DETAIL.sub("", re.sub(r"\d+$", "", stem)).strip("_-") or stem
        name = SEVERAL.sub(r"\1", name)
        drawn = "c_" if "cartoon" in str(place) else ""
        yield f"stamp-{name}", drawn + stem, Image.open(path)


def emoji(unpacked: Path) -> Iterator[tuple[str, str, Image.Image]]:
    """Yield category, style and image of each emoji of a thing, in the styles that have it."""
    (names,) = unpacked.rglob("emoji.json")
    (font_file,) = unpacked.rglob("NotoColorEmoji.ttf")
    font = ImageFont.truetype(str(font_file), 109)  # its one size
    fluent = {path.stem: path for path in unpacked.rglob("*.webp")}
    flat = {path.stem: path for path in unpacked.rglob("*.svg")}
    for one in json.loads(names.read_text()):
        if one["category"] not in KINDS or one["subcategory"] in OTHER_KINDS:
            continue
        called = words_of(one["name"] or "", *one["short_names"])
        if LIKE_HELD_OUT.search(" ".join(called)) or called & IN_PHOTOS:
            continue
        category = "emoji-" + one["short_name"].replace("/", "_")
        code = one["unified"].lower()
        codes = (code, (one["non_qualified"] or code).lower(), code.replace("-fe0f", ""))
        if found := next((fluent[c] for c in codes if c in fluent), None):
            yield category, "fluent", Image.open(found)
        if found := next((flat[c] for c in codes if c in flat), None):
            png = cairosvg.svg2png(url=str(found), output_width=200)
            yield category, "twemoji", Image.open(io.BytesIO(png))
        drawn = Image.new("RGBA", (150, 150))
        text = "".join(chr(int(number, 16)) for number in code.split("-"))
        ImageDraw.Draw(drawn).text((5, 5), text, font=font, embedded_color=True)
        yield category, "noto", drawn


def main() -> None:
    """Write every object that is there and not too thin, cut to what can be seen of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("unpacked", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    (root,) = asked.unpacked.rglob("tuxpaint/stamps")
    for category, style, image in (*stamps(root), *emoji(asked.unpacked)):
        rgba = image.convert("RGBA")
        box = (
            rgba.getchannel("A").point([255 if level > 40 else 0 for level in range(256)]).getbbox()
        )
        if box is None or min(box[2] - box[0], box[3] - box[1]) < LEAST_SIDE:
            continue
        cut = rgba.crop(box)
        cut.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        folder = asked.out / category
        folder.mkdir(parents=True, exist_ok=True)
        cut.save(folder / f"{style}.png")


if __name__ == "__main__":
    main()
