"""One statement of a note against what a recording says: what agrees, what differs, what is nowhere.

Compared are concepts with their status, what is done with a medicine, numbers, sides, persons, words of opposite meaning, and
the words themselves, the rarer the weightier. Nothing here is fitted; `note_check` weighs it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions, transcript_from_text
from medalign.concepts.measurements import find_measurements
from medalign.concepts.misheard import frequency
from medalign.concepts.notes import Clause
from medalign.concepts.tokens import phrase_tokens, stem, words_of
from medalign.core.analysis import Action, Evidence, Status
from medalign.pipeline.note_said import BOTH_SIDES, SIDES, Fact, Said, Stretch, neighbours_of, numbers_of, sides_of

SENSE: dict[Status, str] = {
    "present": "present", "negated": "negated", "resolved": "past", "historical": "past", "family": "family",
    "hypothetical": "possible", "uncertain": "possible",
}  # fmt: skip
SAID_AS = {
    "present": "is said to be there", "negated": "is denied", "past": "is said to be over", "family": "is said of a relative",
    "possible": "is only spoken of as possible",
}  # fmt: skip
COMMON = words_of(
    "a an the of to in on at for with and or but is are was were be been being has have had he she they it his her their its "
    "patient patient's reports report reported states stated denies denied no not nil any some this that these those there "
    "who which will would also as by from mr mrs ms history past medical family social medication allergies examination "
    "assessment plan results none other since per due"
)
NEGATORS = words_of("no not denies denied nil without never none negative isn't doesn't don't hasn't haven't didn't cannot nor")
SAID_NO = NEGATORS | words_of("nope nah nothing can't couldn't wasn't aren't won't wouldn't neither")
RELATIVES = words_of(
    "mother father mom mum dad sister brother wife husband son daughter aunt uncle grandmother grandfather cousin partner "
    "parents grandparents siblings grandma grandpa niece nephew maternal paternal"
)
SAME_RELATIVE = {"mom": "mother", "mum": "mother", "dad": "father", "grandma": "grandmother", "grandpa": "grandfather"}
OPPOSITES = tuple(
    (frozenset(stem(w) for w in a.split()), frozenset(stem(w) for w in b.split()))
    for a, b in [
        ("start started starting begin commence initiate initiated", "stop stopped stopping discontinue discontinued quit"),
        ("increase increased increasing raise up", "decrease decreased decreasing reduce reduced lower down"),
        ("better improved improving improve improvement eased", "worse worsened worsening worsen deteriorated"),
        ("gradual gradually", "sudden suddenly"), ("constant continuous", "intermittent occasional"),
        ("dry", "productive"), ("morning", "night evening"), ("before", "after"), ("continue", "stop discontinue"),
        ("high elevated raised", "low"), ("normal", "abnormal"), ("mild", "severe"), ("upper", "lower"),
        ("smoker smokes smoking", "non-smoker"), ("alone", "wife husband partner family flatmates housemates"),
    ]
)  # fmt: skip
STOPPED = re.compile(r"\b(stop(s|ped|ping)?|discontinu\w*|ceased?|came off|no longer (takes|taking|on)|hold|withh\w+)\b", re.I)
TAKING = re.compile(r"\b(takes|taking|started?|starting|continues?|on|begin|initiat\w+|uses|using|increase\w*)\b", re.I)
SUPPOSED = re.compile(r"\b(possible|possibly|probable|probably|likely|suspect\w*|normal|maintained|good|intact|stable)\b", re.I)
ABSENT = re.compile(r"\bno known\s+|\bnegative\s+(?!for\b)", re.I)
SCOPE_END = re.compile(r"\s*[()]\s*|\s+-\s+|(?<=[a-z])-\s+")  # a denial does not reach beyond
NEAR_S = 3.0  # around a mention, where a relative is named
HARDLY = 0.5  # a fact's weight where it is found in a related sense
WORDS_IN_USE = 2e10  # of the corpus that frequencies are of
UNITS_TELL = frozenset(["duration", "dose", "plan"])  # "3 days" is not "3 weeks"
MANY_OF = frozenset(["duration", "frequency", "dose", "plan"])  # kinds of which a consultation has several, of several things
ASSERTED = frozenset(["finding", "diagnosis", "medicine", "habit"])  # others are done or measured, not there or absent
TAKEN = frozenset(["taking", "started", "changed"])
FEATURES = (
    "facts agree", "facts in both senses", "named contradiction", "facts differ", "facts absent", "denied facts absent",
    "status contradicted", "person contradicted", "medicines absent", "action contradicted", "numbers agree",
    "numbers elsewhere", "numbers absent", "number contradicted", "neighbours of numbers agree",
    "neighbours of numbers differ", "side agrees", "side contradicted", "relatives absent", "opposites agree",
    "opposite contradicted", "words in best stretches", "words anywhere", "rarest word missing", "log words", "negated",
    "best stretches negated", "negation differs", "examination", "assessment", "plan",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What a statement and a recording's words have to do with each other."""

    features: np.ndarray  # (len(FEATURES),)
    contradiction: str | None  # a sentence
    evidence: tuple[Evidence, ...]  # what agrees or contradicts
    facts: tuple[Fact, ...]  # of the statement


