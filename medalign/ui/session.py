"""One result as the server holds it for one reader: what later questions need, and the files to delete with it.

It lives in the reader's own `gr.State`, never in a global, and goes after `KEEP_S` or when they press "Delete now".
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medalign.concepts import Concept
from medalign.core.analysis import Analysis
from medalign.core.audio import load_recording

KEEP_S = 3600  # a reader's result and recording, at the longest


class Session:
    """Plain class on purpose: Gradio hashes states, and this one is hashed by identity."""

    def __init__(self, path: str, title: str, own: Sequence[Concept] = (), is_example: bool = False):
        """
        Args:
            path: the recording.
            own: concepts that the reader looks for beside the bank's.
            is_example: the recording belongs to the program, and is never deleted.
        """
        self.path, self.title, self.own, self.is_example = path, title, tuple(own), is_example
        self.analysis: Analysis | None = None  # None until it is finished
        self.files: list[Path] = []  # what the page wrote of it: the player's sound, the exports
        self.result_id: str | None = None  # of this reading, in the feedback store
        self.receipts: list[str] = []
        self.judged: tuple[str, str | None] | None = None  # the concept row judged last
        self._heard: Any = (
            None  # a `medalign.pipeline.listener.EncodedRecording`; importing that would load torch before the page is up
        )

    def finish(self, analysis: Analysis, heard: Any = None) -> None:
        """
        Args:
            heard: the sound as the student heard it; None is made up for at the first question.
        """
        self.analysis = analysis
        if heard is not None:
            self._heard = _lean(heard)

    def change(self, analysis: Analysis) -> None:
        """Another reading of the same recording. Judgements of the old one stay with the old one."""
        self.analysis, self.result_id, self.judged = analysis, None, None

    def heard(self, listener: Any) -> Any:
        """The recording as the student hears it. Raises AudioError if it has been deleted meanwhile."""
        if self._heard is None:
            self._heard = _lean(listener.listen(load_recording(self.path), self.own))
        return replace(self._heard, frames=self._heard.frames.float())

    def forget(self) -> None:
        """Delete the recording, unless it is an example, and all that was made of it."""
        for file in [*self.files, *([] if self.is_example else [Path(self.path)])]:
            file.unlink(missing_ok=True)
        self.files, self._heard = [], None


def _lean(heard: Any) -> Any:
    """In half precision: an hour is 138 MB instead of twice that, and its embeddings move by less than 1e-3."""
    return replace(heard, frames=heard.frames.half())


def forget(session: Session | None) -> None:
    """For `gr.State(delete_callback=...)`: the reader has left, or time is up."""
    if session is not None:
        session.forget()
