"""Public collections of body sounds on this disk, as tables of one form.

What each looks like is data, in `body_sounds.toml`; here are the few ways in which collections say what a recording is: in
its name, in tables, and in a file of notes beside it. Nothing is downloaded.

A table has a row per recording with the columns path (from the table's folder), group (the person; empty where nobody says
who it is), subset, split, kind, and the labels that the collection has.
"""

import csv
import json
import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from medalign.core.errors import DataError
from medalign.core.files import reading
from medalign.core.tables import write_rows
from medalign.training.data.manifest import drawn_split

COLUMNS = ("path", "group", "subset", "split", "kind")
DRAWN = "drawn"
REMEDY = "give the folder as it was published"
Fields = dict[str, str]


@cache
def collections() -> dict[str, dict[str, Any]]:
    """What is known of each collection, by its name."""
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def write_table(name: str, folder: Path, out: Path) -> dict[str, int]:
    """Write the table of a collection; how many recordings it has, and how many were set aside for which reason.

    Raises:
        DataError: the collection is unknown, or nothing in the folder looks like it.
    """
    if name not in collections():
        raise DataError(f"'{name}' is no known collection; use one of {', '.join(collections())}")
    what = collections()[name]
    layout = next((one for one in what["layout"] if next(folder.glob(one["marker"]), None)), None)
    if layout is None:
        wanted = " or ".join(one["marker"] for one in what["layout"])
        raise DataError(f"{folder} doesn't look like {what['title']}: it has no {wanted}; {REMEDY}")
    counts: dict[str, int] = defaultdict(int)
    rows = [row for fields in _recordings(folder, layout, counts) if (row := _row(fields, layout, what["kind"]))]
    if not rows:
        reasons = ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "no file matches"
        raise DataError(f"no recording of {what['title']} was found in {folder} ({reasons}); {REMEDY}")
    counts["moved to train, since their group stands in both splits"] = _keep_groups_whole(rows)
    for row in rows:
        row["path"] = Path(os.path.relpath(folder / row["path"], out.parent)).as_posix()
    write_rows(out, dict.fromkeys((*COLUMNS, *layout["columns"], *layout.get("find", ()))), rows)
    return {"recordings": len(rows)} | {reason: n for reason, n in counts.items() if n}


def _recordings(folder: Path, layout: dict, counts: dict[str, int]) -> Iterable[Fields]:
    """Fields of each recording that is to be in the table."""
    tables = [_Table(folder, table) for table in layout.get("tables", ())]
    notes = layout.get("notes")
    beside = {path.name: path for path in folder.glob(notes["file"].format(stem="*"))} if notes else {}
    for path in sorted(folder.glob(layout["audio"])):
        fields = {"path": path.relative_to(folder).as_posix(), "stem": path.stem}
        if "name" in layout:
            match = re.fullmatch(layout["name"], fields["path"])
            if match is None:
                counts["set aside, since their name is of another form"] += 1
                continue
            fields |= {key: value for key, value in match.groupdict().items() if value is not None}
        found = [table.add_to(fields) for table in tables]
        if tables and not found[0]:
            counts["set aside, since no table tells of them, or tells two things"] += 1
            continue
        if any(fields.get(column) == value for column, value in layout.get("drop", {}).items()):
            counts["set aside, since they are marked unfit"] += 1
            continue
        if notes:
            file = beside.get(Path(notes["file"]).name.format(stem=path.stem))
            if file is None:
                counts["without their file of notes"] += 1
            else:
                events = _events(file, notes["columns"], fields)
                fields |= {c: str(int(any(re.search(p, e) for e in events))) for c, p in layout["find"].items()}
        yield fields


class _Table:
    """Lines of one or several files of one form, by the key of a recording; of a key with lines that differ, none."""

    def __init__(self, folder: Path, table: dict):
        self._key, self._rows = table["key"], dict[str, Fields]()
        for path in sorted(folder.glob(table["file"])):
            with reading(f"{path} can't be read as a table", error=DataError, remedy=REMEDY):
                text = path.read_text(encoding="utf-8-sig")
                first = text.partition("\n")[0]
                delimiter = max("\t;,", key=first.count)
                for row in csv.DictReader(text.splitlines(), table.get("header"), delimiter=delimiter):
                    for column in table["on"]:
                        if value := (row.get(column) or "").strip():
                            line = {k: v.strip() for k, v in row.items() if k and v} | {"matched": column}
                            self._rows[value] = line if self._rows.get(value, line) == line else {}

    def add_to(self, fields: Fields) -> bool:
        """Whether the table tells of the recording; what it tells is added to the fields."""
        row = self._rows.get(_filled(self._key, fields))
        if row:
            fields |= {key: value for key, value in row.items() if key not in fields}
        return bool(row)


def _events(path: Path, columns: list[str] | str, fields: Fields) -> list[str]:
    """Names of what is noted in a recording; a column of 0 and 1 is an event named like it."""
    with reading(f"{path} can't be read as notes on a recording", error=DataError, remedy=REMEDY):
        text = path.read_text(encoding="utf-8-sig")
        if columns == "json":
            body = json.loads(text)
            fields["record"] = str(body.get("record_annotation", ""))
            return [str(event["type"]) for event in body.get("event_annotation", ())]
        events = []
        for line in text.splitlines():
            for column, value in zip(columns, line.split(), strict=False):
                events += [value] if column == "event" else [column] if value == "1" else []
        return events


def _row(fields: Fields, layout: dict, kind: str) -> Fields:
    columns = {column: _filled(template, fields) for column, template in layout["columns"].items()}
    for column, values in layout.get("values", {}).items():
        columns[column] = values.get(columns[column], columns[column])
    row = dict.fromkeys(COLUMNS, "") | columns | {c: fields.get(c, "") for c in layout.get("find", ())}
    row |= {"path": fields["path"], "kind": kind}
    if row["split"] == DRAWN:
        row["split"] = drawn_split(row["group"] or row["path"])
    return row


def _filled(template: str, fields: Fields) -> str:
    return re.sub(r"\{(.*?)\}", lambda match: fields.get(match[1], ""), template).strip()


def _keep_groups_whole(rows: list[Fields]) -> int:
    """Groups of both splits belong to train, so that what is measured stays unseen; how many rows moved."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row["group"]].add(row["split"])
    moved = [row for row in rows if row["group"] and len(splits[row["group"]]) > 1 and row["split"] != "train"]
    for row in moved:
        row["split"] = "train"
    return len(moved)
