"""The feedback store: results are registered as shown, people rate them under a receipt, and can take everything back.

Each method is one transaction: it is stored whole or not at all, and what was stored outlives a killed process. Calls
can be forged, so everything that can be looked up is checked: a rating must be about a row of the registered result,
and its seconds must lie within the recording.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import get_args

import pandas
from sqlalchemy import Connection, delete, func, insert, select

from medalign.core.errors import FeedbackError
from medalign.feedback import results, schema, submissions
from medalign.feedback.checks import identifier, one_of
from medalign.feedback.database import Database
from medalign.feedback.limits import N_ROWS, RateLimit
from medalign.feedback.receipts import Receipt, code_of, hash_of
from medalign.feedback.records import (
    AuditEvent,
    ConceptRating,
    RecordingRating,
    Role,
    ShownComparison,
    ShownResult,
    StatementRating,
    Vote,
)
from medalign.feedback.submissions import Rating, Submission
from medalign.feedback.tables import TableName, read_table

ROWS_AT_ONCE = 1000  # more than one transaction adds, in several processes at once
N_EVENTS = 10_000  # of the audit log, the newest


class FeedbackStore:
    """All feedback, in one database. Threads and processes may share it."""

    def __init__(
        self, url: str, *, create: bool = True, limit: RateLimit | None = None, n_rows: int = N_ROWS, n_events: int = N_EVENTS
    ):
        """
        Args:
            url: SQLAlchemy URL, or path of an SQLite file.
            create: make database and tables if there are none.
            limit: how often one receipt may act; 60 times a minute if not given.
            n_rows: how many rows the tables may have, all but the audit log's together; then no more feedback is taken.
            n_events: how many events the audit log keeps.

        Raises:
            FeedbackError: see `Database`.
        """
        self._database = Database(url, create=create)
        self._limit = limit or RateLimit()
        self._n_rows, self._n_events = n_rows, n_events
        self._n_uncounted = 0  # transactions until the rows are counted again

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> "FeedbackStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def register(self, shown: ShownResult) -> str:
        """Keep what was shown, so that feedback can be checked against it; the result's identifier.

        What nobody gave feedback on within a day is forgotten again.
        """
        with self._growing() as connection:
            results.forget_stale(connection)
            return results.add_result(connection, shown)

    def open(self, result_id: str, *, role: Role | None = None, keep_span: bool = False, code: str | None = None) -> Receipt:
        """Begin one person's feedback on a result.

        Args:
            code: under which they have given feedback before; without it, there is a new one. The receipt that is returned has
                the address of this result under it.
            keep_span: they agreed that the words they mark are stored; without, `span_text` is dropped.
        """
        one_of("role", role, get_args(Role), optional=True)
        with self._growing() as connection:
            results.check_result(connection, identifier("result_id", result_id))
            if code is not None:
                return submissions.continued(connection, code, result_id, role, keep_span is True)
            return submissions.begin(connection, result_id, role, keep_span is True)

    def amend(self, code: str, *, role: Role | None, keep_span: bool) -> None:
        """Change role and consent of a receipt. Without consent, words that were kept are deleted."""
        one_of("role", role, get_args(Role), optional=True)
        with self._database.erasing() if keep_span is not True else self._database.writing() as connection:
            submissions.amend(connection, submissions.act(connection, code), role, keep_span is True)

    def rate(self, code: str, rating: ConceptRating) -> int:
        """Store what a person says of one concept; a newer rating of the same row supersedes the older. Its number.

        Raises:
            FeedbackError: unknown receipt, no such row in the result, seconds outside the recording, or too often.
        """
        with self._acting(code) as (connection, submission):
            subject = results.find_subject(connection, submissions.rated_result(submission), rating)
            return submissions.add_rating(connection, submission, rating, subject)

    def rate_recording(self, code: str, rating: RecordingRating) -> int:
        """Store the short form about the whole; a newer one supersedes the older. Its number."""
        with self._acting(code) as (connection, submission):
            submissions.rated_result(submission)
            return submissions.add_recording_rating(connection, submission, rating)

    def rate_statement(self, code: str, rating: StatementRating) -> int:
        """Store whether a verdict on a note's statement is right; a newer rating of the same one supersedes it. Its number.

        Raises:
            FeedbackError: unknown receipt, seconds outside the recording, or too often.
        """
        with self._acting(code) as (connection, submission):
            results.check_seconds(connection, submissions.rated_result(submission), rating.end_s)
            return submissions.add_statement_rating(connection, submission, rating)

    def take_back_statement(self, code: str, subject: str) -> int:
        """Delete what was said of one statement under this receipt; how many ratings that were."""
        with self._acting(code, grows=False) as (connection, submission):
            return submissions.take_back_statement(connection, submission, subject)

    def take_back_statements(self, code: str) -> int:
        """Delete what was said of a note's statements at this address, and nothing else; how many ratings that were."""
        with self._database.erasing() as connection:
            return submissions.take_back_statements(connection, submissions.find(connection, code))

    def judged_statements(self, code: str) -> dict[str, bool]:
        """What counts under this receipt: subject -> whether the verdict is right."""
        with self._database.reading() as connection:
            return submissions.judged_statements(connection, submissions.find(connection, code))

    def undo(self, code: str) -> Rating | None:
        """Take back the last rating under this receipt, which is returned; what it had superseded counts again.

        None if there is nothing left. A vote stays, because the names were revealed after it; it can be withdrawn.
        """
        with self._acting(code, grows=False) as (connection, submission):
            return submissions.undo_last(connection, submission)

    def take_back(self, code: str, concept_id: str, status: str | None, start_s: float | None = None) -> int:
        """Delete what was said of one row of the table under this receipt, or of its mention that begins at `start_s`; how many
        ratings that were."""
        with self._acting(code, grows=False) as (connection, submission):
            return submissions.take_back(connection, submission, concept_id, status, start_s)

    def ratings(self, code: str) -> tuple[Rating, ...]:
        """What counts under this receipt, in the order in which it was given."""
        with self._database.reading() as connection:
            return submissions.current(connection, submissions.find(connection, code))

    def withdraw(self, code: str) -> int:
        """Delete everything under this receipt, of all results; the number of ratings and votes that are gone.

        What was shown goes, too, unless somebody else gave feedback on it. In SQLite nothing is left in the files.
        """
        with self._database.erasing() as connection:
            found = submissions.under(connection, code).values()
            return sum(submissions.delete_all(connection, submission) for submission in found)

    def take_back_votes(self, code: str) -> int:
        """Delete the votes under this receipt, and none of its ratings; how many there were."""
        with self._database.erasing() as connection:
            found = submissions.under(connection, code).values()
            return sum(submissions.take_back_votes(connection, submission) for submission in found)

    def holds(self, code: str) -> bool:
        """Whether anything is stored under this receipt; nothing is under what is no code."""
        with self._database.reading() as connection, suppress(FeedbackError):
            return bool(submissions.under(connection, code))
        return False

    def register_comparison(self, shown: ShownComparison) -> str:
        """Keep which results stood where; the comparison's identifier. One showing is one comparison and takes one vote."""
        with self._growing() as connection:
            return results.add_comparison(connection, shown)

    def vote(self, comparison_id: str, vote: Vote, *, code: str | None = None, role: Role | None = None) -> Receipt:
        """Store a vote under the receipt `code`, or else under a new one with this role; the receipt.

        Raises:
            FeedbackError: unknown comparison or receipt, too often, or the comparison has its vote already.
        """
        if code is not None:
            self._limit.count(hash_of(code_of(code)))
        one_of("role", role, get_args(Role), optional=True)
        comparison_id = identifier("comparison_id", comparison_id)
        with self._growing() as connection:
            results.check_unvoted(connection, comparison_id)
            if code is None:
                receipt = submissions.begin(connection, None, role, keep_span=False)
            else:
                address = next(iter(submissions.under(connection, code)))  # the same for all votes: they are one person's
                receipt = Receipt(code, submissions.act(connection, address).submission_id)
            submissions.add_vote(connection, receipt.submission_id, comparison_id, vote)
        return receipt

    def log(self, event: AuditEvent) -> None:
        """Add to the audit log; beyond its bound the oldest events go."""
        table = schema.events
        with self._database.writing() as connection:
            connection.execute(insert(table).values(created_at=results.now(), **results.flat(event)))
            newest = connection.scalar(select(func.max(table.c.event_id)))
            connection.execute(delete(table).where(table.c.event_id <= newest - self._n_events))

    def table(self, name: TableName) -> pandas.DataFrame:
        """One of `tables.TABLES`, its columns explained in `tables.COLUMNS`; without what was superseded or taken back."""
        with self._database.reading() as connection:
            return read_table(connection, name)

    def durations_s(self) -> dict[str, float]:
        """Result identifier -> length of its recording, of all that are registered."""
        with self._database.reading() as connection:
            rows = connection.execute(select(schema.results.c.result_id, schema.results.c.duration_s))
            return {row.result_id: row.duration_s for row in rows}

    @contextmanager
    def _acting(self, code: str, *, grows: bool = True) -> Iterator[tuple[Connection, Submission]]:
        """One counted action under a receipt, which adds a row if it `grows`."""
        self._limit.count(hash_of(code_of(code)))
        with self._growing() if grows else self._database.writing() as connection:
            yield connection, submissions.act(connection, code)

    @contextmanager
    def _growing(self) -> Iterator[Connection]:
        """A transaction that adds rows. Raises FeedbackError if there are as many as there may be."""
        with self._database.writing() as connection:
            self._n_uncounted -= 1
            if self._n_uncounted < 0:
                self._check_room(connection)
            yield connection

    def _check_room(self, connection: Connection) -> None:
        """Raises FeedbackError if there is none. Counting half a million rows takes 40 ms: not before every transaction."""
        room = self._n_rows - results.count_rows(connection)
        if room <= 0:
            results.forget_stale(connection)
            room = self._n_rows - results.count_rows(connection)
        if room <= 0:
            full = f"this server has the {self._n_rows} rows of feedback that it takes, so this was not stored"
            stays = "what was stored before stays and can be withdrawn"
            raise FeedbackError(f"{full}; {stays}; please tell whoever runs the server")
        self._n_uncounted = room // ROWS_AT_ONCE
