"""Speech to text. The door to faster-whisper; it hands on finished values, never its own lazy ones."""

import math
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Float

from medalign.core.analysis import ModelInfo
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.errors import WeightsError
from medalign.core.files import reading
from medalign.core.model_options import ModelOptions
from medalign.core.transcript import Segment, Transcript, Word
from medalign.core.weights import resolve

DEFAULT_ASR = ModelOptions.asr
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
TEMPERATURE = 0.0


class Transcriber:
    """faster-whisper with a fixed model, device and precision."""

    def __init__(self, name: str = DEFAULT_ASR, *, device: str = "cpu"):
        """Load a recogniser by pinned name, faster-whisper size, folder or Hub name; float32 on CPU, float16 on GPU.

        Raises:
            WeightsError: unknown name, missing or altered files, or not a CTranslate2 Whisper.
        """
        from faster_whisper import WhisperModel

        from medalign.models.log_mel import PiecewiseFeatureExtractor

        weights = resolve(name, weight_files=("model.bin",))
        with reading(f"'{name}' can't be loaded as a faster-whisper model", error=WeightsError, remedy="give another --asr"):
            self._model = WhisperModel(
                str(weights.folder),
                device=device,
                compute_type=COMPUTE_TYPE[device],
                local_files_only=True,
            )
            self._model.feature_extractor = PiecewiseFeatureExtractor(**self._model.feat_kwargs)
        runtime = f"CTranslate2 {version('ctranslate2')}, {COMPUTE_TYPE[device]}, {device}"
        self.info = ModelInfo(weights.name, weights.revision, runtime)

    def stream(self, recording: Recording) -> Iterator[Transcript]:
        """The transcript so far, after each segment; at least one value, and the last one is complete.

        Voice activity is detected first, so silence is never decoded, and no segment is conditioned on the one before, so
        an error can't feed itself. Segments without words are dropped.
        """
        segments, info = self._model.transcribe(
            recording.levelled,
            beam_size=5,
            vad_filter=True,
            word_timestamps=True,
            condition_on_previous_text=False,
            temperature=TEMPERATURE,
        )
        done: tuple[Segment, ...] = ()
        for found in segments:
            doubtful = found.no_speech_prob > NO_SPEECH_PROBABILITY and found.avg_logprob < MIN_MEAN_LOG_PROBABILITY
            earliest_s = done[-1].end_s if done else 0.0
            if segment := None if doubtful else _finished(found, earliest_s, recording.duration_s):
                done = (*done, segment)
                yield Transcript(done, info.language)
        yield Transcript(done, info.language if done else None)

    def transcribe(self, recording: Recording) -> Transcript:
        """The complete transcript; without segments if there is no speech."""
        *_, transcript = self.stream(recording)
        return transcript

    def encode(self, waveform: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "frames dim"]:
        """The recogniser's own hidden states, at `FRAMES_PER_S`, of a waveform of at most 30 s at 16 kHz."""
        from faster_whisper.audio import pad_or_trim

        encoded = np.array(self._model.encode(pad_or_trim(self._model.feature_extractor(waveform))))[0]
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
        totals = []
        for text in texts:
            (aligned,) = self._model.model.align(
                sound, [*before, *tokens.sot_sequence], [tokens.encode(f" {text}")], 2 * len(hidden_states)
            )
            totals.append(np.log(np.maximum(aligned.text_token_probs, 1e-9)).sum())
        return np.array(totals)


def speech_stretches(recording: Recording) -> Float[np.ndarray, "n 2"]:
    """Stretches with a voice in them: start and end in seconds, by the recogniser's own detector (Silero)."""
    from faster_whisper.vad import get_speech_timestamps

    stretches = get_speech_timestamps(recording.levelled)
    return np.array([(s["start"], s["end"]) for s in stretches], float).reshape(-1, 2) / SAMPLE_RATE_HZ


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
    if not words:
        return None
    return Segment(
        words[0].start_s,
        max(w.end_s for w in words),
        " ".join(w.text for w in words),
        tuple(words),
        mean_log_probability=round(found.avg_logprob, 4),
        no_speech_probability=round(found.no_speech_prob, 4),
    )


def time_covered_s(transcript: Transcript) -> float:
    """How far a growing transcript has come, in seconds of the recording."""
    return transcript.segments[-1].end_s if transcript.segments else 0.0
