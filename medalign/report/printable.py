"""One page of paper about one recording: what was said at a glance, what to check, and which models spoke.

The page is complete in itself: inline style, no script, nothing asked of any server, which its Content-Security-Policy
enforces. It has no date, since an analysis has none. Lists are cut so that a usual consultation fits one sheet of A4 or
Letter; what is cut is counted, and stands in the CSV and JSON.
"""

from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from medalign.concepts.senses import number_senses
from medalign.core.analysis import DISCLAIMER, Analysis, ConceptFinding
from medalign.core.editing import is_edited
from medalign.core.wording import clock, clock_range, count, frequency
from medalign.report.summary import SENSES, Entry, Place, doubt_of, is_faint, places_to_check, summarize

MAX_ENTRIES = 9  # of a section of the summary
MAX_IN_ALL = 40  # entries of all sections together
MAX_LISTED = 5  # of every other list
MAX_TEXT = 110  # characters of anything quoted
BRIEFLY = {"mismatch": "the sound does not fit these words"}  # paper is short; the words themselves stand beside it


def summary_html(analysis: Analysis, figures: Mapping[str, str] = {}) -> str:
    """A whole HTML document to print. All text of the analysis is escaped.

    Args:
        figures: caption -> finished SVG or HTML, put in as it is: drawn by us, never text from outside. Without any, the
            element of class "figures" is there and empty, for a page to fill with what it has drawn.
    """
    segments = analysis.transcript.segments
    glance, n_hidden = _glance(analysis)
    senses = number_senses(analysis.transcript, analysis.measurements)
    numbers = zip(analysis.measurements, senses, strict=True)
    return _ENVIRONMENT.get_template("summary.html").render(
        analysis=analysis,
        figures=figures,
        segments=segments,
        n_edited=sum(is_edited(segment) for segment in segments),
        warnings=bool(analysis.warnings) or not segments,
        glance=glance,
        n_hidden=n_hidden,
        two_ways=_two_ways(analysis.concepts),
        places=_places(analysis),
        critical=sorted(analysis.critical_words, key=lambda word: -word.probability),
        hints=[c for c in analysis.concepts if c.agreement == "student_only" and c.student and not is_faint(c)],
        numbers=[(m, sense) for m, sense in numbers if m.concept_id is None],  # others stand with what they belong to
    )


def _glance(analysis: Analysis) -> tuple[list[tuple[str, Sequence[Entry], int]], int]:
    """The summary's sections with how many entries of each fit, and how many entries lie in sections beyond the sheet."""
    left, n_hidden = MAX_IN_ALL, 0
    shown: list[tuple[str, Sequence[Entry], int]] = []
    for section in summarize(analysis.concepts, analysis.measurements):
        n_shown = min(len(section.entries), MAX_ENTRIES, left)
        left -= n_shown
        if n_shown:
            shown.append((section.title, section.entries, n_shown))
        else:
            n_hidden += len(section.entries)
    return shown, n_hidden


def _places(analysis: Analysis) -> list[tuple[Place, str, str | None]]:
    """Segments to listen to again: where, why, and the words there."""
    words = {(s.start_s, s.end_s): s.text for s in analysis.transcript.segments}
    words |= {(w.start_s, w.end_s): w.transcript_text for w in analysis.alignment.windows}
    places = places_to_check(analysis.alignment)
    return [(p, BRIEFLY.get(p.kind, p.reason), words.get((p.start_s, p.end_s))) for p in places]


def _two_ways(concepts: Sequence[ConceptFinding]) -> list[tuple[str, float, float]]:
    """Concepts both present and negated, with the seconds of both: which of the two holds is for a person to say."""
    said = {(c.concept_id, c.status): c.teacher.evidence[0].start_s for c in concepts if c.teacher and c.teacher.evidence}
    return [
        (c.label, said[c.concept_id, "present"], said[c.concept_id, "negated"])
        for c in concepts
        if c.status == "present" and {(c.concept_id, "present"), (c.concept_id, "negated")} <= said.keys()
    ]


def _short(value: str) -> str:
    """On one line, and not longer than a line or two."""
    plain = " ".join(value.split())
    return plain if len(plain) <= MAX_TEXT else plain[: MAX_TEXT - 1] + "…"


_ENVIRONMENT = Environment(
    loader=PackageLoader("medalign.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters["short"] = _short
_ENVIRONMENT.globals |= {function.__name__: function for function in (clock, clock_range, count, doubt_of, frequency)}
_ENVIRONMENT.globals |= {"DISCLAIMER": DISCLAIMER, "MAX_LISTED": MAX_LISTED, "SENSES": SENSES}
