"""What the models make of spoken takes whose words are known: the ground on which corrections, alarm and fusion are judged."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from medalign.core.audio import Recording
from medalign.core.transcript import Transcript
from medalign.models.transcription import Transcriber
from medalign.pipeline.listener import EncodedRecording, Listener
from medalign.training.data.pairs import recording_frames
from medalign.training.data.synthesis import Take, timed_transcript
from medalign.training.fitting.transcripts import transcribed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Observation:
    """One take: the truth, and what recogniser and student make of it."""

    take: Take
    recording: Recording
    truth: Transcript  # what was said and when
    transcript: Transcript  # what the recogniser wrote
    listening: EncodedRecording
    transcriber: Transcriber


def observe(
    takes: Iterable[Take], listener: Listener, transcriber: Transcriber, cache: Path, *, snr_db: float | None = None
) -> Iterator[Observation]:
    """One take after another; transcripts and frames are kept in `cache`.

    Args:
        snr_db: all in pink noise at this ratio; None for clean.
    """
    for take in takes:
        recording, transcript = transcribed(take, transcriber, cache, snr_db=snr_db)
        frames = torch.from_numpy(recording_frames(take.audio_path, listener.student, cache, snr_db=snr_db))
        listening = listener.listen(recording, frames=frames)
        log.info("%s observed, %s", take.consultation_id, "clean" if snr_db is None else f"at {snr_db:g} dB")
        yield Observation(take, recording, timed_transcript(take.utterances), transcript, listening, transcriber)
