"""Audio-text pairs for alignment: stretches of spoken consultations, as frozen encoder frames, with what is said in them.

Two kinds of pairs: whole utterances, and windows cut where an analysis will cut them, words at the edges included. Since
the encoder is frozen, each rendering goes through it once; the frames are cached as float16 outside the repository.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medalign.audio import SAMPLE_RATE_HZ
from medalign.student import MAX_CLIP_S, Student, frame_slice
from medalign.training.augmentation import degrade
from medalign.training.synthesis import SpokenUtterance, Take
from medalign.transcript import Segment, Transcript, Word

log = logging.getLogger(__name__)

MIN_WORDS = 2  # a lone "okay" teaches nothing and fills the batch with equal texts


@dataclass(frozen=True)
class Pair:
    """A stretch of one rendering and the words in it."""

    rendering: int  # index into `Pairs.frames`
    start_s: float
    end_s: float
    text: str
    group: str  # consultation: splits and bootstraps never cut through it


@dataclass(frozen=True)
class Pairs:
    """Pairs and the encoder frames of the renderings that they point into."""

    frames: tuple[np.ndarray, ...]  # each (n_frames, encoder_dim) float16, memory-mapped
    pairs: tuple[Pair, ...]

    def stretch(self, index: int) -> Tensor:
        """The frames of one pair, (n_frames, encoder_dim) float32."""
        pair = self.pairs[index]
        frames = self.frames[pair.rendering]
        return torch.from_numpy(frames[frame_slice(pair.start_s, pair.end_s, len(frames))].astype(np.float32))


def timed_transcript(utterances: Iterable[SpokenUtterance]) -> Transcript:
    """The true transcript of a spoken dialogue; inside an utterance, time is shared out by the length of the words."""
    segments = []
    for utterance in utterances:
        words = utterance.text.split()
        edges = np.cumsum([0] + [len(word) + 1 for word in words])
        times = utterance.start_s + (utterance.end_s - utterance.start_s) * edges / edges[-1]
        timed = tuple(Word(float(a), float(b), w, 1.0) for a, b, w in zip(times, times[1:], words, strict=False))
        segments.append(Segment(utterance.start_s, utterance.end_s, utterance.text, timed, utterance.role))
    return Transcript(tuple(segments), "en")


def utterance_pairs(take: Take, rendering: int) -> list[Pair]:
    """One pair an utterance, short enough to be pooled at once."""
    return [
        Pair(rendering, u.start_s, u.end_s, u.text, take.consultation_id)
        for u in take.utterances
        if u.end_s - u.start_s <= MAX_CLIP_S and len(u.text.split()) >= MIN_WORDS
    ]


def window_pairs(take: Take, rendering: int, *, window_s: float, hop_s: float, phase_s: float) -> list[Pair]:
    """Windows on a grid shifted by `phase_s`, each with the words whose middle lies in it."""
    transcript = timed_transcript(take.utterances)
    pairs = []
    for start_s in np.arange(phase_s, take.utterances[-1].end_s - window_s, hop_s):
        text = transcript.text_between(start_s, start_s + window_s)
        if len(text.split()) >= MIN_WORDS:
            pairs.append(Pair(rendering, float(start_s), float(start_s + window_s), text, take.consultation_id))
    return pairs


def build_pairs(
    takes: tuple[Take, ...], student: Student, cache: Path, *, noisy: bool = True, windows: bool = True, seed: int = 0
) -> Pairs:
    """All pairs of the takes: each take clean and, if `noisy`, once more degraded by a seeded draw."""
    cache.mkdir(parents=True, exist_ok=True)
    frames, pairs = [], []
    for take in takes:
        stem = Path(take.audio_path).stem
        for degraded in (False, True) if noisy else (False,):
            rng = np.random.default_rng([seed, len(frames)])
            name = f"{stem}-{student.config.encoder_revision}" + (f"-noisy{seed}-{len(frames)}" if degraded else "")
            frames.append(_cached_frames(take, student, cache / f"{name}.npy", rng if degraded else None))
            rendering = len(frames) - 1
            pairs += utterance_pairs(take, rendering)
            if windows:
                config = student.config
                phase_s = float(rng.uniform(0, config.hop_s))
                pairs += window_pairs(
                    take, rendering, window_s=config.window_s, hop_s=config.hop_s, phase_s=phase_s
                )
        log.info("%d renderings, %d pairs", len(frames), len(pairs))
    return Pairs(tuple(frames), tuple(pairs))


def _cached_frames(take: Take, student: Student, path: Path, rng: np.random.Generator | None) -> np.ndarray:
    if not path.is_file():
        waveform = take.waveform()
        if rng is not None:
            waveform = degrade(waveform, SAMPLE_RATE_HZ, rng)
        scratch = path.with_suffix(".part.npy")
        np.save(scratch, student.frames(waveform).cpu().numpy().astype(np.float16))
        scratch.rename(path)
    return np.load(path, mmap_mode="r")
