"""Which pairs make up a batch, and their tensors.

A batch is a pure function of the seed and the step, so that a resumed run sees what it would have seen.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError, TrainingError
from medalign.models.head import STACK, padded_length
from medalign.models.student import Student
from medalign.training.data.pairs import Pairs
from medalign.training.losses import draw_token_mask
from medalign.training.recipe import TrainConfig

HIDDEN_SHARE, HIDDEN_SPAN = 0.3, 4  # tokens hidden for reconstruction: a third of a second at a time
CHUNK_OVERLAP = 0.2  # of a chunk, so that few stretches are cut by an edge


@dataclass
class LengthBatches:
    """Batches for cached frames. Pairs of like length share a batch: less padding, and length is no giveaway.

    The last incomplete batch of an epoch is dropped, since the losses depend on the batch size.
    """

    durations_s: np.ndarray  # (n_pairs,)
    batch_size: int
    seed: int
    _epoch: tuple[int, list[np.ndarray]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_size(self.batch_size, len(self.durations_s))

    def at(self, step: int) -> np.ndarray:
        """Indices (batch_size,) of the pairs of that step."""
        n_batches = len(self.durations_s) // self.batch_size
        epoch, position = divmod(step, n_batches)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, self._draw(epoch, n_batches))
        return self._epoch[1][position]

    def _draw(self, epoch: int, n_batches: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch])
        # Jitter keeps neighbours in length from being the same pairs every epoch.
        order = np.argsort(self.durations_s * rng.uniform(0.8, 1.25, len(self.durations_s)))
        dropped = rng.choice(len(order), len(order) - n_batches * self.batch_size, replace=False)
        order = np.delete(order, dropped)
        return [order[i * self.batch_size : (i + 1) * self.batch_size] for i in rng.permutation(n_batches)]


@dataclass
class ChunkBatches:
    """Batches for an encoder in training: whole chunks, so that the stretches of a chunk share one pass of the encoder."""

    chunks: dict[tuple[int, float], np.ndarray]  # (rendering, start_s) -> indices of the pairs inside
    batch_size: int
    seed: int

    @classmethod
    def of(cls, pairs: Sequence, chunk_s: float, batch_size: int, seed: int) -> "ChunkBatches":
        """Chunks of `chunk_s`, what the encoder takes at once; pairs that cross the end of their chunk are left out."""
        found: dict[tuple[int, float], list[int]] = defaultdict(list)
        for i, pair in enumerate(pairs):
            start_s = chunk_start_s(pair.start_s, chunk_s)
            if pair.end_s <= start_s + chunk_s:
                found[pair.rendering, start_s].append(i)
        _check_size(batch_size, sum(map(len, found.values())))
        return cls({key: np.array(members) for key, members in found.items()}, batch_size, seed)

    def at(self, step: int) -> np.ndarray:
        """Indices (batch_size,) of the pairs of that step; chunks are drawn anew each step."""
        rng = np.random.default_rng([self.seed, step])
        keys, taken, n = list(self.chunks), [], 0
        for i in rng.permutation(len(keys)):
            taken.append(self.chunks[keys[i]])
            n += len(taken[-1])
            if n >= self.batch_size:
                break
        return np.concatenate(taken)[: self.batch_size]


def chunk_start_s(start_s: float, chunk_s: float) -> float:
    """Where the chunk begins that a stretch is cut from."""
    hop_s = (1 - CHUNK_OVERLAP) * chunk_s
    return start_s // hop_s * hop_s


def _check_size(batch_size: int, n_pairs: int) -> None:
    if n_pairs < batch_size:
        raise TrainingError(f"{n_pairs} training pairs don't fill a batch of {batch_size}; lower --batch-size or add data")


@dataclass(frozen=True)
class LiveChunks:
    """The audio of a batch, and where its stretches lie in it."""

    features: Any  # what the encoder takes, one row per chunk
    cuts: tuple[tuple[int, slice], ...]  # per pair: row of the chunk, frames in it
    n_frames: int  # with sound, of the longest chunk

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
        n_frames = max(encoder.n_frames_of(waveform) for waveform in audio)
        return cls(encoder.features(audio), tuple(cuts), n_frames)

    def hidden_frames(self, hidden_tokens: Tensor) -> Tensor:
        """Tokens hidden in each stretch, (n, length) bool, as frames of the chunks, (n_chunks, n_frames) bool."""
        by_frame = hidden_tokens.repeat_interleave(STACK, 1)
        frames = torch.zeros(1 + max(row for row, _ in self.cuts), self.n_frames, dtype=torch.bool, device=by_frame.device)
        for stretch, (row, cut) in zip(by_frame, self.cuts, strict=True):
            part = frames[row, cut]  # shorter than the stretch at the end of a chunk
            part |= stretch[: len(part)]
        return frames


def stretches_of_chunks(hidden_states: Tensor, live: LiveChunks, n_frames: int) -> Tensor:
    """Cut (n_chunks, frames, d) into the batch's stretches, (n, n_frames, d), padded with zeros; differentiable."""
    stretches = [hidden_states[row, cut] for row, cut in live.cuts]
    return torch.stack([F.pad(s, (0, 0, 0, n_frames - len(s))) for s in stretches])


