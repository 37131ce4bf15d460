"""Figures of students on validation speech, with intervals; students of one encoder and teacher stand side by side.

By default every utterance is heard as a recording of its own: that keeps its neighbours' words out of the score. Each student
hears through its own encoder, as it was trained. The unaligned encoder, before any training, is measured beside the students,
by a linear probe on its mean-pooled frames.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from medalign.concepts import ConceptBank
from medalign.core.errors import DataError
from medalign.evaluation.bootstrap import Statistic, with_interval
from medalign.evaluation.concept_detection import auroc, column_auroc, column_average_precision
from medalign.evaluation.linear_probe import cross_validated_probe
from medalign.evaluation.retrieval import pooled_ranks
from medalign.evaluation.suite import evaluate_arrays
from medalign.models.adapter_config import AdapterConfig
from medalign.models.student import Student
from medalign.models.student_config import load_student_encoder
from medalign.models.teacher import Teacher
from medalign.pipeline.calibration import against_distractors
from medalign.training.align import MIN_MENTIONS, POOL, embed_pairs, in_half_precision
from medalign.training.data.manifest import Row, read_manifest
from medalign.training.data.pairs import Augmentation, Pairs, build_alone, build_pairs, frames_key
from medalign.training.data.targets import Vocabulary
from medalign.training.losses import debiased_cka, published_loss

log = logging.getLogger(__name__)

N_PAIRING_BATCHES, PAIRING_BATCH = 100, 160
Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]  # scores and truth (n, k) to a figure for each column
N_FOLDS = 5  # of the linear probe, over consultations


@dataclass(frozen=True)
class Hearing:
    """How the validation rows are heard."""

    in_stream: bool = False  # utterances are cut from whole recordings, as an analysis cuts its windows; cheaper than alone
    snr_db: float | None = None  # of pink noise
    bf16: bool = False  # half precision, 2.5 times as fast on a CPU; the frames are shared with training's validation

    def pairs(self, rows: Sequence[Row], student: Student, cache: Path) -> Pairs:
        listener = in_half_precision(student) if self.bf16 else student
        if self.in_stream:
            return build_pairs(rows, listener, cache / "frames", Augmentation(snr_db=self.snr_db))
        return build_alone(rows, listener, cache / "frames", snr_db=self.snr_db)

    def pairs_of_each(self, students: Sequence[Student], rows: Sequence[Row], cache: Path) -> list[Pairs]:
        """In the students' order; those whose encoders are equal share them."""
        keys, found = [frames_key(student) for student in students], dict[str, Pairs]()
        for key, student in zip(keys, students, strict=True):
            found[key] = found[key] if key in found else self.pairs(rows, student, cache)
        return [found[key] for key in keys]


def evaluate_students(
    manifest: Path,
    names: Sequence[str],
    cache: Path,
    *,
    only: str = "",
    hearing: Hearing = Hearing(),
    with_curves: bool = False,
) -> dict:
    """Zero-shot, retrieval, probe and pairing figures on the manifest's validation rows.

    Args:
        names: students that began with one encoder and share one teacher, such as three seeds.
        only: groups whose name starts so.
        with_curves: "tasks" of the first student, too, as `medalign.evaluation.suite` measures arrays.

    Raises:
        DataError: the students differ in encoder or teacher.
    """
    students = [Student.from_pretrained(name) for name in names]
    if len({(s.config.encoder_revision, s.config.teacher_revision) for s in students}) > 1:
        raise DataError("these students differ in encoder or teacher; evaluate them one by one")
    config = students[0].config
    teacher, bank = Teacher(config.teacher), ConceptBank.default()
    rows = [row for row in read_manifest(manifest) if row.split == "valid" and row.group.startswith(only)]
    by_student = hearing.pairs_of_each([_before_training(students[0]), *students], rows, cache)
    pairs = by_student[0]
    vocabulary = Vocabulary.of(pairs.pairs, teacher, bank, cache / "teacher")
    mentioned = vocabulary.mentioned(pairs.pairs, bank)
    measure = _Measure(pairs, mentioned)
    text = teacher.encode([pair.text for pair in pairs.pairs], cache=cache / "teacher")
    mean_pooled = np.stack([pairs.stretch(i).mean(0).numpy() for i in range(len(pairs.pairs))])
    audio = [embed_pairs(student, own) for student, own in zip(students, by_student[1:], strict=True)]
    scores = audio[0] @ vocabulary.embeddings.T
    arrays = {"group": np.array(measure.groups), "scores": scores, "truth": mentioned, "audio": audio[0], "text": text}
    return {
        "heard": "in stream" if hearing.in_stream else "alone",
        "groups": only or "all",
        "noise_snr_db": hearing.snr_db,
        "precision": "bfloat16" if hearing.bf16 else "float32",
        "n_utterances": len(rows),
        "n_groups": len(set(measure.groups)),
        "n_concepts": int(measure.evaluated.sum()),
        "unaligned_encoder": measure.probe(mean_pooled),
        "teacher_on_true_text": measure.zero_shot(text @ vocabulary.embeddings.T) | measure.probe(text),
        "students": [_figures(s, heard, measure, text, vocabulary) for s, heard in zip(students, audio, strict=True)],
        **({"tasks": evaluate_arrays(arrays | {"text_id": np.array(measure.texts)})} if with_curves else {}),
    }


def _before_training(student: Student) -> Student:
    """With the encoder that it began with; the student itself where that was left as it is."""
    if student.config.adapter.kind == "frozen":
        return student
    config = replace(student.config, adapter=AdapterConfig())
    encoder = load_student_encoder(config, student.info.name)
    return Student(config, student.head, encoder, name=student.info.name, revision=student.info.revision)


