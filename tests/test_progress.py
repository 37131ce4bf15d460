"""What is left of an analysis is told from its first moment, honestly and without leaps: with a clock of the test's own."""

import pytest

from medalign.core.transcript import Segment, Transcript
from medalign.pipeline.progress import BEFORE_S, PACE, AudioPreview, Clock

DURATION_S, WINDOW_S = 120.0, 30.0
HONEST = 1.5  # the truth is at most so many times more, or less


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(slower: float, pace: dict[str, float], duration_s: float = DURATION_S) -> list[tuple[float, float, float]]:
    """Seconds since the beginning, seconds that were said to be left, and fraction, of a recording of which every stage takes
    `slower` times the usual; the truth is in the last row."""
    time = Time()
    clock, rows = Clock(pace, time), []
    transcribing = slower * PACE["transcribe"] * duration_s
    n_windows = round(duration_s / WINDOW_S)

    def tell(step) -> None:
        rows.append((time.now, step.remaining_s, step.fraction))

    assert clock.progress("decode", "").remaining_s is None
    clock.lap("decode")
    clock.duration_s = duration_s
    tell(clock.progress("transcribe", ""))
    events = [
        (quarter / 4 * slower * PACE["student"] * duration_s, "audio", quarter / 4 * duration_s) for quarter in (1, 2, 3, 4)
    ]
    for n in range(3 * n_windows):  # three at once, as the recogniser gives them
        events.append(((n // 3 + 1) * WINDOW_S / duration_s * transcribing, "text", (n + 1) * 10.0))
    preview, said = None, ()
    for time.now, source, until_s in sorted(events):
        if source == "audio":
            clock.note("student", time.now)
            preview = AudioPreview((), until_s)
        else:
            said = (*said, Segment(until_s - 10, until_s, "words", ()))
        tell(clock.progress("transcribe", "", Transcript(said), preview))
    clock.lap("transcribe")
    clock.begin()
    tell(clock.progress("teacher", "", Transcript(said)))
    time.now += slower * PACE["teacher"] * (duration_s + BEFORE_S["teacher"])
    clock.lap("teacher")
    clock.timings()
    return [*rows, (time.now, 0.0, 1.0)]


def honest(rows: list[tuple[float, float, float]]) -> list[bool]:
    end = rows[-1][0]
    return [1 / HONEST < left / (end - at) < HONEST for at, left, _ in rows[:-1]]


@pytest.mark.parametrize("slower", [0.7, 1.0, 1.45])
def test_on_a_usual_machine_it_is_honest_from_the_first_moment(slower):
    rows = told(slower, dict(PACE))
    assert all(honest(rows)), rows


@pytest.mark.parametrize("slower", [0.2, 4.0])
def test_on_another_machine_it_is_soon_and_with_the_next_recording_at_once(slower):
    pace = dict(PACE)
    first = told(slower, pace)
    is_late = [at > 0.3 * first[-1][0] for at, _, _ in first[:-1]]
    assert all(is_honest for is_honest, late in zip(honest(first), is_late, strict=True) if late), first
    told(slower, pace)
    assert all(honest(told(slower, pace)))


def test_the_end_of_a_long_recording_is_honest_after_short_ones():
    """“About 2 min left” stood there with 12 s to go: reading a short recording is mostly what any takes."""
    pace = dict(PACE)
    for slower in (1.5, 2.0):
        told(slower, pace, 30.0)
    rows = told(1.5, pace, 720.0)
    assert all(honest(rows)[len(rows) // 3 :]), rows


def test_the_end_does_not_leap_and_the_bar_only_grows():
    rows = told(1.2, dict(PACE))
    ends = [at + left for at, left, _ in rows]
    assert max(abs(b - a) for a, b in zip(ends, ends[1:], strict=False)) < 0.25 * rows[-1][0]
    fractions = [fraction for _, _, fraction in rows]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
