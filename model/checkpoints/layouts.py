"""Checkpoints as their publishers name tensors become state dicts as our modules name them."""

import re
from collections.abc import Mapping

from torch import Tensor

from model.checkpoints.state_dict import StateDict
from model.networks.lite.trunk import trunk_state
from model.networks.tiny_vit import mobile_sam_state
from schemas.names import BackboneType, SamType

# Of whole classifiers: not part of a feature extractor.
CLASSIFIER = re.compile(r"^(fc|classifier|pre_logits|head)\.")

# The three 3x3 stem convolutions of semseg's and PFENet's resnet50_v2, and timm's names of them.
DEEP_STEM = {
    "conv1.": "conv1.0.",
    "bn1.": "conv1.1.",
    "conv2.": "conv1.3.",
    "bn2.": "conv1.4.",
    "conv3.": "conv1.6.",
    "bn3.": "bn1.",
}

# Meta's DINOv3 names, and timm's.
DINOV3 = {"storage_tokens": "reg_token"}
DINOV3_SCALE = re.compile(r"\.ls([12])\.gamma$")
# Of pretraining, or constants.
DINOV3_UNUSED = re.compile(r"^mask_token$|^rope_embed\.|\.qkv\.bias_mask$")
# All zero in the published ViT-B; timm's `vit_base_patch16_dinov3` has none, so others do not fit.
DINOV3_ZERO = re.compile(r"\.qkv\.bias$")

# The public VRP-SAM code's names, and ours.
AUTHORS_VRP = {
    "downsample_query.0.": "reduce.",
    "merge_1.0.": "merge.",
    "transformer_decoder.supp_q_feat.weight": "queries",
    "transformer_decoder.transformer_cross_attention_layers_0.0.multihead_attn.": (
        "reference_cross.attention."
    ),
    "transformer_decoder.transformer_cross_attention_layers_0.0.norm.": "reference_cross.norm.",
    "transformer_decoder.transformer_self_attention_layers_0.0.self_attn.": (
        "reference_self.attention."
    ),
    "transformer_decoder.transformer_self_attention_layers_0.0.norm.": "reference_self.norm.",
    "transformer_decoder.transformer_cross_attention_layers.0.multihead_attn.": (
        "target_cross.attention."
    ),
    "transformer_decoder.transformer_cross_attention_layers.0.norm.": "target_cross.norm.",
    "transformer_decoder.transformer_self_attention_layers.0.self_attn.": "target_self.attention.",
    "transformer_decoder.transformer_self_attention_layers.0.norm.": "target_self.norm.",
}
# The authors' checkpoints carry the frozen backbone along: a ResNet's stem as one Sequential, VGG's
# layers as five, cut at these indices of torchvision's `features`.
AUTHORS_BACKBONE = re.compile(r"^layer[0-4]\.")
AUTHORS_STEM = {
    "layer0.0.": "conv1.0.",
    "layer0.1.": "conv1.1.",
    "layer0.3.": "conv1.3.",
    "layer0.4.": "conv1.4.",
    "layer0.6.": "conv1.6.",
    "layer0.7.": "bn1.",
}
AUTHORS_VGG_CUTS = (0, 7, 14, 24, 34)


def sam_state(sam_type: SamType, state: Mapping[str, Tensor]) -> StateDict:
    """Rename a published SAM's tensors to those of `build_sam`; only MobileSAM's differ."""
    return mobile_sam_state(state) if sam_type == "vit_t" else dict(state)


def backbone_state(backbone_type: BackboneType, state: Mapping[str, Tensor]) -> StateDict:
    """Rename a published backbone's tensors to those of `backbone.net`; drop its classifier.

    Files in timm's own names (Hugging Face, or written by this project) pass through.
    """
    match backbone_type:
        case "resnet50" | "nano":
            return _without_classifier(state)
        case "resnet50s" | "resnet101s":
            state = _without_classifier(_without_prefix(state, "module."))
            return state if "conv1.0.weight" in state else _renamed(state, DEEP_STEM)
        case "efficientnet_lite2":
            return trunk_state(state)
        case "vgg16_bn":
            state = _without_classifier(state)
            return {key.replace("features.", "features_"): state[key] for key in state}
        case "dinov2_vitb14" | "dinov2_vitl14":
            return {key: state[key] for key in state if key != "mask_token"}
        case "dinov3_vitb16":
            kept = {key: state[key] for key in state if not DINOV3_UNUSED.search(key)}
            kept = {k: v for k, v in kept.items() if v.any() or not DINOV3_ZERO.search(k)}
            kept = {DINOV3_SCALE.sub(r".gamma_\1", key): kept[key] for key in kept}
            return _renamed(kept, DINOV3)


def authors_vrp_state(state: Mapping[str, Tensor]) -> StateDict:
    """Rename a checkpoint of the public VRP-SAM code to `VrpEncoder`'s names; drop its backbone."""
    state = _without_prefix(state, "module.")
    state = {k: v for k, v in state.items() if not AUTHORS_BACKBONE.match(k)}
    return _renamed(state, AUTHORS_VRP)


def authors_backbone_state(backbone_type: BackboneType, state: Mapping[str, Tensor]) -> StateDict:
    """Take the frozen backbone out of a checkpoint of the public VRP-SAM code, in our names."""
    state = _without_prefix(state, "module.")
    state = {k: v for k, v in state.items() if AUTHORS_BACKBONE.match(k)}
    if backbone_type != "vgg16_bn":
        return _renamed(state, AUTHORS_STEM)
    renamed: StateDict = {}
    for key, value in state.items():
        layer, index, rest = key.removeprefix("layer").split(".", 2)
        renamed[f"features_{AUTHORS_VGG_CUTS[int(layer)] + int(index)}.{rest}"] = value
    return renamed


def _without_classifier(state: Mapping[str, Tensor]) -> StateDict:
    return {key: value for key, value in state.items() if not CLASSIFIER.match(key)}


def _without_prefix(state: Mapping[str, Tensor], prefix: str) -> StateDict:
    """Drop what DataParallel puts before every name."""
    return {key.removeprefix(prefix): value for key, value in state.items()}


def _renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> StateDict:
    renamed: StateDict = {}
    for key, value in state.items():
        prefix = next((old for old in names if key.startswith(old)), None)
        renamed[names[prefix] + key[len(prefix) :] if prefix else key] = value
    return renamed
