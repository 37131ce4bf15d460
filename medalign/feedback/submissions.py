"""One person's feedback in the database: begun with a receipt, acted on step by step, listed, deleted."""

import uuid
from dataclasses import dataclass, fields

from sqlalchemy import Connection, Row, Select, Table, delete, insert, select, update

from medalign.core.errors import FeedbackError
from medalign.feedback import schema
from medalign.feedback.receipts import MAX_SUBMISSIONS, Receipt, addresses, hash_of, new_code
from medalign.feedback.records import ConceptRating, RecordingRating, Role, StatementRating, Vote
from medalign.feedback.results import Subject, forget, is_of_mention, now
from medalign.feedback.tables import CURRENT_RATINGS, CURRENT_RECORDING_RATINGS, CURRENT_STATEMENTS

MAX_ACTIONS = 2000  # under one receipt: a few for each row of the longest consultation
Rating = ConceptRating | RecordingRating
UNKNOWN = "there is no feedback under this receipt code; check it, or it was withdrawn already"


@dataclass(frozen=True)
class Submission:
    """What a receipt code opens."""

    submission_id: str
    result_id: str | None  # None where it was opened by a vote
    keep_span: bool
    action: int  # the number of what was done last under it


def begin(
    connection: Connection, result_id: str | None, role: Role | None, keep_span: bool, address: str | None = None
) -> Receipt:
    """
    Args:
        address: under a code that exists; without it, there is a new one.
    """
    receipt = Receipt(address or new_code(), uuid.uuid4().hex)
    keys = {"submission_id": receipt.submission_id, "code_hash": hash_of(receipt.code), "created_at": now()}
    said = {"result_id": result_id, "role": role, "keep_span": keep_span, "n_actions": 0}
    connection.execute(insert(schema.submissions).values(**keys, **said))
    return receipt


def continued(connection: Connection, code: str, result_id: str, role: Role | None, keep_span: bool) -> Receipt:
    """Of one more result under a code: what holds its votes alone takes it, else the next address does."""
    found = under(connection, code)
    for address, submission in found.items():
        if submission.result_id is None:
            table = schema.submissions
            mine = update(table).where(table.c.submission_id == submission.submission_id)
            connection.execute(mine.values(result_id=result_id, role=role, keep_span=keep_span))
            return Receipt(address, submission.submission_id)
    last = max(int(address.partition("/")[2] or 1) for address in found)
    if last == MAX_SUBMISSIONS:
        raise FeedbackError(f"this receipt has the {last} results that it takes; load the page anew in another browser tab")
    return begin(connection, result_id, role, keep_span, f"{code}/{last + 1}")


def find(connection: Connection, code: str) -> Submission:
    """Raises FeedbackError if nothing was given, or nothing is left, under that code."""
    table = schema.submissions.c
    columns = (table.submission_id, table.result_id, table.keep_span, table.n_actions)
    row = connection.execute(select(*columns).where(table.code_hash == hash_of(code))).one_or_none()
    if row is None:
        raise FeedbackError(UNKNOWN)
    return Submission(*row)


def under(connection: Connection, code: str) -> dict[str, Submission]:
    """Address -> what it opens, in the order of their numbers. Raises FeedbackError if nothing is left under that code."""
    table, by_hash = schema.submissions.c, addresses(code)
    columns = (table.submission_id, table.result_id, table.keep_span, table.n_actions)
    rows = connection.execute(select(table.code_hash, *columns).where(table.code_hash.in_(list(by_hash))))
    found = {by_hash[row.code_hash]: Submission(*row[1:]) for row in rows}
    if not found:
        raise FeedbackError(UNKNOWN)
    return {address: found[address] for address in by_hash.values() if address in found}


def act(connection: Connection, code: str) -> Submission:
    """The same, with one more action counted."""
    table = schema.submissions
    connection.execute(update(table).where(table.c.code_hash == hash_of(code)).values(n_actions=table.c.n_actions + 1))
    submission = find(connection, code)
    if submission.action > MAX_ACTIONS:
        raise FeedbackError(f"this receipt has had {MAX_ACTIONS} actions, the most that one takes; begin a new one")
    return submission


