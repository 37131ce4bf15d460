"""One page of paper about one recording: what was said at a glance, what to check, and which models spoke.

The page is complete in itself: inline style, no script, nothing asked of any server, which its Content-Security-Policy
enforces. It has no date, since an analysis has none. Lists are cut so that a usual consultation fits one sheet of A4 or
Letter; what is cut is counted, and stands in the CSV and JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import TypeVar

from medalign.concepts.senses import number_senses
from medalign.core.analysis import DISCLAIMER, Analysis, ConceptFinding
from medalign.core.editing import is_edited
from medalign.core.wording import clock, clock_range, count, frequency
from medalign.report.summary import Entry, is_faint, places_to_check, summarize

MAX_ENTRIES = 9  # of a section of the summary
MAX_IN_ALL = 40  # entries of all sections together
MAX_LISTED = 5  # of every other list
MAX_TEXT = 110  # characters of anything quoted
BRIEFLY = {"mismatch": "the sound does not fit these words"}  # paper is short; the words themselves stand beside it
NO_CHECK = "no passage is marked; a changed number or a dropped “no” would not be noticed"
SENSES = {
    "negated": "denied",
    "family": "somebody else's",
    "hypothetical": "if, or planned",
    "uncertain": "asked, unsure or a limit",
    "resolved": "over",
    "historical": "in the past",
}
STYLE = """
@page { margin: 11mm 12mm }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 0; max-width: 190mm; font: 8.9pt/1.25 "Helvetica Neue", Arial, sans-serif; color: #000;
  background: #fff; overflow-wrap: anywhere }
