"""Side by side: what the teacher read, what the student heard, whether they agree, and where to hear it."""

from collections.abc import Sequence

from medalign.core.analysis import ConceptFinding, Evidence, SoundEvent, Source
from medalign.core.wording import band, clock, count, frequency, likelihood, tenths
from medalign.report.summary import is_faint
from medalign.ui.views.markup import folded, play_button, span_attributes, text
from medalign.ui.views.statuses import AGREEMENTS, STATUSES, groups

COLUMNS = ("Concept", "Status", "Teacher (reads text)", "Student (hears audio)", "Agreement", "Your view", "Evidence")
VERDICTS = {"correct": ("✓", "right"), "wrong": ("✗", "wrong"), "wrong_status": ("⇄", "right, but another status")}
MAX_BUTTONS = 4  # per witness and row; the rest is in the transcript and the JSON
WAITING = '<p class="waiting">Concepts appear here as soon as the transcript is complete.</p>'
_HINT = '<p class="hint">Press ▶, or a row, to hear the evidence. With the keyboard: Tab to a row, then Enter.</p>'
NONE_FOUND = '<div class="empty"><strong>No clinical concepts found</strong><p>Neither in the text nor in the sound.</p></div>'


def preview_concepts(concepts: Sequence[ConceptFinding], until_s: float) -> str:
    """What the student heard, up to `until_s` of the recording, while the words were being written."""
    likely = [concept for concept in concepts if not is_faint(concept)]
    told = (
        f'<p class="hint first-picture"><strong>First picture, from the sound alone</strong>, up to {clock(until_s)}. The '
        "words are still being written; what was denied or is about somebody else can't be told apart yet.</p>"
    )
    return told + (_table("Heard in the sound so far", likely) if likely else WAITING)


def concept_table(concepts: Sequence[ConceptFinding], signs: Sequence[SoundEvent]) -> str:
    """One row a concept, in sections by status: what is present comes first and apart from what is not."""
    found = [concept for concept in concepts if not is_faint(concept)]
    faint = [concept for concept in concepts if is_faint(concept)]
    body = _HINT + _filters(found) + _table("Clinical concepts, side by side", found) if found else NONE_FOUND
    if faint:
        body += folded(
            f"{count(len(faint), 'faint hint')} in the sound only, each unlikely",
            _table("Faint hints in the sound", faint),
        )
    return body + _sound_events(signs)


def _filters(concepts: Sequence[ConceptFinding]) -> str:
    """Narrow the table down; page.js hides rows, and says how many are left."""
    categories = sorted({concept.category for concept in concepts})
    statuses = {STATUSES[concept.status].css: STATUSES[concept.status].label for concept in concepts}
    return (
        '<div class="filters" role="group" aria-label="Show">'
        + _choice("category", "Kind", {c: c for c in categories})
        + _choice("status", "Status", statuses)
        + _choice("agreement", "Witnesses", {key: words for key, (_, words) in AGREEMENTS.items()})
        + '<label class="filter"><input type="checkbox" class="disagreement-first"> Disagreements first</label>'
        '<span class="filtered quiet" role="status"></span></div>'
    )


def _choice(name: str, label: str, options: dict[str, str]) -> str:
    listed = "".join(f'<option value="{text(value)}">{text(words)}</option>' for value, words in options.items())
    return f'<label>{label} <select data-filter="{name}"><option value="">all</option>{listed}</select></label>'


def _table(caption: str, concepts: Sequence[ConceptFinding]) -> str:
    # Roles are spelt out because the narrow layout shows rows as cards, and `display: block` drops the implied ones.
    head = "".join(f'<th scope="col" role="columnheader">{text(column)}</th>' for column in COLUMNS)
    sections = "".join(_section(group, concepts) for group in groups())
    return (
        f'<table class="concepts" role="table"><caption class="unseen">{caption}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>{sections}</table>'
    )


def _section(group: str, concepts: Sequence[ConceptFinding]) -> str:
    members = [concept for concept in concepts if STATUSES[concept.status].group == group]
    if not members:
        return ""
    css = STATUSES[members[0].status].css
    return (
        f'<tbody class="section section-{css}" role="rowgroup"><tr class="section-title" role="row">'
        f'<th colspan="{len(COLUMNS)}" scope="rowgroup" role="rowheader">{text(group)} '
        f'<span class="n">({len(members)})</span></th></tr>{"".join(_row(concept) for concept in members)}</tbody>'
    )