def weight_of(token: str) -> float:
    """How much a word tells: the rarer, the more; about 0 to 17."""
    return max(0.0, math.log(WORDS_IN_USE / (min(frequency(token), WORDS_IN_USE) + 300)))


def content(text: str) -> dict[str, float]:
    """Stems of a statement's telling words, with their weights."""
    tokens = [token for token in phrase_tokens(text) if token not in COMMON and not token.isdigit()]
    return {stem(token): weight_of(token) for token in tokens if len(token) > 1}


def overlap(wanted: dict[str, float], stems: frozenset[str]) -> float:
    """Share of the statement's words, by weight, that stand there; 0.5 where it has none."""
    total = sum(wanted.values())
    return sum(weight for key, weight in wanted.items() if key in stems) / total if total else 0.5


def statement_said(clause: Clause, bank: ConceptBank) -> Said:
    """The statement read by the same rules as a recording's words.

    Not by the status classifier, which learnt how people speak: notes say "no", "denies" and "stopped" as rules expect.
    """
    written = transcript_from_text(SCOPE_END.sub(". ", ABSENT.sub("no ", clause.plain)))
    mentions = find_mentions(written, bank)
    facts = [
        Fact(m.concept_id, bank[m.concept_id].label, bank[m.concept_id].category, _status(clause, m),
             _action(clause, m) if bank[m.concept_id].category == "medicine" else None,
             (Evidence(m.start_s, m.end_s, m.text),))
        for m in mentions
    ]  # fmt: skip
    return Said(written, tuple(facts), find_measurements(written, mentions, bank))


def _status(clause: Clause, mention: Mention) -> Status:
    """What is planned, supposed or measured against what is normal states no complaint."""
    if mention.status in ("present", "historical", "resolved") and clause.section == "family":
        return "family"
    if mention.status == "present" and (clause.section == "plan" or SUPPOSED.search(clause.plain)):
        return "hypothetical" if clause.section == "plan" else "uncertain"
    return mention.status


def _action(clause: Clause, mention: Mention) -> Action | None:
    if mention.status == "negated":
        return "not_taking"
    if STOPPED.search(clause.plain):
        return "stopped"
    return "taking" if clause.section == "medicines" or TAKING.search(clause.plain) else None


def compare(clause: Clause, claim: Said, said: Said, best: Sequence[Stretch], bank: ConceptBank) -> Comparison:
    """
    Args:
        claim: the statement, as `statement_said` reads it.
        best: the stretches that fit it best.
    """
    values = dict.fromkeys(FEATURES, 0.0)
    reasons: list[str] = []
    evidence: list[Evidence] = []
    known: set[str] = set()
    _compare_facts(clause, claim, said, bank, values, reasons, evidence, known)
    best_stems = frozenset().union(*(stretch.stems for stretch in best)) if best else frozenset()
    _compare_numbers(claim, said, best, bank, values, reasons, evidence)
    _compare_words(clause, best, best_stems, said, values, reasons)
    wanted = content(clause.plain)
    found = best_stems | known
    values["words in best stretches"] = overlap(wanted, found)
    anywhere = said.stems | known
    values["words anywhere"] = overlap(wanted, anywhere)
    values["rarest word missing"] = max((w for key, w in wanted.items() if key not in anywhere), default=0.0) / 10
    values["log words"] = math.log(1 + len(wanted))
    tokens = frozenset(phrase_tokens(clause.plain))
    values["negated"] = float(bool(tokens & NEGATORS))
    said_no = any(frozenset(phrase_tokens(stretch.text)) & SAID_NO for stretch in best[:1])
    values["best stretches negated"] = float(said_no)
    values["negation differs"] = float(bool(tokens & NEGATORS) != said_no)
    for name in ("examination", "assessment", "plan"):
        values[name] = float(clause.section == name or name == "examination" and clause.section == "results")
    values["named contradiction"] = float(bool(reasons))
    return Comparison(
        np.array([values[name] for name in FEATURES], np.float32), reasons[0] if reasons else None, tuple(evidence), claim.facts
    )


