"""What a batch writes: a folder that records what is finished, even if a process is killed at any time.

    rows/0f/KEY.STATUS.parquet   one finished recording; all of them are one table, `pandas.read_parquet(DIR / "rows")`
    open/KEY                     a recording that was begun and is not finished: the runs that began it
    recipe.json, models.json     what every row is made with
    rejected.csv                 recordings that were set aside, and why

A row appears whole, by renaming. A name tells the recording and its status, so that a resumed run opens no rows.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal, get_args

from medalign.batch.manifest import Entry
from medalign.core.errors import BatchError, DataError
from medalign.core.files import read_json
from medalign.core.identity import Identity, check_same_run
from medalign.core.tables import write_rows
from medalign.report.text_formats import safe_cell

Status = Literal["ok", "rejected", "failed"]  # the recording can't be used; it can, for all we know, but a fault was in the way
STATUSES = get_args(Status)
RECIPE, MODELS, REJECTED, ROWS, OPEN = "recipe.json", "models.json", "rejected.csv", "rows", "open"


@dataclass(frozen=True)
class Row:
    """One recording, as it is stored. What comes of an analysis is None where there is none."""

    id: str
    path: str  # as in the manifest
    status: Status
    seconds: float  # that the analysis took, of wall time
    reason: str | None = None  # why there is none
    sha256: str | None = None  # of the file
    duration_s: float | None = None
    asr: str | None = None  # name, revision and what ran it
    teacher: str | None = None
    student: str | None = None
    status_classifier: str | None = None
    transcript: str | None = None
    concepts: tuple[dict[str, str | None], ...] | None = None  # system, code, label, status
    analysis: str | None = None  # the whole, JSON by `medalign schema`


class BatchFolder:
    """The folder, as driver and workers see it."""

    def __init__(self, path: Path):
        self.path = path

    @contextmanager
    def taken(self, recipe: Identity) -> Iterator[None]:
        """For one driver at a time.

        Raises:
            BatchError: it can't be written to, another driver is at it, or it was begun with another recipe.
        """
        with ExitStack() as open_files:
            try:
                (self.path / OPEN).mkdir(parents=True, exist_ok=True)
                lock = open_files.enter_context(open(self.path / "lock", "a"))
            except OSError as error:
                raise BatchError(f"can't write to {self.path} ({error.strerror}); choose another --out") from error
            if not _locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                raise BatchError(f"another run is writing to {self.path}; wait for its end, or choose another --out")
            self.check(RECIPE, recipe)
            yield

    def check(self, name: str, wanted: Identity) -> None:
        """Compare with what the rows are made with; the first process writes it.

        Raises:
            BatchError: something else is wanted than what is there; every difference is named.
        """
        path = self.path / name
        with open(self.path / OPEN / name, "a") as lock:
            _locked(lock, fcntl.LOCK_EX)
            if not path.exists():
                _write(path.with_suffix(".part"), json.dumps(wanted, indent=2).encode())
                path.with_suffix(".part").replace(path)
        stored = read_json(path, dict, error=BatchError, remedy="choose another --out")
        check_same_run(stored, wanted, self.path, error=BatchError)

    def unfinished(self, entries: Sequence[Entry], *, retry: bool) -> list[Entry]:
        """Those without a row.

        Args:
            retry: also recordings that were set aside.

        Raises:
            DataError: a recording is finished whose identifier is now another file's.
        """
        rows = {path.name[:32]: path for path in self._rows()}
        left = []
        for entry in entries:
            row = rows.get(entry.key[:32])
            if row is not None and _status(row) != "ok" and (retry or not row.name.startswith(entry.key)):
                row.unlink()  # a row that was corrected in the manifest is a new one
                row = None
            if row is None:
                left.append(entry)
            elif not row.name.startswith(entry.key):
                raise DataError(f"'{entry.id}' is finished, with another file than {entry.audio}; give this one another id")
        return left

    @contextmanager
    def claimed(self, entry: Entry, session: str) -> Iterator[int | None]:
        """How many workers of this session have begun the recording, this one included; None if it is finished.

        Holds a lock on the recording; waits while a worker of a killed driver still has it.
        """
        path = self.path / OPEN / entry.key
        with open(path, "a+", encoding="utf-8") as file:
            _locked(file, fcntl.LOCK_EX)
            if any(self._row_path(entry, status).exists() for status in STATUSES):
                yield None
            else:
                file.seek(0)
                n_begun = file.read().split().count(session) + 1
                file.write(f"{session}\n")
                file.flush()
                yield n_begun
            path.unlink(missing_ok=True)

    def write(self, entry: Entry, row: Row) -> None:
        """Write one row atomically."""
        import pyarrow as pa
        from pyarrow import parquet

        columns = [(name, pa.string()) for name in Row.__dataclass_fields__]
        concept = pa.struct([(name, pa.string()) for name in ("system", "code", "label", "status")])
        other = {"seconds": pa.float64(), "duration_s": pa.float64(), "concepts": pa.list_(concept)}
        schema = pa.schema([(name, other.get(name, kind)) for name, kind in columns])
        stored = pa.BufferOutputStream()
        parquet.write_table(pa.Table.from_pylist([asdict(row)], schema), stored, compression="zstd")
        path, scratch = self._row_path(entry, row.status), self.path / OPEN / f"{entry.key}.part"
        _write(scratch, stored.getvalue())
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.replace(path)

    def set_aside(self, entries: Sequence[Entry]) -> int:
        """Write the list of those of these recordings that were set aside; their number."""
        from pyarrow import parquet

        keys, columns = {entry.key for entry in entries}, ["id", "path", "status", "reason"]
        found = [path for path in sorted(self._rows()) if _status(path) != "ok" and path.name.partition(".")[0] in keys]
        rows = (row for path in found for row in parquet.read_table(path, columns=columns).to_pylist())
        write_rows(self.path / REJECTED, columns, ({name: safe_cell(row[name]) for name in columns} for row in rows))
        return len(found)

    def _rows(self) -> Iterator[Path]:
        return (self.path / ROWS).glob("*/*.parquet")

    def _row_path(self, entry: Entry, status: Status) -> Path:
        return self.path / ROWS / entry.key[:2] / f"{entry.key}.{status}.parquet"


def _status(row: Path) -> str:
    return row.name.split(".")[1]


def _locked(file: IO, how: int) -> bool:
    """False if another process holds it; true also on network drives that can't lock files."""
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _write(path: Path, content: bytes) -> None:
    """To the disk, so that a power cut leaves no empty file under a name that says finished."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
