"""What the transcript says and what the audio says about each concept, put side by side in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalign.concepts import ConceptBank, Mention
from medalign.core.alignment import ConceptTrack
from medalign.core.analysis import Action, Alternative, ConceptFinding, Correction, Evidence, Source, Status
from medalign.core.transcript import Transcript
from medalign.pipeline.calibration import Calibration

MIN_SPEECH_S = 0.5  # a window with less voice in it says nothing about concepts
AUDIO_ONLY_THRESHOLD = 0.5  # without a fusion, an audio-only concept is reported if it is more likely than not
MAX_ALTERNATIVES, MIN_LIKENESS = 3, 0.7  # cosine; below it the meaning is another one
MAX_EVIDENCE = 3  # windows a student may point to for one concept: the best ones
# Shown first: what the patient has; then what they don't; then what is about others, the past, or only possible.
STATUS_ORDER = ("present", "uncertain", "negated", "resolved", "historical", "family", "hypothetical", None)
# "Any fever?" says nothing once the fever has been confirmed or denied.
DEFINITE = ("present", "negated")
COMPLAINTS = frozenset(["finding", "diagnosis"])


@dataclass(frozen=True)
class AudioEvidence:
    """The student's probability of every concept of the bank, in the bank's order, for each window."""

    windows_s: tuple[tuple[float, float], ...]
    probabilities: np.ndarray  # (n_windows, k) calibrated
    cosines: np.ndarray  # (n_windows, k)
    threshold: float  # probability from which on a window is shown as evidence
    # (k,) bool: may be reported though nobody wrote it down. Of the bank's concepts only those that the probability was fitted
    # on may: the bank has grown since, and what nobody measured should not fill the page. All of them if not given.
    reportable: np.ndarray | None = None

    def audible(self, threshold: float) -> list[int]:
        """Columns of the concepts that may be reported from the sound alone and are at least as probable as this."""
        enough = self.probabilities.max(0, initial=0.0) >= threshold
        return np.flatnonzero(enough if self.reportable is None else enough & self.reportable).tolist()

    def windows_over(self, start_s: float, end_s: float) -> list[int]:
        """Those that overlap the stretch."""
        return [i for i, (a, b) in enumerate(self.windows_s) if a < end_s and b > start_s]

    def window_around(self, mention: Mention) -> int:
        """The window whose middle is nearest to the mention's."""
        middle_s = (mention.start_s + mention.end_s) / 2
        return int(np.argmin([abs((start_s + end_s) / 2 - middle_s) for start_s, end_s in self.windows_s]))

    def probability_at(self, mention: Mention, column: int) -> float:
        """The highest of the windows that overlap the mention."""
        return float(self.probabilities[self.windows_over(mention.start_s, mention.end_s), column].max(initial=0.0))

    def source(self, column: int) -> Source:
        """A concept's best windows, as far as they pass the threshold; without any, the audio does not support it."""
        probabilities = self.probabilities[:, column]
        best = sorted(np.argsort(-probabilities, kind="stable")[:MAX_EVIDENCE])
        return Source(
            probability=round(float(probabilities.max()), 4),
            raw_score=round(float(self.cosines[probabilities.argmax(), column]), 4),
            evidence=tuple(
                Evidence(round(self.windows_s[i][0], 3), round(self.windows_s[i][1], 3))
                for i in best
                if probabilities[i] >= self.threshold
            ),
        )


