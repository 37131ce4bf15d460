"""What a batch reads: a table of recordings, as CSV with a header or as JSON lines.

The column `audio` names the file, relative to the manifest's folder. `id` names the recording in the results; without it, that
is what stands in `audio`. Other columns are ignored.
"""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from medalign.core.errors import DataError
from medalign.core.files import read_text
from medalign.core.tables import numbered_rows

REMEDY = "see `medalign batch --help` for what a manifest is"
JSON_LINES = (".jsonl", ".ndjson")
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # neither a file's name nor UTF-8 can hold them
N_LISTED = 5


@dataclass(frozen=True)
class Entry:
    """One recording of the manifest."""

    id: str
    audio: str  # as the manifest says it; empty if it says nothing
    path: str

    @property
    def key(self) -> str:
        """Digests of the identifier and of the name of its file."""
        return f"{_digest(self.id)[:32]}-{_digest(self.audio)[:8]}"


def read_entries(manifest: Path) -> list[Entry]:
    """All recordings, in order.

    Raises:
        DataError: it can't be read, has no row or no column `audio`, holds a character that no file could, or two rows
            have one identifier.
    """
    records = (
        _json_lines(manifest) if manifest.suffix.lower() in JSON_LINES else numbered_rows(manifest, ["audio"], remedy=REMEDY)
    )
    if not records:
        raise DataError(f"{manifest} has no rows; {REMEDY}")
    entries = []
    for line, record in records:
        audio, name = (str(value if (value := record.get(column)) is not None else "").strip() for column in ("audio", "id"))
        if NO_TEXT.search(audio + name):
            raise DataError(f"{manifest}, line {line}, holds a character that stands for nothing; {REMEDY}")
        entries.append(Entry(name or audio or f"line {line}", audio, str(manifest.absolute().parent / audio)))
    if twice := [name for name, n in Counter(entry.id for entry in entries).items() if n > 1]:
        listed = ", ".join(f"'{name}'" for name in twice[:N_LISTED]) + (" ..." if len(twice) > N_LISTED else "")
        raise DataError(f"{manifest} has more than one row for {listed}; give each row an id of its own")
    return entries


def _json_lines(manifest: Path) -> list[tuple[int, dict]]:
    """(line, record)."""
    found = []
    for line, text in enumerate(read_text(manifest, error=DataError, remedy=REMEDY).splitlines(), 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("audio"), str):
            raise DataError(f'{manifest}, line {line}, is no JSON object with "audio", a string; {REMEDY}')
        found.append((line, record))
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
