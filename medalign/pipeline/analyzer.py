"""The engine: one recording in, one `Analysis` out. App, command line and tests all call it.

Models are loaded once and hold no state between recordings; nothing about a recording is kept or logged.
"""

import os
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from medalign.concepts import Concept, Mention
from medalign.concepts.custom import asked_for, only_concepts
from medalign.concepts.language import is_english
from medalign.concepts.measurements import find_measurements
from medalign.concepts.notes import read_note
from medalign.core.alignment import Alignment
from medalign.core.analysis import Analysis, ConceptFinding, Correction, CriticalWord, Models, RecordingInfo
from medalign.core.audio import Recording, Source, recording_of
from medalign.core.editing import kept_corrections
from medalign.core.errors import DataError
from medalign.core.explanation import Explanation
from medalign.core.identity import Identity
from medalign.core.memory import return_freed_memory
from medalign.core.note_check import NoteCheck
from medalign.core.transcript import Transcript
from medalign.models.device import choose_device, note, noting
from medalign.models.status_classifier import StatusClassifier
from medalign.models.student import DEFAULT_STUDENT
from medalign.models.teacher import DEFAULT_TEACHER
from medalign.models.transcription import DEFAULT_ASR, Transcriber, load_transcriber
from medalign.pipeline.annotated import AnnotatedTranscript, align_windows
from medalign.pipeline.assertion import revised
from medalign.pipeline.critical_words import find_critical_words
from medalign.pipeline.evidence import TextEvidence, tracks
from medalign.pipeline.explanation import explain, utterance_points
from medalign.pipeline.fitted import NOT_CALIBRATED, files_of
from medalign.pipeline.heard_language import marked, other_language, outside, unheard, with_heard_language
from medalign.pipeline.hotword_rescoring import HotwordRescorer
from medalign.pipeline.interleave import END, interleave
from medalign.pipeline.listener import EncodedRecording, Listener
from medalign.pipeline.misheard_names import find_corrected_mentions, find_corrections
from medalign.pipeline.notes.check import check_note
from medalign.pipeline.progress import PACE, AudioPreview, Clock, Progress
from medalign.pipeline.repetitions import without_repetitions
from medalign.pipeline.speakers import name_speakers
from medalign.pipeline.warnings_about import is_from_a_room, warnings_about

TRANSCRIBING, ENCODING = "Writing down what is said", "Listening to the audio itself"
NICE = 10


