"""Sessions of readers, which the server forgets: Gradio alone never would, as long as fewer than 10,000 come after them."""

from datetime import datetime, timedelta
from typing import Any

import gradio as gr
from gradio import routes
from gradio.state_holder import SessionState, StateHolder

from medalign.ui.session import KEEP_S

MAX_SESSIONS = 500


class States(SessionState):
    """Of one session: its states, and how its components are set.

    Gradio keeps the last value of every component, too (the transcript, the concepts, the figures: 1 MB), so that a link to
    them can be made. This page makes none, and they would outlive the result that they show.
    """

    def __init__(self, blocks: gr.Blocks):
        super().__init__(blocks)
        self.config_values.clear()

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value)
        self.config_values.clear()

    def _update_config(self, key: int) -> None: ...

    def _update_value_in_config(self, key: int, value: Any) -> None: ...


class SessionHolder(StateHolder):
    """Gradio's, but for what stays."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = States(self.blocks)
        return super().__getitem__(session_id)

    def set_blocks(self, blocks: gr.Blocks) -> None:
        super().set_blocks(blocks)
        self.capacity = MAX_SESSIONS

    def update(self, session_id: str) -> None:
        """The session was used just now. Beyond the capacity, those that were not used for longest go, files and all."""
        with self.lock:
            if session_id in self.session_data:
                self.session_data.move_to_end(session_id)
            excess = list(self.session_data)[: -self.capacity]
        for oldest in excess:
            self.delete_state(oldest)

    def delete_state(self, session_id: str, expired_only: bool = False) -> None:
        super().delete_state(session_id, expired_only)
        last_used = self.time_last_used.get(session_id)
        if not expired_only or last_used is None or datetime.now() - last_used > timedelta(seconds=KEEP_S):
            self.session_data.pop(session_id, None)
            self.time_last_used.pop(session_id, None)


def forget_sessions() -> None:
    """Have every server that Gradio starts from now on hold its sessions so."""
    routes.StateHolder = SessionHolder
