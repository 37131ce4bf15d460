"""Kinds of body sounds, and the examples that MedAlign brings: made by `medalign.training.data.made_body_sounds`."""

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

    @property
    def path(self) -> Path:
        return MADE_FOLDER / f"{self.name}.flac"


MADE_FOLDER = EXAMPLES / "body_sounds"
MADE = (
    MadeSound("heart-steady", "Steady heart", "heart"),
    MadeSound("heart-murmur", "Heart with a murmur", "heart"),
    MadeSound("heart-irregular", "Uneven heart", "heart"),
    MadeSound("lung-wheeze", "Wheeze", "lung"),
    MadeSound("lung-crackles", "Crackles", "lung"),
    MadeSound("cough", "Cough-like bursts", "cough"),
)
