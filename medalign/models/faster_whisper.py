"""faster-whisper as a recogniser. The door to it; it hands on finished values, never its own lazy ones."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from medalign.core.analysis import ModelInfo
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.errors import WeightsError
from medalign.core.files import reading
from medalign.core.transcript import Segment, Transcript, Word
from medalign.core.weights import Weights
from medalign.models.device import run_in_batches
from medalign.models.transcription import Transcriber, stretches_to_read, word_runs

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

WHAT = "the recogniser"
FRAMES_PER_S = 50  # of Whisper's encoder
# Whisper writes fluent sentences over noise. A segment that it doubts is speech, and whose words it doubts too, is dropped;
# both bounds are the recogniser's own defaults (openai/whisper, transcribe.py), applied here to what the VAD let through.
NO_SPEECH_PROBABILITY = 0.6
MIN_MEAN_LOG_PROBABILITY = -1.0
# What is written must not depend on the processor. CTranslate2 multiplies int8 by MKL on Intel and by oneDNN elsewhere, and
# the words differ: in 41 of 221 recordings with tiny.en (assets/results/recogniser-backends.json), in none with float32.
COMPUTE_TYPE = {"cpu": "float32", "cuda": "float16"}
# Greedy or beam search only. faster-whisper would fall back to sampling for a segment that it doubts, from a random
# generator that can't be seeded once it has begun: the same recording would be written differently each time.
# No segment is conditioned on the one before, so an error can't feed itself.
OPTIONS = {"word_timestamps": True, "condition_on_previous_text": False, "temperature": 0.0}
GPU_BATCH = 8  # stretches of at most STRETCH_S at once


@dataclass(frozen=True)
class Decoding:
    """How the recogniser reads; `medalign bench decoding` measures what each costs and gets right."""

    beam_size: int = 5
    batch_size: int = 0  # stretches at once, as on a GPU; 0 reads on from where the last sentence ended


DECODING = {"cpu": Decoding(), "cuda": Decoding(batch_size=GPU_BATCH)}


class FasterWhisper(Transcriber):
    """faster-whisper with a fixed model, device, precision and way of decoding."""

    def __init__(self, weights: Weights, device: str, compute_type: str | None = None):
        """`compute_type` as CTranslate2 names it; by default float32 on the CPU, float16 on a GPU.

        Raises:
            WeightsError: not a CTranslate2 Whisper.
        """
        self._folder, self._decoding = weights.folder, DECODING[device]
        compute_type = compute_type or COMPUTE_TYPE[device]
        with reading(
            f"'{weights.name}' can't be loaded as a faster-whisper model", error=WeightsError, remedy="give another --asr"
        ):
            self._model = _load(weights.folder, device, compute_type)
        runtime = f"CTranslate2 {version('ctranslate2')}, {compute_type}, {device}"
        self.info = ModelInfo(weights.name, weights.revision, runtime)

    def with_decoding(self, decoding: Decoding) -> "FasterWhisper":
        """The same model, read in another way."""
        other = copy.copy(self)
        other._decoding = decoding
        return other

    @property
    def scorer(self) -> "FasterWhisper":
        return self

    def stream(self, recording: Recording) -> Iterator[Transcript]:
        """The transcript so far, after each segment; at least one value, and the last one is complete.

        Voice activity is detected first, so silence is never decoded. Segments without words are dropped.
        """
        written = self._read_in_batches(recording) if self._decoding.batch_size else self._read_on(recording)
        done: tuple[Segment, ...] = ()
        language = None
        for found, language in written:
            doubtful = found.no_speech_prob > NO_SPEECH_PROBABILITY and found.avg_logprob < MIN_MEAN_LOG_PROBABILITY
            earliest_s = done[-1].end_s if done else 0.0
            if segment := None if doubtful else _finished(found, earliest_s, recording.duration_s):
                done = (*done, segment)
                yield Transcript(done, language)
        yield Transcript(done, language if done else None)

    def _read_on(self, recording: Recording) -> Iterator[tuple[Any, str]]:
        """faster-whisper's segments, one after the other, with the language."""
        beam_size = self._decoding.beam_size
        segments, info = self._model.transcribe(recording.levelled, vad_filter=True, beam_size=beam_size, **OPTIONS)
        for found in segments:
            yield found, info.language

    def _read_in_batches(self, recording: Recording) -> Iterator[tuple[Any, str]]:
        """The same of several stretches at a time, cut into sentences."""
        from faster_whisper import BatchedInferencePipeline

        language: str | None = None

        def read(model: "WhisperModel", stretches: Sequence[dict]) -> tuple[list[Any], str]:
            given = {"clip_timestamps": list(stretches), "batch_size": len(stretches), "language": language}
            given["beam_size"] = self._decoding.beam_size
            segments, info = BatchedInferencePipeline(model).transcribe(recording.levelled, **given, **OPTIONS)
            return list(segments), info.language

        for segments, language in run_in_batches(
            WHAT, stretches_to_read(recording), self._decoding.batch_size, read, self._model, self._on_cpu
        ):
            for found in segments:
                for sentence in _sentences(found):
                    yield sentence, language

    def _on_cpu(self) -> "WhisperModel":
        return _load(self._folder, "cpu", COMPUTE_TYPE["cpu"])

    def encode(self, waveform: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "frames dim"]:
        """The recogniser's own hidden states, at `FRAMES_PER_S`, of a waveform of at most 30 s at 16 kHz."""
        from faster_whisper.audio import pad_or_trim
        from faster_whisper.transcribe import get_ctranslate2_storage

        def read(model: "WhisperModel", waveforms: Sequence[np.ndarray]) -> np.ndarray:
            (waveform,) = waveforms
            log_mel = get_ctranslate2_storage(pad_or_trim(model.feature_extractor(waveform))[None])
            return np.array(model.model.encode(log_mel, to_cpu=True), np.float32)[0]

        (encoded,) = run_in_batches(WHAT, [waveform], 1, read, self._model, self._on_cpu)
        return encoded[: math.ceil(len(waveform) / SAMPLE_RATE_HZ * FRAMES_PER_S)]

    def log_likelihoods(
        self, hidden_states: Float[np.ndarray, "frames dim"], texts: Sequence[str], hotwords: str = ""
    ) -> Float[np.ndarray, " texts"]:
        """How likely the recogniser finds each text for a few seconds of sound, natural logarithm.

        Args:
            hidden_states: a stretch of what `encode` gives.
            hotwords: put where faster-whisper puts them: in the place of the text before.
        """
        from ctranslate2 import StorageView
        from faster_whisper.tokenizer import Tokenizer

        tokens = Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language="en")
        before = [tokens.sot_prev, *tokens.encode(f" {hotwords}")] if hotwords else []
        sound = StorageView.from_array(np.ascontiguousarray(hidden_states[None]))

        def read(model: "WhisperModel", batch: Sequence[str]) -> float:
            (text,) = batch
            given = [*before, *tokens.sot_sequence], [tokens.encode(f" {text}")], 2 * len(hidden_states)
            (aligned,) = model.model.align(sound, *given)
            return np.log(np.maximum(aligned.text_token_probs, 1e-9)).sum()

        return np.array(list(run_in_batches(WHAT, texts, 1, read, self._model, self._on_cpu)))


