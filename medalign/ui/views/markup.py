"""Small pieces of HTML that every view shares. All text from outside goes through `text()`."""

from html import escape

from medalign.core.analysis import Evidence
from medalign.core.wording import clock, clock_range

MIN_PLAY_S = 1.5  # a single word is over before the ear has found it


def text(value: object) -> str:
    """Escaped for content and for double-quoted attributes."""
    return escape(str(value), quote=True)


def span_attributes(start_s: float, end_s: float) -> str:
    """What player.js looks for: press it and this stretch plays."""
    return f'data-start="{start_s:.2f}" data-end="{max(end_s, start_s + MIN_PLAY_S):.2f}"'


def play_button(evidence: Evidence, what: str, css: str = "", with_quote: bool = True) -> str:
    """▶ 0:12 “shortness of breath”; for the ear alone, a stretch of time."""
    quote = f" <q>{text(evidence.text)}</q>" if evidence.text and with_quote else ""
    when = clock(evidence.start_s) if evidence.text else clock_range(evidence.start_s, evidence.end_s)
    return (
        f'<button type="button" class="play {css}" {span_attributes(evidence.start_s, evidence.end_s)} '
        f'aria-label="Play {text(what)}, {when}{": " + text(evidence.text) if evidence.text else ""}">'
        f'<span class="icon" aria-hidden="true">▶</span>{when}{quote}</button>'
    )


def folded(summary: str, body: str) -> str:
    """A section that opens on demand, by the browser's own means."""
    return f'<details class="folded"><summary>{text(summary)}</summary>{body}</details>'


def table(caption: str, columns: list[str], rows: list[list[str]]) -> str:
    """A plain table; the cells are finished HTML."""
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}">'
        f'<table class="plain"><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
