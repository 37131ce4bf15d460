"""Two results side by side: what differs is marked by a word and a line, never by colour alone."""

from medalign.core.analysis import ConceptFinding
from medalign.core.wording import count
from medalign.ui.comparison_state import POSITIONS, ComparisonState
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import AGREEMENTS, STATUSES

INTRO = """<h2>Compare two models on this recording</h2><p class="hint">The recording is the one of the first tab. Blind:
names, times and sizes stay hidden, and the order is drawn by lot, until you have voted.</p>"""
DIFFERENCES = {
    "only_a": "only here", "only_b": "only here", "status": "other status", "source": "other source",
    "certainty": "other odds", "same": "",
}  # fmt: skip


def comparison_view(state: ComparisonState) -> Markup:
    """Both sides; names, times and sizes only once they may be known."""
    compared, left = state.comparison, state.at("left")
    n = sum(row.kind != "same" for row in compared.concepts)
    difference = f"{count(n, 'concept')} and {count(compared.n_words_differing, 'word')} differ."
    if compared.are_equal:
        difference = "No visible difference: there is nothing to vote on."
    costs = [_cost(state, position) for position in POSITIONS] if state.is_open else []
    differing = [(s, s.a, s.b) if left == "a" else (s, s.b, s.a) for s in compared.stretches if not s.same]
    return macros("comparison").comparison(difference, costs, [_side(state, position) for position in POSITIONS], differing)


def _cost(state: ComparisonState, position: str) -> dict[str, object]:
    entry = state.entries[state.at(position)]
    a = entry.analysis
    return {
        "position": position,
        "name": entry.candidate.name,
        "seconds": a.timings_s.total,
        "n_bytes": entry.n_bytes,
        "n_words": len(a.transcript.words),
        "n_read": sum(concept.agreement != "student_only" for concept in a.concepts),
        "n_heard": sum(concept.agreement != "teacher_only" for concept in a.concepts),
        "n_doubted": sum(segment.reason is not None for segment in a.alignment.segments),
    }


def _side(state: ComparisonState, position: str) -> dict[str, object]:
    is_a = state.at(position) == "a"
    found = [(DIFFERENCES[row.kind], row.a if is_a else row.b) for row in state.comparison.concepts]
    return {
        "position": position,
        "name": state.entries[state.at(position)].candidate.name if state.is_open else f"Model on the {position}",
        "rows": [_row(concept, differs) for differs, concept in found if concept],
        "words": [(stretch, stretch.a if is_a else stretch.b) for stretch in state.comparison.stretches],
    }


def _row(concept: ConceptFinding, differs: str) -> dict[str, object]:
    sources = [source for source in (concept.teacher, concept.student) if source]
    alone = sources[0].probability if sources else None
    return {
        "concept": concept,
        "status": STATUSES[concept.status].label.lower(),
        "agreement": AGREEMENTS[concept.agreement][1].lower(),
        "probability": alone if concept.probability is None else concept.probability,
        "evidence": next((evidence for source in sources for evidence in source.evidence), None),
        "differs": differs,
    }
