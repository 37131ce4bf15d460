"""Fitting and measuring the transcript alarm, on spoken consultations whose words are known.

Right segments are those whose word error rate is at most `MAX_WER`. Each is tried again with the words of a segment of
another consultation, and of another segment of its own, with the recogniser's own figures for those words: what was
invented looks no worse to the recogniser than what was said. Hard ones change one word: a medicine, a number, a negation.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.core.errors import DataError
from medalign.core.transcript import Segment
from medalign.evaluation.segment_errors import segment_error_rates
from medalign.pipeline.listener import Listener
from medalign.pipeline.segment_quality import (
    MEAN_LOG_PROBABILITY,
    MIN_SEGMENT_S,
    SegmentQuality,
    garbled_features,
    mismatch_features,
    quadratic,
)
from medalign.training.fitting.observation import Observation

MAX_WER = 0.4
MISMATCH_RATE, GARBLED_RATE = 0.01, 0.03  # of right segments that each question may raise an alarm on
N_PROBES = 3  # of each kind for a segment
REGULARISATION = 0.05  # of the garbled fit: inverse strength on its 35 terms


@dataclass(frozen=True)
class Judged:
    """One consultation's segments, as they are and tried out with other words."""

    word_error_rates: np.ndarray  # (n,)
    mismatch: dict[str, np.ndarray]  # (m, N_MISMATCH) by what was tried: "own", "foreign", "same", and the hard ones
    rows: dict[str, np.ndarray]  # (m,) the segment that each was tried in
    garbled: np.ndarray  # (n, N_GARBLED)
    recogniser: np.ndarray  # (n, 2) its mean log-probability and no-speech probability, to compare with


def judge(observations: Iterable[Observation], listener: Listener, *, seed: int = 0) -> list[Judged]:
    """Features of every segment, right and wrong; the words of the others come from the consultation before."""
    rng = np.random.default_rng(seed)
    judged: list[Judged] = []
    seen = list(observations)
    texts = [listener.teacher.encode([s.text for s in o.transcript.segments]) for o in seen]
    for i, observation in enumerate(seen):
        judged.append(_judge(observation, texts[i], seen[i - 1].transcript.segments, texts[i - 1], listener, rng))
    return judged


def _judge(
    observation: Observation,
    text: np.ndarray,
    foreign: Sequence[Segment],
    foreign_text: np.ndarray,
    listener: Listener,
    rng: np.random.Generator,
) -> Judged:
    segments = observation.transcript.segments
    n = len(segments)
    stretches = [(s.start_s, max(s.end_s, s.start_s + MIN_SEGMENT_S)) for s in segments]
    audio = listener.student.embed(observation.listening.frames, stretches)

    def features(own: np.ndarray, words: Sequence[Segment]) -> np.ndarray:
        timed = [replace(w, start_s=s.start_s, end_s=s.end_s) for w, s in zip(words, segments, strict=True)]
        return mismatch_features(audio, text, own, timed, listener.calibration.text)

    everywhere = np.arange(n)
    tried = {"own": [features(text, segments)], "foreign": [], "same": []}
    for _ in range(N_PROBES):
        j = rng.integers(len(foreign), size=n)
        tried["foreign"].append(features(foreign_text[j], [foreign[k] for k in j]))
        j = (everywhere + rng.integers(1, max(2, n), size=n)) % n
        tried["same"].append(features(text[j], [segments[k] for k in j]))
    mismatch = {kind: np.concatenate(parts) for kind, parts in tried.items()}
    rows = {kind: np.tile(everywhere, len(parts)) for kind, parts in tried.items()}
    for kind, change in HARD.items():
        changed = [change(s.text, listener.bank, rng) for s in segments]
        rows[kind] = np.flatnonzero([new is not None for new in changed])
        own = text.copy()
        if len(rows[kind]):
            own[rows[kind]] = listener.teacher.encode([changed[i] for i in rows[kind]])
        mismatch[kind] = features(own, segments)[rows[kind]]
    rates = segment_error_rates(observation.truth, observation.transcript)
    garbled = garbled_features(segments)
    no_speech = np.array([s.no_speech_probability or 0.0 for s in segments])
    return Judged(rates, mismatch, rows, garbled, np.stack([garbled[:, MEAN_LOG_PROBABILITY], no_speech], 1))


def _other_medicine(text: str, bank: ConceptBank, rng: np.random.Generator) -> str | None:
    for mention in find_mentions_in_text(text, bank):
        if bank[mention.concept_id].category == "medicine":
            others = [c.label for c in bank.concepts if c.category == "medicine" and c.concept_id != mention.concept_id]
            return text.replace(mention.text, others[rng.integers(len(others))])
    return None


def _other_number(text: str, bank: ConceptBank, rng: np.random.Generator) -> str | None:
    found = re.search(r"\d+", text)
    return None if found is None else text[: found.start()] + str(int(rng.integers(1, 90)) + 100) + text[found.end() :]


def _without_negation(text: str, bank: ConceptBank, rng: np.random.Generator) -> str | None:
    changed = re.sub(r"\b(not|no|never)\b ?|n't\b", "", text, count=1, flags=re.IGNORECASE)
    return None if changed == text or not changed.strip(" .,?!") else changed


