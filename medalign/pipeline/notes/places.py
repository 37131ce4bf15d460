"""Where a statement's telling words stand in a transcript: denied or said to be so, how close together, beside which side.

By rules and word by word, so that it holds for what no bank knows; `anchor` asks a network about the rarest word alone.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from medalign.concepts import transcript_from_text
from medalign.concepts.notes import Clause
from medalign.concepts.tokens import phrase_tokens, stem, words_of
from medalign.pipeline.notes.anchor import LEAST_WEIGHT, OF_STATUS
from medalign.pipeline.notes.said import BOTH_SIDES, Said, Stretch, numbers_of, sides_of
from medalign.pipeline.notes.words import NEGATORS, SAID_NO, content, overlap

PLACES = (
    "words said in its sense", "a word said in its sense, at the least", "its part has no side there", "its side is unsaid",
    "words near its numbers", "words within 20", "words within 50",
)  # fmt: skip
MAX_TOLD = 4  # words of a statement, the rarest, whose sense is read
BEFORE_NO = 8  # words before one, in which a "no" denies it
ANSWER = 6  # words of an answer in which it says no, or yes
YES = words_of("yes yeah yep yup sure exactly correct right")
ANSWERED_NO = words_of("no nope none nothing not don't haven't")
TURN = words_of("but however except although though")  # a denial does not reach beyond
SENTENCE_END = re.compile(r"[.?!]$")
NEAR_NUMBER, NEAR, WIDELY = 15, 10, 25  # words on each side
MAX_SEEDS = 12  # occurrences of a word around which its neighbours are counted


class Places:
    """A transcript's words, and in which sense each is said."""

    def __init__(self, said: Said):
        self._words, self._sides = said.transcript.words, said.sides
        self._at, self._stems = said.passages.places, said.passages.stems
        self._numbers: dict[float, list[int]] = {}
        for at, word in enumerate(self._words):
            for value in numbers_of([word]):
                self._numbers.setdefault(value, []).append(at)

    def features(self, clause: Clause, best: Sequence[Stretch]) -> list[float]:
        """As `PLACES` names them."""
        wanted = content(clause.plain)
        own = sides_of(clause.plain)
        of_part = {part for _, part in self._sides}
        sides = {side for side, _ in self._sides}
        sides |= {"left", "right"} if BOTH_SIDES in sides else set()
        numbers = numbers_of(transcript_from_text(clause.plain).words)
        seeds = [at for key in wanted for at in self._at.get(key, ())[:MAX_SEEDS]]
        return [
            *self._sense(clause, wanted, best),
            float(bool(own) and not any(part in of_part for _, part in own)),
            float(bool(own) and not {side for side, _ in own} & sides),
            min((self._around(wanted, self._numbers.get(value, ()), NEAR_NUMBER) for value in numbers), default=0.5),
            self._around(wanted, seeds, NEAR),
            self._around(wanted, seeds, WIDELY),
        ]

    def _sense(self, clause: Clause, wanted: dict[str, float], best: Sequence[Stretch]) -> tuple[float, float]:
        """Of its rarest words where they fit, from -1 (said in the other sense) to 1: by weight, and the least."""
        denied = _denied(clause.plain)
        found: list[tuple[float, int]] = []
        for key, weight in sorted(wanted.items(), key=lambda item: -item[1]):
            if weight < LEAST_WEIGHT or key in OF_STATUS or len(found) == MAX_TOLD:
                continue
            at = next((at for stretch in best for at in self._at.get(key, ()) if self._lies_in(at, stretch)), None)
            if at is not None:
                found.append((weight, self._says_no(at) * (1 if key in denied else -1)))
        total = sum(weight for weight, _ in found) or 1.0
        return sum(weight * value for weight, value in found) / total, float(min((value for _, value in found), default=0))

    def _lies_in(self, at: int, stretch: Stretch) -> bool:
        return stretch.start_s <= self._words[at].start_s < stretch.end_s

    def _says_no(self, at: int) -> int:
        """1: the word is denied, -1: it is said to be so, 0: it is asked, and who knows."""
        words = self._words
        first, last = at, at
        while first > 0 and not SENTENCE_END.search(words[first - 1].text):
            first -= 1
        while last < len(words) - 1 and not SENTENCE_END.search(words[last].text):
            last += 1
        if frozenset(self._tokens(max(first, at - BEFORE_NO), at)) & SAID_NO:
            return 1
        if not words[last].text.endswith("?"):
            return -1
        answer = self._tokens(last + 1, last + 1 + ANSWER)
        if frozenset(answer[:1]) & SAID_NO or frozenset(answer[:4]) & ANSWERED_NO:
            return 1
        return -1 if frozenset(answer[:3]) & YES else 0

    def _tokens(self, start: int, end: int) -> list[str]:
        return [token for word in self._words[start:end] for token in phrase_tokens(word.text)]

    def _around(self, wanted: dict[str, float], places: Iterable[int], reach: int) -> float:
        """The largest share of the statement's words, by weight, that stands around one of the places."""
        near = (frozenset().union(*self._stems[max(0, at - reach) : at + reach + 1]) for at in places)
        return max((overlap(wanted, stems) for stems in near), default=0.0)


def place_features(clauses: Sequence[Clause], best: Sequence[Sequence[Stretch]], said: Said) -> np.ndarray:
    """(n, len(PLACES))."""
    places = Places(said)
    rows = [places.features(clause, stretches) for clause, stretches in zip(clauses, best, strict=True)]
    return np.array(rows, np.float32).reshape(len(rows), len(PLACES))


def _denied(plain: str) -> frozenset[str]:
    """Stems of the words that the statement itself denies."""
    is_denied = False
    found = set()
    for token in phrase_tokens(plain):
        is_denied = token in NEGATORS or is_denied and token not in TURN
        if is_denied:
            found.add(stem(token))
    return frozenset(found)
