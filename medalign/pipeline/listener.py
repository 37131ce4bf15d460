"""What a recording is about, and where a phrase sounds, from its audio alone, by the student; and its text beside that.

Nothing is transcribed here, so an hour is previewed while its transcript has hardly begun. The same numbers are the audio side
of a full analysis.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from medalign.concepts import Concept, ConceptBank, Mention
from medalign.concepts.custom import extended, unknown_to
from medalign.core.alignment import Reason, SegmentCheck
from medalign.core.analysis import ConceptFinding, Correction, SoundEvent
from medalign.core.audio import Recording, Source, recording_of
from medalign.core.editing import by_recogniser
from medalign.core.errors import CheckpointError, WeightsError
from medalign.core.explanation import SearchHit, checked_phrase
from medalign.core.transcript import Segment, Transcript
from medalign.core.weights import is_revision
from medalign.models.borrowing import BorrowingStudent, BorrowingTeacher
from medalign.models.concept_embeddings import concept_embeddings, stored_concept_embeddings
from medalign.models.device import choose_device, on_zero_gpu
from medalign.models.frames import Chunks
from medalign.models.sound_events import SoundEventDetector
from medalign.models.spoken_language import SpokenLanguageHead
from medalign.models.student import DEFAULT_STUDENT, Student
from medalign.models.teacher import DEFAULT_TEACHER, Teacher
from medalign.models.transcription import speech_stretches
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.embedded_once import EmbeddedOnce
from medalign.pipeline.evidence import (
    AudioEvidence,
    FusedProbabilities,
    TextEvidence,
    alternatives,
    as_likely_as_suggested,
    findings,
    silent,
)
from medalign.pipeline.fitted import CURE, OF_EMBEDDINGS, fitted_for
from medalign.pipeline.fusion import candidate_concepts, fusion_features
from medalign.pipeline.heard_language import heard_in_english
from medalign.pipeline.invented_words import InventedWords, without_invented
from medalign.pipeline.segment_quality import MIN_SEGMENT_S, mismatch_features, transcription_error_features

N_HITS = 5
MORE = 1.5  # times what was encoded before: previews of an hour that grows cost little beside encoding it


@dataclass(frozen=True)
class EncodedRecording:
    """One recording, or its beginning, as the student encoded it, and the concepts it was asked for."""

    frames: Tensor  # (n_frames, encoder_dim) hidden states
    windows_s: list[tuple[float, float]]
    audio: np.ndarray  # (n, d) embedding of each window
    speech_s: np.ndarray  # (m, 2) stretches with a voice in them
    bank: ConceptBank  # with the user's custom concepts
    concept_embeddings: np.ndarray  # (k, d) of the bank
    evidence: AudioEvidence
    sound_events: tuple[SoundEvent, ...]  # coughs and the like, in order of time
    chunks: Chunks | None = None  # that the frames are of, while the recording is analysed
    embedded: EmbeddedOnce = field(default_factory=EmbeddedOnce)  # segments and texts

    def chunk(self, start_s: float) -> np.ndarray | None:
        """The encoder's hidden states (n_frames, encoder_dim) of the whole chunk that begins there, if there is one."""
        whole = None if self.chunks is None else self.chunks.whole(start_s, self.frames)
        return None if whole is None else whole.numpy()