def _compare_facts(
    clause: Clause, claim: Said, said: Said, bank: ConceptBank, values: dict, reasons: list, evidence: list, known: set
) -> None:
    listed_only = "," in clause.plain and not re.search(r"\b(or|nor|and)\b", clause.plain)
    relative = bool(frozenset(phrase_tokens(clause.plain)) & RELATIVES) or clause.section == "family"
    for fact in claim.facts:
        same = [f for f in said.facts if f.concept_id in related(fact.concept_id, bank)]
        exact = [f for f in same if f.concept_id == fact.concept_id]
        if not same:
            values["facts absent"] += 1
            values["denied facts absent"] += fact.status == "negated"
            values["medicines absent"] += fact.category == "medicine"
            continue
        known |= {stem(token) for e in fact.evidence for token in phrase_tokens(e.text or "")}
        wanted = SENSE[fact.status]
        senses = {SENSE[f.status] for f in same}
        is_both = {"present", "negated"} <= {SENSE[f.status] for f in exact}
        values["facts in both senses"] += is_both
        agreeing = [f for f in same if SENSE[f.status] == wanted]
        if (
            agreeing
            or wanted in ("past", "possible")
            and senses - {"negated", "family"}
            or wanted == "present"
            and senses & {"past", "possible"}
            and not (fact.action == "taking" or fact.category == "habit")
        ):
            values["facts agree"] += 1 if agreeing else HARDLY
            evidence += [e for f in (agreeing or same) for e in f.evidence]
            if fact.category == "medicine":
                _compare_actions(fact, agreeing or same, values, reasons)
            if wanted == "family":
                _compare_relatives(clause, fact, agreeing, said, values, reasons)
            continue
        if relative and wanted == "negated":  # "no family history of": hardly a denial of the patient's own
            values["facts differ"] += HARDLY
            continue
        values["facts differ"] += 1
        broader = [f for f in same if fact.concept_id in bank and f.concept_id in bank[fact.concept_id].broader]
        exact = exact or broader  # who has no diabetes has no type 2 diabetes
        theirs = {SENSE[f.status] for f in exact}
        if not theirs:
            continue
        evidence += [e for f in exact for e in f.evidence]
        if fact.category not in ASSERTED or wanted == "family" and not relative:
            continue
        if "family" in (wanted, *theirs) and {wanted, *theirs} & {"present", "past", "possible"}:
            values["person contradicted"] += 1
            whose = "the patient" if wanted == "family" else "a relative"
            reasons.append(f"the recording says {fact.label} of {whose}")
        elif wanted == "present" and theirs == {"past"}:
            values["action contradicted"] += 1
            reasons.append(f"in the recording, {fact.label} is in the past")
        elif (wanted == "negated" and "present" in theirs) or (wanted in ("present", "past") and theirs == {"negated"}):
            values["status contradicted"] += 1
            if wanted == "negated" and listed_only and fact is not claim.facts[0]:  # "no allergies, hay fever": who can tell
                continue
            reasons.append(f"in the recording, {fact.label} {SAID_AS[min(theirs, key=list(SAID_AS).index)]}")


def _compare_relatives(clause: Clause, fact: Fact, same: Sequence[Fact], said: Said, values: dict, reasons: list) -> None:
    """Whether it is another relative's."""
    own = _relatives(clause.plain)
    near = " ".join(said.transcript.text_between(e.start_s - NEAR_S, e.end_s + NEAR_S) for f in same for e in f.evidence)
    theirs = _relatives(near)
    if own and theirs and not own & theirs and len(theirs) == 1:
        values["person contradicted"] += 1
        reasons.append(f"in the recording, {fact.label} is the {min(theirs)}'s")


def _relatives(text: str) -> set[str]:
    return {SAME_RELATIVE.get(token, token) for token in frozenset(phrase_tokens(text)) & RELATIVES}


def _compare_actions(fact: Fact, same: Sequence[Fact], values: dict, reasons: list) -> None:
    actions = {f.action for f in same if f.action}
    stopped = {"stopped", "not_taking"}
    if fact.action in TAKEN and actions and actions <= stopped or fact.action in stopped and actions and actions <= TAKEN:
        values["action contradicted"] += 1
        is_stopped = fact.action in stopped
        reasons.append(f"in the recording, {fact.label} is {'taken or started' if is_stopped else 'stopped or not taken'}")


