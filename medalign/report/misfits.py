"""Where words and sound do not fit, and how much of a recording that is."""

from collections.abc import Sequence
from dataclasses import replace

from medalign.core.alignment import Alignment
from medalign.report.summary import Place

FEW_SEGMENTS = 6  # half of so few is no sign of a transcript that is bad throughout


def windows_that_misfit(alignment: Alignment, places: Sequence[Place]) -> list[Place]:
    """Windows that do not fit, one entry a stretch, where no segment that is marked says so already."""
    stretches: list[Place] = []
    for w in alignment.windows:
        if not w.is_mismatch or any(w.start_s < p.end_s and w.end_s > p.start_s for p in places):
            continue
        if stretches and w.start_s <= stretches[-1].end_s:
            stretches[-1] = replace(stretches[-1], end_s=w.end_s)
        else:
            stretches.append(Place(w.start_s, w.end_s, "mismatch"))
    return stretches


def in_doubt(alignment: Alignment) -> tuple[int, int]:
    """How many segments should be heard again, and how many there are; of windows, where no segment was checked."""
    if alignment.segments:
        return sum(check.reason is not None for check in alignment.segments), len(alignment.segments)
    return sum(window.is_mismatch for window in alignment.windows), len(alignment.windows)


def is_unreliable(alignment: Alignment) -> bool:
    """So much is in doubt that naming each place helps nobody."""
    n, of = in_doubt(alignment)
    return n > of / 2 and of > FEW_SEGMENTS
