"""Feedback as training data: a manifest of the concepts that people confirmed, corrected or missed.

Feedback holds no audio, so whoever has the recordings says which result is which, in a CSV with the columns `result_id` and
`path` (relative to that CSV). The durations must agree, which finds most mix-ups. Learnt from are only

- ratings of people who agreed to the words being kept (`keep_span`),
- with the seconds marked, at least `MIN_DURATION_S` of them,
- with the verdict correct, wrong_status (it was said, after all) or missing,
- of rows that nobody called wrong,

and a note's statements that people found borne out, under the same consent: their words with what was said there.

Each stretch becomes one row: its text is the words marked, or else the concept's label; its labels are all confirmed
concepts that share time with it. Wrong rows leave no row: the manifest has no column for what is *not* said, and the
contrast with the other rows' texts teaches that anyway. The same few words come up in many consultations, so train with
`--shared-texts`.
"""

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import FeedbackError
from medalign.core.tables import numbered_rows
from medalign.feedback.store import FeedbackStore
from medalign.training.data.manifest import MIN_DURATION_S, VALID_SHARE, load_waveform, read_manifest

COLUMNS = ("path", "text", "group", "split", "start_s", "end_s", "labels")
SAID = ("correct", "wrong_status", "missing")  # verdicts of what was said
SAME_DURATION_S = 0.1


def read_recordings(path: Path) -> dict[str, Path]:
    """Result identifier -> recording, from a CSV.

    Raises:
        FeedbackError: the file can't be read, lacks a column, or names a result twice.
    """
    recordings: dict[str, Path] = {}
    remedy = "give a UTF-8 CSV file with the columns result_id and path"
    for line, record in numbered_rows(path, ("result_id", "path"), error=FeedbackError, remedy=remedy):
        result_id, name = ((record[column] or "").strip() for column in ("result_id", "path"))
        if not result_id or not name or result_id in recordings:
            raise FeedbackError(f"{path} line {line}: a result_id and its path are needed, each result once")
        recordings[result_id] = path.parent / name
    return recordings


def to_manifest(store: FeedbackStore, recordings: Mapping[str, Path]) -> pandas.DataFrame:
    """The rows, with the columns of `medalign.training.data.manifest`; results that `recordings` leaves out are left out.

    A group is a recording. About one in five is for validation, drawn from its name, and at least one.

    Raises:
        FeedbackError: a result is unknown or lasts longer or shorter than its recording, or fewer than two recordings
            have anything to learn from.
    """
    _check_durations(store, recordings)
    ratings = store.table("ratings")
    ratings = ratings[ratings.result_id.isin(list(recordings))]
    bank = ConceptBank.default()
    said = [_Said.of(row, recordings[row.result_id].resolve(), bank) for row in _learnable(ratings).itertuples()]
    statements = store.table("statements")
    for row in _borne_out(statements[statements.result_id.isin(list(recordings))]).itertuples():
        said += _Said.of_statement(row, recordings[row.result_id].resolve(), bank)
    paths = sorted({one.path for one in said})
    if len(paths) < 2:
        raise FeedbackError(
            f"{len(paths)} of {len(recordings)} recordings have ratings to learn from, at least 2 are needed, one to validate "
            "on; ratings count with marked seconds and consent to keeping the words"
        )
    split = _splits(paths)
    rows = {}
    for one in said:
        together = sorted({other.label for other in said if other.meets(one)})
        row = (one.path, one.text, one.path.as_posix(), split[one.path], one.start_s, one.end_s, " ".join(together))
        rows[one.path, one.start_s, one.end_s, one.text] = row
    return pandas.DataFrame([rows[place] for place in sorted(rows)], columns=list(COLUMNS))


def write_training_manifest(store: FeedbackStore, recordings: Mapping[str, Path], out: Path) -> int:
    """Write the manifest, with paths relative to it, once training could read it; the number of rows.

    Raises:
        FeedbackError: see `to_manifest`.
        DataError: rows that training would refuse, by line: silent stretches, copies of one recording.
    """
    frame = to_manifest(store, recordings)
    frame["path"] = frame["group"] = [Path(os.path.relpath(path, out.resolve().parent)).as_posix() for path in frame.path]
    scratch = out.with_name(f"{out.name}.part")
    try:
        frame.to_csv(scratch, index=False, lineterminator="\n", encoding="utf-8")
        n = len(read_manifest(scratch, shared_texts=True))
        scratch.replace(out)
    except OSError as error:
        raise FeedbackError(f"can't write {out} ({error.strerror or error}); choose another place") from error
    finally:
        scratch.unlink(missing_ok=True)
    return n


