"""Training and measuring the detector of sound events, on speech with real sounds laid in (`sounds`)."""

import copy
import hashlib
import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import AudioError, DataError
from medalign.core.files import check_regular, reading, replacing, typed
from medalign.core.provenance import PROVENANCE, provenance
from medalign.evaluation.concept_detection import auroc
from medalign.models.sound_events import LABELS, STEP_S, STEPS_PER_S, Event, SoundEventDetector, SoundEventHead, find_events
from medalign.models.student import Student
from medalign.training.data.augmentation import degrade
from medalign.training.data.pairs import content_key, frames_key
from medalign.training.data.sounds import MIXTURE_S, NOTHING, SORTED_BY, Mixture, Part, Sound, listed, mix, read_sounds
from medalign.training.data.synthesis import Take, read_takes
from medalign.training.recipe import DetectorConfig

log = logging.getLogger(__name__)

DEGRADED_SHARE = 0.5  # of the mixtures that are learnt from
BATCH, PEAK_LR = 16, 3e-3
MAX_FALSE_PER_HOUR = 1.0  # of each kind, on the speech that thresholds are set on


def fit_sound_events(
    speech: Path,
    body_sounds: Path,
    student: Student,
    cache: Path,
    *,
    quiet: Sequence[Path] = (),
    config: DetectorConfig | None = None,
) -> dict:
    """Train a detector on the student's frames, set its thresholds, write it into the student's folder; its figures.

    Args:
        speech: folder written by `synthesize`; training takes to learn from, the two halves of the validation takes to set
            thresholds on and to measure on.
        quiet: folders with a manifest.csv of real speech without sound events, to count false ones in.

    Raises:
        DataError: speech or sounds are missing.
    """
    config = config or DetectorConfig()
    n, seed = config.n_mixtures, config.seed
    folder = student.writable_folder()
    valid_takes = read_takes(speech, "valid")
    takes: dict[Part, Sequence[Take]] = {
        "train": read_takes(speech, "train"), "valid": valid_takes[1::2], "test": valid_takes[::2],
    }  # fmt: skip
    sizes: dict[Part, int] = {"train": n, "valid": n // 4, "test": n // 4}
    made = {part: _mixtures(takes[part], body_sounds, part, student, cache, sizes[part], seed) for part in sizes}
    head = train_head(made["train"][:2], made["valid"][:2], student, n_epochs=config.n_epochs, seed=seed)
    detector = SoundEventDetector(head, np.zeros(len(LABELS)), np.ones((len(LABELS), 2)))
    quiet_valid = [detector.logits(student.frames(take.waveform())) for take in takes["valid"]]
    frames, _, laid_in = made["valid"]
    detector = _calibrated(detector, frames, laid_in, quiet_valid)
    frames, _, laid_in = made["test"]
    figures = measure_sound_events(detector, frames, laid_in)
    figures["false_per_10_min"] = {
        "spoken consultations": _false_per_10_min(detector, student, (take.waveform() for take in takes["test"]))
    }
    for recordings in quiet:
        figures["false_per_10_min"][recordings.name] = _false_per_10_min(detector, student, _waveforms(recordings))
    figures |= {"n_mixtures": sizes, "seed": seed, "thresholds": dict(zip(LABELS, detector.thresholds.tolist(), strict=True))}
    figures = {PROVENANCE: provenance(), **figures}
    detector.save(folder, figures)
    return figures


def _mixtures(
    takes: Sequence[Take], body_sounds: Path, part: Part, student: Student, cache: Path, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray, list[list]]:
    """Frames (n, n_frames, dim) float16, truth (n, n_steps, k) and what was laid in; kept in `cache`."""
    path = cache / "sound_events" / f"{frames_key(student)}-{part}-{n}-{seed}-{_digest(takes, body_sounds)}.npz"
    if not path.exists():
        sounds = read_sounds(body_sounds, part)
        made = list(_made(takes, sounds, n, seed, is_degraded=part != "test"))
        frames = np.stack([student.frames(mixture.waveform).half().cpu().numpy() for mixture in made])
        laid_in = json.dumps([mixture.laid_in for mixture in made])
        with replacing(path) as file:
            np.savez(file, frames=frames, truth=np.stack([mixture.truth for mixture in made]), laid_in=laid_in)
    return _read_mixtures(path)


def _read_mixtures(path: Path) -> tuple[np.ndarray, np.ndarray, list[list]]:
    remedy = "remove it, and it is computed anew"
    check_regular(path, error=DataError, remedy=remedy)
    with reading(f"{path} holds no mixtures", error=DataError, remedy=remedy), np.load(path, allow_pickle=False) as stored:
        events = typed(json.loads(str(stored["laid_in"])), list[list[tuple[str, float, float]]])
        return stored["frames"], stored["truth"], events


def _digest(takes: Sequence[Take], body_sounds: Path) -> str:
    """Of everything that is mixed: the takes, and the collections that are there."""
    spoken = [(content_key(take.audio_path), [u.start_s for u in take.utterances]) for take in takes]
    collections = [body_sounds / name for name in SORTED_BY if (body_sounds / name / "manifest.csv").is_file()]
    sounds = [(row, content_key(path)) for folder in collections for path, row in listed(folder) if path.is_file()]
    return hashlib.sha256(repr((spoken, sounds)).encode()).hexdigest()[:16]


def _made(takes: Sequence[Take], sounds: Sequence[Sound], n: int, seed: int, *, is_degraded: bool) -> Iterator[Mixture]:
    """Each kind of sound as often as any other, however many clips there are of it."""
    kinds = [[sound for sound in sounds if sound.label == label] for label in (*LABELS, NOTHING, NOTHING)]
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        take = takes[int(rng.integers(len(takes)))]
        drawn = [kinds[int(rng.integers(len(kinds)))] for _ in range(rng.poisson(2.5))]
        chosen = [kind[int(rng.integers(len(kind)))] for kind in drawn if kind]
        mixture = mix(take, take.waveform(), chosen, rng)
        if is_degraded and rng.random() < DEGRADED_SHARE:
            mixture = replace(mixture, waveform=degrade(mixture.waveform, rng))
        if i % 100 == 99:
            log.info("%d of %d mixtures", i + 1, n)
        yield mixture


def train_head(
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    student: Student,
    *,
    n_epochs: int,
    seed: int = 0,
) -> SoundEventHead:
    """Binary cross-entropy for each kind and step, steps whose truth is NaN left out; the epoch that judges best is kept.

    Args:
        training, validation: frames (n, n_frames, dim) and truth (n, n_steps, k) of mixtures.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    frames, truth = training
    head = SoundEventHead(frames.shape[-1], round(student.encoder.frames_per_s / STEPS_PER_S))
    n_steps = n_epochs * math.ceil(len(frames) / BATCH)
    optimiser = torch.optim.AdamW(head.parameters(), lr=PEAK_LR, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LR, total_steps=n_steps)
    best, best_loss = head.state_dict(), math.inf
    for epoch in range(n_epochs):
        losses = []
        for rows in np.array_split(rng.permutation(len(frames)), math.ceil(len(frames) / BATCH)):
            loss = _loss(head.train(), frames[rows], truth[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        with torch.inference_mode():
            losses_there = [_loss(head.eval(), f[None], t[None]).item() for f, t in zip(*validation, strict=True)]
            validation_loss = float(np.mean(losses_there))
        log.info("epoch %d of %d: loss %.4f, in validation %.4f", epoch + 1, n_epochs, np.mean(losses), validation_loss)
        if validation_loss < best_loss:
            best, best_loss = copy.deepcopy(head.state_dict()), validation_loss
    head.load_state_dict(best)
    return head.eval()


def _loss(head: SoundEventHead, frames: np.ndarray, truth: np.ndarray) -> torch.Tensor:
    logits = head(torch.from_numpy(frames.astype(np.float32)))
    wanted = torch.from_numpy(truth)
    known = ~wanted.isnan()
    return F.binary_cross_entropy_with_logits(logits[known], wanted[known])


def _calibrated(
    detector: SoundEventDetector, frames: np.ndarray, laid_in: list[list], quiet: list[np.ndarray]
) -> SoundEventDetector:
    """Thresholds where the F1 over mixtures is best, but never below what keeps quiet speech quiet; then probabilities."""
    logits = [detector.logits(torch.from_numpy(f.astype(np.float32))) for f in frames]
    n_allowed = int(MAX_FALSE_PER_HOUR * sum(map(len, quiet)) * STEP_S / 3600)
    grid = np.arange(-3.0, 6.01, 0.25)
    thresholds, fit = np.zeros(len(LABELS)), np.zeros((len(LABELS), 2))
    for column in range(len(LABELS)):
        allowed = [t for t in grid if sum(map(len, _found_alone(quiet, column, t))) <= n_allowed] or [grid[-1]]
        thresholds[column] = max(allowed, key=lambda t: _f1(_found_alone(logits, column, t), laid_in, column))
    # Events well under the threshold teach the slope, too.
    found = list(zip([find_events(one, thresholds - 2.0) for one in logits], laid_in, strict=True))
    for column, label in enumerate(LABELS):
        own = [(event, truth) for events, truth in found for event in events if event.column == column]
        right = [any(_meets(event, t) for t in truth if t[0] == label) for event, truth in own]
        if len(set(right)) < 2:
            raise DataError(f"{len(own)} events of '{label}' in the mixtures can't calibrate it; mix more")
        fitted = LogisticRegression(C=1.0).fit(np.array([event.peak for event, _ in own])[:, None], right)
        fit[column] = fitted.coef_[0, 0], fitted.intercept_[0]
    return SoundEventDetector(detector.head, thresholds, fit)


def _found_alone(logits: Sequence[np.ndarray], column: int, threshold: float) -> list[tuple[Event, ...]]:
    """Events of one kind, if its threshold were this one."""
    thresholds = np.where(np.arange(len(LABELS)) == column, threshold, np.inf)
    return [find_events(one, thresholds) for one in logits]


def _meets(event: Event, laid_in: tuple[str, float, float]) -> bool:
    """Whether an event overlaps, give or take a step, what was laid in."""
    _, start_s, end_s = laid_in
    return event.first * STEP_S < end_s + STEP_S and (event.last + 1) * STEP_S > start_s - STEP_S


def _f1(found: Sequence[Sequence[Event]], laid_in: Sequence[list], column: int) -> float:
    n_right, n_found, n_true = _counts(found, laid_in, column)[:3]
    return 2 * n_right / max(1, n_found + n_true)


def _counts(found: Sequence[Sequence[Event]], laid_in: Sequence[list], column: int) -> tuple[int, int, int, int]:
    """Events that are right, events, true ones, true ones that were met."""
    n_right = n_found = n_true = n_met = 0
    for events, truth in zip(found, laid_in, strict=True):
        own = [event for event in events if event.column == column]
        true = [t for t in truth if t[0] == LABELS[column]]
        n_right += sum(any(_meets(event, t) for t in true) for event in own)
        n_met += sum(any(_meets(event, t) for event in own) for t in true)
        n_found, n_true = n_found + len(own), n_true + len(true)
    return n_right, n_found, n_true, n_met


def measure_sound_events(detector: SoundEventDetector, frames: np.ndarray, laid_in: list[list]) -> dict:
    """For each kind: AUROC of its events against speech alone and against other sounds, recall, precision, calibration."""
    rng = np.random.default_rng(0)
    logits = [detector.logits(torch.from_numpy(f.astype(np.float32))) for f in frames]
    found = [find_events(one, detector.thresholds) for one in logits]
    both = list(zip(logits, laid_in, strict=True))
    speech = [_peak(one, *stretch) for one, truth in both for stretch in _free(truth, rng)]
    others = [_peak(one, a, b) for one, truth in both for label, a, b in truth if label == NOTHING]
    figures = {}
    for column, label in enumerate(LABELS):
        peaks = [_peak(one, a, b) for one, truth in both for name, a, b in truth if name == label]
        n_right, n_found, n_true, n_met = _counts(found, laid_in, column)
        figures[label] = {
            "n": n_true,
            "auroc_against_speech": auroc([p[column] for p in peaks], [p[column] for p in speech]),
            "auroc_against_other_sounds": auroc([p[column] for p in peaks], [p[column] for p in others]),
            "recall": n_met / max(1, n_true),
            "precision": n_right / max(1, n_found),
        }
    return {"sound_events": figures, "n_stretches_of_speech": len(speech), "n_other_sounds": len(others)}


def _peak(logits: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    """Highest logit of each kind in a stretch, (k,)."""
    first = max(0, round(start_s * STEPS_PER_S) - 1)
    return logits[first : round(end_s * STEPS_PER_S) + 1].max(0)


def _free(laid_in: list, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Up to three stretches, as long as sounds are, that hold nothing but speech."""
    for _ in range(3):
        start_s = float(rng.uniform(0, MIXTURE_S - 3))
        end_s = start_s + float(rng.uniform(0.5, 3))
        if all(end_s + 0.5 < a or start_s - 0.5 > b for _, a, b in laid_in):
            yield start_s, end_s


def _waveforms(folder: Path) -> Iterator[np.ndarray]:
    for path, _ in listed(folder):
        try:
            yield load_recording(path).waveform
        except AudioError as error:
            log.info("left out: %s", error)


def _false_per_10_min(detector: SoundEventDetector, student: Student, waveforms: Iterable[np.ndarray]) -> dict[str, float]:
    """Sound events found where there are none, by label and in all."""
    counts, minutes = dict.fromkeys(LABELS, 0), 0.0
    for waveform in waveforms:
        for event in detector.detect(student.frames(waveform)):
            counts[event.label] += 1
        minutes += len(waveform) / SAMPLE_RATE_HZ / 60
    rates = {label: 10 * n / max(minutes, 1e-9) for label, n in counts.items()}
    return {"minutes": minutes, "all": sum(rates.values()), **rates}
