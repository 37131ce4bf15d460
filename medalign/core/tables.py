"""CSV tables, read and written in one way."""

import csv
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from medalign.core.errors import DataError, MedAlignError
from medalign.core.files import check_regular, reading, replacing


def read_rows(path: Path, columns: Collection[str], *, error: type[MedAlignError] = DataError, remedy: str) -> list[dict]:
    """The rows of a CSV file with a header, by column."""
    return [row for _, row in numbered_rows(path, columns, error=error, remedy=remedy)]


def numbered_rows(
    path: Path, columns: Collection[str], *, error: type[MedAlignError] = DataError, remedy: str
) -> list[tuple[int, dict]]:
    """(line, row); the line is where the row ends, as editors count.

    Args:
        columns: those that there must be; others may be.
        remedy: what the reader can do, the end of every message.

    Raises:
        error: the file is missing, no UTF-8 CSV table, or lacks a column.
    """
    check_regular(path, error=error, remedy=remedy)
    what = f"{path} can't be read as a UTF-8 CSV table"
    with reading(what, error=error, remedy=remedy), open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := sorted(set(columns) - set(reader.fieldnames or ())):
            raise error(f"{path} lacks the column {' and '.join(missing)}; {remedy}")
        return [(reader.line_num, row) for row in reader]


def write_rows(path: Path, columns: Collection[str], rows: Iterable[Mapping]) -> None:
    """A CSV file with a header; rows may have more than these columns."""
    with replacing(path, "w") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
