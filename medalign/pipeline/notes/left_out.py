"""What was said and a clinician would write down, and the note lacks: the heaviest first.

Weights are ours, by what a reader of the note would miss most: what the patient came for, red flags, allergies, medicines,
diagnoses, advice on when to come back. They rank; they are no probabilities.
"""

import re
from collections.abc import Sequence
from functools import cache

from medalign.concepts import ConceptBank
from medalign.concepts.bank import is_allergy
from medalign.concepts.tokens import data_rows, phrase_tokens, stem, words_of
from medalign.core.analysis import Evidence
from medalign.core.note_check import LeftOut
from medalign.core.transcript import DOCTOR, UNKNOWN_SPEAKER
from medalign.pipeline.notes.said import Fact, Said, related
from medalign.pipeline.notes.words import COMMON

MAX_LEFT_OUT = 40
WEIGHTS: dict[tuple[str, str], float] = {  # by category and status; others are not told
    ("finding", "present"): 0.6, ("finding", "negated"): 0.3, ("finding", "resolved"): 0.4, ("finding", "historical"): 0.4,
    ("diagnosis", "present"): 0.75, ("diagnosis", "historical"): 0.65, ("diagnosis", "resolved"): 0.6,
    ("diagnosis", "family"): 0.55, ("diagnosis", "uncertain"): 0.4, ("diagnosis", "negated"): 0.3, ("finding", "family"): 0.4,
    ("medicine", "present"): 0.8, ("medicine", "hypothetical"): 0.6, ("medicine", "resolved"): 0.55,
    ("medicine", "historical"): 0.55, ("medicine", "negated"): 0.3, ("procedure", "present"): 0.5,
    ("procedure", "hypothetical"): 0.55, ("procedure", "historical"): 0.5, ("habit", "present"): 0.45,
    ("habit", "negated"): 0.3,
    ("measurement", "present"): 0.4,
}  # fmt: skip
ACTED = frozenset(["started", "stopped", "changed", "reacted"])
SAFETY_NET = re.compile(
    r"\b(if (it|that|this|things|you|they|the \w+|there|any)\b.{0,90}\b(call|ring|come back|come in|see (us|me)|999|911|111|"
    r"a ?(&|and) ?e|emergency|hospital|let (us|me) know|get in touch|straight away|urgent\w*)|"
    r"\b(come back|call|ring|let (us|me) know|get in touch|see us)\b.{0,60}\bif\b)",
    re.IGNORECASE,
)
NOTED_NET = re.compile(
    r"\b(review|return|come back|seek|call|ring|safety|worse\w*|red flags?|follow.?up|contact|inb|if not|if no)\b", re.I
)
ADDRESSED = words_of("you your yours i i'm my mine me we our us")  # said to each other, and in no note
COMPLAINT_WITHIN = 0.25  # of the recording: what is told first is mostly what somebody came for


def left_out(said: Said, noted: Sequence[Fact], note: str, bank: ConceptBank) -> tuple[LeftOut, ...]:
    """
    Args:
        noted: facts of the note's statements.
        note: its words in full.
    """
    covered = {other for fact in noted for other in related(fact.concept_id, bank)}
    written = frozenset(stem(token) for token in phrase_tokens(note))
    last_s = said.transcript.segments[-1].end_s if said.transcript.segments else 0.0
    present = [f for f in said.facts if f.status == "present" and f.category in ("finding", "diagnosis") and f.evidence]
    complaint = min(present, key=lambda f: (-min(len(f.evidence), 3), f.evidence[0].start_s), default=None)
    found: dict[str, LeftOut] = {}
    for fact in said.facts:
        if fact.concept_id in covered or not fact.evidence or _is_written(fact, written):
            continue
        weight, why = weighed(fact, is_complaint=fact is complaint and fact.evidence[0].start_s <= COMPLAINT_WITHIN * last_s)
        weight = round(weight * (0.85 + 0.05 * min(len(fact.evidence), 3)), 3)
        if weight and (fact.concept_id not in found or found[fact.concept_id].weight < weight):
            found[fact.concept_id] = LeftOut(fact.concept_id, fact.label, fact.status, weight, why, fact.evidence[:3])
    rows = [*found.values(), *([] if NOTED_NET.search(note) else _safety_net(said))]
    return tuple(sorted(rows, key=lambda row: (-row.weight, row.evidence[0].start_s))[:MAX_LEFT_OUT])


def weight_of_fact(fact: Fact) -> float:
    """How much its loss would matter, whatever somebody came for."""
    return weighed(fact, is_complaint=False)[0]


def weighed(fact: Fact, *, is_complaint: bool) -> tuple[float, str]:
    """The weight, and why."""
    if is_allergy(fact.concept_id, fact.label):
        return (0.95, "allergy") if fact.status != "negated" else (0.6, "asked for allergies")
    if is_complaint:
        return 1.0, "what they came for"
    if fact.label in _red_flags() and fact.status in ("present", "negated"):
        return (0.9, "red flag") if fact.status == "present" else (0.5, "red flag, denied")
    weight = WEIGHTS.get((fact.category, fact.status), 0.0)
    if fact.category == "medicine" and fact.action in ACTED:
        return 0.85, f"medicine {fact.action}" if fact.action != "reacted" else "reaction to a medicine"
    return weight, {"negated": f"{fact.category}, denied", "family": "family history"}.get(fact.status, fact.category)


def _is_written(fact: Fact, written: frozenset[str]) -> bool:
    """Whether the note has the words of it, though they were not read as the concept."""
    for words in (fact.label, *(evidence.text or "" for evidence in fact.evidence)):
        telling = [stem(token) for token in phrase_tokens(words) if token not in COMMON | ADDRESSED]
        if telling and all(key in written for key in telling):
            return True
    return False


def _safety_net(said: Said) -> list[LeftOut]:
    for segment in reversed(said.transcript.segments):
        if segment.speaker in (DOCTOR, UNKNOWN_SPEAKER) and SAFETY_NET.search(segment.text):
            evidence = Evidence(segment.start_s, segment.end_s, segment.text)
            return [LeftOut("", "advice on when to come back", "hypothetical", 0.7, "safety net", (evidence,))]
    return []


@cache
def _red_flags() -> frozenset[str]:
    return frozenset(label for row in data_rows("red_flags.csv") for label in row["labels"].split("|"))