def rated_result(submission: Submission) -> str:
    """Raises FeedbackError if the receipt is that of a vote."""
    if submission.result_id is None:
        raise FeedbackError("this receipt is that of a vote; open one for the result to rate it")
    return submission.result_id


def add_rating(connection: Connection, submission: Submission, rating: ConceptRating, subject: Subject) -> int:
    values = dict(vars(rating))
    del values["status"], values["of_mention"]  # the row's; the subject's
    if not submission.keep_span:
        values["span_text"] = None
    if rating.verdict == "missing":
        values["label"] = subject.label
    else:
        del values["concept_id"]
    values |= {"subject": subject.key, "position": subject.position}
    return _insert(connection, schema.ratings, submission, values)


def add_recording_rating(connection: Connection, submission: Submission, rating: RecordingRating) -> int:
    return _insert(connection, schema.recording_ratings, submission, vars(rating))


def add_statement_rating(connection: Connection, submission: Submission, rating: StatementRating) -> int:
    """Without consent the words of note and recording are dropped."""
    values = vars(rating) if submission.keep_span else {**vars(rating), "statement": None, "words": None}
    return _insert(connection, schema.statement_ratings, submission, values)


def take_back_statement(connection: Connection, submission: Submission, subject: str) -> int:
    """Delete what was said of one statement; how many ratings that were."""
    rating = schema.statement_ratings.c
    of = (rating.submission_id == submission.submission_id, rating.subject == subject)
    return connection.execute(delete(schema.statement_ratings).where(*of)).rowcount


def take_back_statements(connection: Connection, submission: Submission) -> int:
    """Delete what was said of all of a note's statements, how many ratings that were; what has nothing else goes with them."""
    key, table = submission.submission_id, schema.statement_ratings
    n = connection.execute(delete(table).where(table.c.submission_id == key)).rowcount
    others = (schema.ratings, schema.recording_ratings, schema.votes)
    if not any(connection.execute(select(other).where(other.c.submission_id == key).limit(1)).all() for other in others):
        delete_all(connection, submission)
    return n


def judged_statements(connection: Connection, submission: Submission) -> dict[str, bool]:
    """Subject -> whether the verdict is right, as far as it is judged."""
    rating = schema.statement_ratings.c
    counts = (rating.submission_id == submission.submission_id, rating.statement_rating_id.in_(CURRENT_STATEMENTS))
    return {row.subject: row.is_right for row in connection.execute(select(rating.subject, rating.is_right).where(*counts))}


def add_vote(connection: Connection, submission_id: str, comparison_id: str, vote: Vote) -> None:
    keys = {"submission_id": submission_id, "comparison_id": comparison_id, "created_at": now()}
    connection.execute(insert(schema.votes).values(**keys, **vars(vote)))


def current(connection: Connection, submission: Submission) -> tuple[Rating, ...]:
    """Its ratings that no newer one supersedes, in the order in which they were given."""
    number = schema.recording_ratings.c.recording_rating_id
    concepts = _concept_ratings(submission).where(schema.ratings.c.rating_id.in_(CURRENT_RATINGS))
    recordings = _recording_ratings(submission).where(number.in_(CURRENT_RECORDING_RATINGS))
    found: list[tuple[int, Rating]] = [(row.action, _concept_rating(row)) for row in connection.execute(concepts)]
    found += [(row.action, _recording_rating(row)) for row in connection.execute(recordings)]
    return tuple(rating for _, rating in sorted(found, key=lambda numbered: numbered[0]))


def undo_last(connection: Connection, submission: Submission) -> Rating | None:
    """Delete the newest rating and give it back; None if there is none."""
    concepts = _concept_ratings(submission).order_by(schema.ratings.c.action.desc())
    recordings = _recording_ratings(submission).order_by(schema.recording_ratings.c.action.desc())
    concept, recording = (connection.execute(query.limit(1)).one_or_none() for query in (concepts, recordings))
    if recording is not None and (concept is None or recording.action > concept.action):
        key = schema.recording_ratings.c.recording_rating_id
        connection.execute(delete(schema.recording_ratings).where(key == recording.recording_rating_id))
        return _recording_rating(recording)
    if concept is None:
        return None
    connection.execute(delete(schema.ratings).where(schema.ratings.c.rating_id == concept.rating_id))
    return _concept_rating(concept)


