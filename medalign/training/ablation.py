"""What helps and what does not: arms that differ in one thing, on the same data and the same small budget, several seeds.

An arm is a change to the base recipe. All arms learn from the same recordings and are judged on the same rows; figures of
the in-stream utterances, so they compare arms and are not those of a model card.
"""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from medalign.concepts import ConceptBank
from medalign.models.adapters import AdapterConfig
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.training.data.manifest import Row, read_manifest
from medalign.training.data.pairs import build_pairs
from medalign.training.data.targets import Vocabulary, make_targets
from medalign.training.objective import LossWeights
from medalign.training.recipe import Judge, in_half_precision
from medalign.training.train import TrainConfig, train

log = logging.getLogger(__name__)

BASE = LossWeights.only(contrastive=1.0, cka=1.0)


@dataclass(frozen=True)
class Arm:
    """One change to the base."""

    loss: LossWeights = BASE
    encoder: str = "tiny.en"
    adapter: AdapterConfig = field(default_factory=lambda: AdapterConfig("frozen"))


OBJECTIVE_ARMS = {
    "published loss": Arm(LossWeights.only(published=1.0)),
    "debiased CKA only": Arm(LossWeights.only(cka=1.0)),
    "cosine only": Arm(LossWeights.only(cosine=1.0)),
    "SigLIP only": Arm(LossWeights.only(siglip=1.0)),
    "InfoNCE only": Arm(LossWeights.only(contrastive=1.0)),
    "CKA + InfoNCE": Arm(),
    "+ self-supervision": Arm(replace(BASE, reconstruction=1.0)),
    "+ note sentences": Arm(replace(BASE, note=0.5)),
    "+ concept texts": Arm(replace(BASE, concept=0.5)),
    "+ late interaction": Arm(replace(BASE, late_interaction=0.5)),
}
ENCODER_ARMS = {
    "tiny.en frozen": Arm(),
    "tiny.en LoRA": Arm(adapter=AdapterConfig("lora")),
    "tiny.en last 2 layers": Arm(adapter=AdapterConfig("last-k", last_k=2)),
    "tiny.en last 2 layers, keep close": Arm(replace(BASE, keep_close=1.0), adapter=AdapterConfig("last-k", last_k=2)),
    "base frozen": Arm(encoder="base"),
}


def run_ablation(
    manifest: Path, arms: dict[str, Arm], out: Path, cache: Path, *, config: TrainConfig, seeds: Sequence[int], only: str
) -> dict:
    """Train and judge every arm with every seed; results are written after each, and a rerun does what is missing.

    Args:
        only: groups whose name starts so take part; keeps the budget small.
    """
    rows = tuple(row for row in read_manifest(manifest) if row.group.startswith(only))
    teacher, bank = Teacher(), ConceptBank.default()
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict] = {}
    for name, arm in arms.items():
        for seed in seeds:
            path = out / f"{name.replace(' ', '-').replace('+', 'plus').replace(',', '')}-seed{seed}"
            if not (path / "figures.json").is_file():
                path.mkdir(parents=True, exist_ok=True)
                figures = _run(arm, replace(config, loss=arm.loss, seed=seed), rows, teacher, bank, path, cache)
                (path / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
                log.info("%s, seed %d: %s", name, seed, figures)
            results.setdefault(name, {})[f"seed {seed}"] = json.loads((path / "figures.json").read_text())
    return {name: {"mean": _mean(by_seed.values())} | by_seed for name, by_seed in results.items()}


def _run(
    arm: Arm, config: TrainConfig, rows: Sequence[Row], teacher: Teacher, bank: ConceptBank, run: Path, cache: Path
) -> dict[str, float]:
    torch.manual_seed(config.seed)
    student = Student.untrained(
        arm.encoder,
        teacher_name=teacher.info.name,
        teacher_revision=teacher.info.revision,
        embed_dim=teacher.embed_dim,
        adapter=arm.adapter,
    )
    live = arm.adapter.kind != "frozen"
    listener = in_half_precision(student) if config.bf16 else student

    def encoded(split: str):
        own = [row for row in rows if row.split == split]
        kept = {"keep_log_mel": arm.loss.reconstruction > 0, "keep_waveforms": live}
        return build_pairs(own, listener, cache / "frames", renderings="clean", **kept)

    pairs, validation = encoded("train"), encoded("valid")
    vocabulary = Vocabulary.of((*pairs.pairs, *validation.pairs), teacher, bank, cache / "teacher")
    targets = make_targets(pairs, teacher, bank, vocabulary, config.loss, cache / "teacher")
    mentioned = vocabulary.mentioned(validation.pairs, bank)
    judge = Judge(validation, teacher, vocabulary.embeddings, mentioned, cache / "teacher")

    seen: list[dict[str, float]] = []

    def figures(student: Student) -> dict[str, float]:
        """An arm that collapses is a result here, and no reason to stop: its rank goes by another name."""
        found = judge(student)
        seen.append({"effective_rank": found.pop("rank")} | found)
        return seen[-1]

    started = time.monotonic()
    train(student, config, pairs, targets, figures, run)
    seconds = time.monotonic() - started
    student.save_pretrained(run)
    # The weights kept are the best ones, so judging them again would give the best figures again.
    best = max(seen, key=lambda found: found["score"]) if seen else figures(student)
    return best | {"train_s": round(seconds, 1)}


def _mean(figures) -> dict[str, float]:
    figures = list(figures)
    return {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
