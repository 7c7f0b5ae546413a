"""Labelled cells become the losses that train a small backbone whose cosines tell objects apart.

Letters beyond those of model/segmenter.py: L categories, S cells, A a half of the images.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TEMPERATURE = 12.0
"""Factor on cosines before the softmax: at 1 they could never be sure."""

MIDDLE = 0.5
"""The cosine between same and different; features behind a ReLU have none below 0."""

BACKGROUND = 0
"""The label of cells without an object; categories are numbered from 1."""


def dense_loss(classifier: nn.Module, high_BChw: Tensor, labels_Bhw: Tensor) -> Tensor:
    """Cross-entropy of every cell's category; all labels present weigh the same.

    The classifier takes [N, C] to [N, L] and is thrown away afterwards. It is linear: features
    behind a ReLU have cosines near to each other, so that a cosine classifier is slow to begin.
    Cells of label -1 (an edge between two objects) count for nothing.
    """
    labels_N = labels_Bhw.flatten()
    kept = labels_N >= 0
    logits_NL = classifier(high_BChw.permute(0, 2, 3, 1).flatten(0, 2)[kept])
    return _balanced(logits_NL, labels_N[kept])


def prototype_loss(high_BChw: Tensor, labels_Bhw: Tensor) -> Tensor:
    """Name each half's cells by the other half's category means (Snell et al. 2017).

    What is learned is to compare, not to recognise: it carries over to new categories.
    """
    B = len(high_BChw)
    features_BSC = F.normalize(high_BChw.flatten(2).transpose(1, 2), dim=2)
    labels_BS = labels_Bhw.flatten(1)
    half = torch.arange(B, device=high_BChw.device) % 2 == 0
    losses = [
        _episode(features_BSC[a], labels_BS[a], features_BSC[~a], labels_BS[~a])
        for a in (half, ~half)
    ]
    return torch.stack(losses).mean()


def _episode(shown_ASC: Tensor, shown_AS: Tensor, asked_ASC: Tensor, asked_AS: Tensor) -> Tensor:
    present_L = torch.unique(shown_AS[shown_AS >= 0])
    means_LC = torch.stack([shown_ASC[shown_AS == label].mean(dim=0) for label in present_L])
    kept_N = torch.isin(asked_AS, present_L)
    logits_NL = TEMPERATURE * asked_ASC[kept_N] @ F.normalize(means_LC, dim=1).T
    return _balanced(logits_NL, torch.searchsorted(present_L, asked_AS[kept_N]))


def pseudo_mask_loss(high_BChw: Tensor, labels_Bhw: Tensor, group: int) -> Tensor:
    """Teach VRP-SAM's pseudo-mask: the greatest cosine to one image's cells of a category.

    Every image is the reference of the one before it among its `group` of neighbours in the batch.
    Object and rest weigh the same; where the category is absent there is only the rest.
    """
    order = torch.arange(len(high_BChw)).view(-1, group)
    pairs = zip(order.flatten().tolist(), order.roll(-1, dims=1).flatten().tolist(), strict=True)
    cells_BSC = F.normalize(high_BChw.flatten(2).transpose(1, 2), dim=2)
    labels_BS = labels_Bhw.flatten(1)
    losses = []
    for asked, shown in pairs:
        for label in torch.unique(labels_BS[shown][labels_BS[shown] > BACKGROUND]):
            foreground_FC = cells_BSC[shown, labels_BS[shown] == label]
            likeness_S = (cells_BSC[asked] @ foreground_FC.T).amax(dim=1)
            truth_S = (labels_BS[asked] == label).float()
            loss_S = F.binary_cross_entropy_with_logits(
                TEMPERATURE * (likeness_S - MIDDLE), truth_S, reduction="none"
            )
            sides = [loss_S[truth_S == side] for side in (0, 1)]
            losses.append(torch.stack([side.mean() for side in sides if len(side)]).mean())
    return torch.stack(losses).mean() if losses else high_BChw.sum() * 0


def _balanced(logits_NL: Tensor, labels_N: Tensor) -> Tensor:
    """Cross-entropy averaged within each label present, then over labels; background counts 3."""
    loss_N = F.cross_entropy(logits_NL, labels_N, reduction="none")
    count_L = torch.bincount(labels_N, minlength=logits_NL.shape[1]).float()
    weight_L = torch.where(count_L > 0, 1 / count_L.clamp(min=1), 0.0)
    weight_L[BACKGROUND] *= 3
    weight_N = weight_L[labels_N]
    return (loss_N * weight_N).sum() / weight_N.sum().clamp(min=1e-6)
