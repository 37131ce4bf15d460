"""One page of paper about one recording: what was said at a glance, what to check, and which models spoke.

The page is complete in itself: inline style, no script, nothing asked of any server, which its Content-Security-Policy
enforces. It has no date, since an analysis has none. Lists are cut so that a usual consultation fits one sheet of A4 or
Letter; what is cut is counted, and stands in the CSV and JSON.
"""

from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from medalign.concepts.senses import senses_of
from medalign.core.analysis import DISCLAIMER, Analysis, Measurement, Status
from medalign.core.editing import is_edited
from medalign.core.review import UNREVIEWED, Review, as_reviewed
from medalign.core.wording import clock, clock_range, count, frequency, heard_at
from medalign.report.ear import checks, doubts, sentence
from medalign.report.misfits import in_doubt, is_unreliable
from medalign.report.plain_summary import judged_line
from medalign.report.summary import OF_OTHERS, SENSES, Entry, Row, at_a_glance, is_faint, odds

MAX_ENTRIES = 9  # of a section of the summary
MAX_IN_ALL = 40  # entries of all sections together
MAX_EAR = 15  # places to hear again
MAX_LISTED = 5  # of every other list
MAX_TEXT = 110  # characters of anything quoted


def summary_html(analysis: Analysis, figures: Mapping[str, str] = {}, review: Review = UNREVIEWED) -> str:
    """A whole HTML document to print. All text of the analysis is escaped.

    Args:
        figures: caption -> finished SVG or HTML, put in as it is: drawn by us, never text from outside. Without any, the
            element of class "figures" is there and empty, for a page to fill with what it has drawn.
        review: what a person judged of it; the page is as it stands after that.
    """
    before, judged, analysis = analysis, judged_line(analysis, review), as_reviewed(analysis, review)
    segments = analysis.transcript.segments
    listed = doubts(analysis, review, before)
    glance, n_hidden = _glance(analysis, checks(analysis, listed), before)
    senses = senses_of(analysis)
    numbers = zip(analysis.measurements, senses, strict=True)
    return _ENVIRONMENT.get_template("summary.html").render(
        analysis=analysis,
        figures=figures,
        segments=segments,
        judged=judged,
        added=review.added,
        n_edited=sum(is_edited(segment) for segment in segments),
        warnings=bool(analysis.warnings) or not segments,
        glance=glance,
        n_hidden=n_hidden,
        listed=listed,
        unreliable=in_doubt(analysis.alignment) if is_unreliable(analysis.alignment) else None,
        hints=[c for c in analysis.concepts if c.agreement == "student_only" and not c.audio_evidence and not is_faint(c)],
        numbers=[(m, sense) for m, sense in numbers if not _is_told(m, sense)],
    )


def _is_told(measurement: Measurement, sense: Status) -> bool:
    """Whether it stands with what it belongs to, or in the glance, where nothing more is to be said of it."""
    is_measured = sense == "present" and measurement.kind not in OF_OTHERS
    return measurement.concept_id is not None or is_measured and measurement.is_plausible


def _glance(
    analysis: Analysis, in_doubt: Mapping[Row, int], before: Analysis
) -> tuple[list[tuple[str, Sequence[Entry], int]], int]:
    """The summary's sections with how many entries of each fit, and how many entries lie in sections beyond the sheet."""
    left, n_hidden = MAX_IN_ALL, 0
    shown: list[tuple[str, Sequence[Entry], int]] = []
    for section in at_a_glance(analysis, in_doubt, before):
        n_shown = min(len(section.entries), MAX_ENTRIES, left)
        left -= n_shown
        if n_shown:
            shown.append((section.title, section.entries, n_shown))
        else:
            n_hidden += len(section.entries)
    return shown, n_hidden


def _short(value: str) -> str:
    """On one line, and not longer than a line or two."""
    plain = " ".join(value.split())
    return plain if len(plain) <= MAX_TEXT else plain[: MAX_TEXT - 1] + "…"


_ENVIRONMENT = Environment(
    loader=PackageLoader("medalign.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters["short"] = _short
_ENVIRONMENT.globals |= {
    function.__name__: function for function in (clock, clock_range, count, frequency, heard_at, odds, sentence)
}
_ENVIRONMENT.globals |= {"DISCLAIMER": DISCLAIMER, "MAX_EAR": MAX_EAR, "MAX_LISTED": MAX_LISTED, "SENSES": SENSES}
