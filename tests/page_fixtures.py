"""A hand-made analysis and an engine that returns it: every state of the page without a model, in milliseconds.

The real engine meets the page in `test_page.py`; here are the states that a real recording can't be made to produce on
demand (a failing stage, a mismatch at a known second, hostile text).
"""

import json
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from medalign.concepts import Concept
from medalign.concepts.notes import read_note
from medalign.core.alignment import Alignment, ConceptTrack, SegmentCheck, UtterancePoint, WindowAlignment
from medalign.core.analysis import (
    Analysis,
    ConceptFinding,
    Correction,
    Evidence,
    Measurement,
    ModelInfo,
    Models,
    RecordingInfo,
    SoundEvent,
    Source,
    Timings,
)
from medalign.core.audio import Recording
from medalign.core.errors import DataError, MedAlignError
from medalign.core.examples import unaligned_path
from medalign.core.explanation import Explanation, SearchHit
from medalign.core.note_check import LeftOut, NoteCheck, NoteStatement
from medalign.core.transcript import Segment, Transcript, Word
from medalign.report.comparison import Candidate

if TYPE_CHECKING:  # models take seconds to import, and every process of a test run imports this file
    from medalign.pipeline.listener import EncodedRecording

DURATION_S = 48.0
LINES = (
    (1.0, "Doctor", "Good morning, what brings you in today?"),
    (5.0, "Patient", "I have had a cough for three weeks and it keeps me awake."),
    (12.0, "Doctor", "Any fever or shortness of breath?"),
    (16.0, "Patient", "No shortness of breath, but I may have had a fever on Monday."),
    (23.0, "Patient", "My mother had asthma and I had pneumonia two years ago."),
    (30.0, "Doctor", "Let me listen to your chest."),
    (38.0, "Doctor", "If it gets worse we will start amoxicillin."),
)
WORD_S = 0.4
HOLD_S = 120  # nobody lets a run go on after a test that failed


def transcript() -> Transcript:
    """Words every 0.4 s from the start of their line; "Monday" is unclear, "awake" less clear."""
    doubts = {"Monday.": 0.31, "awake.": 0.7}
    segments = []
    for start_s, speaker, line in LINES:
        words = tuple(
            Word(round(start_s + i * WORD_S, 2), round(start_s + (i + 1) * WORD_S, 2), w, doubts.get(w, 0.97))
            for i, w in enumerate(line.split())
        )
        segments.append(Segment(start_s, words[-1].end_s, line, words, speaker))
    return Transcript(tuple(segments), "en")


def _said(quote: str) -> Evidence:
    """The seconds of the words of `quote` in the transcript."""
    wanted = quote.split()
    words = transcript().words
    for i in range(len(words)):
        if [w.text.strip(",.?").lower() for w in words[i : i + len(wanted)]] == wanted:
            return Evidence(words[i].start_s, words[i + len(wanted) - 1].end_s, quote)
    raise AssertionError(f"{quote!r} is not in the transcript")


def _concept(label, code, category, status, trigger, teacher, student, agreement, system="HPO") -> ConceptFinding:
    concept_id = f"{system}:{code}"
    if teacher:
        teacher = replace(teacher, evidence=tuple(replace(place, trigger=trigger) for place in teacher.evidence))
    return ConceptFinding(concept_id, system, code, label, category, status, trigger, teacher, student, agreement)


def concepts() -> tuple[ConceptFinding, ...]:
    def read(p, quote):
        return Source(p, 0.41, (_said(quote),))

    def heard(p, start_s):
        return Source(p, 0.22, (Evidence(start_s, start_s + 6.0),))

    silent = Source(0.12, 0.03)
    return (
        _concept("Cough", "HP:0012735", "finding", "present", None, read(0.96, "cough"), heard(0.83, 6.0), "both"),
        _concept("Dyspnea", "HP:0002094", "finding", "negated", "no", read(0.93, "shortness of breath"),
                 heard(0.61, 15.0), "both"),
        _concept("Fever", "HP:0001945", "finding", "uncertain", "may", read(0.72, "fever"), silent, "teacher_only"),
        _concept("Asthma", "J45.909", "diagnosis", "family", "my mother", read(0.9, "asthma"), silent, "teacher_only",
                 "ICD-10-CM"),
        _concept("Pneumonia", "J18.9", "diagnosis", "historical", "two years ago", read(0.88, "pneumonia"),
                 heard(0.7, 24.0), "both", "ICD-10-CM"),
        _concept("Amoxicillin", "amoxicillin", "medicine", "hypothetical", "if", read(0.91, "amoxicillin"), silent,
                 "teacher_only", "DRUG"),
        _concept("Wheezing", "HP:0030828", "finding", None, None, Source(0.08, 0.01), heard(0.66, 33.0),
                 "student_only"),
        _concept("Hip pain", "HP:0030838", "finding", None, None, None, heard(0.13, 20.0), "student_only"),
    )  # fmt: skip


