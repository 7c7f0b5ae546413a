"""Key names and shapes of published checkpoints, written out beside the networks that take them.

From segment_anything's modules (sam_vit_b_01ec64.pth, sam_vit_h_4b8939.pth), MobileSAM's file,
torchvision's (resnet50, vgg16_bn), Meta's DINOv2 and DINOv3, and the resnet50_v2.pth of semseg and
PFENet.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def layer(name: str, *weight: int) -> Shapes:
    """Weight and bias of a linear layer, a convolution or a norm."""
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def batch_norm(name: str, channels: int) -> Shapes:
    """As torch writes it since 0.4.1."""
    statistics = {f"{name}.running_mean": (channels,), f"{name}.running_var": (channels,)}
    return {**layer(name, channels), **statistics, f"{name}.num_batches_tracked": ()}


def sam(width: int, depth: int, heads: int, global_blocks: tuple[int, ...]) -> Shapes:
    """The file of a SAM at 1024 pixels."""
    shapes: Shapes = {"image_encoder.pos_embed": (1, 64, 64, width)}
    shapes |= layer("image_encoder.patch_embed.proj", width, 3, 16, 16)
    for number in range(depth):
        block = f"image_encoder.blocks.{number}"
        # Relative positions of a 14 x 14 window, or of the whole 64 x 64 grid.
        offsets = 127 if number in global_blocks else 27
        shapes |= layer(f"{block}.norm1", width) | layer(f"{block}.norm2", width)
        shapes[f"{block}.attn.rel_pos_h"] = (offsets, width // heads)
        shapes[f"{block}.attn.rel_pos_w"] = (offsets, width // heads)
        shapes |= layer(f"{block}.attn.qkv", 3 * width, width)
        shapes |= layer(f"{block}.attn.proj", width, width)
        shapes |= layer(f"{block}.mlp.lin1", 4 * width, width)
        shapes |= layer(f"{block}.mlp.lin2", width, 4 * width)
    shapes["image_encoder.neck.0.weight"] = (256, width, 1, 1)
    shapes["image_encoder.neck.2.weight"] = (256, 256, 3, 3)
    for norm in (1, 3):
        shapes |= layer(f"image_encoder.neck.{norm}", 256)
    return shapes | _sam_prompts() | _sam_decoder()


def mobile_sam() -> Shapes:
    """The file of MobileSAM: TinyViT-5M with its classifier, at 1024 pixels."""
    named: Shapes = {}
    for index, (inputs, outputs) in {0: (3, 32), 2: (32, 64)}.items():
        named |= _convolution(f"patch_embed.seq.{index}", outputs, inputs, 3)
    widths, depths, windows = (64, 128, 160, 320), (2, 2, 6, 2), (0, 7, 14, 7)
    for stage, (width, depth, window) in enumerate(zip(widths, depths, windows, strict=True)):
        for number in range(depth):
            block = f"layers.{stage}.blocks.{number}"
            if stage:
                named |= _windowed(block, width, width // 32, window)
            else:
                named |= _convolution(f"{block}.conv1", 256, 64, 1)
                named |= _convolution(f"{block}.conv2", 256, 1, 3)
                named |= _convolution(f"{block}.conv3", 64, 256, 1)
        if stage < 3:
            merge, wider = f"layers.{stage}.downsample", widths[stage + 1]
            named |= _convolution(f"{merge}.conv1", wider, width, 1)
            named |= _convolution(f"{merge}.conv2", wider, 1, 3)
            named |= _convolution(f"{merge}.conv3", wider, wider, 1)
    named |= layer("norm_head", 320) | layer("head", 1000, 320)
    named |= {"neck.0.weight": (256, 320, 1, 1), "neck.2.weight": (256, 256, 3, 3)}
    named |= layer("neck.1", 256) | layer("neck.3", 256)
    encoder = {f"image_encoder.{name}": shape for name, shape in named.items()}
    return encoder | _sam_prompts() | _sam_decoder()


def _convolution(name: str, outputs: int, inputs: int, side: int) -> Shapes:
    return {f"{name}.c.weight": (outputs, inputs, side, side), **batch_norm(f"{name}.bn", outputs)}


def _windowed(block: str, width: int, heads: int, window: int) -> Shapes:
    shapes: Shapes = {f"{block}.attn.attention_biases": (heads, window * window)}
    shapes |= layer(f"{block}.attn.norm", width) | layer(f"{block}.attn.qkv", 3 * width, width)
    shapes |= layer(f"{block}.attn.proj", width, width) | layer(f"{block}.mlp.norm", width)
    shapes |= layer(f"{block}.mlp.fc1", 4 * width, width)
    shapes |= layer(f"{block}.mlp.fc2", width, 4 * width)
    return shapes | _convolution(f"{block}.local_conv", width, 1, 3)


def _sam_prompts() -> Shapes:
    shapes: Shapes = {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128)}
    for name in ("point_embeddings.0", "point_embeddings.1", "point_embeddings.2"):
        shapes[f"prompt_encoder.{name}.weight"] = (1, 256)
    for name in ("point_embeddings.3", "not_a_point_embed", "no_mask_embed"):
        shapes[f"prompt_encoder.{name}.weight"] = (1, 256)
    layers = {"0": (4, 1, 2, 2), "1": (4,), "3": (16, 4, 2, 2), "4": (16,), "6": (256, 16, 1, 1)}
    for number, weight in layers.items():
        shapes |= layer(f"prompt_encoder.mask_downscaling.{number}", *weight)
    return shapes


def _sam_decoder() -> Shapes:
    transformer = "mask_decoder.transformer"
    attentions = {f"{transformer}.final_attn_token_to_image": 128}
    shapes: Shapes = layer(f"{transformer}.norm_final_attn", 256)
    for block in (f"{transformer}.layers.0", f"{transformer}.layers.1"):
        attentions[f"{block}.self_attn"] = 256
        attentions[f"{block}.cross_attn_token_to_image"] = 128
        attentions[f"{block}.cross_attn_image_to_token"] = 128
        shapes |= layer(f"{block}.mlp.lin1", 2048, 256) | layer(f"{block}.mlp.lin2", 256, 2048)
        for norm in ("norm1", "norm2", "norm3", "norm4"):
            shapes |= layer(f"{block}.{norm}", 256)
    for attention, inner in attentions.items():
        for projection in ("q_proj", "k_proj", "v_proj"):
            shapes |= layer(f"{attention}.{projection}", inner, 256)
        shapes |= layer(f"{attention}.out_proj", 256, inner)
    shapes |= {
        "mask_decoder.iou_token.weight": (1, 256),
        "mask_decoder.mask_tokens.weight": (4, 256),
    }
    # Transposed convolutions have their inputs first.
    shapes["mask_decoder.output_upscaling.0.weight"] = (256, 64, 2, 2)
    shapes["mask_decoder.output_upscaling.0.bias"] = (64,)
    shapes["mask_decoder.output_upscaling.3.weight"] = (64, 32, 2, 2)
    shapes["mask_decoder.output_upscaling.3.bias"] = (32,)
    shapes |= layer("mask_decoder.output_upscaling.1", 64)
    heads = {f"output_hypernetworks_mlps.{n}": 32 for n in range(4)} | {"iou_prediction_head": 4}
    for head, outputs in heads.items():
        for number, rows in enumerate((256, 256, outputs)):
            shapes |= layer(f"mask_decoder.{head}.layers.{number}", rows, 256)
    return shapes


def resnet50() -> Shapes:
    """The file of torchvision, with its classifier."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), **batch_norm("bn1", 64)}
    return shapes | _bottlenecks(64) | layer("fc", 1000, 2048)


