"""One statement of a note against what a recording says: what agrees, what differs, what is nowhere.

Compared are concepts with their status, what is done with a medicine, numbers, sides, persons, words of opposite meaning, and
the words themselves, the rarer the weightier. Nothing here is fitted; `check` weighs it.
"""

import math
import re
from collections.abc import Sequence

import numpy as np

from medalign.concepts import ConceptBank
from medalign.concepts.mentions import DRUG_ALLERGY
from medalign.concepts.notes import Clause
from medalign.concepts.tokens import phrase_tokens, stem
from medalign.core.analysis import Status
from medalign.pipeline.notes.amounts import compare_numbers, compare_sides
from medalign.pipeline.notes.details import compare_details
from medalign.pipeline.notes.said import Fact, Said, Stretch, related
from medalign.pipeline.notes.supposed import only_supposed
from medalign.pipeline.notes.tally import FEATURES, Comparison, Tally
from medalign.pipeline.notes.words import NEGATORS, RELATIVES, SAID_NO, SAME_RELATIVE, content, overlap, relatives_in, weight_of

SENSE: dict[Status, str] = {
    "present": "present", "negated": "negated", "resolved": "past", "historical": "past", "family": "family",
    "hypothetical": "possible", "uncertain": "possible",
}  # fmt: skip
SAID_AS = {
    "present": "is said to be there", "negated": "is denied", "past": "is said to be over", "family": "is said of a relative",
    "possible": "is only spoken of as possible",
}  # fmt: skip
NEAR_S = 3.0  # around a mention, where a relative is named
LEAST_SHOWN, LEAST_SAID = 10.0, 0.34  # weight of the words that tell a result, and the share of it that must be said
LARGELY_SAID = 0.67  # share of a statement's words, by weight, from which on no single one is missed
HARDLY = 0.5  # a fact's weight where it is found in a related sense
ASSERTED = frozenset(["finding", "diagnosis", "medicine", "habit"])  # others are done or measured, not there or absent
CERTAIN = re.compile(r"\b(confirm\w*|definite\w*|certain\w*|proven|diagnosed|established|known)\b", re.I)
TAKEN, STOPPED = frozenset(["taking", "started", "changed"]), frozenset(["stopped", "not_taking"])
CONTINUED = re.compile(r"\b(continu\w+|carry on|keep (?:on )?taking|remain on)\b", re.IGNORECASE)
CURRENT = re.compile(r"\b(ongoing|current(?:ly)?|still|persist(?:s|ent|ing|ed)?|remains)\b", re.IGNORECASE)


def compare(clause: Clause, claim: Said, said: Said, best: Sequence[Stretch], bank: ConceptBank) -> Comparison:
    """
    Args:
        claim: the statement, as `statement_said` reads it.
        best: the stretches that fit it best.
    """
    tally = Tally()
    values, known = tally.values, tally.known
    _compare_facts(clause, claim, said, bank, tally)
    best_stems = frozenset().union(*(stretch.stems for stretch in best)) if best else frozenset()
    compare_numbers(claim, said, best, bank, tally)
    compare_sides(clause, said, best, tally)
    if relatives := relatives_in(clause.plain):
        spoken = {SAME_RELATIVE.get(token, token) for stretch in said.stretches for token in phrase_tokens(stretch.text)}
        values["relatives absent"] = float(len(relatives - spoken))
    details = compare_details(claim, said, bank)
    values["details agree"], values["details differ"] = details.agree, details.differ
    values["details unsaid"] = details.unsaid
    values["number contradicted"] += details.numbers_differ
    tally.plain += details.reasons
    tally.evidence += details.agreeing
    wanted = content(clause.plain)
    found = best_stems | known
    values["words in best stretches"] = overlap(wanted, found)
    anywhere = said.stems | known
    values["words anywhere"] = overlap(wanted, anywhere)
    if values["words anywhere"] > LARGELY_SAID:
        tally.unspoken = None
    elif not tally.unspoken and not _numbers_tell(values) and _lacks_result(clause, claim, wanted, said):
        tally.unspoken = "this result"
    values["rarest word missing"] = max((w for key, w in wanted.items() if key not in anywhere), default=0.0) / 10
    values["log words"] = math.log(1 + len(wanted))
    _compare_negation(clause, best, tally)
    for name in ("examination", "assessment", "plan"):
        values[name] = float(clause.section == name or name == "examination" and clause.section == "results")
    values["named contradiction"] = float(bool(tally.reasons or tally.plain))
    plainly_lacking = tally.lacking or only_supposed(clause, claim, said, bank)
    lacking = plainly_lacking or (tally.unspoken and f"{tally.unspoken} is not spoken of")
    features = np.array([values[name] for name in FEATURES], np.float32)
    reason, against = next(iter(tally.plain + tally.reasons), (None, ()))
    return Comparison(
        features, reason, bool(tally.plain), tuple(against), tuple(tally.evidence), lacking, plainly_lacking is None,
        tally.is_only_possible, claim.facts,
    )  # fmt: skip


