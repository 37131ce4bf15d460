"""From a manifest to a checkpoint folder: encode, align, choose, and tell the story of the run."""

import copy
import json
import logging
import platform
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from medalign import __version__
from medalign.concepts import ConceptBank
from medalign.core.weights import sha256_of
from medalign.evaluation.concept_detection import mean_over_concepts, per_concept
from medalign.evaluation.retrieval import recall_at_k
from medalign.models.adapters import AdapterConfig
from medalign.models.student import Student
from medalign.models.teacher import DEFAULT_TEACHER, Teacher
from medalign.report.figures import training_curves
from medalign.training.data.augmentation import NoiseClips
from medalign.training.data.manifest import Row, read_manifest
from medalign.training.data.pairs import Pairs, Renderings, build_pairs
from medalign.training.data.targets import Vocabulary, make_targets
from medalign.training.losses import effective_rank
from medalign.training.model_card import write_card
from medalign.training.train import TrainConfig, make_accelerator, train

log = logging.getLogger(__name__)

MIN_MENTIONS = 5  # a concept with fewer is not judged
POOL = 500  # texts that a clip must find its own among


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run comes out as, beside the manifest."""

    train: TrainConfig = field(default_factory=TrainConfig)
    encoder: str = "tiny.en"
    teacher: str = DEFAULT_TEACHER
    teacher_layer: int = -1
    adapter: AdapterConfig = field(default_factory=lambda: AdapterConfig("frozen"))
    renderings: Renderings = "both"  # of each recording: clean, degraded, one of the two, or both
    noise: tuple[str, ...] = ()  # folders of clips that are mixed in, each with a manifest.csv
    shared_texts: bool = False  # texts may stand in both splits: reports written from labels
    augmentation_seed: int = 0  # its own, so that seeds of a run share the cached frames


def align(manifest: Path, recipe: Recipe, out: Path, cache: Path, *, device: str = "auto") -> dict[str, float]:
    """Train a student on the manifest and write its checkpoint folder; its figures on the validation rows.

    Raises:
        DataError: rows of the manifest can't be used; all of them are listed.
        TrainingError: see `train`.
    """
    started = time.monotonic()
    config = recipe.train
    rows = read_manifest(manifest, shared_texts=recipe.shared_texts)
    torch.manual_seed(config.seed)
    accelerator = make_accelerator(config, device)
    teacher, bank = Teacher(recipe.teacher, layer=recipe.teacher_layer), ConceptBank.default()
    student = Student.untrained(
        recipe.encoder,
        teacher_name=teacher.info.name,
        teacher_revision=teacher.info.revision,
        embed_dim=teacher.embed_dim,
        adapter=recipe.adapter,
    ).to(str(accelerator.device))
    with accelerator.main_process_first():  # the others find the frames in the cache
        pairs, validation = encode_rows(rows, student, recipe, cache)
    vocabulary = Vocabulary.of((*pairs.pairs, *validation.pairs), teacher, bank, cache / "teacher")
    log.info("%d pairs to learn from, %d to choose by", len(pairs.pairs), len(validation.pairs))
    targets = make_targets(pairs, teacher, bank, vocabulary, config.loss, cache / "teacher").to(accelerator.device)
    mentioned = vocabulary.mentioned(validation.pairs, bank)
    judge = Judge(validation, teacher, vocabulary.embeddings, mentioned, cache / "teacher")
    train(student, config, pairs, targets, judge, out, accelerator=accelerator)
    figures = judge(student)
    if accelerator.is_main_process:
        student.save_pretrained(out)
        _tell(out, manifest, rows, recipe, teacher, pairs, figures, time.monotonic() - started)
    return figures


def encode_rows(rows: tuple[Row, ...], student: Student, recipe: Recipe, cache: Path) -> tuple[Pairs, Pairs]:
    """Pairs to learn from, and pairs to choose by, cut from whole recordings as an analysis cuts them."""
    learn = [row for row in rows if row.split == "train"]
    choose = [row for row in rows if row.split == "valid"]
    noise = NoiseClips.from_folders([Path(folder) for folder in recipe.noise]) if recipe.noise else None
    trained = recipe.adapter.kind != "frozen"
    listener = in_half_precision(student) if recipe.train.bf16 else student
    validation = build_pairs(choose, listener, cache / "frames", renderings="clean", keep_waveforms=trained)
    pairs = build_pairs(
        learn,
        listener,
        cache / "frames",
        renderings=recipe.renderings,
        noise=noise,
        keep_log_mel=recipe.train.loss.reconstruction > 0,
        keep_waveforms=trained,
        seed=recipe.augmentation_seed,
    )
    return pairs, validation


def in_half_precision(student: Student) -> Student:
    """The student with a copy of its encoder in bfloat16: training can do with coarser frames, and they come faster.

    A copy, since rounded weights don't come back.
    """
    encoder = copy.deepcopy(student.encoder).to(torch.bfloat16)
    return Student(student.config, student.head, encoder, name=student.info.name, revision=student.info.revision)


class Judge:
    """Figures of a student on validation rows, for choosing its weights; called often, so it works on cached frames."""

    def __init__(self, pairs: Pairs, teacher: Teacher, concepts: np.ndarray, mentioned: np.ndarray, cache: Path | None = None):
        self.pairs, self.concepts, self.mentioned = pairs, concepts, mentioned
        self.texts = [pair.text for pair in pairs.pairs]
        self.text_embeddings = teacher.encode(self.texts, cache=cache)

    def __call__(self, student: Student) -> dict[str, float]:
        pairs = self.pairs
        if student.config.adapter.kind != "frozen":  # the encoder has moved since the frames were cached
            frames = (student.frames(np.asarray(waveform, np.float32)).cpu().numpy() for waveform in pairs.waveforms)
            pairs = replace(pairs, frames=tuple(frames))
        audio = embed_pairs(student, pairs)
        figures = {"rank": effective_rank(torch.from_numpy(audio))}
        figures |= recall_at_k(audio @ self.text_embeddings.T, self.texts, pool=min(POOL, len(self.texts)))
        scores = [figures["recall@1"]]
        if ((counts := self.mentioned.sum(0)) >= MIN_MENTIONS).any() and (counts < len(self.texts)).any():
            figures |= concept_figures(audio @ self.concepts.T, self.mentioned)
            scores.append(figures["average_precision"])
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


def concept_figures(scores: np.ndarray, mentioned: np.ndarray) -> dict[str, float]:
    results = per_concept(scores, mentioned, min_mentions=MIN_MENTIONS)
    return {
        "auroc": mean_over_concepts(results, "auroc"),
        "average_precision": mean_over_concepts(results, "average_precision"),
        "n_concepts": len(results),
    }


def _tell(out, manifest, rows, recipe, teacher, pairs, figures, wall_time_s) -> None:
    """training.json, the curves and the card: what a reader needs to trust a checkpoint, or not."""
    groups = {split: len({row.group for row in rows if row.split == split}) for split in ("train", "valid")}
    story = {
        "recipe": asdict(recipe) | {"noise": [Path(folder).name for folder in recipe.noise]},  # not where they lie here
        "teacher": teacher.description,
        "manifest_sha256": sha256_of(manifest),
        "n_train_rows": sum(row.split == "train" for row in rows),
        "n_valid_rows": sum(row.split == "valid" for row in rows),
        "n_train_groups": groups["train"],
        "n_valid_groups": groups["valid"],
        "n_train_pairs": len(pairs.pairs),
        "validation": figures,
        "wall_time_s": round(wall_time_s),
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{torch.get_num_threads()} threads"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"),
        "versions": {
            "medalign": __version__,
            "torch": torch.__version__,
            "transformers": version("transformers"),
            "python": platform.python_version(),
        },
    }
    (out / "training.json").write_text(json.dumps(story, indent=2) + "\n")
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    training_curves(entries).write_html(out / "curves.html", include_plotlyjs="directory")
    write_card(out)
