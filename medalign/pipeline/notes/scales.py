"""Values on scales, in the words of a recording or of a statement: time of day, course, numbers with their units."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medalign.concepts.tokens import stem
from medalign.core.analysis import Evidence, Measurement
from medalign.pipeline.notes.passages import Passages

SCALES: tuple[tuple[str, ...], ...] = (  # values of one scale, each in its words, exclude each other
    ("morning breakfast mane", "afternoon", "evening night overnight nocturnal bedtime tonight"),
    ("sudden suddenly abrupt abruptly", "gradual gradually"),
    ("constant constantly continuous continuously", "intermittent intermittently occasional occasionally"),
    ("dry unproductive", "productive phlegm sputum mucus"),
    ("exertion", "rest resting"),
    ("mild mildly", "severe severely"),
    ("better improved improving improve improvement eased", "worse worsened worsening worsen deteriorated"),
    ("before", "after"),
    ("high elevated raised", "low"),
    ("normal", "abnormal"),
    ("upper", "lower"),
    ("increase increased increasing raise", "decrease decreased decreasing reduce reduced"),
    ("daily", "weekly", "monthly"),
    ("monday mondays", "tuesday tuesdays", "wednesday", "thursday", "friday", "saturday", "sunday"),
    ("alone", "wife husband partner family flatmates housemates"),
    ("smoker smokes smoking", "non-smoker"),
    (
        "start started starting begin commence initiate initiated continue",
        "stop stopped stopping discontinue discontinued quit",
    ),
    ("clear white", "yellow", "green", "brown", "black", "red bloody bloodstained pink"),
    ("soft", "rigid tense guarded"),
)
NAMED = frozenset(range(6)) | {9, 12, 13, 17, 18}  # scales whose other value contradicts; of the others it is weighed, not told
VALUE: dict[str, tuple[int, int]] = {
    stem(word): (scale, value)
    for scale, values in enumerate(SCALES)
    for value, words in enumerate(values)
    for word in words.split()
}
AGED = frozenset(["at", "aged", "age"])  # before a number that tells how old somebody was
RANGE = re.compile(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?")
TIMES = frozenset(["duration", "dose", "plan"])  # kinds whose unit tells what is counted


@dataclass(frozen=True)
class Detail:
    """A value on a scale."""

    scale: int | tuple[str, str]  # of `SCALES`; kind and unit of a number
    value: int | str
    at: int  # index of the word
    evidence: Evidence

    @property
    def is_number(self) -> bool:
        return isinstance(self.scale, tuple)

    def is_as(self, other: "Detail") -> bool:
        """Whether both may be the same: "10 minutes" is within "5-10 minutes"."""
        if self.value == other.value:
            return True
        own, theirs = RANGE.fullmatch(str(self.value)), RANGE.fullmatch(str(other.value))
        if not (self.is_number and own and theirs):
            return False
        low, high, their_low, their_high = (float(m[i] or m[1]) for m in (own, theirs) for i in (1, 2))
        return low <= their_high and their_low <= high


def details_of(passages: Passages, measurements: Sequence[Measurement]) -> Iterator[Detail]:
    """All of them: numbers first, then words."""
    measured: set[int] = set()
    for m in measurements:
        at = passages.word_at(m.start_s)
        measured |= {i for i in range(at, len(passages.words)) if passages.words[i].start_s < m.end_s}
        yield Detail(_scale(m), m.value, at, Evidence(m.start_s, m.end_s, m.amount))
    for at, word in enumerate(passages.words):
        bare = word.text.strip(".,;:?!()").lower()
        before = passages.words[at - 1].text.lower() if at else ""
        if bare.isdecimal() and before in AGED and at not in measured:
            yield Detail(("age", ""), bare, at, Evidence(word.start_s, word.end_s, bare))
        for key in passages.stems[at]:
            if key in VALUE and at not in measured:
                yield Detail(*VALUE[key], at, Evidence(word.start_s, word.end_s, bare))


def _scale(m: Measurement) -> tuple[str, str]:
    return m.kind, m.unit.removesuffix(" ago") if m.kind in TIMES else ""