@dataclass(frozen=True)
class _Said:
    """A concept that was said, and where."""

    path: Path
    text: str
    start_s: float
    end_s: float
    label: str  # identifier of the bank, or words joined by _

    @classmethod
    def of(cls, row: Any, path: Path, bank: ConceptBank) -> "_Said":
        """`row` is one of the ratings; what a person wrote as missing is looked up in the bank."""
        words = row.label if pandas.isna(row.span_text) or not _has_words(row.span_text) else row.span_text
        meant = {row.concept_id}
        if pandas.isna(row.concept_id):
            meant = {mention.concept_id for mention in find_mentions_in_text(row.label, bank)}
        is_known = len(meant) == 1 and meant <= bank.column.keys()
        label = meant.pop() if is_known else "_".join(row.label.lower().split())
        return cls(path, words, round(row.start_s, 3), round(row.end_s, 3), label)

    @classmethod
    def of_statement(cls, row: Any, path: Path, bank: ConceptBank) -> "list[_Said]":
        """One for each concept that the statement names, and at least one."""
        meant = sorted({mention.concept_id for mention in find_mentions_in_text(row.statement, bank)})
        labels = meant or ["_".join(row.statement.lower().split())]
        return [cls(path, row.statement, round(row.start_s, 3), round(row.end_s, 3), label) for label in labels]

    def meets(self, other: "_Said") -> bool:
        return self.path == other.path and self.start_s < other.end_s and other.start_s < self.end_s


def _learnable(ratings: pandas.DataFrame) -> pandas.DataFrame:
    """Confirmed, with a place, and with consent; rows about which people disagree are left out."""
    place = pandas.MultiIndex.from_frame(ratings[["result_id", "position"]])
    is_disputed = place.isin(place[(ratings.verdict == "wrong").to_numpy()])
    has_words = ratings.label.map(_has_words).astype(bool)
    return ratings[ratings.keep_span & ratings.verdict.isin(SAID) & _is_long(ratings) & has_words & ~is_disputed]


def _is_long(marked: pandas.DataFrame) -> pandas.Series:
    """Whether the seconds were marked, and enough of them."""
    return (marked.end_s - marked.start_s >= MIN_DURATION_S).fillna(False).astype(bool)


def _borne_out(statements: pandas.DataFrame) -> pandas.DataFrame:
    """Judged so, with the words kept, and with a place long enough; those that somebody denies are left out."""
    denied = set(statements[~statements.borne_out.fillna(True).astype(bool)].statement.dropna())
    is_so = statements.borne_out.fillna(False).astype(bool) & statements.keep_span & statements.statement.notna()
    return statements[is_so & _is_long(statements) & ~statements.statement.isin(denied)]


def _has_words(text: str) -> bool:
    return any(c.isalnum() for c in text)


def _splits(paths: Sequence[Path]) -> dict[Path, str]:
    """Which recordings are for validation doesn't change as others join them, unless there were none."""
    drawn = {path: zlib.crc32(path.name.encode()) % 1000 for path in paths}
    valid = {path for path, place in drawn.items() if place < 1000 * VALID_SHARE} or {min(paths, key=drawn.__getitem__)}
    if len(valid) == len(paths):
        valid.remove(max(paths, key=drawn.__getitem__))
    return {path: "valid" if path in valid else "train" for path in paths}


def _check_durations(store: FeedbackStore, recordings: Mapping[str, Path]) -> None:
    """A recording that isn't the one people rated would teach nonsense."""
    durations_s = store.durations_s()
    if unknown := [result_id for result_id in recordings if result_id not in durations_s]:
        raise FeedbackError(f"{len(unknown)} results are not in this database, the first is {unknown[0]}; correct the list")
    for result_id, path in recordings.items():
        if not path.is_file():
            raise FeedbackError(f"recording {path} of result {result_id} not found; correct its path in the list")
        duration_s = len(load_waveform(path)) / SAMPLE_RATE_HZ
        if abs(duration_s - durations_s[result_id]) > SAME_DURATION_S:
            raise FeedbackError(
                f"{path} lasts {duration_s:.1f} s, but result {result_id} is of a recording of "
                f"{durations_s[result_id]:.1f} s; name the recording that was rated"
            )