@dataclass(frozen=True)
class Batch:
    """What a forward pass needs; every tensor has one row per pair."""

    audio: Tensor | LiveChunks  # (n, n_frames, d) cached frames; what the encoder takes where it is trained
    mask: Tensor  # (n, n_frames) bool
    log_mel: Tensor | None  # (n, length, N_MELS)
    hidden_tokens: Tensor | None  # (n, length) bool: hidden from the head, to be reconstructed


class BatchLoader:
    """Pairs to tensors: this process's share of each batch, on its device, padded alike on all processes."""

    def __init__(self, student: Student, config: TrainConfig, pairs: Pairs, accelerator: Accelerator):
        self.config, self.pairs, self.accelerator, self.student = config, pairs, accelerator, student
        self.is_live = student.config.adapter.kind != "frozen"
        if config.batch_size % accelerator.num_processes:
            raise TrainingError(f"a batch of {config.batch_size} can't be shared by {accelerator.num_processes} processes")
        self.sampler: ChunkBatches | LengthBatches
        if self.is_live:
            self.sampler = ChunkBatches.of(pairs.pairs, student.encoder.chunk_s, config.batch_size, config.seed)
        else:
            self.sampler = LengthBatches(pairs.durations_s, config.batch_size, config.seed)

    def indices(self, step: int) -> np.ndarray:
        """Of the whole batch, in the order in which gathered rows arrive."""
        return self.sampler.at(step)

    def batch(self, step: int, part: slice = slice(None)) -> Batch:
        """This process's rows of the batch, or a part of them."""
        indices, device = self.indices(step), self.accelerator.device
        share = len(indices) // self.accelerator.num_processes
        rank = self.accelerator.process_index
        mine = np.arange(len(indices))[rank * share : (rank + 1) * share][part]
        # Length and mask are those of the whole batch, so that they don't depend on how it is shared out.
        audio: Tensor | LiveChunks
        if self.is_live:
            lengths = [len(self.pairs.stretch_range(i)) for i in indices]
            mask = torch.arange(padded_length(max(lengths))) < torch.tensor(lengths)[:, None]
            audio = LiveChunks.of(indices[mine], self.pairs, self.student)
        else:
            hidden_states, mask = self.pairs.batch(indices)
            audio = hidden_states[mine].to(device)
        log_mel = hidden_tokens = None
        if self.config.loss.reconstruction:
            token_mask = mask.view(len(mask), -1, STACK).any(2)
            generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
            hidden_tokens = draw_token_mask(token_mask, HIDDEN_SHARE, HIDDEN_SPAN, generator)[mine].to(device)
            mels, length = [self.pairs.log_mel_of(i) for i in indices[mine]], token_mask.shape[1]
            log_mel = torch.stack([F.pad(mel[:length], (0, 0, 0, length - len(mel[:length]))) for mel in mels]).to(device)
        return Batch(audio, mask[mine].to(device), log_mel, hidden_tokens)

    def check_texts(self, text_id: np.ndarray) -> None:
        """Look through all batches of the run before its first step.

        Args:
            text_id: (n_pairs,) equal for equal texts.

        Raises:
            DataError: a batch holds too few different texts for the losses that compare them.
        """
        weights, n = self.config.loss, self.config.batch_size
        if not (weights.cka or weights.contrastive or weights.siglip or weights.published):
            return
        most = n - 2 if weights.cka else n - 1  # with one other text among equal ones, debiased CKA divides 0 by 0
        for step in range(self.config.n_steps):
            indices = self.indices(step)
            ids, counts = np.unique(text_id[indices], return_counts=True)
            if counts.max() > most:
                alike = [self.pairs.pairs[i] for i in indices[text_id[indices] == ids[counts.argmax()]]]
                rows = ", ".join(f"{pair.group} {pair.start_s:g}-{pair.end_s:g} s" for pair in alike[:3])
                raise DataError(
                    f"{len(alike)} of the {n} rows in the batch of step {step} have the same text, '{alike[0].text}' "
                    f"({rows}{', ...' if len(alike) > 3 else ''}), so there is nothing to tell apart; remove repeated texts, "
                    "add others, or raise --batch-size"
                )
