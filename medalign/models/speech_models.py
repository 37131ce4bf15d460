"""Speech models of transformers as recognisers: CTC (wav2vec2, HuBERT, MedASR's LASR, Parakeet) and encoder-decoders
(Whisper, Speech2Text, Moonshine).

A recording is cut at pauses, as the voice detector of faster-whisper hears them, into stretches of at most 30 s that are read
one by one: an hour takes no more memory than half a minute. Decoding is greedy.
"""

import math
import re
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from inspect import signature
from itertools import groupby
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModelForCTC,
    AutoModelForSpeechSeq2Seq,
    AutoTokenizer,
    PretrainedConfig,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CTC_MAPPING_NAMES, MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES

from medalign.core.analysis import ModelInfo
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.errors import WeightsError
from medalign.core.files import first_line, reading
from medalign.core.transcript import Segment, Transcript, Word
from medalign.core.weights import Weights
from medalign.models.device import copy_to_cpu, half_precision, run_in_batches
from medalign.models.pretrained import load_whole, quiet
from medalign.models.transcription import Transcriber, stretches_to_read, word_runs

WHAT = "the recogniser"
REMEDY = "give another --asr"
TOKENS_PER_S = 25  # no more are written for a second of sound: who speaks fast says 20 letters in it
PROMPT_TOKENS = 8  # of the decoder's positions, at most this many are taken by what it is told beforehand
# Words that stand for no sound, by MedASR for dictated marks: "{period}", "{new paragraph}".
_UNIT = re.compile(r"\{[^{}]*\}|\S+")
_BEHIND = re.compile(r"\W+$")
MARKS = {"{period}": ".", "{comma}": ",", "{colon}": ":", "{semicolon}": ";", "{question mark}": "?"}


@dataclass(frozen=True)
class Token:
    """What the model wrote, and where it heard it, in seconds from the start of the stretch; None if it does not tell."""

    token_id: int
    probability: float
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Reading:
    """One stretch as the model wrote it."""

    tokens: list[Token]
    mean_log_probability: float | None = None
    language: str | None = None


