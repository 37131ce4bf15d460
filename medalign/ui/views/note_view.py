"""A checked note on the page: the note on one side, on the other when the recording says it; press to hear."""

import json
from pathlib import Path, PurePath

import gradio as gr

from medalign.core.note_check import NoteCheck
from medalign.report import note_page
from medalign.ui.files import address, keep
from medalign.ui.views.markup import Markup, macros

INTRO = (
    "<h2>Check a note</h2><p>Paste a note of the consultation that the first tab shows, from any scribe or typed by hand. Each "
    "statement is held against the words and the sound: what bears it out, what contradicts it, what was never said, and what "
    "the note leaves out. Nothing of the note is kept.</p>"
)
CHECKING = "Holding the note against the recording …"


def result(check: NoteCheck, peaks: bytes, links: list[dict[str, str]]) -> Markup:
    """
    Args:
        peaks: the recording's waveform, as `medalign.report.strip.peaks_of` gives it.
        links: name, address and format of the files to save.
    """
    counts = [(verdict, told, check.count(verdict)) for verdict, told in note_page.VERDICTS.items() if check.count(verdict)]
    return macros("note").result(
        check, counts, list(note_page.under_headings(check.statements)), note_page.bars(peaks),
        note_page.ticks(check.recording.duration_s), note_page, links,
    )  # fmt: skip


def files(place: gr.HTML, check: NoteCheck, peaks: bytes) -> tuple[list[dict[str, str]], list[Path]]:
    """Links to what can be saved, and the files."""
    stem = PurePath(check.recording.name).stem
    bodies = {
        "json": ("JSON", json.dumps(check.to_dict(), ensure_ascii=False, indent=1)),
        "csv": ("CSV", note_page.note_csv(check)),
        "html": ("Page to print", note_page.note_html(check, peaks)),
    }
    kept = {ending: keep(place, body.encode(), f"{stem}.note.{ending}") for ending, (_, body) in bodies.items()}
    links = [{"name": path.name, "address": address(path), "format": bodies[ending][0]} for ending, path in kept.items()]
    return links, list(kept.values())
