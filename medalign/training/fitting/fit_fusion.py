"""Fitting and measuring the fusion of transcript and audio, on spoken consultations whose words are known.

The question is asked for each consultation and concept: did it come up? Truth is what the same extractor finds in the words
that were said, so that the figures tell what speech recognition loses and what the student gives back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import average_precision_score

from medalign.concepts import ConceptBank, find_mentions
from medalign.concepts.misheard import CATEGORIES
from medalign.core.errors import DataError
from medalign.evaluation.bootstrap import paired_difference, with_interval
from medalign.evaluation.calibration import expected_calibration_error
from medalign.pipeline.fusion import MAX_LOGIT, candidate_concepts, fusion_features
from medalign.pipeline.logistic_fit import LogisticFit
from medalign.training.fitting.logistic import fit_logistic, threshold_of_best_f1
from medalign.training.fitting.observation import Observation

N_BINS = 10


@dataclass(frozen=True)
class Candidates:
    """Concepts of consultations, row by row. Features are NaN where neither transcript nor audio had anything to say."""

    consultation: np.ndarray  # (n,) identifiers
    is_name: np.ndarray  # (n,) bool: a medicine or a disease
    was_said: np.ndarray  # (n,) bool
    was_read: np.ndarray  # (n,) bool: the transcript has it
    was_corrected: np.ndarray  # (n,) bool: a corrected name has it
    features: np.ndarray  # (n, k) of "fusion"
    audio_probability: np.ndarray  # (n,) the student's best, before a word was written

    @property
    def has_features(self) -> np.ndarray:
        return ~np.isnan(self.features[:, 0])


def collect_candidates(observations: Iterable[Observation], bank: ConceptBank) -> Candidates:
    """Every concept that was said, read, corrected or likely in the audio of the consultations."""
    parts = [_candidates(observation, bank) for observation in observations]
    if not parts:
        raise DataError("no spoken consultation to measure on; check --speech, --fit and --only")
    return joined(parts)


def joined(parts: Sequence[Candidates]) -> Candidates:
    columns = zip(*(tuple(vars(part).values()) for part in parts), strict=True)
    return Candidates(*(np.concatenate(column) for column in columns))


def _candidates(observation: Observation, bank: ConceptBank) -> Candidates:
    annotated, audio = observation.annotated, observation.encoded.evidence
    mentioned = {mention.concept_id for mention in annotated.mentions}
    with_features = candidate_concepts(annotated.mentions, audio, bank)
    features = fusion_features(with_features, annotated.mentions, annotated.corrections, annotated.evidence, audio, bank)
    said = {mention.concept_id for mention in find_mentions(observation.truth, bank)}
    read = {mention.concept_id for mention in find_mentions(annotated.transcript, bank)}
    missed = sorted(said - set(with_features))
    everything = [*with_features, *missed]
    return Candidates(
        np.array([observation.take.consultation_id] * len(everything)),
        np.array([bank[c].category in CATEGORIES for c in everything], bool),
        np.array([c in said for c in everything], bool),
        np.array([c in read for c in everything], bool),
        np.array([c in mentioned - read for c in everything], bool),
        np.concatenate([features, np.full((len(missed), features.shape[1]), np.nan)]),
        audio.probabilities.max(0, initial=0.0)[[bank.column[c] for c in everything]],
    )


def fit_fusion(candidates: Candidates) -> LogisticFit:
    """Fit, and a threshold where the F1 on the same consultations is best.

    Raises:
        DataError: nothing was said, or all candidates were.
    """
    has = candidates.has_features
    features, truth = candidates.features[has], candidates.was_said[has]
    fit = fit_logistic("fusion", features, truth)
    n_said = int(candidates.was_said.sum())
    return replace(fit, threshold=threshold_of_best_f1(fit.probability(features), truth, n_said))


def measure_fusion(fusion: LogisticFit, candidates: Candidates) -> dict:
    """Precision, recall and F1 with 95 % intervals: the transcript, with corrections, and fused; calibration.

    For all concepts, and for common ones and names (medicines and diseases) apart. Average precision is that of a ranking of
    all candidates: by the teacher on the transcript, and by the student before there is one.
    """
    probabilities = np.zeros(len(candidates.was_said))
    probabilities[candidates.has_features] = fusion.probability(candidates.features[candidates.has_features])
    ways = {
        "transcript": candidates.was_read,
        "corrected": candidates.was_read | candidates.was_corrected,
        "fused": candidates.has_features & (probabilities >= fusion.threshold),
    }
    everything = np.ones(len(candidates.is_name), bool)
    figures: dict = {}
    for group, chosen in {"all": everything, "common": ~candidates.is_name, "names": candidates.is_name}.items():
        truth, consultation = candidates.was_said[chosen], candidates.consultation[chosen]
        figures[group] = {"n_said": int(truth.sum())}
        for way, reported in ways.items():
            figures[group][way] = _precision_recall_f1(truth, reported[chosen], consultation)
        fused, read = (_f1(truth, ways[way][chosen]) for way in ("fused", "transcript"))
        figures[group]["fused_minus_transcript_f1"] = paired_difference(fused, read, consultation)
    has = candidates.has_features
    surest = np.where(candidates.was_read, np.nan_to_num(candidates.features[:, 1]), -2 * MAX_LOGIT)  # mention's logit
    figures["average_precision"] = {
        "transcript": float(average_precision_score(candidates.was_said, surest)),
        "preview": float(average_precision_score(candidates.was_said, candidates.audio_probability)),
    }
    figures["expected_calibration_error"] = expected_calibration_error(probabilities[has], candidates.was_said[has])
    figures["reliability"] = _reliability(probabilities[has], candidates.was_said[has])
    return figures


def _precision_recall_f1(truth: np.ndarray, reported: np.ndarray, consultation: np.ndarray) -> dict:
    n_right = (truth & reported).sum()
    f1, *interval = with_interval(_f1(truth, reported), consultation)
    return {
        "precision": float(n_right / max(1, reported.sum())),
        "recall": float(n_right / max(1, truth.sum())),
        "f1": f1,
        "f1_interval": interval,
    }


def _f1(truth: np.ndarray, reported: np.ndarray) -> Callable[[np.ndarray], float]:
    def statistic(rows: np.ndarray) -> float:
        n = truth[rows].sum() + reported[rows].sum()
        return float(2 * (truth[rows] & reported[rows]).sum() / n) if n else float("nan")

    return statistic


def _reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[dict]:
    """Mean probability given and share that was right, in bins of equal width."""
    bins = np.minimum((probabilities * N_BINS).astype(int), N_BINS - 1)
    return [
        {"n": int((bins == b).sum()), "given": float(probabilities[bins == b].mean()), "right": float(truth[bins == b].mean())}
        for b in range(N_BINS)
        if (bins == b).any()
    ]