class SpeechModel(Transcriber):
    """What both kinds share. A subclass loads `_model` and reads one stretch with it."""

    _model: nn.Module
    _has_word_times = True
    _cuts_at_each_pause = True

    def __init__(self, weights: Weights, config: PretrainedConfig, device: str):
        """Raises WeightsError: a part is missing or damaged, or is made for other sound than 16 kHz."""
        self._name = weights.name
        with reading(f"'{self._name}' can't be loaded as a speech model", error=WeightsError, remedy=REMEDY), quiet():
            self._extractor = AutoFeatureExtractor.from_pretrained(weights.folder, trust_remote_code=False)
            sampling_rate = getattr(self._extractor, "sampling_rate", None)
            if sampling_rate != SAMPLE_RATE_HZ:
                raise ValueError(f"it takes sound at {sampling_rate} Hz, {SAMPLE_RATE_HZ} Hz is expected")
            self._model = self._load(weights, config).eval().requires_grad_(False)
        with reading(f"'{self._name}' has no tokenizer that can be loaded", error=WeightsError, remedy=REMEDY), quiet():
            self._tokenizer = AutoTokenizer.from_pretrained(weights.folder, trust_remote_code=False)
            self._writes_capitals_only = _is_upper(self._tokenizer)
        dtype = torch.float32 if device == "cpu" else half_precision()
        self._model = self._model.to(device, dtype)
        runtime = f"transformers {version('transformers')}, {str(dtype).removeprefix('torch.')}, {device}"
        times = "" if self._has_word_times else ", word times by share of letters"
        self.info = ModelInfo(weights.name, weights.revision, runtime + times)

    @abstractmethod
    def _load(self, weights: Weights, config: PretrainedConfig) -> nn.Module:
        """The model with its weights, and what `_read` needs to know of it."""

    @abstractmethod
    def _read(self, model: Any, waveform: Float[np.ndarray, " samples"], language: str | None) -> Reading:
        """A stretch of at most 30 s; `language` as the first one of the recording was found to be in."""

    def stream(self, recording: Recording) -> Iterator[Transcript]:
        """The transcript so far, after each stretch; see `Transcriber.stream`."""
        language: str | None = None

        def read(model: nn.Module, batch: Sequence[dict[str, float]]) -> Reading:
            first, end = (round(batch[0][at] * SAMPLE_RATE_HZ) for at in ("start", "end"))
            try:
                with torch.inference_mode(), quiet():
                    return self._read(model, recording.levelled[first:end], language)
            except (AttributeError, IndexError, KeyError, NotImplementedError, TypeError, ValueError) as error:
                raise WeightsError(f"'{self._name}' can't write down a recording ({first_line(error)}); {REMEDY}") from error

        done: tuple[Segment, ...] = ()
        stretches = stretches_to_read(recording, at_each_pause=self._cuts_at_each_pause)
        readings = run_in_batches(WHAT, stretches, 1, read, self._model, lambda: copy_to_cpu(self._model))
        for stretch, found in zip(stretches, readings, strict=True):
            language = found.language
            words = self._words(found.tokens, stretch["start"], min(stretch["end"], recording.duration_s))
            done = (*done, *_segments(words, found.mean_log_probability))
            yield Transcript(done, language if done else None)
        if not stretches:
            yield Transcript(())

    def _inputs(self, model: nn.Module, waveform: np.ndarray, **options: Any) -> Any:
        like = next(model.parameters())
        inputs = self._extractor(waveform, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt", **options)
        return inputs.to(like.device, like.dtype)

    def _decode(self, ids: Sequence[int]) -> str:
        options: dict[str, bool] = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        if "group_tokens" in signature(self._tokenizer._decode).parameters:
            options["group_tokens"] = False  # of CTC, which is done: what is still alike was written twice
        return self._tokenizer.decode(list(ids), **options)

    def _words(self, tokens: Sequence[Token], start_s: float, end_s: float) -> list[Word]:
        """Tokens as words, in seconds of the recording. Where they have no times, letters share the stretch evenly."""
        ids = [token.token_id for token in tokens]
        text = self._decode(ids)
        # A character is complete with the first token from which on the text never ends before it.
        lengths = [len(self._decode(ids[: i + 1])) for i in range(len(ids))]
        reached = np.minimum.accumulate(np.array(lengths[::-1], int))[::-1].tolist()
        words: list[Word] = []
        for unit in _UNIT.finditer(text):
            written = unit.group()
            if written.startswith("{"):
                if words and (mark := MARKS.get(written.lower())):
                    last = words.pop()
                    words.append(Word(last.start_s, last.end_s, last.text + mark, last.probability))
                continue
            n_spoken = len(_BEHIND.sub("", written)) or len(written)  # a full stop takes the pause behind it for its own
            first, end = (bisect_right(reached, unit.start() + at) for at in (0, n_spoken - 1))
            parts = tokens[first : end + 1]
            from_s, to_s = parts[0].start_s, parts[-1].end_s
            if from_s is None or to_s is None:
                from_s, to_s = ((end_s - start_s) * at / len(text) for at in unit.span())
            earliest_s = words[-1].start_s if words else start_s
            begun_s = round(min(max(start_s + from_s, earliest_s), end_s), 3)
            ended_s = round(min(max(start_s + to_s, begun_s), end_s), 3)
            probability = sum(part.probability for part in parts) / len(parts)
            written = written.lower() if self._writes_capitals_only else written
            words.append(Word(begun_s, max(begun_s, ended_s), written, round(probability, 4)))
        return words


class CtcModel(SpeechModel):
    """A model that writes at most one token for each of its frames (connectionist temporal classification).

    A word lasts from the first frame of its first token to the last frame of its last. Such models write a token where they
    are surest of it, so a word is rather shown too short than too long.
    """

    def _load(self, weights: Weights, config: PretrainedConfig) -> nn.Module:
        config.layerdrop, config.apply_spec_augment = 0.0, False  # for training; the mask's embedding is then never used
        fixed = (f"{config.model_type.replace('-', '_')}.masked_spec_embed",)
        model = load_whole(AutoModelForCTC, weights.folder, config=config, fixed=fixed).float()
        self._blank = model.config.pad_token_id
        return model

    def _read(self, model: Any, waveform: Float[np.ndarray, " samples"], language: str | None) -> Reading:
        logits = model(**self._inputs(model, waveform)).logits[0].float()
        sureness, best = (values.tolist() for values in logits.softmax(-1).max(-1))
        frame_s = len(waveform) / SAMPLE_RATE_HZ / len(best)
        tokens = []
        for token_id, run in groupby(range(len(best)), key=best.__getitem__):
            frames = list(run)
            if token_id != self._blank:
                probability = max(sureness[i] for i in frames)
                tokens.append(Token(token_id, probability, frames[0] * frame_s, (frames[-1] + 1) * frame_s))
        return Reading(tokens)


class EncoderDecoder(SpeechModel):
    """A model that writes token by token, looking at a whole stretch.

    Whisper tells when it heard a token, by the cross-attention of the heads that its generation_config names. Others, and a
    Whisper without such heads, don't: then the letters of a stretch share its time evenly, stretches are cut at shorter
    pauses, and `info.runtime` says so.
    """

    def _load(self, weights: Weights, config: PretrainedConfig) -> nn.Module:
        self._is_whisper = config.model_type == "whisper"
        # The usual attention keeps no weights, and word times are read from these.
        options = {"attn_implementation": "eager"} if self._is_whisper else {}
        # Sinusoids follow from the configuration, so a folder may lack them.
        fixed = tuple(f"model.{half}.embed_positions.weights" for half in ("encoder", "decoder"))
        model = load_whole(AutoModelForSpeechSeq2Seq, weights.folder, config=config, fixed=fixed, **options).float()
        self._has_word_times = self._is_whisper and bool(getattr(model.generation_config, "alignment_heads", None))
        self._cuts_at_each_pause = not self._has_word_times
        self._is_multilingual = self._is_whisper and bool(getattr(model.generation_config, "is_multilingual", False))
        self._n_positions = getattr(model.config, "max_target_positions", None)
        return model

    def _read(self, model: Any, waveform: Float[np.ndarray, " samples"], language: str | None) -> Reading:
        inputs = self._inputs(model, waveform, **({"return_attention_mask": True} if self._is_whisper else {}))
        n_tokens = math.ceil(TOKENS_PER_S * len(waveform) / SAMPLE_RATE_HZ)
        if self._n_positions is not None:
            n_tokens = min(n_tokens, self._n_positions - PROMPT_TOKENS)
        options: dict[str, Any] = {"max_new_tokens": n_tokens, "num_beams": 1, "do_sample": False}
        if self._is_whisper:
            language = self._language(model, inputs.input_features) if language is None else language
            options |= {"force_unique_generate_call": True, "return_timestamps": False}
            options |= {"return_token_timestamps": True} if self._has_word_times else {}
            options |= {"language": language, "task": "transcribe"} if self._is_multilingual else {}
        written = model.generate(**inputs, **options, return_dict_in_generate=True, output_scores=True)
        ids = written["sequences"][0][-len(written["scores"]) :]
        log_probabilities = torch.stack([
            scores[0].float().log_softmax(-1)[token_id]
            for scores, token_id in zip(written["scores"], ids, strict=True)
        ])  # fmt: skip
        pairs = zip(ids.tolist(), log_probabilities.exp().tolist(), strict=True)
        if self._has_word_times:  # of each token its end; the one before it ends where it begins
            ends_s = [0.0, *written["token_timestamps"][0][-len(ids) :].tolist()]
            if len(ids) > 1:  # the library has no attention for the first, and gives 0
                ends_s[1] = ends_s[2] / 2
            tokens = [Token(*pair, start_s, end_s) for pair, start_s, end_s in zip(pairs, ends_s, ends_s[1:], strict=False)]
        else:
            tokens = [Token(*pair) for pair in pairs]
        return Reading(tokens, round(float(log_probabilities.mean()), 4), language)

    def _language(self, model: Any, log_mel: torch.Tensor) -> str:
        """As Whisper has it: "en"."""
        if not self._is_multilingual:
            return "en"
        (token_id,) = model.detect_language(log_mel).tolist()
        codes = {found: name for name, found in model.generation_config.lang_to_id.items()}
        return codes[token_id].strip("<|>")


def load_speech_model(weights: Weights, device: str) -> SpeechModel:
    """The recogniser in a transformers folder, by what its config.json says that it is.

    Raises:
        WeightsError: it writes down no speech, wants a prompt beside it, or lacks a part; the sentence says which.
    """
    with reading(f"'{weights.name}' can't be loaded as a speech model", error=WeightsError, remedy=REMEDY), quiet():
        config = AutoConfig.from_pretrained(weights.folder, trust_remote_code=False)
    if config.model_type in MODEL_FOR_CTC_MAPPING_NAMES:
        return CtcModel(weights, config, device)
    if config.model_type in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES and config.is_encoder_decoder:
        return EncoderDecoder(weights, config, device)
    raise WeightsError(
        f"'{weights.name}' is a '{config.model_type}', which does not write down speech by CTC or as an encoder-decoder; give "
        "a faster-whisper model, or a Whisper, wav2vec2, Speech2Text or the like"
    )


def _is_upper(tokenizer: Any) -> bool:
    """Whether it knows capitals only: written so, every word would look like an abbreviation.

    Raises:
        ValueError: it knows no words. transformers makes up an empty one where a folder has none.
    """
    special = set(tokenizer.all_special_tokens)
    letters = "".join(t for t in tokenizer.get_vocab() if t not in special and not (t.startswith("<") and t.endswith(">")))
    if not any(letter.isalpha() for letter in letters):
        raise ValueError("its folder holds none with words, such as tokenizer.json or vocab.json")
    return letters == letters.upper()


def _segments(words: Sequence[Word], mean_log_probability: float | None) -> Iterator[Segment]:
    """A stretch cut into sentences; what holds no letter and no digit, written over a breath, is dropped."""
    for run in word_runs([(word.text, word.start_s, word.end_s, True) for word in words]):
        part = words[run]
        if any(character.isalnum() for word in part for character in word.text):
            yield Segment.of(part, mean_log_probability=mean_log_probability)
