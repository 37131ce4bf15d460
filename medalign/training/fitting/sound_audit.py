"""Confounders of the labels of a table of sounds, and faults that invalidate figures measured on it.

A label that duration, sampling rate, bandwidth, level or subset predict can be learnt without hearing the sound. Faults are
equal sounds under two labels, and persons or equal sounds on both sides of a split.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import AudioError, DataError
from medalign.core.tables import read_rows
from medalign.core.weights import sha256_of
from medalign.evaluation.label_probe import folds_by_group, held_out_scores, in_bins, mean_auroc, one_column_a_class
from medalign.training.data.manifest import load_waveform
from medalign.training.data.reports import UNKNOWN
from medalign.training.fitting.sound_features import person_of

BANDWIDTH_SHARE = 0.99  # of a sound's energy lies below its bandwidth
N_FOLDS = 5
N_SHOWN = 20  # of the files in the report
RATE_COLUMN = "source_rate_hz"  # of a table that knows the rate before its files were made


def audit_table(table: Path, label: str = "label", group: str = "group") -> dict:
    """AUROC of the label from each outward property alone (5 folds by group), and faults of the table.

    Raises:
        DataError: no column of that name, or fewer than two labels.
    """
    rows = read_rows(table, ("path", label), remedy="`medalign sounds` and `medalign reports` write such tables")
    known = [row for row in rows if row[label].strip().lower() not in UNKNOWN]
    heard = {row["path"]: _Heard.of(table.parent / row["path"]) for row in rows}
    fit = [row for row in known if heard[row["path"]].waveform_digest]
    classes = sorted({row[label] for row in fit})
    if len(classes) < 2:
        raise DataError(
            f"{table}: {len(classes)} value(s) of {label} stand beside sounds that can be read; there is nothing to ask"
        )
    labels = np.array([classes.index(row[label]) for row in fit])
    groups = [row.get(group) or row["path"] for row in fit]
    sounds = [heard[row["path"]] for row in fit]
    properties = {
        "duration": in_bins(np.array([s.duration_s for s in sounds])),
        "sampling rate": _membership([row.get(RATE_COLUMN) or str(s.rate_hz) for row, s in zip(fit, sounds, strict=True)]),
        "bandwidth": in_bins(np.array([s.bandwidth_hz for s in sounds])),
        "level": in_bins(np.array([s.level_db for s in sounds])),
        "subset": _membership([row.get("subset") or "" for row in fit]),
    }
    splits_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits_of[row.get(group) or ""].add(row.get("split") or "")
    return {
        "label": label,
        "n_rows": len(rows),
        "n_labelled": len(known),
        "unreadable": sorted(path for path, sound in heard.items() if not sound.waveform_digest),
        "silent": sorted(path for path, sound in heard.items() if sound.waveform_digest and sound.level_db < -60),
        "persons": "known" if all(person_of(row, group) for row in rows) else "not known",
        "auroc_of_label_from": {name: _auroc(features, labels, groups) for name, features in properties.items()},
        "equal_files": _equal(rows, label, group, {path: sound.file_digest for path, sound in heard.items()}),
        "equal_sounds": _equal(rows, label, group, {path: sound.waveform_digest for path, sound in heard.items()}),
        "groups_in_several_splits": sorted(name for name, splits in splits_of.items() if name and len(splits) > 1),
    }


class _Heard:
    """Outward properties of a file."""

    def __init__(self, path: Path):
        self.file_digest, self.waveform_digest = sha256_of(path), ""
        self.duration_s = self.bandwidth_hz = 0.0
        self.level_db, self.rate_hz = -np.inf, 0

    @classmethod
    def of(cls, path: Path) -> "_Heard":
        """A file that can't be read has no digest of its waveform. Raises DataError if it isn't there."""
        if not path.is_file():
            raise DataError(f"{path} doesn't exist; paths start from the table's folder")
        heard = cls(path)
        try:
            waveform = load_waveform(path)
            with av.open(str(path)) as container:
                heard.rate_hz = container.streams.audio[0].rate
        except (AudioError, av.FFmpegError):
            return heard
        heard.waveform_digest = hashlib.sha256(np.round(waveform * 2**15).astype(np.int32).tobytes()).hexdigest()
        heard.duration_s = len(waveform) / SAMPLE_RATE_HZ
        heard.level_db = 10 * float(np.log10(np.mean(waveform**2) + 1e-12))
        energy = np.cumsum(np.abs(np.fft.rfft(waveform - waveform.mean())) ** 2)
        heard.bandwidth_hz = float(np.searchsorted(energy, BANDWIDTH_SHARE * energy[-1]) / len(waveform) * SAMPLE_RATE_HZ)
        return heard


def _membership(values: Sequence[str]) -> np.ndarray:
    return (np.array(values)[:, None] == np.unique(values)).astype(float)


def _auroc(features: np.ndarray, labels: np.ndarray, groups: Sequence[str]) -> float | None:
    """None where all rows are alike, or a class is of too few groups."""
    if features.shape[1] < 2:
        return None
    n_folds = min(N_FOLDS, *(len(np.unique(np.array(groups)[labels == c])) for c in np.unique(labels)))
    if n_folds < 3:
        return None
    scores, _ = held_out_scores([features], labels, folds_by_group(labels, groups, n_folds), groups)
    return mean_auroc(scores, one_column_a_class(labels), np.zeros(len(labels), int))


def _equal(rows: Sequence[dict], label: str, group: str, digests: dict[str, str]) -> dict:
    """Sets of rows with one digest; in which of them labels, persons or splits differ."""
    alike: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        if digests[row["path"]]:
            alike[digests[row["path"]]].append(row)
    sets = [same for same in alike.values() if len(same) > 1]
    found: dict[str, object] = {"n_sets": len(sets), "n_rows": sum(map(len, sets))}
    for what, column in (("with_contradicting_labels", label), ("of_several_groups", group), ("in_several_splits", "split")):
        differ = [same for same in sets if len({row.get(column) or "" for row in same}) > 1]
        found[what] = {"n_sets": len(differ), "first": [[row["path"] for row in same] for same in differ[:N_SHOWN]]}
    return found
