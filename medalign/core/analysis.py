"""The result of listening to one recording: frozen values, and `to_dict()` for the JSON contract.

Each concept is looked for twice, independently: the *teacher* reads the transcript, the *student* hears the audio. Both give
a calibrated probability; the raw cosine, `raw_score`, is not comparable between concepts, models or sources.
"""

import re
from dataclasses import asdict, dataclass
from typing import Literal

from medalign.core.alignment import Alignment
from medalign.core.errors import DataError
from medalign.core.files import typed
from medalign.core.transcript import Transcript

SCHEMA_VERSION = "2.4"
DISCLAIMER = "Research software. Not a medical device. Do not use for patient care."

System = Literal["HPO", "ICD-10-CM", "DRUG", "CUSTOM"]
Status = Literal["present", "negated", "resolved", "historical", "family", "hypothetical", "uncertain"]
Action = Literal["taking", "started", "stopped", "changed", "advised", "not_taking", "asked", "reacted"]  # started: today
Agreement = Literal["both", "teacher_only", "student_only"]
CriticalKind = Literal["negation", "number", "medicine"]


@dataclass(frozen=True)
class RecordingInfo:
    """The recording as it came in."""

    name: str  # file name only, never the path
    duration_s: float
    sample_rate_hz: int  # of the source; everything downstream works at 16 kHz
    channels: int


@dataclass(frozen=True)
class ModelInfo:
    """Which model spoke, exactly."""

    name: str
    revision: str  # SHA-256 prefix of the weights, or the Hub revision
    runtime: str | None = None  # what ran it, where that may decide the result: library, precision, device


@dataclass(frozen=True)
class Evidence:
    """Where to hear it; `text` is None where a concept was found in the audio only.

    What was asked about and answered is heard with its answer: the text is "any fever? Yes, since Monday", the stretch that of
    both, and `term_end_s` where the words of the concept itself end.
    """

    start_s: float
    end_s: float
    text: str | None = None
    term_end_s: float | None = None  # None: with the stretch
    trigger: str | None = None  # the words near it behind its status; None where no word decides alone, and for sound
    rival: Status | None = None  # the other of present and negated, where rules and classifier read it differently

    @property
    def words_end_s(self) -> float:
        """Where the words of the concept itself end."""
        return self.end_s if self.term_end_s is None else self.term_end_s


@dataclass(frozen=True)
class Source:
    """What one source, transcript or audio, says of one concept. Without evidence, the concept was not found there."""

    probability: float  # calibrated, in [0, 1]
    raw_score: float  # cosine at the best window, in [-1, 1]
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Alternative:
    """Another concept of the bank that means nearly the same to the teacher: perhaps the better code."""

    concept_id: str
    system: System
    code: str
    label: str
    likeness: float  # cosine of both concepts' texts, in [-1, 1]


@dataclass(frozen=True)
class ConceptFinding:
    """One concept in one recording, from both sources. A source is None where it had nothing to go by."""

    concept_id: str
    system: System
    code: str
    label: str
    category: str  # finding, diagnosis, medicine, procedure, measurement, habit
    status: Status | None  # None when only the student hears it: audio alone doesn't tell a status
    trigger: str | None  # the words behind the status ("no", "my mother"); None for a plain statement
    teacher: Source | None
    student: Source | None
    agreement: Agreement
    probability: float | None = None  # that it came up at all, from both sources; None if the student has no fusion
    alternatives: tuple[Alternative, ...] = ()  # the likest first
    action: Action | None = None  # of a medicine, where the words tell
    is_contradicted: bool = False  # said to be present and said not to be, in one recording

    @property
    def text_evidence(self) -> tuple[Evidence, ...]:
        """Where the teacher reads it; empty if it does not."""
        return self.teacher.evidence if self.teacher else ()

    @property
    def audio_evidence(self) -> tuple[Evidence, ...]:
        """Where the student hears it; empty if it does not, or nowhere clearly."""
        return self.student.evidence if self.student else ()


