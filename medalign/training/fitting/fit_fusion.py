"""Fitting and measuring the fusion of both witnesses, on spoken consultations whose words are known.

The question is asked for each consultation and concept: did it come up? Truth is what the same extractor finds in the words
that were said, so that the figures tell what speech recognition loses and what the student's ear gives back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from medalign.concepts import find_mentions
from medalign.concepts.misheard import CATEGORIES
from medalign.core.errors import DataError
from medalign.evaluation.bootstrap import bootstrap_over_groups, paired_difference
from medalign.evaluation.calibration import expected_calibration_error
from medalign.pipeline.evidence import TextEvidence
from medalign.pipeline.fusion import MAX_LOGIT, Fusion, candidate_concepts, fusion_features
from medalign.pipeline.hotword_rescoring import HotwordRescorer
from medalign.pipeline.listener import Listener
from medalign.pipeline.misheard_names import find_corrected_mentions, find_corrections
from medalign.training.fitting.observation import Observation

N_BINS = 10


@dataclass(frozen=True)
class Asked:
    """Concepts asked about in consultations, row by row. Features are NaN where no witness had anything to say."""

    consultation: np.ndarray  # (n,) identifiers
    is_name: np.ndarray  # (n,) bool: a medicine or a disease
    was_said: np.ndarray  # (n,) bool
    was_read: np.ndarray  # (n,) bool: the transcript has it
    was_put_right: np.ndarray  # (n,) bool: a correction has it
    features: np.ndarray  # (n, N_FEATURES)
    skimmed: np.ndarray  # (n,) the student's best probability, before a word was written

    @property
    def answered(self) -> np.ndarray:
        return ~np.isnan(self.features[:, 0])


def ask(observations: Iterable[Observation], listener: Listener) -> Asked:
    """Every concept that was said, read, suggested or heard in the consultations."""
    parts = [_ask(observation, listener) for observation in observations]
    if not parts:
        raise DataError("no spoken consultation to ask about; check --speech, --fit and --only")
    return joined(parts)


def joined(parts: Sequence[Asked]) -> Asked:
    return Asked(*(np.concatenate(columns) for columns in zip(*(tuple(vars(part).values()) for part in parts), strict=True)))


def _ask(observation: Observation, listener: Listener) -> Asked:
    heard, transcript, bank = observation.listening, observation.transcript, listener.bank
    second_pass = HotwordRescorer(observation.transcriber, observation.recording, transcript)
    corrections = find_corrections(transcript, heard.heard, bank, listener.calibration, second_pass)
    mentions = find_corrected_mentions(transcript, corrections, bank)
    _, text = listener.read_windows(transcript, heard)
    reading = TextEvidence(text, heard.audio, heard.concepts, listener.calibration)
    asked = candidate_concepts(mentions, heard.heard, bank)
    features = fusion_features(asked, mentions, corrections, transcript, heard.heard, reading, bank)
    said = {mention.concept_id for mention in find_mentions(observation.truth, bank)}
    read = {mention.concept_id for mention in find_mentions(transcript, bank)}
    silent = sorted(said - set(asked))
    everything = [*asked, *silent]
    return Asked(
        np.array([observation.take.consultation_id] * len(everything)),
        np.array([bank[c].category in CATEGORIES for c in everything], bool),
        np.array([c in said for c in everything], bool),
        np.array([c in read for c in everything], bool),
        np.array([c in {m.concept_id for m in mentions} - read for c in everything], bool),
        np.concatenate([features, np.full((len(silent), features.shape[1]), np.nan)]),
        heard.heard.probabilities.max(0, initial=0.0)[[bank.column[c] for c in everything]],
    )


def fit_fusion(asked: Asked) -> Fusion:
    """Fit, and a threshold where the F1 on the same consultations is best.

    Raises:
        DataError: nothing was said, or all that was asked about.
    """
    features, truth = asked.features[asked.answered], asked.was_said[asked.answered]
    if truth.all() or not truth.any():
        raise DataError(f"{len(truth)} concepts asked about, {int(truth.sum())} of them said: too few to fit on")
    model = LogisticRegression(C=1.0, max_iter=5000).fit(features, truth)
    fusion = Fusion(np.array([*model.coef_[0], model.intercept_[0]]), 0.5)
    order = np.argsort(-fusion.probability(features))
    f1 = 2 * np.cumsum(truth[order]) / (np.arange(1, len(order) + 1) + asked.was_said.sum())
    return Fusion(fusion.fit, float(fusion.probability(features)[order][f1.argmax()]))


def measure_fusion(fusion: Fusion, asked: Asked) -> dict:
    """Precision, recall and F1 with 95 % intervals: the transcript, with corrections, and fused; calibration.

    For all concepts, and for common ones and names (medicines and diseases) apart. Average precision is that of a ranking of
    all concepts asked about: by the teacher on the transcript, and by the student before there is one.
    """
    probabilities = np.zeros(len(asked.was_said))
    probabilities[asked.answered] = fusion.probability(asked.features[asked.answered])
    ways = {
        "transcript": asked.was_read,
        "corrected": asked.was_read | asked.was_put_right,
        "fused": asked.answered & (probabilities >= fusion.threshold),
    }
    everything = np.ones(len(asked.is_name), bool)
    figures: dict = {}
    for group, chosen in {"all": everything, "common": ~asked.is_name, "names": asked.is_name}.items():
        truth, consultation = asked.was_said[chosen], asked.consultation[chosen]
        figures[group] = {"n_said": int(truth.sum())}
        for way, told in ways.items():
            figures[group][way] = _precision_recall_f1(truth, told[chosen], consultation)
        fused, read = (_f1(truth, ways[way][chosen]) for way in ("fused", "transcript"))
        figures[group]["fused_minus_transcript_f1"] = paired_difference(fused, read, consultation)
    answered = asked.answered
    read = np.where(asked.was_read, np.nan_to_num(asked.features[:, 1]), -2 * MAX_LOGIT)  # by the teacher's surest mention
    figures["average_precision"] = {
        "transcript": float(average_precision_score(asked.was_said, read)),
        "skim": float(average_precision_score(asked.was_said, asked.skimmed)),
    }
    figures["expected_calibration_error"] = expected_calibration_error(probabilities[answered], asked.was_said[answered])
    figures["reliability"] = _reliability(probabilities[answered], asked.was_said[answered])
    return figures


def _precision_recall_f1(truth: np.ndarray, told: np.ndarray, consultation: np.ndarray) -> dict:
    f1 = _f1(truth, told)
    return {
        "precision": float((truth & told).sum() / max(1, told.sum())),
        "recall": float((truth & told).sum() / max(1, truth.sum())),
        "f1": f1(np.arange(len(truth))),
        "f1_interval": bootstrap_over_groups(f1, consultation),
    }


def _f1(truth: np.ndarray, told: np.ndarray) -> Callable[[np.ndarray], float]:
    def statistic(rows: np.ndarray) -> float:
        n = truth[rows].sum() + told[rows].sum()
        return float(2 * (truth[rows] & told[rows]).sum() / n) if n else float("nan")

    return statistic


def _reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[dict]:
    """Mean probability given and share that was right, in bins of equal width."""
    bins = np.minimum((probabilities * N_BINS).astype(int), N_BINS - 1)
    return [
        {"n": int((bins == b).sum()), "given": float(probabilities[bins == b].mean()), "right": float(truth[bins == b].mean())}
        for b in range(N_BINS)
        if (bins == b).any()
    ]