def _measured(concept_id: str) -> tuple[Measurement, ...]:
    said = _said("three weeks")
    return (Measurement("duration", "3", "weeks", said.text, said.start_s, said.end_s, concept_id),)


def _misheard() -> tuple[Correction, ...]:
    """The last word but one of the transcript, taken for a name."""
    words = transcript().words
    at = next(i for i, word in enumerate(words) if word.text == "Monday.")
    return (Correction(at, at, "Monday", "amoxicillin", "DRUG:amoxicillin", 0.93, words[at].start_s, words[at].end_s),)


def analysis() -> Analysis:
    """48 s; nine windows, the one at 30-36 s with a mismatch, the one at 44-48 s without words."""
    said = transcript()
    starts = [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 44.0]
    percentiles = [99.9, 100.0, 99.6, 99.9, 100.0, 99.2, 62.0, 99.8, None]
    windows = tuple(
        WindowAlignment(s, min(s + 6.0, DURATION_S), None if p is None else p / 400, p,
                        "" if p is None else said.text_between(s, s + 6.0), p == 62.0)
        for s, p in zip(starts, percentiles, strict=True)
    )  # fmt: skip
    found = concepts()
    tracks = tuple(
        ConceptTrack(c.concept_id, c.label, tuple(round(0.1 + 0.08 * ((i * 3 + k * 5) % 10), 2) for i in range(9)))
        for k, c in enumerate(found)
    )
    return Analysis(
        RecordingInfo("consultation.wav", DURATION_S, 44_100, 1),
        Models(
            ModelInfo("tiny.en", "a1b2c3d4"),
            ModelInfo("all-MiniLM-L6-v2", "e5f6"),
            ModelInfo("default", "0718"),
            ModelInfo("status", "2929"),
        ),
        said,
        found,
        _measured(found[0].concept_id),
        _misheard(),
        (SoundEvent("cough", 34.0, 35.0, 0.78),),
        Alignment(6.0, 5.0, windows, tracks, 99.0, _checks(said), _points(said)),
        ("The recording is quiet; words may be missed.",),
        Timings(0.1, 2.2, 0.3, 0.5, 3.1),
    )


def _checks(said: Transcript) -> tuple[SegmentCheck, ...]:
    """The second segment does not fit its sound, the third may be wrong."""
    reasons = {1: "mismatch", 2: "transcription_error"}
    return tuple(SegmentCheck(s.start_s, s.end_s, 0.3, 0.1, 0.1, reasons.get(i)) for i, s in enumerate(said.segments))


def _points(said: Transcript) -> tuple[UtterancePoint, ...]:
    return tuple(
        UtterancePoint(s.start_s, s.end_s, (0.1 * i, (i % 3) / 10), (0.1 * i + 0.02, (i % 3) / 10 + 0.03))
        for i, s in enumerate(said.segments)
    )