def resnet50_v2() -> Shapes:
    """The deep-stem file of semseg and PFENet, with its classifier."""
    shapes: Shapes = {"conv1.weight": (64, 3, 3, 3), "conv2.weight": (64, 64, 3, 3)}
    shapes |= {"conv3.weight": (128, 64, 3, 3)}
    for name, channels in {"bn1": 64, "bn2": 64, "bn3": 128}.items():
        shapes |= batch_norm(name, channels)
    return shapes | _bottlenecks(128) | layer("fc", 1000, 2048)


def _bottlenecks(stem_channels: int, blocks_of_layer3: int = 6) -> Shapes:
    shapes: Shapes = {}
    inputs = stem_channels
    stages = ((64, 3), (128, 4), (256, blocks_of_layer3), (512, 3))
    for stage, (width, blocks) in enumerate(stages, start=1):
        for number in range(blocks):
            block = f"layer{stage}.{number}"
            shapes[f"{block}.conv1.weight"] = (width, inputs, 1, 1)
            shapes[f"{block}.conv2.weight"] = (width, width, 3, 3)
            shapes[f"{block}.conv3.weight"] = (4 * width, width, 1, 1)
            for norm, channels in {"bn1": width, "bn2": width, "bn3": 4 * width}.items():
                shapes |= batch_norm(f"{block}.{norm}", channels)
            if number == 0:
                shapes[f"{block}.downsample.0.weight"] = (4 * width, inputs, 1, 1)
                shapes |= batch_norm(f"{block}.downsample.1", 4 * width)
            inputs = 4 * width
    return shapes


