"""How labels of sounds are probed: every choice, and its default. Without torch, for the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from medalign.core.errors import DataError


@dataclass(frozen=True)
class ProbeConfig:
    label: str = "label"  # column
    group: str = "group"  # column of persons
    within: str | None = None  # column; each of its values has probes of its own; their AUROC, and its mean
    leave_out: str | None = None  # column; each of its values in turn is measured, the others are fitted on
    level: Literal["clip", "patient"] = "clip"  # of a patient, the scores of all clips are averaged
    kind: str | None = None  # of sound; by default what the table's column `kind` says
    crop_s: float | None = None  # heard of each clip
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.within and self.leave_out:
            raise DataError("--leave-out measures within each value already; leave --within out")


def person_of(row: Mapping[str, str], group: str) -> str:
    """Whose sound a row is; empty if nobody knows: `medalign reports` then gives each recording a group of its own."""
    person = row.get(group) or ""
    return "" if person == row["path"] else person