def long_analysis(minutes: int = 60, n_concepts: int = 40) -> Analysis:
    """As long and as full as a recording may be: what the page must still carry."""
    full = analysis()
    duration_s = minutes * 60.0
    line = "and then the pain came back at night so I took some more of the tablets"
    words = line.split()
    segments = []
    for i in range(int(duration_s // 6)):
        said = tuple(Word(6.0 * i + 0.4 * k, 6.0 * i + 0.4 * k + 0.4, w, 0.9 if k % 7 else 0.4) for k, w in enumerate(words))
        segments.append(Segment(6.0 * i, 6.0 * i + 6.0, " ".join(words), said, "doctor" if i % 2 else "patient"))
    starts = np.arange(0.0, duration_s - 3.0, 3.0)
    windows = tuple(
        WindowAlignment(float(s), float(s) + 6.0, 0.3, 99.0 + (i % 10) / 10, " ".join(words), False)
        for i, s in enumerate(starts)
    )
    concepts = tuple(
        replace(full.concepts[0], concept_id=f"HP:{k}", code=f"HP:{k}", label=f"Finding number {k}",
                agreement="both" if k % 2 else "teacher_only",
                teacher=Source(0.9, 0.4, tuple(Evidence(60.0 * m + k, 60.0 * m + k + 1, "pain") for m in range(10))))
        for k in range(n_concepts)
    )  # fmt: skip
    rng = np.random.default_rng(0)
    tracks = tuple(
        ConceptTrack(c.concept_id, c.label, tuple(rng.uniform(0, 1, len(windows)).round(4).tolist())) for c in concepts
    )
    said = Transcript(tuple(segments), "en")
    alignment = Alignment(6.0, 3.0, windows, tracks, 99.0, (), _points(said))
    return replace(
        full, recording=replace(full.recording, duration_s=duration_s), transcript=said, concepts=concepts, measurements=(),
        corrections=(), sound_events=(), alignment=alignment,
    )  # fmt: skip


def silent_analysis(mismatch_window: int | None = None) -> Analysis:
    """The same recording if no word was written; one window may hold speech all the same."""
    full = analysis()
    windows = tuple(
        replace(w, score=None, percentile=None, transcript_text="", is_mismatch=i == mismatch_window)
        for i, w in enumerate(full.alignment.windows)
    )
    alignment = replace(full.alignment, windows=windows, tracks=(), segments=(), points=())
    return replace(
        full,
        transcript=Transcript(()),
        concepts=(),
        measurements=(),
        corrections=(),
        sound_events=(),
        alignment=alignment,
        warnings=(),
    )


def hostile_analysis() -> Analysis:
    """A recording whose words and name try to become markup."""
    full = analysis()
    evil = '<img src=x onerror="document.title=1"> ${1+1} {{value}} </button>'
    word = Word(1.0, 2.0, evil, 0.2)
    segments = (Segment(1.0, 2.0, evil, (word,), evil), *full.transcript.segments)
    windows = tuple(replace(w, transcript_text=evil) for w in full.alignment.windows)
    concepts = tuple(
        replace(c, trigger=evil, teacher=c.teacher and replace(c.teacher, evidence=(Evidence(1.0, 2.0, evil),)))
        for c in full.concepts
    )
    return replace(
        full, transcript=Transcript(segments, "en"), recording=replace(full.recording, name=evil + ".wav"),
        measurements=tuple(replace(m, text=evil) for m in full.measurements),
        corrections=tuple(replace(c, said=evil, name=evil) for c in full.corrections),
        warnings=(evil,), alignment=replace(full.alignment, windows=windows), concepts=concepts,
    )  # fmt: skip


@dataclass(frozen=True)
class Example:
    """What the page offers to press."""

    title: str
    summary: str
    audio_path: Path
    analysis_path: Path | None = None


@dataclass
class FakeEngine:
    """Streams a finished analysis stage by stage; can fail at a stage, or stand still there until it is let go on."""

    result: Analysis
    fail_at: str | None = None
    error: Exception | None = None
    hold_at: str | None = None  # the page shows that this stage has begun, and nothing later until `go_on` is set
    go_on: threading.Event = field(default_factory=threading.Event)
    went_on: threading.Event = field(default_factory=threading.Event)
    asked: Sequence[Concept] = ()  # the user's own concepts of the last call
    given: list[Recording] = field(default_factory=list)

    def stream(self, recording: Recording, custom: Sequence[Concept] = ()) -> Iterator[object]:
        from medalign.pipeline.progress import AudioPreview

        self.asked = custom
        self.given.append(recording)
        said = self.result.transcript
        heard = tuple(c for c in self.result.concepts if c.agreement == "student_only")
        stages = [("decode", 0.02, None), ("student", 0.05, None)]
        n = len(said.segments)
        for i in sorted({min(1, n), n} - {0}):  # each is drawn, which takes longest
            stages.append(("transcribe", 0.6 * i / n, Transcript(said.segments[:i], "en")))
        stages += [("teacher", 0.85, said)]
        for stage, fraction, so_far in stages:
            preview = None if stage in ("decode", "student") else AudioPreview(heard, self.result.recording.duration_s)
            yield SimpleNamespace(
                stage=stage, fraction=fraction, remaining_s=12.0, transcript=so_far, message="", preview=preview, encoded=None
            )
            if stage == self.fail_at:
                raise self.error or MedAlignError("the teacher's folder is gone; give --teacher another name")
            if stage == self.hold_at:
                assert self.go_on.wait(HOLD_S), f"held at {stage} for {HOLD_S} s"
                self.went_on.set()
        yield self.result

    def let_go(self) -> None:
        """Returns once a run that was held has gone on."""
        self.go_on.set()
        assert self.went_on.wait(HOLD_S), f"no run was held at {self.hold_at}"

    def analyze(self, recording: Recording, custom: Sequence[Concept] = ()) -> Analysis:
        *_, last = self.stream(recording, custom)
        return last

    def reread(self, analysis: Analysis, transcript: Transcript, heard: object) -> Analysis:
        """Fever goes with its word: enough to see that concepts are read anew."""
        kept = tuple(c for c in analysis.concepts if c.label != "Fever" or "fever" in transcript.text)
        return replace(analysis, transcript=transcript, concepts=kept, corrections=())

    def explain(self, transcript: Transcript, heard: object, index: int) -> Explanation:
        from medalign.pipeline.explanation import explain

        return explain(self.listener, transcript, heard, index)

    def check_note(self, source: object, note: str, *, analysis: Analysis, encoded: object = None) -> NoteCheck:
        """Lines with "never" are not found, lines with "wrong" contradicted, others supported by the first words."""
        _, clauses = read_note(note)
        first = analysis.transcript.segments[0]
        evidence = (Evidence(first.start_s, first.end_s, first.text),)
        rows = []
        for c in clauses:
            verdict = "not_found" if "never" in c.text else "contradicted" if "wrong" in c.text else "supported"
            rows.append(
                NoteStatement(c.text, c.label, c.start, c.end, verdict, 0.5, evidence, "a reason",
                              "words" if verdict == "supported" else None, 0.1, None)
            )  # fmt: skip
        left = (LeftOut("HP:0001945", "fever", "present", 0.6, "finding", evidence),)
        return NoteCheck(analysis.recording, analysis.models, note, tuple(rows), left, 0.9, ())

    @property
    def listener(self) -> "FakeListener":
        return FakeListener()


def load_candidate(candidate: Candidate) -> tuple[FakeEngine, int]:
    """The shipped one sees everything; base lacks the cough and writes another day; unaligned sees what shipped does."""
    full = analysis()
    models = replace(full.models, student=ModelInfo(candidate.student, "1"), asr=ModelInfo(candidate.asr, "2"))
    seen = replace(full, models=models)
    if candidate.asr == "base":
        segments = list(seen.transcript.segments)
        words = tuple(replace(w, text="Sunday.") if w.text == "Monday." else w for w in segments[3].words)
        segments[3] = replace(segments[3], words=words, text=segments[3].text.replace("Monday", "Sunday"))
        seen = replace(seen, concepts=seen.concepts[1:], transcript=replace(seen.transcript, segments=tuple(segments)))
    return FakeEngine(seen), 100 * 2**20


class FakeListener:
    """Answers what the page asks of the sound: embeddings of its own making, the same for the same input."""

    def __init__(self) -> None:
        self.student = SimpleNamespace(embed=lambda frames, stretches_s: np.stack([_vector(s) for s in stretches_s]))
        self.teacher = SimpleNamespace(encode=lambda texts: np.stack([_vector(t) for t in texts]))
        self.calibration = SimpleNamespace(distractors=np.stack([_vector(i) for i in range(200)]))

    def encode(self, recording: object, custom: Sequence[Concept] = ()) -> "EncodedRecording":
        import torch

        from medalign.pipeline.listener import EncodedRecording

        empty = np.zeros((0, 8), np.float32)
        return EncodedRecording(torch.zeros(10, 8), [], empty, np.zeros((0, 2)), None, empty, None, ())

    def find(self, heard: object, phrase: str) -> tuple[SearchHit, ...]:
        if not phrase.strip():
            raise DataError("a phrase of 0 characters can't be searched for; give 1 to 300")
        return (SearchHit(15.0, 21.0, 0.41, 0.8, True), SearchHit(35.0, 41.0, 0.11, 0.02, False))


def _vector(seed: object) -> np.ndarray:
    vector = np.random.default_rng(zlib.crc32(repr(seed).encode())).standard_normal(8)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def write_tone(path: Path, duration_s: float = DURATION_S) -> Path:
    """A quiet tone that rises in steps: something to play and to seek in."""
    t = np.arange(int(duration_s * 16_000)) / 16_000
    soundfile.write(path, (0.1 * np.sin(2 * np.pi * (200 + 20 * (t // 4)) * t)).astype(np.float32), 16_000)
    return path


def unaligned() -> Analysis:
    """The same as a model finds it to whose ear no words fit."""
    full = analysis()
    read = tuple(
        replace(c, student=None, agreement="teacher_only", probability=0.9)
        for c in full.concepts
        if c.agreement != "student_only"
    )
    windows = tuple(replace(w, is_mismatch=True) for w in full.alignment.windows)
    checks = tuple(replace(segment, reason="mismatch") for segment in full.alignment.segments)
    return replace(full, concepts=read, alignment=replace(full.alignment, windows=windows, segments=checks))


def write_unaligned(audio: Path) -> None:
    """Beside an example's recording, so that the page shows its stored result twice."""
    path = unaligned_path(audio)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(unaligned().to_dict()))


def write_stored(folder: Path, audio: Path) -> Example:
    """An example with its result."""
    path = folder / "stored.analysis.json"
    path.write_text(json.dumps(analysis().to_dict()))
    return Example("Cough", "Stored", audio, path)
