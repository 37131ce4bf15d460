"""The manifest: the table that training reads, with a header and one row per stretch of audio.

`medalign train --help` has its columns. `medalign reports` writes further ones: report_id (rows with one say the same, in
whatever words), subset (place, device or the like, which results are told apart by), and columns of labels (`label`, `murmur`
...) with `withheld`: those of them that no text tells. Reports with equal metadata are equal by nature, so they may stand in
both splits.

Everything that is wrong is found before training starts, and listed in one message, by line.
"""

import hashlib
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import AudioError, DataError
from medalign.core.tables import numbered_rows, write_rows

REQUIRED, OPTIONAL = ("path", "text"), ("group", "split", "start_s", "end_s", "labels", "report_id", "subset")
WITHHELD = "withheld"  # the column of `medalign reports`: beside it, unknown columns are labels
IGNORED = ("status", "note", "kind")  # `medalign reports` and earlier versions of `medalign synthesize` write them
SPLITS = ("train", "valid")
MIN_DURATION_S = 0.1  # shorter than a word
SILENCE_PEAK = 1e-3  # -60 dB of full scale: a microphone that was off
LATE_S = 1.0  # so much later than the audio may a stretch end, as times by hand do
VALID_SHARE = 0.2  # of the groups, where the manifest names no split


@dataclass(frozen=True)
class Row:
    """A stretch of audio and what belongs to it."""

    path: Path
    text: str
    group: str
    split: str
    start_s: float
    end_s: float
    labels: tuple[str, ...] | None = None  # None: not given, to be computed from the text
    report_id: str | None = None  # equal where texts were written from the same metadata
    subset: str | None = None
    told: tuple[str, ...] | None = None  # columns of the metadata that texts of this manifest tell; None: nobody says


def load_waveform(path: Path) -> np.ndarray:
    """float32 (n_samples,) at 16 kHz; what is already 16 kHz mono FLAC or WAV is read directly, ten times as fast.

    Raises:
        AudioError: not to be read as audio.
    """
    if path.suffix.lower() in (".flac", ".wav"):
        try:
            info = soundfile.info(path)
            if (info.samplerate, info.channels) == (SAMPLE_RATE_HZ, 1):
                return soundfile.read(path, dtype="float32")[0]
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path} can't be read as audio ({error}); convert it to WAV or FLAC") from error
    return load_recording(path).waveform


def write_manifest(rows: Sequence[Row], path: Path) -> None:
    """Write the rows with paths relative to the manifest; columns that no row has are left out."""
    may_lack = ("labels", "report_id", "subset")
    columns = [c for c in (*REQUIRED, *OPTIONAL) if c not in may_lack or any(getattr(row, c) is not None for row in rows)]
    written = []
    for row in rows:
        name = row.path.resolve().relative_to(path.parent.resolve())
        labels = None if row.labels is None else " ".join(row.labels)
        times = {"start_s": f"{row.start_s:.3f}", "end_s": f"{row.end_s:.3f}"}
        written.append(vars(row) | times | {"path": name, "labels": labels})
    write_rows(path, columns, written)


def read_manifest(path: Path, *, shared_texts: bool = False) -> tuple[Row, ...]:
    """All rows, checked: against themselves, against each other, and against the audio.

    Args:
        shared_texts: a text may stand in both splits, as it must where texts are written from labels. Rows with a report_id
            need no leave.

    Raises:
        DataError: the file is no manifest, or rows are missing audio or text, silent, constant,
            not finite, too short, out of range, of one stretch with different texts, or shared between splits (group, audio or
            text); all of them are listed by line.
    """
    records = _records(path)
    problems: dict[int, list[str]] = defaultdict(list)
    rows = {line: row for line, record in records if (row := _row(record, path.parent, problems[line]))}
    _check_audio(rows, problems)
    rows = {line: row for line, row in rows.items() if not problems[line]}
    _check_splits(rows, problems, shared_texts)
    listed = [f"line {line}: {'; '.join(found)}" for line, found in sorted(problems.items()) if found]
    if listed:
        cure = "; --shared-texts allows texts that were written from labels" if any("its text is" in x for x in listed) else ""
        raise DataError(
            f"{path}: {len(listed)} of {len(records)} rows can't be used; fix or remove them{cure}:\n  " + "\n  ".join(listed)
        )
    missing = {split for split in SPLITS if not any(row.split == split for row in rows.values())}
    if missing:
        raise DataError(f"{path} has no row in split {' or '.join(sorted(missing))}; training needs both")
    return tuple(rows.values())


