"""Facts annotated by reading whole consultations: an independent truth for what is found in words.

The rows hold labels and places only; how they were made stands in `assets/annotations/README.md`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.concepts.bank import SKIPPABLE
from medalign.concepts.tokens import phrase_tokens
from medalign.core.assets import ASSETS
from medalign.core.errors import DataError
from medalign.core.tables import numbered_rows
from medalign.training.data.consultations import Consultation

Kind = Literal["symptom", "finding", "diagnosis", "medicine", "allergy", "procedure", "measurement", "habit"]
# "past" joins resolved and historical; "family" is anybody but the patient; "uncertain" has unanswered questions, too.
Sense = Literal["present", "negated", "past", "family", "uncertain", "hypothetical"]
Level = Literal["core", "acceptable"]
ANNOTATIONS = ASSETS / "annotations"
NAMES_FILE = "names.csv"
REMEDY = "take the file from the repository again"
OF_STATUS: dict[str, Sense] = {
    **{sense: sense for sense in get_args(Sense)},
    **{"asked": "uncertain", "resolved": "past", "historical": "past"},
}


@dataclass(frozen=True)
class Fact:
    """One concept in one sense in one consultation."""

    consultation_id: str
    utterance: int  # of the consultation, from 0
    start: int  # characters [start, end) of the utterance
    end: int
    name: str  # the usual clinical term
    kind: Kind
    senses: frozenset[Sense]  # any of them is right
    action: str  # of a medicine: taking, started, stopped ...; "" for others
    level: Level  # "acceptable": true, but nobody is blamed for leaving it out


def read_facts(path: Path) -> tuple[Fact, ...]:
    """The rows of one file of annotations, in its order.

    Raises:
        DataError: the file is missing, no CSV table, or a row holds an unknown value; the row is named.
    """
    columns = {"consultation_id", "utterance", "start", "end", "name", "kind", "status", "whose", "action", "level"}
    return tuple(fact_of_row(row, f"{path}, line {line}") for line, row in numbered_rows(path, columns, remedy=REMEDY))


def fact_of_row(row: dict, where: str) -> Fact:
    """The fact of a row that has the columns of such a file; DataError as `read_facts`."""
    for column, allowed in (("kind", get_args(Kind)), ("status", tuple(OF_STATUS)), ("level", get_args(Level))):
        if row[column] not in allowed:
            raise DataError(f"{where}: {column} is {row[column]!r}, expected one of {', '.join(allowed)}; {REMEDY}")
    sense = OF_STATUS[row["status"]]
    senses: frozenset[Sense] = frozenset([sense])
    if row["whose"] != "patient":  # what a relative does not have, is not there
        senses = frozenset(["family", "negated"]) if sense == "negated" else frozenset(["family"])
    place = (int(row["utterance"]), int(row["start"]), int(row["end"]))
    return Fact(row["consultation_id"], *place, row["name"], row["kind"], senses, row["action"], row["level"])


def annotated(facts: Iterable[Fact], consultations: Iterable[Consultation]) -> dict[str, Consultation]:
    """The consultations that facts are of. Raises DataError: one is missing."""
    ids = {fact.consultation_id for fact in facts}
    found = {c.consultation_id: c for c in consultations if c.consultation_id in ids}
    if missing := sorted(ids - set(found)):
        raise DataError(f"the data lack consultation {missing[0]}; --data takes the folder with primock57/ and aci_bench/")
    return found


class FactNames:
    """Which concepts of a bank an annotated name may stand for."""

    def __init__(self, bank: ConceptBank, others: Iterable[tuple[str, str]]):
        """
        Args:
            others: (name, label of a concept) where the bank calls it otherwise.
        """
        self._bank = bank
        ids = {concept.label: concept.concept_id for concept in bank.concepts}
        self._others: dict[str, set[str]] = {}
        for name, label in others:
            if label in ids:
                self._others.setdefault(name, set()).add(ids[label])
        self.concept_ids = cache(self._concept_ids)

    @classmethod
    def default(cls, bank: ConceptBank) -> "FactNames":
        """With the list that lies beside the annotations."""
        rows = numbered_rows(ANNOTATIONS / NAMES_FILE, {"name", "label"}, remedy=REMEDY)
        return cls(bank, [(row["name"], row["label"]) for _, row in rows])

    def _concept_ids(self, name: str) -> frozenset[str]:
        """Empty if the bank has no such concept. A name counts as found if the bank reads all of its words as one concept."""
        whole = [word for word in phrase_tokens(name.lower()) if word not in SKIPPABLE]
        read = {
            mention.concept_id
            for mention in find_mentions_in_text(name, self._bank)
            if [word for word in phrase_tokens(mention.text.lower()) if word not in SKIPPABLE] == whole
        }
        return frozenset(read | self._others.get(name, set()))
