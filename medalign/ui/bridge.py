"""How a press inside our own HTML reaches a handler: page.js sends a document event, an unseen component passes it on.

Gradio's own components could not carry buttons inside a transcript of hundreds of passages. What arrives is whatever a
browser chose to send: handlers take it through `text_of`, `number_of` and check it like any other input.
"""

import gradio as gr

from medalign.core.errors import MedAlignError

MAX_CHARACTERS = 4000


def bridge(name: str) -> gr.HTML:
    """A component with an event `sent`; it fires on `medalign:<name>` with the event's detail."""
    script = f"document.addEventListener('medalign:{name}', (event) => trigger('sent', event.detail));"
    return gr.HTML("", elem_id=f"bridge-{name}", elem_classes="bridge", apply_default_css=False, js_on_load=script)


def text_of(event: gr.EventData, key: str, limit: int = MAX_CHARACTERS) -> str:
    """A string that was sent; empty where there is none. Raises MedAlignError if it is something else, or too long."""
    value = (event._data or {}).get(key) if isinstance(event._data, dict) else None
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise MedAlignError(f"the page sent a '{key}' that is no text of up to {limit} characters; reload the page")
    return value


def number_of(event: gr.EventData, key: str) -> float:
    """A finite number that was sent. Raises MedAlignError if there is none."""
    value = (event._data or {}).get(key) if isinstance(event._data, dict) else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) < 1e9:
        raise MedAlignError(f"the page sent no number as '{key}'; reload the page")
    return number
