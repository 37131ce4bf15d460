"""Listening without writing: what a recording is about, and where a phrase sounds, from the student alone.

Nothing is decoded, so an hour is skimmed while its transcript has hardly begun. The same numbers are the student's side
of a full analysis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np
from torch import Tensor

from medalign.concepts import Concept, ConceptBank, Mention
from medalign.concepts.custom import extended
from medalign.core.analysis import ConceptFinding, Correction, SearchHit, SegmentCheck, SoundEvent
from medalign.core.audio import Recording, load_recording
from medalign.core.errors import DataError, WeightsError
from medalign.core.transcript import Segment, Transcript
from medalign.models.concept_embeddings import concept_embeddings, stored_concept_embeddings
from medalign.models.device import choose_device
from medalign.models.sound_events import SoundEventDetector
from medalign.models.student import DEFAULT_STUDENT, Student
from medalign.models.teacher import DEFAULT_TEACHER, Teacher
from medalign.models.transcription import speech_stretches
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.evidence import ALONE, AudioEvidence, TextEvidence, alternatives, findings
from medalign.pipeline.fusion import Fusion, candidate_concepts, fusion_features
from medalign.pipeline.segment_quality import MIN_SEGMENT_S, SegmentQuality, garbled_features, mismatch_features

MIN_SPEECH_S = 0.5  # a window with less voice in it says nothing about concepts
MAX_PHRASE = 300  # characters; a longer one is a paragraph, and no window sounds like it
N_HITS = 5
MORE = 1.5  # times what was heard before: pictures of an hour that grows cost little beside hearing it


@dataclass(frozen=True)
class EncodedRecording:
    """One recording, or its beginning, as the student heard it, and the concepts it was asked for."""

    frames: Tensor  # (n_frames, encoder_dim)
    windows_s: list[tuple[float, float]]
    audio: np.ndarray  # (n, d) a unit vector per window
    speech_s: np.ndarray  # (m, 2) stretches with a voice in them
    bank: ConceptBank  # with the user's own concepts
    concepts: np.ndarray  # (k, d) embeddings of the bank
    heard: AudioEvidence
    sound_events: tuple[SoundEvent, ...]  # coughs and the like, in order of time


class Listener:
    """A student, the teacher it was aligned with, and the concepts both look for."""

    def __init__(
        self,
        teacher: Teacher,
        student: Student,
        calibration: Calibration,
        bank: ConceptBank,
        *,
        detector: SoundEventDetector | None = None,
        alarm: SegmentQuality | None = None,
        fusion: Fusion | None = None,
    ):
        """
        Args:
            detector: of sound events; without one, none are found.
            alarm: of segments that should be heard again; without one, none are checked.
            fusion: of both witnesses; without it, each stands alone.

        Raises:
            WeightsError: the student was aligned with another teacher: their spaces would not match.
        """
        aligned_with = (student.config.teacher, student.config.teacher_revision)
        if aligned_with[1] != teacher.info.revision:
            raise WeightsError(
                f"student '{student.info.name}' was aligned with teacher '{aligned_with[0]}' revision {aligned_with[1]}, "
                f"not '{teacher.info.name}' revision {teacher.info.revision}; "
                f"use --teacher {aligned_with[0]} or a student trained with this teacher"
            )
        self.teacher, self.student, self.calibration, self.bank = teacher, student, calibration, bank
        self.detector, self.alarm, self.fusion = detector, alarm, fusion
        self._embeddings = stored_concept_embeddings(student.fitted_in, teacher, bank.concepts)  # (k, d)

    @classmethod
    def default(cls, *, teacher: str = DEFAULT_TEACHER, student: str = DEFAULT_STUDENT, device: str = "auto") -> "Listener":
        """Load teacher and student once; `device` is auto, cpu or cuda.

        Raises:
            WeightsError, CheckpointError: a name is unknown, or files are missing, altered or don't belong together.
        """
        device = choose_device(device)
        loaded = Student.from_pretrained(student, device=device)
        return cls(
            Teacher(teacher, device=device),
            loaded,
            Calibration.load(loaded.fitted_in),
            ConceptBank.default(),
            detector=SoundEventDetector.load(loaded.fitted_in, loaded.encoder.dim),
            alarm=SegmentQuality.load(loaded.fitted_in),
            fusion=Fusion.load(loaded.fitted_in),
        )

    def listen(self, recording: Recording, own: Sequence[Concept] = (), *, frames: Tensor | None = None) -> EncodedRecording:
        """The student's windows, its probability of each concept in each of them, and the signs that it hears.

        Args:
            frames: the student's, of the recording, where they are there already.
        """
        *_, whole = self.listening(recording, own, frames=frames)
        return whole

    def listening(
        self, recording: Recording, own: Sequence[Concept] = (), *, frames: Tensor | None = None
    ) -> Iterator[EncodedRecording]:
        """What has been heard so far, each time that it is half as much again, so that an hour need not be awaited.

        The last is `listen`'s; only that one has signs.
        """
        bank, concepts = self.bank, self._embeddings
        if own:
            bank = extended(bank, own)
            concepts = np.concatenate([concepts, concept_embeddings(self.teacher, own)])
        windows_s, speech_s = self.student.windows(recording.duration_s), speech_stretches(recording)
        rate = self.student.encoder.frames_per_s
        audio = np.zeros((0, concepts.shape[1]), np.float32)
        for so_far in self.student.frames_so_far(recording.waveform) if frames is None else (frames,):
            complete = [window for window in windows_s if round(window[1] * rate) <= len(so_far)]
            is_whole = len(complete) == len(windows_s)
            if not is_whole and len(complete) <= len(audio) * MORE:
                continue
            audio = np.concatenate([audio, self.student.embed(so_far, complete[len(audio) :])])
            cosines = audio @ concepts.T  # (n, k)
            probabilities = self.calibration.heard(cosines, len(self.bank))
            probabilities[_silent(complete, speech_s)] = 0.0  # no voice, no testimony
            heard = AudioEvidence(tuple(complete), probabilities, cosines)
            signs = self.detector.detect(so_far) if self.detector and is_whole else ()
            yield EncodedRecording(so_far, complete, audio, speech_s, bank, concepts, heard, signs)

    def compare(
        self,
        transcript: Transcript,
        mentions: tuple[Mention, ...],
        corrections: Sequence[Correction],
        heard: EncodedRecording,
        text: np.ndarray,
    ) -> tuple[ConceptFinding, ...]:
        """Both witnesses on each concept, side by side and as one probability.

        Args:
            mentions: with those that rest on a correction.
            text: (n_windows, d) the teacher's embeddings of the words in each window.
        """
        reading = TextEvidence(text, heard.audio, heard.concepts, self.calibration)
        fused, report_threshold = None, ALONE
        if self.fusion is not None:
            asked = candidate_concepts(mentions, heard.heard, heard.bank)
            features = fusion_features(asked, mentions, corrections, transcript, heard.heard, reading, heard.bank)
            fused = dict(zip(asked, self.fusion.probability(features).tolist(), strict=True))
            report_threshold = self.fusion.threshold
        threshold = self.calibration.student_threshold
        rows = findings(mentions, transcript, heard.heard, reading, heard.bank, threshold, fused, report_threshold)
        return tuple(replace(row, alternatives=alternatives(row.concept_id, heard.bank, heard.concepts)) for row in rows)

    def utterances(self, transcript: Transcript, heard: EncodedRecording) -> tuple[np.ndarray, np.ndarray]:
        """Each segment's sound and words in the shared space, two arrays (n_segments, d) of unit vectors."""
        segments = transcript.segments
        if not segments:
            return np.zeros((0, self.teacher.embed_dim), np.float32), np.zeros((0, self.teacher.embed_dim), np.float32)
        audio = self.student.embed(heard.frames, [(s.start_s, max(s.end_s, s.start_s + MIN_SEGMENT_S)) for s in segments])
        return audio, self.teacher.encode([segment.text for segment in segments])

    def check(self, segments: Sequence[Segment], audio: np.ndarray, text: np.ndarray) -> tuple[SegmentCheck, ...]:
        """Each segment of a transcript against its sound, in order; empty without an alarm.

        Args:
            audio, text: as `utterances` gives them.
        """
        if self.alarm is None or not segments:
            return ()
        mismatch = self.alarm.mismatch(mismatch_features(audio, text, text, segments, self.calibration.text))
        garbled = self.alarm.garbled(garbled_features(segments))
        checks = []
        for segment, score, m, g in zip(segments, (audio * text).sum(1), mismatch, garbled, strict=True):
            # A person has listened to words that they changed: the recogniser's doubt is not about those.
            garbles = g >= self.alarm.garbled_threshold and segment.original_text is None
            reason = "mismatch" if m >= self.alarm.mismatch_threshold else "garbled" if garbles else None
            checks.append(
                SegmentCheck(
                    segment.start_s, segment.end_s, round(float(score), 4), round(float(m), 4), round(float(g), 4), reason
                )
            )
        return tuple(checks)

    def read_windows(self, transcript: Transcript, heard: EncodedRecording) -> tuple[list[str], np.ndarray]:
        """The words in each window, and the teacher's embeddings (n, d) of them; zero rows where there are none."""
        texts = [transcript.text_between(start_s, end_s) for start_s, end_s in heard.windows_s]
        embedded = np.zeros((len(texts), self.teacher.embed_dim), np.float32)
        spoken = [i for i, text in enumerate(texts) if text]
        embedded[spoken] = self.teacher.encode([texts[i] for i in spoken])
        return texts, embedded

    def skim(self, path: str | PathLike, own: Sequence[Concept] = ()) -> tuple[ConceptFinding, ...]:
        """Concepts in the sound alone, the likeliest first. Raises AudioError if the recording can't be used."""
        return self.preview_concepts(self.listen(load_recording(path), own))

    def preview_concepts(self, heard: EncodedRecording) -> tuple[ConceptFinding, ...]:
        """What can be said before a word is written."""
        nothing = TextEvidence(np.zeros_like(heard.audio), heard.audio, heard.concepts, self.calibration)
        return findings((), Transcript(()), heard.heard, nothing, heard.bank, self.calibration.student_threshold)

    def search(self, path: str | PathLike, phrase: str, n_hits: int = N_HITS) -> tuple[SearchHit, ...]:
        """Where a recording sounds most like a phrase; see `find`. Raises AudioError if the recording can't be used."""
        phrase = _checked(phrase)
        return self.find(self.listen(load_recording(path)), phrase, n_hits)

    def find(self, heard: EncodedRecording, phrase: str, n_hits: int = N_HITS) -> tuple[SearchHit, ...]:
        """Where it sounds most like a phrase, the best place first; places don't overlap.

        Raises:
            DataError: the phrase is empty or too long.
        """
        text = np.repeat(self.teacher.encode([_checked(phrase)]), len(heard.windows_s), axis=0)
        scores = (heard.audio * text).sum(1)
        scores[_silent(heard.windows_s, heard.speech_s)] = -1.0
        percentiles = self.calibration.percentile(heard.audio, text)
        hits: list[SearchHit] = []
        for i in np.argsort(-scores, kind="stable"):
            start_s, end_s = heard.windows_s[i]
            if len(hits) == n_hits or scores[i] == -1.0:
                break
            if all(end_s <= hit.start_s or start_s >= hit.end_s for hit in hits):
                hits.append(
                    SearchHit(round(start_s, 3), round(end_s, 3), round(float(scores[i]), 4), round(float(percentiles[i]), 1))
                )
        return tuple(hits)


def _checked(phrase: str) -> str:
    phrase = " ".join(phrase.split())
    if not phrase or len(phrase) > MAX_PHRASE:
        raise DataError(f"a phrase of {len(phrase)} characters can't be searched for; give 1 to {MAX_PHRASE}")
    return phrase


def overlap_s(window_s: tuple[float, float], stretches_s: np.ndarray) -> float:
    """Seconds of the window that lie in any of the (n, 2) stretches."""
    start_s = np.maximum(stretches_s[:, 0], window_s[0])
    end_s = np.minimum(stretches_s[:, 1], window_s[1])
    return float(np.clip(end_s - start_s, 0, None).sum())


def _silent(windows_s: list[tuple[float, float]], speech_s: np.ndarray) -> np.ndarray:
    return np.array([overlap_s(window, speech_s) < MIN_SPEECH_S for window in windows_s])
