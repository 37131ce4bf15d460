"""What is found of the facts in consultations, measured against annotations made by reading, and where the rest is lost.

A fact is found if a row shows its concept, and right if a row shows it in its sense, too. A row is right if there is such a
fact, whether or not somebody would be blamed for leaving it out. Rows are counted by consultation, as a page shows them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions, transcript_from_text
from medalign.evaluation.bootstrap import share
from medalign.pipeline.assertion import revised
from medalign.pipeline.evidence import grouped_by_row
from medalign.pipeline.listener import Listener
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import OF_STATUS, Fact, FactNames, Sense, annotated
from medalign.training.fitting.observation import Observation

Row = tuple[str, Sense | None]  # concept id and sense; None where only the audio speaks for it
Rows = Mapping[str, frozenset[Row]]  # by consultation
Outcome = Literal["no concept", "missed", "status", "right"]


def measure_facts(
    facts: Sequence[Fact],
    consultations: Iterable[Consultation],
    bank: ConceptBank,
    observed: Mapping[str, tuple[Rows, Rows]] | None = None,
) -> dict:
    """Figures on human words; and by noise level on the transcript and on transcript and audio, with where facts were lost.

    Args:
        consultations: with those that the facts are of.
        observed: by level, see `observed_rows`.

    Raises:
        DataError: a consultation is missing.
    """
    names, human = FactNames.default(bank), read_rows_from_words(annotated(facts, consultations).values(), bank)
    figures: dict = {"human words": measure_rows(facts, human, names)}
    figures["human words"]["fate"] = attribute_losses(facts, {"human words": human}, names)
    for level, (transcript, fused) in (observed or {}).items():
        spoken = [fact for fact in facts if fact.consultation_id in transcript]
        stages = {"human words": human, "recogniser": transcript, "fusion": fused}
        figures[level] = {
            "transcript": measure_rows(spoken, transcript, names),
            "fused": measure_rows(spoken, fused, names),
            "fate": attribute_losses(spoken, stages, names),
        }
    return figures


def read_rows_from_words(consultations: Iterable[Consultation], bank: ConceptBank) -> Rows:
    """What is shown for the words that people wrote down, every speaker known."""
    said = {c.consultation_id: transcript_from_text(c.text) for c in consultations}
    return {key: rows_of_mentions(revised(words, find_mentions(words, bank), bank), bank) for key, words in said.items()}


def observed_rows(observations: Iterable[Observation], listener: Listener) -> tuple[Rows, Rows]:
    """What is shown for spoken consultations: by the recogniser's transcript alone, and by transcript and audio."""
    read, fused = {}, {}
    for o in observations:
        annotated = o.annotated
        found = listener.find_concepts(annotated.mentions, annotated.corrections, annotated.evidence, o.encoded)
        read[o.take.consultation_id] = rows_of_mentions(annotated.mentions, o.encoded.bank)
        fused[o.take.consultation_id] = frozenset((row.concept_id, _sense_of(row.status)) for row in found)
    return read, fused


def rows_of_mentions(mentions: Iterable[Mention], bank: ConceptBank) -> frozenset[Row]:
    return frozenset((concept_id, _sense_of(status)) for concept_id, status in grouped_by_row(list(mentions), bank))


def _sense_of(status: str | None) -> Sense | None:
    return None if status is None else OF_STATUS[status]


def outcome_of(fact: Fact, rows: Rows, names: FactNames) -> Outcome:
    """What became of a fact."""
    ids = names.concept_ids(fact.name)
    senses = {sense for concept_id, sense in rows[fact.consultation_id] if concept_id in ids}
    if not senses:
        return "missed" if ids else "no concept"
    return "right" if senses & fact.senses else "status"


def measure_rows(facts: Sequence[Fact], rows: Rows, names: FactNames) -> dict:
    """Shares with 95 % intervals over consultations: facts found, found in their sense, and rows that are right.

    Args:
        facts: of the consultations that have rows.
    """
    core = [fact for fact in facts if fact.level == "core"]
    results = [outcome_of(fact, rows, names) for fact in core]
    groups = np.array([fact.consultation_id for fact in core])
    found, right = np.isin(results, ["status", "right"]), np.array(results) == "right"
    figures: dict = {
        "n_consultations": len(set(groups)),
        "n_facts": len(core),
        "found": share(found, groups),
        "found_in_sense": share(right, groups),
        "sense_of_found": share(right[found], groups[found]),
    }
    shown = [(name, row) for name, of_one in sorted(rows.items()) for row in sorted(of_one, key=str)]
    judged = [_is_right(facts, name, row, names) for name, row in shown]
    figures["n_rows"] = len(shown)
    figures["rows_right"] = share([both for both, _ in judged], [name for name, _ in shown])
    figures["rows_with_right_concept"] = share([any_ for _, any_ in judged], [name for name, _ in shown])
    senses = ["family" if "family" in fact.senses else next(iter(fact.senses)) for fact in core]
    for title, labels in (("by_kind", np.array([fact.kind for fact in core])), ("by_sense", np.array(senses))):
        figures[title] = {
            str(label): {
                "n": int((labels == label).sum()),
                "found": float(found[labels == label].mean()),
                "found_in_sense": float(right[labels == label].mean()),
            }
            for label in np.unique(labels)
        }
    return figures


def attribute_losses(facts: Sequence[Fact], stages: Mapping[str, Rows], names: FactNames) -> dict[str, int]:
    """How many core facts are right in the end, and what the others were lost by.

    Args:
        stages: rows at each stage by its name, in order: "human words" first, then what each later step makes of them. What
            is right at one stage and wrong at the next is lost by the next; what was never right on human words is lost by
            the extraction, for want of a concept or of a wording, or by its status.
    """
    reasons = {"no concept": "extraction: no concept", "missed": "extraction: no wording", "status": "status"}
    counts: Counter[str] = Counter()
    for fact in facts:
        if fact.level == "core":
            became = [outcome_of(fact, rows, names) for rows in stages.values()]
            if became[-1] == "right":
                counts["right"] += 1
            elif became[0] != "right":
                counts[reasons[became[0]]] += 1
            else:
                last_right = max(i for i, outcome in enumerate(became) if outcome == "right")
                counts[list(stages)[last_right + 1]] += 1
    return dict(counts)


def _is_right(facts: Iterable[Fact], consultation_id: str, row: Row, names: FactNames) -> tuple[bool, bool]:
    """Whether a fact has its concept in its sense, and whether one has its concept at all."""
    concept_id, sense = row
    same = [f for f in facts if f.consultation_id == consultation_id and concept_id in names.concept_ids(f.name)]
    return any(sense in fact.senses for fact in same), bool(same)
