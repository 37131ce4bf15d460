"""Which pairs make up a batch: a pure function of the seed and the step, so that a resumed run sees what it would have seen."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from medalign.core.errors import TrainingError

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
