"""Consultations as text, read from where the user keeps them and never copied.

Three public collections, all CC BY 4.0, all role-played or written, none of real patients: PriMock57 (Papadopoulos
Korfiatis et al., ACL 2022, arXiv 2204.00333), ACI-Bench (Yim et al., Scientific Data 2023) and MTS-Dialog (Ben Abacha et
al., EACL 2023). Each is read into the same two values, `Consultation` and `Utterance`.

The split is the collection's own: days 1-3 of PriMock57 and the training files to learn, day 4 and the validation files
to choose.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, get_args

from medalign.core.errors import DataError
from medalign.core.tables import read_rows

Split = Literal["train", "valid"]
Role = Literal["doctor", "patient"]  # "patient" is everyone who is no clinician
VALIDATION_DAY = 4
REMEDY = "get the collection again, or leave its folder out"
MAX_WORDS = 30  # longer turns are cut, so that an utterance stays within what a student pools at once
CLINICIANS = ("do", "guest_clinic")  # how the tags of clinicians start, misspelt ones included


@dataclass(frozen=True)
class Utterance:
    role: Role
    text: str
    start_s: float | None = None  # in the collection's own recording, where it tells


@dataclass(frozen=True)
class Consultation:
    """One consultation; the unit by which data are split."""

    consultation_id: str
    split: Split
    utterances: tuple[Utterance, ...]  # in order; the inaudible ones are left out
    note: str = ""  # what a clinician wrote about it

    @property
    def text(self) -> str:
        """As `transcript_from_text` takes it: a turn a line, each with who speaks."""
        return "\n".join(f"[{u.role}] {u.text}" for u in self.utterances)


def read_consultations(folder: Path) -> tuple[Consultation, ...]:
    """All consultations of the collections that `folder` holds: primock57/, aci_bench/, mts_dialog/.

    Raises:
        DataError: none of the three is there, or one of them is damaged; the message names file and columns.
    """
    found = tuple(one for name, read in COLLECTIONS.items() if (folder / name).is_dir() for one in read(folder / name))
    if not found:
        raise DataError(f"{folder} holds none of {', '.join(COLLECTIONS)}; point --data to the folder that has them")
    return found


def read_primock57(folder: Path) -> tuple[Consultation, ...]:
    """PriMock57 from `folder`/utterances.csv and notes.csv."""
    rows = read_rows(folder / "utterances.csv", {"consultation_id", "day", "role", "start_s", "text"}, remedy=REMEDY)
    noted = read_rows(folder / "notes.csv", {"consultation_id", "note"}, remedy=REMEDY)
    notes = {row["consultation_id"]: row["note"] for row in noted}
    said = [row for row in rows if any(c.isalnum() for c in row["text"])]
    said.sort(key=lambda row: (row["consultation_id"], int(row["day"]), float(row["start_s"])))
    return tuple(
        Consultation(
            name,
            "valid" if day == VALIDATION_DAY else "train",
            tuple(Utterance(r["role"], r["text"], float(r["start_s"])) for r in group),
            notes.get(name, ""),
        )
        for (name, day), group in groupby(said, key=lambda row: (row["consultation_id"], int(row["day"])))
    )


def read_aci_bench(folder: Path) -> tuple[Consultation, ...]:
    """ACI-Bench from `folder`/train.csv and valid.csv."""
    return tuple(
        Consultation(f"aci-{row['encounter_id']}", split, tuple(_utterances(row["dialogue"])), row["note"])
        for split in get_args(Split)
        for row in read_rows(folder / f"{split}.csv", {"encounter_id", "dialogue", "note"}, remedy=REMEDY)
    )


def read_mts_dialog(folder: Path) -> tuple[Consultation, ...]:
    """MTS-Dialog from `folder`/train.csv and valid.csv; validation rows whose note also stands in training are left out."""
    columns = {"ID", "section_text", "dialogue"}
    files: dict[Split, list[dict]] = {
        split: read_rows(folder / f"{split}.csv", columns, remedy=REMEDY) for split in get_args(Split)
    }
    known = {row["section_text"].strip().lower() for row in files["train"]}
    return tuple(
        Consultation(f"mts-{split}-{row['ID']}", split, tuple(_utterances(row["dialogue"])), row["section_text"])
        for split, rows in files.items()
        for row in rows
        if split == "train" or row["section_text"].strip().lower() not in known
    )


COLLECTIONS: dict[str, Callable[[Path], tuple[Consultation, ...]]] = {
    "primock57": read_primock57,
    "aci_bench": read_aci_bench,
    "mts_dialog": read_mts_dialog,
}


def _utterances(dialogue: str) -> Iterator[Utterance]:
    """The turns of a dialogue whose lines start with "[doctor]" or "Doctor:"; an untagged line goes on with the turn."""
    role: Role = "patient"
    for line in dialogue.splitlines():
        if tag := re.match(r"\s*(?:\[(\w+)\]|([A-Z]\w*(?: \d)?)[:.](?= ))", line):
            name = (tag[1] or tag[2]).lower()
            role = "doctor" if name.startswith(CLINICIANS) else "patient"
            line = line[tag.end() :]
        text = re.sub(r"\s+([,.?!;:]|n't\b|'\w+)", r"\1", " ".join(line.split()))  # "had n't ," as tokenisers leave it
        for piece in _pieces(text):
            if any(c.isalnum() for c in piece):
                yield Utterance(role, piece)


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of at most MAX_WORDS, cut after sentences where it can be, else after commas, else anywhere."""
    words = text.split()
    while len(words) > MAX_WORDS:
        ends = [i for i in range(MAX_WORDS // 3, MAX_WORDS + 1) if words[i - 1].endswith((".", "?", "!"))]
        ends = ends or [i for i in range(MAX_WORDS // 3, MAX_WORDS + 1) if words[i - 1].endswith((",", ";"))]
        cut = ends[-1] if ends else MAX_WORDS
        yield " ".join(words[:cut])
        words = words[cut:]
    yield " ".join(words)
