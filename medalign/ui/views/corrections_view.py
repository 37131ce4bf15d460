"""Names that the transcript garbled: what it said, what the sound suggests, how sure, and where to hear it."""

from collections.abc import Sequence

from medalign.core.analysis import Correction, Evidence
from medalign.core.wording import count, frequency
from medalign.ui.views.markup import play_button, text


def corrections_view(corrections: Sequence[Correction]) -> str:
    """A list above the transcript, which itself stays as it was written; nothing if there is none."""
    if not corrections:
        return ""
    items = "".join(
        f"<li>Transcript says {play_button(Evidence(c.start_s, c.end_s, c.said), f'what may be {c.name}', 'read')}, "
        f"the sound suggests <strong>{text(c.name)}</strong> "
        f'<span class="odds">({frequency(c.probability)} such guesses are right)</span> '
        f'<button type="button" class="tool" data-send="accept" data-index="{index}" '
        f'aria-label="Write {text(c.name)} into the transcript">Write it so</button></li>'
        for index, c in enumerate(corrections)
    )
    return (
        f'<section class="corrections" aria-label="Possibly misheard names"><h3>{count(len(corrections), "name")} '
        f"possibly misheard</h3><ul>{items}</ul></section>"
    )