def _row(concept: ConceptFinding) -> str:
    evidence = _evidence(concept)
    first = evidence[0] if evidence else None
    focus = f'tabindex="0" {span_attributes(first.start_s, first.end_s)}' if first else ""
    cells = (
        f"<strong>{text(concept.label)}</strong>"
        f'<span class="code">{text(concept.category)} · {text(concept.system)} {text(concept.code)}</span>' + _codes(concept),
        _status(concept),
        _witness(concept.teacher, "not found in text"),
        _witness(concept.student, "not heard"),
        _agreement(concept),
        _judge(concept),
        _buttons(concept),
    )
    body = "".join(
        f'<td role="cell" data-label="{text(column)}"><div>{cell}</div></td>'
        for column, cell in zip(COLUMNS, cells, strict=True)
    )
    return (
        f'<tr class="row agreement-{concept.agreement}" role="row" {focus} data-category="{text(concept.category)}" '
        f'data-status="{STATUSES[concept.status].css}" data-agreement="{concept.agreement}" {_row_key(concept)}>{body}</tr>'
    )


def _row_key(concept: ConceptFinding) -> str:
    return f'data-concept="{text(concept.concept_id)}" data-row-status="{concept.status or ""}"'


def _judge(concept: ConceptFinding) -> str:
    """Right, wrong, or right with the wrong status: one press each."""
    buttons = "".join(
        f'<button type="button" class="judge" data-send="judge" data-verdict="{verdict}" {_row_key(concept)} '
        f'aria-pressed="false" aria-label="{text(concept.label)}: {words}" title="{words}">{sign}</button>'
        for verdict, (sign, words) in VERDICTS.items()
        if verdict != "wrong_status" or concept.status is not None  # what was only heard has no status yet
    )
    return f'<span class="judges" role="group" aria-label="Your view of {text(concept.label)}">{buttons}</span>'


def _codes(concept: ConceptFinding) -> str:
    """Codes of neighbours in meaning, folded away."""
    if not concept.alternatives:
        return ""
    items = "".join(f"<li>{text(a.label)} <span>{text(a.system)} {text(a.code)}</span></li>" for a in concept.alternatives)
    return f'<details class="codes"><summary>other codes</summary><ul>{items}</ul></details>'


def _status(concept: ConceptFinding) -> str:
    words = STATUSES[concept.status]
    said = f'<span class="trigger">said <q>{text(concept.trigger)}</q></span>' if concept.trigger else ""
    sign = f'<span aria-hidden="true">{words.mark}</span>'
    return f'<span class="status status-{words.css}">{sign} {words.label}</span>{said}'


def _witness(witness: Source | None, silent: str) -> str:
    """Ten dots and the same in words; `silent` says that this witness has nothing to show."""
    if witness is None:
        return f"<span>{silent}</span>"
    n = tenths(witness.probability)
    dots = f'<span class="tenths" aria-hidden="true"><b>{"●" * n}</b>{"●" * (10 - n)}</span>'
    odds = f'<span class="odds">{frequency(witness.probability)}</span>'
    if not witness.evidence:
        return f'<span>{silent}</span>{dots}<span class="odds">{likelihood(witness.probability)}</span>'
    heard = band(witness.probability)  # "unlikely" beside evidence would contradict itself
    return f'<span class="band">{"faint" if heard == "unlikely" else heard}</span>{dots}{odds}'


def _agreement(concept: ConceptFinding) -> str:
    sign, words = AGREEMENTS[concept.agreement]
    both = f'<span class="odds">together {frequency(concept.probability)}</span>' if concept.probability is not None else ""
    return f'<span class="agreement"><span aria-hidden="true">{sign}</span> {words}</span>{both}'


def _evidence(concept: ConceptFinding) -> list[Evidence]:
    """The words first: they are short and say what to listen for."""
    return [*concept.text_evidence, *concept.audio_evidence]


def _buttons(concept: ConceptFinding) -> str:
    both = (_source(concept, concept.teacher, "text", "read"), _source(concept, concept.student, "sound", "heard"))
    return "".join(both) or '<span class="quiet">none to play</span>'


def _source(concept: ConceptFinding, witness: Source | None, source: str, css: str) -> str:
    evidence = witness.evidence if witness else ()
    if not evidence:
        return ""
    buttons = "".join(play_button(e, f"{concept.label}, from the {source}", css) for e in evidence[:MAX_BUTTONS])
    hidden = len(evidence) - MAX_BUTTONS
    more = f'<span class="quiet">and {hidden} more</span>' if hidden > 0 else ""
    return f'<div class="buttons"><span class="source">{source}</span>{buttons}{more}</div>'


def _sound_events(signs: Sequence[SoundEvent]) -> str:
    if not signs:
        return ""
    items = "".join(
        f"<li>{text(sign.label)}: {band(sign.probability)}, {frequency(sign.probability)} "
        f"{play_button(Evidence(sign.start_s, sign.end_s), sign.label, 'heard')}</li>"
        for sign in signs
    )
    return f'<section class="sound_events"><h3>Heard, not said ({len(signs)})</h3><ul>{items}</ul></section>'