class TextEvidence:
    """What the teacher makes of the words in each window; the counterpart of `AudioEvidence`."""

    def __init__(self, transcript: Transcript, text: np.ndarray, audio: np.ndarray, concepts: np.ndarray, fits: Calibration):
        """
        Args:
            text: (n_windows, d) teacher embeddings of the words in each window, zero rows where there are none.
            audio: (n_windows, d) the student's, of their sound.
            concepts: (k, d) embeddings of the bank's.
        """
        self.transcript = transcript
        self.cosines = text @ concepts.T  # (n_windows, k)
        self.window_scores = (audio * text).sum(1)  # (n_windows,) cosine of each window's sound and words
        self._calibration = fits

    def probabilities(self, mentions: Sequence[Mention], audio: AudioEvidence, column: int) -> np.ndarray:
        """That each mention of one concept was really said, (n,)."""
        cosines = self.cosines[[audio.window_around(mention) for mention in mentions], column]
        certainty = np.array([lowest_word_probability(self.transcript, mention) for mention in mentions])
        return self._calibration.mention_probability(cosines, certainty)

    def source(self, mentions: Sequence[Mention], audio: AudioEvidence, column: int) -> Source:
        """As sure as the surest mention."""
        windows = [audio.window_around(mention) for mention in mentions]
        return Source(
            probability=round(float(self.probabilities(mentions, audio, column).max()), 4),
            raw_score=round(float(self.cosines[windows, column].max()), 4),
            evidence=tuple(map(evidence_of, mentions)),
        )


@dataclass(frozen=True)
class FusedProbabilities:
    """One probability from text and audio for each concept in question."""

    by_concept: Mapping[str, float]
    threshold: float  # from which on a concept is reported that the transcript lacks


def findings(
    mentions: Sequence[Mention],
    text: TextEvidence | None,
    audio: AudioEvidence,
    bank: ConceptBank,
    fused: FusedProbabilities | None = None,
) -> tuple[ConceptFinding, ...]:
    """One row per concept and status, the most telling first.

    A concept that is both stated and denied gives two rows: the clinician should see the conflict, and a negated one must
    never pass as present.

    Args:
        text: None before there is a transcript; then there are no mentions.
        fused: without it, audio-only concepts are reported by the student's own probability.
    """

    def row(concept_id: str, group: Sequence[Mention]) -> ConceptFinding:
        concept, column = bank[concept_id], bank.column[concept_id]
        student = audio.source(column)
        assert text is not None or not group, "mentions come from a transcript"
        return ConceptFinding(
            concept_id=concept_id,
            system=concept.system,
            code=concept.code,
            label=concept.label,
            category=concept.category,
            status=group[0].status if group else None,
            trigger=next((mention.trigger for mention in group if mention.trigger), None),
            action=latest_action(group),
            teacher=text.source(group, audio, column) if text is not None and group else None,
            student=student,
            agreement="student_only" if not group else "both" if student.evidence else "teacher_only",
            probability=None if fused is None else round(fused.by_concept[concept_id], 4),
        )

    rows = [row(concept_id, group) for (concept_id, _), group in grouped_by_row(mentions, bank).items()]
    mentioned = {mention.concept_id for mention in mentions}
    mentioned |= {general for concept_id in mentioned for general in bank[concept_id].broader}  # amoxicillin is an antibiotic
    heard = [bank.concepts[column].concept_id for column in audio.audible(AUDIO_ONLY_THRESHOLD if fused is None else 0.0)]
    for concept_id in heard:
        if concept_id not in mentioned and (fused is None or fused.by_concept.get(concept_id, 0.0) >= fused.threshold):
            rows.append(row(concept_id, ()))
    said = {status: {r.concept_id for r in rows if r.status == status} for status in DEFINITE}
    both = set.intersection(*said.values())
    rows = [replace(r, is_contradicted=r.status in DEFINITE and r.concept_id in both) for r in rows]
    return tuple(sorted(rows, key=_importance))


def as_likely_as_suggested(row: ConceptFinding, corrections: Sequence[Correction]) -> ConceptFinding:
    """Where a suggested name is the concept, it is at least as likely as the suggestion, which knows more of its place."""
    if row.probability is None:
        return row
    named = [c for c in corrections if c.concept_id == row.concept_id]
    met = [c.probability for c in named if any(c.meets(place.start_s, place.words_end_s) for place in row.text_evidence)]
    return replace(row, probability=max([row.probability, *met]))


