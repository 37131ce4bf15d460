"""Whisper's audio encoder in PyTorch, read from the very file that faster-whisper runs.

faster-whisper's `model.bin` read here means one download, one revision, and a student that hears what the recogniser hears.

Conventions: waveforms are float32 at 16 kHz; a chunk is 30 s, 3000 log-mel frames and 1500 encoder frames (50 a second).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from medalign.core.files import reading
from medalign.models.ctranslate2_file import read_ctranslate2
from medalign.models.pretrained import load_whole

LogMel = Float[torch.Tensor, "batch mels frames"]
CHUNK_S = 30
FRAMES_PER_S = 50  # encoder frames: 100 log-mel frames a second, halved by the second convolution


def encoder_state(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """CTranslate2's names to transformers', float32."""
    state: dict[str, np.ndarray] = {"embed_positions.weight": arrays["encoder/position_encodings/encodings"]}
    for name in ("conv1", "conv2"):
        copy_to(state, name, arrays, f"encoder/{name}")
    copy_to(state, "layer_norm", arrays, "encoder/layer_norm", norm=True)
    for i in range(n_layers_of(arrays, "encoder")):
        layer_to(state, f"layers.{i}", arrays, f"encoder/layer_{i}")
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in state.items()}


def n_layers_of(arrays: dict[str, np.ndarray], half: str) -> int:
    return sum(name.startswith(f"{half}/") and name.endswith("/ffn/linear_0/weight") for name in arrays)


def copy_to(state: dict[str, np.ndarray], target: str, arrays: dict[str, np.ndarray], source: str, norm: bool = False) -> None:
    weight, bias = ("gamma", "beta") if norm else ("weight", "bias")
    state[f"{target}.weight"], state[f"{target}.bias"] = arrays[f"{source}/{weight}"], arrays[f"{source}/{bias}"]


def layer_to(state: dict[str, np.ndarray], target: str, arrays: dict[str, np.ndarray], source: str) -> None:
    """A layer of the encoder, or what one of the decoder has in common with it."""
    copy_to(state, f"{target}.self_attn_layer_norm", arrays, f"{source}/self_attention/layer_norm", norm=True)
    projections_to(state, f"{target}.self_attn", ("q_proj", "k_proj", "v_proj"), arrays, f"{source}/self_attention/linear_0")
    copy_to(state, f"{target}.self_attn.out_proj", arrays, f"{source}/self_attention/linear_1")
    copy_to(state, f"{target}.final_layer_norm", arrays, f"{source}/ffn/layer_norm", norm=True)
    copy_to(state, f"{target}.fc1", arrays, f"{source}/ffn/linear_0")
    copy_to(state, f"{target}.fc2", arrays, f"{source}/ffn/linear_1")


def projections_to(
    state: dict[str, np.ndarray], target: str, names: Sequence[str], arrays: dict[str, np.ndarray], source: str
) -> None:
    """Query, key and value are stored fused; Whisper's key has no bias."""
    weights, biases = (np.split(arrays[f"{source}/{kind}"], len(names)) for kind in ("weight", "bias"))
    for name, weight, bias in zip(names, weights, biases, strict=True):
        state[f"{target}.{name}.weight"] = weight
        if name != "k_proj":
            state[f"{target}.{name}.bias"] = bias


def load_encoder(folder: Path) -> WhisperEncoder:
    """The encoder of the Whisper in `folder` (CTranslate2 `model.bin`, or a transformers folder), float32, frozen.

    Raises:
        CheckpointError: the file is no Whisper, or its arrays don't fit.
    """
    if not (folder / "model.bin").is_file():
        encoder = load_whole(WhisperModel, folder, part="encoder.").encoder
        return encoder.float().eval().requires_grad_(False)
    arrays = read_ctranslate2(folder / "model.bin")
    with reading(f"{folder / 'model.bin'} is not a Whisper model", remedy="download it again"):
        width, n_mels, _ = arrays["encoder/conv1/weight"].shape
        config = WhisperConfig(
            d_model=width,
            num_mel_bins=n_mels,
            encoder_layers=n_layers_of(arrays, "encoder"),
            encoder_attention_heads=int(arrays["encoder/num_heads"]),
            encoder_ffn_dim=arrays["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        )
        encoder = WhisperEncoder(config)
        encoder.load_state_dict(encoder_state(arrays), strict=True)
    return encoder.eval().requires_grad_(False)


def log_mel_of(chunks: list[Float[np.ndarray, " _"]], n_mels: int, *, pad_to_30_s: bool = True) -> LogMel:
    """Log-mel features of waveforms of at most 30 s, 100 frames a second; padded with silence to 30 s, or to the longest."""
    extractor = WhisperFeatureExtractor(feature_size=n_mels)
    padding = "max_length" if pad_to_30_s else "longest"
    return extractor(chunks, sampling_rate=extractor.sampling_rate, padding=padding, return_tensors="pt").input_features


def hidden_layers(encoder: WhisperEncoder, log_mel: LogMel) -> list[Float[torch.Tensor, "batch half_frames dim"]]:
    """What goes into the first layer, and what comes out of each; of log-mel of any length up to 30 s.

    transformers' own `forward` takes 30 s only; here the position embeddings are cut to the length instead.
    """
    hidden = torch.nn.functional.gelu(encoder.conv2(torch.nn.functional.gelu(encoder.conv1(log_mel)))).permute(0, 2, 1)
    layers = [hidden + encoder.embed_positions.weight[: hidden.shape[1]]]
    for layer in encoder.layers:
        layers.append(layer(layers[-1], None))
    return [*layers[:-1], encoder.layer_norm(layers[-1])]