@media screen { body { padding: 8mm } }
header { border-bottom: 1.5pt solid #000; margin-bottom: 2mm }
h1 { font-size: 13pt; margin: 0 }
h2 { font-size: 9.3pt; margin: 1.8mm 0 .5mm; border-bottom: .5pt solid #777; break-after: avoid }
p { margin: .6mm 0 }
.disclaimer { font-weight: bold; border: 1pt solid #000; padding: .8mm 1.5mm; margin: 1.2mm 0 }
.columns { columns: 2; column-gap: 7mm }
.columns section { break-inside: auto }
.columns section:first-child h2 { margin-top: 0 }
ul { list-style: none; margin: 0; padding: 0 }
li { break-inside: avoid; padding-left: 2.5mm; text-indent: -2.5mm }
li::before { content: "▪ "; font-size: 6pt; vertical-align: 1pt }
li.more::before { content: "" }
.time, .more, .how { color: #333 }
.time { white-space: nowrap; font-variant-numeric: tabular-nums }
.figures { display: grid; grid-template-columns: 1fr 1fr; gap: 2mm 6mm; margin-top: 2mm }
.figures:empty { display: none }
figure { margin: 0; break-inside: avoid }
figure svg text { font-size: 18px !important } /* drawn for a screen, shown at half its width */
figure svg, figure img { display: block; width: 100%; height: auto; max-height: 36mm }
figcaption { font-size: 8pt }
footer { margin-top: 2mm; font-size: 7.8pt; break-inside: avoid }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:"

T = TypeVar("T")


def summary_html(analysis: Analysis, figures: Mapping[str, str] = {}) -> str:
    """A whole HTML document to print. All text of the analysis is escaped.

    Args:
        figures: caption -> finished SVG or HTML, put in as it is: drawn by us, never text from outside. Without any, the
            element of class "figures" is there and empty, for a page to fill with what it has drawn.
    """
    name = _text(analysis.recording.name)
    notice = f'<p class="disclaimer" role="note">{escape(DISCLAIMER)}</p>'
    parts = (_warnings, _glance, _checks, _misheard, _heard, _numbers)
    drawn = "".join(f"<figure>{svg}<figcaption>{_text(caption)}</figcaption></figure>" for caption, svg in figures.items())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name} – MedAlign summary</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{name}</h1>{notice}{_overview(analysis)}</header>"
        f'<main><div class="columns">{"".join(part(analysis) for part in parts)}</div><div class="figures">{drawn}</div></main>'
        f"<footer>{_provenance(analysis)}{notice}</footer></body></html>\n"
    )


def _overview(analysis: Analysis) -> str:
    said = analysis.transcript.segments
    lines = [
        f"{clock(analysis.recording.duration_s)} long, {count(len(said), 'passage')}, "
        f"{count(len(analysis.concepts), 'concept')}. Mentions, found by software, for review; times are minutes and seconds "
        "into the recording."
    ]
    if n_edited := sum(is_edited(segment) for segment in said):
        lines.append(f"Edited by a person: {count(n_edited, 'passage')} of the transcript.")
    return "".join(f"<p>{line}</p>" for line in lines)


def _warnings(analysis: Analysis) -> str:
    silent = [] if analysis.transcript.segments else ["No speech was written down."]
    return _section("Before you read on", [*silent, *_cut(analysis.warnings, MAX_LISTED, _text)])


def _glance(analysis: Analysis) -> str:
    """The summary's sections; what lies beyond the sheet is counted at the end."""
    left, hidden, built = MAX_IN_ALL, 0, []
    for section in summarize(analysis.concepts, analysis.measurements):
        n_shown = min(len(section.entries), MAX_ENTRIES, left)
        left -= n_shown
        if n_shown:
            built.append(_section(section.title, _cut(section.entries, n_shown, _entry)))
        else:
            hidden += len(section.entries)
    if hidden:
        built.append(f'<p class="more">and {count(hidden, "more concept")} in further sections</p>')
    return "".join(built) or _section("At a glance", ["No clinical concept was found in what was said."])


def _entry(entry: Entry) -> str:
    numbers = f", {_text(', '.join(entry.numbers))}" if entry.numbers else ""
    times = f" ×{entry.n_mentions}" if entry.n_mentions > 1 else ""
    words = entry.evidence.text if (entry.evidence.text or "").lower() != entry.label.lower() else None
    return f"{_text(entry.label)}{times}{numbers}{_quote(words)} {_time(entry.evidence.start_s)}"


def _checks(analysis: Analysis) -> str:
    """Passages to listen to again, and concepts that are said in two ways."""
    said = {(s.start_s, s.end_s): s.text for s in analysis.transcript.segments}
    under = said | {(w.start_s, w.end_s): w.transcript_text for w in analysis.alignment.windows}
    listed = [
        f'<span class="time">{clock_range(place.start_s, place.end_s)}</span> {BRIEFLY.get(place.kind, place.reason)}'
        + _quote(under.get((place.start_s, place.end_s)))
        for place in places_to_check(analysis.alignment)
    ]
    items = [*_cut(_two_ways(analysis.concepts), MAX_LISTED), *_cut(listed, MAX_LISTED)]
    return _section("Listen again", items or ([NO_CHECK] if said else []))


def _two_ways(concepts: Sequence[ConceptFinding]) -> list[str]:
    """A concept both present and negated: which of the two holds is for a person to say."""
    found = []
    for concept in concepts:
        rows = [c for c in concepts if c.concept_id == concept.concept_id and c.text_evidence]
        denied = next((c for c in rows if c.status == "negated"), None)
        if concept.status == "present" and concept in rows and denied:
            yes_s, no_s = concept.text_evidence[0].start_s, denied.text_evidence[0].start_s
            found.append(f"{_text(concept.label)} is both said {_time(yes_s)} and denied {_time(no_s)}")
    return found


def _misheard(analysis: Analysis) -> str:
    rows = [
        f"“{_text(c.said)}” may be {_text(c.name)}, {frequency(c.probability)} {_time(c.start_s)}"
        for c in sorted(analysis.corrections, key=lambda c: -c.probability)
    ]
    return _section("Names that may be misheard", _cut(rows, MAX_LISTED))


def _heard(analysis: Analysis) -> str:
    """Sound events, and concepts that only the sound suggests, unless that is unlikely."""
    signs = [f"{_text(s.label)}, {frequency(s.probability)} {_time(s.start_s)}" for s in analysis.sound_events]
    hints = [
        f"{_text(c.label)}, {frequency(c.student.probability if c.probability is None else c.probability)}, status not known"
        + (f" {_time(c.student.evidence[0].start_s)}" if c.student.evidence else "")
        for c in analysis.concepts
        if c.agreement == "student_only" and c.student and not is_faint(c)
    ]
    return _section("Heard, not said", [*_cut(signs, MAX_LISTED), *_cut(hints, MAX_LISTED)])


def _numbers(analysis: Analysis) -> str:
    """Numbers that stand by themselves; those of a medicine or a complaint stand with it."""
    senses = number_senses(analysis.transcript, analysis.measurements)
    rows = [
        f"{_text(f'{m.kind} {m.value} {m.unit}')}{_sense(sense)} {_time(m.start_s)}"
        for m, sense in zip(analysis.measurements, senses, strict=True)
        if m.concept_id is None
    ]
    return _section("Numbers said", _cut(rows, MAX_LISTED))


def _sense(sense: str) -> str:
    return f' <span class="how">({SENSES[sense]})</span>' if sense in SENSES else ""


def _provenance(analysis: Analysis) -> str:
    names = {"asr": "Written by", "teacher": "read by", "student": "heard by"}
    models = vars(analysis.models).items()
    told = ", ".join(f"{names[part]} {_text(model.name)} (revision {_text(model.revision)})" for part, model in models)
    return f"<p>{told}. “About 7 in 10”: of passages scored like this one in trials, about that many were right.</p>"


def _section(title: str, items: Sequence[str]) -> str:
    """Nothing where there is nothing to list."""
    if not items:
        return ""
    listed = "".join(item if item.startswith("<li") else f"<li>{item}</li>" for item in items)
    return f"<section><h2>{escape(title)}</h2><ul>{listed}</ul></section>"


def _cut(items: Sequence[T], limit: int, show: Callable[[T], str] = str) -> list[str]:
    """The first `limit` items as finished HTML, and a line that counts the rest."""
    shown = [show(item) for item in islice(items, limit)]
    hidden = len(items) - len(shown)
    return [*shown, f'<li class="more">and {hidden} more</li>'] if hidden > 0 else shown


def _quote(words: str | None) -> str:
    return f" “{_text(words)}”" if words else ""


def _time(start_s: float) -> str:
    return f'<span class="time">({clock(start_s)})</span>'


def _text(value: str) -> str:
    """Escaped, on one line, and not longer than a line or two."""
    plain = " ".join(value.split())
    return escape(plain if len(plain) <= MAX_TEXT else plain[: MAX_TEXT - 1] + "…")
