"""Checks of single values that a person sends: each gives the value back clean, or says what was expected."""

import math
import string
import unicodedata
from collections.abc import Iterable

from medalign.core.errors import FeedbackError

MAX_ID = 120  # characters
MAX_QUOTED = 40  # of a wrong value, in a message
SLUG = frozenset(string.ascii_lowercase + string.digits + "-")


def one_of(name: str, value: object, known: Iterable[str], *, optional: bool = False) -> None:
    known = tuple(known)
    if value is None and optional:
        return
    if not isinstance(value, str) or value not in known:
        raise FeedbackError(f"{name} is {quoted(value)}, expected one of: {', '.join(known)}")


def whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise FeedbackError(f"{name} is {quoted(value)}, expected a whole number from {low} to {high}")


def text(name: str, value: object, limit: int) -> str:
    """The text without blanks around it; control characters become blanks, since some databases refuse them."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FeedbackError(f"{name} is {quoted(value)}, expected text")
    kinds = {c: unicodedata.category(c) for c in set(value)}
    if "Cs" in kinds.values():  # half a character, which no file can hold
        raise FeedbackError(f"{name} has characters that are no Unicode text; write it anew")
    clean = "".join(" " if kinds[c] == "Cc" and c not in "\n\t" else c for c in value.replace("\r\n", "\n")).strip()
    if len(clean) > limit:
        raise FeedbackError(f"{name} has {len(clean)} characters, at most {limit} are kept; shorten it")
    return clean


def seconds(start_s: object, end_s: object) -> tuple[float, float] | tuple[None, None]:
    """Both ends in order, or none; how long the recording is, only the store knows."""
    if start_s is None and end_s is None:
        return None, None
    start, end = _finite("start_s", start_s), _finite("end_s", end_s)
    if not 0 <= start < end:
        raise FeedbackError(f"start_s {start:g} must lie before end_s {end:g}, and not below 0")
    return start, end


def _finite(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FeedbackError(f"{name} is {quoted(value)}, expected seconds; give both ends or none")
    return float(value)


def identifier(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID or not value.isprintable():
        raise FeedbackError(f"{name} is {quoted(value)}, expected an identifier")
    return value


def is_slug(value: object, limit: int) -> bool:
    """Lower-case letters, digits and hyphens only: no text can hide in it."""
    return isinstance(value, str) and 0 < len(value) <= limit and set(value) <= SLUG


def quoted(value: object) -> str:
    """The value for a message: short, printable, and never a forged novel."""
    shown = ascii(value)
    return shown if len(shown) <= MAX_QUOTED else f"{shown[: MAX_QUOTED - 3]}..."