class Listener:
    """A student, the teacher it was aligned with, and the concepts both look for. Holds no state between recordings."""

    def __init__(
        self,
        teacher: Teacher,
        student: Student,
        calibration: Calibration,
        bank: ConceptBank,
        *,
        detector: SoundEventDetector | None = None,
        spoken_language: SpokenLanguageHead | None = None,
    ):
        """
        Args:
            detector: of sound events; without one, none are found.
            spoken_language: without it, another language is told by its words only.

        Raises:
            WeightsError: the student was aligned with another teacher: their spaces would not match.
        """
        aligned_with = (student.config.teacher, student.config.teacher_revision)
        if not is_revision(aligned_with[1], teacher.info.revision):
            refusal = WeightsError(
                f"student '{student.info.name}' was aligned with teacher '{aligned_with[0]}' revision {aligned_with[1]}, "
                f"not '{teacher.info.name}' revision {teacher.info.revision}; "
                f"use --teacher {aligned_with[0]} or a student trained with this teacher"
            )
            refusal.for_readers = (
                f"The ear “{student.info.name}” has learnt from the words as “{aligned_with[0]}” reads them; with "
                f"“{teacher.info.name}” it can't be compared. Choose an ear that was aligned with that one, both in one field: "
                f"student=FOLDER, teacher={teacher.info.name}"
            )
            raise refusal
        self.teacher, self.student, self.calibration, self.bank = teacher, student, calibration, bank
        self.detector, self.spoken_language, self.fitted = detector, spoken_language, fitted_for(student)
        self._concept_embeddings = stored_concept_embeddings(self.fitted.folder, teacher, bank.concepts)  # (k, d)

    @classmethod
    def default(cls, *, teacher: str = DEFAULT_TEACHER, student: str = DEFAULT_STUDENT, device: str = "auto") -> "Listener":
        """Load teacher and student once; `device` is auto, cpu or cuda.

        Raises:
            WeightsError, CheckpointError: a name is unknown, or files are missing, altered or don't belong together.
        """
        if on_zero_gpu() and device != "cpu":
            loaded: Student = BorrowingStudent.from_pretrained(student)
            reader: Teacher = BorrowingTeacher(teacher)
        else:
            device = choose_device(device)
            loaded, reader = Student.from_pretrained(student, device=device), Teacher(teacher, device=device)
        fitted, dim = fitted_for(loaded), loaded.encoder.dim
        detector = SoundEventDetector.load(fitted.detectors, dim) if fitted.detectors else None
        language = SpokenLanguageHead.load(fitted.detectors, dim) if fitted.detectors else None
        calibration, bank = Calibration.load(fitted.folder, reader.embed_dim), ConceptBank.default()
        if not fitted.is_own:
            calibration = replace(calibration.without(*OF_EMBEDDINGS), low_percentile=0.0)
        return cls(reader, loaded, calibration, bank, detector=detector, spoken_language=language)

    def with_calibration(self, calibration: Calibration) -> "Listener":
        """The same models with other fits."""
        other = copy.copy(self)
        other.calibration = calibration
        return other

    def encode(self, recording: Recording, custom: Sequence[Concept] = (), *, frames: Tensor | None = None) -> EncodedRecording:
        """The student's windows, its probability of each concept in each of them, and sound events.

        Args:
            custom: concepts to look for beside the bank's.
            frames: the student's, of the recording, where they are there already.
        """
        *_, whole = self.encode_stepwise(recording, custom, frames=frames)
        return whole

    def encode_stepwise(
        self, recording: Recording, custom: Sequence[Concept] = (), *, frames: Tensor | None = None
    ) -> Iterator[EncodedRecording]:
        """What has been encoded so far, each time that it is half as much again; the last, all of it, has sound events, too."""
        bank, concepts = self.bank, self._concept_embeddings
        is_fitted = [concept.concept_id in self.calibration.concepts for concept in bank.concepts]
        new = unknown_to(bank, custom)
        fitted = np.array(is_fitted + [False] * len(new))  # (k,)
        reportable = np.array(is_fitted + [True] * len(new))  # what somebody asks for is reported, though no fit knows it
        bank = extended(bank, custom) if custom else bank
        if new:
            concepts = np.concatenate([concepts, concept_embeddings(self.teacher, new)])
        windows_s, speech_s = self.student.windows(recording.duration_s), speech_stretches(recording)
        rate = self.student.encoder.frames_per_s
        threshold = self.calibration.fits["concept in audio"].threshold
        audio = np.zeros((0, concepts.shape[1]), np.float32)
        chunks = None if frames is not None else Chunks.of(self.student.encoder)
        for so_far in self.student.frames_so_far(recording.levelled, chunks) if frames is None else (frames,):
            complete = [window for window in windows_s if round(window[1] * rate) <= len(so_far)]
            is_whole = len(complete) == len(windows_s)
            if not is_whole and len(complete) <= len(audio) * MORE:
                continue
            audio = np.concatenate([audio, self.student.embed(so_far, complete[len(audio) :])])
            cosines = audio @ concepts.T  # (n, k)
            probabilities = self.calibration.concept_probability(cosines, fitted)
            probabilities[silent(complete, speech_s)] = 0.0  # no voice, no evidence
            probabilities *= self.fitted.is_own  # nor is there any in cosines on which nothing was fitted
            evidence = AudioEvidence(tuple(complete), probabilities, cosines, threshold, reportable)
            events = self.detector.detect(so_far) if self.detector and is_whole else ()
            yield EncodedRecording(so_far, complete, audio, speech_s, bank, concepts, evidence, events, chunks)

    def find_concepts(
        self, mentions: Sequence[Mention], corrections: Sequence[Correction], text: TextEvidence, encoded: EncodedRecording
    ) -> tuple[ConceptFinding, ...]:
        """Transcript and audio on each concept, side by side and as one probability.

        Args:
            mentions: with those that rest on a correction.
        """
        fused = None
        if (fit := self.calibration.fits.get("fusion")) is not None:
            candidates = candidate_concepts(mentions, encoded.evidence, encoded.bank)
            features = fusion_features(candidates, mentions, corrections, text, encoded.evidence, encoded.bank)
            fused = FusedProbabilities(dict(zip(candidates, fit.probability(features).tolist(), strict=True)), fit.threshold)
        bank, embeddings = encoded.bank, encoded.concept_embeddings
        rows = [as_likely_as_suggested(r, corrections) for r in findings(mentions, text, encoded.evidence, bank, fused)]
        return tuple(replace(row, alternatives=alternatives(row.concept_id, bank, embeddings)) for row in rows)

    def embed_segments(self, transcript: Transcript, encoded: EncodedRecording) -> tuple[np.ndarray, np.ndarray]:
        """Each segment's audio and words in the shared space, two arrays (n_segments, d) of unit vectors."""
        segments = transcript.segments
        if not segments:
            return np.zeros((0, self.teacher.embed_dim), np.float32), np.zeros((0, self.teacher.embed_dim), np.float32)
        stretches = [(s.start_s, max(s.end_s, s.start_s + MIN_SEGMENT_S)) for s in segments]
        embedded = encoded.embedded
        audio = embedded.rows(stretches, lambda new: self.student.embed(encoded.frames, new))
        return audio, embedded.rows([segment.text for segment in segments], self.teacher.encode)

    def without_invented(
        self, transcript: Transcript, encoded: EncodedRecording, asr_revision: str
    ) -> tuple[Transcript, tuple[InventedWords, ...]]:
        """The transcript without what was written over coughs and the like, and that; unchanged if nobody fitted it."""
        if self.detector is None or (fit := self.calibration.fits.get("invented words")) is None:
            return transcript, ()
        threshold = self.calibration.threshold("invented words", asr_revision)
        return without_invented(transcript, self.detector.lead(encoded.frames), fit, threshold)

    def check_segments(self, segments: Sequence[Segment], audio: np.ndarray, text: np.ndarray) -> tuple[SegmentCheck, ...]:
        """Each segment of a transcript against its sound, in order; empty if the student has no such fits.

        Args:
            audio, text: as `embed_segments` gives them.
        """
        fits = self.calibration.fits
        if not segments or "mismatch" not in fits or "transcription error" not in fits:
            return ()
        features = mismatch_features(audio, text, text, segments, self.calibration.distractors)
        mismatch = fits["mismatch"].probability(features).round(4).tolist()
        # A person has listened to words that they changed: the recogniser's doubt is about the others, where these are more.
        kept = [sum(by_recogniser(segment)) * 2 >= len(segment.words) for segment in segments]
        doubted = [i for i, s in enumerate(segments) if kept[i] and s.mean_log_probability is not None]
        errors: dict[int, float] = {}
        if doubted:
            features = transcription_error_features([segments[i] for i in doubted])
            errors = dict(zip(doubted, fits["transcription error"].probability(features).round(4).tolist(), strict=True))
        checks = []
        for i, (segment, score) in enumerate(zip(segments, (audio * text).sum(1), strict=True)):
            reason: Reason | None = None
            if mismatch[i] >= fits["mismatch"].threshold:
                reason = "mismatch"
            elif errors.get(i, 0.0) >= fits["transcription error"].threshold:
                reason = "transcription_error"
            rounded = round(float(score), 4)
            checks.append(SegmentCheck(segment.start_s, segment.end_s, rounded, mismatch[i], errors.get(i), reason))
        return tuple(checks)

    def embed_window_texts(self, transcript: Transcript, encoded: EncodedRecording) -> tuple[list[str], np.ndarray]:
        """The words in each window, and the teacher's embeddings (n, d) of them; zero rows where there are none."""
        texts = [transcript.text_between(*window) for window in encoded.windows_s]
        embedded = np.zeros((len(texts), self.teacher.embed_dim), np.float32)
        if spoken := [i for i, text in enumerate(texts) if text]:
            embedded[spoken] = encoded.embedded.rows([texts[i] for i in spoken], self.teacher.encode)
        return texts, embedded

    def preview(self, source: Source | Recording, custom: Sequence[Concept] = ()) -> tuple[ConceptFinding, ...] | None:
        """See `preview_concepts`. Raises AudioError if the recording can't be used."""
        return self.preview_concepts(self.encode(recording_of(source), custom))

    def preview_concepts(self, encoded: EncodedRecording) -> tuple[ConceptFinding, ...] | None:
        """Concepts in the audio alone, the likeliest first; None where another language is likelier than English."""
        evidence = heard_in_english(encoded, self)
        if evidence is None:
            return None
        rows = findings((), None, evidence, encoded.bank)
        return tuple(sorted(rows, key=lambda row: -row.student.probability if row.student else 0.0))

    def search(self, source: Source | Recording, phrase: str, n_hits: int = N_HITS) -> tuple[SearchHit, ...]:
        """Where a recording sounds most like a phrase; see `find`. Raises AudioError if the recording can't be used."""
        phrase = checked_phrase(phrase)
        return self.find(self.encode(recording_of(source)), phrase, n_hits)

    def find(self, encoded: EncodedRecording, phrase: str, n_hits: int = N_HITS) -> tuple[SearchHit, ...]:
        """Where it sounds most like a phrase, the likeliest place first; places don't overlap.

        `SearchHit.is_likely` tells whether the phrase may be said there at all, measured as a concept is. In the six
        examples 0.4 % of the bank's labels that nobody says pass (29 % if the 99th percentile among distractors
        counts), and of those that are said 48 %.

        Raises:
            DataError: the phrase is empty or too long.
            CheckpointError: nothing was fitted for this student yet.
        """
        if not self.fitted.is_own:
            raise CheckpointError(f"a search by sound needs fits, and there are none yet: {CURE.format(self.student.folder)}")
        scores = encoded.audio @ self.teacher.encode([checked_phrase(phrase)])[0]  # (n,)
        fitted = np.array([concept.concept_id in self.calibration.concepts for concept in encoded.bank.concepts] + [False])
        cosines = np.column_stack([encoded.audio @ encoded.concept_embeddings.T, scores])  # (n, k + 1)
        probabilities = self.calibration.concept_probability(cosines, fitted)[:, -1]
        is_silent = silent(encoded.windows_s, encoded.speech_s)
        hits: list[SearchHit] = []
        for i in np.lexsort((-scores, -probabilities)):
            start_s, end_s = encoded.windows_s[i]
            if len(hits) == n_hits:
                break
            if not is_silent[i] and all(end_s <= hit.start_s or start_s >= hit.end_s for hit in hits):
                score, probability = round(float(scores[i]), 4), round(float(probabilities[i]), 4)
                is_likely = bool(probabilities[i] >= encoded.evidence.threshold)
                hits.append(SearchHit(round(start_s, 3), round(end_s, 3), score, probability, is_likely))
        return tuple(hits)