def take_back(
    connection: Connection, submission: Submission, concept_id: str, status: str | None, start_s: float | None = None
) -> int:
    """Delete what was said of one row, or of its mention that begins at `start_s`, superseded ratings included; how many there
    were."""
    rows = connection.execute(_concept_ratings(submission).where(schema.ratings.c.verdict != "missing"))
    of_row = (row for row in rows if (row.row_concept_id, row.status) == (concept_id, status))
    found = [row.rating_id for row in of_row if (row.start_s if is_of_mention(row.subject) else None) == start_s]
    connection.execute(delete(schema.ratings).where(schema.ratings.c.rating_id.in_(found)))
    return len(found)


def amend(connection: Connection, submission: Submission, role: Role | None, keep_span: bool) -> None:
    submissions, ratings, key = schema.submissions, schema.ratings, submission.submission_id
    change = update(submissions).where(submissions.c.submission_id == key)
    connection.execute(change.values(role=role, keep_span=keep_span))
    if not keep_span:
        connection.execute(update(ratings).where(ratings.c.submission_id == key).values(span_text=None))
        of_notes = schema.statement_ratings
        connection.execute(update(of_notes).where(of_notes.c.submission_id == key).values(statement=None, words=None))


def delete_all(connection: Connection, submission: Submission) -> int:
    """The number of ratings and votes deleted, superseded ones included; what was shown goes with the last of them."""
    key = submission.submission_id
    compared = list(connection.scalars(select(schema.votes.c.comparison_id).where(schema.votes.c.submission_id == key)))
    tables = (schema.ratings, schema.recording_ratings, schema.statement_ratings, schema.votes)
    n = sum(connection.execute(delete(table).where(table.c.submission_id == key)).rowcount for table in tables)
    connection.execute(delete(schema.submissions).where(schema.submissions.c.submission_id == key))
    forget(connection, [submission.result_id] if submission.result_id else [], compared)
    return n


def take_back_votes(connection: Connection, submission: Submission) -> int:
    """Delete its votes, how many there were; without a result to rate, the submission goes with them."""
    if submission.result_id is None:
        return delete_all(connection, submission)
    mine = schema.votes.c.submission_id == submission.submission_id
    compared = list(connection.scalars(select(schema.votes.c.comparison_id).where(mine)))
    connection.execute(delete(schema.votes).where(mine))
    forget(connection, [], compared)
    return len(compared)


def _insert(connection: Connection, table: Table, submission: Submission, values: dict[str, object]) -> int:
    """The row's number."""
    action = {"submission_id": submission.submission_id, "action": submission.action, "created_at": now()}
    key = connection.execute(insert(table).values(**action, **values)).inserted_primary_key
    assert key is not None  # one row was inserted
    return key[0]


def _concept_ratings(submission: Submission) -> Select:
    shown = schema.shown.c
    of_row = (shown.result_id == submission.result_id) & (shown.position == schema.ratings.c.position)
    return (
        select(schema.ratings, shown.concept_id.label("row_concept_id"), shown.status)
        .outerjoin(schema.shown, of_row)
        .where(schema.ratings.c.submission_id == submission.submission_id)
    )


def _recording_ratings(submission: Submission) -> Select:
    return select(schema.recording_ratings).where(schema.recording_ratings.c.submission_id == submission.submission_id)


def _concept_rating(row: Row) -> ConceptRating:
    stored = row._mapping
    values = {field.name: stored[field.name] for field in fields(ConceptRating) if field.name != "of_mention"}
    concept_id, of_mention = row.row_concept_id or row.concept_id, is_of_mention(row.subject)
    return ConceptRating(**values | {"concept_id": concept_id, "of_mention": of_mention})


def _recording_rating(row: Row) -> RecordingRating:
    return RecordingRating(**{field.name: row._mapping[field.name] for field in fields(RecordingRating)})
