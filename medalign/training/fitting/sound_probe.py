"""Linear probes of features for a label of body sounds, measured on persons or places that they were not fitted on.

Every source is measured on the same rows and in the same folds, so that lifts of students over baselines are paired. Rows
that a student was trained on are fitted on, never measured. Each row of the result says whether the student's reports told it
the label: what was told is supervision under another name.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from medalign.core.errors import DataError
from medalign.core.tables import read_rows
from medalign.core.weights import sha256_of
from medalign.evaluation import label_probe
from medalign.evaluation.bootstrap import Statistic, paired_difference, with_interval
from medalign.evaluation.retrieval import pooled_ranks
from medalign.models.encoders import load_audio_encoder
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.training.data.reports import KINDS, UNKNOWN
from medalign.training.fitting import sound_features
from medalign.training.identity import CLIP_DIGITS, train_clips
from medalign.training.model_card import read_story
from medalign.training.recipe import ProbeConfig

log = logging.getLogger(__name__)

BASELINES = ("logmel", "unaligned", "best-unaligned", "opensmile")
POOL = 500  # reports that a sound must find its own among
DEFAULT_ENCODER = "tiny.en"  # of `best-unaligned`, and of `unaligned` where no student names one


class _Table:
    """Rows with a known label, as arrays."""

    def __init__(self, path: Path, config: ProbeConfig, keep: Sequence[tuple[str, Sequence[str]]]):
        stratum = config.within or config.leave_out
        needed = {"path", config.label, *(column for column, _ in keep)} | ({stratum} if stratum else set())
        rows = read_rows(path, needed, remedy="`medalign sounds` and `medalign reports` write such tables")
        rows = [row for row in rows if all(row[column] in values for column, values in keep)]
        self.rows = rows = [row for row in rows if row[config.label].strip().lower() not in UNKNOWN]
        counts = Counter(row[config.label] for row in rows)
        if len(counts) < 2:
            raise DataError(f"{path}: the rows have {len(counts)} value(s) of {config.label}; a probe needs two or more")
        paths = tuple(path.parent / row["path"] for row in rows)
        if missing := [p for p in paths if not p.is_file()]:
            raise DataError(f"{path}: {len(missing)} of {len(paths)} recordings don't exist, such as {missing[0]}")
        self.clips = sound_features.Clips(paths, config.crop_s)
        self.classes = sorted(counts)
        self.labels = np.array([self.classes.index(row[config.label]) for row in rows])
        self.counts = dict(counts)
        persons = [sound_features.person_of(row, config.group) for row in rows]
        self.persons_known = all(persons)
        self.groups = np.array([person or str(p) for person, p in zip(persons, paths, strict=True)])
        self.strata_names = sorted({row[stratum] for row in rows}) if stratum else [""]
        self.strata = np.array([self.strata_names.index(row[stratum]) if stratum else 0 for row in rows])
        kinds: set[str] = {config.kind} if config.kind else {row.get("kind") or "" for row in rows}
        if len(kinds) > 1 or not kinds <= set(KINDS):
            raise DataError(f"{path} doesn't tell the kind of its sounds; give --kind, one of {', '.join(KINDS)}")
        self.kind = kinds.pop()


def probe_sounds(
    table: Path,
    config: ProbeConfig,
    students: Sequence[str],
    baselines: Sequence[str],
    cache: Path,
    *,
    keep: Sequence[tuple[str, Sequence[str]]] = (),
) -> dict:
    """Figures of baselines and students on one label of a table.

    Args:
        students: checkpoint folders or names.
        baselines: of `BASELINES`.
        keep: columns and the values of them that take part.

    Raises:
        DataError: no such column, too few groups for the folds, or a baseline that isn't known or installed.
    """
    if unknown := set(baselines) - set(BASELINES):
        raise DataError(f"baseline '{min(unknown)}' is unknown; use some of {', '.join(BASELINES)}")
    data = _Table(table, config, keep)
    loaded = {name: Student.from_pretrained(name) for name in students}
    stories = {name: read_story(student.folder) for name, student in loaded.items()}
    # Students that don't say what they were trained on are believed to be of other data.
    heard = {clip for story in stories.values() for clip in train_clips(story)}
    unseen = [not heard or sha256_of(path)[:CLIP_DIGITS] not in heard for path in data.clips.paths]
    measure = _Measure(data, config, np.array(unseen))
    for name, found in _baseline_features(data, baselines, loaded, cache).items():
        log.info("measuring %s", name)
        measure.add(name, found)
    baseline_names = list(measure.scores)
    for name, student in loaded.items():
        log.info("measuring %s", name)
        labels_told = stories[name].get("told")
        own = {"told": "unknown" if labels_told is None else "yes" if config.label in labels_told.split() else "no"}
        own_encoder = _unaligned_name(student.config.encoder, loaded)
        compared = [baseline for baseline in baseline_names if not baseline.startswith("unaligned") or baseline == own_encoder]
        source = sound_features.Source(name, f"student {student.info.revision} {student.config}", student.encode)
        features = sound_features.features_of(source, data.clips, cache)
        beside = _in_text_space(student, features, data, config, measure.measured)
        measure.add(name, {"": features}, lift_over=compared, more=own | beside)
        if student.config.adapter.kind != "frozen":
            features_of_encoder = sound_features.trained_encoder_features(student, data.clips, cache)
            measure.add(f"{name}, its encoder", features_of_encoder, lift_over=compared, more=own)
    return measure.figures() | {"keep": {column: list(values) for column, values in keep}}


def _baseline_features(
    data: _Table, baselines: Sequence[str], students: dict[str, Student], cache: Path
) -> dict[str, dict[str, np.ndarray]]:
    """By the baseline's name, the features that it may choose of."""
    default: tuple[str, str | None] = (DEFAULT_ENCODER, None)
    trained: set[tuple[str, str | None]] = {(s.config.encoder, s.config.encoder_kind) for s in students.values()}
    encoders = trained or {default}
    found: dict[str, dict[str, np.ndarray]] = {}
    for baseline in baselines:
        if baseline == "best-unaligned":
            some = {default} | {one for one in encoders if one[0] != DEFAULT_ENCODER}
            found[baseline] = sound_features.best_unaligned_features(data.clips, cache, sorted(some, key=str))
        elif baseline == "unaligned":
            for encoder, kind in sorted(encoders, key=str):
                source = sound_features.encoder_source("unaligned", load_audio_encoder(encoder, kind))
                found[_unaligned_name(encoder, students)] = {"": sound_features.features_of(source, data.clips, cache)}
        else:
            source = sound_features.log_mel_source(data.kind) if baseline == "logmel" else sound_features.opensmile_source()
            found[baseline] = {"": sound_features.features_of(source, data.clips, cache)}
    return found


