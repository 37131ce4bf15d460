"""Small pieces of a result: at a glance, where to listen first, names and numbers, what a phrase found, for researchers."""

from collections.abc import Sequence

from medalign.concepts import ConceptBank
from medalign.core.analysis import Analysis, ConceptFinding, Correction, Measurement, Status
from medalign.core.explanation import SearchHit
from medalign.report.summary import SENSES, is_faint, places_to_check, summarize
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import AGREEMENTS

SEARCH_HEADING = (
    '<h2>Search in the sound</h2><p class="hint">Any words, such as “trouble sleeping”: the places that sound closest in '
    "meaning, whether or not the transcript has these words.</p>"
)
MAX_PLACES = 6


def summary_view(analysis: Analysis) -> Markup:
    """The consultation at a glance; nothing where the transcript has no concept."""
    return macros("result").summary(summarize(analysis.concepts, analysis.measurements))


def verdict(analysis: Analysis) -> Markup:
    """The result in two lines, and where to listen first."""
    found = [concept.agreement for concept in analysis.concepts if not is_faint(concept)]
    n_segments = len(analysis.alignment.segments) or len(analysis.alignment.windows)
    n_by_agreement = {agreement: found.count(agreement) for agreement in AGREEMENTS}
    return macros("result").verdict(n_by_agreement, places_to_check(analysis.alignment), n_segments, MAX_PLACES) + macros(
        "result"
    ).critical_words(analysis.critical_words)


def corrections_view(corrections: Sequence[Correction]) -> Markup:
    """Names that may be misheard: what was written, what the sound suggests, how sure, and where to hear it."""
    return macros("result").corrections(corrections)


def measurements_view(
    measurements: Sequence[Measurement], senses: Sequence[Status], concepts: Sequence[ConceptFinding]
) -> Markup:
    """Numbers that were said: what they measure, in which sense, what they belong to, and where to hear them."""
    said = [(measurement, SENSES.get(sense, "")) for measurement, sense in zip(measurements, senses, strict=True)]
    return macros("result").measurements(said, {concept.concept_id: concept.label for concept in concepts})


def hits_view(phrase: str, hits: Sequence[SearchHit]) -> Markup:
    """Places that sound like a phrase."""
    return macros("result").hits(phrase, hits)


def details_view(analysis: Analysis) -> Markup:
    """For researchers: models, times, raw scores, and the words of the trade."""
    return macros("details").details(analysis, ConceptBank.default().sources)
