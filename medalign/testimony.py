"""Two witnesses, one table: what the transcript says and what the audio says about each concept, put side by side."""

from dataclasses import dataclass

import numpy as np

from medalign.analysis import ConceptFinding, ConceptTrack, Evidence, Witness
from medalign.concepts import ConceptBank, Mention
from medalign.transcript import Transcript
from medalign.zero_shot import Reference

ALONE = 0.5  # the student speaks up about a concept that nobody wrote down only if it is more likely than not
MAX_EVIDENCE = 3  # stretches a student may point to for one concept: the best ones
# Shown first: what the patient has; then what they don't; then what is about others, the past, or only possible.
STATUS_ORDER = ("present", "uncertain", "negated", "resolved", "historical", "family", "hypothetical", None)
# "Any fever?" says nothing once the fever has been confirmed or denied.
DEFINITE = {"present", "negated"}


@dataclass(frozen=True)
class Heard:
    """What the student makes of each window, for every concept of the bank, in the bank's order."""

    windows_s: tuple[tuple[float, float], ...]
    probabilities: np.ndarray  # (n_windows, k) calibrated
    cosines: np.ndarray  # (n_windows, k)


def findings(
    mentions: tuple[Mention, ...],
    transcript: Transcript,
    heard: Heard,
    text: np.ndarray,
    bank: ConceptBank,
    concepts: np.ndarray,
    reference: Reference,
) -> tuple[ConceptFinding, ...]:
    """One row per concept and status, the most telling first.

    A concept that is both stated and denied gives two rows: the clinician should see the conflict, and a negated one must
    never pass as present.

    Args:
        text: (n_windows, d) teacher embeddings of the words in each window.
        concepts: (k, d) embeddings of the bank's concepts.
    """
    by_row: dict[tuple[str, str], list[Mention]] = {}
    for mention in mentions:
        by_row.setdefault((mention.concept_id, mention.status), []).append(mention)
    stated = {concept_id for concept_id, status in by_row if status in DEFINITE}
    rows = []
    for (concept_id, status), group in by_row.items():
        if status == "uncertain" and concept_id in stated:
            continue
        column = bank.column[concept_id]
        reading = _read(group, transcript, heard, text, concepts[column], reference)
        rows.append(_row(bank, concept_id, group, reading, _listen(heard, column, reference.student_threshold)))
    mentioned = {mention.concept_id for mention in mentions}
    for column in np.flatnonzero(heard.probabilities.max(0, initial=0.0) >= ALONE):
        if (concept_id := bank.concepts[column].concept_id) not in mentioned:
            rows.append(_row(bank, concept_id, [], None, _listen(heard, column, reference.student_threshold)))
    return tuple(sorted(rows, key=_importance))


def tracks(rows: tuple[ConceptFinding, ...], heard: Heard, bank: ConceptBank) -> tuple[ConceptTrack, ...]:
    """The student's probability over time for each row, in the rows' order."""
    return tuple(
        ConceptTrack(
            row.concept_id,
            row.label,
            tuple(round(float(p), 4) for p in heard.probabilities[:, bank.column[row.concept_id]]),
        )
        for row in rows
    )


def _row(bank: ConceptBank, concept_id: str, group: list[Mention], teacher: Witness | None, student: Witness) -> ConceptFinding:
    concept = bank[concept_id]
    agreement = "student_only" if not group else "both" if student.evidence else "teacher_only"
    return ConceptFinding(
        concept_id=concept_id,
        system=concept.system,
        code=concept.code,
        label=concept.label,
        category=concept.category,
        status=group[0].status if group else None,
        trigger=next((mention.trigger for mention in group if mention.trigger), None),
        teacher=teacher,
        student=student,
        agreement=agreement,
    )


def _read(
    group: list[Mention],
    transcript: Transcript,
    heard: Heard,
    text: np.ndarray,
    concept: np.ndarray,
    reference: Reference,
) -> Witness:
    """The teacher's view: it is as sure as its surest mention."""
    windows = [_window_around(heard.windows_s, mention) for mention in group]
    cosines = text[windows] @ concept
    certainty = np.array([lowest_word_probability(transcript, mention) for mention in group])
    return Witness(
        probability=round(float(reference.read(cosines, certainty).max()), 4),
        raw_score=round(float(cosines.max()), 4),
        evidence=tuple(Evidence(mention.start_s, mention.end_s, mention.text) for mention in group),
    )


def _listen(heard: Heard, column: int, threshold: float) -> Witness:
    """The student's view: its best windows, as far as they pass the threshold; without any, it did not hear it."""
    probabilities = heard.probabilities[:, column]
    best = sorted(np.argsort(-probabilities, kind="stable")[:MAX_EVIDENCE])
    return Witness(
        probability=round(float(probabilities.max()), 4),
        raw_score=round(float(heard.cosines[probabilities.argmax(), column]), 4),
        evidence=tuple(
            Evidence(round(heard.windows_s[i][0], 3), round(heard.windows_s[i][1], 3))
            for i in best
            if probabilities[i] >= threshold
        ),
    )


def _window_around(windows_s: tuple[tuple[float, float], ...], mention: Mention) -> int:
    """The window whose middle is nearest to the mention's."""
    middle_s = (mention.start_s + mention.end_s) / 2
    return int(np.argmin([abs((start_s + end_s) / 2 - middle_s) for start_s, end_s in windows_s]))


def lowest_word_probability(transcript: Transcript, mention: Mention) -> float:
    """The recogniser's own doubt about a mention: the least probable of its words."""
    words = transcript.segments[mention.segment_index].words
    inside = [w.probability for w in words if w.end_s > mention.start_s and w.start_s < mention.end_s]
    return min(inside, default=0.0)


def _importance(row: ConceptFinding) -> tuple:
    witnesses = [witness.probability for witness in (row.teacher, row.student) if witness is not None]
    return (STATUS_ORDER.index(row.status), row.category != "diagnosis", -max(witnesses), row.label)
