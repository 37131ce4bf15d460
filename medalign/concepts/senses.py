"""In which sense a number was said: of the patient now, or denied, planned, of somebody else, asked and left open.

A measurement bears no status of its own. "If your temperature goes over 38, call us" holds a temperature that nobody has,
so whoever takes numbers out of their sentences has to ask here first. The rules are those of mentions, see `context`.
"""

from collections.abc import Sequence

from medalign.concepts.answers import statuses
from medalign.concepts.tokens import Token, sentences, words_of
from medalign.core.analysis import Measurement, Status
from medalign.core.transcript import Transcript

ROUNDING_S = 0.005  # times may have been through a file
# A limit or an aim, where it stands right before a number: "stay under 130 over 80", "the target is 120 over 80".
LIMITS = words_of("under below less above over more than least most target goal aim aiming should ideally ideal normal")
LIMIT_REACH = 4  # words


def number_senses(transcript: Transcript, measurements: Sequence[Measurement]) -> tuple[Status, ...]:
    """One status a measurement, in order; "uncertain" for limits, and where its words are no longer in the transcript."""
    said = sentences(transcript)
    places = [_place(said, measurement) for measurement in measurements]
    order = sorted({place for place in places if place})
    # As medicines, so that what is advised counts as a plan: "you should stay under 130 over 80".
    rows = [
        [(start, end, f"number {n} {start}", True) for n, start, end in order if n == number] for number in range(len(said))
    ]
    contexts = [context.status for row in statuses(said, rows) for context in row]
    found: dict[tuple[int, int, int], Status] = dict(zip(order, contexts, strict=True))
    return tuple(found[place] if place and not _is_limit(said, place, found[place]) else "uncertain" for place in places)


def _is_limit(said: list[list[Token]], place: tuple[int, int, int], status: Status) -> bool:
    number, start, _ = place
    before = [token.text for token in said[number][max(0, start - LIMIT_REACH) : start]]
    is_value = before[-2:] == ["normal", "at"]  # "the TSH was normal at 2.7"
    return status == "present" and not is_value and any(text in LIMITS for text in before)


def _place(said: list[list[Token]], measurement: Measurement) -> tuple[int, int, int] | None:
    """Sentence, first token, token after the last: in the first sentence that holds a part of its words."""
    first_s, last_s = measurement.start_s - ROUNDING_S, measurement.end_s + ROUNDING_S
    for number, sentence in enumerate(said):
        inside = [at for at, token in enumerate(sentence) if first_s <= token.start_s and token.end_s <= last_s]
        if inside:
            return number, inside[0], inside[-1] + 1
    return None
