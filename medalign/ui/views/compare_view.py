"""Two results side by side: what differs is marked by a word and a line, never by colour alone."""

from collections.abc import Mapping, Sequence

from medalign.core.analysis import Analysis, ConceptFinding, Correction
from medalign.core.spelling import WORDINGS, Wording, worded
from medalign.core.wording import count
from medalign.report.comparison import Side, compare_concepts
from medalign.report.summary import odds
from medalign.ui.comparison_state import POSITIONS, ComparisonState
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import AGREEMENTS, STATUSES

INTRO = """<h2>Compare two models on your recording</h2><p class="hint">On the recording of the first tab<b
id="compared-recording"></b>. Blind: names, times and sizes stay hidden, and the order is drawn by lot, until you have
voted.</p>"""
DIFFERENCES = {"status": "another status", "source": "another source", "certainty": "other odds", "same": ""}
Row = dict[str, object]


def comparison_view(state: ComparisonState) -> Markup:
    """Both sides; names, times and sizes only once they may be known."""
    compared, left = state.comparison, state.at("left")
    n = sum(row.kind != "same" for row in compared.concepts)
    difference = f"{count(n, 'concept')} and {count(compared.n_words_differing, 'word')} differ."
    if compared.are_equal:
        difference = "No visible difference: there is nothing to vote on."
    sides = [_side(state, position) for position in POSITIONS]
    costs = [_cost(state, position) for position in POSITIONS] if state.is_open else []
    right = state.at("right")
    analyses = {side: entry.analysis for side, entry in state.entries.items()}
    rows = side_by_side(analyses, (left, right), state.wording)
    differing = [(s, s.a, s.b) if left == "a" else (s, s.b, s.a) for s in compared.stretches if not s.same]
    return macros("comparison").comparison(difference, costs, sides, rows, differing, state.receipt is not None)


def side_by_side(
    analyses: Mapping[Side, Analysis], order: tuple[Side, Side] = ("a", "b"), wording: Wording = WORDINGS[0]
) -> list[Row]:
    """A row for each concept with what either side has, in the order given; `differs` is empty where they agree."""
    rows: list[Row] = []
    for concept in compare_concepts(analyses["a"].concepts, analyses["b"].concepts):
        found = [concept.a if side == "a" else concept.b for side in order]
        alone = next((where for where, row in zip(("left", "right"), found, strict=True) if row), "")
        differs = f"only on the {alone}" if None in found else DIFFERENCES[concept.kind]
        cells = [_cell(row, analyses[side].corrections) if row else None for side, row in zip(order, found, strict=True)]
        rows.append({"label": worded(concept.label, wording), "differs": differs, "cells": cells})
    return rows


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
    return {
        "position": position,
        "name": state.entries[state.at(position)].candidate.name if state.is_open else f"Model on the {position}",
        "words": [(stretch, stretch.a if is_a else stretch.b) for stretch in state.comparison.stretches],
    }


def _cell(concept: ConceptFinding, corrections: Sequence[Correction]) -> Row:
    sources = [source for source in (concept.teacher, concept.student) if source]
    return {
        "status": STATUSES[concept.status].label,
        "agreement": AGREEMENTS[concept.agreement],
        "probability": odds(concept, corrections),  # as in the table of concepts
        "evidence": next((evidence for source in sources for evidence in source.evidence), None),
    }
