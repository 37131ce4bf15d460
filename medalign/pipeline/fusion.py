"""Fusion: one calibrated probability that a concept came up, from what was read, put right, and heard.

A logistic regression on a dozen numbers that both witnesses give, one set of weights for a concept that stands in the
transcript, one for a name put right, one for what was only heard. There it counts, too, how sure the recogniser was of the
words under it: a concept heard where the transcript is clear and says something else is less credible.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from medalign.concepts import ConceptBank, Mention
from medalign.core.analysis import Correction
from medalign.core.files import read_tensors
from medalign.core.transcript import Transcript
from medalign.pipeline.evidence import AudioEvidence, TextEvidence

FUSION_FILE = "fusion.safetensors"
WORTH_ASKING = 0.05  # the student's probability below which a concept that nobody wrote down is left alone
N_FEATURES = 15
MAX_LOGIT = 7.0
UNKNOWN_WORDS = 0.5  # certainty where no word is written


@dataclass(frozen=True)
class Fusion:
    """A logistic fit, shipped with a student, and the probability from which on what was only heard is told."""

    fit: np.ndarray  # (N_FEATURES + 1,)
    threshold: float

    def probability(self, features: np.ndarray) -> np.ndarray:
        """(n,) of `fusion_features`."""
        return 1 / (1 + np.exp(-(features @ self.fit[:-1] + self.fit[-1])))

    def save(self, folder: Path) -> None:
        save_file({"fit": self.fit, "threshold": np.array([self.threshold])}, folder / FUSION_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Fusion | None":
        """The fit that lies in a student's folder; None if there is none. Raises CheckpointError if it is damaged."""
        path = folder / FUSION_FILE
        if not path.exists():
            return None
        stored = read_tensors(path, {"fit": (N_FEATURES + 1,), "threshold": (1,)}, remedy="run `medalign fuse` again")
        return cls(stored["fit"], float(stored["threshold"][0]))


def candidate_concepts(mentions: Sequence[Mention], heard: AudioEvidence, bank: ConceptBank) -> list[str]:
    """Concepts that at least one witness has something to say about, mentioned ones first."""
    named = list(dict.fromkeys(mention.concept_id for mention in mentions))
    audible = np.flatnonzero(heard.probabilities.max(0, initial=0.0) >= WORTH_ASKING)
    return named + [c for c in (bank.concepts[column].concept_id for column in audible) if c not in set(named)]


def fusion_features(
    concept_ids: Sequence[str],
    mentions: Sequence[Mention],
    corrections: Sequence[Correction],
    transcript: Transcript,
    heard: AudioEvidence,
    reading: TextEvidence,
    bank: ConceptBank,
) -> np.ndarray:
    """What speaks for each concept, (n, N_FEATURES). Columns that don't apply are 0.

    Args:
        mentions: with those that rest on a correction.
        reading: the teacher's side of the same windows as `heard`.
    """
    by_concept: dict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        by_concept[mention.concept_id].append(mention)
    best_text = reading.cosines.max(1, initial=-1.0)
    rows = np.zeros((len(concept_ids), N_FEATURES))
    for row, concept_id in zip(rows, concept_ids, strict=True):
        column = bank.column[concept_id]
        own = by_concept[concept_id]
        put_right = {mention: correction for mention in own if (correction := _correction_of(mention, corrections))}
        read = [mention for mention in own if mention not in put_right]
        if read:
            row[0] = 1.0
            row[1] = _logit(reading.probabilities(read, transcript, heard, column).max())
            row[2] = _logit(max(_heard_at(mention, heard, column) for mention in read))
            row[3] = np.log(len(read))
        elif put_right:
            row[4] = 1.0
            row[5] = _logit(max(correction.probability for correction in put_right.values()))
            row[6] = _logit(max(_heard_at(mention, heard, column) for mention in put_right))
        else:
            _fill_heard_only(row, column, heard, reading, best_text, transcript)
    return rows


def _fill_heard_only(
    row: np.ndarray, column: int, heard: AudioEvidence, reading: TextEvidence, best_text: np.ndarray, transcript: Transcript
) -> None:
    probabilities = heard.probabilities[:, column]
    at = int(probabilities.argmax())
    start_s, end_s = heard.windows_s[at]
    near = [i for i, (a, b) in enumerate(heard.windows_s) if a < end_s and b > start_s]
    certainty = [word.probability for word in transcript.words if start_s <= word.start_s < end_s]
    row[7] = 1.0
    row[8] = _logit(probabilities[at])
    row[9] = _logit(np.sort(probabilities)[-2]) if len(probabilities) > 1 else -MAX_LOGIT
    row[10] = reading.cosines[near, column].max()
    row[11] = (reading.cosines[near, column] - best_text[near]).max()
    row[12] = reading.fit_with_sound[at]
    row[13] = np.mean(certainty) if certainty else UNKNOWN_WORDS
    row[14] = np.log1p(len(certainty))


def _correction_of(mention: Mention, corrections: Sequence[Correction]) -> Correction | None:
    for correction in corrections:
        if mention.concept_id == correction.concept_id and correction.meets(mention.start_s, mention.end_s):
            return correction
    return None


def _heard_at(mention: Mention, heard: AudioEvidence, column: int) -> float:
    over = [i for i, (a, b) in enumerate(heard.windows_s) if a < mention.end_s and b > mention.start_s]
    return float(heard.probabilities[over, column].max(initial=0.0))


def _logit(probability: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.clip(np.log(probability) - np.log1p(-probability), -MAX_LOGIT, MAX_LOGIT))
