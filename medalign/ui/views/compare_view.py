"""Two results side by side: what differs is marked by a word and a line, never by colour alone."""

from medalign.core.analysis import ConceptFinding, Evidence
from medalign.core.wording import count, frequency, size
from medalign.report.comparison import ConceptDifference, Side, WordStretch
from medalign.ui.comparison_state import POSITIONS, ComparisonState
from medalign.ui.views.markup import folded, play_button, span_attributes, table, text
from medalign.ui.views.statuses import AGREEMENTS, STATUSES

INTRO = """<h2>Compare two models on this recording</h2><p class="hint">The recording is the one of the first tab. Blind:
names, times and sizes stay hidden, and the order is drawn by lot, until you have voted.</p>"""
DIFFERENCES = {
    "only_a": "only here", "only_b": "only here", "status": "other status", "source": "other source",
    "certainty": "other odds", "same": "",
}  # fmt: skip


def contest_view(contest: ComparisonState) -> str:
    """Both sides; names, times and sizes only once they may be known."""
    n = sum(row.kind != "same" for row in contest.comparison.concepts)
    told = f"{count(n, 'concept')} and {count(contest.comparison.n_words_differing, 'word')} differ."
    if contest.comparison.are_equal:
        told = "No visible difference: there is nothing to vote on."
    sides = "".join(_side(contest, position) for position in POSITIONS)
    return (
        f'<p role="status"><strong>{told}</strong></p>{_cost(contest)}<div class="sides">{sides}</div>{_differences(contest)}'
    )


def _name(contest: ComparisonState, position: str) -> str:
    return contest.entries[contest.at(position)].candidate.name if contest.is_open else f"Model on the {position}"


def _cost(contest: ComparisonState) -> str:
    if not contest.is_open:
        return ""
    rows = []
    for position in POSITIONS:
        entry = contest.entries[contest.at(position)]
        a = entry.analysis
        read = sum(concept.agreement != "student_only" for concept in a.concepts)
        heard = sum(concept.agreement != "teacher_only" for concept in a.concepts)
        doubted = sum(segment.reason is not None for segment in a.alignment.segments)
        name = f"{position}: <strong>{text(entry.candidate.name)}</strong>"
        cost = [f"{a.timings_s.total:.1f} s", size(entry.n_bytes)]
        rows.append([name, *cost, str(len(a.transcript.words)), f"{read} read, {heard} heard", str(doubted)])
    return table("What each costs and finds", ["Model", "Analysis", "Weights", "Words", "Concepts", "Passages to check"], rows)


def _side(contest: ComparisonState, position: str) -> str:
    side = contest.at(position)
    rows = "".join(_concept(row, side) for row in contest.comparison.concepts if (row.a if side == "a" else row.b))
    words = "".join(_stretch(stretch, side) for stretch in contest.comparison.stretches)
    return (
        f'<section class="side" data-side="{position}" tabindex="0" aria-label="{text(_name(contest, position))}">'
        f'<h3>{text(_name(contest, position))}</h3><ul class="side-concepts">{rows}</ul>'
        f'<h4>Transcript</h4><p class="side-words">{words or "No speech detected."}</p></section>'
    )


def _concept(row: ConceptDifference, side: Side) -> str:
    concept = row.a if side == "a" else row.b
    differs = DIFFERENCES[row.kind]
    note = f' <span class="differs">≠ {differs}</span>' if differs else ""
    sign, agreement = AGREEMENTS[concept.agreement]
    odds = _odds(concept)
    evidence = next((e for w in (concept.teacher, concept.student) if w for e in w.evidence), None)
    button = play_button(evidence, concept.label, with_quote=False) if evidence else ""
    css = "is-different" if differs else ""
    return (
        f'<li class="{css}"><b>{text(concept.label)}</b> {STATUSES[concept.status].label.lower()}; {agreement.lower()}'
        f"{', ' + odds if odds else ''} {button}{note}</li>"
    )


def _odds(concept: ConceptFinding) -> str:
    probability = concept.probability
    if probability is None:
        witness = concept.teacher or concept.student
        probability = witness.probability if witness else None
    return "" if probability is None else frequency(probability)


def _stretch(stretch: WordStretch, side: Side) -> str:
    words = stretch.a if side == "a" else stretch.b
    if stretch.same:
        return f"<span {span_attributes(stretch.start_s, stretch.end_s)}>{text(words)}</span> "
    shown = text(words) if words else '<span class="unseen">nothing written</span>∅'
    return f"<mark {span_attributes(stretch.start_s, stretch.end_s)}>{shown}</mark> "


def _differences(contest: ComparisonState) -> str:
    stretches = [s for s in contest.comparison.stretches if not s.same]
    if not stretches:
        return ""
    left = contest.at("left")
    rows = [
        [play_button(Evidence(s.start_s, s.end_s), "difference"), text(s.a if left == "a" else s.b) or "–",
         text(s.b if left == "a" else s.a) or "–"]
        for s in stretches
    ]  # fmt: skip
    return folded(
        f"{count(len(rows), 'difference')} in the words, one by one",
        table("Differences in the words", ["Time", "Left", "Right"], rows),
    )
