"""The engine: one recording in, one `Analysis` out. App, command line and tests all call it.

Models are loaded once and hold no state between recordings; nothing about a recording is kept or logged.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Literal

import numpy as np

from medalign.analysis import (
    Alignment,
    Analysis,
    Models,
    RecordingInfo,
    Timings,
    WindowAlignment,
)
from medalign.audio import Recording, load_recording
from medalign.concepts import ConceptBank, find_mentions
from medalign.errors import WeightsError
from medalign.student import DEFAULT_STUDENT, Student
from medalign.teacher import DEFAULT_TEACHER, Teacher
from medalign.testimony import Heard, findings, tracks
from medalign.transcript import Transcript
from medalign.transcription import DEFAULT_ASR, Transcriber, time_covered_s
from medalign.zero_shot import Reference, stored_concept_embeddings

Stage = Literal["decode", "transcribe", "teacher", "student"]

# Share of the whole job at which each stage begins, measured on the bundled examples on two CPU cores.
_BEGINS_AT = {"decode": 0.0, "transcribe": 0.02, "teacher": 0.80, "student": 0.88}
MIN_SPEECH_S = 0.5  # a window with less voice in it says nothing about concepts
DROPPED_SPEECH_S = 2.0  # this much voice without one written word is an alarm


@dataclass(frozen=True)
class Progress:
    """How far an analysis has come."""

    stage: Stage
    fraction: float  # of the whole job, 0 to 1
    remaining_s: float | None  # None until there is something to estimate from
    transcript: Transcript | None  # the segments so far
    message: str


class Analyzer:
    """A recogniser, a teacher, a student aligned with that teacher, and the concepts both look for."""

    def __init__(self, transcriber: Transcriber, teacher: Teacher, student: Student, reference: Reference, bank: ConceptBank):
        """Raises WeightsError if the student was aligned with another teacher: their spaces would not match."""
        aligned_with = (student.config.teacher, student.config.teacher_revision)
        if aligned_with[1] != teacher.info.revision:
            raise WeightsError(
                f"student '{student.info.name}' was aligned with teacher '{aligned_with[0]}' revision {aligned_with[1]}, "
                f"not '{teacher.info.name}' revision {teacher.info.revision}; "
                f"use --teacher {aligned_with[0]} or a student trained with this teacher"
            )
        self.transcriber, self.teacher, self.student = transcriber, teacher, student
        self.reference, self.bank = reference, bank
        self._concept_embeddings = stored_concept_embeddings(student.folder, teacher, bank.concepts)  # (k, d)

    @classmethod
    def default(
        cls,
        *,
        asr: str = DEFAULT_ASR,
        teacher: str = DEFAULT_TEACHER,
        student: str = DEFAULT_STUDENT,
        device: str = "auto",
    ) -> "Analyzer":
        """Load every model once; `device` is auto, cpu or cuda.

        Raises:
            WeightsError, CheckpointError: a name is unknown, or files are missing, altered or don't belong together.
        """
        device = choose_device(device)
        loaded = Student.from_pretrained(student, device=device)
        return cls(
            Transcriber(asr, device=device),
            Teacher(teacher, device=device),
            loaded,
            Reference.load(loaded.folder),
            ConceptBank.default(),
        )

    def analyze(self, path: str | PathLike) -> Analysis:
        """Listen to one recording. Raises AudioError with one clear sentence if it can't be used."""
        *_, analysis = self.stream(path)
        return analysis

    def stream(self, path: str | PathLike) -> Iterator[Progress | Analysis]:
        """The same, step by step: any number of `Progress`, then the `Analysis`."""
        clock = _Clock()
        yield clock.progress("decode", "Reading the recording")
        recording = load_recording(path)
        clock.lap("decode")

        transcript = Transcript(())
        yield clock.progress("transcribe", "Writing down what is said")
        for transcript in self.transcriber.stream(recording):
            done = time_covered_s(transcript) / recording.duration_s
            yield clock.progress("transcribe", "Writing down what is said", transcript, done)
        speech_s = self.transcriber.speech_s(recording)
        clock.lap("transcribe")

        yield clock.progress("teacher", "Finding clinical concepts in the text", transcript)
        mentions = find_mentions(transcript, self.bank)
        windows_s = self.student.windows(recording.duration_s)
        texts = [transcript.text_between(start_s, end_s) for start_s, end_s in windows_s]
        text = self._embed_texts(texts)
        clock.lap("teacher")

        yield clock.progress("student", "Listening to the audio itself", transcript)
        audio = self.student.embed(self.student.frames(recording.waveform), windows_s)
        heard = self._hear(windows_s, audio, speech_s)
        rows = findings(mentions, transcript, heard, text, self.bank, self._concept_embeddings, self.reference)
        alignment = self._align(windows_s, texts, text, audio, speech_s)
        clock.lap("student")
        yield Analysis(
            recording=RecordingInfo(
                recording.name,
                round(recording.duration_s, 3),
                recording.source_sample_rate_hz,
                recording.source_channels,
            ),
            models=Models(self.transcriber.info, self.teacher.info, self.student.info),
            transcript=transcript,
            concepts=rows,
            signs=(),
            alignment=Alignment(
                window_s=self.student.config.window_s,
                hop_s=self.student.config.hop_s,
                windows=alignment,
                tracks=tracks(rows, heard, self.bank),
                alarm_below_percentile=self.reference.alarm_below_percentile,
            ),
            warnings=_warnings(recording, transcript),
            timings_s=clock.timings(),
        )

    def _embed_texts(self, texts: list[str]) -> np.ndarray:
        """Teacher embeddings (n, d); zero rows where a window has no words."""
        embedded = np.zeros((len(texts), self.teacher.embed_dim), np.float32)
        spoken = [i for i, text in enumerate(texts) if text]
        embedded[spoken] = self.teacher.encode([texts[i] for i in spoken])
        return embedded

    def _hear(self, windows_s: list[tuple[float, float]], audio: np.ndarray, speech_s: np.ndarray) -> Heard:
        cosines = audio @ self._concept_embeddings.T  # (n, k)
        probabilities = self.reference.heard(cosines)
        silent = np.array([overlap_s(window, speech_s) < MIN_SPEECH_S for window in windows_s])
        probabilities[silent] = 0.0  # no voice, no testimony
        return Heard(tuple(windows_s), probabilities, cosines)

    def _align(
        self,
        windows_s: list[tuple[float, float]],
        texts: list[str],
        text: np.ndarray,
        audio: np.ndarray,
        speech_s: np.ndarray,
    ) -> tuple[WindowAlignment, ...]:
        scores = (audio * text).sum(1)
        percentiles = self.reference.percentile(audio, text)
        rows = []
        for i, (start_s, end_s) in enumerate(windows_s):
            if texts[i]:
                score, percentile = round(float(scores[i]), 4), round(float(percentiles[i]), 1)
                alarm = percentile < self.reference.alarm_below_percentile
            else:
                score = percentile = None
                alarm = overlap_s((start_s, end_s), speech_s) >= DROPPED_SPEECH_S
            rows.append(WindowAlignment(round(start_s, 3), round(end_s, 3), score, percentile, texts[i], alarm))
        return tuple(rows)


