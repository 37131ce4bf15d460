"""One comparison as the server holds it: two results of one recording, who stands where, and whether a vote is due."""

from dataclasses import dataclass

from medalign.core.analysis import Analysis
from medalign.core.errors import MedAlignError
from medalign.core.spelling import WORDINGS, Wording
from medalign.report.comparison import BlindOrder, Candidate, Comparison, Kind, Side, compare

POSITIONS = ("left", "right")
# While the vote is blind, where a concept was found and how likely it is stay hidden: an encoder that hears nothing would be
# known by it at once.
TELLING: tuple[Kind, ...] = ("source", "certainty")


@dataclass(frozen=True)
class Entry:
    """One side's result, and what it cost."""

    candidate: Candidate
    analysis: Analysis
    n_bytes: int  # of weights


class ComparisonState:
    """Plain class on purpose, as `Session`. Votes are locked until both sides were looked at, and there is one."""

    def __init__(self, a: Entry, b: Entry, *, blind: bool, order: BlindOrder, peaks: bytes, wording: Wording = WORDINGS[0]):
        """
        Args:
            peaks: of the recording, as `peaks_of` gives them.
        """
        self.entries: dict[Side, Entry] = {"a": a, "b": b}
        self.peaks = peaks
        self.blind, self.order, self.wording = blind, order, wording
        self.comparison: Comparison = compare(a.analysis, b.analysis)
        self.comparison_id: str | None = None  # in the feedback store
        self.seen: set[str] = set()
        self.receipt: str | None = None  # once the vote is cast

    def at(self, position: str) -> Side:
        """Which side stands there."""
        return self.order.left if position == "left" else self.order.right

    @property
    def are_equal(self) -> bool:
        """Nothing that may be seen before a vote differs: there is nothing to vote on."""
        hidden = TELLING if self.blind else ()
        rows = self.comparison.concepts
        return not self.comparison.n_words_differing and all(row.kind == "same" or row.kind in hidden for row in rows)

    @property
    def is_open(self) -> bool:
        """Names may be shown: there was never a secret, or the vote is cast, or there is nothing to vote on."""
        return not self.blind or self.receipt is not None or self.are_equal

    @property
    def is_ready(self) -> bool:
        return self.receipt is None and not self.are_equal and self.seen >= set(POSITIONS)

    def look(self, position: str) -> None:
        """A side was looked at. Raises MedAlignError if there is no such side."""
        if position not in POSITIONS:
            raise MedAlignError("the page named a side that does not exist; reload it")
        self.seen.add(position)

    def choice(self, pressed: str) -> str:
        """What a press means: `left` and `right` are the results that stand there. Raises MedAlignError if it may not count."""
        if self.receipt is not None:
            raise MedAlignError("this comparison has its vote; run another one to vote again")
        if not self.is_ready:
            raise MedAlignError("look at both sides first; then the vote is open")
        return self.at(pressed) if pressed in POSITIONS else pressed