class Analyzer:
    """A recogniser, which reads the recording as text, beside a `Listener`, which reads its audio."""

    def __init__(self, transcriber: Transcriber, listener: Listener):
        self.transcriber, self.listener = transcriber, listener
        self._pace = dict(PACE)  # of its own models on this machine

    @classmethod
    def default(
        cls, *, asr: str = DEFAULT_ASR, teacher: str = DEFAULT_TEACHER, student: str = DEFAULT_STUDENT, device: str = "auto"
    ) -> "Analyzer":
        """Load every model once; `device` is auto, cpu or cuda.

        Raises:
            WeightsError, CheckpointError: a name is unknown, or files are missing, altered or don't belong together.
        """
        transcriber = load_transcriber(asr, device=choose_device(device))
        return cls(transcriber, Listener.default(teacher=teacher, student=student, device=device))

    @property
    def models(self) -> Models:
        """Which they are, exactly."""
        recogniser, listener = self.transcriber.info, self.listener
        return Models(recogniser, listener.teacher.info, listener.student.info, StatusClassifier.load().info)

    @property
    def identity(self) -> Identity:
        """What decides an analysis beside the recording: the models, and all files of the student, as its fits."""
        return asdict(self.models) | {"student_files": files_of(self.listener.student)}

    def analyze(
        self, source: Source | Recording, custom: Sequence[Concept] = (), *, sample_rate_hz: int | None = None
    ) -> Analysis:
        """Listen to one recording.

        Args:
            source: a recording, or what `load_recording` decodes.
            sample_rate_hz: of an array of samples, and of nothing else.
            custom: concepts to look for beside the bank's, as `medalign.concepts.custom` reads them; no training needed.

        Raises:
            AudioError, DataError: recording or concepts can't be used; one clear sentence.
        """
        if sample_rate_hz is not None:
            source = recording_of(source, sample_rate_hz)
        *_, analysis = self.stream(source, custom)
        assert isinstance(analysis, Analysis)  # the last item is
        return analysis

    def stream(self, source: Source | Recording, custom: Sequence[Concept] = ()) -> Generator[Progress | Analysis, None, None]:
        """The same, step by step: any number of `Progress`, then the `Analysis`.

        The student listens while the recogniser writes: on two cores that costs the transcript next to nothing, and what
        the sound tells is there when the first sentences are. Either may be done first.
        """
        for step in self._steps(source, custom):
            return_freed_memory()
            yield step

    def _steps(self, source: Source | Recording, custom: Sequence[Concept]) -> Iterator[Progress | Analysis]:
        clock = Clock(self._pace)
        yield clock.progress("decode", "Reading the recording")
        recording, custom = recording_of(source), only_concepts(custom)
        clock.lap("decode")
        clock.duration_s = recording.duration_s
        notices = [] if self.listener.fitted.is_own else [NOT_CALIBRATED]
        transcript, encoded = yield from self._transcribe_and_encode(recording, custom, clock, notices)
        transcript, repetitions = without_repetitions(transcript)
        with noting(notices):
            transcript, invented = self.listener.without_invented(transcript, encoded, self.transcriber.info.revision)
            transcript = with_heard_language(transcript, encoded, self.listener)
        kept = replace(encoded, chunks=None)  # by the page, for as long as the recording is on it
        yield clock.progress("teacher", "Finding clinical concepts in the text", transcript, encoded=kept)
        with noting(notices):
            annotated = self.annotate(transcript, recording, encoded)
            return_freed_memory()
            parts = self._text_parts(annotated, encoded)
        clock.lap("teacher")
        transcript, events = annotated.transcript, encoded.sound_events if is_from_a_room(recording) else ()
        warnings = warnings_about(recording, transcript, repetitions, invented, annotated.other_language, events)
        duration_s, rate_hz = round(recording.duration_s, 3), recording.source_sample_rate_hz
        yield Analysis(
            recording=RecordingInfo(recording.name, duration_s, rate_hz, recording.source_channels),
            models=self.models,
            transcript=transcript,
            corrections=annotated.corrections,
            sound_events=events,
            warnings=(*warnings, *notices),
            timings_s=clock.timings(),
            **parts,
        )

    def _transcribe_and_encode(
        self, recording: Recording, custom: Sequence[Concept], clock: Clock, notices: list[str]
    ) -> Generator[Progress, None, tuple[Transcript, EncodedRecording]]:
        """Recogniser and student side by side; the transcript, and the recording as the student encoded it."""
        transcript: Transcript | None = None
        encoded: EncodedRecording | None = None
        preview: AudioPreview | None = None
        yield clock.progress("transcribe", TRANSCRIBING)
        sources = {"audio": self._encode(recording, custom), "text": self.transcriber.stream(recording)}
        unfinished = set(sources)
        with noting(notices):
            items = interleave(sources)
        for source, item in items:
            if item is END:
                unfinished.discard(source)
                if source == "text":
                    clock.lap("transcribe")
            elif source == "text":
                transcript = item
            else:
                encoded, seconds = item
                clock.note("student", seconds)
                preview = AudioPreview(self.listener.preview_concepts(encoded), encoded.windows_s[-1][1])
            if "text" in unfinished:
                yield clock.progress("transcribe", TRANSCRIBING, transcript, preview)
            elif unfinished:
                yield clock.progress("student", ENCODING, transcript, preview=preview)
        clock.begin()
        assert transcript is not None and encoded is not None  # each source gives at least one item
        return transcript, encoded

    def annotate(
        self, transcript: Transcript, recording: Recording, encoded: EncodedRecording, *, has_speakers: bool = False
    ) -> AnnotatedTranscript:
        """Who speaks, which names were misheard, and what is mentioned: all that is read from a recogniser's transcript.

        What is fitted on transcripts (`medalign.training.fitting`) is observed through this, too.

        Args:
            transcript: as the recogniser wrote it.
            has_speakers: `name_speakers` has already been there.
        """
        if not has_speakers:
            transcript = name_speakers(transcript, recording)
        corrections: tuple[Correction, ...] = ()
        scorer = self.transcriber.scorer
        if scorer is None:
            note("This recogniser can't weigh names by their sound, so no misheard medicine or disease is suggested.")
        elif is_english(transcript):
            has_heard = self.listener.student.hears_as(scorer.info)  # the same encoder, so that it need not run again
            rescorer = HotwordRescorer(scorer, recording, transcript, encoded.chunk if has_heard else None)
            corrections = find_corrections(transcript, encoded.evidence, encoded.bank, self.listener.calibration, rescorer)
        return self._annotated(transcript, corrections, encoded)

    def _annotated(
        self, transcript: Transcript, corrections: tuple[Correction, ...], encoded: EncodedRecording
    ) -> AnnotatedTranscript:
        mentions: tuple[Mention, ...] = ()
        elsewhere = other_language(transcript, encoded, self.listener)
        corrections = outside(corrections, elsewhere)
        if is_english(transcript):
            mentions = find_corrected_mentions(transcript, corrections, encoded.bank)
            own = asked_for(encoded.bank, self.listener.bank)
            mentions = outside(revised(transcript, outside(mentions, elsewhere), encoded.bank, asked_for=own), elsewhere)
        window_texts, text = self.listener.embed_window_texts(transcript, encoded)
        evidence = TextEvidence(transcript, text, encoded.audio, encoded.concept_embeddings, self.listener.calibration)
        return AnnotatedTranscript(transcript, corrections, mentions, elsewhere, window_texts, text, evidence)

    def _encode(self, recording: Recording, custom: Sequence[Concept]) -> Iterator[tuple[EncodedRecording, float]]:
        """What the student has encoded so far, and the seconds that it took; the last is all of it."""
        # With half of the cores: with all of them it was done no sooner, and the transcript came up to a second later.
        started, n_threads = time.perf_counter(), torch.get_num_threads()
        torch.set_num_threads(max(1, n_threads // 2))  # of this thread, and of those begun meanwhile
        if sys.platform == "linux":  # where a thread has a niceness of its own: the transcript is what people wait for
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        try:
            for encoded in self.listener.encode_stepwise(recording, custom):
                yield encoded, time.perf_counter() - started
        finally:
            torch.set_num_threads(n_threads)

    def reread(self, analysis: Analysis, transcript: Transcript, encoded: EncodedRecording) -> Analysis:
        """The same recording after a person has changed its transcript: concepts, numbers and alignment anew.

        Corrected names stay, except in segments that were rewritten. Nothing is transcribed again.

        Args:
            transcript: see `medalign.core.editing`.
            encoded: the recording, as `Listener.encode` gives it.
        """
        corrections = kept_corrections(analysis.transcript, transcript, analysis.corrections)
        parts = self._text_parts(self._annotated(transcript, corrections, encoded), encoded)
        return replace(analysis, transcript=transcript, corrections=corrections, **parts)

    def check_note(
        self,
        source: Source | Recording | None,
        note: str,
        *,
        analysis: Analysis | None = None,
        encoded: EncodedRecording | None = None,
    ) -> NoteCheck:
        """What a recording says of each statement of a note, and what the note lacks; see `medalign.pipeline.notes.check`.

        Args:
            source: a recording, or what `load_recording` decodes; None where there is an analysis and the sound is not at hand.
            note: plain text, markdown, FHIR or the JSON of an analysis.
            analysis: of this recording, where there is one already.
            encoded: the recording, as `Listener.encode` gives it, where it is there already.

        Raises:
            AudioError, DataError: recording or note can't be used; one clear sentence.
        """
        read_note(note)  # a note that can't be read is refused before any model works
        if source is not None and encoded is None:
            source = recording_of(source)
            encoded = self.listener.encode(source)
        if analysis is None:
            if source is None:
                raise DataError("there is neither a recording nor an analysis to check the note against; give one")
            analysis = self.analyze(source)
        return check_note(self.listener, analysis, note, encoded)

    def explain(self, transcript: Transcript, encoded: EncodedRecording, index: int) -> Explanation:
        """Why segment `index` got its score. Raises DataError if there is no such segment."""
        return explain(self.listener, transcript, encoded, index)

    def _text_parts(self, annotated: AnnotatedTranscript, encoded: EncodedRecording) -> dict[str, Any]:
        """The parts of an analysis that depend on the words."""
        listener, config = self.listener, self.listener.student.config
        transcript, mentions, elsewhere = annotated.transcript, annotated.mentions, annotated.other_language
        encoded = replace(encoded, evidence=unheard(encoded.evidence, elsewhere))
        rows: tuple[ConceptFinding, ...] = ()
        critical: tuple[CriticalWord, ...] = ()
        if is_english(transcript):
            rows = listener.find_concepts(mentions, annotated.corrections, annotated.evidence, encoded)
            critical = find_critical_words(transcript, annotated.corrections, encoded.bank, listener.calibration)
        audio, text = listener.embed_segments(transcript, encoded)
        return {
            "concepts": rows,
            "measurements": outside(find_measurements(transcript, mentions, encoded.bank), elsewhere),
            "critical_words": outside(critical, elsewhere),
            "alignment": Alignment(
                window_s=config.window_s,
                hop_s=config.hop_s,
                windows=align_windows(encoded, annotated, listener.calibration),
                tracks=tracks(rows, encoded.evidence, encoded.bank),
                mismatch_below_percentile=listener.calibration.low_percentile,
                segments=marked(listener.check_segments(transcript.segments, audio, text), elsewhere),
                points=utterance_points(transcript.segments, audio, text),
            ),
        }