def vgg16_bn() -> Shapes:
    """The file of torchvision, with its classifier."""
    shapes = {}
    for index, inputs, outputs in vgg_convolutions():
        shapes |= layer(f"features.{index}", outputs, inputs, 3, 3)
        shapes |= batch_norm(f"features.{index + 1}", outputs)
    for index, sizes in {0: (4096, 25088), 3: (4096, 4096), 6: (1000, 4096)}.items():
        shapes |= layer(f"classifier.{index}", *sizes)
    return shapes


def vgg_convolutions() -> Iterator[tuple[int, int, int]]:
    """Index, inputs and outputs of the 13 convolutions in torchvision's `features`."""
    index, inputs = 0, 3
    for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            yield index, inputs, outputs
            # A norm and a ReLU follow each convolution, a pooling each group.
            index, inputs = index + 3, outputs
        index += 1


def dinov2(width: int, depth: int) -> Shapes:
    """A *_pretrain.pth of Meta: 14-pixel patches, trained at 518 pixels."""
    shapes: Shapes = {"cls_token": (1, 1, width), "mask_token": (1, width)}
    shapes |= {"pos_embed": (1, 37 * 37 + 1, width)} | layer("patch_embed.proj", width, 3, 14, 14)
    for number in range(depth):
        block = f"blocks.{number}"
        shapes |= _transformer_block(block, width) | layer(f"{block}.attn.qkv", 3 * width, width)
    return shapes | layer("norm", width)


def dinov3(width: int, depth: int) -> Shapes:
    """A *_pretrain*.pth of Meta: 16-pixel patches, rotary positions, four registers."""
    shapes: Shapes = {"cls_token": (1, 1, width), "mask_token": (1, width)}
    shapes |= {"storage_tokens": (1, 4, width), "rope_embed.periods": (16,)}
    shapes |= layer("patch_embed.proj", width, 3, 16, 16)
    for number in range(depth):
        block = f"blocks.{number}"
        shapes |= _transformer_block(block, width) | layer(f"{block}.attn.qkv", 3 * width, width)
        shapes[f"{block}.attn.qkv.bias_mask"] = (3 * width,)
    return shapes | layer("norm", width)