HARD: dict[str, Callable[[str, ConceptBank, np.random.Generator], str | None]] = {
    "medicine changed": _other_medicine,
    "number changed": _other_number,
    "negation dropped": _without_negation,
}


def fit_alarm(judged: Sequence[Judged]) -> SegmentQuality:
    """Both fits, and thresholds that leave nearly all right segments alone.

    Raises:
        DataError: nothing is garbled, or everything is.
    """
    wrong = np.concatenate([j.word_error_rates > MAX_WER for j in judged])
    if wrong.all() or not wrong.any():
        raise DataError(f"{int(wrong.sum())} of {len(wrong)} segments are garbled: too few or too many to fit on; add noise")
    kinds = {kind: _of_right_segments(judged, kind) for kind in ("own", "foreign", "same")}
    features = np.concatenate(list(kinds.values()))
    truth = np.arange(len(features)) >= len(kinds["own"])
    scaler = StandardScaler().fit(features)
    fit = LogisticRegression(C=0.3, max_iter=5000).fit(scaler.transform(features), truth)
    weights = fit.coef_[0] / scaler.scale_
    mismatch_fit = np.array([*weights, fit.intercept_[0] - weights @ scaler.mean_])

    garbled = np.concatenate([j.garbled for j in judged])
    scaler = StandardScaler().fit(garbled)
    terms = quadratic(scaler.transform(garbled))
    term_scaler = StandardScaler().fit(terms)
    fit = LogisticRegression(C=REGULARISATION, max_iter=5000).fit(term_scaler.transform(terms), wrong)
    weights = fit.coef_[0] / term_scaler.scale_
    alarm = SegmentQuality(
        mismatch_fit=mismatch_fit,
        mismatch_threshold=1.0,
        garbled_centre=scaler.mean_,
        garbled_scale=scaler.scale_,
        garbled_fit=np.array([*weights, fit.intercept_[0] - weights @ term_scaler.mean_]),
        garbled_threshold=1.0,
    )
    return replace(
        alarm,
        mismatch_threshold=float(np.quantile(alarm.mismatch(kinds["own"]), 1 - MISMATCH_RATE)),
        garbled_threshold=float(np.quantile(alarm.garbled(garbled[~wrong]), 1 - GARBLED_RATE)),
    )


def _of_right_segments(judged: Sequence[Judged], kind: str) -> np.ndarray:
    return np.concatenate([j.mismatch[kind][j.word_error_rates[j.rows[kind]] <= MAX_WER] for j in judged])


def measure_alarm(alarm: SegmentQuality, judged: Sequence[Judged], learnt: Sequence[Judged]) -> dict:
    """AUROC of each kind of wrong segment against the right ones, and how many are marked at the thresholds.

    Args:
        learnt: what the alarm was fitted on; empty if that is not at hand. Rivals are fitted there too: the recogniser's mean
            log-probability and no-speech probability, the student's view of sound and text, and both together.
    """
    own = alarm.mismatch(_of_right_segments(judged, "own"))
    figures: dict = {"n_right_segments": len(own), "alarms_on_right_segments": float((own >= alarm.mismatch_threshold).mean())}
    for kind in judged[0].mismatch:
        scores = alarm.mismatch(_of_right_segments(judged, kind))
        if kind != "own" and len(scores):
            marked = float((scores >= alarm.mismatch_threshold).mean())
            figures[kind] = {"n": len(scores), "auroc": _auroc(scores, own), "marked": marked}
    return figures | {"garbled": _measure_garbled(alarm, judged, learnt)}


def _measure_garbled(alarm: SegmentQuality, judged: Sequence[Judged], learnt: Sequence[Judged]) -> dict:
    wrong = np.concatenate([j.word_error_rates > MAX_WER for j in judged])
    if wrong.all() or not wrong.any():
        return {"n": int(wrong.sum())}
    garbled = alarm.garbled(np.concatenate([j.garbled for j in judged]))
    rivals: dict[str, Callable[[Judged], np.ndarray]] = {
        "recogniser": lambda j: j.recogniser,
        "student": lambda j: j.mismatch["own"],
        "recogniser and student": lambda j: np.concatenate([j.recogniser, j.mismatch["own"]], 1),
    }
    learnt_wrong = np.concatenate([j.word_error_rates > MAX_WER for j in learnt]) if learnt else None
    told = {"n": int(wrong.sum()), "auroc": _auroc(garbled[wrong], garbled[~wrong])}
    for name, features_of in rivals.items() if learnt else ():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=5000))
        model.fit(np.concatenate([features_of(j) for j in learnt]), learnt_wrong)
        scores = model.decision_function(np.concatenate([features_of(j) for j in judged]))
        told[f"auroc of {name} alone" if " and " not in name else f"auroc of {name}"] = _auroc(scores[wrong], scores[~wrong])
    return told | {
        "marked": float((garbled[wrong] >= alarm.garbled_threshold).mean()),
        "alarms_on_right_segments": float((garbled[~wrong] >= alarm.garbled_threshold).mean()),
    }


def _auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    scores = np.concatenate([positive, negative])
    return float(roc_auc_score(np.arange(len(scores)) < len(positive), scores))
