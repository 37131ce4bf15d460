"""Transcripts of spoken takes, made once and kept: a recogniser takes longer than all that is measured on its words."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.errors import DataError
from medalign.core.files import read_json
from medalign.core.transcript import Transcript
from medalign.models.transcription import Transcriber
from medalign.pipeline.speakers import name_speakers
from medalign.training.data.pairs import content_key, in_pink_noise
from medalign.training.data.synthesis import Take

SPEAKERS_FORMAT = "3"  # the same for speakers
FORMAT = "4"  # of what is kept; another one is made again


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
    heard = "" if snr_db is None else f"-pink{snr_db:g}db"
    runtime = hashlib.sha256(str(transcriber.info.runtime).encode()).hexdigest()[:8]  # int8 writes other words than float32
    model = f"{transcriber.info.revision}-{runtime}"
    path = cache / "transcripts" / FORMAT / f"{content_key(take.audio_path)}-{model}{heard}.json"
    return recording, _kept(path, lambda: transcriber.transcribe(recording))


def with_speakers(
    take: Take, transcript: Transcript, recording: Recording, cache: Path, *, snr_db: float | None = None
) -> Transcript:
    """What `name_speakers` makes of it, kept by audio, noise and words: embedding voices takes longer than a fit."""
    words = hashlib.sha256(json.dumps(asdict(transcript)).encode()).hexdigest()[:16]
    heard = "" if snr_db is None else f"-pink{snr_db:g}db"
    path = cache / "speakers" / SPEAKERS_FORMAT / f"{content_key(take.audio_path)}-{words}{heard}.json"
    return _kept(path, lambda: name_speakers(transcript, recording))


def _kept(path: Path, make: Callable[[], Transcript]) -> Transcript:
    """What lies at `path`; made and written first if nothing does."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.part")
        scratch.write_text(json.dumps(asdict(make())), encoding="utf-8")
        scratch.replace(path)
    return read_json(path, Transcript, error=DataError, remedy="remove it, and it is written anew")
