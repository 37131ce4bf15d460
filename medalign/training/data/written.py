"""Consultations written for MedAlign, with their facts between the turns; nobody's words but the writers'.

One file is one consultation: a turn a line ("[doctor] Any fevers?"), under it the facts that it holds, a line each:
`= "fevers" | fever | symptom | negated | patient | - | core`. The fields are those of `assets/annotations/README.md`; the last
is "again" for a further mention of a fact, and the status "none" for words that look like a concept and are none.
"""

from dataclasses import dataclass
from pathlib import Path

from medalign.core.errors import DataError
from medalign.training.data.consultations import Consultation, Role, Utterance
from medalign.training.data.facts import ANNOTATIONS, REMEDY, Fact, fact_of_row

WRITTEN = ANNOTATIONS / "written"  # to learn from; "written-report" beside it is held back
FIELDS = ("text", "name", "kind", "status", "whose", "action", "level")
NO_ACTION, NO_FACT, AGAIN = "-", "none", "again"


@dataclass(frozen=True)
class WrittenMention:
    """One place at which a fact is spoken of, or words that look like one and are none."""

    utterance: int
    start: int  # characters [start, end) of the utterance
    end: int
    status: str  # as in the guideline, or NO_FACT
    whose: str  # patient, family, other
    action: str  # of a medicine; "" for others


@dataclass(frozen=True)
class WrittenConsultation:
    consultation: Consultation
    facts: tuple[Fact, ...]  # each once
    mentions: tuple[WrittenMention, ...]


def read_written(folder: Path) -> tuple[WrittenConsultation, ...]:
    """All consultations of a folder, by the names of their files.

    Raises:
        DataError: there is none, or a line is no turn and no fact, or quotes words that its turn does not have; it is named.
    """
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise DataError(f"{folder} has no written consultations; {REMEDY}")
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> WrittenConsultation:
    utterances: list[Utterance] = []
    facts: list[Fact] = []
    mentions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}, line {number}"
        if line.startswith("= ") and utterances:
            row = _row(line[2:], path.stem, utterances, where)
            place = int(row["utterance"]), int(row["start"]), int(row["end"])
            mentions.append(WrittenMention(*place, row["status"], row["whose"], row["action"]))
            if row["status"] != NO_FACT:
                fact = fact_of_row(row | {"level": row["level"].replace(AGAIN, "core")}, where)
                facts += [fact] * (row["level"] != AGAIN)
        elif line.startswith(("[doctor] ", "[patient] ")):
            role: Role = "doctor" if line.startswith("[doctor]") else "patient"
            utterances.append(Utterance(role, line.partition("] ")[2].strip()))
        elif line.strip():
            raise DataError(f"{where}: neither a turn, [doctor] or [patient], nor a fact, = ...; {REMEDY}")
    return WrittenConsultation(Consultation(path.stem, "train", tuple(utterances)), tuple(facts), tuple(mentions))


def _row(line: str, name: str, utterances: list[Utterance], where: str) -> dict[str, str]:
    """The fields with their place, as `fact_of_row` takes them."""
    values = [field.strip() for field in line.split(" | ")]
    if len(values) != len(FIELDS):
        raise DataError(f"{where}: {len(values)} fields, expected {len(FIELDS)}: {', '.join(FIELDS)}; {REMEDY}")
    row = dict(zip(FIELDS, values, strict=True))
    words, said = row["text"].strip('"'), utterances[-1].text
    start = said.find(words)
    if not words or start < 0:
        raise DataError(f"{where}: its turn has no {words!r}; {REMEDY}")
    place = {"utterance": str(len(utterances) - 1), "start": str(start), "end": str(start + len(words))}
    return row | place | {"consultation_id": name, "action": row["action"].replace(NO_ACTION, "")}
