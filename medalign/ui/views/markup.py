"""HTML from the templates beside this module. Autoescape is on: text from outside can't become markup."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from medalign.core import wording
from medalign.core.analysis import ConceptFinding, Evidence
from medalign.core.editing import is_edited
from medalign.core.transcript import UNKNOWN_SPEAKER
from medalign.feedback.records import VERDICTS
from medalign.report.doubt import as_it_stands, otherwise
from medalign.report.ear import how_often
from medalign.report.summary import doubt_of, is_suggested
from medalign.ui.views.statuses import STATUSES, SUGGESTED, label_of, source_of

MIN_PLAY_S = 1.5  # a single word is over before the ear has found it
text = escape  # for content and for double-quoted attributes


def span_attributes(start_s: float, end_s: float) -> Markup:
    """What player.js looks for: press it and this stretch plays."""
    return Markup(f'data-start="{start_s:.2f}" data-end="{max(end_s, start_s + MIN_PLAY_S):.2f}"')


def evidence_of(concept: ConceptFinding) -> list[Evidence]:
    """The words first: they are short and say what to listen for."""
    return [*concept.text_evidence, *concept.audio_evidence]


def macros(name: str) -> Any:
    """The macros of a template, as functions that give finished HTML."""
    return _ENVIRONMENT.get_template(f"{name}.html").module


_ENVIRONMENT = Environment(
    loader=PackageLoader("medalign.ui.views"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_WORDS = (
    wording.as_name, wording.band, wording.clarity, wording.clock, wording.clock_range, wording.count, wording.done_with,
    wording.fit, wording.frequency, wording.heard_at, wording.likelihood, wording.rate_words,
    wording.remaining, wording.size, wording.tenths, wording.fit_words, wording.trust_words,
    wording.no_model_words, wording.uncounted_words, wording.unfamiliar_words,
    as_it_stands, how_often, otherwise, doubt_of, is_suggested, evidence_of, is_edited, label_of, source_of,
)  # fmt: skip
_ENVIRONMENT.globals |= {function.__name__: function for function in _WORDS} | {
    "Evidence": Evidence,
    "STATUSES": STATUSES,
    "SUGGESTED": SUGGESTED,
    "UNKNOWN_SPEAKER": UNKNOWN_SPEAKER,
    "VERDICTS": VERDICTS,
    "span": span_attributes,
}
