"""The details of a statement, each read beside the words that it belongs to: time of day, course, numbers with their units.

"Aspirin every evening" is held against what is said where aspirin is spoken of: there stands a value of the same scale, and it
is another one. No bank is needed for that, only words that the statement and the recording share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from medalign.concepts import ConceptBank
from medalign.concepts.tokens import phrase_tokens
from medalign.core.analysis import Evidence
from medalign.pipeline.notes.anchor import LEAST_WEIGHT, OF_STATUS
from medalign.pipeline.notes.said import Said, related
from medalign.pipeline.notes.scales import NAMED, VALUE, Detail
from medalign.pipeline.notes.words import SAID_NO, content

MAX_ANCHORS = 2  # of a detail: the nearest words that the recording has, too


@dataclass
class Details:
    """What became of a statement's details."""

    agree: int = 0
    differ: int = 0
    unsaid: int = 0
    numbers_differ: int = 0
    reasons: list[tuple[str, tuple[Evidence, ...]]] = field(default_factory=list)
    agreeing: list[Evidence] = field(default_factory=list)


def compare_details(claim: Said, said: Said, bank: ConceptBank) -> Details:
    """
    Args:
        claim: the statement, as `claims.statement_said` reads it.
    """
    found = Details()
    is_denied = bool(frozenset(phrase_tokens(claim.transcript.text)) & SAID_NO)
    for detail in claim.details:
        is_number = detail.is_number
        same = [other for other in said.details if other.scale == detail.scale]
        near = [other for other in same if other.at in _near(detail, claim, said, bank)]
        agreeing = [other for other in near if detail.is_as(other)]
        if agreeing:
            found.agree += 1
            found.agreeing += [other.evidence for other in agreeing]
        elif near and not (is_number and any(map(detail.is_as, same))):
            found.differ += not is_number
            found.numbers_differ += is_number
            if is_number or detail.scale in NAMED and not is_denied:  # who has no pain at rest may have some on exertion
                theirs = " and ".join(dict.fromkeys(other.evidence.text or "" for other in near[:2]))
                reason = f"the note has {detail.evidence.text}, the recording {theirs}"
                found.reasons.append((reason, tuple(other.evidence for other in near[:2])))
        else:
            found.unsaid += not is_number
    return found


def _near(detail: Detail, claim: Said, said: Said, bank: ConceptBank) -> set[int]:
    """Words of the recording that stand with the words that the detail belongs to."""
    nearest = islice(_anchors(detail, claim, said, bank), MAX_ANCHORS)
    return {i for places in nearest for at in places for i in said.passages.around(at)}


def _anchors(detail: Detail, claim: Said, said: Said, bank: ConceptBank) -> Iterator[Sequence[int]]:
    """Where the recording has the telling words and concepts of the statement, those nearest to the detail first."""
    wanted = content(claim.transcript.text)
    passages = said.passages
    found: list[tuple[int, Sequence[int]]] = []
    of_facts: set[int] = set()
    for fact in claim.facts:
        at = claim.passages.word_at(fact.evidence[0].start_s)
        same = related(fact.concept_id, bank)
        places = [passages.word_at(e.start_s) for f in said.facts if f.concept_id in same for e in f.evidence if e.text]
        if places:
            of_facts.add(at)
            found.append((abs(at - detail.at), places))
    own = detail.evidence  # "days" of "2 days" tells no place
    for at, stems in enumerate(claim.passages.stems):
        if own.start_s <= claim.transcript.words[at].start_s < own.end_s:
            continue
        for key in stems:
            is_telling = wanted.get(key, 0.0) >= LEAST_WEIGHT and key not in OF_STATUS and key not in VALUE
            if is_telling and at not in of_facts and key in passages.places:
                found.append((abs(at - detail.at), passages.places[key]))
    yield from (places for _, places in sorted(found, key=lambda item: item[0]))