def _compare_facts(clause: Clause, claim: Said, said: Said, bank: ConceptBank, tally: Tally) -> None:
    values = tally.values
    for fact in claim.facts:
        same = [f for f in said.facts if f.concept_id in related(fact.concept_id, bank)]
        exact = [f for f in same if f.concept_id == fact.concept_id]
        if not same:
            values["facts absent"] += 1
            values["denied facts absent"] += fact.status == "negated"
            values["medicines absent"] += fact.category == "medicine"
            tokens = phrase_tokens(fact.evidence[0].text or fact.label)
            if stem(max(tokens, key=weight_of, default="")) not in said.stems:
                values["facts unspoken"] += 1
                tally.unspoken = tally.unspoken or fact.label
            continue
        tally.known.update(stem(token) for e in fact.evidence for token in phrase_tokens(e.text or ""))
        values["facts in both senses"] += {"present", "negated"} <= {SENSE[f.status] for f in exact}
        agreeing = [f for f in same if SENSE[f.status] == SENSE[fact.status]]
        if agreeing or _nearly_agrees(clause, fact, {SENSE[f.status] for f in same}):
            values["facts agree"] += 1 if agreeing else HARDLY
            tally.evidence += [e for f in (agreeing or same) for e in f.evidence]
            _compare_certainty(clause, fact, exact, tally)
            if fact.category == "medicine":
                _compare_actions(clause, fact, same, tally)
            if fact.status == "family":
                _compare_relatives(clause, fact, agreeing, said, tally)
            continue
        is_of_relatives = bool(frozenset(phrase_tokens(clause.plain)) & RELATIVES) or clause.section == "family"
        if is_of_relatives and fact.status == "negated":  # "no family history of": hardly a denial of the patient's own
            values["facts differ"] += HARDLY
            continue
        values["facts differ"] += 1
        broader = [f for f in same if fact.concept_id in bank and f.concept_id in bank[fact.concept_id].broader]
        narrower = [f for f in same if f.concept_id in bank and DRUG_ALLERGY in (f.concept_id, *bank[f.concept_id].broader)]
        # Who has no diabetes has no type 2 diabetes, and who has a penicillin allergy no "no drug allergies".
        exact = exact or broader or (narrower if fact.status == "negated" else [])
        if exact and fact.category in ASSERTED and (fact.status != "family" or is_of_relatives):
            listed_only = "," in clause.plain and not re.search(r"\b(or|nor|and)\b", clause.plain)
            _contradict(fact, exact, tally, may_be_denied=not listed_only or fact is claim.facts[0])


def _compare_negation(clause: Clause, best: Sequence[Stretch], tally: Tally) -> None:
    says_no = bool(frozenset(phrase_tokens(clause.plain)) & NEGATORS)
    said_no = any(frozenset(phrase_tokens(stretch.text)) & SAID_NO for stretch in best[:1])
    tally.values |= {"negated": says_no, "best stretches negated": said_no, "negation differs": says_no != said_no}


def _numbers_tell(values: dict[str, float]) -> bool:
    """Whether a result is its numbers, and all of them are said: of "BP 144/86, weight 81 kg" nobody says "kg"."""
    others = ("numbers elsewhere", "numbers absent", "number contradicted")
    return values["numbers agree"] > 0 and not any(values[name] for name in others)


def _lacks_result(clause: Clause, claim: Said, wanted: dict[str, float], said: Said) -> bool:
    """Whether a test or an examination may be spoken of, but not what it is said to have shown."""
    tested = any(fact.category in ("procedure", "measurement") for fact in claim.facts) and clause.section not in (
        "plan",
        "assessment",
    )
    named = {stem(token) for fact in claim.facts for e in fact.evidence for token in phrase_tokens(e.text or "")}
    shown = {key: weight for key, weight in wanted.items() if key not in named}
    is_told = sum(shown.values()) >= LEAST_SHOWN and (tested or clause.section in ("examination", "results"))
    return is_told and overlap(shown, said.stems) < LEAST_SAID


