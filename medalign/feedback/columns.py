"""The columns of the feedback tables: names, types and meanings, as exports and the data card have them.

A name means the same in every table. Types are those of pandas; string, Int64 and Float64 may be empty.
"""

from dataclasses import dataclass
from typing import Literal

TableName = Literal["ratings", "votes", "recordings", "shown", "events"]


@dataclass(frozen=True)
class Column:
    dtype: str
    meaning: str


COLUMNS: dict[str, Column] = {
    "rating_id": Column("int64", "grows with time"),
    "vote_id": Column("int64", "grows with time"),
    "recording_rating_id": Column("int64", "grows with time"),
    "event_id": Column("int64", "grows with time"),
    "submission_id": Column("string", "what one receipt code opened: one person's feedback on one result"),
    "result_id": Column("string", "a result as it was shown"),
    "comparison_id": Column("string", "one showing of two results"),
    "created_at": Column("string", "UTC, ISO 8601"),
    "concept_id": Column("string", "of the concept; of a missing one only if it is known"),
    "label": Column("string", "of the concept, as shown; of a missing one as the person wrote it"),
    "category": Column("string", "finding, diagnosis, medicine; empty for a missing concept"),
    "status": Column("string", "as shown; empty if it was only heard, or is missing"),
    "agreement": Column("string", "both, teacher_only, student_only; empty for a missing concept"),
    "verdict": Column("string", "correct, wrong, wrong_status, missing"),
    "right_status": Column("string", "as it was said, for wrong_status and missing"),
    "severity": Column("string", "of the mistake: none, minor, major, critical"),
    "role": Column("string", "of the person, if they said so"),
    "start_s": Column("Float64", "where it is heard, seconds from the start"),
    "end_s": Column("Float64", "its end"),
    "span_text": Column("string", "the words there; only where the person opted in"),
    "comment": Column("string", "free text"),
    "teacher_probability": Column("Float64", "as displayed: that it was read; empty if the teacher had no say"),
    "student_probability": Column("Float64", "as displayed: that it was heard"),
    "probability": Column("Float64", "as displayed: from both"),
    "asr": Column("string", "speech recogniser"),
    "asr_revision": Column("string", "its weights: SHA-256 prefix or Hub revision"),
    "teacher": Column("string", "language model that reads the transcript"),
    "teacher_revision": Column("string", "its weights"),
    "student": Column("string", "audio encoder that hears the sound"),
    "student_revision": Column("string", "its weights"),
    "app_version": Column("string", "MedAlign's, at the time"),
    "schema_version": Column("int64", "of these tables"),
    "is_example": Column("bool", "the recording comes with MedAlign"),
    "is_edited": Column("bool", "a person had changed the transcript"),
    "position": Column("Int64", "place of the row in the table shown, from 1; empty for a missing concept"),
    "keep_span": Column("bool", "the person agreed that the words they mark are kept"),
    "choice": Column("string", "a, b, tie, both_bad; a and b are results, not sides"),
    "left": Column("string", "a or b: which result stood on the left"),
    "blind": Column("bool", "the models' names were hidden until the vote"),
    "seed": Column("int64", "the order was drawn from it"),
    "model_a": Column("string", "asr revision | teacher revision | student revision"),
    "model_b": Column("string", "the same of b"),
    "result_a": Column("string", "result_id of a"),
    "result_b": Column("string", "result_id of b"),
    "transcript": Column("Int64", "1 (useless) to 5 (nothing to add)"),
    "concepts": Column("Int64", "the same, of the concepts"),
    "useful": Column("Int64", "the same, of the whole"),
    "duration_s": Column("Float64", "of the recording"),
    "n_segments": Column("int64", "of the transcript"),
    "n_concepts": Column("int64", "rows shown"),
    "event": Column("string", "what was done"),
    "visit": Column("string", "salted; tells visits of one run of the server apart, and nothing else"),
    "outcome": Column("string", "ok, refused, failed, stopped"),
}
_MODELS = "asr asr_revision teacher teacher_revision student student_revision app_version schema_version"
_ORDER: dict[TableName, str] = {
    "ratings": "rating_id submission_id result_id created_at concept_id label category status agreement verdict right_status "
    "severity role start_s end_s span_text comment teacher_probability student_probability probability "
    f"{_MODELS} is_example is_edited position keep_span",
    "votes": "vote_id comparison_id submission_id created_at choice left blind seed model_a model_b comment role "
    "result_a result_b schema_version",
    "recordings": "recording_rating_id submission_id result_id created_at transcript concepts useful comment role duration_s "
    f"n_segments n_concepts {_MODELS} is_example is_edited",
    "shown": "result_id created_at duration_s position concept_id label category status agreement teacher_probability "
    f"student_probability probability {_MODELS} is_example is_edited",
    "events": f"event_id created_at event visit outcome duration_s {_MODELS}",
}
TABLES: dict[TableName, tuple[str, ...]] = {name: tuple(columns.split()) for name, columns in _ORDER.items()}
FEEDBACK: tuple[TableName, ...] = ("ratings", "votes", "recordings", "shown")  # without the audit log
