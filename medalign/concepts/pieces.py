"""The pieces that numbers and units are read from: "500mg" is "500" and "mg", "140/90" is "140 over 90".

What only looks like a number (a date, a time of day, "4th", "T4") stays one piece and is no number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from medalign.concepts.tokens import word_list, words_of
from medalign.core.transcript import Word

_AROUND = re.compile(r"^[\"'(\[~]+|[\"')\],;:.?!…–—-]+$")
_PAUSE = re.compile(r"[,;:.?!…–—-]+[\"')\]]*$")
DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+")
_D = r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)"
_WITH_UNIT = re.compile(rf"{_D}([a-zµ°%][a-zµ°%/0-9^]*)")
_RANGE = re.compile(rf"{_D}[-–—]{_D}(.*)")
_STRENGTH = re.compile(rf"{_D}(mg|mcg|µg|g)/{_D}?(ml|mls)")
_BARE_STRENGTH = re.compile(rf"(mg|mcg|µg|g)/{_D}(?:ml|mls)")  # "125 mg/5ml"
DOTTED = re.compile(r"(?:[a-z]\.)+[a-z]?\.?")  # "b.d."
_OVER = re.compile(r"(\d{2,3})/(\d{2,3})")
_OF_TEN = re.compile(r"(\d+(?:\.\d)?)/10")
_EVERY = re.compile(r"q(\d{1,2})h")
FRACTIONS = {"1/2": 0.5, "1/4": 0.25, "3/4": 0.75, "½": 0.5, "¼": 0.25, "¾": 0.75}
_NO_UNIT = re.compile(r"(?:st|nd|rd|th|s|am|pm|d|x)")
FILLERS = words_of("um uh er erm ah eh hm hmm mm")
# As recognisers write them; "ill", "well", "were" and "id" are other words, too.
WITHOUT_APOSTROPHE = {bare.replace("'", ""): bare for bare in word_list("pieces.contractions")}


@dataclass(frozen=True)
class Piece:
    """A part of a word as it is compared."""

    text: str  # lower case, without punctuation
    word: int  # index into the words that were read
    pause: str = ""  # the punctuation after it


def pieces_of(words: Sequence[Word]) -> list[Piece]:
    """The words in the pieces that numbers and units are read from."""
    pieces: list[Piece] = []
    for i, word in enumerate(words):
        lowered = word.text.lower().replace("’", "'").replace("μ", "µ")
        bare = _AROUND.sub("", lowered)
        end = _PAUSE.search(lowered)
        pause = end.group().strip("\"')]") if end and not DOTTED.fullmatch(lowered) else ""
        if not bare:
            if pieces and pause:
                pieces[-1] = replace(pieces[-1], pause=pause)
            continue
        if bare in FILLERS:
            if pieces and pause and not pieces[-1].pause:
                pieces[-1] = replace(pieces[-1], pause=pause)
            continue
        parts = [part for part in _parts(bare) if part != "ish"] or [bare]
        pieces += [Piece(part, i) for part in parts[:-1]] + [Piece(parts[-1], i, pause)]
    return pieces


def _parts(bare: str) -> list[str]:
    bare = WITHOUT_APOSTROPHE.get(bare, bare)
    if every := _EVERY.fullmatch(bare):
        return ["every", every[1], "hours"]
    if bare in FRACTIONS or not (bare[0].isdigit() or bare[0] == "."):
        bare = bare.removesuffix("'s") if len(bare) > 3 and bare != "one's" else bare
        if strength := _BARE_STRENGTH.fullmatch(bare):
            return [strength[1], "in", strength[2], "ml"]
        without_dots = bare.replace(".", "") if DOTTED.fullmatch(bare) else bare
        return without_dots.split("-") if re.fullmatch(r"[a-z]+(?:-[a-z]+)+", without_dots) else [without_dots]
    if strength := _STRENGTH.fullmatch(bare):
        return [strength[1], strength[2], "in", strength[3], "ml"] if strength[3] else [strength[1], f"{strength[2]}/ml"]
    if (over := _OVER.fullmatch(bare)) and bare != "24/7":
        return [over[1], "over", over[2]]
    if out_of := _OF_TEN.fullmatch(bare):
        return [out_of[1], "out", "of", "10"]
    if (spread := _RANGE.fullmatch(bare)) and (not spread[3] or DIGITS.sub("", spread[3]) == spread[3]):
        return [spread[1], "to", spread[2], *spread[3].strip("-").split("-")] if spread[3] else [spread[1], "to", spread[2]]
    head, *rest = bare.split("-")
    if rest and DIGITS.fullmatch(head) and all(part.isalpha() for part in rest):  # "43-year-old", "4-hourly"
        return [head, *rest]
    glued = _WITH_UNIT.fullmatch(bare)
    return [glued[1], glued[2]] if glued and not _NO_UNIT.fullmatch(glued[2]) else [bare]
