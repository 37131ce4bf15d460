"""A checked note on the page: the note on one side, on the other when the recording says it; press to hear."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePath

import gradio as gr

from medalign.core.note_check import NoteCheck
from medalign.core.note_comparison import NoteComparison, pair_to_dict, told
from medalign.report import note_page
from medalign.ui.files import address, keep
from medalign.ui.views.markup import Markup, macros, text

INTRO = (
    "<h2>Check a note</h2><p>Paste a note of the consultation that the first tab shows, from any scribe or typed by hand. Each "
    "statement is held against the words and the sound: what bears it out, what contradicts it, what was never said, and what "
    "the note leaves out. Nothing of the note is kept"
)
KEPT_IF = ", unless you judge a statement and agree to that."
CHECKING = "Holding the note against the recording …"


def intro(*, can_judge: bool) -> str:
    """What the tab is for, and what of a note is kept."""
    return INTRO + (KEPT_IF if can_judge else ".") + "</p>"


def against(title: str | None) -> str:
    """Which recording a note would be held against.

    Args:
        title: None where none is open.
    """
    if title is None:
        return "<p>No recording is open: choose or record one in the first tab.</p>"
    return f"<p>The note is held against <b>{text(title)}</b>, the recording in the first tab.</p>"


def result(
    checks: Sequence[NoteCheck],
    peaks: bytes,
    links: list[dict[str, str]],
    *,
    can_judge: bool,
    hidden: tuple[int, int] | None = None,
) -> Markup:
    """
    Args:
        checks: of one note, or of two in the order in which they are shown.
        peaks: the recording's waveform, as `medalign.report.strip.peaks_of` gives it.
        links: name, address and format of the files to save.
        can_judge: whether the reader may say that a verdict is right or wrong.
        hidden: the order of two notes, told only to who asks.
    """
    counts = [[(v, name, check.count(v)) for v, name in note_page.VERDICTS.items() if check.count(v)] for check in checks]
    groups = [[(heading, [(s, index[id(s)]) for s in some]) for heading, some in note_page.under_headings(check.statements)]
              for check in checks for index in [{id(s): i for i, s in enumerate(check.statements)}]]  # fmt: skip
    comparison = NoteComparison.of(checks[0], checks[1]) if len(checks) == 2 else None
    compared = told(comparison) if comparison else []
    ticks = note_page.ticks(checks[0].recording.duration_s)
    notes = list(zip(checks, counts, groups, strict=True))
    return macros("note").result(notes, comparison, compared, note_page.bars(peaks), ticks, note_page, links, can_judge, hidden)


def files(
    place: gr.HTML, checks: Sequence[NoteCheck], order: tuple[int, int], peaks: bytes
) -> tuple[list[dict[str, str]], list[Path]]:
    """Links to what can be saved, and the files.

    Args:
        checks: in the order in which they are shown.
        order: of two notes.
    """
    stem = PurePath(checks[0].recording.name).stem
    if len(checks) == 2:
        body = pair_to_dict(checks[order[0]], checks[order[1]], order)
        page = note_page.note_pair_html(checks[0], checks[1], peaks)
    else:
        body, page = checks[0].to_dict(), note_page.note_html(checks[0], peaks)
    bodies = {
        "json": ("JSON", json.dumps(body, ensure_ascii=False, indent=1)),
        "csv": ("CSV", note_page.note_csv(*checks)),
        "html": ("Page to print", page),
    }
    kept = {ending: keep(place, body.encode(), f"{stem}.note.{ending}") for ending, (_, body) in bodies.items()}
    links = [{"name": path.name, "address": address(path), "format": bodies[ending][0]} for ending, path in kept.items()]
    return links, list(kept.values())
