"""Places that sound like a phrase."""

from collections.abc import Sequence

from medalign.core.analysis import Evidence, SearchHit
from medalign.core.wording import fit
from medalign.ui.views.markup import play_button, text

HEADING = (
    '<h2>Search in the sound</h2><p class="hint">Any words, such as “trouble sleeping”: the places that sound closest in '
    "meaning, whether or not the transcript has these words.</p>"
)
GOOD_FROM = 99.0  # percentile; below it, one text in a hundred would fit better by chance


def hits_view(phrase: str, hits: Sequence[SearchHit]) -> str:
    """The best places first; doubtful ones say so."""
    if not hits:
        return '<p class="empty">No speech to search in.</p>'
    items = "".join(
        f"<li>{play_button(Evidence(hit.start_s, hit.end_s), f'place like {phrase}', 'heard')} "
        f'<span class="{"odds" if hit.percentile >= GOOD_FROM else "odds doubtful"}">{text(_words(hit))}</span></li>'
        for hit in hits
    )
    return f'<p>Closest to <q>{text(phrase)}</q>:</p><ol class="hits">{items}</ol>'


def _words(hit: SearchHit) -> str:
    doubt = "" if hit.percentile >= GOOD_FROM else "probably not said here; "
    return f"{doubt}{fit(hit.percentile)}"
