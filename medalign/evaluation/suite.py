"""Every task that arrays of a model allow, in one call: numbers with 95 % intervals over groups, and the curves behind them.

Conventions: one row a clip. `group` (n,) names what belongs together, a consultation or a patient; resampling takes it whole.
A figure is [value, lower, upper]. A task that the arrays leave undefined says why under "undefined" and stops no other.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from medalign.core.errors import DataError
from medalign.core.files import reading
from medalign.evaluation.bootstrap import share, with_interval
from medalign.evaluation.calibration import FLOOR, N_BINS, expected_calibration_error
from medalign.evaluation.concept_detection import column_auroc, column_average_precision
from medalign.evaluation.linear_probe import cross_validated_probe
from medalign.evaluation.retrieval import pooled_ranks
from medalign.evaluation.similarity import debiased_cka, mutual_neighbours

MIN_MENTIONS, POOL, N_FOLDS, N_NEIGHBOURS = 5, 500, 5, 10
N_POINTS, N_MAPPED = 100, 300  # of a curve; of the map
Z = 1.96

Arrays = Mapping[str, np.ndarray]
Figure = list[float]


def evaluate_arrays(arrays: Arrays, tasks: Sequence[str] = ()) -> dict[str, dict]:
    """Figures by task.

    Args:
        arrays: "group", and of these what there is: "scores" and "truth" (n, k) for detection; "probability" (n, k) with
            "truth" for calibration; "audio" and "text" (n, d), and "text_id" (n,), equal for equal texts, for retrieval,
            alignment and the map; "audio" and "truth" for a linear probe.
        tasks: names in `TASKS`; by default all that the arrays allow.

    Raises:
        ValueError: an unknown task, an array that a task asked for needs, or arrays of different lengths.
    """
    if unknown := [task for task in tasks if task not in TASKS]:
        raise ValueError(f"unknown task '{unknown[0]}'; the tasks are: {', '.join(TASKS)}")
    if "group" not in arrays or len({len(array) for array in arrays.values()}) != 1 or not len(arrays["group"]):
        raise ValueError("arrays need one row a clip, at least one, in all of them, and 'group' among them")
    lacking = {name: [need for need in TASKS[name][1] if need not in arrays] for name in tasks or TASKS}
    if tasks and (missing := next((name for name in tasks if lacking[name]), None)):
        raise ValueError(f"task '{missing}' needs {' and '.join(lacking[missing])}, which the arrays lack")
    figures = {}
    for name in (name for name, missing_of_one in lacking.items() if not missing_of_one):
        try:
            figures[name] = {"n": len(arrays["group"]), "n_groups": len(np.unique(arrays["group"])), **TASKS[name][0](arrays)}
        except ValueError as error:
            figures[name] = {"undefined": str(error)}
    return figures


def evaluate_file(path: Path, tasks: Sequence[str] = ()) -> dict[str, dict]:
    """As `evaluate_arrays`, of a file of numpy's (`numpy.savez`). Raises DataError in the place of ValueError."""
    broken = reading(f"{path} can't be read as arrays", error=DataError, remedy="write it with numpy.savez")
    with broken, np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    try:
        return evaluate_arrays(arrays, tasks)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _detection(arrays: Arrays) -> dict:
    scores, truth, kept = arrays["scores"], arrays["truth"].astype(bool), _judged(arrays["truth"])
    if not np.isfinite(scores[:, kept]).all():
        raise ValueError("scores hold values that are not finite")
    false_positive, hit, _ = roc_curve(truth[:, kept].ravel(), scores[:, kept].ravel())
    precision, recall, _ = precision_recall_curve(truth[:, kept].ravel(), scores[:, kept].ravel())
    return {
        "n_concepts": int(kept.sum()),
        "auroc": _over_concepts(column_auroc, scores[:, kept], truth[:, kept], arrays["group"]),
        "average_precision": _over_concepts(column_average_precision, scores[:, kept], truth[:, kept], arrays["group"]),
        "roc": _thinned(false_positive, hit),
        "precision_recall": _thinned(recall[::-1], precision[::-1]),
    }


def _calibration(arrays: Arrays) -> dict:
    given, truth = arrays["probability"], arrays["truth"].astype(bool)
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError("probabilities lie outside 0 to 1")
    flat, true, group = given.ravel(), truth.ravel(), np.repeat(arrays["group"], given.shape[1])
    kept = np.flatnonzero(flat >= FLOOR)
    if not len(kept):
        raise ValueError(f"no probability lies above {FLOOR}")

    def error(rows: np.ndarray) -> float:
        of_rows = given[rows].ravel()
        is_defined = (of_rows >= FLOOR).any()
        return expected_calibration_error(of_rows, truth[rows].ravel()) if is_defined else float("nan")

    parts = np.array_split(kept[np.argsort(flat[kept], kind="stable")], min(N_BINS, len(kept)))
    bins = [{"n": len(p), "given": float(flat[p].mean()), "right": share(true[p], group[p])} for p in parts]
    return {
        "n_above_floor": len(kept),
        "expected_calibration_error": with_interval(error, arrays["group"]),
        "reliability": bins,
    }


