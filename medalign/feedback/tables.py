"""Feedback as tables for evaluation: one row per rating, vote, recording, shown concept or event.

A table's columns are those that its query selects; their types and meanings come from the schema, also where there is no
row. Types are those of pandas; string, Int64 and Float64 may be empty. A name means the same in every table. What a person
superseded or took back is left out, and what was withdrawn is gone. Scores are those displayed, to the last digit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pandas
from sqlalchemy import Boolean, ColumnElement, Connection, Double, FromClause, Integer, Select, case, func, literal, or_, select

from medalign.feedback import schema
from medalign.feedback.schema import VERSION

TableName = Literal["ratings", "statements", "votes", "recordings", "shown", "events"]
FEEDBACK: tuple[TableName, ...] = ("ratings", "statements", "votes", "recordings", "shown")  # without the audit log

_MODELS = (*schema.MODELS, "app_version")


def _newest(number: Any, *subject: ColumnElement) -> Select:
    """Numbers of the ratings that no newer one of the same person, about the same, supersedes."""
    return select(func.max(number)).group_by(number.table.c.submission_id, *subject)


CURRENT_RATINGS = _newest(schema.ratings.c.rating_id, schema.ratings.c.subject)
CURRENT_RECORDING_RATINGS = _newest(schema.recording_ratings.c.recording_rating_id)
CURRENT_STATEMENTS = _newest(schema.statement_ratings.c.statement_rating_id, schema.statement_ratings.c.subject)
DECIDED = ("supported", "contradicted", "not_found")  # verdicts that say whether the recording bears a statement out


def read_table(connection: Connection, name: TableName) -> pandas.DataFrame:
    """The whole table, oldest row first."""
    rows = connection.execute(_QUERIES[name]()).mappings().all()
    columns = {column: [row[column] for row in rows] for column in TABLES[name]}
    return pandas.DataFrame({column: pandas.Series(values, dtype=COLUMNS[column].dtype) for column, values in columns.items()})


def _rated(number: Any, current: Select, *columns: Any) -> Select:
    """Those ratings that count, with what they are about, the oldest first."""
    submission, result = schema.submissions.c, schema.results.c
    joined = select(number, *columns).join(schema.submissions, submission.submission_id == number.table.c.submission_id)
    return joined.join(schema.results, result.result_id == submission.result_id).where(number.in_(current)).order_by(number)


def _ratings() -> Select:
    rating, row, submission = (table.c for table in (schema.ratings, schema.shown, schema.submissions))
    rated = _rated(
        rating.rating_id, CURRENT_RATINGS, rating.submission_id, submission.result_id, rating.created_at,
        func.coalesce(row.concept_id, rating.concept_id).label("concept_id"),
        func.coalesce(row.label, rating.label).label("label"),
        row.category, row.status, row.agreement, rating.verdict, rating.right_status, rating.severity, submission.role,
        rating.start_s, rating.end_s, rating.span_text, rating.comment,
        row.teacher_probability, row.student_probability, row.probability,
        *_of_result(), rating.position, submission.keep_span,
    )  # fmt: skip
    return rated.outerjoin(schema.shown, (row.result_id == submission.result_id) & (row.position == rating.position))


def _recordings() -> Select:
    rating, submission, result = (table.c for table in (schema.recording_ratings, schema.submissions, schema.results))
    n_concepts = select(func.count()).where(schema.shown.c.result_id == result.result_id).correlate(schema.results)
    return _rated(
        rating.recording_rating_id, CURRENT_RECORDING_RATINGS, rating.submission_id, submission.result_id, rating.created_at,
        rating.transcript, rating.concepts, rating.useful, rating.comment, submission.role, result.duration_s,
        result.n_segments, n_concepts.scalar_subquery().label("n_concepts"), *_of_result(),
    )  # fmt: skip


def _statements() -> Select:
    rating, submission, result = (table.c for table in (schema.statement_ratings, schema.submissions, schema.results))
    borne_out = (rating.shown == "supported") == rating.is_right
    return _rated(
        rating.statement_rating_id, CURRENT_STATEMENTS, rating.submission_id, submission.result_id, rating.created_at,
        rating.statement, rating.words, case((rating.shown.in_(DECIDED), borne_out)).label("borne_out"), rating.shown,
        rating.is_right, rating.support, rating.probability, rating.start_s, rating.end_s, submission.role, *_of_result(),
        submission.keep_span,
    )  # fmt: skip


def _votes() -> Select:
    vote, comparison, submission = (table.c for table in (schema.votes, schema.comparisons, schema.submissions))
    a, b = schema.results.alias("a"), schema.results.alias("b")
    return (
        select(
            vote.vote_id, vote.comparison_id, vote.submission_id, vote.created_at, vote.choice,
            comparison.left_side.label("left"), comparison.blind, comparison.seed,
            _in_one(a).label("model_a"), _in_one(b).label("model_b"), vote.comment, submission.role,
            comparison.result_a, comparison.result_b, _version(),
        )
        .join(schema.comparisons, comparison.comparison_id == vote.comparison_id)
        .join(schema.submissions, submission.submission_id == vote.submission_id)
        .join(a, a.c.result_id == comparison.result_a)
        .join(b, b.c.result_id == comparison.result_b)
        .order_by(vote.vote_id)
    )  # fmt: skip


def _shown() -> Select:
    """Results registered but never rated say nothing, so they are left out."""
    row, result = schema.shown.c, schema.results.c
    rated = select(schema.submissions.c.result_id).where(schema.submissions.c.result_id.is_not(None))
    voted = schema.comparisons.join(schema.votes, schema.votes.c.comparison_id == schema.comparisons.c.comparison_id)
    return (
        select(
            row.result_id, result.created_at, result.duration_s, row.position, row.concept_id, row.label, row.category,
            row.status, row.agreement, row.teacher_probability, row.student_probability, row.probability, *_of_result(),
        )
        .join(schema.results, result.result_id == row.result_id)
        .where(
            or_(
                row.result_id.in_(rated),
                row.result_id.in_(select(schema.comparisons.c.result_a).select_from(voted)),
                row.result_id.in_(select(schema.comparisons.c.result_b).select_from(voted)),
            )
        )
        .order_by(result.created_at, row.result_id, row.position)
    )  # fmt: skip


def _events() -> Select:
    event = schema.events.c
    about = (event.event_id, event.created_at, event.event, event.salted_id, event.outcome, event.duration_s)
    return select(*about, *(event[name] for name in _MODELS), _version()).order_by(event.event_id)


def _of_result() -> list[ColumnElement]:
    """What ratings take over from the result they are about."""
    result = schema.results.c
    return [*(result[name] for name in _MODELS), _version(), result.is_example, result.is_edited]


def _version() -> ColumnElement[int]:
    return literal(VERSION).label("schema_version")


def _in_one(result: FromClause) -> ColumnElement[str]:
    """`asr revision | teacher revision | student revision`: one text per combination, to group by."""
    parts = [result.c[name] + " " + result.c[f"{name}_revision"] for name in ("asr", "teacher", "student")]
    return parts[0] + " | " + parts[1] + " | " + parts[2]


@dataclass(frozen=True)
class Column:
    dtype: str
    meaning: str


_COMPUTED = {  # in no table of the database
    "schema_version": Column("int64", "of these tables"),
    "left": Column("string", "a or b: which result stood on the left"),
    "model_a": Column("string", "asr revision | teacher revision | student revision"),
    "model_b": Column("string", "the same of b"),
    "n_concepts": Column("int64", "rows shown"),
    "borne_out": Column("boolean", "by the recording, after the judgement; empty where the verdict says nothing of that"),
}


def _column(name: str) -> Column:
    if name in _COMPUTED:
        return _COMPUTED[name]
    stored = [table.c[name] for table in schema.METADATA.sorted_tables if name in table.c]
    if isinstance(stored[0].type, Integer):
        dtype = "Int64" if any(column.nullable for column in stored) else "int64"
    else:
        dtype = "Float64" if isinstance(stored[0].type, Double) else "bool" if isinstance(stored[0].type, Boolean) else "string"
    return Column(dtype, next(column.doc for column in stored if column.doc))


_QUERIES: dict[TableName, Callable[[], Select]] = {
    "ratings": _ratings,
    "statements": _statements,
    "votes": _votes,
    "recordings": _recordings,
    "shown": _shown,
    "events": _events,
}
TABLES: dict[TableName, tuple[str, ...]] = {name: tuple(query().selected_columns.keys()) for name, query in _QUERIES.items()}
COLUMNS: dict[str, Column] = {name: _column(name) for names in TABLES.values() for name in names}
