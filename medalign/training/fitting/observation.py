"""What the pipeline makes of spoken takes whose words are known; all fits are fitted on these.

Transcripts are made once and kept: a recogniser takes longer than all that is measured on its words.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.errors import DataError
from medalign.core.files import read_json, replacing
from medalign.core.transcript import Transcript
from medalign.models.transcription import Transcriber
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.annotated import AnnotatedTranscript
from medalign.pipeline.listener import EncodedRecording
from medalign.pipeline.speakers import name_speakers
from medalign.training.data.pairs import content_key, in_pink_noise, recording_frames
from medalign.training.data.synthesis import Take, timed_transcript

log = logging.getLogger(__name__)
T = TypeVar("T")

FORMAT, SPEAKERS_FORMAT = "4", "3"  # of what is kept; another one is made again


@dataclass(frozen=True)
class Observation:
    """One take: the truth, and what an analysis makes of it."""

    take: Take
    recording: Recording
    truth: Transcript  # what was said and when
    annotated: AnnotatedTranscript
    encoded: EncodedRecording
    transcriber: Transcriber

    @property
    def transcript(self) -> Transcript:
        return self.annotated.transcript


def observe(takes: Iterable[Take], analyzer: Analyzer, cache: Path, *, snr_db: float | None = None) -> Iterator[Observation]:
    """One take after another, through the same steps as an analysis; transcripts and frames are kept in `cache`.

    Args:
        snr_db: all in pink noise at this ratio; None for clean.
    """
    for take in takes:
        recording, transcript = transcribed(take, analyzer.transcriber, cache, snr_db=snr_db)
        frames = torch.from_numpy(recording_frames(take.audio_path, analyzer.listener.student, cache, snr_db=snr_db))
        encoded = analyzer.listener.encode(recording, frames=frames)
        named = _with_speakers(take, transcript, recording, cache, snr_db)
        annotated = analyzer.annotate(named, recording, encoded, has_speakers=True)
        log.info("%s observed, %s", take.consultation_id, "clean" if snr_db is None else f"at {snr_db:g} dB")
        yield Observation(take, recording, timed_transcript(take.utterances), annotated, encoded, analyzer.transcriber)


def transcribed(
    take: Take, transcriber: Transcriber, cache: Path, *, snr_db: float | None = None
) -> tuple[Recording, Transcript]:
    """The take as a recording, and what the recogniser makes of it; kept by the audio and the recogniser's revision.

    Args:
        snr_db: both in pink noise at this ratio.
    """
    waveform = take.waveform()
    if snr_db is not None:
        waveform = in_pink_noise(waveform, take.audio_path, snr_db)
    recording = Recording(take.consultation_id, waveform, SAMPLE_RATE_HZ, 1)
    runtime = _digest(str(transcriber.info.runtime))[:8]  # int8 writes other words than float32
    name = f"transcripts/{FORMAT}/{content_key(take.audio_path)}-{transcriber.info.revision}-{runtime}{_noise(snr_db)}"
    return recording, kept(cache / f"{name}.json", Transcript, lambda: transcriber.transcribe(recording))


def _with_speakers(take: Take, transcript: Transcript, recording: Recording, cache: Path, snr_db: float | None) -> Transcript:
    """What `name_speakers` makes of it, kept by audio, noise and words: embedding voices takes longer than a fit."""
    words = _digest(json.dumps(asdict(transcript)))[:16]
    name = f"speakers/{SPEAKERS_FORMAT}/{content_key(take.audio_path)}-{words}{_noise(snr_db)}"
    return kept(cache / f"{name}.json", Transcript, lambda: name_speakers(transcript, recording))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _noise(snr_db: float | None) -> str:
    return "" if snr_db is None else f"-pink{snr_db:g}db"


def kept(path: Path, of: type[T], make: Callable[[], T]) -> T:
    """The value of a dataclass that lies at `path`; made and written first if nothing does."""
    if not path.is_file():
        with replacing(path, "w") as file:
            json.dump(asdict(cast(Any, make())), file)
    return read_json(path, of, error=DataError, remedy="remove it, and it is written anew")
