"""Fusion: one calibrated probability that a concept came up, from transcript, corrected names and audio together.

A logistic fit on a dozen numbers, one set of weights for a concept that stands in the transcript, one for a corrected name, one
for an audio-only concept. There it counts, too, how sure the recogniser was of the words under it: a concept in the audio where
the transcript is clear and says something else is less credible.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from medalign.concepts import ConceptBank, Mention
from medalign.core.analysis import Correction
from medalign.pipeline.calibration import FEATURES
from medalign.pipeline.evidence import AudioEvidence, TextEvidence

CANDIDATE_THRESHOLD = 0.05  # the student's probability below which a concept that nobody wrote down is left alone
MAX_LOGIT = 7.0
UNKNOWN_WORDS = 0.5  # certainty where no word is written


def candidate_concepts(mentions: Sequence[Mention], audio: AudioEvidence, bank: ConceptBank) -> list[str]:
    """Concepts that transcript or audio has something to say about, mentioned ones first."""
    named = list(dict.fromkeys(mention.concept_id for mention in mentions))
    audible = audio.audible(CANDIDATE_THRESHOLD)
    return named + [c for c in (bank.concepts[column].concept_id for column in audible) if c not in set(named)]


def fusion_features(
    concept_ids: Sequence[str],
    mentions: Sequence[Mention],
    corrections: Sequence[Correction],
    text: TextEvidence,
    audio: AudioEvidence,
    bank: ConceptBank,
) -> np.ndarray:
    """The features of "fusion" for each concept, (n, k). Columns that don't apply are 0.

    Args:
        mentions: with those that rest on a correction.
        text: of the same windows as `audio`.
    """
    by_concept: dict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        by_concept[mention.concept_id].append(mention)
    rows = np.zeros((len(concept_ids), len(FEATURES["fusion"])))
    for row, concept_id in zip(rows, concept_ids, strict=True):
        column = bank.column[concept_id]
        found = by_concept[concept_id]
        corrected = {mention: correction for mention in found if (correction := _correction_of(mention, corrections))}
        written = [mention for mention in found if mention not in corrected]
        if written:
            probability = text.probabilities(written, audio, column).max()
            highest = max(audio.probability_at(mention, column) for mention in written)
            row[:4] = 1.0, _logit(probability), _logit(highest), np.log(len(written))
        elif corrected:
            probability = max(correction.probability for correction in corrected.values())
            highest = max(audio.probability_at(mention, column) for mention in corrected)
            row[4:7] = 1.0, _logit(probability), _logit(highest)
        else:
            row[7:] = _audio_only_features(column, text, audio)
    return rows


def _audio_only_features(column: int, text: TextEvidence, audio: AudioEvidence) -> tuple[float, ...]:
    probabilities = audio.probabilities[:, column]
    best = int(probabilities.argmax())
    start_s, end_s = audio.windows_s[best]
    near = audio.windows_over(start_s, end_s)
    cosines = text.cosines[near, column]
    reportable = text.cosines[near] if audio.reportable is None else text.cosines[near][:, audio.reportable]
    certainty = [word.probability for word in text.transcript.words if start_s <= word.start_s < end_s]
    second = _logit(np.sort(probabilities)[-2]) if len(probabilities) > 1 else -MAX_LOGIT
    certain = float(np.mean(certainty)) if certainty else UNKNOWN_WORDS
    of_text = cosines.max(), (cosines - reportable.max(1)).max(), text.window_scores[best]
    return 1.0, _logit(probabilities[best]), second, *of_text, certain, np.log1p(len(certainty))


def _correction_of(mention: Mention, corrections: Sequence[Correction]) -> Correction | None:
    same = (correction for correction in corrections if correction.concept_id == mention.concept_id)
    return next((correction for correction in same if correction.meets(mention.start_s, mention.end_s)), None)


def _logit(probability: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.clip(np.log(probability) - np.log1p(-probability), -MAX_LOGIT, MAX_LOGIT))
