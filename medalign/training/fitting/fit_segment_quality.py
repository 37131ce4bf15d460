"""Fitting and measuring segment quality, on spoken consultations whose words are known.

Right segments are those whose word error rate is at most `MAX_WER`. Each is tried again with the words of a segment of another
consultation, and of another segment of its own, with the recogniser's own figures for those words: what was invented looks no
worse to the recogniser than what was said. Hard ones change one word: a medicine, a number, a negation.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.core.transcript import Segment
from medalign.evaluation.concept_detection import auroc
from medalign.evaluation.word_errors import segment_error_rates
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.listener import Listener
from medalign.pipeline.segment_quality import mismatch_features, transcription_error_features
from medalign.training.fitting.logistic import fit_logistic
from medalign.training.fitting.observation import Observation

MAX_WER = 0.4
MISMATCH_RATE, ERROR_RATE = 0.01, 0.03  # of right segments that each question may mark
FOREIGN, ELSEWHERE = "words of another consultation", "words from elsewhere in the same one"  # tried in place of the right ones
N_PROBES = 3  # of each kind for a segment
MEAN_LOG_PROBABILITY = 2  # its column in `transcription_error_features`
MISMATCH_C, ERROR_C = 0.3, 0.05  # inverse regularisation


@dataclass(frozen=True)
class CheckedSegments:
    """Segments of one consultation, as they are and tried out with other words."""

    word_error_rates: np.ndarray  # (n,)
    mismatch: dict[str, np.ndarray]  # (m, k) features by what was tried: "own", `FOREIGN`, `ELSEWHERE`, and the hard ones
    rows: dict[str, np.ndarray]  # (m,) the segment that each was tried in
    errors: np.ndarray  # (n, k) features of "transcription error"
    recogniser: np.ndarray  # (n, 2) its mean log-probability and no-speech probability, to compare with

    @property
    def is_wrong(self) -> np.ndarray:
        return self.word_error_rates > MAX_WER


def check_observations(observations: Iterable[Observation], listener: Listener) -> list[CheckedSegments]:
    """Features of every segment, right and wrong; the words of the others come from the consultation before."""
    rng = np.random.default_rng(0)
    seen = [(o, *listener.embed_segments(o.transcript, o.encoded)) for o in observations]
    before = [seen[-1], *seen[:-1]] if seen else []
    return [
        _check(observation, (audio, text), (other.transcript.segments, foreign), listener, rng)
        for (observation, audio, text), (other, _, foreign) in zip(seen, before, strict=True)
    ]


def _check(
    observation: Observation,
    embedded: tuple[np.ndarray, np.ndarray],
    foreign: tuple[Sequence[Segment], np.ndarray],
    listener: Listener,
    rng: np.random.Generator,
) -> CheckedSegments:
    segments, (audio, text) = observation.transcript.segments, embedded
    foreign_segments, foreign_text = foreign
    n = len(segments)

    def features(tried: np.ndarray, words: Sequence[Segment]) -> np.ndarray:
        timed = [replace(w, start_s=s.start_s, end_s=s.end_s) for w, s in zip(words, segments, strict=True)]
        return mismatch_features(audio, text, tried, timed, listener.calibration.distractors)

    everywhere = np.arange(n)
    tried: dict[str, list[np.ndarray]] = {"own": [features(text, segments)], FOREIGN: [], ELSEWHERE: []}
    for _ in range(N_PROBES):
        j = rng.integers(len(foreign_segments), size=n)
        tried[FOREIGN].append(features(foreign_text[j], [foreign_segments[k] for k in j]))
        j = (everywhere + rng.integers(1, max(2, n), size=n)) % n
        tried[ELSEWHERE].append(features(text[j], [segments[k] for k in j]))
    mismatch = {kind: np.concatenate(parts) for kind, parts in tried.items()}
    rows = {kind: np.tile(everywhere, len(parts)) for kind, parts in tried.items()}
    for kind, change in HARD.items():
        changed = {i: new for i, s in enumerate(segments) if (new := change(s.text, listener.bank, rng)) is not None}
        rows[kind] = np.array(list(changed), int)
        altered = text.copy()
        if changed:
            altered[rows[kind]] = listener.teacher.encode(list(changed.values()))
        mismatch[kind] = features(altered, segments)[rows[kind]]
    errors = transcription_error_features(segments)
    no_speech = np.array([s.no_speech_probability for s in segments], float)
    recogniser = np.stack([errors[:, MEAN_LOG_PROBABILITY], no_speech], 1)
    return CheckedSegments(segment_error_rates(observation.truth, observation.transcript), mismatch, rows, errors, recogniser)


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


def fit_segment_quality(checked: Sequence[CheckedSegments], calibration: Calibration) -> Calibration:
    """Both fits, and thresholds that leave nearly all right segments alone.

    Raises:
        DataError: no segment holds transcription errors, or all do.
    """
    kinds = {kind: _of_right_segments(checked, kind) for kind in ("own", FOREIGN, ELSEWHERE)}
    features = np.concatenate(list(kinds.values()))
    is_other = np.arange(len(features)) >= len(kinds["own"])
    mismatch = fit_logistic("mismatch", features, is_other, inverse_regularisation=MISMATCH_C, standardise=True)
    mismatch = replace(mismatch, threshold=float(np.quantile(mismatch.probability(kinds["own"]), 1 - MISMATCH_RATE)))

    features, wrong = np.concatenate([c.errors for c in checked]), np.concatenate([c.is_wrong for c in checked])
    errors = fit_logistic("transcription error", features, wrong, inverse_regularisation=ERROR_C, standardise=True)
    errors = replace(errors, threshold=float(np.quantile(errors.probability(features[~wrong]), 1 - ERROR_RATE)))
    return calibration.with_fit("mismatch", mismatch).with_fit("transcription error", errors)


def _of_right_segments(checked: Sequence[CheckedSegments], kind: str) -> np.ndarray:
    """Features of what was tried in right segments."""
    return np.concatenate([c.mismatch[kind][~c.is_wrong[c.rows[kind]]] for c in checked])


def measure_segment_quality(
    calibration: Calibration, checked: Sequence[CheckedSegments], fitted_on: Sequence[CheckedSegments]
) -> dict:
    """AUROC of each kind of wrong segment against the right ones, and how many are marked at the thresholds.

    Args:
        fitted_on: empty if that is not at hand. Other predictors are fitted there, to compare with: the recogniser's mean
            log-probability and no-speech probability, the student's view of sound and text, and both together.
    """
    fit = calibration.fits["mismatch"]
    own = fit.probability(_of_right_segments(checked, "own"))
    figures: dict = {"n_right_segments": len(own), "right_segments_marked": float((own >= fit.threshold).mean())}
    for kind in checked[0].mismatch:
        scores = fit.probability(_of_right_segments(checked, kind))
        if kind != "own" and len(scores):
            marked = float((scores >= fit.threshold).mean())
            figures[kind] = {"n": len(scores), "auroc": auroc(scores, own), "marked": marked}
    return figures | {"transcription error": _measure_errors(calibration, checked, fitted_on)}


PREDICTORS: dict[str, Callable[[CheckedSegments], np.ndarray]] = {
    "auroc of recogniser alone": lambda c: c.recogniser,
    "auroc of student alone": lambda c: c.mismatch["own"],
    "auroc of recogniser and student": lambda c: np.concatenate([c.recogniser, c.mismatch["own"]], 1),
}


def _measure_errors(calibration: Calibration, checked: Sequence[CheckedSegments], fitted_on: Sequence[CheckedSegments]) -> dict:
    wrong = np.concatenate([c.is_wrong for c in checked])
    if wrong.all() or not wrong.any():
        return {"n": int(wrong.sum())}
    fit = calibration.fits["transcription error"]
    scores = fit.probability(np.concatenate([c.errors for c in checked]))
    figures = {"n": int(wrong.sum()), "auroc": auroc(scores[wrong], scores[~wrong])}
    for name, features_of in PREDICTORS.items() if fitted_on else ():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=MISMATCH_C, max_iter=5000))
        truth = np.concatenate([c.is_wrong for c in fitted_on])
        model.fit(np.concatenate([features_of(c) for c in fitted_on]), truth)
        other = model.decision_function(np.concatenate([features_of(c) for c in checked]))
        figures[name] = auroc(other[wrong], other[~wrong])
    return figures | {
        "marked": float((scores[wrong] >= fit.threshold).mean()),
        "right_segments_marked": float((scores[~wrong] >= fit.threshold).mean()),
    }
