"""A general teacher learns medicine, with sentence-transformers' own trainer: from pairs to the folder of a teacher.

Only the training part of the collections is learnt from, and not those of its consultations whose facts were annotated to
choose by.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from medalign.concepts import ConceptBank
from medalign.models.device import choose_device
from medalign.models.low_rank import updates_folder
from medalign.models.teacher import Teacher
from medalign.models.tuning import TunableTeacher
from medalign.training.adaptation.noted import noted_pairs
from medalign.training.adaptation.pairs import TextPair, digest, own_pairs
from medalign.training.adaptation.senses import sense_pairs
from medalign.training.adaptation.synonyms import synonym_pairs
from medalign.training.adaptation.trainer import train_teacher
from medalign.training.align import finished_story
from medalign.training.checkpoint import Run
from medalign.training.data.consultations import read_consultations
from medalign.training.data.facts import ANNOTATIONS, read_facts
from medalign.training.model_card import STORY_FILE, write_card
from medalign.training.recipe import PAIR_KINDS, AdaptRecipe

log = logging.getLogger(__name__)

UPDATES = "updates"  # folder inside that of the teacher: low-rank updates alone


def adapt(
    recipe: AdaptRecipe, out: Path, cache: Path, *, data: Path | None = None, pairs: Sequence[Path] = (), device: str = "auto"
) -> dict[str, Any]:
    """Adapt a teacher and write its folder, which `Teacher(str(out))` loads; what was trained on.

    A run in that folder goes on where it ended, if it is the same one; a finished run is left as it is.

    Args:
        data: folder with primock57/, aci_bench/ or mts_dialog/; of these, what is there to learn from.
        pairs: CSV files of one's own, see `own_pairs`.

    Raises:
        DataError: files are missing or damaged.
        TrainingError: the folder holds another run, there are too few pairs, or the loss isn't finite.
        KeyboardInterrupt: after SIGINT or SIGTERM, once the step is finished and the state saved.
    """
    teacher = Teacher(recipe.teacher, layer=recipe.teacher_layer, device=choose_device(device))
    by_kind = make_pairs(recipe, teacher, cache, data=data, pairs=pairs)
    identity = {
        "recipe": asdict(recipe),
        "teacher": teacher.description,
        "pairs": {kind: digest(pairs) for kind, pairs in by_kind.items()},
        "n_pairs": {kind: len(pairs) for kind, pairs in by_kind.items()},
    }
    run = Run(out, identity)
    if (story := finished_story(run)) is not None:
        log.info("%s is finished", out)
        return story
    torch.manual_seed(recipe.train.seed)
    tunable = TunableTeacher(teacher, recipe.tuned, recipe.rank)
    train_teacher(tunable.network, recipe, by_kind, run)
    tunable.save(out, None if updates_folder(recipe.teacher) else out / UPDATES)  # updates of updates are not kept apart
    story = run.identity | {"wall_time_s": round(run.seconds), "sessions": run.sessions}
    (out / STORY_FILE).write_text(json.dumps(story, indent=2) + "\n", encoding="utf-8")
    write_card(out)
    return story


def make_pairs(
    recipe: AdaptRecipe, teacher: Teacher, cache: Path, *, data: Path | None = None, pairs: Sequence[Path] = ()
) -> dict[str, list[TextPair]]:
    """Pairs by kind; a kind without a share, or without data, has none."""
    bank, seed = ConceptBank.default(), recipe.train.seed
    chosen_by = {fact.consultation_id for fact in read_facts(ANNOTATIONS / "develop.csv")}
    training = [c for c in read_consultations(data) if c.split == "train"] if data else []
    consultations = [c for c in training if c.consultation_id not in chosen_by]
    found: dict[str, list[TextPair]] = {kind: [] for kind in PAIR_KINDS}
    if recipe.noted and consultations:
        found["noted"] = noted_pairs(consultations, teacher, bank, cache / "teacher", seed)
    if recipe.status and consultations:
        found["status"] = sense_pairs(consultations, bank, seed)
    if recipe.synonyms:
        found["synonyms"] = synonym_pairs(teacher, bank, seed)
    if recipe.own:
        found["own"] = [pair for path in pairs for pair in own_pairs(path)]
    log.info("pairs: %s", ", ".join(f"{len(of_kind)} {kind}" for kind, of_kind in found.items()))
    return found
