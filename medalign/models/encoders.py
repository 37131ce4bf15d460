"""Audio encoders behind one interface: waveforms in, hidden states over time out, whatever model is inside.

Four kinds are built in: Whisper of any size; audio models of transformers that keep a time axis, from raw waveforms
(wav2vec2, HuBERT, WavLM, data2vec-audio and their relatives) or from patches of a spectrogram (AST); a compact one for
body sounds, trained from scratch; and OPERA-GT, for breathing and coughs. Another kind is one class under `register_encoder`.

Conventions: waveforms are float32 (n_samples,) at 16 kHz, at most `chunk_s` long; hidden states are (batch, n_frames, dim),
`frames_per_s` of them a second from the start of the waveform on. Frames behind the end of a waveform are padding.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, PretrainedConfig

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError
from medalign.core.files import read_json, reading
from medalign.core.weights import REVISION_LENGTH, Weights, resolve
from medalign.models import opera
from medalign.models.pretrained import load_state, load_whole, read_state
from medalign.models.spectrogram import PRESETS, STRIDE, SpectrogramConfig, log_mel, untrained_network
from medalign.models.whisper_encoder import CHUNK_S, FRAMES_PER_S, hidden_layers, load_encoder, log_mel_of

TRANSFORMERS_FILES = ("model.safetensors", "pytorch_model.bin")
SPECTROGRAM_HOP_S = 0.01  # of AST's filter bank; its feature extractor has no setting for it
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
        return self.forward(self.features([waveform]))[:, : n_frames_of(waveform, self.frames_per_s)]

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

    def _on_model(self, features: Features) -> Features:
        like = next(self.model.parameters())
        return features.to(like.device, like.dtype)


ENCODERS: dict[str, type[AudioEncoder]] = {}


def register_encoder(cls: type[AudioEncoder]) -> type[AudioEncoder]:
    """Class decorator: make a kind of encoder known to `load_audio_encoder` and to students, under `cls.kind`."""
    ENCODERS[cls.kind] = cls
    return cls


@register_encoder
class WhisperAudioEncoder(AudioEncoder):
    """The encoder half of a Whisper of any size, from faster-whisper's `model.bin` or from a transformers folder."""

    kind = "whisper"
    weight_files = ("model.bin", *TRANSFORMERS_FILES)
    fixed = ("embed_positions.weight",)  # sinusoids

    def __init__(self, weights: Weights):
        """Raises CheckpointError: the files are no Whisper."""
        super().__init__(weights)
        if not (weights.folder / "model.bin").is_file() and (model_type := _model_type(weights.folder)) != "whisper":
            raise CheckpointError(
                f"{weights.folder} holds a '{model_type}', not a Whisper; give a Whisper's folder, or kind 'transformers'"
            )
        with _reading(weights):
            self.model = encoder = load_encoder(weights.folder)
        self.dim, self._n_mels = encoder.config.d_model, encoder.config.num_mel_bins
        self.frames_per_s, self.chunk_s = float(FRAMES_PER_S), float(CHUNK_S)

    def features(self, waveforms: list[np.ndarray]) -> Features:
        """Log-mel (batch, n_mels, 3000)."""
        return Features(log_mel_of(waveforms, self._n_mels))

    def forward(self, features: Features) -> Float[Tensor, "batch frames dim"]:
        """Always the 1500 frames of 30 s: Whisper hears the padding as silence."""
        return self.model(self._on_model(features).values).last_hidden_state

    def hidden_layers(self, waveform: np.ndarray, *, pad: bool = False) -> Float[Tensor, "layers frames dim"]:
        filled = np.pad(waveform, (0, max(0, SPECTROGRAM_WINDOW - len(waveform))))
        log_mel = self._on_model(Features(log_mel_of([filled], self._n_mels, pad_to_30_s=pad))).values
        layers = torch.cat(hidden_layers(self.model, log_mel))
        return layers[:, : n_frames_of(waveform, self.frames_per_s)]


