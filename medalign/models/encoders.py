"""The kinds of audio encoders, and the one door through which they are loaded.

Five kinds are built in: Whisper of any size; the same played faster, for low sounds; audio models of transformers that keep a
time axis, from raw waveforms (wav2vec2, HuBERT, WavLM, data2vec-audio and their relatives) or from patches of a spectrogram
(AST); a compact one for body sounds, trained from scratch; and OPERA-GT, for breathing and coughs. Another kind is one class
under `register_encoder`.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError
from medalign.core.files import read_json
from medalign.core.weights import REVISION_LENGTH, Weights, resolve
from medalign.models import opera
from medalign.models.audio_encoder import ENCODERS, SPECTROGRAM_WINDOW, AudioEncoder, Features, register_encoder
from medalign.models.pretrained import load_state, read_state
from medalign.models.readout import Readout
from medalign.models.spectrogram import PRESETS, STRIDE, SpectrogramConfig, log_mel, untrained_network
from medalign.models.transformers_encoder import TransformersAudioEncoder
from medalign.models.whisper_encoder import CHUNK_S, FRAMES_PER_S, hidden_layers, load_encoder, log_mel_of

FAST = "@4x"  # behind a Whisper's name


@register_encoder
class WhisperAudioEncoder(AudioEncoder):
    """The encoder half of a Whisper of any size, from faster-whisper's `model.bin` or from a transformers folder."""

    kind = "whisper"
    weight_files = ("model.bin", *TransformersAudioEncoder.weight_files)
    fixed = ("embed_positions.weight",)  # sinusoids

    def __init__(self, weights: Weights):
        """Raises CheckpointError: the files are no Whisper."""
        super().__init__(weights)
        if not (weights.folder / "model.bin").is_file() and (model_type := _model_type(weights.folder)) != "whisper":
            raise CheckpointError(
                f"{weights.folder} holds a '{model_type}', not a Whisper; give a Whisper's folder, or kind 'transformers'"
            )
        with self._reading():
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
        return layers[:, : self.n_frames_of(waveform)]


@register_encoder
class FastWhisperAudioEncoder(WhisperAudioEncoder):
    """Whisper as it hears a low sound best: played 4 times as fast, what each layer is given side by side, nothing padded.

    What comes out of the last layer, made for words, tells less of a heart than any other.
    """

    kind = "whisper-fast"

    def __init__(self, weights: Weights):
        """Raises CheckpointError: the files are no Whisper."""
        super().__init__(weights)
        self.readout = Readout(speed=4.0)
        self.n_parts = len(cast(nn.ModuleList, self.model.layers))
        self.dim *= self.n_parts
        self.frames_per_s, self.chunk_s = FRAMES_PER_S / self.readout.speed, CHUNK_S * self.readout.speed

    def features(self, waveforms: list[np.ndarray]) -> Features:
        """Log-mel (batch, 2 n_frames, n_mels) as long as the longest, with a mask (batch, n_frames)."""
        rows, n_frames = [], [self.n_frames_of(waveform) for waveform in waveforms]
        for waveform, n in zip(waveforms, n_frames, strict=True):
            heard, n_samples = self.readout.heard(waveform), n * SAMPLE_RATE_HZ // FRAMES_PER_S
            filled = np.pad(heard[:n_samples], (0, max(SPECTROGRAM_WINDOW, n_samples) - min(len(heard), n_samples)))
            rows.append(log_mel_of([filled], self._n_mels, pad_to_30_s=False)[0].T[: 2 * n])
        return _padded(rows, n_frames)

    def forward(self, features: Features) -> Float[Tensor, "batch frames dim"]:
        """One row after the other, so that none depends on its batch."""
        features = self._on_model(features)
        assert features.mask is not None
        rows = []
        for heard, n in zip(features.values, features.mask.sum(1).tolist(), strict=True):
            layers = hidden_layers(self.model, heard[: 2 * n].T[None])
            rows.append(torch.cat(layers[:-1], 2)[0])
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def hidden_layers(self, waveform: np.ndarray, *, pad: bool = False) -> Float[Tensor, "layers frames dim"]:
        """Never padded, whatever `pad`."""
        return torch.stack(self.forward(self.features([waveform]))[0].chunk(self.n_parts, 1))


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
        return _padded(spectrograms, [self.n_frames_of(waveform) for waveform in waveforms])

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
        with self._reading():
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
        n_frames = self.n_frames_of(waveform)
        features = Features(opera.log_mel(waveform, opera.N_FRAMES if pad else opera.PATCH * n_frames)[None])
        return torch.cat(self.model(self._on_model(features).values))[:, :n_frames]


def load_audio_encoder(name: str, kind: str | None = None) -> AudioEncoder:
    """A frozen encoder in evaluation mode, float32 on the CPU.

    Args:
        name: a folder, a name in `weights.PINNED` or `spectrogram.PRESETS`, a faster-whisper size or `owner/repository` on
            the Hub; a Whisper's with "@4x" behind it is played 4 times as fast.
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
    if name.endswith(FAST) and kind in (None, FastWhisperAudioEncoder.kind):
        weights = resolve(name.removesuffix(FAST), weight_files=WhisperAudioEncoder.weight_files)
        return FastWhisperAudioEncoder(replace(weights, name=name)).requires_grad_(False).eval()
    if kind is None and (Path(name) / OperaAudioEncoder.weight_files[0]).is_file():
        kind = OperaAudioEncoder.kind
    files = WhisperAudioEncoder.weight_files if kind is None else ENCODERS[kind].weight_files
    weights = resolve(name, weight_files=files)
    if kind is None:
        is_whisper = (weights.folder / "model.bin").is_file() or _model_type(weights.folder) == "whisper"
        kind = WhisperAudioEncoder.kind if is_whisper else TransformersAudioEncoder.kind
    return ENCODERS[kind](weights).requires_grad_(False).eval()


def _padded(rows: list[Tensor], n_frames: list[int]) -> Features:
    """Rows of different lengths, with a mask (batch, n_frames)."""
    mask = torch.arange(max(n_frames)) < torch.tensor(n_frames)[:, None]
    return Features(nn.utils.rnn.pad_sequence(rows, batch_first=True), mask)


def _model_type(folder: Path) -> str:
    path, remedy = folder / "config.json", "give the folder of a transformers model, or a faster-whisper one with model.bin"
    model_type = read_json(path, dict, remedy=remedy).get("model_type")
    if not isinstance(model_type, str):
        raise CheckpointError(f"{path} doesn't tell its model_type; {remedy}")
    return model_type
