"""Results and comparisons in the database: kept as shown, looked up to check feedback, forgotten when nobody needs them."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, or_, select

from medalign.concepts import ConceptBank
from medalign.core.errors import FeedbackError
from medalign.feedback import schema
from medalign.feedback.checks import quoted
from medalign.feedback.records import AuditEvent, ConceptRating, ShownComparison, ShownResult

FORGOTTEN_AFTER = timedelta(days=1)  # a result that was registered and nobody gave feedback on
MENTION = "mention "  # begins the key of a subject that is one mention of a row
TOLERANCE_S = 0.1  # a recogniser's last word may end a little after the recording


@dataclass(frozen=True)
class Subject:
    """What a rating is about."""

    key: str  # a newer rating with the same key supersedes an older one
    position: int | None  # of the row; None for a missing concept
    label: str


def now(ago: timedelta = timedelta()) -> str:
    """UTC in ISO 8601, to the millisecond."""
    return (datetime.now(UTC) - ago).isoformat(timespec="milliseconds")


def flat(record: ShownResult | AuditEvent) -> dict[str, object]:
    """Its fields as columns of a table: `models` becomes asr, asr_revision, teacher, ..."""
    values = dict(vars(record))
    if (models := values.pop("models")) is not None:
        for role, model in vars(models).items():
            values |= {role: model.name, f"{role}_revision": model.revision}
    return values


def add_result(connection: Connection, result: ShownResult) -> str:
    """The result's identifier. What was shown before is not kept twice: so what two people say of it can be compared."""
    values = flat(result)
    del values["concepts"]
    rows = [{"position": i, **vars(row)} for i, row in enumerate(result.concepts, start=1)]
    columns = schema.results.c
    alike = select(columns.result_id).where(*(columns[name] == value for name, value in values.items()))
    for result_id in connection.scalars(alike):
        if _shown(connection, result_id) == rows:
            return result_id
    result_id = uuid.uuid4().hex
    connection.execute(insert(schema.results).values(result_id=result_id, created_at=now(), **values))
    if rows:
        connection.execute(insert(schema.shown), [{"result_id": result_id, **row} for row in rows])
    return result_id


def _shown(connection: Connection, result_id: str) -> list[dict]:
    shown = schema.shown.c
    columns = [column for column in shown if column.name != "result_id"]
    found = connection.execute(select(*columns).where(shown.result_id == result_id).order_by(shown.position))
    return [dict(row) for row in found.mappings()]


def add_comparison(connection: Connection, shown: ShownComparison) -> str:
    for result_id in (shown.result_a, shown.result_b):
        check_result(connection, result_id)
    comparison_id = uuid.uuid4().hex
    values = dict(vars(shown))
    values["left_side"] = values.pop("left")
    connection.execute(insert(schema.comparisons).values(comparison_id=comparison_id, created_at=now(), **values))
    return comparison_id


def check_result(connection: Connection, result_id: str) -> None:
    if connection.scalar(select(schema.results.c.result_id).where(schema.results.c.result_id == result_id)) is None:
        raise FeedbackError(f"result {quoted(result_id)} isn't known, or was forgotten after a day; analyse it again")


def check_unvoted(connection: Connection, comparison_id: str) -> None:
    """Raises FeedbackError unless the comparison exists and has no vote."""
    comparison, vote = schema.comparisons.c, schema.votes.c
    if connection.scalar(select(comparison.comparison_id).where(comparison.comparison_id == comparison_id)) is None:
        raise FeedbackError(f"comparison {quoted(comparison_id)} isn't known, or was forgotten after a day; compare again")
    if connection.scalar(select(vote.vote_id).where(vote.comparison_id == comparison_id)) is not None:
        raise FeedbackError("this comparison has its vote already; compare again to vote again")


