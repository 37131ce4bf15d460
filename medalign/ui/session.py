"""One result as the server holds it for one reader: what later questions need, and the files to delete with it.

It lives in the reader's own `gr.State`, never in a global, and goes after `KEEP_S` or when they press "Delete now".
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.concepts import Concept
from medalign.core.analysis import Analysis
from medalign.core.apart import load_apart
from medalign.core.errors import MedAlignError
from medalign.core.review import Added, Heard, Judged, Review
from medalign.core.spelling import WORDINGS, Wording, reworded
from medalign.feedback.receipts import code_of
from medalign.feedback.records import ConceptRating
from medalign.ui.files import discard

if TYPE_CHECKING:  # importing it would load torch before the page is up
    from medalign.pipeline.listener import EncodedRecording, Listener

MAX_UNDONE = 20
KEEP_S = 3600  # a reader's result and recording, at the longest


@dataclass(frozen=True)
class Change:
    """Of the words, or of what was found right, and how the result stood before it."""

    analysis: Analysis
    is_stored: bool  # it was made beforehand
    heard: tuple[Heard, ...]
    what: str  # was changed then, in few words
    at_s: float  # where


@dataclass(frozen=True)
class Latest:
    """What a reader has just done to a result."""

    news: frozenset[str] = frozenset()  # keys of places to hear that the last change of the words has brought
    change: Change | None = None  # that can be taken back


NOTHING_NEW = Latest()


class Session:
    """Plain class on purpose: Gradio hashes states, and this one is hashed by identity."""

    def __init__(self, path: str, title: str, custom: Sequence[Concept] = (), is_example: bool = False):
        """
        Args:
            path: the recording.
            custom: concepts that the reader looks for beside the bank's.
            is_example: the recording belongs to the program, and is never deleted.
        """
        self.path, self.title, self.custom, self.is_example = path, title, tuple(custom), is_example
        self.wording: Wording = WORDINGS[0]  # of the labels that the reader sees
        self.notices: tuple[str, ...] = ()  # beside those of the analysis
        self.name = secrets.token_hex(4)  # tells two results of one title apart
        self.analysis: Analysis | None = None  # None until it is finished
        self.is_stored = False  # the analysis was made beforehand
        self.peaks = b""  # of the waveform, see `medalign.report.strip.peaks_of`
        self._files: list[Path] = []  # what the page wrote of it: the player's sound, the exports
        self._is_forgotten = False
        self.original: Analysis | None = None  # as the models made it
        self.judged: tuple[Judged, ...] = ()  # rows of the table, as they are rated
        self.heard: tuple[Heard, ...] = ()  # places that are right as they stand
        self.added: tuple[Added, ...] = ()  # what was missing in the table
        self.news: frozenset[str] = frozenset()  # as in `Latest`
        self.changes: list[Change] = []  # that can be taken back
        self.receipts: list[str] = []  # addresses at which ratings are stored, one for each version that was rated
        self.rated: dict[str, Analysis] = {}  # by receipt, which version of the result
        self.ratings: list[ConceptRating] = []  # where no feedback store keeps them
        self.order: list[str | None] = []  # what was done: None is a change, else the code under which a rating is stored
        self.sought = ""  # the phrase of the search that is open
        self._encoded: EncodedRecording | None = None

    @property
    def result(self) -> Analysis:
        """Raises MedAlignError if the analysis is not finished."""
        if self.analysis is None:
            raise MedAlignError("there is no result yet; wait until the analysis is finished")
        return self.analysis

    @property
    def shown(self) -> Analysis:
        """The result in the reader's wording. Raises MedAlignError if the analysis is not finished."""
        return reworded(self.result, self.wording)

    def finish(self, analysis: Analysis, encoded: "EncodedRecording | None" = None) -> None:
        """
        Args:
            encoded: the recording as the student encoded it; without it, it is encoded at the first question.
        """
        self.analysis = self.original = analysis
        if encoded is not None:
            self._encoded = _lean(encoded)

    @property
    def review(self) -> Review:
        """What the reader judged so far."""
        return Review(self.judged, self.heard, self.added)

    def change(self, analysis: Analysis, what: str, at_s: float) -> None:
        """Another transcript of the same recording. Ratings of the old one stay with the old one.

        Args:
            what: was changed, in few words, for whoever takes it back; `at_s` tells where.
        """
        self._keep(what, at_s)
        self.analysis, self.is_stored = analysis, False

    def settle(self, heard: Sequence[Heard], what: str) -> None:
        """Places that the reader heard and found right; at least one."""
        self._keep(what, heard[0].start_s)
        self.heard += tuple(heard)

    def _keep(self, what: str, at_s: float) -> None:
        self.changes = [*self.changes, Change(self.result, self.is_stored, self.heard, what, at_s)][-MAX_UNDONE:]
        self.order.append(None)

    @property
    def codes(self) -> list[str]:
        """Of the receipts: one, unless it was withdrawn elsewhere meanwhile."""
        return list(dict.fromkeys(map(code_of, self.receipts)))

    @property
    def latest(self) -> Latest:
        return Latest(self.news, self.changes[-1] if self.changes else None)

    def undo(self) -> None:
        """As it was before the last change. Raises MedAlignError if there was none."""
        if not self.changes:
            raise MedAlignError("there is no change to undo")
        before = self.changes.pop()
        self.forget_last(None)
        self.analysis, self.is_stored, self.heard, self.news = before.analysis, before.is_stored, before.heard, frozenset()

    def forget_last(self, done: str | None) -> None:
        """The last of that kind in the order of what was done: it is taken back."""
        if done in self.order:
            del self.order[len(self.order) - 1 - self.order[::-1].index(done)]

    def encoded(self, listener: "Listener") -> "EncodedRecording":
        """The recording as the student encodes it. Raises AudioError if it has been deleted meanwhile."""
        if self._encoded is None:
            self._encoded = _lean(listener.encode(load_apart(self.path), self.custom))
        return replace(self._encoded, frames=self._encoded.frames.float())

    def own(self, *files: Path) -> None:
        """Files that were made of it. One that is forgotten has none: a run may still be at its last step."""
        self._files += files
        if self._is_forgotten:
            self.forget()

    @property
    def is_forgotten(self) -> bool:
        """The recording and all that was made of it were deleted: an answer that comes later is none any more."""
        return self._is_forgotten

    def forget(self) -> None:
        """Delete the recording, unless it is an example, and all that was made of it."""
        self._is_forgotten, self.changes = True, []
        for file in [*self._files, *([] if self.is_example else [Path(self.path)])]:
            discard(file)
        self._encoded = None


def present(session: Session | None) -> Session:
    """Raises MedAlignError if there is none."""
    if session is None:
        raise MedAlignError("there is no recording yet; analyse one, or an example, in the first tab")
    return session


def forget(session: Session | None) -> None:
    """For `gr.State(delete_callback=...)`: the reader has left, or time is up."""
    if session is not None:
        session.forget()


def _lean(encoded: "EncodedRecording") -> "EncodedRecording":
    """In half precision: an hour is 138 MB instead of twice that, and its embeddings move by less than 1e-3."""
    return replace(encoded, frames=encoded.frames.half())