@dataclass(frozen=True)
class Measurement:
    """A number with its meaning, as said: nothing is converted."""

    kind: str  # temperature, blood pressure, HbA1c, dose, frequency, duration, plan (when something is to be done), ...
    value: str  # digits; "140/90", "2-3", "2.5→5" for a change, "every 6"
    unit: str
    text: str  # the words
    start_s: float
    end_s: float
    concept_id: str | None = None  # the medicine of a dose, what a duration is about; None where the words don't tell
    is_plausible: bool = True  # False: no person has such a value; to be checked

    @property
    def amount(self) -> str:
        """Value and unit as one reads them: "1 tablet", "2 tablets"."""
        one = re.sub(r"^([a-z]+(?:ss|ch))es\b|^([a-z]+[a-rt-z])s\b", r"\1\2", self.unit)
        return f"{self.value} {one if self.value == '1' else self.unit}"


@dataclass(frozen=True)
class Correction:
    """A medicine or disease that the recogniser misheard: a suggestion, the transcript stays as it is."""

    first_word: int  # words [first_word, last_word] of the transcript
    last_word: int
    said: str  # as the transcript has it
    name: str  # as the bank has it
    concept_id: str
    probability: float  # calibrated, from the letters, their sound, the student, and hot-word rescoring
    start_s: float
    end_s: float

    def meets(self, start_s: float, end_s: float) -> bool:
        """Whether it shares any time with a stretch."""
        return start_s < self.end_s and end_s > self.start_s


@dataclass(frozen=True)
class CriticalWord:
    """A word that matters much and may have been misheard: a place to listen to, the transcript stays as it is."""

    start_s: float
    end_s: float
    text: str  # as the transcript has it
    kind: CriticalKind  # what may be wrong here: a negation, a number, or a medicine that was lost
    probability: float  # that it is wrong, by logistic fits of their own for each kind
    alternative: str | None  # what is easily taken for it; None where nothing in particular is


@dataclass(frozen=True)
class SoundEvent:
    """A sound that is heard, not said."""

    label: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class Timings:
    """Wall time of each stage, seconds; the student listens while the transcript is written. `total` leaves out the loading
    of models."""

    decode: float
    transcribe: float
    teacher: float
    student: float
    total: float


@dataclass(frozen=True)
class Models:
    asr: ModelInfo
    teacher: ModelInfo
    student: ModelInfo
    status_classifier: ModelInfo


@dataclass(frozen=True)
class Analysis:
    """Everything MedAlign says about one recording."""

    recording: RecordingInfo
    models: Models
    transcript: Transcript
    concepts: tuple[ConceptFinding, ...]
    measurements: tuple[Measurement, ...]
    corrections: tuple[Correction, ...]
    sound_events: tuple[SoundEvent, ...]
    alignment: Alignment
    warnings: tuple[str, ...]
    timings_s: Timings
    critical_words: tuple[CriticalWord, ...] = ()  # in order of time

    def to_dict(self) -> dict:
        """The JSON contract: plain dicts, lists, numbers and strings, `schema_version` first."""
        body = asdict(self)
        said = body["transcript"]
        body["transcript"] = {"language": said["language"], "text": self.transcript.text, "segments": said["segments"]}
        return {"schema_version": SCHEMA_VERSION, **body, "disclaimer": DISCLAIMER}

    @classmethod
    def from_dict(cls, body: dict) -> "Analysis":
        """The exact inverse of `to_dict()`, whether or not the body has been through JSON.

        Raises:
            DataError: another schema version, a key that is missing or unknown, or a wrong value; the first is named.
        """
        version = body.get("schema_version") if isinstance(body, dict) else None
        if str(version).split(".")[:2] != SCHEMA_VERSION.split("."):
            raise DataError(
                f"schema_version is {repr(version):.40}, this MedAlign reads {SCHEMA_VERSION!r}; "
                "write the JSON anew with `medalign analyze AUDIO --json OUT`"
            )
        plain = {name: value for name, value in body.items() if name not in ("schema_version", "disclaimer")}
        said = plain.get("transcript")
        if isinstance(said, dict):
            plain["transcript"] = {name: value for name, value in said.items() if name != "text"}
        try:
            analysis = typed(plain, cls)
            for place, found, written in (
                ("disclaimer", body.get("disclaimer"), DISCLAIMER),
                ("transcript.text", body["transcript"].get("text"), analysis.transcript.text),
            ):
                if found != written:
                    raise ValueError(f"{place} is {found!r:.60}, expected {written!r:.60}")
        except (TypeError, ValueError) as error:
            raise DataError(f"not an analysis as MedAlign writes it ({error}); give the JSON of `medalign analyze`") from error
        return analysis
