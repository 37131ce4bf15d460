"""Whether a verdict on a note's statement is right: the value that a person sends, and how it is kept under their receipt.

Of the note nothing is kept but what is judged, and its words, like those of the recording, only where the person agreed.
"""

from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Connection, delete, insert, select

from medalign.core.errors import FeedbackError
from medalign.core.note_check import NoteStatement, Support, Verdict
from medalign.feedback import schema
from medalign.feedback.checks import identifier, one_of, quoted, seconds, text
from medalign.feedback.results import now
from medalign.feedback.submissions import Submission
from medalign.feedback.tables import CURRENT_STATEMENTS

MAX_STATEMENT = 600  # characters
MAX_WORDS = 600


@dataclass(frozen=True)
class StatementRating:
    """What a person says of one verdict.

    Raises:
        FeedbackError: a word that isn't known, a text too long, or seconds out of order.
    """

    subject: str  # which statement; a newer rating of the same one supersedes it. No words: those need consent
    is_right: bool  # the verdict
    shown: Verdict
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
        one_of("shown", self.shown, get_args(Verdict))
        one_of("support", self.support, get_args(Support), optional=True)
        object.__setattr__(self, "statement", text("statement", self.statement, MAX_STATEMENT))
        object.__setattr__(self, "words", text("words", self.words, MAX_WORDS) or None)
        start_s, end_s = seconds(self.start_s, self.end_s)
        object.__setattr__(self, "start_s", start_s)
        object.__setattr__(self, "end_s", end_s)
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


def add(connection: Connection, submission: Submission, rating: StatementRating) -> int:
    """The row's number. Without consent the words of note and recording are dropped."""
    values = dict(vars(rating))
    if not submission.keep_span:
        values |= {"statement": None, "words": None}
    action = {"submission_id": submission.submission_id, "action": submission.action, "created_at": now()}
    key = connection.execute(insert(schema.statement_ratings).values(**action, **values)).inserted_primary_key
    assert key is not None  # one row was inserted
    return key[0]


def take_back(connection: Connection, submission: Submission, subject: str) -> int:
    """Delete what was said of one statement; how many ratings that were."""
    of = (schema.statement_ratings.c.submission_id == submission.submission_id, schema.statement_ratings.c.subject == subject)
    return connection.execute(delete(schema.statement_ratings).where(*of)).rowcount


def current(connection: Connection, submission: Submission) -> dict[str, bool]:
    """Subject -> whether the verdict is right, as far as it is judged."""
    columns = schema.statement_ratings.c
    rows = connection.execute(
        select(columns.subject, columns.is_right).where(
            columns.submission_id == submission.submission_id, columns.statement_rating_id.in_(CURRENT_STATEMENTS)
        )
    )
    return {row.subject: row.is_right for row in rows}
