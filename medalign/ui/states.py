"""Page states, a dict from the name of a part to its new content, on their way to Gradio's components."""

import inspect
from collections.abc import Callable
from functools import partial

import gradio as gr

from medalign.core.errors import MedAlignError
from medalign.ui.files import keep_waveform
from medalign.ui.views import status_view
from medalign.ui.views.export_view import exports
from medalign.ui.views.player_view import player

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
PRESS = {**QUIET, "trigger_mode": "multiple"}  # of a bridge: a second press counts while the first is under way
MODEL_QUEUE = {"concurrency_id": "model", "concurrency_limit": 1}  # one device, one queue
Parts = dict[str, gr.components.Component]
State = dict[str, object]


def addressed(state: State, parts: Parts, session: gr.State) -> dict:
    """The state with components for names; files that it needs are written here, where Gradio's folder is known.

    Names with a meaning of their own: `session` is held for later questions and gets its exports; `waveform`, only beside
    it, becomes the player.
    """
    state = dict(state)
    changes_sitting = "session" in state
    held, waveform = state.pop("session", None), state.pop("waveform", None)
    addressed = {parts[name]: value for name, value in state.items()}
    if changes_sitting:
        addressed[session] = held
    if held is not None:
        if waveform is not None:
            held.files.append(keep_waveform(parts["player"], waveform))
            addressed[parts["player"]] = player(held.files[-1])
        addressed[parts["exports"]], written = exports(parts["exports"], held.analysis)
        held.files += written
    return addressed


def guarded(alert: gr.HTML, handler: Callable, *given: object) -> Callable:
    """The handler with its first arguments given, whose MedAlignError becomes one sentence on the page; a bug stays a bug."""
    called = partial(handler, *given)

    def wrapped(*arguments):
        try:
            return called(*arguments)
        except MedAlignError as error:
            return {alert: status_view.alert(str(error))}

    return _seen_as(wrapped, called)


def streamed(handler: Callable, *given: object) -> Callable:
    """A generator handler with its first arguments given."""
    called = partial(handler, *given)

    def wrapped(*arguments):
        yield from called(*arguments)

    return _seen_as(wrapped, called)


def _seen_as(wrapped: Callable, called: partial) -> Callable:
    """Gradio reads annotations such as `gr.Request` off a handler, and a partial shows none."""
    signature = inspect.signature(called)
    wrapped.__signature__ = signature
    wrapped.__annotations__ = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if parameter.annotation is not parameter.empty
    }
    return wrapped
