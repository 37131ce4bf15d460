"""What can be taken home. The files lie beside the recording in Gradio's temporary folder and are deleted with it."""

import json
from pathlib import Path, PurePath

import gradio as gr

from medalign.core.analysis import Analysis
from medalign.core.review import UNREVIEWED, Review, as_reviewed
from medalign.core.spelling import Wording, reworded
from medalign.report.fhir import to_fhir
from medalign.report.plain_summary import to_text
from medalign.report.printable import summary_html
from medalign.report.text_formats import to_csv, to_vtt
from medalign.ui.files import address, keep
from medalign.ui.views.markup import Markup, macros

FORMATS = (
    ("json", "JSON", "everything, for programs"),
    ("csv", "CSV", "concepts, for a spreadsheet"),
    ("vtt", "Captions", "transcript with times, for players"),
    ("fhir.json", "FHIR R4", "concepts as unconfirmed mentions"),
    ("txt", "Text", "the summary as plain text"),
)


def exports(
    place: gr.HTML, analysis: Analysis | None, wording: Wording, review: Review = UNREVIEWED
) -> tuple[Markup, list[Path]]:
    """Links to the files, and the files, the text to copy and the page to print among them. Without a result only deletion.

    Args:
        wording: of the text and the page to print; programs get the labels of the concept bank.
        review: what the reader judged; everything is as it stands after that.
    """
    if analysis is None:
        return macros("status").exports([], None, None), []
    after, shown = as_reviewed(analysis, review), reworded(analysis, wording)
    stem = PurePath(analysis.recording.name).stem
    bodies = {
        "json": json.dumps(after.to_dict(), ensure_ascii=False, indent=1),
        "csv": to_csv(after),
        "vtt": to_vtt(analysis),
        "fhir.json": json.dumps(to_fhir(after), ensure_ascii=False, indent=1),
        "txt": to_text(shown, review),
        "html": summary_html(shown, review=review),
    }
    files = {ending: keep(place, body.encode(), f"{stem}.medalign.{ending}") for ending, body in bodies.items()}
    links = [
        {"name": files[ending].name, "address": address(files[ending]), "format": name, "what": what}
        for ending, name, what in FORMATS
    ]
    return macros("status").exports(links, address(files["html"]), address(files["txt"])), list(files.values())
