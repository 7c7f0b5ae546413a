"""Scenes become the small weights: SAM and backbone, trained side by side from nothing.

A step shows scenes of a few groups. SAM answers points, boxes and cells of other images; the
backbone names cells and compares halves of the batch. The VRP encoder comes later, by `vrp train`,
on both frozen: a decoder that learns together with an encoder settles on masking every object, and
then hears no prompt.
"""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator, Philox
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.nn import functional as F

from model.networks.backbone import BACKBONES, build_backbone
from model.networks.feature_maps import FeatureMaps
from model.networks.flat_attention import use_flat_attention
from model.networks.sam import SAM_SIZES, build_sam, dense_position
from model.training.loss import mask_loss
from model.training.pretrain_backbone import dense_loss, prototype_loss, pseudo_mask_loss
from model.training.pretrain_sam import (
    PromptBatch,
    Window,
    decode_all,
    embed_prompts,
    encode,
    prompt_loss,
    soft_iou,
)
from pipeline.nano.batch import CLASSES, ContentBatch, Lesson, NanoBatch, draw_batch
from pipeline.scenes.categories import BASE
from pipeline.scenes.groups import cached_group, group_file


@dataclass(frozen=True)
class NanoStage:
    """So many steps of the same kind, with their own warm-up and cosine."""

    steps: int
    lessons: tuple[Lesson, ...]
    cells: int = 10
    """Side of the window that a step looks at, of SAM's 16 cells: see `Window`."""
    groups: int = 2
    scenes_per_group: int = 3
    """Each process shows scenes of `groups` groups a step."""
    rate: float = 1e-3
    last: float = 0.5
    """Share of the rate that the cosine ends at: low only where nothing follows."""
    warmup: int = 100

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.rate * (self.last + (1 - self.last) * (1 + float(np.cos(np.pi * done))) / 2)


STAGES: tuple[NanoStage, ...] = (
    # The backbone alone costs a third of a step.
    NanoStage(1200, ("cells",), groups=4, rate=2e-3),
    # Without this, the greatest cosine of 1,000 cells is high everywhere.
    NanoStage(2200, ("cells", "pseudo_masks"), groups=4, rate=1.5e-3, last=0.01),
    # Parts of images: twice as many steps in the same time.
    NanoStage(4600, ("prompts", "contents")),
    NanoStage(1100, ("prompts", "contents"), cells=16, rate=7e-4, last=0.01),
)


