"""A transcript cut into sentences, a question together with its answer: the words that decide about a statement of a note."""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property

from medalign.concepts.tokens import phrase_tokens, stem
from medalign.core.analysis import Evidence
from medalign.core.transcript import Transcript
from medalign.core.wording import READ_AS

SENTENCE_END = re.compile(r"[.?!][\"')\]]*$")
QUESTION = re.compile(r"\?[\"')\]]*$")
SHORT_ANSWER = 8  # words; a longer sentence tells by itself what it is about
MAX_WORDS = 17  # on each side of the word that decides: recognisers leave full stops out
MAX_CHOSEN = 3
DOUBTED_BELOW = 0.4  # probability of a word; in the clean examples two windows of six seconds in five hold a less likely one
MARK = 8.0  # weight of an agreeing fact or number, beside those of words (0 to 17)
LEAST_GAIN = 0.15  # of all that is to be covered: passages that add less are left out


class Passages:
    """The words of a transcript, where each stem stands, and which of them belong together."""

    def __init__(self, transcript: Transcript):
        self.words = transcript.words
        self.places: dict[str, list[int]] = {}  # of each stem
        for at, word in enumerate(self.words):
            for token in phrase_tokens(word.text):
                self.places.setdefault(stem(token), []).append(at)
        self._edges: list[tuple[int, int]] = []  # words [start, end) of each sentence
        self._sentence: list[int] = []  # of each word
        self._cut(transcript)

    def _cut(self, transcript: Transcript) -> None:
        speakers = [segment.speaker for segment in transcript.segments for _ in segment.words]
        start = 0
        for at, word in enumerate(self.words):
            self._sentence.append(len(self._edges))
            is_last = at + 1 == len(self.words) or speakers[at + 1] != speakers[at]
            if is_last or SENTENCE_END.search(word.text):
                self._edges.append((start, at + 1))
                start = at + 1

    def is_doubted(self, start_s: float, end_s: float) -> bool:
        """Whether something else may have been said there: nothing is written, or the recogniser was hardly sure of a word."""
        probabilities = [word.probability for word in self.words if word.end_s > start_s and word.start_s < end_s]
        return min(probabilities, default=0.0) < DOUBTED_BELOW

    @cached_property
    def stems(self) -> list[frozenset[str]]:
        """Of each word."""
        return [frozenset(stem(token) for token in phrase_tokens(word.text)) for word in self.words]

    @cached_property
    def _starts_s(self) -> list[float]:
        return [word.start_s for word in self.words]

    def word_at(self, start_s: float) -> int:
        """The word that begins there; -1 without words."""
        return min(bisect_left(self._starts_s, start_s - 1e-3), len(self.words) - 1)

    def asks(self, sentence: int) -> bool:
        """Whether a sentence is a question."""
        return bool(QUESTION.search(self.words[self._edges[sentence][1] - 1].text))

    def around(self, at: int) -> range:
        """The words of the sentence of a word; a question has its answer with it, a short answer its question."""
        sentence = self._sentence[at]
        start, end = self._edges[sentence]
        start, end = max(start, at - MAX_WORDS), min(end, at + MAX_WORDS + 1)
        if self.asks(sentence) and sentence + 1 < len(self._edges):
            first, last = self._edges[sentence + 1]
            end = min(last, first + MAX_WORDS)
        elif sentence and self.asks(sentence - 1) and end - start <= SHORT_ANSWER:
            start = max(self._edges[sentence - 1][0], start - MAX_WORDS)
        return range(start, end)

    def evidence(self, found: range, marks: Sequence[Evidence] = ()) -> Evidence:
        """The words as they were written, and behind them what they were read as where that differs."""
        words = self.words[found.start : found.stop]
        read = [e.text for e in marks if e.text and READ_AS in e.text and words[0].start_s <= e.start_s <= words[-1].start_s]
        text = " ".join([*(word.text for word in words), *(f"({one})" for one in dict.fromkeys(read))])
        return Evidence(words[0].start_s, words[-1].end_s, text)

    def deciding(
        self, wanted: Mapping[str, float], marks: Sequence[Evidence], within_s: Sequence[tuple[float, float]] = ()
    ) -> tuple[Evidence, ...]:
        """The passages that together hold most of what decides, the most telling first.

        Args:
            wanted: stems of a statement's telling words, with their weights.
            marks: facts and numbers that agree or contradict.
            within_s: stretches in which the words are looked for; a mark counts anywhere.
        """
        marked = {self.word_at(mark.start_s) for mark in marks if mark.text} - {-1}
        telling = {
            at for key in wanted for at in self.places.get(key, ()) if any(a <= self._starts_s[at] < b for a, b in within_s)
        }
        ranges = sorted({self.around(at) for at in marked | telling}, key=lambda r: (r.start, r.stop))
        holds = [
            {key: weight for key, weight in wanted.items() if any(key in self.stems[at] for at in some)}
            | {at: MARK for at in marked if at in some}
            for some in ranges
        ]
        everything: dict[str | int, float] = dict(wanted) | dict.fromkeys(marked, MARK)
        total, covered, chosen = sum(everything.values()), set[str | int](), list[range]()
        while len(chosen) < MAX_CHOSEN and ranges:
            gains = [sum(weight for key, weight in one.items() if key not in covered) for one in holds]
            best = max(range(len(gains)), key=gains.__getitem__)
            if gains[best] < LEAST_GAIN * total or gains[best] == 0:
                break
            covered |= holds[best].keys()
            if not any(ranges[best].start < other.stop and other.start < ranges[best].stop for other in chosen):
                chosen.append(ranges[best])
        return tuple(self.evidence(some, marks) for some in chosen)
