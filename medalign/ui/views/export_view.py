"""What can be taken home. The files lie beside the recording in Gradio's temporary folder and are deleted with it."""

import json
from pathlib import Path, PurePath

import gradio as gr

from medalign.core.analysis import Analysis
from medalign.report.fhir import to_fhir
from medalign.report.printable import summary_html
from medalign.report.text_formats import to_csv, to_vtt
from medalign.ui.files import address, keep
from medalign.ui.views.markup import text

FORMATS = (
    ("json", "JSON", "everything, for programs"),
    ("csv", "CSV", "concepts, for a spreadsheet"),
    ("vtt", "WebVTT", "transcript, as captions"),
    ("fhir.json", "FHIR R4", "concepts as unconfirmed mentions"),
)
DELETE = '<button type="button" class="tool danger" data-send="delete">Delete now</button>'


def exports(place: gr.HTML, analysis: Analysis | None) -> tuple[str, list[Path]]:
    """Links to the files, and the files: JSON, CSV, WebVTT, FHIR, and the page to print. Without a result only deletion."""
    if analysis is None:
        return _bar(DELETE), []
    stem = PurePath(analysis.recording.name).stem
    bodies = {
        "json": json.dumps(analysis.to_dict(), ensure_ascii=False, indent=1),
        "csv": to_csv(analysis),
        "vtt": to_vtt(analysis),
        "fhir.json": json.dumps(to_fhir(analysis), ensure_ascii=False, indent=1),
        "html": summary_html(analysis),
    }
    files = {ending: keep(place, body.encode(), f"{stem}.medalign.{ending}") for ending, body in bodies.items()}
    links = "".join(
        f'<a class="download" download="{text(files[ending].name)}" href="{address(files[ending])}" title="{what}">{name}</a>'
        for ending, name, what in FORMATS
    )
    printed = f'<button type="button" class="tool" data-print="{address(files["html"])}">Print a summary</button>'
    return _bar(f"<span>Take home</span>{links}{printed}{DELETE}"), list(files.values())


def _bar(inside: str) -> str:
    return f'<div class="exports" role="group" aria-label="Take it home, or delete it">{inside}</div>'
