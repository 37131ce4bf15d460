"""A checked note as one page, and as a table: the note on one side, on the other when the recording says it.

The page is complete in itself: inline style, no script, nothing asked of any server, which its Content-Security-Policy
enforces. Each statement has the recording's time axis beside it; a line leads from the statement to its moments.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from medalign.core.analysis import DISCLAIMER, Evidence
from medalign.core.note_check import ONLY_POSSIBLE, NoteCheck, NoteStatement, Verdict
from medalign.core.note_comparison import NoteComparison, told
from medalign.core.wording import clock, count
from medalign.report.text_formats import _BOM, Cell, safe_cell

VERDICTS: dict[Verdict, str] = {  # as they are told; the gravest first
    "contradicted": "contradicted", "not_found": "not found", "supported": "supported", "not_checkable": "can't be checked",
}  # fmt: skip
MARKS: dict[Verdict, str] = {"contradicted": "✗", "not_found": "?", "supported": "✓", "not_checkable": "–"}
SOUND_ONLY = "by sound only: listen"
MAX_LEFT_OUT = 10
MAX_QUOTE = 160  # characters
N_BARS = 160  # of the waveform
COLUMNS = (
    "note", "kind", "text", "section", "verdict", "probability", "support", "reason", "start_s", "end_s", "words",
    "fits_as_well", "sound_fits_as_well", "weight", "recording", "disclaimer",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A moment on the time axis, in per cent of its length."""

    left: float
    width: float
    is_sound: bool
    label: str


def places(evidence: Sequence[Evidence], duration_s: float) -> list[Place]:
    """Where the evidence lies, in order of time; at least so wide that it is seen."""
    whole = max(duration_s, 0.1)
    return [
        Place(round(100 * min(e.start_s, whole) / whole, 2), round(max(0.8, 100 * (e.end_s - e.start_s) / whole), 2),
              e.text is None, clock(e.start_s))
        for e in sorted(evidence, key=lambda e: e.start_s)
    ]  # fmt: skip


