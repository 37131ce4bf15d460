"""Two witnesses, one table: what the transcript says and what the audio says about each concept, put side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medalign.concepts import ConceptBank, Mention
from medalign.core.analysis import Alternative, ConceptFinding, ConceptTrack, Evidence, Source
from medalign.core.transcript import Transcript
from medalign.pipeline.calibration import Calibration

ALONE = 0.5  # the student speaks up about a concept that nobody wrote down only if it is more likely than not
MAX_ALTERNATIVES, MIN_LIKENESS = 3, 0.7  # cosine; below it the meaning is another one
MAX_EVIDENCE = 3  # stretches a student may point to for one concept: the best ones
# Shown first: what the patient has; then what they don't; then what is about others, the past, or only possible.
STATUS_ORDER = ("present", "uncertain", "negated", "resolved", "historical", "family", "hypothetical", None)
# "Any fever?" says nothing once the fever has been confirmed or denied.
DEFINITE = {"present", "negated"}


@dataclass(frozen=True)
class AudioEvidence:
    """What the student makes of each window, for every concept of the bank, in the bank's order."""

    windows_s: tuple[tuple[float, float], ...]
    probabilities: np.ndarray  # (n_windows, k) calibrated
    cosines: np.ndarray  # (n_windows, k)


class TextEvidence:
    """What the teacher makes of the words in each window; the counterpart of `AudioEvidence`."""

    def __init__(self, text: np.ndarray, audio: np.ndarray, concepts: np.ndarray, reference: Calibration):
        """
        Args:
            text: (n_windows, d) teacher embeddings of the words in each window, zero rows where there are none.
            audio: (n_windows, d) the student's, of their sound.
            concepts: (k, d) embeddings of the bank's concepts.
        """
        self.cosines = text @ concepts.T  # (n_windows, k)
        self.fit_with_sound = (audio * text).sum(1)  # (n_windows,)
        self._reference = reference

    def probabilities(self, group: Sequence[Mention], transcript: Transcript, heard: AudioEvidence, column: int) -> np.ndarray:
        """That each mention of one concept was really said, (n,)."""
        cosines = self.cosines[[_window_around(heard.windows_s, mention) for mention in group], column]
        certainty = np.array([lowest_word_probability(transcript, mention) for mention in group])
        return self._reference.read(cosines, certainty)


def findings(
    mentions: tuple[Mention, ...],
    transcript: Transcript,
    heard: AudioEvidence,
    reading: TextEvidence,
    bank: ConceptBank,
    threshold: float,
    fused: Mapping[str, float] | None = None,
    report_threshold: float = ALONE,
) -> tuple[ConceptFinding, ...]:
    """One row per concept and status, the most telling first.

    A concept that is both stated and denied gives two rows: the clinician should see the conflict, and a negated one must
    never pass as present.

    Args:
        threshold: the student's probability from which on it points to a window.
        fused: one probability from both witnesses for each concept in question; None if there is no fusion.
        report_threshold: the probability, fused if there is one, else the student's, from which on a concept is reported that
            the transcript lacks.
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
        teacher = _read(group, transcript, heard, reading, column)
        rows.append(_row(bank, concept_id, group, teacher, _listen(heard, column, threshold), fused))
    mentioned = {mention.concept_id for mention in mentions}
    loudest = heard.probabilities.max(0, initial=0.0)
    for column, concept in enumerate(bank.concepts):
        likely = loudest[column] if fused is None else fused.get(concept.concept_id, 0.0)
        if likely >= report_threshold and concept.concept_id not in mentioned:
            rows.append(_row(bank, concept.concept_id, [], None, _listen(heard, column, threshold), fused))
    return tuple(sorted(rows, key=_importance))


def alternatives(concept_id: str, bank: ConceptBank, embeddings: np.ndarray) -> tuple[Alternative, ...]:
    """The bank's concepts that mean nearly the same, the likest first: whoever doubts a code finds the next best here.

    Args:
        embeddings: (k, d) of the bank's concepts, unit vectors.
    """
    own = bank.column[concept_id]
    likeness = embeddings @ embeddings[own]
    is_medicine = bank.concepts[own].category == "medicine"
    found = []
    for column in np.argsort(-likeness, kind="stable"):
        if likeness[column] < MIN_LIKENESS or len(found) == MAX_ALTERNATIVES:
            break
        other = bank.concepts[column]
        if column != own and (other.category == "medicine") == is_medicine:
            like = round(float(likeness[column]), 4)
            found.append(Alternative(other.concept_id, other.system, other.code, other.label, like))
    return tuple(found)


def tracks(rows: tuple[ConceptFinding, ...], heard: AudioEvidence, bank: ConceptBank) -> tuple[ConceptTrack, ...]:
    """The student's probability over time for each row, in the rows' order."""
    return tuple(
        ConceptTrack(
            row.concept_id,
            row.label,
            tuple(round(float(p), 4) for p in heard.probabilities[:, bank.column[row.concept_id]]),
        )
        for row in rows
    )


def _row(
    bank: ConceptBank,
    concept_id: str,
    group: list[Mention],
    teacher: Source | None,
    student: Source,
    fused: Mapping[str, float] | None,
) -> ConceptFinding:
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
        probability=None if fused is None else round(fused[concept_id], 4),
    )


def _read(group: list[Mention], transcript: Transcript, heard: AudioEvidence, reading: TextEvidence, column: int) -> Source:
    """The teacher's view: it is as sure as its surest mention."""
    windows = [_window_around(heard.windows_s, mention) for mention in group]
    return Source(
        probability=round(float(reading.probabilities(group, transcript, heard, column).max()), 4),
        raw_score=round(float(reading.cosines[windows, column].max()), 4),
        evidence=tuple(Evidence(mention.start_s, mention.end_s, mention.text) for mention in group),
    )


def _listen(heard: AudioEvidence, column: int, threshold: float) -> Source:
    """The student's view: its best windows, as far as they pass the threshold; without any, it did not hear it."""
    probabilities = heard.probabilities[:, column]
    best = sorted(np.argsort(-probabilities, kind="stable")[:MAX_EVIDENCE])
    return Source(
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
