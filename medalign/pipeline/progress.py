"""How far an analysis has come, and what is left of it."""

import time
from dataclasses import dataclass
from typing import Literal

from medalign.core.analysis import ConceptFinding, Timings
from medalign.core.transcript import Transcript
from medalign.pipeline.listener import EncodedRecording

Stage = Literal["decode", "transcribe", "student", "teacher"]

# Share of the whole job at which each stage begins, measured on the bundled examples on two CPU cores.
_BEGINS_AT = {"decode": 0.0, "transcribe": 0.02, "student": 0.65, "teacher": 0.7}


@dataclass(frozen=True)
class AudioPreview:
    """What is found in the audio alone."""

    concepts: tuple[ConceptFinding, ...] | None  # None: so far, another language is likelier than English
    until_s: float  # of the recording; what comes after has not been encoded yet


@dataclass(frozen=True)
class Progress:
    """How far an analysis has come."""

    stage: Stage
    fraction: float  # of the whole job, 0 to 1
    remaining_s: float | None  # None until there is something to estimate from
    transcript: Transcript | None  # the segments so far
    message: str
    preview: AudioPreview | None = None  # once some of it has been encoded
    encoded: EncodedRecording | None = None  # the whole audio, for questions that come later


class Clock:
    """Wall time by stage, and the estimate of what is left."""

    def __init__(self) -> None:
        self._started = self._lap_started = time.perf_counter()
        self._laps: dict[str, float] = {}

    def note(self, stage: Stage, seconds: float) -> None:
        """The time of a stage that ran beside another."""
        self._laps[stage] = seconds

    def begin(self) -> None:
        """The next lap begins now."""
        self._lap_started = time.perf_counter()

    def lap(self, stage: Stage) -> None:
        now = time.perf_counter()
        self._laps[stage], self._lap_started = now - self._lap_started, now

    def progress(
        self,
        stage: Stage,
        message: str,
        transcript: Transcript | None = None,
        done: float = 0.0,
        preview: AudioPreview | None = None,
        encoded: EncodedRecording | None = None,
    ) -> Progress:
        """`done` is the share of this stage that is finished; only transcription can tell."""
        begins, ends = _BEGINS_AT[stage], _BEGINS_AT["student"] if stage == "transcribe" else _BEGINS_AT[stage]
        fraction = begins + (ends - begins) * min(done, 1.0)
        elapsed_s = time.perf_counter() - self._started
        remaining_s = elapsed_s * (1 - fraction) / fraction if done > 0 or stage == "teacher" else None
        return Progress(stage, fraction, remaining_s, transcript, message, preview, encoded)

    def timings(self) -> Timings:
        rounded = {stage: round(seconds, 3) for stage, seconds in self._laps.items()}
        return Timings(**rounded, total=round(time.perf_counter() - self._started, 3))
