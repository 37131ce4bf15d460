"""The recipe of the shipped student: consultation text in, a checkpoint folder with its figures out.

Days 1-3 of PriMock57 are spoken by the training voices; day 4, in a voice that training never hears, chooses the weights
and fits the calibration. Splits are by consultation.
"""

import json
import logging
import platform
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from medalign import __version__
from medalign.audio import SAMPLE_RATE_HZ
from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.evaluation.concept_detection import bootstrap_over_groups, mean_over_concepts, per_concept
from medalign.evaluation.retrieval import recall_at_k
from medalign.student import AlignmentHead, Student, StudentConfig, pad_stretches
from medalign.teacher import Teacher
from medalign.training.augmentation import add_noise, pink_noise
from medalign.training.consultations import read_primock57
from medalign.training.dataset import Pair, Pairs, build_pairs
from medalign.training.synthesis import HELD_OUT_VOICE, TRAIN_VOICES, Take, speak_takes
from medalign.training.train import Targets, TrainConfig, train
from medalign.weights import resolve
from medalign.whisper_encoder import load_encoder
from medalign.zero_shot import concept_embeddings

log = logging.getLogger(__name__)

TRAIN_DAYS, VALIDATION_DAYS = (1, 2, 3), (4,)
MIN_MENTIONS = 5  # a concept with fewer is not judged
MIN_TRAIN_MENTIONS = 3  # a concept with fewer is no training target
POOL = 500  # texts that a clip must find its own among


