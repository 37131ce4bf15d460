"""Why a passage fits, or does not: in words, and as tables beside the figures."""

from medalign.core.analysis import Analysis, Evidence, Explanation, WindowAlignment
from medalign.core.wording import clock, fit
from medalign.ui.views.markup import folded, play_button, table, text

N_EXTREMES = 3
N_WORDS = 4
CLEAR_SUPPORT = 0.01  # cosine; less is no word's doing
HEADING = (
    '<h2 id="why-title">Why this fit?</h2><p>Press <b>Why?</b> beside a passage: which of its words the sound speaks for and '
    "against, where each word is heard, and how many unrelated texts would fit better.</p>"
)
MAP_HEADING = (
    "<h2>Words and sounds on one map</h2><p>Each passage twice: ● where its words lie, ◇ where its sound lies, joined by a "
    "line. Passages about the same thing lie near each other; a long line is a passage whose sound and words differ. "
    "Directions have no meaning of their own. Press a point to hear it.</p>"
)


def extremes(analysis: Analysis) -> str:
    """The windows that fit best and worst, to begin with."""
    compared = sorted(
        (w for w in analysis.alignment.windows if w.percentile is not None), key=lambda w: (w.percentile, w.score)
    )
    if len(compared) < 2:
        return ""
    worst, best = compared[:N_EXTREMES], compared[: -N_EXTREMES - 1 : -1]
    return f'<div class="extremes">{_list("Fits worst", worst)}{_list("Fits best", best)}</div>'


def _list(title: str, windows: list[WindowAlignment]) -> str:
    items = "".join(
        f"<li>{play_button(Evidence(w.start_s, w.end_s), title.lower())} <q>{text(w.transcript_text)}</q> "
        f'<span class="odds">{text(fit(w.percentile))}</span></li>'
        for w in windows
    )
    return f"<section><h3>{title}</h3><ul>{items}</ul></section>"


def explanation_view(explanation: Explanation) -> str:
    """The passage in a few sentences, and its words as a table."""
    ranked = sorted(explanation.words, key=lambda w: -w.support)
    speak_for = [w for w in ranked[:N_WORDS] if w.support >= CLEAR_SUPPORT]
    against = [w for w in ranked[::-1][:N_WORDS] if w.support <= -CLEAR_SUPPORT]
    passage = play_button(Evidence(explanation.start_s, explanation.end_s, explanation.text), "passage")
    rows = [
        [
            play_button(Evidence(w.word.start_s, w.word.end_s, w.word.text), "word"),
            "for it" if w.support >= CLEAR_SUPPORT else "against it" if w.support <= -CLEAR_SUPPORT else "neither",
        ]
        for w in explanation.words
    ]
    return (
        f'<p class="summary">{passage} {text(fit(explanation.percentile).capitalize())}. '
        f"{_named('The sound speaks most for', speak_for)} {_named('It speaks against', against)}</p>"
        + folded("The words as a table", table("What the sound says to each word", ["Word", "The sound speaks"], rows))
    )


def _named(beginning: str, words) -> str:
    if not words:
        return f"{beginning} no word in particular."
    named = ", ".join(f"<q>{text(w.word.text.strip('.,;:!?'))}</q> ({clock(w.word.start_s)})" for w in words)
    return f"{beginning} {named}."


def map_table(analysis: Analysis) -> str:
    """The map as a table: each passage with the length of its line, the longest first."""
    rows = []
    for point, segment in zip(analysis.alignment.points, analysis.transcript.segments, strict=False):
        length = ((point.text[0] - point.audio[0]) ** 2 + (point.text[1] - point.audio[1]) ** 2) ** 0.5
        rows.append((length, [play_button(Evidence(segment.start_s, segment.end_s), "passage"), text(segment.text)]))
    if not rows:
        return '<p class="summary">Too few passages for a map.</p>'
    rows.sort(key=lambda row: -row[0])
    longest = rows[0][0] or 1.0
    cells = [[*cells, f"{round(100 * length / longest)} %"] for length, cells in rows]
    return '<p class="summary">The longest lines come first in the table.</p>' + folded(
        "The same as a table", table("Distance of words and sound", ["Time", "Words", "Length of the line"], cells)
    )