def choose_device(device: str) -> str:
    """`auto` is a GPU if PyTorch sees one; asking for one that isn't there is an error."""
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise WeightsError(f"unknown device '{device}'; use auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise WeightsError("device 'cuda' was asked for, but PyTorch sees no GPU; use --device cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def overlap_s(window_s: tuple[float, float], stretches_s: np.ndarray) -> float:
    """Seconds of the window that lie in any of the (n, 2) stretches."""
    start_s = np.maximum(stretches_s[:, 0], window_s[0])
    end_s = np.minimum(stretches_s[:, 1], window_s[1])
    return float(np.clip(end_s - start_s, 0, None).sum())


def _warnings(recording: Recording, transcript: Transcript) -> tuple[str, ...]:
    warnings = []
    if not transcript.segments:
        warnings.append("No speech detected. Check the microphone or the file, and record again.")
    if transcript.language not in (None, "en"):
        warnings.append(f"The speech seems to be '{transcript.language}'; concepts and alignment know English only.")
    if recording.source_channels == 2:
        warnings.append("Stereo was mixed down to one channel; speakers are not told apart.")
    return tuple(warnings)


class _Clock:
    """Wall time by stage, and the estimate of what is left."""

    def __init__(self) -> None:
        self._started = self._lap_started = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: Stage) -> None:
        now = time.perf_counter()
        self._laps[stage], self._lap_started = now - self._lap_started, now

    def progress(self, stage: Stage, message: str, transcript: Transcript | None = None, done: float = 0.0) -> Progress:
        """`done` is the share of this stage that is finished; only transcription can tell."""
        begins, ends = _BEGINS_AT[stage], _BEGINS_AT["teacher"] if stage == "transcribe" else _BEGINS_AT[stage]
        fraction = begins + (ends - begins) * min(done, 1.0)
        elapsed_s = time.perf_counter() - self._started
        remaining_s = elapsed_s * (1 - fraction) / fraction if done > 0 or stage in ("teacher", "student") else None
        return Progress(stage, fraction, remaining_s, transcript, message)

    def timings(self) -> Timings:
        rounded = {stage: round(seconds, 3) for stage, seconds in self._laps.items()}
        return Timings(**rounded, total=round(time.perf_counter() - self._started, 3))
