"""Whisper as a whole in PyTorch, read from the very file that faster-whisper runs: transformers' pipeline to compare with."""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizerFast,
)
from transformers.pipelines import AutomaticSpeechRecognitionPipeline

from medalign.core.files import reading
from medalign.models.ctranslate2_file import read_ctranslate2
from medalign.models.whisper_encoder import copy_to, encoder_state, layer_to, n_layers_of, projections_to

MAX_LENGTH = 448  # of text with all that is told beforehand, in tokens
MULTILINGUAL = 51_865  # tokens, or more; source: openai/whisper `model.py`
END = "<|endoftext|>"


def load_pipeline(folder: Path) -> AutomaticSpeechRecognitionPipeline:
    """transformers' pipeline with the weights, the vocabulary and the suppressed tokens of that folder, float32, on the CPU.

    Raises:
        CheckpointError: it holds no Whisper in CTranslate2's format.
    """
    arrays = read_ctranslate2(folder / "model.bin")
    with reading(f"{folder} holds no Whisper model", remedy="download it again"):
        tokenizer = WhisperTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model = _model(arrays)
        model.generation_config = _generation(tokenizer, config, model.config.vocab_size)
        extractor = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)
    return AutomaticSpeechRecognitionPipeline(model, tokenizer=tokenizer, feature_extractor=extractor)


def _model(arrays: dict[str, np.ndarray]) -> WhisperForConditionalGeneration:
    n_tokens, width = arrays["decoder/embeddings/weight"].shape
    config = WhisperConfig(
        vocab_size=n_tokens,
        d_model=width,
        num_mel_bins=arrays["encoder/conv1/weight"].shape[1],
        encoder_layers=n_layers_of(arrays, "encoder"),
        encoder_attention_heads=int(arrays["encoder/num_heads"]),
        encoder_ffn_dim=arrays["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        decoder_layers=n_layers_of(arrays, "decoder"),
        decoder_attention_heads=int(arrays["decoder/num_heads"]),
        decoder_ffn_dim=arrays["decoder/layer_0/ffn/linear_0/weight"].shape[0],
    )
    state = {f"model.encoder.{name}": tensor for name, tensor in encoder_state(arrays).items()}
    state |= {f"model.decoder.{name}": tensor for name, tensor in _decoder_state(arrays).items()}
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    model = WhisperForConditionalGeneration(config)
    model.load_state_dict(state, strict=True)
    return model.eval().requires_grad_(False)


def _decoder_state(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    state = {
        "embed_tokens.weight": arrays["decoder/embeddings/weight"],
        "embed_positions.weight": arrays["decoder/position_encodings/encodings"],
    }
    copy_to(state, "layer_norm", arrays, "decoder/layer_norm", norm=True)
    for i in range(n_layers_of(arrays, "decoder")):
        source, target = f"decoder/layer_{i}", f"layers.{i}"
        layer_to(state, target, arrays, source)
        copy_to(state, f"{target}.encoder_attn_layer_norm", arrays, f"{source}/attention/layer_norm", norm=True)
        copy_to(state, f"{target}.encoder_attn.q_proj", arrays, f"{source}/attention/linear_0")
        projections_to(state, f"{target}.encoder_attn", ("k_proj", "v_proj"), arrays, f"{source}/attention/linear_1")
        copy_to(state, f"{target}.encoder_attn.out_proj", arrays, f"{source}/attention/linear_2")
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in state.items()}


def _generation(tokenizer: WhisperTokenizerFast, config: dict, n_tokens: int) -> GenerationConfig:
    """What Whisper's own configuration on the Hub says, from the vocabulary and from CTranslate2's; always English."""
    of = tokenizer.convert_tokens_to_ids
    english: dict = {}
    if n_tokens >= MULTILINGUAL:
        tasks = {name: of(f"<|{name}|>") for name in ("transcribe", "translate")}
        english = {"lang_to_id": {"<|en|>": of("<|en|>")}, "task_to_id": tasks, "language": "en", "task": "transcribe"}
    return GenerationConfig(
        eos_token_id=of(END),
        pad_token_id=of(END),
        bos_token_id=of(END),
        decoder_start_token_id=of("<|startoftranscript|>"),
        no_timestamps_token_id=of("<|notimestamps|>"),
        prev_sot_token_id=of("<|startofprev|>"),
        suppress_tokens=config["suppress_ids"],
        begin_suppress_tokens=config["suppress_ids_begin"],
        alignment_heads=config["alignment_heads"],
        max_initial_timestamp_index=50,
        max_length=MAX_LENGTH,
        is_multilingual=n_tokens >= MULTILINGUAL,
        **english,
    )
