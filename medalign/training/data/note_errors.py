"""Errors of the kinds that scribes make, put into statements of notes, one at a time and by one seed.

The kinds: (a) a statement of another note of a like complaint, (b) a negation flipped, (c) a medicine, a number or a side
changed, (d) patient and relative swapped, (e) stopped and started swapped. (f), a true statement left out, needs no new text.
Beside these, (g), another time of day, course or the like.
A statement on which a kind can't be put without making nonsense gives none.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from medalign.concepts import ConceptBank, Mention, find_mentions_in_text
from medalign.concepts.notes import Clause, expanded, read_note
from medalign.concepts.tokens import stem
from medalign.pipeline.notes.counterfactuals import DIGITS, REMOVED, SMALL, denied, lead_of, other_numbers, other_side
from medalign.pipeline.notes.scales import NAMED, SCALES, VALUE
from medalign.pipeline.notes.words import RELATIVES, content
from medalign.training.data.consultations import Consultation

ErrorKind = Literal["invented", "negation", "medicine", "number", "side", "person", "started", "circumstance"]
KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)
LIKE = 0.5  # share of words in common from which on a statement of another note may well be true here
MIN_WORDS = 3  # of a statement that is told apart from others at all
VERBS = {
    "started": "stopped", "start": "stop", "starting": "stopping", "stopped": "started", "stop": "start",
    "stopping": "starting",
    "continue": "stop", "continues": "stopped", "continued": "stopped", "initiate": "discontinue", "discontinue": "initiate",
    "discontinued": "started", "increase": "decrease", "increased": "decreased", "decrease": "increase",
    "decreased": "increased",
    "commence": "stop", "takes": "stopped", "taking": "no longer taking", "quit": "started",
}  # fmt: skip
RELATIVE = ("mother", "father", "brother", "sister")
GROUPS = re.compile(r"medic|drug|steroid|inhaler|antibio|pill|tablet|cream|dose|vaccin|supplement|analges|insulin|prescri")


@dataclass(frozen=True)
class Altered:
    """A statement with an error in it."""

    kind: ErrorKind
    clause: Clause  # its text and plain text are the altered ones


class ErrorMaker:
    """Makes errors from the notes of many consultations; the same seed makes the same ones."""

    def __init__(self, consultations: Sequence[Consultation], bank: ConceptBank, seed: int = 0):
        self._bank, self._seed = bank, seed
        self._notes: dict[str, tuple[Clause, ...]] = {}
        self._complaints: dict[str, frozenset[str]] = {}
        medicines: list[str] = []
        for consultation in consultations:
            if not any(c.isalnum() for c in consultation.note):
                continue
            clauses = tuple(clause for clause in read_note(consultation.note)[1] if clause.is_claim)
            mentions = find_mentions_in_text(" . ".join(clause.plain for clause in clauses), bank)
            self._notes[consultation.consultation_id] = clauses
            self._complaints[consultation.consultation_id] = frozenset(
                m.concept_id for m in mentions if m.status == "present" and bank[m.concept_id].category == "finding"
            )
            medicines += [m.text.lower() for m in mentions if bank[m.concept_id].category == "medicine"]
        self._medicines = sorted({name for name in medicines if not GROUPS.search(name)})

    def clauses(self, consultation_id: str) -> tuple[Clause, ...]:
        """The statements of a note."""
        return self._notes.get(consultation_id, ())

    def errors(self, consultation_id: str) -> list[tuple[Clause, Altered]]:
        """One error of each kind in each statement that can hold it, with the statement as it was."""
        found = []
        for at, clause in enumerate(self.clauses(consultation_id)):
            for kind in KINDS:
                rng = random.Random(f"{self._seed} {consultation_id} {at} {kind}")
                altered = (
                    self._invented(consultation_id, clause, rng) if kind == "invented" else MAKERS[kind](self, clause, rng)
                )
                if altered is not None and _words(altered.plain) != _words(clause.plain):
                    found.append((clause, Altered(kind, altered)))
        return found

    def _named(self, clause: Clause, *categories: str) -> list[Mention]:
        """What it names of these categories."""
        return [m for m in find_mentions_in_text(clause.plain, self._bank) if self._bank[m.concept_id].category in categories]

    def _invented(self, consultation_id: str, clause: Clause, rng: random.Random) -> Clause | None:
        """A statement under the same heading in the note whose complaints are likest."""
        own = self._complaints[consultation_id]
        collection = consultation_id[:3]
        others = [name for name in self._notes if name != consultation_id and name[:3] == collection]
        likeness = {name: len(own & self._complaints[name]) / (1 + len(own | self._complaints[name])) for name in others}
        nearest = sorted(others, key=lambda name: (-likeness[name], name))[:5]
        true = [frozenset(content(other.plain)) for other in self.clauses(consultation_id)]
        pool = [
            other
            for name in nearest
            for other in self.clauses(name)
            if other.section == clause.section and len(content(other.plain)) >= MIN_WORDS and not _may_be_true(other, true)
        ]
        return rng.choice(pool) if pool else None

    def _negation(self, clause: Clause, rng: random.Random) -> Clause | None:
        if (other := denied(clause.plain)) is not None:
            return _changed(clause, other)
        lead, rest = lead_of(clause.plain)
        if REMOVED.match(rest):
            return None
        mentions = find_mentions_in_text(rest, self._bank)
        bare = re.sub(r"^(some|mild|associated|also|occasional|now|slight)\s+", "", rest, flags=re.I)
        is_finding = mentions and mentions[0].status == "present" and self._bank[mentions[0].concept_id].category == "finding"
        if is_finding and bare.lower().startswith(mentions[0].text.lower()):
            return _changed(clause, f"{lead}No {bare[0].lower()}{bare[1:]}")
        return None

    def _medicine(self, clause: Clause, rng: random.Random) -> Clause | None:
        mentions = self._named(clause, "medicine")
        if not mentions or len(self._medicines) < 2:
            return None
        said = rng.choice(mentions).text
        ids = {m.concept_id for m in mentions}
        pool = [m for m in self._medicines if m not in clause.plain.lower()]
        for name in rng.sample(pool, min(5, len(pool))):
            if not {m.concept_id for m in find_mentions_in_text(name, self._bank)} & ids:
                return _changed(clause, clause.plain.replace(said, name, 1))
        return None

    def _number(self, clause: Clause, rng: random.Random) -> Clause | None:
        if found := list(DIGITS.finditer(clause.plain)):
            at = rng.choice(found)
            value = int(at[1])
            changed = rng.choice(other_numbers(value)[:3])
            return _changed(clause, f"{clause.plain[: at.start(1)]}{changed}{clause.plain[at.end(1) :]}")
        words = [word for word in SMALL[1:] if re.search(rf"\b{word}\b", clause.plain, re.I)]
        if not words:
            return None
        word = rng.choice(words)
        other = rng.choice([w for w in SMALL[1:] if w != word])
        return _changed(clause, re.sub(rf"\b{word}\b", other, clause.plain, count=1, flags=re.I))

    def _side(self, clause: Clause, rng: random.Random) -> Clause | None:
        other = other_side(clause.plain)
        return None if other is None else _changed(clause, other)

    def _person(self, clause: Clause, rng: random.Random) -> Clause | None:
        """What a relative has becomes the patient's, and the other way round."""
        mentions = self._named(clause, "diagnosis", "finding")
        relatives = frozenset(_words(clause.plain)) & RELATIVES
        if relatives or clause.section == "family":
            named = [m for m in mentions if m.status in ("family", "present")]
            if not named or any(m.status == "negated" for m in mentions):
                return None
            moved = replace(clause, section="past", label="")
            return _changed(moved, f"Past medical history: {rng.choice(named).text}")
        named = [m for m in self._named(clause, "diagnosis") if m.status in ("present", "historical")]
        if not named or clause.section in ("examination", "plan", "results"):
            return None
        who = rng.choice(RELATIVE)
        return _changed(replace(clause, section="family", label=""), f"Family history: {who} has {rng.choice(named).text}")

    def _circumstance(self, clause: Clause, rng: random.Random) -> Clause | None:
        words = [(at, at[0].lower()) for at in re.finditer(r"[A-Za-z]+", clause.plain)]
        found = [(at, VALUE[stem(word)]) for at, word in words if stem(word) in VALUE and word not in VERBS]
        found = [(at, value) for at, value in found if value[0] in NAMED]
        if not found:
            return None
        at, (scale, value) = rng.choice(found)
        others = [words.split()[0] for other, words in enumerate(SCALES[scale]) if other != value]
        return _changed(clause, f"{clause.plain[: at.start()]}{rng.choice(others)}{clause.plain[at.end() :]}")

    def _started(self, clause: Clause, rng: random.Random) -> Clause | None:
        found = [
            m
            for m in re.finditer(r"\b[A-Za-z]+\b", clause.plain)
            if m[0].lower() in VERBS and not re.search(r"\b(did|to|not|never|after)\s+$", clause.plain[: m.start()])
        ]
        if not self._named(clause, "medicine", "habit"):
            return None
        if found:
            at = rng.choice(found)
            if at[0].lower() == "taking" and re.search(r"no longer |stopped |not ", clause.plain[: at.start()]):
                return None
            return _changed(clause, f"{clause.plain[: at.start()]}{VERBS[at[0].lower()]}{clause.plain[at.end() :]}")
        if clause.section == "medicines":
            lead, rest = lead_of(clause.plain)
            return _changed(clause, f"{lead}stopped {rest}")
        return None


MAKERS: Mapping[ErrorKind, Callable[[ErrorMaker, Clause, random.Random], Clause | None]] = {
    "negation": ErrorMaker._negation, "medicine": ErrorMaker._medicine, "number": ErrorMaker._number,
    "side": ErrorMaker._side, "person": ErrorMaker._person, "started": ErrorMaker._started,
    "circumstance": ErrorMaker._circumstance,
}  # fmt: skip


def _changed(clause: Clause, plain: str) -> Clause:
    return replace(clause, text=plain, plain=expanded(plain))


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))


def _may_be_true(other: Clause, true: Sequence[frozenset[str]]) -> bool:
    words = frozenset(content(other.plain))
    return any(len(words & own) >= LIKE * min(len(words), len(own) or 1) for own in true)
