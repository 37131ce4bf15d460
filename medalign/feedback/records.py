"""What a person says of a result, and what of the result they saw: frozen values that check themselves.

Whatever comes from a page can be forged, so every value that a person sends is checked where it is made: known words only,
lengths bounded, seconds in order. What has to be compared with the result it belongs to is checked by the store. Nothing
here holds audio, a file name, the transcript or who somebody is; the one text of the recording, `span_text`, is kept only
where the person opted in.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from medalign import __version__
from medalign.core.analysis import Agreement, Analysis, ConceptFinding, ModelInfo, Models, Status
from medalign.core.editing import is_edited
from medalign.core.errors import FeedbackError
from medalign.core.note_check import NoteStatement, Support
from medalign.core.note_check import Verdict as NoteVerdict
from medalign.feedback.checks import identifier, is_slug, one_of, quoted, seconds, text, whole

Verdict = Literal["correct", "wrong", "wrong_status", "missing"]
Severity = Literal["none", "minor", "major", "critical"]
Role = Literal["gp", "hospital doctor", "nurse", "pharmacist", "other clinician", "researcher", "other"]
Choice = Literal["a", "b", "tie", "both_bad"]
Side = Literal["a", "b"]
Outcome = Literal["ok", "refused", "failed", "stopped"]

VERDICTS: dict[Verdict, str] = {
    "correct": "It was said, and with this status",
    "wrong": "It was not said, or not meant",
    "wrong_status": "It was said, but with another status",
    "missing": "It was said, and is not in the list",
}
SEVERITIES: dict[Severity, str] = {
    "none": "Makes no difference",
    "minor": "A nuisance: anybody would notice",
    "major": "Could change what is done",
    "critical": "Could harm the patient",
}
STATUSES: tuple[Status, ...] = get_args(Status)

MAX_COMMENT = 1000  # characters, as all lengths here
MAX_SPAN = 300
MAX_STATEMENT = 600
MAX_WORDS = 600
MAX_LABEL = 120
MAX_EVENT = 40
MAX_SALTED = 64


@dataclass(frozen=True)
class ShownConcept:
    """One row of the table of concepts, with the scores that stood in it."""

    concept_id: str
    label: str
    category: str
    status: Status | None
    agreement: Agreement
    teacher_probability: float | None = None
    student_probability: float | None = None
    probability: float | None = None

    def __post_init__(self) -> None:
        _set(self, label=text("label", self.label, MAX_LABEL))  # of a concept that the user typed

    @classmethod
    def of(cls, row: ConceptFinding) -> "ShownConcept":
        teacher, student = (source.probability if source else None for source in (row.teacher, row.student))
        return cls(row.concept_id, row.label, row.category, row.status, row.agreement, teacher, student, row.probability)


@dataclass(frozen=True)
class ShownResult:
    """A result as it was shown: the rows of its table and the models behind them, none of its words."""

    models: Models
    app_version: str
    duration_s: float
    concepts: tuple[ShownConcept, ...]  # in the order shown
    n_segments: int
    is_example: bool  # comes with MedAlign, not from the person
    is_edited: bool  # somebody had changed words or speakers of the transcript

    def __post_init__(self) -> None:
        rows = Counter((concept.concept_id, concept.status) for concept in self.concepts)
        if twice := [row for row, n in rows.items() if n > 1]:
            raise FeedbackError(f"concept {twice[0][0]} stands twice with status {twice[0][1]}; a row must be told from others")

    @classmethod
    def of(cls, analysis: Analysis, *, is_example: bool) -> "ShownResult":
        """What the page shows of an analysis. A concept that the user typed keeps its label: it is what they rate."""
        segments = analysis.transcript.segments
        return cls(
            models=public_models(analysis.models),
            app_version=__version__,
            duration_s=analysis.recording.duration_s,
            concepts=tuple(map(ShownConcept.of, analysis.concepts)),
            n_segments=len(segments),
            is_example=is_example,
            is_edited=any(map(is_edited, segments)),
        )


@dataclass(frozen=True)
class ShownComparison:
    """Two results side by side. Whoever shows them draws the order from `seed`, so that it can be checked later."""

    result_a: str  # identifier of a registered result
    result_b: str
    left: Side  # which of them stood on the left (or first)
    blind: bool  # the models' names were hidden until the vote
    seed: int

    def __post_init__(self) -> None:
        for name in ("result_a", "result_b"):
            identifier(name, getattr(self, name))
        if self.result_a == self.result_b:
            raise FeedbackError("a result can't be compared with itself; register two")
        one_of("left", self.left, get_args(Side))
        if not isinstance(self.blind, bool):
            raise FeedbackError(f"blind is {quoted(self.blind)}, expected True or False")
        whole("seed", self.seed, 0, 2**63 - 1)


@dataclass(frozen=True)
class ConceptRating:
    """What a person says of one concept: of a row of the table, or of one that is missing there.

    Raises:
        FeedbackError: a word that isn't known, a text too long, seconds out of order, or parts that contradict each other.
    """

    verdict: Verdict
    concept_id: str | None = None  # of the row; for a missing concept, if it is known
    status: Status | None = None  # of the row: a concept may stand there both as present and as negated
    right_status: Status | None = None  # for wrong_status and missing: as it was said
    label: str | None = None  # for missing: what it is
    start_s: float | None = None
    end_s: float | None = None
    span_text: str | None = None  # the words, as the transcript has them
    severity: Severity | None = None  # of the mistake
    comment: str = ""
    of_mention: bool = False  # only of the mention that begins at `start_s`; else of the whole row

    def __post_init__(self) -> None:
        one_of("verdict", self.verdict, VERDICTS)
        one_of("status", self.status, STATUSES, optional=True)
        one_of("right_status", self.right_status, STATUSES, optional=True)
        one_of("severity", self.severity, SEVERITIES, optional=True)
        if self.concept_id is not None:
            identifier("concept_id", self.concept_id)
        label, span_text = text("label", self.label, MAX_LABEL) or None, text("span_text", self.span_text, MAX_SPAN) or None
        start_s, end_s = seconds(self.start_s, self.end_s)
        comment = text("comment", self.comment, MAX_COMMENT)
        _set(self, label=label, span_text=span_text, comment=comment, start_s=start_s, end_s=end_s)
        _agree(self)


@dataclass(frozen=True)
class RecordingRating:
    """What a person says of a whole result, 1 (useless) to 5 (nothing to add); at least one thing is said."""

    transcript: int | None = None
    concepts: int | None = None
    useful: int | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        for name in ("transcript", "concepts", "useful"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), 1, 5)
        _set(self, comment=text("comment", self.comment, MAX_COMMENT))
        if (self.transcript, self.concepts, self.useful, self.comment) == (None, None, None, ""):
            raise FeedbackError("nothing is rated yet; choose 1 to 5 for at least one line, or write a comment")


@dataclass(frozen=True)
class StatementRating:
    """What a person says of one verdict.

    Raises:
        FeedbackError: a word that isn't known, a text too long, or seconds out of order.
    """

    subject: str  # which statement; a newer rating of the same one supersedes it. No words: those need consent
    is_right: bool  # the verdict
    shown: NoteVerdict
    probability: float  # as displayed
    statement: str
    support: Support | None = None
    start_s: float | None = None  # the first of what decided
    end_s: float | None = None
    words: str | None = None  # there

    def __post_init__(self) -> None:
        if not isinstance(self.is_right, bool):
            raise FeedbackError(f"is_right is {quoted(self.is_right)}, expected True or False")
        identifier("subject", self.subject)
        one_of("shown", self.shown, get_args(NoteVerdict))
        one_of("support", self.support, get_args(Support), optional=True)
        statement, words = text("statement", self.statement, MAX_STATEMENT), text("words", self.words, MAX_WORDS) or None
        start_s, end_s = seconds(self.start_s, self.end_s)
        _set(self, statement=statement, words=words, start_s=start_s, end_s=end_s)
        if not self.statement:
            raise FeedbackError("there is no statement to judge")

    @classmethod
    def of(cls, statement: NoteStatement, subject: str, *, is_right: bool) -> "StatementRating":
        """What is kept of a statement as it was shown; long ones are cut."""
        place: dict[str, Any] = {}
        if statement.evidence:
            first = statement.evidence[0]
            place = {"start_s": first.start_s, "end_s": first.end_s, "words": (first.text or "")[:MAX_WORDS]}
        shown = statement.verdict, statement.probability, statement.text[:MAX_STATEMENT], statement.support
        return cls(subject, is_right, *shown, **place)


@dataclass(frozen=True)
class Vote:
    """Which of two results is better. `a` and `b` are those of `ShownComparison`, wherever they stood."""

    choice: Choice
    comment: str = ""  # the reason

    def __post_init__(self) -> None:
        one_of("choice", self.choice, get_args(Choice))
        _set(self, comment=text("comment", self.comment, MAX_COMMENT))


@dataclass(frozen=True)
class AuditEvent:
    """That something was done, and how it ended; when is added by the store. Words from short lists, no text."""

    event: str  # "analyze", "rate", "withdraw": lower-case letters, digits and hyphens
    salted_id: str  # of the session, by the function of that name
    outcome: Outcome
    models: Models | None = None
    app_version: str = __version__
    duration_s: float | None = None  # of the recording

    def __post_init__(self) -> None:
        one_of("outcome", self.outcome, get_args(Outcome))
        if not is_slug(self.event, MAX_EVENT):
            raise FeedbackError(f"event is {quoted(self.event)}; expected lower-case letters, digits and hyphens")
        if not is_slug(self.salted_id, MAX_SALTED) or not set(self.salted_id) <= set("0123456789abcdef"):
            raise FeedbackError("salted_id is no salted identifier; make one with salted_id()")
        if self.models is not None:
            _set(self, models=public_models(self.models))


def salted_id(session: str, salt: bytes) -> str:
    """A session's name in the audit log, 16 hex digits.

    Args:
        session: what the server knows it by; it can't be found again from the result.
        salt: random bytes drawn when the server starts and kept nowhere, so that no later session can be tied to this one.
    """
    return hashlib.blake2b(session.encode(), key=salt[:64], digest_size=8).hexdigest()


def public_models(models: Models) -> Models:
    """The models without the folders they lie in: a path may hold the name of a person or a ward."""
    return Models(**{role: replace(model, name=_public_name(model)) for role, model in vars(models).items()})


def _public_name(model: ModelInfo) -> str:
    is_path = model.name.count("/") > 1 or "\\" in model.name or model.name.startswith(("/", ".", "~"))
    return Path(model.name.replace("\\", "/")).name if is_path else model.name


def _agree(rating: ConceptRating) -> None:
    """What one field says must not contradict another."""
    if rating.verdict == "missing":
        if rating.concept_id is None and rating.label is None:
            raise FeedbackError("a missing concept needs a name; write what was said")
        if rating.status is not None:
            raise FeedbackError("a missing concept has no row, so it has no status there; give right_status")
        return
    if rating.concept_id is None:
        raise FeedbackError(f"verdict '{rating.verdict}' is about a row; give its concept_id")
    if rating.label is not None:
        raise FeedbackError("label is for missing concepts; a row has its own")
    if rating.right_status is not None and rating.verdict != "wrong_status":
        raise FeedbackError(f"right_status goes with wrong_status and missing, not with '{rating.verdict}'")
    if rating.verdict == "wrong_status" and rating.status is None:
        raise FeedbackError("a concept that was only heard has no status that could be wrong; choose correct or wrong")
    if rating.verdict == "wrong_status" and rating.right_status == rating.status:
        raise FeedbackError(f"right_status is '{rating.right_status}', as the row says already; choose another, or correct")
    if rating.verdict == "correct" and rating.severity not in (None, "none"):
        raise FeedbackError(f"severity '{rating.severity}' is of a mistake, and this row is correct; leave it out")


def _set(record: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)  # frozen once it is checked