def grouped_by_row(mentions: Sequence[Mention], bank: ConceptBank) -> dict[tuple[str, Status], list[Mention]]:
    """Mentions by concept and status, a row each.

    What was asked about is no row once it has been confirmed or denied; but a disease that is suspected stays so, though
    somebody speaks of it elsewhere as if it were there. A condition that only repeats a complaint ("if the pain gets worse")
    is no row beside the complaint.
    """
    by_row: dict[tuple[str, Status], list[Mention]] = {}
    for mention in mentions:
        by_row.setdefault((mention.concept_id, mention.status), []).append(mention)

    def is_said_better(concept_id: str, status: Status) -> bool:
        category = bank[concept_id].category
        if status == "uncertain" and category != "diagnosis":
            return any((concept_id, definite) in by_row for definite in DEFINITE)
        return status == "hypothetical" and category in COMPLAINTS and (concept_id, "present") in by_row

    return {row: group for row, group in by_row.items() if not is_said_better(*row)}


def alternatives(concept_id: str, bank: ConceptBank, embeddings: np.ndarray) -> tuple[Alternative, ...]:
    """The bank's concepts that mean nearly the same, the likest first: whoever doubts a code finds the next best here.

    Args:
        embeddings: (k, d) of the bank's concepts, unit vectors.
    """
    column = bank.column[concept_id]
    likeness = embeddings @ embeddings[column]
    is_medicine = bank.concepts[column].category == "medicine"
    found: list[Alternative] = []
    for other in np.argsort(-likeness, kind="stable"):
        if likeness[other] < MIN_LIKENESS or len(found) == MAX_ALTERNATIVES:
            break
        concept = bank.concepts[other]
        if other != column and (concept.category == "medicine") == is_medicine:
            like = round(float(likeness[other]), 4)
            found.append(Alternative(concept.concept_id, concept.system, concept.code, concept.label, like))
    return tuple(found)


def tracks(rows: Sequence[ConceptFinding], audio: AudioEvidence, bank: ConceptBank) -> tuple[ConceptTrack, ...]:
    """The student's probability over time for each row, in the rows' order."""
    columns = [audio.probabilities[:, bank.column[row.concept_id]].round(4).tolist() for row in rows]
    return tuple(ConceptTrack(row.concept_id, row.label, tuple(column)) for row, column in zip(rows, columns, strict=True))


def evidence_of(mention: Mention) -> Evidence:
    """Where to hear a mention, with the answer if it was asked about: the question alone bears nothing out."""
    text, end_s, term_end_s = mention.text, mention.end_s, None
    if mention.answer is not None and mention.answer_end_s is not None and mention.status != "uncertain":
        text, end_s, term_end_s = f"{text}? {mention.answer}", max(end_s, mention.answer_end_s), mention.end_s
    return Evidence(mention.start_s, end_s, text, term_end_s, mention.trigger, mention.rival)


def lowest_word_probability(transcript: Transcript, mention: Mention) -> float:
    """The recogniser's own doubt about a mention: the least probable of its words."""
    words = transcript.segments[mention.segment_index].words
    inside = [w.probability for w in words if w.end_s > mention.start_s and w.start_s < mention.end_s]
    return min(inside, default=0.0)


def _importance(row: ConceptFinding) -> tuple:
    probabilities = [source.probability for source in (row.teacher, row.student) if source is not None]
    return (STATUS_ORDER.index(row.status), row.category != "diagnosis", -max(probabilities), row.label)


def latest_action(group: Sequence[Mention]) -> Action | None:
    """A consultation ends with what is to be done: "I take it" at the beginning, "then double it" at the end."""
    actions = [mention.action for mention in group if mention.action]
    telling = [action for action in actions if action not in ("taking", "asked")]
    return next(reversed(telling or actions), None)


def overlap_s(window_s: tuple[float, float], stretches_s: np.ndarray) -> float:
    """Seconds of the window that lie in any of the (n, 2) stretches."""
    start_s = np.maximum(stretches_s[:, 0], window_s[0])
    end_s = np.minimum(stretches_s[:, 1], window_s[1])
    return float(np.clip(end_s - start_s, 0, None).sum())


def silent(windows_s: Sequence[tuple[float, float]], speech_s: np.ndarray) -> np.ndarray:
    """Whether each window has too little voice in it to say anything, (n,) bool."""
    return np.array([overlap_s(window, speech_s) < MIN_SPEECH_S for window in windows_s])
