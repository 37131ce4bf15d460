"""Kinds of body sounds, and the examples that MedAlign brings: made by `tests/make_body_sounds.py`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from medalign.core.assets import EXAMPLES

Kind = Literal["heart", "lung", "cough"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class MadeSound:
    """An example that nobody's body made."""

    name: str
    title: str
    kind: Kind
    where: str  # what it has of its own is heard, and seen in the picture

    @property
    def path(self) -> Path:
        return MADE_FOLDER / f"{self.name}.flac"


MADE_FOLDER = EXAMPLES / "body_sounds"
MADE = (
    MadeSound("heart-steady", "Steady heart", "heart", "two thuds a beat, the first lower and longer; see the small ticks."),
    MadeSound(
        "heart-murmur", "Heart with a murmur", "heart",
        "the murmur blows between the first and the second thud of each beat, in systole; in the picture, at 120 to 400 Hz.",
    ),
    MadeSound("heart-irregular", "Uneven heart", "heart", "the pauses between the beats differ, so no rate is counted."),
    MadeSound("lung-wheeze", "Wheeze", "lung", "a whistle near 420 Hz while air goes out, the softer half of each breath."),
    MadeSound("lung-crackles", "Crackles", "lung", "short clicks while air goes in; in the picture, thin upright lines."),
    MadeSound("cough", "Cough-like bursts", "cough", "each burst begins at once and dies away."),
)  # fmt: skip
