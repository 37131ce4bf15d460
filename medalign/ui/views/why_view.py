"""Why a segment fits, or does not: in words, and as tables beside the figures."""

from medalign.core.analysis import Analysis
from medalign.core.explanation import Explanation
from medalign.ui.views.markup import Markup, macros

N_EXTREMES = 3
N_WORDS = 4
CLEAR_SUPPORT = 0.01  # cosine; less is no word's doing
LISTENING = Markup('<p class="waiting" role="status">Listening to this segment …</p>')
HEADING = (
    '<h2 id="why-title" tabindex="-1">Why this fit?</h2><p>Press a mention or an unclear word, then <b>Why this fit?</b>: '
    "which words of its segment the sound speaks for and against, where each is heard, and whether other texts would fit "
    "better.</p>"
)
MAP_HEADING = (
    "<h2>Words and sounds on one map</h2><p>Each segment twice: ● where its words lie, ◇ where its sound lies, joined by a "
    "line. Segments about the same thing lie near each other; a long line is a segment whose sound and words differ. "
    "Directions have no meaning of their own. Press a point to hear it.</p>"
)


def extremes(analysis: Analysis) -> Markup:
    """The windows that fit best and worst, to begin with."""
    compared = sorted(
        (w for w in analysis.alignment.windows if w.percentile is not None), key=lambda w: (w.percentile, w.score)
    )
    if len(compared) < 2:
        return Markup()
    return macros("result").extremes(compared[:N_EXTREMES], compared[: -N_EXTREMES - 1 : -1])


def explanation_view(explanation: Explanation) -> Markup:
    """The segment in a few sentences, and its words as a table."""
    ranked = sorted(explanation.words, key=lambda w: -w.support)
    speak_for = [w for w in ranked[:N_WORDS] if w.support >= CLEAR_SUPPORT]
    against = [w for w in ranked[::-1][:N_WORDS] if w.support <= -CLEAR_SUPPORT]
    return macros("result").explanation(explanation, speak_for, against, CLEAR_SUPPORT)


def map_table(analysis: Analysis) -> Markup:
    """The map as a table: each segment with the length of its line, the longest first."""
    rows = [
        (((p.text[0] - p.audio[0]) ** 2 + (p.text[1] - p.audio[1]) ** 2) ** 0.5, segment)
        for p, segment in zip(analysis.alignment.points, analysis.transcript.segments, strict=False)
    ]
    if not rows:
        return Markup('<p class="summary">Too few segments for a map.</p>')
    rows.sort(key=lambda row: -row[0])
    longest = rows[0][0] or 1.0
    return macros("result").map([(segment, round(100 * length / longest)) for length, segment in rows])
