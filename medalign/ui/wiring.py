"""How presses reach our handlers: Gradio's events, and bridges from buttons inside our own HTML."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from medalign.core.errors import MedAlignError
from medalign.ui.failures import Failure, caught
from medalign.ui.views import status_view

OWN_QUEUE: dict[str, Any] = {"concurrency_limit": None}  # Gradio lets it through; it waits in a `ModelQueue`, if it waits
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
EVERY_PRESS: dict[str, Any] = {"trigger_mode": "multiple"}  # a second press counts while the first is under way
MAX_CHARACTERS = 4000
Changes = dict[Any, Any]  # component -> new value


def html(value: str = "", elem_id: str | None = None, elem_classes: str | None = None) -> gr.HTML:
    """A place for our own HTML, without Gradio's style."""
    return gr.HTML(value, elem_id=elem_id, elem_classes=elem_classes, apply_default_css=False)


def connect(
    event: Callable[..., Dependency],
    handler: Callable,
    inputs: Sequence[Component] | set[Component],
    outputs: Collection[Component],
    alert: gr.HTML,
    *,
    if_failed: Changes | None = None,
    **options: Any,
) -> Dependency:
    """Have an event call a handler that returns, or yields, `Changes`; what it raises becomes a sentence in `alert`.

    Args:
        if_failed: what changes beside the alert, when it fails.
    """

    def show(failure: Failure) -> Changes:
        return {**(if_failed or {}), alert: status_view.alert(failure.sentence)}

    return event(caught(handler, show), inputs, list(dict.fromkeys([*outputs, alert])), **QUIET, **options)


def bridge(name: str) -> Callable[..., Dependency]:
    """The event of an unseen component: it fires on the document's event `medalign:<name>`, with that event's detail.

    Gradio's own components could not carry buttons inside a transcript of hundreds of segments. What arrives is whatever a
    browser chose to send: handlers take it through `text_of`, `number_of` and check it like any other input.
    """
    script = f"document.addEventListener('medalign:{name}', (event) => trigger('sent', event.detail));"
    unseen = gr.HTML("", elem_id=f"bridge-{name}", elem_classes="bridge", apply_default_css=False, js_on_load=script)
    return unseen.sent


def _sent(event: gr.EventData, key: str) -> object:
    return event._data.get(key) if isinstance(event._data, dict) else None


def text_of(event: gr.EventData, key: str, limit: int = MAX_CHARACTERS) -> str:
    """A string that was sent; empty where there is none. Raises MedAlignError if it is something else, or too long."""
    value = _sent(event, key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise MedAlignError(f"the page sent a '{key}' that is no text of up to {limit} characters; reload the page")
    return value


def number_of(event: gr.EventData, key: str) -> float:
    """A finite number that was sent. Raises MedAlignError if there is none."""
    value = _sent(event, key)
    try:
        number = float(value) if isinstance(value, (str, int, float)) else float("nan")
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise MedAlignError(f"the page sent no number as '{key}'; reload the page")
    return number
