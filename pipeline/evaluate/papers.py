"""What the papers print for the protocols evaluated here: facts, each with its table.

VRP-SAM: Sun et al., CVPR 2024; PerSAM: Zhang et al., ICLR 2024. Per cent of mIoU. The rows are of
SAM ViT-H, and of the encoder named beside the method.
"""

from dataclasses import dataclass

from schemas.fold import Protocol


@dataclass(frozen=True)
class PaperRow:
    """A row of a paper's table; folds is empty where only the mean is printed."""

    protocol: Protocol
    method: str
    label: str
    shots: int
    folds: tuple[float, ...]
    mean: float
    source: str


ONE, TWO, THREE, FOUR = (f"VRP-SAM, Table {number}" for number in (1, 2, 3, 4))
SEVEN, ELEVEN, FIFTEEN = (f"VRP-SAM, Table {number}" for number in (7, 11, 15))
NINE = "PerSAM supplement, Table 9"

PAPER_ROWS = (
    PaperRow("coco20i", "PerSAM", "mask", 1, (23.1, 23.6, 22.0, 23.4), 23.0, ONE),
    PaperRow("coco20i", "PerSAM-F", "mask", 1, (22.3, 24.0, 23.4, 24.1), 23.5, ONE),
    PaperRow("coco20i", "Matcher (DINOv2-L)", "mask", 1, (52.7, 53.5, 52.6, 52.1), 52.7, ONE),
    PaperRow("coco20i", "SegGPT", "mask", 1, (56.3, 57.4, 58.9, 51.7), 56.1, ONE),
    PaperRow("coco20i", "VRP-SAM (ResNet-50)", "points", 1, (30.1, 39.2, 43.0, 40.4), 38.2, ONE),
    PaperRow("coco20i", "VRP-SAM (ResNet-50)", "scribbles", 1, (40.2, 52.0, 52.4, 44.4), 47.2, ONE),
    PaperRow("coco20i", "VRP-SAM (ResNet-50)", "box", 1, (44.5, 49.3, 55.7, 49.1), 49.7, ONE),
    PaperRow("coco20i", "VRP-SAM (ResNet-50)", "mask", 1, (48.1, 55.8, 60.0, 51.6), 53.9, ONE),
    PaperRow("coco20i", "VRP-SAM (VGG-16)", "mask", 1, (43.6, 51.7, 50.0, 46.5), 48.0, TWO),
    PaperRow("coco20i", "HDMNet (ResNet-50)", "mask", 1, (43.8, 55.3, 51.6, 49.4), 50.0, TWO),
    PaperRow("coco20i", "GP-SAM box (ResNet-50)", "mask", 1, (), 19.7, THREE),
    PaperRow("coco20i", "GP-SAM point (ResNet-50)", "mask", 1, (), 21.7, THREE),
    PaperRow("coco20i", "GP-SAM box + point (ResNet-50)", "mask", 1, (), 23.2, THREE),
    PaperRow("coco20i", "GP-SAM box + point (DINOv2)", "mask", 1, (), 37.8, THREE),
    PaperRow("coco20i", "VRP-SAM (DINOv2-B)", "mask", 1, (56.8, 61.0, 64.2, 59.7), 60.4, ELEVEN),
    PaperRow("pascal5i", "HDMNet (ResNet-50)", "mask", 1, (71.0, 75.4, 68.9, 62.1), 69.4, TWO),
    PaperRow("pascal5i", "VRP-SAM (VGG-16)", "mask", 1, (70.0, 74.7, 68.3, 61.9), 68.7, TWO),
    PaperRow("pascal5i", "VRP-SAM (ResNet-50)", "mask", 1, (73.9, 78.3, 70.6, 65.0), 71.9, TWO),
    PaperRow("pascal5i", "VRP-SAM (ResNet-50)", "points", 1, (), 62.9, SEVEN),
    PaperRow("pascal5i", "VRP-SAM (ResNet-50)", "scribbles", 1, (), 66.8, SEVEN),
    PaperRow("pascal5i", "VRP-SAM (ResNet-50)", "box", 1, (), 69.4, SEVEN),
    PaperRow("pascal5i", "VRP-SAM (ResNet-50)", "points", 5, (), 64.1, SEVEN),
    PaperRow("pascal5i", "VRP-SAM (ResNet-50)", "scribbles", 5, (), 68.4, SEVEN),
    PaperRow("pascal5i", "VRP-SAM (ResNet-50)", "box", 5, (), 70.5, SEVEN),
    PaperRow("pascal5i", "VRP-SAM (ResNet-50)", "mask", 5, (), 72.9, SEVEN),
    PaperRow("coco_to_pascal", "VRP-SAM (ResNet-50)", "points", 1, (), 63.5, FOUR),
    PaperRow("coco_to_pascal", "VRP-SAM (ResNet-50)", "scribbles", 1, (), 72.5, FOUR),
    PaperRow("coco_to_pascal", "VRP-SAM (ResNet-50)", "box", 1, (), 72.3, FOUR),
    PaperRow("coco_to_pascal", "VRP-SAM (ResNet-50)", "mask", 1, (), 75.9, FOUR),
    PaperRow("pascal_part", "PerSAM", "mask", 1, (19.9, 51.8, 18.6, 32.0), 30.1, FIFTEEN),
    PaperRow(
        "pascal_part", "VRP-SAM (ResNet-50)", "mask", 1, (23.4, 56.6, 25.8, 35.6), 35.4, FIFTEEN
    ),
    PaperRow(
        "pascal_part", "VRP-SAM (DINOv2-B)", "mask", 1, (30.3, 52.1, 25.8, 36.7), 36.2, FIFTEEN
    ),
    PaperRow("pascal_part", "PerSAM (DINOv2)", "mask", 1, (), 32.5, NINE),
    PaperRow("pascal_part", "PerSAM-F (DINOv2)", "mask", 1, (), 32.9, NINE),
    PaperRow("lvis92i", "PerSAM (DINOv2)", "mask", 1, (), 15.6, NINE),
    PaperRow("lvis92i", "PerSAM-F (DINOv2)", "mask", 1, (), 18.4, NINE),
    PaperRow("paco_part", "PerSAM (DINOv2)", "mask", 1, (), 22.5, NINE),
    PaperRow("paco_part", "PerSAM-F (DINOv2)", "mask", 1, (), 22.7, NINE),
)

DAVIS_2017_ROWS = (
    ("PerSAM", 60.3, 56.6, 63.9, "VRP-SAM, Table 16"),
    ("VRP-SAM (ResNet-50)", 64.8, 62.1, 67.4, "VRP-SAM, Table 16"),
    ("PerSAM (DINOv2)", 66.9, None, None, "PerSAM supplement, Table 6"),
    ("PerSAM-F (DINOv2)", 76.1, None, None, "PerSAM supplement, Table 6"),
)
"""Method, J&F, J, F, source."""
