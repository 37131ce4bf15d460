"""What one step changes on the page, as a value, and how it gets into Gradio's components."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import gradio as gr
import numpy as np
from gradio.components import Component

from medalign.feedback.records import Outcome
from medalign.ui.files import keep_waveform
from medalign.ui.session import Session
from medalign.ui.views.export_view import exports
from medalign.ui.views.status_view import player
from medalign.ui.wiring import Changes


@dataclass(frozen=True)
class PageUpdate:
    """What changes; all else stays as it is."""

    parts: Mapping[str, object] = field(default_factory=dict)  # name of a part of the page -> its new content
    session: Session | None = None  # is held from now on, for later questions
    clears_session: bool = False  # nothing is held any more
    waveform: np.ndarray | None = None  # (n_samples,) float32 at 16 kHz, of the session's recording: the player gets it
    outcome: Outcome | None = None  # how a run ended that brought no result
    is_last: bool = False  # of a run


@dataclass(frozen=True)
class ResultPlaces:
    """Where a result stands on the page."""

    parts: Mapping[str, Component]
    phrase: gr.Textbox  # to search for
    search: gr.Button
    session: gr.State

    @property
    def player(self) -> gr.HTML:
        place = self.parts["player"]
        assert isinstance(place, gr.HTML)
        return place

    @property
    def alert(self) -> gr.HTML:
        place = self.parts["alert"]
        assert isinstance(place, gr.HTML)
        return place

    @property
    def all(self) -> list[Component]:
        return [*self.parts.values(), self.phrase, self.session]

    def changes(self, update: PageUpdate) -> Changes:
        """By component. Files that the browser may fetch are written here and belong to the session."""
        changed: Changes = {self.parts[name]: value for name, value in update.parts.items()}
        session = update.session
        if session is None:
            return {**changed, self.session: None, self.phrase: ""} if update.clears_session else changed
        changed[self.session] = session
        if update.waveform is not None:
            sound = keep_waveform(self.player, update.waveform)
            session.own(sound)
            changed[self.player] = player(sound)
        changed[self.parts["exports"]], written = exports(self.player, session.analysis, session.wording, session.review)
        session.own(*written)
        return changed