def _compare_numbers(
    claim: Said, said: Said, best: Sequence[Stretch], bank: ConceptBank, values: dict, reasons: list, evidence: list
) -> None:
    near = frozenset(number for stretch in best for number in stretch.numbers)
    told: frozenset[float] = frozenset()
    neighbours, there = neighbours_of(claim.transcript.words), said.neighbours

    def fits_there(number: float) -> bool:
        """Whether it stands beside a word that it has in the statement, or has none there."""
        return number not in neighbours or bool(neighbours[number] & there.get(number, frozenset()))

    for m in claim.measurements:
        numbers = numbers_of(transcript_from_text(m.text).words)
        told |= numbers
        same = [x for x in said.measurements if x.kind == m.kind]
        agreeing = [x for x in same if x.value == m.value and (x.unit == m.unit or m.kind not in UNITS_TELL)]
        in_unit = [x for x in same if m.kind == "plan" and x.unit == m.unit]
        concept = m.concept_id or (claim.facts[0].concept_id if len(claim.facts) == 1 and m.kind != "plan" else None)
        about = [x for x in same if m.kind not in MANY_OF or concept and x.concept_id in related(concept, bank)]
        about = about or (in_unit if len(in_unit) == 1 else [])
        is_near = bool(numbers) and numbers <= near and all(fits_there(n) for n in numbers)
        if agreeing and (not about or any(x in about for x in agreeing)) or is_near:
            values["numbers agree"] += 1
            evidence += [Evidence(x.start_s, x.end_s, x.text) for x in agreeing]
        elif about:
            values["number contradicted"] += 1
            evidence += [Evidence(x.start_s, x.end_s, x.text) for x in about]
            reasons.append(f"the note has {m.amount}, the recording {' and '.join(dict.fromkeys(x.amount for x in about[:2]))}")
        else:
            values["numbers elsewhere" if numbers and numbers <= said.numbers else "numbers absent"] += 1
    for number, words in neighbours.items():
        others = {word for word in words if any(word in found for value, found in there.items() if value != number)}
        if words & there.get(number, frozenset()):
            values["neighbours of numbers agree"] += 1
        elif others:
            values["neighbours of numbers differ"] += 1
    for number in numbers_of(claim.transcript.words) - told:
        where = (
            "numbers agree"
            if number in near and fits_there(number)
            else "numbers elsewhere"
            if number in said.numbers
            else "numbers absent"
        )
        values[where] += 1


def _compare_words(
    clause: Clause, best: Sequence[Stretch], best_stems: frozenset[str], said: Said, values: dict, reasons: list
) -> None:
    tokens = frozenset(phrase_tokens(clause.plain))
    own, spoken_sides = sides_of(clause.plain), said.sides
    if own:
        agreeing = [pair for pair in own if pair in spoken_sides or (BOTH_SIDES, pair[1]) in spoken_sides]
        differing = [
            pair for pair in own if pair not in agreeing and any((s, pair[1]) in spoken_sides for s in SIDES if s != pair[0])
        ]
        values["side agrees"], values["side contradicted"] = float(bool(agreeing)), float(bool(differing))
        if differing:
            side, part = differing[0]
            others = [s for s in SIDES if (s, part) in spoken_sides]
            reasons.append(f"the note has {side}, the recording {' and '.join(others)} there")
    relatives = {SAME_RELATIVE.get(token, token) for token in tokens & RELATIVES}
    if relatives:
        spoken = {SAME_RELATIVE.get(token, token) for stretch in said.stretches for token in phrase_tokens(stretch.text)}
        values["relatives absent"] = float(len(relatives - spoken))
    stems = frozenset(stem(token) for token in tokens)
    for pair in OPPOSITES:
        for meant, opposite in (pair, pair[::-1]):
            if stems & meant and not stems & opposite:
                values["opposites agree"] += bool(best_stems & meant)
                values["opposite contradicted"] += bool(best_stems & opposite and not best_stems & meant)


@cache
def related(concept_id: str, bank: ConceptBank) -> frozenset[str]:
    """The concept with those that say the same more or less exactly."""
    if concept_id not in bank:
        return frozenset([concept_id])
    return frozenset([concept_id, *bank[concept_id].broader, *_narrower(bank).get(concept_id, ())])


@cache
def _narrower(bank: ConceptBank) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for concept in bank.concepts:
        for broader in concept.broader:
            found.setdefault(broader, []).append(concept.concept_id)
    return {key: tuple(ids) for key, ids in found.items()}