def bars(peaks: bytes) -> list[int]:
    """The waveform's heights in per cent, `N_BARS` of them or none."""
    if not peaks:
        return []
    step = max(1, len(peaks) // N_BARS)
    return [round(100 * max(peaks[at : at + step]) / 255) for at in range(0, len(peaks), step)][:N_BARS]


def under_headings(statements: Sequence[NoteStatement]) -> Iterator[tuple[str, list[NoteStatement]]]:
    """Statements in the note's order, those that follow each other under one heading together."""
    group: list[NoteStatement] = []
    for statement in statements:
        if group and group[0].section != statement.section:
            yield group[0].section, group
            group = []
        group.append(statement)
    if group:
        yield group[0].section, group


def note_html(check: NoteCheck, peaks: bytes = b"") -> str:
    """A whole HTML document. All text of note and recording is escaped.

    Args:
        peaks: the recording's waveform, as `medalign.report.strip.peaks_of` gives it; without it the axis has none.
    """
    return _rendered([check], None, peaks)


def note_pair_html(first: NoteCheck, second: NoteCheck, peaks: bytes = b"") -> str:
    """The same of two notes of one recording, side by side, in the order in which they are shown."""
    return _rendered([first, second], NoteComparison.of(first, second), peaks)


def _rendered(checks: Sequence[NoteCheck], comparison: NoteComparison | None, peaks: bytes) -> str:
    compared = told(comparison) if comparison else []
    return _ENVIRONMENT.get_template("note.html").render(
        checks=checks, comparison=comparison, compared=compared, bars=bars(peaks)
    )


def by_sound_only(check: NoteCheck) -> int:
    """How many statements the sound alone bears out."""
    return sum(s.verdict == "supported" and s.support == "sound" for s in check.statements)


def ticks(duration_s: float) -> list[tuple[float, str]]:
    """Full minutes, or what divides the recording into four to eight parts: (per cent, label)."""
    step = next((s for s in (5, 10, 15, 30, 60, 120, 300, 600) if duration_s / s <= 8), 600)
    return [(round(100 * t / max(duration_s, 0.1), 2), clock(t)) for t in range(0, int(duration_s) + 1, step)]


def note_csv(*checks: NoteCheck) -> str:
    """One row a statement, then one row for each thing left out, of one note or several of one recording.

    It begins with a byte order mark, as other tables do.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for number, check in enumerate(checks, start=1):
        common: dict[str, Cell] = {"note": number, "recording": check.recording.name, "disclaimer": DISCLAIMER}
        writer.writerows({name: safe_cell(value) for name, value in (row | common).items()} for row in _rows(check))
    return _BOM + out.getvalue()


def _rows(check: NoteCheck) -> Iterator[dict[str, Cell]]:
    for s in check.statements:
        yield {
            "kind": "statement", "text": s.text, "section": s.section, "verdict": VERDICTS[s.verdict],
            "probability": s.probability, "support": s.support, "reason": s.reason, "fits_as_well": s.fits_as_well,
            "sound_fits_as_well": s.sound_fits_as_well, **_place(s.evidence[0] if s.evidence else None),
        }  # fmt: skip
    for item in check.left_out:
        yield {"kind": "left out", "text": item.concept, "reason": item.why, "weight": item.weight, **_place(item.evidence[0])}


def note_lines(check: NoteCheck) -> list[str]:
    """A few lines for a terminal."""
    lines = [DISCLAIMER, headline(check), ""]
    for s in check.statements:
        at = f" [{clock(s.evidence[0].start_s)}]" if s.evidence and s.verdict in ("supported", "contradicted") else ""
        reason = f" ({s.reason})" if s.verdict != "supported" or s.support == "sound" or ONLY_POSSIBLE in s.reason else ""
        lines.append(f"{MARKS[s.verdict]} {s.text}{at}{reason}")
    if check.left_out:
        lines += ["", "Said, and not in the note:"]
        lines += [
            f"  {item.concept} ({item.why}) [{clock(item.evidence[0].start_s)}]" for item in check.left_out[:MAX_LEFT_OUT]
        ]
        if len(check.left_out) > MAX_LEFT_OUT:
            lines.append(f"  and {len(check.left_out) - MAX_LEFT_OUT} more in JSON and CSV")
    return [*lines, "", *check.warnings]


def pair_lines(first: NoteCheck, second: NoteCheck) -> list[str]:
    """The same of two notes, in the order in which they are shown."""
    comparison = NoteComparison.of(first, second)
    apart = [f"  {_of(first, pair.first)}  |  {_of(second, pair.second)}" for pair in comparison.statements if pair.differs]
    apart = ["", "Where they differ (note 1 | note 2):", *apart] if apart else []
    notes = [line for i, check in enumerate((first, second), 1) for line in ("", f"Note {i}", *note_lines(check)[1:])]
    return [DISCLAIMER, *told(comparison), *apart, *notes]


def _of(check: NoteCheck, index: int | None) -> str:
    return "not in it" if index is None else f"{MARKS[check.statements[index].verdict]} {check.statements[index].text}"


def headline(check: NoteCheck) -> str:
    """Counts, the gravest first."""
    counts = ", ".join(f"{check.count(verdict)} {label}" for verdict, label in VERDICTS.items() if check.count(verdict))
    left_out = count(len(check.left_out), "thing")
    return f"{count(len(check.statements), 'statement')}: {counts}. {left_out} said and not in the note."


def _place(evidence: Evidence | None) -> dict[str, Cell]:
    return {} if evidence is None else {"start_s": evidence.start_s, "end_s": evidence.end_s, "words": evidence.text}


def _quote(text: str | None) -> str:
    plain = " ".join((text or "").split())
    return plain if len(plain) <= MAX_QUOTE else plain[: MAX_QUOTE - 1] + "…"


_ENVIRONMENT = Environment(
    loader=PackageLoader("medalign.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters["quote"] = _quote
_ENVIRONMENT.globals |= {"clock": clock, "count": count, "places": places, "headline": headline}
_ENVIRONMENT.globals |= {"ticks": ticks, "under_headings": under_headings, "by_sound_only": by_sound_only}
_ENVIRONMENT.globals |= {
    "DISCLAIMER": DISCLAIMER,
    "VERDICTS": VERDICTS,
    "MARKS": MARKS,
    "SOUND_ONLY": SOUND_ONLY,
    "MAX_LEFT_OUT": MAX_LEFT_OUT,
}