def _transformer_block(block: str, width: int) -> Shapes:
    shapes = layer(f"{block}.norm1", width) | layer(f"{block}.norm2", width)
    shapes |= layer(f"{block}.attn.proj", width, width)
    shapes |= layer(f"{block}.mlp.fc1", 4 * width, width)
    shapes |= layer(f"{block}.mlp.fc2", width, 4 * width)
    return shapes | {f"{block}.ls1.gamma": (width,), f"{block}.ls2.gamma": (width,)}


def vrp_sam(backbone: str, queries: int = 50) -> Shapes:
    """A best_model.pt of the VRP-SAM authors' public code: DataParallel, backbone included."""
    shapes: Shapes = {"transformer_decoder.supp_q_feat.weight": (queries, 256)}
    mid = {"resnet50": 512 + 1024, "resnet101": 512 + 1024, "vgg16": 256 + 512}[backbone]
    shapes |= {"downsample_query.0.weight": (256, mid, 1, 1), "merge_1.0.weight": (256, 513, 1, 1)}
    for kind, attention in {"cross": "multihead_attn", "self": "self_attn"}.items():
        # The index 0 is of the only decoder layer; "_0" is what has seen the reference.
        for block in (f"{kind}_attention_layers_0.0", f"{kind}_attention_layers.0"):
            name = f"transformer_decoder.transformer_{block}"
            shapes |= {f"{name}.{attention}.in_proj_weight": (768, 256)}
            shapes |= {f"{name}.{attention}.in_proj_bias": (768,)}
            shapes |= layer(f"{name}.{attention}.out_proj", 256, 256) | layer(f"{name}.norm", 256)
    shapes |= (
        _authors_vgg()
        if backbone == "vgg16"
        else _authors_resnet(23 if backbone == "resnet101" else 6)
    )
    return {f"module.{key}": shape for key, shape in shapes.items()}


def _authors_resnet(blocks_of_layer3: int) -> Shapes:
    shapes: Shapes = {"layer0.0.weight": (64, 3, 3, 3), "layer0.3.weight": (64, 64, 3, 3)}
    shapes |= {"layer0.6.weight": (128, 64, 3, 3)}
    for index, channels in {1: 64, 4: 64, 7: 128}.items():
        shapes |= batch_norm(f"layer0.{index}", channels)
    return shapes | _bottlenecks(128, blocks_of_layer3)


def _authors_vgg() -> Shapes:
    shapes = {}
    for index, inputs, outputs in vgg_convolutions():
        part = max(number for number, cut in enumerate((0, 7, 14, 24, 34)) if cut <= index)
        within = index - (0, 7, 14, 24, 34)[part]
        shapes |= layer(f"layer{part}.{within}", outputs, inputs, 3, 3)
        shapes |= batch_norm(f"layer{part}.{within + 1}", outputs)
    return shapes


def numbered(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return tensors that each hold their own number everywhere, of one element in memory."""
    return {
        key: torch.tensor(number if key.endswith("num_batches_tracked") else number / 8).expand(
            shape
        )
        for number, (key, shape) in enumerate(shapes.items())
    }


def write_torch(path: Path, state: object, *, legacy: bool = False) -> Path:
    """Write what publishers write; a tensor of one repeated element takes a few bytes."""
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    return path


PUBLISHED: dict[str, Shapes] = {
    "mobile_sam": mobile_sam(),
    "sam_vit_b_01ec64": sam(768, 12, 12, (2, 5, 8, 11)),
    "sam_vit_l_0b3195": sam(1024, 24, 16, (5, 11, 17, 23)),
    "sam_vit_h_4b8939": sam(1280, 32, 16, (7, 15, 23, 31)),
    "resnet50-0676ba61": resnet50(),
    "resnet50_v2": resnet50_v2(),
    "vgg16_bn-6c64b313": vgg16_bn(),
    "dinov2_vitb14_pretrain": dinov2(768, 12),
    "dinov2_vitl14_pretrain": dinov2(1024, 24),
    "dinov3_vitb16_pretrain": dinov3(768, 12),
}
