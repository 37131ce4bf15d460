"""Frames, an encoder's hidden states, of recordings of any length, and what a head makes of stretches of them.

Frames lie in the CPU's memory: on a GPU those of every reader's recording would fill it.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.models.audio_encoder import AudioEncoder, n_frames_of
from medalign.models.device import copy_to_cpu, run_in_batches
from medalign.models.head import pad_stretches

MARGIN_S = 3.0  # frames this close to an inner edge of a chunk lack context; the neighbouring chunk has it
MARGIN_SHARE = 0.1  # of the chunk, where that is less
HEAD_BATCH = 64  # stretches
WHAT = "the student"


@torch.inference_mode()
def frames_so_far(encoder: AudioEncoder, waveform: Float[np.ndarray, " samples"], n_at_once: int) -> Iterator[Tensor]:
    """The first frames (n, encoder_dim), float32, then more of them; the last time all. Each is a view of the same memory.

    Chunks as long as the encoder takes overlap; each frame is taken from the chunk that gives it the more context.

    Args:
        n_at_once: chunks.
    """
    samples_per_frame = SAMPLE_RATE_HZ / encoder.frames_per_s
    n_frames = n_frames_of(waveform, encoder.frames_per_s)
    width = round(encoder.chunk_s * encoder.frames_per_s)  # of a chunk; this and the next two are in frames
    margin = round(min(MARGIN_S, MARGIN_SHARE * encoder.chunk_s) * encoder.frames_per_s)
    stride = width - 2 * margin
    n_chunks = 1 + max(0, math.ceil((n_frames - width) / stride))
    starts = [round(i * stride * samples_per_frame) for i in range(n_chunks)]
    chunks = [waveform[start : start + round(width * samples_per_frame)] for start in starts]
    frames, n_done, i = torch.empty(n_frames, encoder.dim), 0, 0
    for batch in hidden_states(encoder, chunks, n_at_once):
        for hidden in batch:
            piece = hidden[0 if i == 0 else margin : None if i == n_chunks - 1 else margin + stride]
            piece = piece[: n_frames - n_done]
            frames[n_done : n_done + len(piece)] = piece
            n_done, i = n_done + len(piece), i + 1
        yield frames[:n_done]


def hidden_states(
    encoder: AudioEncoder, chunks: Sequence[np.ndarray], n_at_once: int
) -> Iterator[Float[Tensor, "batch frames encoder_dim"]]:
    """Of chunks that the encoder takes whole, float32, batch by batch."""

    def heard(encoder: AudioEncoder, batch: Sequence[np.ndarray]) -> Tensor:
        return encoder(encoder.features(list(batch))).float().cpu()

    return run_in_batches(WHAT, chunks, n_at_once, heard, encoder, lambda: copy_to_cpu(encoder))


def embedded(head: nn.Module, stretches: Sequence[Float[Tensor, "_ encoder_dim"]]) -> Float[Tensor, "n embed_dim"]:
    """One unit vector for each stretch of frames."""

    def run(head: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        device = next(head.parameters()).device
        padded, mask = pad_stretches(batch)
        return head(padded.to(device), mask.to(device)).cpu()

    return torch.cat(list(run_in_batches(WHAT, stretches, HEAD_BATCH, run, head, lambda: copy_to_cpu(head))))


def frame_slice(start_s: float, end_s: float, n_frames: int, frames_per_s: float = 50) -> slice:
    """The frames of a stretch: at least one, inside the recording."""
    start = min(max(0, round(start_s * frames_per_s)), n_frames - 1)
    return slice(start, max(start + 1, min(round(end_s * frames_per_s), n_frames)))
