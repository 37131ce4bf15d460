"""What is found of the facts in consultations, measured against annotations made by reading, and where the rest is lost.

A fact is found if a row shows its concept, and right if a row shows it in its sense, too. A row is right if there is such a
fact, whether or not somebody would be blamed for leaving it out. Rows are counted by consultation, as a page shows them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions, transcript_from_text
from medalign.core.errors import DataError
from medalign.evaluation.bootstrap import bootstrap_over_groups
from medalign.pipeline.assertion import revised
from medalign.pipeline.evidence import grouped_by_row
from medalign.pipeline.listener import Listener
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import OF_STATUS, Fact, FactNames, Sense
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
    ids, names = {fact.consultation_id for fact in facts}, FactNames.default(bank)
    human = read_rows_from_words([c for c in consultations if c.consultation_id in ids], bank)
    if missing := sorted(ids - set(human)):
        raise DataError(f"the data lack consultation {missing[0]}; --data takes the folder with primock57/ and aci_bench/")
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
    rows = {}
    for consultation in consultations:
        said = transcript_from_text("\n".join(f"[{u.role}] {u.text}" for u in consultation.utterances))
        rows[consultation.consultation_id] = rows_of_mentions(revised(said, find_mentions(said, bank), bank), bank)
    return rows


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


def outcomes(facts: Sequence[Fact], rows: Rows, names: FactNames) -> list[Outcome]:
    """What became of each fact."""
    return [_outcome(fact, rows[fact.consultation_id], names) for fact in facts]


def _outcome(fact: Fact, rows: frozenset[Row], names: FactNames) -> Outcome:
    ids = names.concept_ids(fact.name)
    senses = {sense for concept_id, sense in rows if concept_id in ids}
    if not senses:
        return "missed" if ids else "no concept"
    return "right" if senses & fact.senses else "status"


def measure_rows(facts: Sequence[Fact], rows: Rows, names: FactNames) -> dict:
    """Shares with 95 % intervals over consultations: facts found, found in their sense, and rows that are right.

    Args:
        facts: of the consultations that have rows.
    """
    core = [fact for fact in facts if fact.level == "core"]
    results = outcomes(core, rows, names)
    groups = [fact.consultation_id for fact in core]
    found, right = np.isin(results, ["status", "right"]), np.array(results) == "right"
    figures: dict = {
        "n_consultations": len(set(groups)),
        "n_facts": len(core),
        "found": _share(found, groups),
        "found_in_sense": _share(right, groups),
        "sense_of_found": _share(right[found], [g for g, is_found in zip(groups, found, strict=True) if is_found]),
    }
    shown = [(name, row) for name, of_one in sorted(rows.items()) for row in sorted(of_one, key=str)]
    judged = [_is_right(facts, name, row, names) for name, row in shown]
    figures["n_rows"] = len(shown)
    figures["rows_right"] = _share(np.array([both for both, _ in judged], bool), [name for name, _ in shown])
    figures["rows_with_right_concept"] = _share(np.array([any_ for _, any_ in judged], bool), [name for name, _ in shown])
    for title, key in (("by_kind", _kind), ("by_sense", _sense)):
        labels = [key(fact) for fact in core]
        figures[title] = {
            label: {
                "n": labels.count(label),
                "found": float(np.mean([f for f, own in zip(found, labels, strict=True) if own == label])),
                "found_in_sense": float(np.mean([r for r, own in zip(right, labels, strict=True) if own == label])),
            }
            for label in sorted(set(labels))
        }
    return figures


def attribute_losses(facts: Sequence[Fact], stages: Mapping[str, Rows], names: FactNames) -> dict[str, int]:
    """How many core facts are right in the end, and what the others were lost by.

    Args:
        stages: rows at each stage by its name, in order: "human words" first, then what each later step makes of them. What
            is right at one stage and wrong at the next is lost by the next; what was never right on human words is lost by
            the extraction, for want of a concept or of a wording, or by its status.
    """
    core = [fact for fact in facts if fact.level == "core"]
    by_stage = {stage: outcomes(core, rows, names) for stage, rows in stages.items()}
    counts: Counter[str] = Counter()
    stages_in_order = list(by_stage)
    first, last = stages_in_order[0], stages_in_order[-1]
    for i in range(len(core)):
        if by_stage[last][i] == "right":
            counts["right"] += 1
        elif by_stage[first][i] != "right":
            reasons = {"no concept": "extraction: no concept", "missed": "extraction: no wording", "status": "status"}
            counts[reasons[by_stage[first][i]]] += 1
        else:
            lost_at = next(stage for stage in reversed(stages_in_order) if by_stage[stage][i] == "right")
            counts[stages_in_order[stages_in_order.index(lost_at) + 1]] += 1
    return dict(counts)


def _is_right(facts: Iterable[Fact], consultation_id: str, row: Row, names: FactNames) -> tuple[bool, bool]:
    """Whether a fact has its concept in its sense, and whether one has its concept at all."""
    concept_id, sense = row
    same = [f for f in facts if f.consultation_id == consultation_id and concept_id in names.concept_ids(f.name)]
    return any(sense in fact.senses for fact in same), bool(same)


def _share(hits: np.ndarray, groups: Sequence[str]) -> list[float]:
    """[share, lower, upper]."""
    if not len(hits):
        return [float("nan")] * 3
    statistic: Callable[[np.ndarray], float] = lambda chosen: float(hits[chosen].mean())  # noqa: E731
    return [float(hits.mean()), *bootstrap_over_groups(statistic, groups)]


def _kind(fact: Fact) -> str:
    return fact.kind


def _sense(fact: Fact) -> str:
    return "family" if "family" in fact.senses else next(iter(fact.senses))
