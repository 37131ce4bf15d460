"""Passages to listen to again, and why."""

from dataclasses import dataclass
from typing import Literal

from medalign.analysis import Alignment, Reason

Kind = Reason | Literal["unwritten"]
REASONS: dict[Kind, str] = {
    "mismatch": "the sound does not fit these words; they may be invented, or belong elsewhere",
    "garbled": "many of these words may be wrong",
    "unwritten": "speech is heard, and nothing is written",
}


@dataclass(frozen=True)
class Place:
    start_s: float
    end_s: float
    kind: Kind

    @property
    def reason(self) -> str:
        return REASONS[self.kind]


def places_to_check(alignment: Alignment) -> list[Place]:
    """Segments marked by the alarm, and windows that hold speech and no word, in order of time.

    A student without an alarm has only its windows to go by.
    """
    places = [Place(check.start_s, check.end_s, check.reason) for check in alignment.segments if check.reason]
    for window in alignment.windows:
        if window.alarm and window.percentile is None:
            places.append(Place(window.start_s, window.end_s, "unwritten"))
        elif window.alarm and not alignment.segments:
            places.append(Place(window.start_s, window.end_s, "mismatch"))
    return sorted(places, key=lambda place: (place.start_s, place.end_s))
