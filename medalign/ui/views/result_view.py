"""Small pieces of a result: at a glance, numbers, what a phrase found, for researchers."""

from collections.abc import Mapping, Sequence

from medalign.concepts import ConceptBank
from medalign.core.analysis import Analysis, ConceptFinding, Evidence, Measurement, Status
from medalign.core.explanation import SearchHit
from medalign.core.review import Added
from medalign.core.transcript import Transcript
from medalign.report.summary import SENSES, Row, at_a_glance
from medalign.ui.views.markup import Markup, macros

TRANSCRIPT_HEADING = "<h2>Transcript</h2>"
PANES = macros("result").panes()  # of which a phone shows one at a time


def summary_view(
    analysis: Analysis, checks: Mapping[Row, int] = {}, before: Analysis | None = None, added: Sequence[Added] = ()
) -> Markup:
    """The consultation at a glance; nothing where the transcript has no concept. Arguments as `at_a_glance`.

    Args:
        added: what the reader missed there.
    """
    return macros("result").summary(at_a_glance(analysis, checks, before), added)


def measurements_view(
    measurements: Sequence[Measurement], senses: Sequence[Status], concepts: Sequence[ConceptFinding]
) -> Markup:
    """Numbers that were said: what they measure, in which sense, what they belong to, and where to hear them."""
    said = [(measurement, SENSES.get(sense, "")) for measurement, sense in zip(measurements, senses, strict=True)]
    return macros("result").measurements(said, {concept.concept_id: concept.label for concept in concepts})


def hits_view(transcript: Transcript, phrase: str, said: Sequence[Evidence], hits: Sequence[SearchHit] | None = None) -> Markup:
    """Where a phrase is written, and places that sound like it, with their words; without these, they are looked for."""
    heard = None if hits is None else [(hit, transcript.text_between(hit.start_s, hit.end_s)) for hit in hits]
    return macros("result").hits(phrase, said, heard)


def details_view(analysis: Analysis) -> Markup:
    """For researchers: models, times, raw scores, and the words of the trade."""
    return macros("details").details(analysis, ConceptBank.default().sources)
