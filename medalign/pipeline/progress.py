"""How far an analysis has come, and what is left of it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from medalign.core.analysis import ConceptFinding, Timings
from medalign.core.transcript import Transcript
from medalign.pipeline.listener import EncodedRecording

Stage = Literal["decode", "transcribe", "student", "teacher"]

# Seconds of work a second of sound, measured on the bundled examples on two CPU cores that others use as well. An analyzer goes
# on with what its own recordings took.
PACE = {"transcribe": 0.15, "student": 0.08, "teacher": 0.047}
LEAST_S = 20.0  # a shorter recording takes hardly less: the recogniser pads it
# What a stage does for a recording of any length, as the seconds of sound that take as long: most of reading a short one.
# Without it a long recording after a short one was said to take three times as long to read as it did.
BEFORE_S = {"teacher": 60.0}
PRIOR, OF_STUDENT = 0.1, 0.2  # weights of what was expected, and of the student's time, beside the share that is transcribed
NEWEST = 0.7  # weight of the last recording in the pace
WINDOW_S, AT_ONCE_S = 30.0, 0.3  # recognisers write a window of sound at once: what comes so soon after another is of the same


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
    remaining_s: float | None  # None until the recording's length is known
    transcript: Transcript | None  # the segments so far
    message: str
    preview: AudioPreview | None = None  # once some of it has been encoded
    encoded: EncodedRecording | None = None  # the whole audio, for questions that come later


class Clock:
    """Wall time by stage, and the estimate of what is left."""

    def __init__(self, pace: dict[str, float] | None = None, now: Callable[[], float] = time.perf_counter) -> None:
        """
        Args:
            pace: as `PACE`; is changed to what this recording took.
        """
        self.duration_s = 0.0  # of the recording, once it is known
        self._pace, self._now = dict(PACE) if pace is None else pace, now
        self._started = self._lap_started = now()
        self._laps: dict[str, float] = {}
        self._transcribed = self._transcribed_s = self._encoded = self._fraction = 0.0
        self._window_from_s = self._written_s = 0.0
        self._window_s = WINDOW_S

    def note(self, stage: Stage, seconds: float) -> None:
        """The time of a stage that ran beside another."""
        self._laps[stage] = seconds

    def begin(self) -> None:
        """The next lap begins now."""
        self._lap_started = self._now()

    def lap(self, stage: Stage) -> None:
        now = self._now()
        self._laps[stage], self._lap_started = now - self._lap_started, now

    def progress(
        self,
        stage: Stage,
        message: str,
        transcript: Transcript | None = None,
        preview: AudioPreview | None = None,
        encoded: EncodedRecording | None = None,
    ) -> Progress:
        remaining_s = None
        if self.duration_s:
            if stage == "transcribe" and transcript and transcript.segments:
                self._written(transcript.segments[-1].end_s)
            if preview is not None:
                self._encoded = min(preview.until_s / self.duration_s, 1.0)
            remaining_s = self._left(stage)
            elapsed_s = self._now() - self._started
            self._fraction = max(self._fraction, elapsed_s / max(elapsed_s + remaining_s, 1e-9))
        return Progress(stage, self._fraction, remaining_s, transcript, message, preview, encoded)

    def _written(self, until_s: float) -> None:
        """With the first words of a window all of it is done, though they are told one by one."""
        if until_s <= self._written_s:
            return
        now_s = self._now() - self._lap_started
        if now_s - self._transcribed_s > AT_ONCE_S:
            self._window_s = self._written_s - self._window_from_s or WINDOW_S
            self._window_from_s = self._written_s
        self._written_s, self._transcribed_s = until_s, now_s
        self._transcribed = min(max(until_s, self._window_from_s + self._window_s) / self.duration_s, 1.0)

    def _left(self, stage: Stage) -> float:
        """Seconds: what was expected of the stages, times how much slower the machine has been at this recording so far."""
        expected = {name: pace * self._work_s(name) for name, pace in self._pace.items()}
        transcribed, took_s = self._transcribed, self._transcribed_s
        if "transcribe" in self._laps:
            transcribed, took_s = 1.0, self._laps["transcribe"]
        seen = [(transcribed, took_s, transcribed * expected["transcribe"])]
        seen += [(OF_STUDENT * self._encoded, self._laps.get("student", 0.0), self._encoded * expected["student"])]
        seen = [(weight, max(took, 1e-3), due) for weight, took, due in seen if weight]
        logs = sum(weight * math.log(took / due) for weight, took, due in seen)
        slower = math.exp(logs / (PRIOR + sum(weight for weight, _, _ in seen)))
        since_s = self._now() - self._lap_started
        reading_s = slower * expected["teacher"]
        if stage == "teacher":
            return max(reading_s - since_s, since_s / 3)
        if stage == "student":
            return reading_s + slower * expected["student"] * (1 - self._encoded)
        return reading_s + max(slower * expected["transcribe"] - since_s, (1 - transcribed) * since_s / 2)

    def _work_s(self, stage: str) -> float:
        """What a stage does, as seconds of sound."""
        return max(self.duration_s, LEAST_S) + BEFORE_S.get(stage, 0.0)

    def timings(self) -> Timings:
        for stage in self._pace:
            if self.duration_s and stage in self._laps:
                took = self._laps[stage] / self._work_s(stage)
                self._pace[stage] += NEWEST * (max(took, 1e-4) - self._pace[stage])
        rounded = {stage: round(seconds, 3) for stage, seconds in self._laps.items()}
        return Timings(**rounded, total=round(self._now() - self._started, 3))
