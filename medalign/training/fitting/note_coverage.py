"""Does extraction find what matters? Measured against what clinicians wrote about the same consultations.

A note and a checklist of facts were written by people who heard the consultation; neither is made by this package. Their
concepts are looked for in what was said. A concept is covered if the conversation yields it at all, and agrees if both sides
deny it or neither does.

Source: PriMock57 (Papadopoulos Korfiatis et al., ACL 2022), its checklists (Moramarco et al., ACL 2022); ACI-Bench notes.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions, find_mentions_in_text, transcript_from_text
from medalign.evaluation.bootstrap import bootstrap_over_groups
from medalign.training.data.consultations import REMEDY, Consultation
from medalign.training.data.tables import read_rows


@dataclass(frozen=True)
class Item:
    """One line that a clinician wrote about a consultation."""

    consultation_id: str
    text: str
    importance: str  # c critical, nc not critical, i irrelevant


def read_checklist(folder: Path) -> tuple[Item, ...]:
    """PriMock57's, from `folder`/checklist.csv. Raises DataError if it is missing or lacks columns."""
    rows = read_rows(folder / "checklist.csv", {"consultation_id", "item", "importance"}, remedy=REMEDY)
    return tuple(Item(row["consultation_id"], row["item"], row["importance"]) for row in rows)


def measure_coverage(consultations: Sequence[Consultation], items: Iterable[Item], bank: ConceptBank) -> dict:
    """Coverage and agreement of notes and of checklist items by importance, with intervals; and what extraction costs."""
    started, n_words = time.perf_counter(), 0
    said: dict[str, dict[str, set[bool]]] = {}
    for consultation in consultations:
        transcript = transcript_from_text("\n".join(f"[{u.role}] {u.text}" for u in consultation.utterances))
        n_words += len(transcript.words)
        said[consultation.consultation_id] = _denials(find_mentions(transcript, bank))
    seconds = time.perf_counter() - started
    notes = [(c.consultation_id, _denials(find_mentions_in_text(c.note, bank))) for c in consultations if c.note]
    figures: dict = {
        "n_consultations": len(consultations),
        "seconds_for_10000_words": 1e4 * seconds / max(1, n_words),
        "notes": _measure(notes, said),
    }
    by_importance: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.consultation_id in said:
            by_importance[item.importance].append(item)
    for importance, own in sorted(by_importance.items()):
        found = [(item.consultation_id, _denials(find_mentions_in_text(item.text, bank))) for item in own]
        held = [row for row in found if row[1]]
        figures[f"checklist {importance}"] = {"n_items": len(own), "n_items_with_concept": len(held), **_measure(held, said)}
    return figures


def measure_annotated(consultations: Sequence[Consultation], path: Path, bank: ConceptBank) -> dict:
    """Precision, recall and F1 of concepts in single utterances that a person annotated, and the share of right statuses.

    Args:
        path: CSV with a row for each concept: consultation_id, start_s, concepts and statuses (alternatives separated by a
            slash); both empty where an utterance holds none.
    """
    rows = read_rows(path, {"consultation_id", "start_s", "concepts", "statuses"}, remedy="give one such table")
    wanted: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for row in rows:
        wanted[row["consultation_id"], row["start_s"]].append(row)
    n_right = n_found = n_status = 0
    n_true = sum(bool(row["concepts"]) for row in rows)
    by_id = {c.consultation_id: c for c in consultations}
    for (name, start_s), truth in wanted.items():
        utterances = by_id[name].utterances
        at = next(i for i, u in enumerate(utterances) if u.start_s == float(start_s))
        transcript = transcript_from_text("\n".join(f"[{u.role}] {u.text}" for u in utterances))
        found = [m for m in find_mentions(transcript, bank) if m.segment_index == at]
        labels = {bank[m.concept_id].label: m.status for m in found}
        n_found += len(labels)
        used: set[str] = set()
        for row in truth:
            hit = next((label for label in row["concepts"].split("/") if label in labels and label not in used), None)
            if row["concepts"] and hit:
                used.add(hit)
                n_right += 1
                n_status += labels[hit] in row["statuses"].split("/")
    precision, recall = n_right / max(1, n_found), n_right / max(1, n_true)
    return {
        "n_utterances": len(wanted),
        "n_concepts": n_true,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "status_accuracy": n_status / max(1, n_right),
    }


def _denials(mentions: Iterable[Mention]) -> dict[str, set[bool]]:
    """For each concept, whether it is denied, or stated, or both."""
    found: dict[str, set[bool]] = defaultdict(set)
    for mention in mentions:
        found[mention.concept_id].add(mention.status == "negated")
    return found


def _measure(written: list[tuple[str, dict[str, set[bool]]]], said: dict[str, dict[str, set[bool]]]) -> dict:
    rows = [
        (name, concept_id in said[name], bool(denied & said[name].get(concept_id, set())))
        for name, concepts in written
        for concept_id, denied in concepts.items()
    ]
    if not rows:
        return {"n_concepts": 0}
    names = [name for name, _, _ in rows]
    covered, agreeing = (np.array([row[k] for row in rows], float) for k in (1, 2))
    return {
        "n_concepts": len(rows),
        "covered": float(covered.mean()),
        "covered_interval": bootstrap_over_groups(lambda chosen: float(covered[chosen].mean()), names),
        "agreeing_of_covered": float(agreeing.sum() / max(1.0, covered.sum())),
    }