def as_installed(folder: Path) -> "WhisperModel":
    """faster-whisper without anything of ours but its precision, to compare with; see `medalign.pipeline.peers`."""
    from faster_whisper import WhisperModel

    return WhisperModel(str(folder), device="cpu", compute_type=COMPUTE_TYPE["cpu"], local_files_only=True)


def _load(folder: Path, device: str, compute_type: str) -> "WhisperModel":
    from faster_whisper import WhisperModel

    from medalign.models.log_mel import PiecewiseFeatureExtractor
    from medalign.models.voice_activity import bound_memory

    bound_memory()
    model = WhisperModel(str(folder), device=device, compute_type=compute_type, local_files_only=True)
    model.feature_extractor = PiecewiseFeatureExtractor(**model.feat_kwargs)
    return model


def _sentences(found: Any) -> Iterator[Any]:
    """A stretch as the recogniser wrote it, cut behind the ends of sentences and at pauses."""
    words = found.words or []
    bounds = [(word.word.rstrip(), word.start, word.end, word.word[:1].isspace()) for word in words]
    for run in word_runs(bounds):
        yield replace(found, words=words[run])


def _finished(found: Any, earliest_s: float, duration_s: float) -> Segment | None:
    """faster-whisper's segment as ours: whole words without blanks, times inside the recording and in order.

    faster-whisper cuts before each sign that is a token of its own: " 38" ".9", " 10" ",000", " x" "-ray". Only what begins
    with a blank begins a word; the rest belongs to the word before, which is no surer than its least sure part.
    """
    words: list[Word] = []
    for part in found.words or ():
        text = part.word.strip()
        if not text:
            continue
        start_s = min(max(part.start, earliest_s), duration_s)
        end_s = round(min(max(part.end, start_s), duration_s), 3)
        probability = round(part.probability, 4)
        if words and not part.word[0].isspace():
            begun = words.pop()
            text, probability = begun.text + text, min(begun.probability, probability)
            start_s, end_s = begun.start_s, max(begun.end_s, end_s)
        words.append(Word(round(start_s, 3), end_s, text, probability))
        earliest_s = start_s
    if not any(character.isalnum() for word in words for character in word.text):  # "." over a breath
        return None
    figures = {"mean_log_probability": found.avg_logprob, "no_speech_probability": found.no_speech_prob}
    return Segment.of(words, **{name: round(value, 4) for name, value in figures.items()})