def _nearly_agrees(clause: Clause, fact: Fact, senses: set[str]) -> bool:
    """Whether a fact that is said in no such sense is said in one that bears it out all the same."""
    wanted = SENSE[fact.status]
    if wanted in ("past", "possible"):
        return bool(senses - {"negated", "family"})
    # What was once taken or done is not taken or done, and what is over is no diagnosis of today.
    is_of_today = bool(CURRENT.search(clause.plain)) or clause.section == "assessment" and "possible" not in senses
    is_kept = fact.action == "taking" or fact.category == "habit" or is_of_today
    return wanted == "present" and bool(senses & {"past", "possible"}) and not is_kept


def _contradict(fact: Fact, others: Sequence[Fact], tally: Tally, *, may_be_denied: bool) -> None:
    """
    Args:
        others: what the recording has of the fact's concept, none of it in the fact's sense.
        may_be_denied: False in a list of bare words behind a denial, "no allergies, hay fever": who can tell.
    """
    wanted, theirs = SENSE[fact.status], {SENSE[f.status] for f in others}
    evidence = [e for f in others for e in f.evidence]
    if "family" in (wanted, *theirs) and {wanted, *theirs} & {"present", "past", "possible"}:
        whose = "the patient" if wanted == "family" else "a relative"
        tally.contradict("person contradicted", f"the recording says {fact.label} of {whose}", evidence)
    elif wanted == "present" and theirs == {"past"}:
        tally.contradict("action contradicted", f"in the recording, {fact.label} is in the past", evidence, is_plain=True)
    elif (wanted == "negated" and "present" in theirs) or (wanted in ("present", "past") and theirs == {"negated"}):
        said_as = SAID_AS[min(theirs, key=list(SAID_AS).index)]
        if wanted == "negated" and not may_be_denied:
            tally.values["status contradicted"] += 1
        else:
            is_plain = DRUG_ALLERGY in (fact.concept_id, *(f.concept_id for f in others))
            tally.contradict("status contradicted", f"in the recording, {fact.label} {said_as}", evidence, is_plain=is_plain)


def _compare_certainty(clause: Clause, fact: Fact, exact: Sequence[Fact], tally: Tally) -> None:
    """A diagnosis that is only spoken of as possible is not one that is confirmed, nor one that the patient has had."""
    supposed = exact and all(f.status in ("uncertain", "hypothetical") for f in exact)
    if fact.category != "diagnosis" or fact.status not in ("present", "historical", "resolved") or not supposed:
        return
    tally.is_only_possible = True
    if CERTAIN.search(clause.plain) or clause.section == "past":
        evidence = [e for f in exact for e in f.evidence]
        reason = f"in the recording, {fact.label} {SAID_AS['possible']}"
        tally.contradict("certainty differs", reason, evidence, is_plain=True)


def _compare_relatives(clause: Clause, fact: Fact, same: Sequence[Fact], said: Said, tally: Tally) -> None:
    """Whether it is another relative's: plainly, if the one that the note has is not spoken of at all."""
    own, evidence = relatives_in(clause.plain), [e for f in same for e in f.evidence]
    near = " ".join(said.transcript.text_between(e.start_s - NEAR_S, e.end_s + NEAR_S) for e in evidence)
    passages = said.passages
    sentences = {i for e in evidence for i in passages.around(passages.word_at(e.start_s))}
    theirs = relatives_in(" ".join(passages.words[i].text for i in sorted(sentences))) or relatives_in(near)
    if own and theirs and not own & relatives_in(near) and len(theirs) == 1:
        is_plain = not own & relatives_in(said.transcript.text)
        reason = f"in the recording, {fact.label} is the {min(theirs)}'s"
        tally.contradict("person contradicted", reason, evidence, is_plain=is_plain)


def _compare_actions(clause: Clause, fact: Fact, same: Sequence[Fact], tally: Tally) -> None:
    """What is done with a medicine; what is said last holds for what goes on."""
    done = sorted((e.start_s, f.action) for f in same if f.action for e in f.evidence)
    actions = {action for _, action in done}
    if not actions:
        return
    goes_on = CONTINUED.search(clause.plain) and done[-1][1] in STOPPED
    if fact.action in TAKEN and (actions <= STOPPED or goes_on) or fact.action in STOPPED and actions <= TAKEN:
        theirs = "taken or started" if fact.action in STOPPED else "stopped or not taken"
        evidence = [e for f in same if f.action in (TAKEN if fact.action in STOPPED else STOPPED) for e in f.evidence]
        tally.contradict("action contradicted", f"in the recording, {fact.label} is {theirs}", evidence, is_plain=True)
