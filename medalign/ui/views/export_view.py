"""What can be taken home. The files lie beside the recording in Gradio's temporary folder and are deleted with it."""

import json
from pathlib import Path, PurePath

import gradio as gr

from medalign.core.analysis import Analysis
from medalign.report.fhir import to_fhir
from medalign.report.printable import summary_html
from medalign.report.text_formats import to_csv, to_vtt
from medalign.ui.files import address, keep
from medalign.ui.views.markup import Markup, macros

FORMATS = (
    ("json", "JSON", "everything, for programs"),
    ("csv", "CSV", "concepts, for a spreadsheet"),
    ("vtt", "WebVTT", "transcript, as captions"),
    ("fhir.json", "FHIR R4", "concepts as unconfirmed mentions"),
)


def exports(place: gr.HTML, analysis: Analysis | None) -> tuple[Markup, list[Path]]:
    """Links to the files, and the files: JSON, CSV, WebVTT, FHIR, and the page to print. Without a result only deletion."""
    if analysis is None:
        return macros("status").exports([], None), []
    stem = PurePath(analysis.recording.name).stem
    bodies = {
        "json": json.dumps(analysis.to_dict(), ensure_ascii=False, indent=1),
        "csv": to_csv(analysis),
        "vtt": to_vtt(analysis),
        "fhir.json": json.dumps(to_fhir(analysis), ensure_ascii=False, indent=1),
        "html": summary_html(analysis),
    }
    files = {ending: keep(place, body.encode(), f"{stem}.medalign.{ending}") for ending, body in bodies.items()}
    links = [
        {"name": files[ending].name, "address": address(files[ending]), "format": name, "what": what}
        for ending, name, what in FORMATS
    ]
    return macros("status").exports(links, address(files["html"])), list(files.values())
