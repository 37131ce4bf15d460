"""The tables of the feedback database, as they are now; `migrations` says how older ones become so.

There is no column for audio, a file name, an address or a person, and a test reads the columns to keep it that way. Names
carry a prefix because a database by URL may hold other tables. Scores are doubles, so what was displayed is stored exactly.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()


def _id() -> String:
    return String(32)  # uuid4 as hex digits


def _time() -> String:
    return String(32)  # UTC in ISO 8601: sorts as it reads, in every database


def _models() -> list[Column]:
    names = ("asr", "asr_revision", "teacher", "teacher_revision", "student", "student_revision")
    return [Column(name, Text) for name in names]


schema_version = Table("feedback_schema", METADATA, Column("version", Integer, nullable=False))

results = Table(
    "feedback_results",
    METADATA,
    Column("result_id", _id(), primary_key=True),
    Column("created_at", _time(), nullable=False, index=True),
    Column("app_version", String(40), nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("n_segments", Integer, nullable=False),
    Column("is_example", Boolean, nullable=False),
    Column("is_edited", Boolean, nullable=False),
    *_models(),
)

shown = Table(
    "feedback_shown",  # the rows of a result's table of concepts
    METADATA,
    Column("result_id", ForeignKey(results.c.result_id), primary_key=True),
    Column("position", Integer, primary_key=True),  # from 1, as shown
    Column("concept_id", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("category", String(40), nullable=False),
    Column("status", String(20)),
    Column("agreement", String(20), nullable=False),
    Column("teacher_probability", Double),
    Column("student_probability", Double),
    Column("probability", Double),
)

submissions = Table(
    "feedback_submissions",  # what one receipt code opens
    METADATA,
    Column("submission_id", _id(), primary_key=True),
    Column("code_hash", String(64), nullable=False, unique=True),
    Column("created_at", _time(), nullable=False),
    Column("result_id", ForeignKey(results.c.result_id), index=True),  # none where it was opened by a vote
    Column("role", String(40)),
    Column("keep_span", Boolean, nullable=False),
    Column("n_actions", Integer, nullable=False),  # ever done; the next one's number
)

ratings = Table(
    "feedback_ratings",
    METADATA,
    Column("rating_id", Integer, primary_key=True),
    Column("submission_id", ForeignKey(submissions.c.submission_id), nullable=False, index=True),
    Column("action", Integer, nullable=False),
    Column("created_at", _time(), nullable=False),
    Column("subject", Text, nullable=False),  # a newer rating of the same subject supersedes this one
    Column("position", Integer),  # the row; none for a missing concept
    Column("verdict", String(20), nullable=False),
    Column("concept_id", Text),  # of a missing concept; a row has its own
    Column("label", Text),
    Column("right_status", String(20)),
    Column("start_s", Double),
    Column("end_s", Double),
    Column("span_text", Text),
    Column("severity", String(20)),
    Column("comment", Text, nullable=False),
    sqlite_autoincrement=True,  # numbers of withdrawn ratings are not given again
)

recording_ratings = Table(
    "feedback_recording_ratings",
    METADATA,
    Column("recording_rating_id", Integer, primary_key=True),
    Column("submission_id", ForeignKey(submissions.c.submission_id), nullable=False, index=True),
    Column("action", Integer, nullable=False),
    Column("created_at", _time(), nullable=False),
    Column("transcript", Integer),
    Column("concepts", Integer),
    Column("useful", Integer),
    Column("comment", Text, nullable=False),
    sqlite_autoincrement=True,
)

comparisons = Table(
    "feedback_comparisons",
    METADATA,
    Column("comparison_id", _id(), primary_key=True),
    Column("created_at", _time(), nullable=False, index=True),
    Column("result_a", ForeignKey(results.c.result_id), nullable=False, index=True),
    Column("result_b", ForeignKey(results.c.result_id), nullable=False, index=True),
    Column("left_side", String(1), nullable=False),
    Column("blind", Boolean, nullable=False),
    Column("seed", BigInteger, nullable=False),
)

votes = Table(
    "feedback_votes",
    METADATA,
    Column("vote_id", Integer, primary_key=True),
    Column("comparison_id", ForeignKey(comparisons.c.comparison_id), nullable=False),
    Column("submission_id", ForeignKey(submissions.c.submission_id), nullable=False, index=True),
    Column("created_at", _time(), nullable=False),
    Column("choice", String(10), nullable=False),
    Column("comment", Text, nullable=False),
    UniqueConstraint("comparison_id"),  # one vote per comparison, whoever sends it
    sqlite_autoincrement=True,
)

events = Table(
    "feedback_events",
    METADATA,
    Column("event_id", Integer, primary_key=True),
    Column("created_at", _time(), nullable=False),
    Column("event", String(40), nullable=False),
    Column("visit", String(64), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("app_version", String(40), nullable=False),
    Column("duration_s", Double),
    *_models(),
    sqlite_autoincrement=True,
)
