"""From a manifest to a checkpoint folder: encode, align, select the best weights, and document the run."""

import copy
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medalign.concepts import ConceptBank
from medalign.core.errors import DataError, TrainingError
from medalign.core.files import read_json
from medalign.core.identity import Identity
from medalign.core.weights import sha256_of
from medalign.evaluation.concept_detection import macro_figures
from medalign.evaluation.retrieval import recall_at_k
from medalign.models.encoders import FAST
from medalign.models.kernel_head import KernelHead
from medalign.models.spectrogram import PRESETS
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.report.figures import training_curves
from medalign.training.checkpoint import Run
from medalign.training.data.augmentation import NoiseClips
from medalign.training.data.manifest import Row, read_manifest
from medalign.training.data.pairs import Augmentation, Pairs, build_pairs
from medalign.training.data.targets import Vocabulary, make_targets, text_targets
from medalign.training.identity import data_identity
from medalign.training.losses import effective_rank
from medalign.training.model_card import STORY_FILE, write_card
from medalign.training.recipe import Recipe
from medalign.training.train import make_accelerator, train

log = logging.getLogger(__name__)

MIN_MENTIONS = 5  # a concept with fewer is not counted
SMALL_HEAD: dict[str, Any] = {"model_dim": 128, "n_heads": 4, "n_layers": 1}  # on a compact encoder
N_LANDMARKS, N_COMPONENTS = 512, 256  # of the head on a fast Whisper, at most
POOL = 500  # texts that a clip must find its own among


def align(manifest: Path, recipe: Recipe, out: Path, cache: Path, *, device: str = "auto") -> dict[str, float]:
    """Train a student on the manifest and write its checkpoint folder; its figures on the validation rows.

    A run in that folder goes on where it ended, if it is the same one; a finished run is left as it is.

    Raises:
        DataError: rows of the manifest can't be used; all of them are listed.
        TrainingError: the folder holds another run; see also `train`.
    """
    rows = read_manifest(manifest, shared_texts=recipe.shared_texts)
    return align_rows(rows, sha256_of(manifest), recipe, out, cache, device=device)


