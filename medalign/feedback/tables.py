"""Feedback as tables for whoever evaluates it: one row per rating, vote, recording, shown concept or event.

Each has the columns of `columns.TABLES`, in that order and with those types, also where it has no row. What a person
superseded or took back is left out, and what was withdrawn is gone. Scores are those displayed, to the last digit.
"""

import pandas
from sqlalchemy import Connection, Select, func, literal, or_, select

from medalign.feedback import schema
from medalign.feedback.columns import COLUMNS, TABLES, TableName
from medalign.feedback.migrations import VERSION

_MODELS = ("asr", "asr_revision", "teacher", "teacher_revision", "student", "student_revision", "app_version")
# Identifiers of the ratings that no newer one of the same person, about the same, supersedes.
CURRENT_RATINGS = select(func.max(schema.ratings.c.rating_id)).group_by(
    schema.ratings.c.submission_id, schema.ratings.c.subject
)
CURRENT_RECORDING_RATINGS = select(func.max(schema.recording_ratings.c.recording_rating_id)).group_by(
    schema.recording_ratings.c.submission_id
)


def read_table(connection: Connection, name: TableName) -> pandas.DataFrame:
    """The whole table, oldest row first."""
    query = {"ratings": _ratings, "votes": _votes, "recordings": _recordings, "shown": _shown, "events": _events}[name]()
    rows = connection.execute(query).mappings().all()
    values = {column: [row[column] for row in rows] for column in TABLES[name]}
    return pandas.DataFrame({column: pandas.Series(values[column], dtype=COLUMNS[column].dtype) for column in values})


def _ratings() -> Select:
    rating, row, submission, result = (table.c for table in (schema.ratings, schema.shown, schema.submissions, schema.results))
    return (
        select(
            rating.rating_id, rating.submission_id, submission.result_id, rating.created_at,
            func.coalesce(row.concept_id, rating.concept_id).label("concept_id"),
            func.coalesce(row.label, rating.label).label("label"),
            row.category, row.status, row.agreement, rating.verdict, rating.right_status, rating.severity, submission.role,
            rating.start_s, rating.end_s, rating.span_text, rating.comment,
            row.teacher_probability, row.student_probability, row.probability,
            *_of_result(), rating.position, submission.keep_span,
        )
        .join(schema.submissions, submission.submission_id == rating.submission_id)
        .join(schema.results, result.result_id == submission.result_id)
        .outerjoin(schema.shown, (row.result_id == result.result_id) & (row.position == rating.position))
        .where(rating.rating_id.in_(CURRENT_RATINGS))
        .order_by(rating.rating_id)
    )  # fmt: skip


def _recordings() -> Select:
    rating, submission, result = (table.c for table in (schema.recording_ratings, schema.submissions, schema.results))
    n_concepts = select(func.count()).where(schema.shown.c.result_id == result.result_id).correlate(schema.results)
    return (
        select(
            rating.recording_rating_id, rating.submission_id, submission.result_id, rating.created_at, rating.transcript,
            rating.concepts, rating.useful, rating.comment, submission.role, result.duration_s, result.n_segments,
            n_concepts.scalar_subquery().label("n_concepts"), *_of_result(),
        )
        .join(schema.submissions, submission.submission_id == rating.submission_id)
        .join(schema.results, result.result_id == submission.result_id)
        .where(rating.recording_rating_id.in_(CURRENT_RECORDING_RATINGS))
        .order_by(rating.recording_rating_id)
    )  # fmt: skip


def _votes() -> Select:
    vote, comparison, submission = (table.c for table in (schema.votes, schema.comparisons, schema.submissions))
    a, b = schema.results.alias("a"), schema.results.alias("b")
    return (
        select(
            vote.vote_id, vote.comparison_id, vote.submission_id, vote.created_at, vote.choice,
            comparison.left_side.label("left"), comparison.blind, comparison.seed,
            _in_one(a).label("model_a"), _in_one(b).label("model_b"), vote.comment, submission.role,
            comparison.result_a, comparison.result_b, literal(VERSION).label("schema_version"),
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
    return select(*event, literal(VERSION).label("schema_version")).order_by(event.event_id)


def _of_result() -> list:
    """What ratings take over from the result they are about."""
    result = schema.results.c
    names = (*_MODELS, "is_example", "is_edited")
    return [*(result[name] for name in names), literal(VERSION).label("schema_version")]


def _in_one(result):
    """`asr revision | teacher revision | student revision`: one text per combination, to group by."""
    parts = [result.c[name] + " " + result.c[f"{name}_revision"] for name in ("asr", "teacher", "student")]
    return parts[0] + " | " + parts[1] + " | " + parts[2]
