"""What was said and what the note says of it, found in consultations that have both.

Nobody marked which words a statement of a note comes from. They are found: a statement and a stretch of words that fit each
other best, by the general teacher and by words in common, and better than the next. Where both name a concept, both must
affirm or deny it. What fits in doubt is left out.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medalign.concepts import ConceptBank, find_mentions_in_text, transcript_from_text
from medalign.concepts.notes import Clause
from medalign.models.teacher import Teacher
from medalign.pipeline.notes.evidence import OF_WORDS
from medalign.pipeline.notes.said import Said, Stretch
from medalign.pipeline.notes.words import content, overlap
from medalign.training.adaptation.pairs import TextPair
from medalign.training.data.consultations import Consultation
from medalign.training.data.note_errors import ErrorMaker

SEEN = ("examination", "results")  # sections whose statements are mostly seen or measured, not said
MIN_WORDS = 3
LEAST_COSINE, LEAST_MARGIN = 0.4, 0.06  # of the general teacher; above the next stretch that doesn't overlap
LEAST_AGREED = 0.3  # the cosine from which on a concept in the same sense decides
DENIED = frozenset(["negated"])
MAX_WORDS = 34  # of what was said: longer stretches say several things, and cost most of the time
MAX_ERRORS = 2  # pairs of one statement, each with another error


def noted_pairs(
    consultations: Sequence[Consultation], teacher: Teacher, bank: ConceptBank, cache: Path | None, seed: int
) -> list[TextPair]:
    """Pairs of all consultations that have a note; the wrong texts are the statements with an error put in.

    Args:
        cache: see `Teacher.encode`.
    """
    maker = ErrorMaker(consultations, bank, seed)
    rng = random.Random(seed)
    work = []
    for consultation in consultations:
        name, stretches = consultation.consultation_id, stretches_of(consultation)
        # Statements of what is said in a consultation, long enough to be told from others.
        of_note = [c for c in maker.clauses(name) if c.section not in SEEN and len(c.plain.split()) >= MIN_WORDS]
        if of_note and stretches:
            work.append((name, of_note, stretches))
    texts = list(dict.fromkeys(one.plain for _, clauses, _ in work for one in clauses))
    texts += dict.fromkeys(one.text for _, _, stretches in work for one in stretches)
    row = {text: i for i, text in enumerate(texts)}
    embedded = teacher.encode(texts, cache=cache)  # all at once: what is kept is written once
    found = []
    for name, clauses, stretches in work:
        cosines = embedded[[row[one.plain] for one in clauses]] @ embedded[[row[one.text] for one in stretches]].T
        wrong = _wrong_texts(maker, name)
        for at, stretch in matched(clauses, stretches, cosines, bank):
            plain = clauses[at].plain
            others = wrong.get(plain) or [one.plain for one in clauses if one.plain != plain]
            about = _about(plain, bank)
            for text in rng.sample(others, min(MAX_ERRORS, len(others))):
                found.append(TextPair(stretch.text, plain, text, about, name))
    return found


def stretches_of(consultation: Consultation) -> tuple[Stretch, ...]:
    """Sentences that belong together, an answer with its question; each alone and with the next."""
    found = Said(transcript_from_text(consultation.text), (), ()).stretches
    return tuple(stretch for stretch in found if len(stretch.text.split()) <= MAX_WORDS)


def matched(
    clauses: Sequence[Clause],
    stretches: Sequence[Stretch],
    cosines: Float[np.ndarray, "clauses stretches"],
    bank: ConceptBank,
) -> list[tuple[int, Stretch]]:
    """Statements, by index, and the stretch that each was surely made from; most statements have none."""
    words = [content(clause.plain) for clause in clauses]
    shared = np.array([[overlap(wanted, stretch.stems) for stretch in stretches] for wanted in words])
    fits = cosines + OF_WORDS * shared  # (clauses, stretches)
    starts, ends = np.array([s.start_s for s in stretches]), np.array([s.end_s for s in stretches])
    found = []
    for i, clause in enumerate(clauses):
        best = int(fits[i].argmax())
        if fits[:, best].argmax() != i:
            continue  # another statement fits these words better
        apart = (ends <= starts[best]) | (starts >= ends[best])
        margin = fits[i, best] - fits[i, apart].max() if apart.any() else np.inf
        agreement = _agreement(clause.plain, stretches[best].text, bank)
        sure = cosines[i, best] >= LEAST_COSINE and margin >= LEAST_MARGIN
        agreed = agreement == "same sense" and cosines[i, best] >= LEAST_AGREED
        if agreement != "other sense" and (sure or agreed):
            found.append((i, stretches[best]))
    return found


def _agreement(noted: str, said: str, bank: ConceptBank) -> str:
    """Whether both name a concept, and in which sense; empty if they have none in common."""
    senses: list[Mapping[str, bool]] = [
        {m.concept_id: m.status in DENIED for m in find_mentions_in_text(text, bank)} for text in (noted, said)
    ]
    common = senses[0].keys() & senses[1].keys()
    if not common:
        return ""
    return "same sense" if all(senses[0][name] == senses[1][name] for name in common) else "other sense"


def _wrong_texts(maker: ErrorMaker, consultation_id: str) -> dict[str, list[str]]:
    """For each statement its versions with an error; one of another note only where there are none."""
    found: dict[str, dict[bool, list[str]]] = {}
    for clause, altered in maker.errors(consultation_id):
        found.setdefault(clause.plain, {}).setdefault(altered.kind == "invented", []).append(altered.clause.plain)
    return {plain: by_kind.get(False) or by_kind[True] for plain, by_kind in found.items()}


def _about(noted: str, bank: ConceptBank) -> frozenset[str]:
    """Its concepts; without any, its most telling word."""
    if concepts := {m.concept_id for m in find_mentions_in_text(noted, bank)}:
        return frozenset(concepts)
    words = content(noted)
    return frozenset([max(words, key=lambda word: (words[word], word))] if words else [noted])
