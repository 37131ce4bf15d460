"""What the pipeline makes of spoken takes whose words are known; all fits are fitted on these."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from medalign.core.audio import Recording
from medalign.core.transcript import Transcript
from medalign.models.transcription import Transcriber
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.annotated import AnnotatedTranscript
from medalign.pipeline.listener import EncodedRecording
from medalign.training.data.pairs import recording_frames
from medalign.training.data.synthesis import Take, timed_transcript
from medalign.training.fitting.transcripts import transcribed, with_speakers

log = logging.getLogger(__name__)


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
        named = with_speakers(take, transcript, recording, cache, snr_db=snr_db)
        annotated = analyzer.annotate(named, recording, encoded, has_speakers=True)
        log.info("%s observed, %s", take.consultation_id, "clean" if snr_db is None else f"at {snr_db:g} dB")
        yield Observation(take, recording, timed_transcript(take.utterances), annotated, encoded, analyzer.transcriber)