@register_encoder
class TransformersAudioEncoder(AudioEncoder):
    """An audio model of transformers whose last hidden states have a time axis.

    Sources: transformers `modeling_wav2vec2.py` (convolutions before the transformer, masks) and
    `modeling_audio_spectrogram_transformer.py` (order of patches, the two tokens before them).
    """

    kind = "transformers"
    weight_files = TRANSFORMERS_FILES
    fixed = ("masked_spec_embed",)  # stands for masked frames, and none are masked here

    def __init__(self, weights: Weights):
        """Raises CheckpointError: not an audio model with a known time axis at 16 kHz, or weights are missing."""
        super().__init__(weights)
        folder = weights.folder
        with _reading(weights):
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            self._set_time_axis(config)
            # Layers and stretches dropped at random are for pre-training; and what is dropped, NumPy draws for all rows.
            config.layerdrop, config.apply_spec_augment = 0.0, False
            self.extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False)
            self.model = load_whole(AutoModel, folder, fixed=self.fixed, config=config).float()
            self.dim = config.hidden_size
            sampling_rate, returns_mask = self.extractor.sampling_rate, self.extractor.return_attention_mask
        if sampling_rate != SAMPLE_RATE_HZ:
            raise CheckpointError(
                f"'{weights.name}' takes audio at {sampling_rate} Hz, {SAMPLE_RATE_HZ} Hz is expected; give a model for 16 kHz"
            )
        # A group norm before the transformer runs over time: padding would change every frame, mask or no mask.
        self._takes_mask = returns_mask and getattr(config, "feat_extract_norm", "group") == "layer"

    def _set_time_axis(self, config: PretrainedConfig) -> None:
        """Frames a second, and the longest waveform, from the convolutions or the patches of the configuration."""
        self.patches: tuple[int, int] | None = None  # (frequency, time) of a spectrogram's patches
        if hasattr(config, "conv_stride") and hasattr(config, "conv_kernel"):
            self._hop = math.prod(config.conv_stride)
            strides = [math.prod(config.conv_stride[:i]) for i in range(len(config.conv_stride))]
            self._receptive = 1 + sum((k - 1) * s for k, s in zip(config.conv_kernel, strides, strict=True))  # samples
            self.frames_per_s, self.chunk_s = SAMPLE_RATE_HZ / self._hop, float(CHUNK_S)
        elif all(hasattr(config, n) for n in ("patch_size", "time_stride", "frequency_stride", "max_length", "num_mel_bins")):
            self.patches = (
                (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1,
                (config.max_length - config.patch_size) // config.time_stride + 1,
            )
            self.frames_per_s = 1 / (SPECTROGRAM_HOP_S * config.time_stride)
            self.chunk_s = self.patches[1] / self.frames_per_s
        else:
            raise CheckpointError(
                f"'{self.name}' is a '{config.model_type}', whose configuration has neither conv_stride (raw waveforms) nor "
                "time_stride and max_length (spectrogram patches), so its hidden states have no known time axis; give a "
                "Whisper, wav2vec2, HuBERT, WavLM, data2vec-audio or AST, or register a class for it (register_encoder)"
            )
        if not 0 < self.frames_per_s <= SAMPLE_RATE_HZ or self.chunk_s <= 0:
            raise ValueError(f"its configuration gives {self.frames_per_s} frames a second, {self.chunk_s} s at once")

    def features(self, waveforms: list[np.ndarray]) -> Features:
        """Waveforms (batch, n_samples) normalised as the model wants them, with their mask; or spectrograms."""
        if self.patches is not None:
            filled = [np.pad(w, (0, max(0, SPECTROGRAM_WINDOW - len(w)))) for w in waveforms]
            return Features(self.extractor(filled, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_values)
        # The last frame needs a whole receptive field: n samples then give exactly ceil(n / hop) frames.
        lengths = [max(1, math.ceil(len(w) / self._hop)) * self._hop + self._receptive - self._hop for w in waveforms]
        filled = [np.pad(w, (0, n - len(w))) for w, n in zip(waveforms, lengths, strict=True)]
        padded = self.extractor(
            filled, sampling_rate=SAMPLE_RATE_HZ, padding=True, return_attention_mask=True, return_tensors="pt"
        )
        return Features(padded.input_values.float(), padded.attention_mask.bool())

    def forward(self, features: Features) -> Float[Tensor, "batch frames dim"]:
        """Frames of a row don't depend on the other rows."""
        features = self._on_model(features)
        if self.patches is not None:
            return self._over_time(features.values, self.patches)
        values, mask = features.values, features.mask
        mask = torch.ones_like(values, dtype=torch.bool) if mask is None else mask
        n_samples = mask.sum(1)
        if self._takes_mask:
            return self._hidden_states(values, attention_mask=mask.long())
        # Rows of one length go through together, without padding.
        n_frames = self._n_frames(values.shape[1])
        hidden_states, order = [], []
        for n in n_samples.unique().tolist():
            rows = (n_samples == n).nonzero().flatten()
            hidden = self._hidden_states(values[rows, :n])
            hidden_states.append(F.pad(hidden, (0, 0, 0, n_frames - hidden.shape[1])))
            order.append(rows)
        return torch.cat(hidden_states)[torch.cat(order).argsort()]

    def _n_frames(self, n_samples: int) -> int:
        return (n_samples - self._receptive) // self._hop + 1

    def hidden_layers(self, waveform: np.ndarray, *, pad: bool = False) -> Float[Tensor, "layers frames dim"]:
        """A spectrogram is always as long as the model wants it, whatever `pad`; raw waveforms never are."""
        values = self._on_model(self.features([waveform])).values
        output = self.model(values, output_hidden_states=True)
        layers = torch.cat([*output.hidden_states[:-1], output.last_hidden_state])
        if self.patches is not None:
            layers = layers[:, -math.prod(self.patches) :].unflatten(1, self.patches).mean(1)
        return layers[:, : n_frames_of(waveform, self.frames_per_s)]

    def _hidden_states(self, values: Tensor, **inputs: Tensor) -> Tensor:
        hidden = self.model(values, **inputs).last_hidden_state
        if hidden.shape[1:] != (wanted := (self._n_frames(values.shape[1]), self.dim)):
            raise CheckpointError(
                f"'{self.name}' gave {(*hidden.shape[1:],)} frames and width, {wanted} follow from its conv_stride and "
                "hidden_size; give the model without adapter layers, or register a class for it (register_encoder)"
            )
        return hidden

    def _over_time(self, spectrograms: Tensor, patches: tuple[int, int]) -> Tensor:
        hidden = self.model(spectrograms).last_hidden_state
        n_patches = math.prod(patches)
        if hidden.shape[1] < n_patches:
            raise CheckpointError(
                f"'{self.name}' gave {hidden.shape[1]} hidden states, its configuration says {n_patches} patches; "
                "register a class for it (register_encoder)"
            )
        # Special tokens come first; then patches, all times of the lowest frequencies before those of the next.
        return hidden[:, -n_patches:].unflatten(1, patches).mean(1)


@register_encoder
class SpectrogramAudioEncoder(AudioEncoder):
    """The compact network of `medalign.models.spectrogram`: a preset by name, which has learnt nothing, or a folder.

    A student with the adapter "full" holds all of its weights, so a preset is all that it needs to name.
    """

    kind = "spectrogram"
    weight_files = ("model.safetensors",)

    def __init__(self, weights: Weights):
        """Raises CheckpointError: config.json is none of a `SpectrogramConfig`, or the weights don't fit it."""
        super().__init__(weights)
        remedy = f"give one of {', '.join(PRESETS)}"
        if weights.name in PRESETS:
            self.config = PRESETS[weights.name]
        else:
            self.config = read_json(weights.folder / "config.json", SpectrogramConfig, remedy=remedy)
        self.model = untrained_network(self.config)
        if weights.name not in PRESETS:
            path = weights.folder / self.weight_files[0]
            load_state(self.model, read_state(path, remedy=remedy), str(path), remedy=remedy)
        self.dim, self.frames_per_s, self.chunk_s = self.config.width, self.config.frames_per_s, float(CHUNK_S)

    def features(self, waveforms: list[np.ndarray]) -> Features:
        """Log-mel (batch, 2 n_frames, n_mels) as long as the longest, with a mask (batch, n_frames)."""
        spectrograms = [log_mel(waveform, self.config) for waveform in waveforms]
        n_frames = torch.tensor([n_frames_of(waveform, self.frames_per_s) for waveform in waveforms])
        mask = torch.arange(int(n_frames.max())) < n_frames[:, None]
        return Features(nn.utils.rnn.pad_sequence(spectrograms, batch_first=True), mask)

    def forward(self, features: Features) -> Float[Tensor, "batch frames dim"]:
        return self._layers(features)[-1]

    def hidden_layers(self, waveform: np.ndarray, *, pad: bool = False) -> Float[Tensor, "layers frames dim"]:
        """Never padded, whatever `pad`."""
        return torch.cat(self._layers(self.features([waveform])))

    def hide(self, features: Features, frames: Bool[Tensor, "batch frames"]) -> Features:
        hidden = frames.repeat_interleave(STRIDE, 1)[..., None].to(features.values.device)
        return replace(features, values=features.values.masked_fill(hidden, 0.0))

    def _layers(self, features: Features) -> list[Tensor]:
        features = self._on_model(features)
        assert features.mask is not None
        return self.model(features.values, features.mask)


@register_encoder
class OperaAudioEncoder(AudioEncoder):
    """OPERA-GT from a folder with its published `encoder-operaGT.ckpt`."""

    kind = "opera-gt"
    weight_files = ("encoder-operaGT.ckpt",)
    fixed = ("pos_embed",)  # sinusoids

    def __init__(self, weights: Weights):
        """Raises CheckpointError: the file is damaged, or a tensor is missing, unknown or of another shape."""
        super().__init__(weights)
        path = weights.folder / self.weight_files[0]
        with _reading(weights):
            state = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
            state = {name: tensor.float() for name, tensor in state.items() if not name.startswith(opera.UNREAD)}
        self.model = opera.OperaNetwork()
        load_state(self.model, state, str(path), remedy="give the file that OPERA published")
        self.dim, self.frames_per_s = opera.WIDTH, SAMPLE_RATE_HZ / opera.HOP / opera.PATCH
        self.chunk_s = opera.N_FRAMES / opera.PATCH / self.frames_per_s

    def features(self, waveforms: list[np.ndarray]) -> Features:
        """Log-mel (batch, 256, 64)."""
        return Features(torch.stack([opera.log_mel(waveform) for waveform in waveforms]))

    def forward(self, features: Features) -> Float[Tensor, "batch frames dim"]:
        """Always the 64 frames of 8.19 s, silence included."""
        return self.model(self._on_model(features).values)[-1]

    def hidden_layers(self, waveform: np.ndarray, *, pad: bool = False) -> Float[Tensor, "layers frames dim"]:
        n_frames = n_frames_of(waveform, self.frames_per_s)
        features = Features(opera.log_mel(waveform, opera.N_FRAMES if pad else opera.PATCH * n_frames)[None])
        return torch.cat(self.model(self._on_model(features).values))[:, :n_frames]


def n_frames_of(waveform: Float[np.ndarray, " samples"], frames_per_s: float) -> int:
    """Of the frames that hold sound."""
    return max(1, math.ceil(len(waveform) / SAMPLE_RATE_HZ * frames_per_s))


def load_audio_encoder(name: str, kind: str | None = None) -> AudioEncoder:
    """A frozen encoder in evaluation mode, float32 on the CPU.

    Args:
        name: a folder, a name in `weights.PINNED` or `spectrogram.PRESETS`, a faster-whisper size or `owner/repository` on
            the Hub.
        kind: a key of `ENCODERS`; None looks at the files: what is no Whisper, preset or OPERA is "transformers".

    Raises:
        WeightsError: nothing is found under that name.
        CheckpointError: the kind is unknown, or the files are not such a model.
    """
    if kind is not None and kind not in ENCODERS:
        known = ", ".join(sorted(ENCODERS))
        raise CheckpointError(f"encoder kind '{kind}' is unknown; use one of {known}, or import the module that registers it")
    if name in PRESETS and kind in (None, SpectrogramAudioEncoder.kind):
        revision = hashlib.sha256(repr(PRESETS[name]).encode()).hexdigest()[:REVISION_LENGTH]
        return SpectrogramAudioEncoder(Weights(name, Path(), revision)).requires_grad_(False).eval()
    if kind is None and (Path(name) / OperaAudioEncoder.weight_files[0]).is_file():
        kind = OperaAudioEncoder.kind
    files = WhisperAudioEncoder.weight_files if kind is None else ENCODERS[kind].weight_files
    weights = resolve(name, weight_files=files)
    if kind is None:
        is_whisper = (weights.folder / "model.bin").is_file() or _model_type(weights.folder) == "whisper"
        kind = WhisperAudioEncoder.kind if is_whisper else TransformersAudioEncoder.kind
    return ENCODERS[kind](weights).requires_grad_(False).eval()


def _model_type(folder: Path) -> str:
    path, remedy = folder / "config.json", "give the folder of a transformers model, or a faster-whisper one with model.bin"
    model_type = read_json(path, dict, remedy=remedy).get("model_type")
    if not isinstance(model_type, str):
        raise CheckpointError(f"{path} doesn't tell its model_type; {remedy}")
    return model_type


def _reading(weights: Weights) -> AbstractContextManager[None]:
    return reading(f"'{weights.name}' is not a readable audio model", remedy="download it again or give another")
