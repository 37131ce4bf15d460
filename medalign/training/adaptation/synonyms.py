"""Wordings of one concept: the bank's and the ontologies' synonyms, beside the likest concept that it is not.

Some are kept back for good, whatever the seed, so that linking can be measured on wordings and on concepts that no pair had:
a fifth of the concepts, and a fifth of the other concepts' synonyms.
"""

import hashlib
import random
from functools import cache

import numpy as np

from medalign.concepts import Concept, ConceptBank
from medalign.models.teacher import Teacher
from medalign.training.adaptation.pairs import TextPair

ONE_IN = 5
N_LIKE = 8  # the wrong concept is one of so many that are likest
WORDINGS = ("{}", "{}", "I have {}.", "Any {}?", "It's {}.", "The patient has {}.")


def is_concept_kept_back(concept: Concept) -> bool:
    return _draw(concept.concept_id)


def is_synonym_kept_back(synonym: str) -> bool:
    return _draw(f"synonym {synonym.lower()}")


def is_kept_back(wording: str, bank: ConceptBank) -> bool:
    """Whether it is a kept-back concept's wording, or a kept-back synonym."""
    return wording.lower() in _kept_back(bank)


@cache
def _kept_back(bank: ConceptBank) -> frozenset[str]:
    return frozenset(
        wording.lower()
        for concept in bank.concepts
        for wording in (concept.label, *concept.synonyms)
        if is_concept_kept_back(concept) or (wording != concept.label and is_synonym_kept_back(wording))
    )


def synonym_pairs(teacher: Teacher, bank: ConceptBank, seed: int) -> list[TextPair]:
    """A pair for each synonym that is not kept back: the synonym, as it may be said, and the concept's label."""
    rng = random.Random(seed)
    like = _likest(teacher, bank)
    found = []
    for at, concept in enumerate(bank.concepts):
        if is_concept_kept_back(concept):
            continue
        related = frozenset({concept.concept_id, *concept.broader})
        for synonym in concept.synonyms:
            if not is_synonym_kept_back(synonym):
                wrong = bank.concepts[rng.choice(like[at])].label if len(like[at]) else "something else"
                found.append(TextPair(rng.choice(WORDINGS).format(synonym), concept.label, wrong, related))
    return found


def kept_back_synonyms(bank: ConceptBank) -> list[tuple[str, Concept, bool]]:
    """(synonym, its concept, whether the whole concept was kept back) of all that no pair had."""
    return [
        (synonym, concept, is_concept_kept_back(concept))
        for concept in bank.concepts
        for synonym in concept.synonyms
        if is_concept_kept_back(concept) or is_synonym_kept_back(synonym)
    ]


def _likest(teacher: Teacher, bank: ConceptBank) -> list[np.ndarray]:
    """For each concept those whose labels the general teacher finds likest, neither broader nor narrower ones."""
    embedded = teacher.encode([concept.label for concept in bank.concepts])
    kept = np.array([is_concept_kept_back(concept) for concept in bank.concepts])
    found = []
    for at, concept in enumerate(bank.concepts):
        cosines = np.where(kept, -1.0, embedded @ embedded[at])
        cosines[at] = -1.0
        for other in np.argsort(-cosines)[: 3 * N_LIKE]:
            it = bank.concepts[other]
            if concept.concept_id in it.broader or it.concept_id in concept.broader:
                cosines[other] = -1.0
        likest = np.argsort(-cosines)[:N_LIKE]
        found.append(likest[cosines[likest] > 0])
    return found


def _draw(text: str) -> bool:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % ONE_IN == 0
