"""What a press on a mention in the transcript shows beside it: the concept, its status and why, and what the sound says."""

from collections.abc import Mapping

from medalign.core.alignment import Alignment
from medalign.core.analysis import Analysis, ConceptFinding
from medalign.core.review import UNREVIEWED, Review
from medalign.core.wording import tenths
from medalign.report.summary import Row, odds
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import judged_as

N_BARS = 40  # of the sound over the recording, however long it is


def cards(analysis: Analysis, checks: Mapping[Row, int], review: Review = UNREVIEWED) -> Markup:
    """One for each concept that is in the words, to be found by its index in `Analysis.concepts`."""
    card, shown = macros("card").card, Markup()
    for i, concept in enumerate(analysis.concepts):
        if not concept.text_evidence:
            continue
        check = None if review.of(concept) else checks.get((concept.concept_id, concept.status))
        bars = _bars(analysis.alignment, concept.concept_id)
        likely, you = odds(concept), judged_as(concept, review)
        shown += card(i, concept, likely, check, you, bars, _marks(analysis, concept))
    return shown


def _bars(alignment: Alignment, concept_id: str) -> list[int]:
    """What the sound says of a concept in each of up to `N_BARS` stretches, at its most, in tenths."""
    for track in alignment.tracks:
        if track.concept_id == concept_id:
            n = len(track.probabilities)
            edges = [round(k * n / min(n, N_BARS)) for k in range(min(n, N_BARS) + 1)]
            return [tenths(max(track.probabilities[a:b])) for a, b in zip(edges, edges[1:], strict=False)]
    return []


def _marks(analysis: Analysis, concept: ConceptFinding) -> list[float]:
    """Where the words have it, on the axis of the bars."""
    n = min(N_BARS, len(analysis.alignment.windows))
    duration_s = analysis.recording.duration_s
    return [round(min(n * e.start_s / duration_s, n - 1), 1) for e in concept.text_evidence]
