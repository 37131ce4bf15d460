"""The tables of the feedback database. A field is named here, with its type and, once for each name, its meaning (`doc`).

There is no column for audio, a file name, an address or a person, and a test reads the columns to keep it that way. Names
carry a prefix because a database by URL may hold other tables. Scores are doubles, so what was displayed is stored exactly.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Integer, MetaData, String, Table, Text

METADATA = MetaData()
VERSION = 5  # of these tables; a database with another version is refused
ADDED_TO = (4,)  # versions that only lack tables, which are added
ID = String(32)  # uuid4 as hex digits
TIME = String(32)  # UTC in ISO 8601: sorts as it reads, in every database
MODELS = {
    "asr": "speech recogniser",
    "asr_revision": "its weights: SHA-256 prefix or Hub revision",
    "teacher": "language model that reads the transcript",
    "teacher_revision": "its weights",
    "student": "audio encoder that hears the sound",
    "student_revision": "its weights",
    "status_classifier": "network that reads the status of what was said",
    "status_classifier_revision": "its weights",
}


def _models() -> list[Column]:
    return [Column(name, Text, doc=meaning) for name, meaning in MODELS.items()]


schema_version = Table("feedback_schema", METADATA, Column("version", Integer, nullable=False))

results = Table(
    "feedback_results",
    METADATA,
    Column("result_id", ID, primary_key=True, doc="a result as it was shown"),
    Column("created_at", TIME, nullable=False, index=True, doc="UTC, ISO 8601"),
    Column("app_version", String(40), nullable=False, doc="MedAlign's, at the time"),
    Column("duration_s", Double, nullable=False, doc="of the recording"),
    Column("n_segments", Integer, nullable=False, doc="of the transcript"),
    Column("is_example", Boolean, nullable=False, doc="the recording comes with MedAlign"),
    Column("is_edited", Boolean, nullable=False, doc="a person had changed the transcript"),
    *_models(),
)

shown = Table(
    "feedback_shown",  # the rows of a result's table of concepts
    METADATA,
    Column("result_id", ForeignKey(results.c.result_id), primary_key=True),
    Column(
        "position", Integer, primary_key=True, doc="place of the row in the table shown, from 1; empty for a missing concept"
    ),
    Column("concept_id", Text, nullable=False, doc="of the concept; of a missing one only if it is known"),
    Column("label", Text, nullable=False, doc="of the concept, as shown; of a missing one as the person wrote it"),
    Column("category", String(40), nullable=False, doc="finding, diagnosis, medicine; empty for a missing concept"),
    Column("status", String(20), doc="as shown; empty if it was only heard, or is missing"),
    Column("agreement", String(20), nullable=False, doc="both, teacher_only, student_only; empty for a missing concept"),
    Column("teacher_probability", Double, doc="as displayed: that it was read; empty if the teacher had no say"),
    Column("student_probability", Double, doc="as displayed: that it was heard"),
    Column("probability", Double, doc="as displayed: from both"),
)

submissions = Table(
    "feedback_submissions",  # what a receipt code opens: one for each result
    METADATA,
    Column("submission_id", ID, primary_key=True, doc="one person's feedback on one result, opened by a receipt code"),
    Column("code_hash", String(64), nullable=False, unique=True),
    Column("created_at", TIME, nullable=False),
    Column("result_id", ForeignKey(results.c.result_id), index=True),  # none where it was opened by a vote
    Column("role", String(40), doc="of the person, if they said so"),
    Column("keep_span", Boolean, nullable=False, doc="the person agreed that the words they mark are kept"),
    Column("n_actions", Integer, nullable=False),  # ever done; the next one's number
)


def _acted(number: str) -> list[Column]:
    """What every rating has."""
    return [
        Column(number, Integer, primary_key=True, doc="grows with time"),
        Column("submission_id", ForeignKey(submissions.c.submission_id), nullable=False, index=True),
        Column("action", Integer, nullable=False),
        Column("created_at", TIME, nullable=False),
    ]


ratings = Table(
    "feedback_ratings",
    METADATA,
    *_acted("rating_id"),
    Column("subject", Text, nullable=False),  # a newer rating of the same subject supersedes this one
    Column("position", Integer),  # the row; none for a missing concept
    Column("verdict", String(20), nullable=False, doc="correct, wrong, wrong_status, missing"),
    Column("concept_id", Text),  # of a missing concept; a row has its own
    Column("label", Text),
    Column("right_status", String(20), doc="as it was said, for wrong_status and missing"),
    Column("start_s", Double, doc="where it is heard, seconds from the start"),
    Column("end_s", Double, doc="its end"),
    Column("span_text", Text, doc="the words there; only where the person opted in"),
    Column("severity", String(20), doc="of the mistake: none, minor, major, critical"),
    Column("comment", Text, nullable=False, doc="free text"),
    sqlite_autoincrement=True,  # numbers of withdrawn ratings are not given again
)

recording_ratings = Table(
    "feedback_recording_ratings",
    METADATA,
    *_acted("recording_rating_id"),
    Column("transcript", Integer, doc="1 (useless) to 5 (nothing to add)"),
    Column("concepts", Integer, doc="the same, of the concepts"),
    Column("useful", Integer, doc="the same, of the whole"),
    Column("comment", Text, nullable=False),
    sqlite_autoincrement=True,
)

statement_ratings = Table(
    "feedback_statement_ratings",  # of verdicts on a note's statements
    METADATA,
    *_acted("statement_rating_id"),
    Column("subject", Text, nullable=False),  # which statement; a newer rating of the same one supersedes this one
    Column("is_right", Boolean, nullable=False, doc="the verdict shown is right"),
    Column("shown", String(20), nullable=False, doc="the verdict: supported, contradicted, not_found, not_checkable"),
    Column("probability", Double),
    Column("support", String(10), doc="of a supported statement: words, sound, both"),
    Column("statement", Text, doc="of the note; only where the person opted in"),
    Column("words", Text, doc="of the recording, that decided; only where the person opted in"),
    Column("start_s", Double),
    Column("end_s", Double),
    sqlite_autoincrement=True,
)

comparisons = Table(
    "feedback_comparisons",
    METADATA,
    Column("comparison_id", ID, primary_key=True, doc="one showing of two results"),
    Column("created_at", TIME, nullable=False, index=True),
    Column("result_a", ForeignKey(results.c.result_id), nullable=False, index=True, doc="result_id of a"),
    Column("result_b", ForeignKey(results.c.result_id), nullable=False, index=True, doc="result_id of b"),
    Column("left_side", String(1), nullable=False),
    Column("blind", Boolean, nullable=False, doc="the models' names were hidden until the vote"),
    Column("seed", BigInteger, nullable=False, doc="the order was drawn from it"),
)

votes = Table(
    "feedback_votes",
    METADATA,
    Column("vote_id", Integer, primary_key=True, doc="grows with time"),
    Column("comparison_id", ForeignKey(comparisons.c.comparison_id), nullable=False, unique=True),  # one vote, whoever sends it
    Column("submission_id", ForeignKey(submissions.c.submission_id), nullable=False, index=True),
    Column("created_at", TIME, nullable=False),
    Column("choice", String(10), nullable=False, doc="a, b, tie, both_bad; a and b are results, not sides"),
    Column("comment", Text, nullable=False),
    sqlite_autoincrement=True,
)

events = Table(
    "feedback_events",
    METADATA,
    Column("event_id", Integer, primary_key=True, doc="grows with time"),
    Column("created_at", TIME, nullable=False),
    Column("event", String(40), nullable=False, doc="what was done"),
    Column("salted_id", String(64), nullable=False, doc="salted; tells sessions of one run of the server apart"),
    Column("outcome", String(20), nullable=False, doc="ok, refused, failed, stopped"),
    Column("app_version", String(40), nullable=False),
    Column("duration_s", Double),
    *_models(),
    sqlite_autoincrement=True,
)
