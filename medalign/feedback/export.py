"""Feedback as files: one per table, in JSON lines, CSV or Parquet, with a page that says what the columns mean.

JSON lines and Parquet hold every value as it is. In CSV a text that a spreadsheet would run as a formula gets an apostrophe
before it.
"""

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Literal, get_args

import pandas

from medalign.core.analysis import DISCLAIMER
from medalign.core.errors import FeedbackError
from medalign.core.weights import upload_dataset
from medalign.feedback.store import FeedbackStore
from medalign.feedback.tables import COLUMNS, FEEDBACK, TABLES, TableName

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")  # some spreadsheets take the wide ones, too
README = "README.md"


def export(store: FeedbackStore, folder: Path, format: Format = "jsonl") -> tuple[Path, ...]:
    """Write each table to `folder/TABLE.FORMAT`, and README.md; the files written. Files of that name are replaced.

    Raises:
        FeedbackError: unknown format, pyarrow missing for Parquet, or the folder can't be written.
    """
    if format not in FORMATS:
        raise FeedbackError(f"format '{format}' isn't known; use one of {', '.join(FORMATS)}")
    frames = {name: store.table(name) for name in FEEDBACK}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [write_table(frame, folder / f"{name}.{format}") for name, frame in frames.items()]
        (folder / README).write_text(describe({name: len(frame) for name, frame in frames.items()}), encoding="utf-8")
    except OSError as error:
        raise FeedbackError(f"can't write to {folder} ({error.strerror or error}); choose another place") from error
    return (*paths, folder / README)


def push(store: FeedbackStore, repo_id: str, *, private: bool = True, agreed: bool = False, format: Format = "jsonl") -> str:
    """Upload the feedback to a data set on the Hub, private unless asked otherwise; the commit's address.

    The Hub keeps every earlier version: what is withdrawn later leaves the next upload, but not the repository's history.
    Delete the repository to be rid of it.

    Args:
        private: a repository that is public already is refused.
        agreed: for `private=False`, that all who gave feedback agreed to its publication.

    Raises:
        FeedbackError: to be published without `agreed`.
        WeightsError: offline, or the Hub is out of reach or refuses.
    """
    if not private and not agreed:
        raise FeedbackError(
            "feedback is published only if all who gave it agreed to that; say so with --agreed, or keep it private"
        )
    with tempfile.TemporaryDirectory() as scratch:
        files = export(store, Path(scratch), format)
        return upload_dataset(Path(scratch), repo_id, [file.name for file in files], private=private)


def write_table(frame: pandas.DataFrame, path: Path) -> Path:
    """In the format of the path's ending; the file appears whole or not at all."""
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise FeedbackError("Parquet needs the package pyarrow; run `pip install pyarrow`, or use jsonl or csv")
    scratch = path.with_name(f"{path.name}.part")
    if path.suffix == ".parquet":
        frame.to_parquet(scratch, engine="pyarrow", index=False)
    elif path.suffix == ".csv":
        harmless(frame).to_csv(scratch, index=False, lineterminator="\n", encoding="utf-8")
    else:
        scratch.write_text(json_lines(frame), encoding="utf-8")
    return scratch.replace(path)


def json_lines(frame: pandas.DataFrame) -> str:
    """One object a row, null where there is nothing; numbers to the last digit."""
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)


def harmless(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The table with texts that no spreadsheet takes for a formula."""
    texts = {name: column for name, column in frame.items() if column.dtype == "string"}
    safe = {name: text.mask(text.str.startswith(FORMULA_STARTS).fillna(False), "'" + text) for name, text in texts.items()}
    return frame.assign(**safe)


def describe(n_rows: dict[TableName, int]) -> str:
    """The data card: what is in it, and what each column means."""
    parts = [
        "---\nlicense: other\ntags: [medical, feedback, research-only]\n---\n",
        "# Feedback on MedAlign's results\n",
        f"**{DISCLAIMER}**\n",
        "What people said of concepts that MedAlign found in recordings, and of whole results. It holds no audio, no "
        "transcript, no file name, no address and nothing that says who somebody is; `span_text` holds words of a recording "
        "only where the person agreed to that. Comments are free text: read them before passing them on.\n",
        "Whoever gave feedback can withdraw it by a receipt code. A Hub repository keeps its history, so what was withdrawn "
        "after an upload stays in earlier commits until the repository is deleted.\n",
    ]
    for name, n in n_rows.items():
        rows = [f"| {column} | {COLUMNS[column].dtype} | {COLUMNS[column].meaning} |" for column in TABLES[name]]
        parts.append(f"## {name} ({n} rows)\n\n| column | type | |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)
