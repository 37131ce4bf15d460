"""What is found of the facts in consultations, measured against annotations made by reading, and where the rest is lost.

A fact is found if a row shows its concept, and right if a row shows it in its sense, too. A row is right if there is such a
fact, whether or not somebody would be blamed for leaving it out. Rows are counted by consultation, as a page shows them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions, transcript_from_text
from medalign.core.transcript import Transcript
from medalign.evaluation.bootstrap import share
from medalign.pipeline.assertion import revised
from medalign.pipeline.calibration import against_distractors
from medalign.pipeline.evidence import grouped_by_row
from medalign.pipeline.listener import Listener
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import OF_STATUS, Fact, FactNames, Sense, annotated
from medalign.training.fitting.observation import Observation

Row = tuple[str, Sense | None]  # concept id and sense; None where only the audio speaks for it
Rows = Mapping[str, frozenset[Row]]  # by consultation
HUMAN, TRANSCRIPT, FUSED = "human words", "transcript", "fused"
# What does a part of the work: our reading without classifier and corrections; and concepts of the bank by their likeness to
# the words of each window (a cascade) or to its sound, as many as the fusion shows, which knows no sense.
RULES, TEACHER, STUDENT = "dictionary and rules", "teacher on the transcript", "student alone"
Outcome = Literal["no concept", "missed", "status", "right"]


def measure_facts(
    facts: Sequence[Fact],
    consultations: Iterable[Consultation],
    bank: ConceptBank,
    observed: Mapping[str, Mapping[str, Rows]] | None = None,
) -> dict:
    """Figures on human words; and by noise level on the transcript, on transcript and audio, and by peers, with where facts
    were lost.

    Args:
        consultations: with those that the facts are of.
        observed: by level, see `observed_rows`.

    Raises:
        DataError: a consultation is missing.
    """
    names, said = FactNames.default(bank), annotated(facts, consultations).values()
    human, by_rules = read_rows_from_words(said, bank), read_rows_from_words(said, bank, by_rules=True)
    figures: dict = {HUMAN: measure_rows(facts, human, names)}
    figures[HUMAN] |= {RULES: measure_rows(facts, by_rules, names), "fate": attribute_losses(facts, {HUMAN: human}, names)}
    for level, ways in (observed or {}).items():
        spoken = [fact for fact in facts if fact.consultation_id in ways[TRANSCRIPT]]
        figures[level] = {way: measure_rows(spoken, rows, names) for way, rows in ways.items()}
        stages = {HUMAN: human, "recogniser": ways[TRANSCRIPT], "fusion": ways[FUSED]}
        figures[level]["fate"] = attribute_losses(spoken, stages, names)
    return figures


def read_rows_from_words(consultations: Iterable[Consultation], bank: ConceptBank, *, by_rules: bool = False) -> Rows:
    """What is shown for the words that people wrote down, every speaker known; by the rules alone if asked."""

    def read(words: Transcript) -> Sequence[Mention]:
        mentions = find_mentions(words, bank)
        return mentions if by_rules else revised(words, mentions, bank)

    return {c.consultation_id: rows_of_mentions(read(transcript_from_text(c.text)), bank) for c in consultations}


def observed_rows(observations: Iterable[Observation], listener: Listener) -> dict[str, Rows]:
    """What is shown for spoken consultations: by the transcript alone, by transcript and audio, and by what does a part."""
    rows: dict[str, dict[str, frozenset[Row]]] = defaultdict(dict)
    for o in observations:
        key, bank, annotated, audio = o.take.consultation_id, o.encoded.bank, o.annotated, o.encoded.evidence
        found = listener.find_concepts(annotated.mentions, annotated.corrections, annotated.evidence, o.encoded)
        rows[RULES][key] = rows_of_mentions(find_mentions(o.transcript, bank), bank)
        rows[TRANSCRIPT][key] = rows_of_mentions(annotated.mentions, bank)
        rows[FUSED][key] = frozenset((row.concept_id, _sense_of(row.status)) for row in found)
        n = len({row.concept_id for row in found})
        for way, cosines in ((TEACHER, annotated.evidence.cosines), (STUDENT, audio.cosines)):
            rows[way][key] = frozenset((bank.concepts[i].concept_id, None) for i in likeliest(cosines, audio.reportable, n))
    return dict(rows)


def likeliest(cosines: np.ndarray, allowed: np.ndarray | None, n: int) -> list[int]:
    """The n columns of (n_windows, k) that stand out most in any window, of those allowed, (k,) bool."""
    best = against_distractors(cosines).max(0, initial=-np.inf)
    ranked = np.argsort(-best, kind="stable")
    return [int(i) for i in ranked if allowed is None or allowed[i]][:n]


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