def train_student(
    data: Path, cache: Path, out: Path, *, n_takes: int = 3, config: TrainConfig | None = None, encoder: str = "tiny.en"
) -> dict[str, float]:
    """Speak, encode, align, choose; write the checkpoint (not yet calibrated) and return its validation figures."""
    started, config = time.monotonic(), config or TrainConfig()
    held_out = validation_takes(data, cache)
    teacher, bank = Teacher(), ConceptBank.default()
    student = untrained_student(encoder, teacher)
    # Training can do with coarser frames than an analysis gets, and a CPU computes them 2.5 times as fast.
    student.encoder.to(torch.bfloat16)
    validation = build_pairs(held_out, student, cache / "frames", noisy=False, windows=False)
    takes = speak_takes(
        read_primock57(data, TRAIN_DAYS), cache / "takes", n_takes=n_takes, voices=TRAIN_VOICES, seed=config.seed
    )
    pairs = without_shared_texts(build_pairs(takes, student, cache / "frames"), validation)
    targets = make_targets(pairs, teacher, bank)
    judge = _Validation(validation, teacher, bank)
    log.info("%d pairs, %d concepts as targets", len(pairs.pairs), len(targets.concepts))
    head = train(student.config, config, pairs, targets, judge, out)
    Student(student.config, head, student.encoder, name="", revision="").save_pretrained(out)
    figures = judge(head)
    story = {
        "train_config": asdict(config),
        "data": f"PriMock57 days {TRAIN_DAYS} to learn, {VALIDATION_DAYS} to choose, split by consultation",
        "n_takes": n_takes,
        "train_voices": TRAIN_VOICES,
        "validation_voice": HELD_OUT_VOICE,
        "n_train_pairs": len(pairs.pairs),
        "n_validation_pairs": len(validation.pairs),
        "validation": figures,
        "wall_time_s": round(time.monotonic() - started),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"medalign": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    (out / "training.json").write_text(json.dumps(story, indent=2) + "\n")
    return figures


def untrained_student(encoder: str, teacher: Teacher) -> Student:
    """A student with the frozen encoder and a head that has learnt nothing yet."""
    weights = resolve(encoder, weight_files=("model.bin", "model.safetensors"))
    whisper = load_encoder(weights.folder)
    config = StudentConfig(
        encoder=encoder,
        encoder_revision=weights.revision,
        teacher=teacher.info.name,
        teacher_revision=teacher.info.revision,
        encoder_dim=whisper.config.d_model,
        embed_dim=teacher.embed_dim,
    )
    return Student(config, AlignmentHead(config), whisper, name="untrained", revision="")


def validation_takes(data: Path, cache: Path) -> tuple[Take, ...]:
    """Day 4 in the held-out voice."""
    consultations = read_primock57(data, VALIDATION_DAYS)
    return speak_takes(consultations, cache / "takes", n_takes=1, voices=(HELD_OUT_VOICE,))


def without_shared_texts(pairs: Pairs, validation: Pairs) -> Pairs:
    """Training pairs whose whole text doesn't also stand in validation ("Do you smoke?" does, in every consultation)."""
    held_out = {pair.text.lower() for pair in validation.pairs}
    return Pairs(pairs.frames, tuple(pair for pair in pairs.pairs if pair.text.lower() not in held_out))


def mentioned_concepts(texts: list[str], bank: ConceptBank) -> np.ndarray:
    """(n, k) bool: whether the extractor finds the concept in the text, whatever its status."""
    mentioned = np.zeros((len(texts), len(bank.concepts)), bool)
    for i, text in enumerate(texts):
        for mention in find_mentions_in_text(text, bank):
            mentioned[i, bank.column[mention.concept_id]] = True
    return mentioned


def make_targets(pairs: Pairs, teacher: Teacher, bank: ConceptBank) -> Targets:
    """The teacher's embeddings of every distinct text, and of the concepts that the pairs mention often enough."""
    unique, text_id = np.unique([pair.text for pair in pairs.pairs], return_inverse=True)
    mentioned = mentioned_concepts(list(unique), bank)
    frequent = mentioned[text_id].sum(0) >= MIN_TRAIN_MENTIONS
    return Targets(
        text=torch.from_numpy(teacher.encode(list(unique))[text_id]),
        text_id=torch.from_numpy(text_id),
        concepts=torch.from_numpy(concept_embeddings(teacher, bank.concepts)[frequent]),
        mentioned=torch.from_numpy(mentioned[text_id][:, frequent]),
    )


class _Validation:
    """Figures on held-out utterances, for choosing a checkpoint. Called often, so it works on cached frames."""

    def __init__(self, pairs: Pairs, teacher: Teacher, bank: ConceptBank):
        self.pairs = pairs
        self.texts = [pair.text for pair in pairs.pairs]
        self.text_embeddings = teacher.encode(self.texts)
        self.concepts = concept_embeddings(teacher, bank.concepts)
        self.mentioned = mentioned_concepts(self.texts, bank)

    def __call__(self, head: AlignmentHead) -> dict[str, float]:
        audio = embed_pairs(head, self.pairs)
        figures = concept_figures(audio @ self.concepts.T, self.mentioned)
        figures |= recall_at_k(audio @ self.text_embeddings.T, self.texts, pool=POOL)
        return figures | {"score": figures["average_precision"]}


@torch.inference_mode()
def embed_pairs(head: AlignmentHead, pairs: Pairs, batch_size: int = 64) -> np.ndarray:
    """Embeddings (n, d) of all pairs, in their order; sorted by length inside, to pad little."""
    order = sorted(range(len(pairs.pairs)), key=lambda i: pairs.pairs[i].end_s - pairs.pairs[i].start_s)
    embedded = np.zeros((len(order), head.project.out_features), np.float32)
    for i in range(0, len(order), batch_size):
        chosen = order[i : i + batch_size]
        embedded[chosen] = head(*pad_stretches([pairs.stretch(j) for j in chosen])).numpy()
    return embedded


def concept_figures(scores: np.ndarray, mentioned: np.ndarray) -> dict[str, float]:
    results = per_concept(scores, mentioned, min_mentions=MIN_MENTIONS)
    return {
        "auroc": mean_over_concepts(results, "auroc"),
        "average_precision": mean_over_concepts(results, "average_precision"),
        "n_concepts": len(results),
    }


def evaluate_student(data: Path, cache: Path, *, student_name: str, snr_db: float | None = None) -> dict:
    """Zero-shot figures of a student on day 4, each utterance heard alone, as a recording of its own.

    Hearing utterances alone keeps their neighbours' words out of the score. `snr_db` adds pink noise.
    """
    student, teacher, bank = Student.from_pretrained(student_name), Teacher(), ConceptBank.default()
    waveforms, pairs = _utterances(validation_takes(data, cache), snr_db)
    texts, groups = [pair.text for pair in pairs], [pair.group for pair in pairs]
    audio, text = student.encode(waveforms), teacher.encode(texts)
    concepts, mentioned = concept_embeddings(teacher, bank.concepts), mentioned_concepts(texts, bank)
    scores = audio @ concepts.T
    intervals = {
        f"{metric}_95": bootstrap_over_groups(scores, mentioned, groups, metric, min_mentions=MIN_MENTIONS)
        for metric in ("auroc", "average_precision")
    }
    return {
        "student": student.info.name,
        "revision": student.info.revision,
        "noise_snr_db": snr_db,
        "n_utterances": len(texts),
        "n_consultations": len(set(groups)),
        **concept_figures(scores, mentioned),
        **intervals,
        **recall_at_k(audio @ text.T, texts, pool=POOL),
        "teacher_on_true_text": concept_figures(text @ concepts.T, mentioned),
    }


def _utterances(takes: tuple[Take, ...], snr_db: float | None) -> tuple[list[np.ndarray], list[Pair]]:
    waveforms, pairs, rng = [], [], np.random.default_rng(0)
    for take in takes:
        recording = take.waveform()
        for u in take.utterances:
            waveform = recording[int(u.start_s * SAMPLE_RATE_HZ) : int(u.end_s * SAMPLE_RATE_HZ)]
            if snr_db is not None:
                waveform = add_noise(waveform, pink_noise(len(waveform), rng), snr_db)
            waveforms.append(waveform)
            pairs.append(Pair(0, u.start_s, u.end_s, u.text, take.consultation_id))
    return waveforms, pairs
