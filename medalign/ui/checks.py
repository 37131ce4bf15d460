"""Passages to listen to again, with the reason in words."""

from dataclasses import dataclass

from medalign.analysis import Alignment, SegmentCheck
from medalign.transcript import Segment

REASONS = {
    "mismatch": "the sound does not fit these words; they may be invented, or belong elsewhere",
    "garbled": "many of these words may be wrong",
}
UNWRITTEN = "speech is heard, and nothing is written"


@dataclass(frozen=True)
class Place:
    start_s: float
    end_s: float
    reason: str


def places_to_check(alignment: Alignment) -> list[Place]:
    """Segments marked by the alarm, and windows that hold speech and no word, in order of time.

    A student without an alarm has only its windows to go by.
    """
    if not alignment.segments:
        return [Place(w.start_s, w.end_s, REASONS["mismatch"]) for w in alignment.windows if w.alarm]
    marked = [Place(c.start_s, c.end_s, REASONS[c.reason]) for c in alignment.segments if c.reason]
    unwritten = [Place(w.start_s, w.end_s, UNWRITTEN) for w in alignment.windows if w.alarm and w.percentile is None]
    return sorted(marked + unwritten, key=lambda place: place.start_s)


def check_of(segment: Segment, checks: tuple[SegmentCheck, ...]) -> str | None:
    """The reason to check a segment, in words; None if there is none."""
    for check in checks:
        if check.reason and check.start_s == segment.start_s and check.end_s == segment.end_s:
            return REASONS[check.reason]
    return None