@dataclass(frozen=True)
class NanoRecipe:
    """How the small SAM and backbone are trained; its values go into their model cards."""

    seed: int = 1
    processes: int = 2
    """Gradients are averaged over them."""
    stages: tuple[NanoStage, ...] = STAGES
    groups: int = 1600
    """Distinct groups of scenes; step s draws from those up to `groups_at(s)`."""
    weight_decay: float = 0.05
    average: float = 0.998
    """Decay of the running mean of the weights, which is what is kept."""

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[NanoStage, int]:
        """Return the stage of a step, and the step's number within it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise ValueError("a step after the last one")

    def groups_at(self, step: int) -> int:
        """How many groups a step may draw from: the first ones are used while others are drawn."""
        return min(self.groups, 100 + 2 * step)


class NanoNetworks(nn.Module):
    """What learns in pretraining; `classifier` and `sam_classifier` are thrown away afterwards."""

    def __init__(self) -> None:
        super().__init__()
        size = BACKBONES["nano"]
        self.sam = build_sam("nano")
        self.backbone = build_backbone("nano").requires_grad_(True)
        self.classifier = nn.Linear(size.high_channels, CLASSES)
        self.sam_classifier = nn.Linear(SAM_SIZES["nano"].prompt_width, CLASSES)
        position = self.sam.image_encoder.pos_embed
        assert position is not None
        nn.init.trunc_normal_(position, std=0.02)
        for module in self.modules():
            # Zero-initialised last norms, timm's default, keep a residual network idle at first.
            if isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
        use_flat_attention(self.sam.image_encoder)
        self.to(memory_format=torch.channels_last)


def step_losses(
    networks: NanoNetworks, batch: NanoBatch, lessons: Sequence[Lesson]
) -> dict[str, Tensor]:
    """Return the losses of one batch by name, and IoUs (without gradient) under `iou_` names."""
    losses: dict[str, Tensor] = {}
    if "cells" in lessons:
        maps = _backbone_maps(networks, batch)
        cells_hw = maps.high_BChw.shape[-2:]
        labels_Bhw = F.interpolate(batch.labels_BHW[:, None].float(), cells_hw)[:, 0].long()
        losses["dense"] = dense_loss(networks.classifier, maps.high_BChw, labels_Bhw)
        losses["prototype"] = prototype_loss(maps.high_BChw, labels_Bhw)
        if "pseudo_masks" in lessons:
            losses["pseudo_mask"] = pseudo_mask_loss(maps.high_BChw, labels_Bhw, batch.per_group)
    if "prompts" in lessons:
        embedding_BDhw = encode(networks.sam.image_encoder, batch.images_B3HW, batch.window)
        for name, prompts in (("box", batch.boxes), ("points", batch.points)):
            if prompts is not None:
                losses |= _prompt_losses(networks, embedding_BDhw, batch.window, name, prompts)
        if batch.contents is not None:
            losses |= _content_losses(networks, embedding_BDhw, batch.window, batch.contents)
            labels_Bhw = batch.labels_BHW[:, 8::16, 8::16].long()
            losses["sam_dense"] = dense_loss(networks.sam_classifier, embedding_BDhw, labels_Bhw)
            losses["sam_prototype"] = prototype_loss(embedding_BDhw, labels_Bhw)
    return losses


def _backbone_maps(networks: NanoNetworks, batch: NanoBatch) -> FeatureMaps:
    side_px = batch.window.cells * 16 * BACKBONES["nano"].input_px // SAM_SIZES["nano"].image_px
    return networks.backbone(
        F.interpolate(batch.images_B3HW, (side_px, side_px), mode="bilinear", antialias=True)
    )


def _prompt_losses(
    networks: NanoNetworks,
    embedding_BDhw: Tensor,
    window: Window,
    name: str,
    prompts: PromptBatch,
) -> dict[str, Tensor]:
    tokens_PTD = embed_prompts(networks.sam, prompts)
    position_1Dhw = window.crop(dense_position(networks.sam))
    logits_PMhw, score_PM = decode_all(
        networks.sam, embedding_BDhw[prompts.image_P], position_1Dhw, tokens_PTD
    )
    iou_P = soft_iou(logits_PMhw[:, :1].detach(), prompts.truth_Phw)
    return {name: prompt_loss(logits_PMhw, score_PM, prompts).mean(), f"iou_{name}": iou_P.mean()}


def _content_losses(
    networks: NanoNetworks, embedding_BDhw: Tensor, window: Window, contents: ContentBatch
) -> dict[str, Tensor]:
    """Ask for a category by embeddings of its cells, as a VRP encoder's tokens do: without place.

    Points alone teach the decoder to go by place; an encoder on top of it then finds no token that
    means one category (mIoU 0.35, the same for every reference, after 3,200 episodes). Nor does the
    embedding say by itself what an object is: these prompts too stayed at 0.35 for 300 steps, so
    that its cells are named beside, as the backbone's are.
    """
    cells_PSD = embedding_BDhw.flatten(2).transpose(1, 2)[contents.shown_P]
    drawn_PTD = cells_PSD.gather(1, contents.cells_PT[..., None].expand(-1, -1, cells_PSD.shape[2]))
    tokens_PTD = F.layer_norm(drawn_PTD, drawn_PTD.shape[-1:])
    logits_PMhw, score_PM = decode_all(
        networks.sam,
        embedding_BDhw[contents.image_P],
        window.crop(dense_position(networks.sam)),
        tokens_PTD,
    )
    single_P1hw, truth_Phw = logits_PMhw[:, :1], contents.truth_Phw
    loss_P = mask_loss(single_P1hw[:, 0], truth_Phw, torch.ones_like(truth_Phw, dtype=torch.bool))
    present_P = truth_Phw.flatten(1).any(dim=1)
    iou_P = soft_iou(single_P1hw.detach(), truth_Phw)[:, 0]
    score_loss_P = (score_PM[:, 0] - iou_P).square()
    return {
        "contents": (loss_P + score_loss_P).mean(),
        "iou_contents": iou_P[present_P].mean() if present_P.any() else iou_P.new_ones(()),
    }


def pretrain(recipe: NanoRecipe, folder: Path) -> None:
    """Train, or go on from the checkpoint in `folder`: pretrain.pt, and progress.jsonl beside it.

    Scenes are kept in `folder`/pool. Every process runs on one thread: on shared machines threads
    that wait for each other cost more than they give (four times slower at a load of 4 on 2 cores).
    """
    folder.mkdir(parents=True, exist_ok=True)
    rendezvous = folder / f"rendezvous-{time.time_ns()}"
    spawn(_pretrain_rank, (recipe, folder, rendezvous), nprocs=recipe.processes)


def _pretrain_rank(rank: int, recipe: NanoRecipe, folder: Path, rendezvous: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=recipe.processes
    )
    torch.manual_seed(recipe.seed)
    # All processes on the first GPU, where there is one: it idles with one alone.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    networks = NanoNetworks().train().to(device)
    average = NanoNetworks().eval().requires_grad_(False).to(device)
    optimiser = torch.optim.AdamW(
        networks.parameters(), betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )
    average.load_state_dict(networks.state_dict())
    start, seconds = _resume(folder / "pretrain.pt", networks, average, optimiser)
    began, means = time.monotonic(), Means()
    for step, batch in _batches(recipe, folder, start, rank):
        stage, number = recipe.stage_at(step)
        rate = stage.rate_at(number)
        for settings in optimiser.param_groups:
            settings["lr"] = rate
        losses = step_losses(networks, batch.to(device), stage.lessons)
        total = torch.stack([v for k, v in losses.items() if not k.startswith("iou_")]).sum()
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        _average_gradients(_learning(networks, stage.lessons))
        nn.utils.clip_grad_norm_(networks.parameters(), 1.0)
        optimiser.step()
        _follow(average, networks, min(recipe.average, (step + 1) / (step + 10)))
        means.add(losses)
        if rank == 0 and ((step + 1) % 25 == 0 or step + 1 == recipe.steps):
            spent = seconds + time.monotonic() - began
            line = {"step": step + 1, "minutes": spent / 60, "rate": rate, **means.take()}
            with (folder / "progress.jsonl").open("a") as file:
                file.write(json.dumps({k: round(v, 5) for k, v in line.items()}) + "\n")
            _save(folder / "pretrain.pt", networks, average, optimiser, step + 1, spent)
    distributed.destroy_process_group()


def _learning(networks: NanoNetworks, lessons: Sequence[Lesson]) -> nn.Module:
    """Return the networks that the lessons teach; the others keep their weights, undecayed."""
    taught: list[nn.Module] = [networks.sam] if "prompts" in lessons else []
    if "contents" in lessons:
        taught += [networks.sam_classifier]
    if "cells" in lessons:
        taught += [networks.backbone, networks.classifier]
    return nn.ModuleList(taught)


def _average_gradients(learning: nn.Module) -> None:
    """Average over the processes; a loss without prompts in one of them counts as zero there."""
    if distributed.get_world_size() == 1:
        return
    parameters = [p for p in learning.parameters() if p.requires_grad]
    flat = torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
    )
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for parameter, gradient in zip(
        parameters, flat.split([p.numel() for p in parameters]), strict=True
    ):
        parameter.grad = gradient.view_as(parameter)


class Means:
    """Running means of named numbers."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, values: dict[str, Tensor]) -> None:
        """Take in one step."""
        for name, value in values.items():
            self._values.setdefault(name, []).append(float(value.detach()))

    def take(self) -> dict[str, float]:
        """Return the means since the last call, and start again."""
        means = {name: sum(values) / len(values) for name, values in self._values.items()}
        self._values = {}
        return means


