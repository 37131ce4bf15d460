"""What helps and what does not: arms that differ in one thing, on the same data and the same small budget, several seeds.

An arm is a change to the base recipe. All arms learn from the same recordings and are measured on the same rows; figures of
the in-stream utterances, so they compare arms and are not those of a model card.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medalign.core.weights import sha256_of
from medalign.models.adapters import AdapterConfig
from medalign.training.align import align_rows
from medalign.training.data.manifest import read_manifest
from medalign.training.objective import LossWeights
from medalign.training.recipe import Recipe, TrainConfig

log = logging.getLogger(__name__)

BASE = LossWeights.only(contrastive=1.0, cka=1.0)


def _arm(loss: LossWeights = BASE, encoder: str = "tiny.en", adapter: AdapterConfig | None = None) -> Recipe:
    return Recipe(TrainConfig(loss=loss), encoder, adapter=adapter or AdapterConfig("frozen"), renderings="clean")


OBJECTIVE_ARMS = {
    "published loss": _arm(LossWeights.only(published=1.0)),
    "debiased CKA only": _arm(LossWeights.only(cka=1.0)),
    "SigLIP only": _arm(LossWeights.only(siglip=1.0)),
    "InfoNCE only": _arm(LossWeights.only(contrastive=1.0)),
    "CKA + InfoNCE": _arm(),
    "+ self-supervision": _arm(replace(BASE, reconstruction=1.0)),
    "+ concept texts": _arm(replace(BASE, concept=0.5)),
}
ENCODER_ARMS = {
    "tiny.en frozen": _arm(),
    "tiny.en LoRA": _arm(adapter=AdapterConfig("lora")),
    "tiny.en last 2 layers": _arm(adapter=AdapterConfig("last-k", last_k=2)),
    "base frozen": _arm(encoder="base"),
}


def run_ablation(
    manifest: Path, arms: dict[str, Recipe], out: Path, cache: Path, *, config: TrainConfig, seeds: Sequence[int], only: str
) -> dict[str, dict[str, dict[str, float]]]:
    """Train and measure every arm with every seed; a rerun does what is missing.

    Args:
        config: of all arms, but for their losses.
        only: groups whose name starts so take part; keeps the budget small.

    Returns:
        By arm and seed ("seed 0", ..., and "mean"), its figures.

    Raises:
        DataError, TrainingError: as `align`; a folder that holds an arm of other data or another budget is refused.
    """
    rows, digest = read_manifest(manifest), sha256_of(manifest)
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name, arm in arms.items():
        by_seed = {}
        for seed in seeds:
            # An arm that collapses is a result here, and no reason to stop.
            train = replace(config, loss=arm.train.loss, seed=seed, min_rank=0.0)
            folder = out / f"{name.replace(' ', '-').replace('+', 'plus').replace(',', '')}-seed{seed}"
            by_seed[f"seed {seed}"] = align_rows(rows, digest, replace(arm, train=train, only=only), folder, cache)
            log.info("%s, seed %d: %s", name, seed, by_seed[f"seed {seed}"])
        figures = list(by_seed.values())
        mean = {figure: float(np.mean([of_one[figure] for of_one in figures])) for figure in figures[0]}
        results[name] = {"mean": mean} | by_seed
    return results
