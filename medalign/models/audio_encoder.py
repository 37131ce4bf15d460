"""What every audio encoder offers: waveforms in, hidden states over time out, whatever model is inside.

Conventions: waveforms are float32 (n_samples,) at 16 kHz, at most `chunk_s` long; hidden states are (batch, n_frames, dim),
`frames_per_s` of them a second from the start of the waveform on. Frames behind the end of a waveform are padding.
"""

import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.files import reading
from medalign.core.weights import Weights

TRANSFORMERS_FILES = ("model.safetensors", "pytorch_model.bin")
SPECTROGRAM_WINDOW = 400  # samples; a waveform must fill one


@dataclass(frozen=True)
class Features:
    """What a model takes, one row per waveform."""

    values: Float[Tensor, "batch ..."]  # log-mel, spectrogram or padded waveforms
    mask: Bool[Tensor, "batch time"] | None = None  # True where there is sound; None if the rows are of fixed length

    def to(self, device: torch.device, dtype: torch.dtype) -> "Features":
        return Features(self.values.to(device, dtype), None if self.mask is None else self.mask.to(device))


class AudioEncoder(nn.Module, ABC):
    """A pre-trained audio model. A subclass is made from `Weights` and sets every attribute below.

    `load_audio_encoder` freezes it; `medalign.models.adapters.adapt` makes parts of `model` trainable again.
    """

    kind: str  # the name it is registered under
    weight_files: tuple[str, ...]  # files of which a folder must hold at least one
    n_parts: int = 1  # layers beside one another in the hidden states
    fixed: tuple[str, ...] = ()  # parameters of `model` that are never trained: constants, or without an effect

    name: str  # as the user wrote it
    revision: str
    dim: int  # width of the hidden states
    frames_per_s: float
    chunk_s: float  # the longest waveform taken at once; a whole number of frames
    model: nn.Module  # the transformers module

    def __init__(self, weights: Weights):
        super().__init__()
        self.name, self.revision = weights.name, weights.revision

    @abstractmethod
    def features(self, waveforms: list[np.ndarray]) -> Features:
        """Waveforms of at most `chunk_s`, padded to one length, as the model takes them; float32, on the CPU."""

    @abstractmethod
    def forward(self, features: Features) -> Float[Tensor, "batch frames dim"]:
        """Hidden states on the model's device, in its precision; differentiable."""

    def hidden_layers(self, waveform: np.ndarray, *, pad: bool = False) -> Float[Tensor, "layers frames dim"]:
        """Hidden states of every layer, from what goes into the first to those of `forward`, of the frames that hold sound.

        Only the last layer, unless a subclass gives more.

        Args:
            waveform: (n_samples,), at most `chunk_s` long.
            pad: let the model hear silence up to its full length, as `forward` does; else only the sound, if it can.
        """
        return self.forward(self.features([waveform]))[:, : self.n_frames_of(waveform)]

    def n_frames_of(self, waveform: Float[np.ndarray, " samples"]) -> int:
        """Of the frames that hold sound."""
        return max(1, math.ceil(len(waveform) / SAMPLE_RATE_HZ * self.frames_per_s))

    def hide(self, features: Features, frames: Bool[Tensor, "batch frames"]) -> Features:
        """The features without what is heard in those frames, for masked reconstruction; unchanged if it can't be told."""
        return features

    def train(self, mode: bool = True) -> "AudioEncoder":
        """A frozen encoder stays in evaluation mode, and so do batch norms: their statistics are no trained state."""
        super().train(mode and any(p.requires_grad for p in self.parameters()))
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def _reading(self) -> AbstractContextManager[None]:
        """What reading its files raises becomes one sentence: a CheckpointError."""
        return reading(f"'{self.name}' is not a readable audio model", remedy="download it again or give another")

    def _on_model(self, features: Features) -> Features:
        like = next(self.model.parameters())
        return features.to(like.device, like.dtype)


ENCODERS: dict[str, type[AudioEncoder]] = {}


def register_encoder(cls: type[AudioEncoder]) -> type[AudioEncoder]:
    """Class decorator: make a kind of encoder known to `load_audio_encoder` and to students, under `cls.kind`."""
    ENCODERS[cls.kind] = cls
    return cls