def _retrieval(arrays: Arrays) -> dict:
    similarity, group = arrays["audio"] @ arrays["text"].T, arrays["group"]
    texts = [str(text) for text in arrays.get("text_id", np.arange(len(group)))]
    pool = min(POOL, len(group))
    figures: dict = {"pool": pool}
    for way, one_way in (("audio to text", similarity), ("text to audio", similarity.T)):
        found = pooled_ranks(one_way, texts, pool=pool)
        own = group[: len(found)]
        figures[way] = {f"recall@{k}": share(found <= k, own) for k in (1, 10)}
        figures[way]["mean_reciprocal_rank"] = share(1 / found, own)
    return figures


def _alignment(arrays: Arrays) -> dict:
    audio, text, group = arrays["audio"], arrays["text"], arrays["group"]
    together = mutual_neighbours(audio, text, N_NEIGHBOURS)
    shuffled = np.random.default_rng(0).permutation(len(text))
    return {
        "debiased_cka": _jackknifed(lambda rows: debiased_cka(audio[rows], text[rows]), group),
        "debiased_cka_shuffled": debiased_cka(audio, text[shuffled]),
        f"mutual_{N_NEIGHBOURS}_nearest": share(together, group),
        "map": _map(audio, text),
    }


def _probe(arrays: Arrays) -> dict:
    kept = _judged(arrays["truth"])
    truth, group = arrays["truth"][:, kept].astype(bool), arrays["group"]
    n_folds = min(N_FOLDS, len(np.unique(group)))
    scores = cross_validated_probe(arrays["audio"], truth, list(group), n_folds=n_folds, min_mentions=MIN_MENTIONS)
    return {
        "auroc": _over_concepts(column_auroc, scores, truth, group),
        "average_precision": _over_concepts(column_average_precision, scores, truth, group),
    }


def _judged(truth: np.ndarray) -> np.ndarray:
    """The concepts with mentions enough, (k,) bool. Raises ValueError if there are none."""
    counts = truth.astype(bool).sum(0)
    if not (kept := (counts >= MIN_MENTIONS) & (counts < len(truth))).any():
        raise ValueError(f"no concept has {MIN_MENTIONS} mentions in {len(truth)} clips, and a clip without it")
    return kept


def _over_concepts(per_column: Callable[..., np.ndarray], scores: np.ndarray, truth: np.ndarray, group: np.ndarray) -> Figure:
    """The mean over concepts; of a resample, over those that it has mentions of."""

    def mean(rows: np.ndarray) -> float:
        values = per_column(scores[rows], truth[rows])
        return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")

    return with_interval(mean, group)


def _jackknifed(statistic: Callable[[np.ndarray], float], group: np.ndarray) -> Figure:
    """With the interval by leaving out one group after another: a resample's twins would raise a likeness of likenesses.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 11.
    """
    names = np.unique(group)
    if len(names) < 2:
        raise ValueError("an interval needs two groups")
    figure = statistic(np.arange(len(group)))
    without = np.array([statistic(np.flatnonzero(group != name)) for name in names])
    error = np.sqrt((len(names) - 1) / len(names) * np.square(without - without.mean()).sum())
    return [figure, float(figure - Z * error), float(figure + Z * error)]


def _thinned(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    """At most `N_POINTS` of a curve's points, its ends among them."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(N_POINTS, len(x))).round().astype(int))
    return [[round(float(a), 4), round(float(b), 4)] for a, b in zip(x[chosen], y[chosen], strict=True)]


def _map(audio: np.ndarray, text: np.ndarray) -> dict[str, list[list[float]]]:
    """Both on the two directions in which they vary most, of some clips."""
    chosen = np.unique(np.linspace(0, len(audio) - 1, min(N_MAPPED, len(audio))).round().astype(int))
    both = np.concatenate([audio[chosen], text[chosen]]).astype(np.float64)
    both -= both.mean(0)
    places = (both @ np.linalg.svd(both, full_matrices=False)[2][:2].T).round(4).tolist()
    return {"audio": places[: len(chosen)], "text": places[len(chosen) :]}


TASKS: dict[str, tuple[Callable[[Arrays], dict], tuple[str, ...]]] = {
    "detection": (_detection, ("scores", "truth")),
    "calibration": (_calibration, ("probability", "truth")),
    "retrieval": (_retrieval, ("audio", "text")),
    "alignment": (_alignment, ("audio", "text")),
    "probe": (_probe, ("audio", "truth")),
}
