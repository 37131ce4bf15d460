"""Any audio model of transformers that keeps a time axis: raw waveforms or patches of a spectrogram in, hidden states out."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, PretrainedConfig

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError
from medalign.core.weights import Weights
from medalign.models.audio_encoder import SPECTROGRAM_WINDOW, TRANSFORMERS_FILES, AudioEncoder, Features, register_encoder
from medalign.models.pretrained import load_whole
from medalign.models.whisper_encoder import CHUNK_S

SPECTROGRAM_HOP_S = 0.01  # of AST's filter bank; its feature extractor has no setting for it


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
        with self._reading():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            self._set_time_axis(config)
            # Layers and stretches dropped at random are for pre-training; and what is dropped, NumPy draws for all rows.
            config.layerdrop, config.apply_spec_augment = 0.0, False
            self.extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False)
            self.model = load_whole(AutoModel, folder, fixed=self.fixed, config=config).float()
            self.dim = config.hidden_size
            sampling_rate, returns_mask = self.extractor.sampling_rate, self.extractor.return_attention_mask
        if sampling_rate != SAMPLE_RATE_HZ:
            differ = f"'{weights.name}' takes audio at {sampling_rate} Hz, {SAMPLE_RATE_HZ} Hz is expected"
            raise CheckpointError(f"{differ}; give a model for 16 kHz")
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
        options = {"padding": True, "return_attention_mask": True, "return_tensors": "pt"}
        padded = self.extractor(filled, sampling_rate=SAMPLE_RATE_HZ, **options)
        return Features(padded.input_values.float(), padded.attention_mask.bool())

    def forward(self, features: Features) -> Float[Tensor, "batch frames dim"]:
        """Frames of a row don't depend on the other rows."""
        features = self._on_model(features)
        if self.patches is not None:
            return self._over_time(features.values, self.patches)
        values = features.values
        mask = torch.ones_like(values, dtype=torch.bool) if features.mask is None else features.mask
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
        return layers[:, : self.n_frames_of(waveform)]

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