def _batches(
    recipe: NanoRecipe, folder: Path, start: int, rank: int
) -> Iterator[tuple[int, NanoBatch]]:
    """Yield each step's batch of one process; groups are drawn ahead, by a process beside it."""
    scenes = folder / "pool"
    with ProcessPoolExecutor(1) as drawing:
        asked = rank
        for step in range(start, recipe.steps):
            while asked < recipe.groups_at(step + 10):
                drawing.submit(_draw_ahead, scenes, recipe.seed, asked)
                asked += recipe.processes
            shared = Generator(Philox(key=[recipe.seed, step], counter=2**65))
            chosen = shared.permutation(recipe.groups_at(step))[rank :: recipe.processes]
            stage, _ = recipe.stage_at(step)
            groups = [
                cached_group(scenes, recipe.seed, number, BASE)
                for number in chosen[: stage.groups].tolist()
            ]
            window = _window(stage, shared)
            rng = Generator(Philox(key=[recipe.seed, step], counter=2**66 + rank * 2**65))
            yield step, draw_batch(groups, stage.scenes_per_group, window, rng, stage.lessons)


def _draw_ahead(scenes: Path, seed: int, number: int) -> None:
    if not group_file(scenes, seed, number).is_file():
        cached_group(scenes, seed, number, BASE)


def _window(stage: NanoStage, rng: Generator) -> Window:
    room = SAM_SIZES["nano"].grid - stage.cells + 1
    return Window(int(rng.integers(room)), int(rng.integers(room)), stage.cells)


@torch.no_grad()
def _follow(average: nn.Module, networks: nn.Module, decay: float) -> None:
    """Move the running mean towards the weights; counters are copied."""
    current = networks.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def _save(
    path: Path,
    networks: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    seconds: float,
) -> None:
    partial = path.with_suffix(".part")
    torch.save(
        {
            "networks": networks.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "step": step,
            "seconds": seconds,
        },
        partial,
    )
    partial.rename(path)


def _resume(
    path: Path, networks: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[int, float]:
    """Load a checkpoint if there is one; return its step and the seconds spent before it."""
    if not path.is_file():
        return 0, 0.0
    saved = torch.load(path, weights_only=True, map_location="cpu")
    networks.load_state_dict(saved["networks"])
    average.load_state_dict(saved["average"])
    optimiser.load_state_dict(saved["optimiser"])
    return saved["step"], saved["seconds"]
