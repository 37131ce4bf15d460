"""Consultations as text: PriMock57's utterances, read from where the user keeps them and never copied.

Source: Papadopoulos Korfiatis et al., PriMock57, ACL 2022 (arXiv 2204.00333), CC BY 4.0. Mock consultations.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medalign.errors import DataError

COLUMNS = {"consultation_id", "day", "role", "start_s", "text"}


@dataclass(frozen=True)
class Utterance:
    role: Literal["doctor", "patient"]
    text: str


@dataclass(frozen=True)
class Consultation:
    """One consultation; the unit by which data are split."""

    consultation_id: str
    day: int
    utterances: tuple[Utterance, ...]  # in order of their start; the inaudible ones are left out


def read_primock57(folder: Path, days: tuple[int, ...]) -> tuple[Consultation, ...]:
    """The consultations of those days, from `folder`/utterances.csv.

    Raises:
        DataError: file or columns missing, or none of the days is in it.
    """
    path = folder / "utterances.csv"
    if not path.is_file():
        raise DataError(f"{path} not found; point --data to the folder of PriMock57 that holds utterances.csv")
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := COLUMNS - set(reader.fieldnames or ()):
            raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}; is it PriMock57's utterances.csv?")
        rows = [row for row in reader if int(row["day"]) in days and any(c.isalnum() for c in row["text"])]
    if not rows:
        raise DataError(f"{path} holds no utterance of day {', '.join(map(str, days))}")
    by_consultation: dict[tuple[str, int], list[dict]] = {}
    for row in rows:
        by_consultation.setdefault((row["consultation_id"], int(row["day"])), []).append(row)
    return tuple(
        Consultation(
            consultation_id,
            day,
            tuple(Utterance(r["role"], r["text"]) for r in sorted(group, key=lambda r: float(r["start_s"]))),
        )
        for (consultation_id, day), group in sorted(by_consultation.items())
    )
