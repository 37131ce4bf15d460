"""Fitting and measuring the correction of misheard names, on spoken consultations whose words are known.

A take tells what was said, utterance by utterance; the recogniser's transcript of it shows which names survived. A
suggestion is right if its concept was said in the utterance that it overlaps and the transcript does not have it.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from medalign.concepts import ConceptBank, find_mentions, find_mentions_in_text
from medalign.concepts.misheard import CATEGORIES
from medalign.correction import correction_features, suggestions
from medalign.errors import DataError
from medalign.evaluation.calibration import expected_calibration_error
from medalign.listener import Listener
from medalign.training.synthesis import Take
from medalign.training.transcripts import transcribed
from medalign.transcription import Transcriber

log = logging.getLogger(__name__)

MIN_PRECISION = 0.9  # of what is suggested, on the takes that were fitted on
SLACK_S = 0.3  # times of words and of utterances differ by so much


@dataclass(frozen=True)
class Suggested:
    """One suggestion in one take."""

    features: tuple[float, ...]
    is_right: bool
    said: str
    name: str
    voice: str


@dataclass(frozen=True)
class Names:
    """Medicines and diseases of one utterance, as they were said and as they were read."""

    said: frozenset[str]
    read: frozenset[str]
    suggested: tuple[tuple[str, tuple[float, ...]], ...]  # concept, features
    voice: str


def observe(
    takes: Iterable[Take], listener: Listener, transcriber: Transcriber, cache: Path
) -> tuple[list[Suggested], list[Names]]:
    """What the recogniser makes of the takes, and what may be suggested; transcripts are kept in `cache`."""
    bank = listener.bank
    found: list[Suggested] = []
    names: list[Names] = []
    for take in takes:
        recording, transcript = transcribed(take, transcriber, cache)
        heard = listener.listen(recording).heard
        offered = [
            (s, correction_features(s, heard, bank, words[0].start_s, words[-1].end_s), words)
            for s, _, _, words in suggestions(transcript, bank)
        ]
        mentions = find_mentions(transcript, bank)
        voice = "+".join(sorted(set(take.voices.values())))
        for utterance in take.utterances:
            inside = (utterance.start_s - SLACK_S, utterance.end_s + SLACK_S)
            said = _of_interest((m.concept_id for m in find_mentions_in_text(utterance.text, bank)), bank)
            read = _of_interest((m.concept_id for m in mentions if inside[0] <= (m.start_s + m.end_s) / 2 < inside[1]), bank)
            here = [o for o in offered if inside[0] <= (o[2][0].start_s + o[2][-1].end_s) / 2 < inside[1]]
            names.append(Names(said, read, tuple((s.concept_id, features) for s, features, _ in here), voice))
            for suggestion, features, words in here:
                is_right = suggestion.concept_id in said - read
                text = " ".join(word.text for word in words)
                found.append(Suggested(features, is_right, text, suggestion.name, voice))
        log.info("%s: %d suggestions so far", take.consultation_id, len(found))
    return found, names


def fit_corrections(found: Sequence[Suggested], listener: Listener) -> float:
    """Fit the probability of a suggestion and write it into the student's reference; the threshold chosen.

    Raises:
        DataError: the takes hold no garbled name, or nothing but.
    """
    features, truth = np.array([s.features for s in found]), np.array([s.is_right for s in found])
    if len(found) == 0 or truth.all() or not truth.any():
        raise DataError(f"{len(found)} suggestions, {int(truth.sum())} of them right: too few to fit; give more --fit speech")
    fit = LogisticRegression(C=1.0, max_iter=2000).fit(features, truth)
    probabilities = fit.predict_proba(features)[:, 1]
    order = np.argsort(-probabilities)
    precision = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= MIN_PRECISION)
    threshold = float(probabilities[order][good[-1]]) if len(good) else 1.0
    weights = np.array([*fit.coef_[0], fit.intercept_[0]])
    reference = replace(listener.reference, correction_fit=weights, correction_threshold=threshold)
    reference.save(listener.student.folder)
    listener.reference = reference
    return threshold


def measure_corrections(found: Sequence[Suggested], names: Sequence[Names], listener: Listener) -> dict:
    """Recall and precision of medicines and diseases before and after correction, in all and by voice."""
    reference = listener.reference
    by_voice: dict[str, list[Names]] = defaultdict(list)
    for name in names:
        by_voice[name.voice].append(name)
    told = {"all": list(names), **(by_voice if len(by_voice) > 1 else {})}
    figures: dict = {key: _recall_and_precision(group, reference) for key, group in told.items()}
    probabilities = np.array([reference.misheard(s.features) for s in found])
    truth = np.array([s.is_right for s in found])
    figures["n_suggestions"] = len(found)
    if len(found) and (probabilities >= 0.05).any():
        figures["expected_calibration_error"] = expected_calibration_error(probabilities, truth)
    return figures


def _recall_and_precision(names: Sequence[Names], reference) -> dict:
    counts = np.zeros((2, 3), int)  # before, after: right, read, said
    for name in names:
        added = {c for c, features in name.suggested if reference.misheard(features) >= reference.correction_threshold}
        for row, read in enumerate((name.read, name.read | added)):
            counts[row] += len(read & name.said), len(read), len(name.said)
    (before, read, said), (after, read_after, _) = counts.tolist()
    return {
        "n_said": said,
        "recall_before": before / max(1, said),
        "recall_after": after / max(1, said),
        "precision_before": before / max(1, read),
        "precision_after": after / max(1, read_after),
    }


def _of_interest(concept_ids: Iterable[str], bank: ConceptBank) -> frozenset[str]:
    return frozenset(c for c in concept_ids if bank[c].category in CATEGORIES)
