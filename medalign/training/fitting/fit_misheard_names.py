"""Fitting and measuring the correction of misheard names, on spoken consultations whose words are known.

A take tells what was said, utterance by utterance; the recogniser's transcript of it shows which names survived. A
suggestion is right if its concept was said in the utterance that it overlaps and the transcript does not have it.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions, find_mentions_in_text
from medalign.concepts.misheard import CATEGORIES
from medalign.core.errors import DataError
from medalign.evaluation.calibration import expected_calibration_error
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.hotword_rescoring import HotwordRescorer
from medalign.pipeline.misheard_names import Candidate, candidates, corrections_of, misheard_features, shortlist
from medalign.training.data.vocabulary import SAID_ONCE
from medalign.training.fitting.logistic import fit_logistic, recalibrated, threshold_of_precision
from medalign.training.fitting.observation import Observation

log = logging.getLogger(__name__)

SHORTLIST_THRESHOLD = 0.1  # probability before rescoring; a lower bound costs time and finds hardly more
MIN_PRECISION = 0.9  # of what is suggested, on the takes that were fitted on
SLACK_S = 0.3  # times of words and of utterances differ by so much


@dataclass(frozen=True)
class Utterance:
    """Medicines and diseases of one utterance, as they were said and as they were read."""

    start_s: float
    end_s: float
    said: frozenset[str]
    read: frozenset[str]

    def holds(self, start_s: float, end_s: float) -> bool:
        """Whether the middle lies in it, with some slack."""
        return self.start_s - SLACK_S <= (start_s + end_s) / 2 < self.end_s + SLACK_S


@dataclass(frozen=True)
class Observed:
    """One take, what the recogniser made of its names, and what they may have been."""

    utterances: tuple[Utterance, ...]
    candidates: tuple[Candidate, ...]
    rescorer: HotwordRescorer
    voice: str
    is_dialogue: bool = True  # and not names said once

    def is_right(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Whether each names something that was said there and not read, (n,) bool."""
        at = [(c.suggestion.concept_id, c.words[0].start_s, c.words[-1].end_s) for c in candidates]
        found = [any(name in u.said - u.read for u in self.utterances if u.holds(a, b)) for name, a, b in at]
        return np.array(found, bool)


def observe_names(observations: Iterable[Observation], bank: ConceptBank) -> list[Observed]:
    """What the recogniser made of the names in each take, and what may be suggested."""
    observed = []
    for seen in observations:
        if (scorer := seen.transcriber.scorer) is None:
            raise DataError(
                f"'{seen.transcriber.info.name}' can't weigh names by their sound; give a faster-whisper model as --asr"
            )
        read = _names(find_mentions(seen.transcript, bank), bank)
        utterances = []
        for spoken in seen.take.utterances:
            said = frozenset(m.concept_id for m in _names(find_mentions_in_text(spoken.text, bank), bank))
            utterance = Utterance(spoken.start_s, spoken.end_s, said, frozenset())
            there = frozenset(m.concept_id for m in read if utterance.holds(m.start_s, m.end_s))
            utterances.append(replace(utterance, read=there))
        observed.append(
            Observed(
                tuple(utterances),
                tuple(candidates(seen.transcript, seen.encoded.evidence, bank)),
                HotwordRescorer(scorer, seen.recording, seen.transcript),
                "+".join(sorted(set(seen.take.voices.values()))),
                not seen.take.consultation_id.startswith(SAID_ONCE),
            )
        )
        log.info("%s: %d candidates", seen.take.consultation_id, len(observed[-1].candidates))
    return observed


def fit_misheard_names(observed: Sequence[Observed], calibration: Calibration) -> Calibration:
    """Fit the short list, then the probability of a suggestion, and a threshold that keeps `MIN_PRECISION`.

    Names said once teach what a misheard name looks like, but they are in every sentence there. So the probability and the
    threshold are those of dialogues, if there are any.

    Raises:
        DataError: the takes hold no misheard name, or nothing but.
    """
    features = np.array([c.features for o in observed for c in o.candidates])
    truth = np.concatenate([o.is_right(o.candidates) for o in observed])
    fit = replace(fit_logistic("misheard name, shortlist", features, truth), threshold=SHORTLIST_THRESHOLD)
    calibration = calibration.with_fit("misheard name, shortlist", fit)
    listed = [shortlist(o.candidates, calibration) for o in observed]
    truth = np.concatenate([o.is_right(candidates) for o, candidates in zip(observed, listed, strict=True)])
    features = np.concatenate([misheard_features(some, o.rescorer) for o, some in zip(observed, listed, strict=True) if some])
    fit = fit_logistic("misheard name", features, truth)
    in_dialogue = np.concatenate([np.full(len(some), o.is_dialogue) for o, some in zip(observed, listed, strict=True)])
    if in_dialogue.any():
        features, truth = features[in_dialogue], truth[in_dialogue]
        fit = recalibrated(fit, features, truth)
    fit = replace(fit, threshold=threshold_of_precision(fit.probability(features), truth, MIN_PRECISION))
    return replace(calibration.with_fit("misheard name", fit), asr_revision=observed[0].rescorer.asr_revision)


def measure_misheard_names(observed: Sequence[Observed], calibration: Calibration) -> dict:
    """Recall and precision of medicines and diseases before and after correction, in all and by voice; calibration."""
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((2, 3), int))  # before, after: right, read, said
    probabilities, truth = [], []
    for o in observed:
        listed = shortlist(o.candidates, calibration)
        features = misheard_features(listed, o.rescorer)
        made = corrections_of(listed, features, calibration, o.rescorer.asr_revision)
        for utterance in o.utterances:
            added = {c.concept_id for c in made if utterance.holds(c.start_s, c.end_s)}
            for row, read in enumerate((utterance.read, utterance.read | added)):
                counted = len(read & utterance.said), len(read), len(utterance.said)
                counts["all"][row] += counted
                counts[o.voice][row] += counted
        if listed:
            probabilities += calibration.fits["misheard name"].probability(features).tolist()
            truth += o.is_right(listed).tolist()
    figures: dict = {key: _recall_and_precision(table) for key, table in counts.items() if len(counts) > 2 or key == "all"}
    figures["n_suggestions"] = len(truth)
    if truth:
        figures["expected_calibration_error"] = expected_calibration_error(np.array(probabilities), np.array(truth))
    return figures


def _recall_and_precision(counts: np.ndarray) -> dict:
    (before, read, said), (after, read_after, _) = counts.tolist()
    return {
        "n_said": said,
        "recall_before": before / max(1, said),
        "recall_after": after / max(1, said),
        "precision_before": before / max(1, read),
        "precision_after": after / max(1, read_after),
    }


def _names(mentions: Iterable[Mention], bank: ConceptBank) -> list[Mention]:
    """Mentions of medicines and diseases."""
    return [mention for mention in mentions if bank[mention.concept_id].category in CATEGORIES]
