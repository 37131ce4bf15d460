"""What a run is: everything that decides its weights, fixed before the first step and never rewritten.

A resumed run must be the run that began. Otherwise the model card would name other data
than the weights were trained on.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from medalign.core.errors import TrainingError
from medalign.core.identity import Identity, check_same_run, flat
from medalign.core.model_options import flag_of
from medalign.core.weights import sha256_of
from medalign.models.adapter_config import AdapterConfig
from medalign.training.data.manifest import Row
from medalign.training.recipe import AdaptRecipe, AdaptTraining, LossWeights, Recipe, TrainConfig

STEPS = "recipe.train.n_steps"
# What the user calls the fields of a recipe.
NAMES = {
    f"recipe.{part}{known.name}": flag_of(known)
    for part, of in {"": (Recipe, AdaptRecipe), "train.": (TrainConfig, AdaptTraining), "adapter.": (AdapterConfig,)}.items()
    for recipe in of
    for known in fields(recipe)
    if known.metadata.get("help")
} | {f"recipe.train.loss.{part.name}": f"--loss {part.name}" for part in fields(LossWeights)}
CLIP_DIGITS = 12  # of a recording's SHA-256
# What a resumed run may have otherwise. Beside these: device, processes and versions, which are recorded a session each, and
# where the cache lies and what is logged, which decide nothing.
MAY_CHANGE = {
    STEPS: "may grow: the run is extended, and learning rates follow the longer plan from there on",
    "recipe.train.save_every": "how often the state is written",
    "recipe.train.chunk_size": "how many pairs memory holds at once",
}


def data_identity(rows: Sequence[Row], noise: Sequence[str] = ()) -> Identity:
    """Digests of what rows say, a column each, and of the audio itself; the same wherever the files lie.

    Of reports it also holds which labels the texts tell, and the beginning of every training recording's digest, so that a
    probe can say what a student was told and measure it on what it never heard.

    Args:
        noise: digests of the noise clips.
    """
    sounds = {path: sha256_of(path) for path in dict.fromkeys(row.path for row in rows)}
    columns: dict[str, list] = {
        "audio": [sounds[row.path] for row in rows],
        "texts": [row.text for row in rows],
        "groups": [row.group for row in rows],
        "splits": [row.split for row in rows],
        "stretches": [(row.start_s, row.end_s) for row in rows],
        "labels": [row.labels for row in rows],
    }
    told = {column for row in rows for column in row.told or ()}
    heard = {sounds[row.path][:CLIP_DIGITS] for row in rows if row.split == "train"}
    reports = {"told": " ".join(sorted(told)), "train_clips": " ".join(sorted(heard))}
    return {
        **(reports if any(row.told is not None for row in rows) else {}),
        "data": {name: _digest(values) for name, values in columns.items()} | {"noise": _digest(noise)},
        **{f"n_{split}_rows": columns["splits"].count(split) for split in ("train", "valid")},
        **{f"n_{split}_groups": len({row.group for row in rows if row.split == split}) for split in ("train", "valid")},
    }


def train_clips(story: dict) -> frozenset[str]:
    """Beginnings of the digests of the clips that a student was trained on, as its training.json has them."""
    return frozenset(str(story.get("train_clips", "")).split())


def check_resumed(stored: Identity, wanted: Identity, folder: Path) -> None:
    """Whether a stored run may go on as the wanted one.

    Raises:
        TrainingError: they differ in more than `MAY_CHANGE`; every such field is named with its old and its new value.
    """
    steps = flat(stored).get(STEPS)
    may_change = {*MAY_CHANGE} if steps is None or flat(wanted).get(STEPS, 0) >= steps else {*MAY_CHANGE} - {STEPS}
    names = NAMES | {STEPS: f"{NAMES[STEPS]}, which may only grow,"}
    check_same_run(stored, wanted, folder, may_change=may_change, names=names, error=TrainingError)


def _digest(values: Iterable[object]) -> str:
    return hashlib.sha256(json.dumps(list(values), ensure_ascii=False).encode()).hexdigest()
