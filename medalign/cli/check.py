"""The command that checks a note against its recording, or two notes side by side."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli.options import Commands, answer, check_output, json_option, model_options, write_text
from medalign.cli.progress import Progress
from medalign.core.errors import DataError

if TYPE_CHECKING:
    from medalign.core.note_check import NoteCheck


def add_commands(commands: Commands) -> None:
    """Add it to the subparsers of the command line."""
    check = commands.add_parser("check", help="check a clinical note, or two, against the recording, statement by statement")
    check.add_argument(
        "audio", metavar="AUDIO", help="the recording; or the JSON of `analyze`, if only the words are to be compared"
    )
    check.add_argument(
        "note", metavar="NOTE", type=Path, help="text, markdown, FHIR or the JSON of `analyze`; at most 100,000 characters"
    )
    check.add_argument(
        "second", metavar="NOTE2", type=Path, nargs="?", help="another note of the same recording: both are compared"
    )
    check.add_argument(
        "--blind", action="store_true", help="two notes are shown in an order that is drawn; only --json says which is which"
    )
    check.add_argument(
        "--analysis",
        metavar="JSON",
        type=Path,
        help="stored analysis of this recording (`analyze --json`), so that it is not analysed again",
    )
    json_option(check, "verdicts and evidence")
    check.add_argument("--csv", metavar="OUT", type=Path, help="write a table here, for a spreadsheet")
    check.add_argument("--html", metavar="OUT", type=Path, help="write a page here: the note beside the recording")
    model_options(check, asr=True, teacher=True, student=True)
    check.set_defaults(command=_check)


def _check(arguments: argparse.Namespace) -> None:
    from medalign.concepts.notes import read_note
    from medalign.core.analysis import Analysis
    from medalign.core.audio import load_recording
    from medalign.core.files import read_json
    from medalign.pipeline.analyzer import Analyzer
    from medalign.report.strip import peaks_of

    for path in (arguments.json, arguments.csv, arguments.html):
        check_output(path)
    if arguments.blind and arguments.second is None:
        raise DataError("--blind is for two notes; give a second one, or leave it out")
    notes = [_read_text(path) for path in (arguments.note, arguments.second) if path is not None]
    for note in notes:
        read_note(note)  # refused before any model is loaded
    is_analysis = str(arguments.audio).endswith(".json")
    remedy = "give what `medalign analyze --json` wrote"
    stored = arguments.analysis or (Path(arguments.audio) if is_analysis else None)
    analysis = Analysis.from_dict(read_json(stored, dict, error=DataError, remedy=remedy)) if stored else None
    recording = None if is_analysis else load_recording(arguments.audio)
    if recording and analysis and abs(recording.duration_s - analysis.recording.duration_s) > 0.1:
        raise DataError(
            f"{stored} is of a recording of {analysis.recording.duration_s:.1f} s, {arguments.audio} "
            f"has {recording.duration_s:.1f} s; give the analysis of this recording, or leave it out"
        )
    progress = Progress()
    progress("Loading the models")
    analyzer = Analyzer.default(
        asr=arguments.asr, teacher=arguments.teacher, student=arguments.student, device=arguments.device
    )
    encoded = None
    if recording is not None:  # once for both notes
        if analysis is None:
            analysis = progress.analyzed(analyzer, recording)
        progress("Listening to the sound")
        encoded = analyzer.listener.encode(recording)
    checks = []
    for number, note in enumerate(notes, start=1):
        progress(
            "Holding the note against the recording" if len(notes) == 1 else f"Holding note {number} against the recording"
        )
        checks.append(analyzer.check_note(None, note, analysis=analysis, encoded=encoded))
    _tell(arguments, checks, peaks_of(recording.waveform) if recording else b"")


def _tell(arguments: argparse.Namespace, checks: "list[NoteCheck]", peaks: bytes) -> None:
    from medalign.core.note_comparison import drawn_order, pair_to_dict
    from medalign.report.note_page import note_csv, note_html, note_lines, note_pair_html, pair_lines

    order = drawn_order(blind=arguments.blind)
    shown = [checks[i] for i in order] if len(checks) == 2 else checks
    if arguments.csv:
        write_text(note_csv(*shown), arguments.csv)
    if arguments.html:
        write_text(note_html(shown[0], peaks) if len(shown) == 1 else note_pair_html(shown[0], shown[1], peaks), arguments.html)
    if len(shown) == 1:
        answer(checks[0].to_dict(), arguments.json, note_lines(checks[0]))
    else:
        answer(pair_to_dict(checks[0], checks[1], order), arguments.json, pair_lines(shown[0], shown[1]))


def _read_text(path: Path) -> str:
    from medalign.concepts.notes import MAX_CHARACTERS
    from medalign.core.files import check_regular, reading

    remedy = "give a text file in UTF-8"
    check_regular(path, error=DataError, remedy=remedy)
    if path.stat().st_size > 40 * MAX_CHARACTERS:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes, too many for a note; give one consultation's note")
    with reading(f"{path} can't be read as text", error=DataError, remedy=remedy):
        return path.read_text(encoding="utf-8-sig")
