"""A clinical note held against its recording: frozen values, and `to_dict()` for the JSON contract.

A verdict tells what the recording bears out, not what is true of the patient. What an examination showed, and what somebody
thinks, need not be said aloud: without support such a statement is "not_checkable", never "not_found".
"""

from dataclasses import asdict, dataclass
from typing import Literal

from medalign.core.analysis import DISCLAIMER, Evidence, Models, RecordingInfo, Status
from medalign.core.errors import DataError
from medalign.core.files import typed

NOTE_SCHEMA_VERSION = "1.0"

Verdict = Literal["supported", "contradicted", "not_found", "not_checkable"]
Support = Literal["words", "sound", "both"]
ONLY_POSSIBLE = "but only as possible"  # ends the reason of a statement that writes a possibility without its doubt


@dataclass(frozen=True)
class NoteStatement:
    """One clause of the note, and what the recording says of it."""

    text: str  # as written
    section: str  # the heading that it stands under, as written; "" without one
    start: int  # characters [start, end) of the note's text
    end: int
    verdict: Verdict
    probability: float  # that the recording bears it out; calibrated on notes with errors put in, half of them wrong
    evidence: tuple[Evidence, ...]  # the words that decide, best first
    reason: str  # one sentence
    support: Support | None  # of a supported one: what bears it out
    fits_as_well: float | None  # share (0-1) of unrelated statements that fit the words as well; None without words
    sound_fits_as_well: float | None  # the same for the sound; None where nothing was heard

    @property
    def has_caveat(self) -> bool:
        """Whether its reason says more than that words and sound bear it out."""
        return self.verdict != "supported" or self.support != "both" or ONLY_POSSIBLE in self.reason


@dataclass(frozen=True)
class LeftOut:
    """What was said and a clinician would write down, and the note lacks."""

    concept_id: str
    concept: str
    status: Status
    weight: float  # (0, 1]: how much it matters, the heaviest first
    why: str  # what makes it matter: "what they came for", "red flag", "medicine" ...
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class NoteCheck:
    """Everything that MedAlign says about one note of one recording."""

    recording: RecordingInfo
    models: Models
    note: str  # the text that was read, without markup
    statements: tuple[NoteStatement, ...]  # in the note's order
    left_out: tuple[LeftOut, ...]
    belongs: float | None  # probability that note and recording belong together; None where too little can be compared
    warnings: tuple[str, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(statement.verdict == verdict for statement in self.statements)

    def to_dict(self) -> dict:
        """The JSON contract: plain dicts, lists, numbers and strings, `schema_version` first."""
        return {"schema_version": NOTE_SCHEMA_VERSION, **asdict(self), "disclaimer": DISCLAIMER}

    @classmethod
    def from_dict(cls, body: dict) -> "NoteCheck":
        """The exact inverse of `to_dict()`.

        Raises:
            DataError: another schema version, a key that is missing or unknown, or a wrong value.
        """
        version = body.get("schema_version") if isinstance(body, dict) else None
        if version != NOTE_SCHEMA_VERSION:
            raise DataError(f"schema_version is {repr(version):.40}, expected {NOTE_SCHEMA_VERSION!r}; check the note again")
        try:
            return typed({k: v for k, v in body.items() if k not in ("schema_version", "disclaimer")}, cls)
        except (TypeError, ValueError) as error:
            raise DataError(f"not a note check as MedAlign writes it ({error}); give the JSON of `medalign check`") from error
