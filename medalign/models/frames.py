"""Frames, an encoder's hidden states, of recordings of any length, and what a head makes of stretches of them.

Frames lie in the CPU's memory: on a GPU those of every reader's recording would fill it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.models.audio_encoder import AudioEncoder
from medalign.models.device import copy_to_cpu, run_in_batches
from medalign.models.head import pad_stretches

MARGIN_S = 3.0  # frames this close to an inner edge of a chunk lack context; the neighbouring chunk has it
MARGIN_SHARE = 0.1  # of the chunk, where that is less
HEAD_BATCH = 64  # stretches
WHAT = "the student"


@dataclass(frozen=True)
class Chunks:
    """How a recording is cut for an encoder, and the outer frames of each chunk, which the frames have from its neighbour.

    With them a chunk can be had whole again, so that whoever hears with the same encoder need not run it anew.
    """

    width: int  # frames of a chunk
    margin: int  # frames, at either end
    frames_per_s: float
    ends: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # the first and the last of each chunk

    @classmethod
    def of(cls, encoder: AudioEncoder) -> "Chunks":
        margin_s = min(MARGIN_S, MARGIN_SHARE * encoder.chunk_s)
        rate = encoder.frames_per_s
        return cls(round(encoder.chunk_s * rate), round(margin_s * rate), rate)

    @property
    def stride(self) -> int:
        return self.width - 2 * self.margin

    def whole(self, start_s: float, frames: Float[Tensor, "n dim"]) -> Float[Tensor, "width dim"] | None:
        """The chunk that begins there; None if none does, or the recording ends before it.

        Args:
            frames: all of the recording.
        """
        first = round(start_s * self.frames_per_s)
        i, rest = divmod(first, self.stride)
        if rest or i >= len(self.ends) or first + self.width > len(frames):
            return None
        inner = frames[first + self.margin : first + self.margin + self.stride]
        return torch.cat([self.ends[i][0], inner, self.ends[i][1]])


@torch.inference_mode()
def frames_so_far(
    encoder: AudioEncoder, waveform: Float[np.ndarray, " samples"], n_at_once: int, chunks: Chunks | None = None
) -> Iterator[Tensor]:
    """The first frames (n, encoder_dim), float32, then more of them; the last time all. Each is a view of the same memory.

    Chunks as long as the encoder takes overlap; each frame is taken from the chunk that gives it the more context.

    Args:
        n_at_once: chunks.
        chunks: `Chunks.of` the encoder, to keep the outer frames of each.
    """
    cut = chunks or Chunks.of(encoder)
    width, margin, stride = cut.width, cut.margin, cut.stride
    samples_per_frame = SAMPLE_RATE_HZ / encoder.frames_per_s
    n_frames = encoder.n_frames_of(waveform)
    n_chunks = 1 + max(0, math.ceil((n_frames - width) / stride))
    starts = [round(i * stride * samples_per_frame) for i in range(n_chunks)]
    sounds = [waveform[start : start + round(width * samples_per_frame)] for start in starts]
    frames, n_done, i = torch.empty(n_frames, encoder.dim), 0, 0
    for batch in hidden_states(encoder, sounds, n_at_once):
        for hidden in batch:
            if chunks is not None:
                chunks.ends.append((hidden[:margin].clone(), hidden[margin + stride :].clone()))
            piece = hidden[0 if i == 0 else margin : None if i == n_chunks - 1 else margin + stride]
            piece = piece[: n_frames - n_done]
            frames[n_done : n_done + len(piece)] = piece
            n_done, i = n_done + len(piece), i + 1
        yield frames[:n_done]


def hidden_states(encoder: AudioEncoder, chunks: Sequence[np.ndarray], n_at_once: int) -> Iterator[Tensor]:
    """(batch, n_frames, encoder_dim) of chunks that the encoder takes whole, float32, batch by batch."""

    def heard(encoder: AudioEncoder, batch: Sequence[np.ndarray]) -> Tensor:
        return encoder(encoder.features(list(batch))).float().cpu()

    return run_in_batches(WHAT, chunks, n_at_once, heard, encoder, lambda: copy_to_cpu(encoder))


def embedded(head: nn.Module, stretches: Sequence[Float[Tensor, "_ encoder_dim"]]) -> Float[Tensor, "n embed_dim"]:
    """One unit vector for each stretch of frames; in batches of similar length, since shorter ones are padded."""

    def run(head: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        device = next(head.parameters()).device
        padded, mask = pad_stretches(batch)
        return head(padded.to(device), mask.to(device)).cpu()

    order = sorted(range(len(stretches)), key=lambda i: len(stretches[i]))
    in_order = [stretches[i] for i in order]
    rows = torch.cat(list(run_in_batches(WHAT, in_order, HEAD_BATCH, run, head, lambda: copy_to_cpu(head))))
    return rows[torch.tensor(order).argsort()]


def frame_slice(start_s: float, end_s: float, n_frames: int, frames_per_s: float = 50) -> slice:
    """The frames of a stretch: at least one, inside the recording."""
    start = min(max(0, round(start_s * frames_per_s)), n_frames - 1)
    return slice(start, max(start + 1, min(round(end_s * frames_per_s), n_frames)))