def check_seconds(connection: Connection, result_id: str, end_s: float | None) -> None:
    """Raises FeedbackError if the result ends before the seconds marked."""
    duration_s = connection.scalars(select(schema.results.c.duration_s).where(schema.results.c.result_id == result_id)).one()
    if end_s is not None and end_s > duration_s + TOLERANCE_S:
        raise FeedbackError(f"end_s {end_s:g} lies after the end of the recording, {duration_s:g} s; mark it again")


def find_subject(connection: Connection, result_id: str, rating: ConceptRating) -> Subject:
    """What is rated. Raises FeedbackError: the result has no such row, or ends before the seconds marked."""
    check_seconds(connection, result_id, rating.end_s)
    shown = schema.shown.c
    is_meant = (shown.result_id == result_id) & (shown.concept_id == rating.concept_id)
    found = connection.execute(select(shown.status, shown.position, shown.label).where(is_meant))
    rows = {status: (position, label) for status, position, label in found}
    if rating.verdict == "missing":
        return _missing(rating, [label for _, label in rows.values()])
    if rating.status not in rows:
        raise FeedbackError(
            f"this result has no row {quoted(rating.concept_id)} with status {rating.status}; "
            f"its statuses there: {', '.join(map(str, rows)) or 'none'}"
        )
    position, label = rows[rating.status]
    key = f"{MENTION}{position} {rating.start_s}" if rating.of_mention else f"row {position}"
    return Subject(key, position, label)


def is_of_mention(key: str) -> bool:
    """Whether a subject is one mention of a row."""
    return key.startswith(MENTION)


def _missing(rating: ConceptRating, labels: list[str]) -> Subject:
    """`labels` are those of its rows with another status. The same one may be missing at two places."""
    label = rating.label or next(iter(labels), "")
    if rating.concept_id is not None and not labels:
        bank = ConceptBank.default()
        if rating.concept_id not in bank:
            raise FeedbackError(f"concept {quoted(rating.concept_id)} is neither shown nor in the bank; give its label instead")
        label = label or bank[rating.concept_id].label
    what = rating.concept_id or label.casefold()
    return Subject(f"missing {what} {rating.start_s} {rating.end_s}", None, label)


def count_rows(connection: Connection) -> int:
    """Of all tables but the audit log, which has a bound of its own."""
    tables = [table for table in schema.METADATA.sorted_tables if table is not schema.events]
    return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def forget_stale(connection: Connection) -> None:
    """Delete what was shown over a day ago and never drew any feedback."""
    before = now(ago=FORGOTTEN_AFTER)
    _forget(connection, schema.results.c.created_at < before, schema.comparisons.c.created_at < before)


def forget(connection: Connection, result_ids: Iterable[str], comparison_ids: Iterable[str]) -> None:
    """Delete those of them, and the results of those comparisons, that no feedback rests on."""
    comparison, ids = schema.comparisons.c, list(comparison_ids)
    pairs = connection.execute(select(comparison.result_a, comparison.result_b).where(comparison.comparison_id.in_(ids)))
    results = {*result_ids, *(result_id for pair in pairs for result_id in pair)}
    _forget(connection, schema.results.c.result_id.in_(results), comparison.comparison_id.in_(ids))


def _forget(connection: Connection, results: ColumnElement[bool], comparisons: ColumnElement[bool]) -> None:
    result_id, comparison = schema.results.c.result_id, schema.comparisons.c
    unvoted = ~exists().where(schema.votes.c.comparison_id == comparison.comparison_id)
    connection.execute(delete(schema.comparisons).where(comparisons, unvoted))
    unused = select(result_id).where(
        results,
        ~exists().where(schema.submissions.c.result_id == result_id),
        ~exists().where(or_(comparison.result_a == result_id, comparison.result_b == result_id)),
    )
    gone = list(connection.scalars(unused))
    connection.execute(delete(schema.shown).where(schema.shown.c.result_id.in_(gone)))
    connection.execute(delete(schema.results).where(result_id.in_(gone)))