def _figures(student: Student, audio: np.ndarray, measure: "_Measure", text: np.ndarray, vocabulary: Vocabulary) -> dict:
    log.info("measuring %s", student.info.name)
    return {
        "name": student.info.name,
        "revision": student.info.revision,
        **measure.zero_shot(audio @ vocabulary.embeddings.T),
        **measure.retrieval(audio @ text.T),
        **measure.probe(audio),
        "mismatch": mismatch(audio, text, measure.texts, measure.groups),
        "pairing": pairing(audio, text),
    }


def mismatch(audio: np.ndarray, text: np.ndarray, texts: Sequence[str], groups: Sequence[str]) -> dict[str, float]:
    """AUROC of the cosine between an utterance's own text and another: of anywhere, or of the same consultation.

    What the marks on segments rest on; each utterance gets one wrong text of either kind, if there is one.
    """
    rng = np.random.default_rng(0)
    texts_of, groups_of = np.array(texts), np.array(groups)
    own = (audio * text).sum(1)
    figures = {}
    for name, mask_of in (
        ("foreign_text_auroc", lambda i: groups_of != groups_of[i]),
        ("same_consultation_auroc", lambda i: groups_of == groups_of[i]),
    ):
        wrong = []
        for i in range(len(audio)):
            others = np.flatnonzero(mask_of(i) & (texts_of != texts_of[i]))
            if len(others):
                wrong.append(float(audio[i] @ text[rng.choice(others)]))
        figures[name] = auroc(own, wrong)
    return figures


def pairing(audio: np.ndarray, text: np.ndarray) -> dict[str, float]:
    """Does the loss see which text belongs to which recording? Shuffled minus paired, over batches."""
    rng = np.random.default_rng(0)
    gaps, published = [], []
    size = min(PAIRING_BATCH, len(audio))
    for _ in range(N_PAIRING_BATCHES):
        rows = rng.choice(len(audio), size, replace=False)
        a, t = torch.from_numpy(audio[rows]), torch.from_numpy(text[rows])
        shuffled = t[torch.from_numpy(rng.permutation(size))]
        gaps.append(float(debiased_cka(a, t) - debiased_cka(a, shuffled)))
        published.append(float(published_loss(a, shuffled) - published_loss(a, t)))
    return {
        "n_batches": N_PAIRING_BATCHES,
        "n_positive": int(np.sum(np.array(gaps) > 0)),
        "mean": float(np.mean(gaps)),
        "least": float(np.min(gaps)),
        "published_loss_largest": float(np.abs(published).max()),
    }


class _Measure:
    """Figures with 95 % intervals from a bootstrap over consultations, for one set of utterances."""

    def __init__(self, pairs: Pairs, mentioned: np.ndarray):
        self.texts = [pair.text for pair in pairs.pairs]
        self.groups = [pair.group for pair in pairs.pairs]
        self.mentioned = mentioned
        self.evaluated = (mentioned.sum(0) >= MIN_MENTIONS) & (mentioned.sum(0) < len(mentioned))
        if not self.evaluated.any():
            raise DataError(f"no concept has {MIN_MENTIONS} mentions in the validation rows; there is nothing to measure")

    def zero_shot(self, cosines: np.ndarray) -> dict:
        """Of plain cosines, and average precision of `against_distractors`, too."""
        plain, ranked = cosines[:, self.evaluated], against_distractors(cosines)[:, self.evaluated]
        return {
            **self._of_concepts("auroc", column_auroc, plain),
            **self._of_concepts("average_precision", column_average_precision, plain),
            **self._of_concepts("average_precision_against_distractors", column_average_precision, ranked),
        }

    def retrieval(self, similarity: np.ndarray) -> dict:
        ranks = pooled_ranks(similarity, self.texts, pool=min(POOL, len(self.texts)))
        return self._recall(ranks, 1) | self._recall(ranks, 10)

    def _recall(self, ranks: np.ndarray, k: int) -> dict[str, object]:
        hits = np.full(len(self.texts), np.nan)
        hits[: len(ranks)] = ranks <= k
        return self._with_interval(f"recall@{k}", lambda rows: _mean_of_defined(hits[rows]))

    def probe(self, embeddings: np.ndarray) -> dict:
        n_groups = len(set(self.groups))
        if n_groups < 2:
            raise DataError("the validation rows are of one consultation; a probe is fitted on others than it is measured on")
        truth, n_folds = self.mentioned[:, self.evaluated], min(N_FOLDS, n_groups)
        scores = cross_validated_probe(embeddings, truth, self.groups, n_folds=n_folds, min_mentions=MIN_MENTIONS)
        return {
            **self._of_concepts("probe_average_precision", column_average_precision, scores),
            **self._of_concepts("probe_auroc", column_auroc, scores),
        }

    def _of_concepts(self, name: str, per_column: Metric, scores: np.ndarray) -> dict[str, object]:
        """The mean over concepts."""
        truth = self.mentioned[:, self.evaluated]
        return self._with_interval(name, lambda rows: _mean_of_defined(per_column(scores[rows], truth[rows])))

    def _with_interval(self, name: str, statistic: Statistic) -> dict[str, object]:
        figure, *interval = with_interval(statistic, self.groups)
        return {name: figure, f"{name}_95": interval}


def _mean_of_defined(values: np.ndarray) -> float:
    """Mean of those that are numbers; NaN where none is, as in a resample that drew no consultation with a mention."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