def _records(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(line, record) of each row."""
    records = numbered_rows(path, REQUIRED, remedy="see `medalign train --help` for what a manifest is")
    if not records:
        raise DataError(f"{path} has a header and no rows")
    columns = set(records[0][1])
    if WITHHELD not in columns and (unknown := columns - {*REQUIRED, *OPTIONAL, *IGNORED, None}):
        listed = ", ".join(f"{name:.40}" for name in sorted(map(str, unknown))[:5])
        raise DataError(f"{path} has the unknown column {listed}; known ones are {', '.join((*REQUIRED, *OPTIONAL))}")
    return records


def _row(record: dict[str, str], folder: Path, problems: list[str]) -> Row | None:
    """The row, or None with the reasons in `problems`."""
    name, text = (record["path"] or "").strip(), (record["text"] or "").strip()
    group = (record.get("group") or name).strip()
    split = (record.get("split") or drawn_split(group)).strip()
    times = [record.get(column) or "" for column in ("start_s", "end_s")]
    try:
        start_s, end_s = (float(t) if t else default for t, default in zip(times, (0.0, np.inf), strict=True))
        if not 0 <= start_s < end_s:
            problems.append(f"start_s {start_s:g} is not before end_s {end_s:g}")
    except ValueError:
        problems.append(f"start_s '{times[0]:.40}' or end_s '{times[1]:.40}' is no number of seconds")
    if not name:
        problems.append("path is empty")
    if not any(c.isalnum() for c in text):
        problems.append("text is empty")
    if split not in SPLITS:
        problems.append(f"split '{split:.40}' is not one of {', '.join(SPLITS)}")
    if problems:
        return None
    labels = tuple(record["labels"].split()) if record.get("labels") is not None else None
    report_id, subset = record.get("report_id") or None, record.get("subset") or None
    return Row(folder / name, text, group, split, start_s, end_s, labels, report_id, subset, told_columns(record))


def told_columns(record: Mapping[str, str]) -> tuple[str, ...] | None:
    """Columns of labels that the texts of a manifest tell; None where it isn't one of `medalign reports`."""
    if WITHHELD not in record:
        return None
    ours = {*REQUIRED, *OPTIONAL, *IGNORED, WITHHELD, None, *record[WITHHELD].split()}
    return tuple(sorted(column for column in record if column not in ours))


def drawn_split(group: str) -> str:
    return "valid" if zlib.crc32(group.encode()) % 1000 < 1000 * VALID_SHARE else "train"


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _check_audio(rows: dict[int, Row], problems: dict[int, list[str]]) -> None:
    """Each file is decoded once; rows get their end where the manifest left it open."""
    by_path: dict[Path, list[int]] = defaultdict(list)
    for line, row in rows.items():
        by_path[row.path].append(line)
    for path, lines in by_path.items():
        try:
            if not path.is_file():
                raise AudioError(f"{path} does not exist")
            waveform = load_waveform(path)
            if not np.isfinite(waveform).all():
                position_s = np.flatnonzero(~np.isfinite(waveform))[0] / SAMPLE_RATE_HZ
                raise AudioError(f"{path} holds samples that are not numbers (NaN or infinite) near {position_s:.1f} s")
        except (AudioError, OSError) as error:
            for line in lines:
                problems[line].append(str(error))
            continue
        duration_s = len(waveform) / SAMPLE_RATE_HZ
        for line in lines:
            if duration_s + LATE_S < rows[line].end_s < np.inf:
                lies = f"ends at {duration_s:.2f} s, and end_s {rows[line].end_s:g} lies past that"
                problems[line].append(f"{path.name} {lies}")
                continue
            row = rows[line] = replace(rows[line], end_s=min(rows[line].end_s, duration_s))
            stretch = waveform[int(row.start_s * SAMPLE_RATE_HZ) : int(row.end_s * SAMPLE_RATE_HZ)]
            if row.end_s - row.start_s < MIN_DURATION_S:
                problems[line].append(
                    f"{row.path.name} from {row.start_s:g} s is {max(0.0, row.end_s - row.start_s):.2f} s long, "
                    f"at least {MIN_DURATION_S:g} s are needed"
                )
            elif float(np.abs(stretch).max()) < SILENCE_PEAK:
                problems[line].append(f"{row.path.name} from {row.start_s:g} s is silent")
            elif _is_constant(stretch):
                problems[line].append(f"{row.path.name} from {row.start_s:g} s holds one constant value and no sound")


def _is_constant(stretch: np.ndarray) -> bool:
    """An offset and nothing else; resampling leaves ripples at its edges."""
    low, middle, high = np.percentile(stretch, (1, 50, 99))
    return bool(abs(middle) >= SILENCE_PEAK and high - low < SILENCE_PEAK)


def _check_splits(rows: dict[int, Row], problems: dict[int, list[str]], shared_texts: bool) -> None:
    """What stands in both splits would leak from training into validation; and one stretch of audio has one text."""
    content = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in {row.path for row in rows.values()}}
    keys = {
        "group": lambda row: row.group,
        "audio": lambda row: content[row.path],
        "text": lambda row: _plain(row.text),
    }
    for what, key in keys.items():
        splits: dict[str, Counter] = defaultdict(Counter)
        checked = {line: row for line, row in rows.items() if what != "text" or not (shared_texts or row.report_id)}
        for row in checked.values():
            splits[key(row)][row.split] += 1
        for line, row in checked.items():
            other = [split for split in splits[key(row)] if split != row.split]
            if other:
                problems[line].append(f"its {what} is in split {row.split} and in {other[0]}")
    stretches: dict[tuple, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for line, row in rows.items():
        place = content[row.path], round(row.start_s, 3), round(row.end_s, 3)
        stretches[place][row.report_id or _plain(row.text)].append(line)
    for texts in stretches.values():
        for text, lines in texts.items() if len(texts) > 1 else ():
            (first, *_), *_ = (other for what, other in texts.items() if what != text)
            for line in lines:
                problems[line].append(f"line {first} has the same stretch of audio with another text")
