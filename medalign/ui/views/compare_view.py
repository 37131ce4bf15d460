"""Two results side by side: what differs is marked by a word and a line, never by colour alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medalign.core.analysis import Analysis, ConceptFinding
from medalign.core.spelling import WORDINGS, Wording, worded
from medalign.core.wording import READ_AS, count
from medalign.report.comparison import Kind, Side, compare_concepts
from medalign.report.ear import doubts
from medalign.report.strip import strip_data
from medalign.report.summary import is_suggested, odds, rests_on_suggestion
from medalign.ui.comparison_state import POSITIONS, TELLING, ComparisonState
from medalign.ui.files import address
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import SOURCES, STATUSES, source_of

INTRO = """<h2>Compare two models</h2><p id="compared-recording" data-examples="{}"></p><p class="hint">Blind: you see what
each found without its name, its odds or how long it took, left and right drawn by lot; once you have voted, you see which was
which. Two models with the same recogniser write the same words: look at what each found in them.</p>"""
OTHER = """<p class="hint">The recording that is compared, “{}”:</p>
<audio controls preload="auto" src="{}"></audio>"""
DIFFERENCES = {"status": "another status", "source": "another source", "certainty": "other odds", "same": ""}
Row = dict[str, object]


def comparison_view(state: ComparisonState) -> Markup:
    """Both sides; names, times and sizes only once they may be known."""
    compared, left = state.comparison, state.at("left")
    hidden = () if state.is_open else TELLING
    n = sum(row.kind != "same" and row.kind not in TELLING for row in compared.concepts)
    n_telling = sum(row.kind in TELLING for row in compared.concepts)
    difference = f"{count(n, 'concept')} and {count(compared.n_words_differing, 'word')} differ"
    difference += "." if hidden or not n_telling else f"; {count(n_telling, 'more concept')} only in source or odds."
    if state.are_equal:
        difference = "Both wrote the same words and found the same concepts in them: there is nothing to vote on blindly. "
        if n_telling:
            difference += f"What differs would name them: where the sound has {count(n_telling, 'concept')}, and the odds. "
        if state.entries["a"].candidate.asr == state.entries["b"].candidate.asr:
            difference += "Both use the same recogniser; for other words, choose a second model with another one."
    sides = [_side(state, position) for position in POSITIONS]
    costs = _costs(state) if state.is_open else []
    right = state.at("right")
    analyses = {side: entry.analysis for side, entry in state.entries.items()}
    rows = side_by_side(analyses, (left, right), state.wording, hidden)
    strips = [] if hidden else [strip_of(state.peaks, analyses[side]) for side in (left, right)]
    if state.are_equal:  # what a vote may not see is no difference to list
        rows = [{**row, "differs": ""} for row in rows]
    differing = [(s, s.a, s.b) if left == "a" else (s, s.b, s.a) for s in compared.stretches if not s.same]
    return macros("comparison").comparison(
        difference, costs, sides, rows, differing, strips, state.receipt is not None, state.are_equal
    )


def intro(examples: Sequence[str]) -> Markup:
    """What is compared; which recording, compare.js says.

    Args:
        examples: titles, in the order in which one takes the place of another.
    """
    return Markup(INTRO).format(json.dumps(examples))


def strip_of(peaks: bytes, analysis: Analysis) -> dict[str, object]:
    """The recording over time as one result has it."""
    return strip_data(peaks, analysis.recording.duration_s, analysis, doubts(analysis))


def other_sound(title: str, path: Path) -> Markup:
    """Which example is compared in the place of one that was read, and its player; why, compare.js says."""
    return Markup(OTHER).format(title, address(path))


def side_by_side(
    analyses: Mapping[Side, Analysis],
    order: tuple[Side, Side] = ("a", "b"),
    wording: Wording = WORDINGS[0],
    hidden: Sequence[Kind] = (),
) -> list[Row]:
    """A row for each concept with what either side has, in the order given; `differs` is empty where they agree.

    Args:
        hidden: kinds of differences that may not be seen yet; with any, sources and odds are left out.
    """
    rows: list[Row] = []
    for concept in compare_concepts(analyses["a"].concepts, analyses["b"].concepts):
        found = [concept.a if side == "a" else concept.b for side in order]
        alone = next((where for where, row in zip(("left", "right"), found, strict=True) if row), "")
        differs = f"only on the {alone}" if None in found else "" if concept.kind in hidden else DIFFERENCES[concept.kind]
        cells = [_cell(row, bool(hidden)) if row else None for row in found]
        rows.append({"label": worded(concept.label, wording), "differs": differs, "cells": cells})
    return rows


@dataclass(frozen=True)
class Counts:
    """What of a result tells how well sound and words belong together."""

    n_heard: int  # of the concepts in the words, those that the sound has, too
    n_read: int  # in its own words
    n_suggested: int  # of those in its words, names that are only suggested for words that were misheard
    n_to_check: int  # places in the list "Use your ear"

    @classmethod
    def of(cls, analysis: Analysis) -> "Counts":
        rows = analysis.concepts
        n_heard, n_read = (sum(c.agreement in of for c in rows) for of in (("both",), ("both", "teacher_only")))
        return cls(n_heard, n_read, sum(map(is_suggested, rows)), len(doubts(analysis)))


def _costs(state: ComparisonState) -> list[dict[str, object]]:
    """What each took and found, in the order shown."""
    entries = [state.entries[state.at(position)] for position in POSITIONS]
    return [
        {
            "position": position,
            "name": entry.candidate.name,
            "seconds": entry.analysis.timings_s.total,
            "n_bytes": entry.n_bytes,
            "n_words": len(entry.analysis.transcript.words),
            "counts": Counts.of(entry.analysis),
        }
        for position, entry in zip(POSITIONS, entries, strict=True)
    ]


def _side(state: ComparisonState, position: str) -> dict[str, object]:
    is_a = state.at(position) == "a"
    return {
        "position": position,
        "name": state.entries[state.at(position)].candidate.name if state.is_open else f"Model on the {position}",
        "words": [(stretch, stretch.a if is_a else stretch.b) for stretch in state.comparison.stretches],
    }


def _cell(concept: ConceptFinding, is_hidden: bool) -> Row:
    sources = [source for source in (concept.teacher, concept.student) if source]
    read = next((e.text for e in concept.text_evidence if e.text and rests_on_suggestion(e)), "")
    return {
        "misheard": read.partition(READ_AS)[0],
        "status": STATUSES[concept.status].label,
        "source": None if is_hidden else SOURCES[source_of(concept)],
        "probability": odds(concept),  # as in the table of concepts
        "evidence": next((evidence for source in sources for evidence in source.evidence), None),
    }