def _unaligned_name(encoder: str, students: dict[str, Student]) -> str:
    return "unaligned" if len({s.config.encoder for s in students.values()}) < 2 else f"unaligned ({encoder})"


class _Measure:
    """Scores of each source on the same rows, and what they come to."""

    def __init__(self, data: _Table, config: ProbeConfig, unseen: np.ndarray):
        self.data, self.config, self.measured = data, config, unseen
        folds = label_probe.folds_by_subset(data.strata) if config.leave_out else self._folds_of_each_stratum()
        self.folds = [(fitted, measured[unseen[measured]]) for fitted, measured in folds]
        self.folds = [(fitted, measured) for fitted, measured in self.folds if len(measured)]
        self.inner_groups = data.strata if config.leave_out and len(data.strata_names) > 2 else data.groups
        self.unit_of, self.groups, self.strata, self.truth = self._units()
        if not (0 < self.truth.sum() < self.truth.size):
            raise DataError("of the rows that no student was trained on, all are of one class; keep more of them apart")
        self.scores: dict[str, np.ndarray] = {}
        self.rows: list[dict] = []

    def _folds_of_each_stratum(self) -> list[label_probe.Fold]:
        """Strata that can't be cut into folds have no scores. Raises DataError if none can."""
        data, folds, fault = self.data, list[label_probe.Fold](), None
        for stratum in range(len(data.strata_names)):
            rows = np.flatnonzero(data.strata == stratum)
            try:
                found = label_probe.folds_by_group(data.labels[rows], data.groups[rows], self.config.folds, self.config.seed)
            except ValueError as error:
                fault = error
                continue
            folds += [(rows[fitted], rows[measured]) for fitted, measured in found]
        if not folds:
            raise DataError(f"{self.config.label} can't be probed: {fault}; give fewer --folds") from fault
        return folds

    def _units(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of each measured clip its unit (itself or its patient); of each unit its group, its stratum and the truth."""
        data, rows = self.data, np.flatnonzero(self.measured)
        truth = label_probe.one_column_a_class(data.labels)
        if self.config.level == "clip":
            return np.arange(len(rows)), data.groups[rows], data.strata[rows], truth[rows]
        groups, first, unit_of = np.unique(data.groups[rows], return_index=True, return_inverse=True)
        if mixed := [g for g in groups if len(np.unique(data.labels[data.groups == g])) > 1]:
            raise DataError(f"patient {mixed[0]} has several values of {self.config.label}; give --level clip")
        return unit_of, groups, data.strata[rows[first]], truth[rows[first]]

    def add(
        self, name: str, candidates: dict[str, np.ndarray], *, lift_over: Sequence[str] = (), more: dict | None = None
    ) -> None:
        try:
            scores, chosen = label_probe.held_out_scores(
                list(candidates.values()),
                self.data.labels,
                self.folds,
                self.inner_groups,
                kernel=self.config.kernel,
                seed=self.config.seed,
            )
        except ValueError as error:
            raise DataError(f"{self.config.label} can't be probed by {name}: {error}") from error
        sums = np.zeros(self.truth.shape)
        np.add.at(sums, self.unit_of, scores[self.measured])
        self.scores[name] = sums / np.bincount(self.unit_of)[:, None]  # means over the clips of each unit
        statistic = self.statistic(self.scores[name])
        figure, *interval = with_interval(statistic, self.groups)
        row: dict = {"source": name, "auroc": figure, "auroc_95": interval}
        if len(self.data.strata_names) > 1:
            row["by_subset"] = {}
            for i, subset in enumerate(self.data.strata_names):
                value = statistic(np.flatnonzero(self.strata == i))
                row["by_subset"][subset] = None if np.isnan(value) else value  # of one class only, or of none
        if len(candidates) > 1:
            row["chosen"] = [list(candidates)[i] for i in chosen]
        row["lift"] = {b: paired_difference(statistic, self.statistic(self.scores[b]), self.groups) for b in lift_over}
        self.rows.append(row | (more or {}))

    def statistic(self, scores: np.ndarray) -> Statistic:
        return lambda rows: label_probe.mean_auroc(scores[rows], self.truth[rows], self.strata[rows])

    def figures(self) -> dict:
        data = self.data
        sizes = {name: {"n": int(np.sum(self.strata == i)), "n_positive": int(self.truth[self.strata == i, 0].sum())}
                 for i, name in enumerate(data.strata_names)}  # fmt: skip
        return asdict(self.config) | {
            "kind": data.kind,
            "n_clips": len(data.labels),
            "n_measured": len(self.groups),
            "n_trained_on": int(np.sum(~self.measured)),
            "n_groups": len(np.unique(self.groups)),
            "persons": "known" if data.persons_known else "not known: intervals may be too narrow",
            "classes": data.counts,
            "positive": data.classes[-1] if len(data.classes) == 2 else None,
            "subsets": sizes if len(data.strata_names) > 1 else {},
            "rows": self.rows,
        }


def _in_text_space(student: Student, audio: np.ndarray, data: _Table, config: ProbeConfig, measured: np.ndarray) -> dict:
    """Without any fit: the label by the cosine with its wordings, and the clip's own report among others."""
    teacher, found = Teacher(student.config.teacher), dict[str, object]()
    audio, strata, truth = audio[measured], data.strata[measured], label_probe.one_column_a_class(data.labels)[measured]
    field = next((field for field in KINDS[data.kind] if field.column == config.label), None)
    if field is not None and all(wordings := [field.sentences(value) for value in data.classes]):
        texts = np.stack([teacher.encode(list(sentences)).mean(0) for sentences in wordings])
        cosines = audio @ texts.T
        scores = cosines[:, 1:] - cosines[:, :1] if len(data.classes) == 2 else cosines - cosines.mean(1, keepdims=True)
        found["zero_shot_auroc"] = label_probe.mean_auroc(scores, truth, strata)
    rows = [row for row, is_measured in zip(data.rows, measured, strict=True) if is_measured]
    if all(row.get("text") for row in rows):
        same = [row.get("report_id") or row["text"] for row in rows]
        similarity = audio @ teacher.encode([row["text"] for row in rows]).T
        ranks = pooled_ranks(similarity, same, pool=min(POOL, len(rows)))
        shares = Counter(same)
        found["retrieval"] = {
            "recall@1": float((ranks <= 1).mean()),
            "recall@1_by_chance": float(np.mean([shares[text] / len(same) for text in same])),
            "n_reports": len(shares),
        }
    return found
