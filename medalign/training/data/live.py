"""Frames for an encoder in training: whole chunks go through it once, and the stretches of a batch are cut from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.models.student import Student
from medalign.training.data.batches import chunk_start_s
from medalign.training.data.pairs import Pairs


@dataclass(frozen=True)
class LiveChunks:
    """The audio of a batch, and where its stretches lie in it."""

    features: Any  # what the encoder takes, one row per chunk
    cuts: tuple[tuple[int, slice], ...]  # per pair: row of the chunk, frames in it

    @classmethod
    def of(cls, indices: np.ndarray, pairs: Pairs, student: Student) -> "LiveChunks":
        encoder = student.encoder
        chosen = [pairs.pairs[i] for i in indices]
        places = [(pair.rendering, chunk_start_s(pair.start_s, encoder.chunk_s)) for pair in chosen]
        chunks = list(dict.fromkeys(places))
        n_samples = int(encoder.chunk_s * SAMPLE_RATE_HZ)
        audio = [
            pairs.waveforms[rendering][int(start_s * SAMPLE_RATE_HZ) :][:n_samples].astype(np.float32)
            for rendering, start_s in chunks
        ]
        cuts = []
        for i, place in zip(indices, places, strict=True):
            whole = pairs.stretch_range(i)
            first = whole.start - round(place[1] * encoder.frames_per_s)
            cuts.append((chunks.index(place), slice(first, first + len(whole))))
        return cls(encoder.features(audio), tuple(cuts))


def stretches_of_chunks(hidden_states: Tensor, live: LiveChunks, n_frames: int) -> Tensor:
    """Cut (n_chunks, frames, d) into the batch's stretches, (n, n_frames, d), padded with zeros; differentiable."""
    stretches = [hidden_states[row, cut] for row, cut in live.cuts]
    return torch.stack([F.pad(s, (0, 0, 0, n_frames - len(s))) for s in stretches])
