"""Transcripts of spoken takes, made once and kept: a recogniser takes longer than all that is measured on its words."""

import json
from dataclasses import asdict
from pathlib import Path

from medalign.audio import SAMPLE_RATE_HZ, Recording
from medalign.training.dataset import content_key
from medalign.training.synthesis import Take
from medalign.transcript import Segment, Transcript, Word
from medalign.transcription import Transcriber


def transcribed(take: Take, transcriber: Transcriber, cache: Path) -> tuple[Recording, Transcript]:
    """The take as a recording, and what the recogniser makes of it; kept by the audio and the recogniser's revision."""
    recording = Recording(take.consultation_id, take.waveform(), SAMPLE_RATE_HZ, 1)
    path = cache / "transcripts" / f"{content_key(take.audio_path)}-{transcriber.info.revision}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".part")
        scratch.write_text(json.dumps(asdict(transcriber.transcribe(recording))), encoding="utf-8")
        scratch.replace(path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    segments = tuple(
        Segment(**{**segment, "words": tuple(Word(**word) for word in segment["words"])}) for segment in stored["segments"]
    )
    return recording, Transcript(segments, stored["language"])