def align_rows(
    rows: Sequence[Row], manifest_sha256: str, recipe: Recipe, out: Path, cache: Path, *, device: str = "auto"
) -> dict[str, float]:
    """As `align`, with rows that have been read and checked."""
    config = recipe.train
    if recipe.encoder in PRESETS and recipe.adapter.kind == "frozen":
        raise DataError(f"encoder '{recipe.encoder}' has learnt nothing yet that could stay frozen; give --adapter full")
    if recipe.encoder.endswith(FAST) and (recipe.adapter.kind != "frozen" or config.loss.reconstruction):
        raise DataError(f"on '{recipe.encoder}' only a head is trained, without reconstruction; give --adapter frozen")
    rows = [row for row in rows if row.group.startswith(recipe.only)]
    check_validation_rows(rows, config.min_rank)
    noise = NoiseClips.from_folders([Path(folder) for folder in recipe.noise]) if recipe.noise else None
    torch.manual_seed(config.seed)
    accelerator = make_accelerator(config, device)
    teacher, bank = Teacher(recipe.teacher, layer=recipe.teacher_layer), ConceptBank.default()
    head = SMALL_HEAD if recipe.encoder in PRESETS else {}
    if recipe.encoder.endswith(FAST):
        n_rows = sum(row.split == "train" for row in rows)
        n_components = min(N_COMPONENTS, n_rows, 2 * teacher.embed_dim // 3)
        head = {"n_landmarks": min(N_LANDMARKS, n_rows), "model_dim": n_components, "n_heads": 1}
    student = Student.untrained(recipe.encoder, teacher.info, teacher.embed_dim, adapter=recipe.adapter, **head)
    student.to(str(accelerator.device))
    run = Run(out, identity_of(recipe, student, teacher, rows, noise) | {"manifest_sha256": manifest_sha256})
    if (story := finished_story(run)) is not None:
        log.info("%s is finished", out)
        return story["validation"]
    with accelerator.main_process_first():  # the others find the frames in the cache
        pairs, validation_pairs = encode_rows(rows, student, recipe, noise, cache)
    vocabulary = Vocabulary.of((*pairs.pairs, *validation_pairs.pairs), teacher, bank, cache / "teacher")
    log.info("%d pairs to learn from, %d to choose by", len(pairs.pairs), len(validation_pairs.pairs))
    targets = make_targets(pairs, teacher, bank, vocabulary, cache / "teacher").to(accelerator.device)
    mentioned = vocabulary.mentioned(validation_pairs.pairs, bank)
    concepts = vocabulary.told_apart(validation_pairs.pairs)
    if isinstance(student.head, KernelHead):
        fit_kernel_head(student.head, pairs, teacher)
    validate = Validation(validation_pairs, teacher, concepts, mentioned, cache / "teacher")
    train(student, config, pairs, targets, validate, run, accelerator=accelerator)
    figures = validate(student)
    if accelerator.is_main_process:
        student.save_pretrained(out)
        write_story(run, n_train_pairs=len(pairs.pairs), figures=figures)
    return figures


def fit_kernel_head(head: KernelHead, pairs: Pairs, teacher: Teacher) -> None:
    """Landmarks from the pairs to learn from, and what is heard kept out of the way of their texts."""
    batches = [pairs.batch([i]) for i in range(len(pairs.pairs))]
    statistics = torch.cat([head.statistics(frames, mask) for frames, mask in batches])
    texts = teacher.encode(list(dict.fromkeys(pair.text for pair in pairs.pairs)))
    head.fit(statistics)
    head.keep_apart(torch.from_numpy(texts))


def check_validation_rows(rows: Sequence[Row], min_rank: float) -> None:
    """Whether there are enough validation rows to select weights by.

    Raises:
        DataError: fewer stretches of audio in split valid than a collapse of their embeddings can be noticed by, or one text.
    """
    least = math.floor(min_rank) + 2  # centred, n embeddings span n - 1 directions at most
    stretches = dict.fromkeys((row.path, row.start_s, row.end_s) for row in rows if row.split == "valid")
    if len(stretches) < least:
        names = ", ".join(f"{path.name} {start_s:g}-{end_s:g} s" for path, start_s, end_s in stretches)
        raise DataError(
            f"{len(stretches)} stretch(es) of audio in split valid ({names or 'none'}): at least {least} are needed to tell "
            "collapsed embeddings from usable ones; move more rows to split valid"
        )
    texts = {row.report_id or " ".join(row.text.lower().split()): row.text for row in rows if row.split == "valid"}
    if len(texts) == 1:
        (text,) = texts.values()
        raise DataError(
            f"all {len(stretches)} stretches in split valid have the same text, '{text:.80}', which any weights would find; "
            "move rows with other texts to split valid"
        )


def identity_of(recipe: Recipe, student: Student, teacher: Teacher, rows: Sequence[Row], noise: NoiseClips | None) -> Identity:
    """Everything that determines the result of a run: recipe, models, and digests of rows, audio and noise clips."""
    config = student.config
    return {
        "recipe": asdict(recipe) | {"noise": [Path(folder).name for folder in recipe.noise]},  # not where they lie here
        "teacher": teacher.description,
        "concepts": ConceptBank.default().digest,
        "encoder": f"{config.encoder} ({config.encoder_revision})",
        **data_identity(rows, noise.digests if noise else ()),
    }


def encode_rows(
    rows: Sequence[Row], student: Student, recipe: Recipe, noise: NoiseClips | None, cache: Path
) -> tuple[Pairs, Pairs]:
    """Pairs to learn from, and pairs to choose by, cut from whole recordings as an analysis cuts them."""
    learn = [row for row in rows if row.split == "train"]
    choose = [row for row in rows if row.split == "valid"]
    is_live = recipe.adapter.kind != "frozen"
    encoded_by = in_half_precision(student) if recipe.train.bf16 else student
    validation = build_pairs(choose, encoded_by, cache / "frames", keep_waveforms=is_live)
    pairs = build_pairs(
        learn,
        encoded_by,
        cache / "frames",
        Augmentation(recipe.renderings, noise, seed=recipe.augmentation_seed),
        keep_log_mel=recipe.train.loss.reconstruction > 0,
        keep_waveforms=is_live,
    )
    return pairs, validation


def in_half_precision(student: Student) -> Student:
    """The student with a copy of its encoder in bfloat16: training tolerates coarser frames, and is faster.

    A copy, since rounded weights don't come back.
    """
    encoder = copy.deepcopy(student.encoder).to(torch.bfloat16)
    return Student(student.config, student.head, encoder, name=student.info.name, revision=student.info.revision)


class Validation:
    """Figures of a student on validation rows, for choosing its weights; called often, so it works on cached frames."""

    def __init__(self, pairs: Pairs, teacher: Teacher, concepts: np.ndarray, mentioned: np.ndarray, cache: Path | None = None):
        self.pairs, self.concepts, self.mentioned = pairs, concepts, mentioned
        self.text_embeddings, text_id = text_targets(pairs.pairs, teacher, cache)
        self.texts = [str(i) for i in text_id]
        self.teacher_rank = effective_rank(torch.from_numpy(self.text_embeddings))
        self.are_reports = any(pair.report_id for pair in pairs.pairs)

    def __call__(self, student: Student) -> dict[str, float]:
        pairs = self.pairs
        if student.config.adapter.kind != "frozen":  # the encoder has moved since the frames were cached
            frames = (student.frames(np.asarray(waveform, np.float32)).cpu().numpy() for waveform in pairs.waveforms)
            pairs = replace(pairs, frames=tuple(frames))
        audio = embed_pairs(student, pairs)
        if not np.isfinite(audio).all():
            raise TrainingError("the embeddings of the validation clips are not finite; lower --lr, or give --no-bf16")
        figures = {"effective_rank": effective_rank(torch.from_numpy(audio)), "teacher_rank": self.teacher_rank}
        figures["spread"] = 1 - float(np.square(audio.mean(0)).sum())  # of unit vectors
        figures |= recall_at_k(audio @ self.text_embeddings.T, self.texts, pool=min(POOL, len(self.texts)))
        scores = [figures["recall@1"]]
        counts = self.mentioned.sum(0)
        if ((counts >= MIN_MENTIONS) & (counts < len(self.texts))).any():  # a concept that every clip has tells nothing
            figures |= macro_figures(audio @ self.concepts.T, self.mentioned, min_mentions=MIN_MENTIONS)
            # Among reports many texts are equal, and which of them comes first is luck.
            scores = [figures["auroc"]] if self.are_reports else [*scores, figures["average_precision"]]
        return figures | {"score": float(np.mean(scores))}


@torch.inference_mode()
def embed_pairs(student: Student, pairs: Pairs, batch_size: int = 64) -> np.ndarray:
    """Embeddings (n, d) of all pairs, in their order; sorted by length inside, to pad little."""
    device = next(student.head.parameters()).device
    order = np.argsort(pairs.durations_s, kind="stable")
    embedded = np.zeros((len(order), student.config.head.embed_dim), np.float32)
    for i in range(0, len(order), batch_size):
        chosen = order[i : i + batch_size]
        hidden_states, mask = pairs.batch(chosen)
        embedded[chosen] = student.head(hidden_states.to(device), mask.to(device)).float().cpu().numpy()
    return embedded


def finished_story(run: Run) -> dict[str, Any] | None:
    """What `write_story` wrote, if the run is finished."""
    path = run.folder / STORY_FILE
    if run.step < run.identity["recipe"]["train"]["n_steps"] or not path.exists():
        return None
    story = read_json(path, dict, error=TrainingError, remedy="remove it, and it is written anew")
    return story if story.get("recipe") == run.identity["recipe"] else None


def write_story(run: Run, *, n_train_pairs: int, figures: dict[str, float]) -> None:
    """training.json, the curves and the card: what a reader needs to trust a checkpoint, or not.

    Written from what the run's state says it is, not from what a command asked for.
    """
    story = run.identity | {
        "n_train_pairs": n_train_pairs,
        "validation": figures,
        "wall_time_s": round(run.seconds),
        "sessions": run.sessions,
    }
    (run.folder / STORY_FILE).write_text(json.dumps(story, indent=2) + "\n", encoding="utf-8")
    entries = run.log_entries()
    training_curves(entries).write_html(run.folder / "curves.html", include_plotlyjs="directory")
    write_card(run.folder)
