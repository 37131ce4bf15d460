"""Commands that use models: analyze, preview, search, transcribe."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli import options
from medalign.cli.progress import Progress
from medalign.core.analysis import DISCLAIMER, Agreement, Analysis, ConceptFinding
from medalign.core.errors import MedAlignError
from medalign.core.wording import ACTION_WORDS, clock, frequency
from medalign.report.ear import doubts
from medalign.report.plain_summary import doubt_line

if TYPE_CHECKING:
    from medalign.core.audio import Recording
    from medalign.pipeline.analyzer import Analyzer
    from medalign.pipeline.listener import Listener

FOUND_IN: dict[Agreement, str] = {"both": "text and sound", "teacher_only": "text", "student_only": "sound"}
EXPORTS = {  # options of `analyze` beside --json
    "csv": "write the concepts here, one row each, for a spreadsheet",
    "vtt": "write the transcript here as WebVTT subtitles",
    "fhir": "write the mentions here as a FHIR R4 Bundle, for review",
    "html": "write a page here to print",
    "text": "write a summary here as plain text, for notes",
}


def add_commands(commands: options.Commands) -> None:
    """Add them to the subparsers of the command line."""
    analyze = commands.add_parser("analyze", help="transcript, concepts and alignment of one recording")
    analyze.add_argument("audio", metavar="AUDIO", help="wav, mp3, m4a, mp4, ogg, webm or flac; at most 60 minutes")
    options.json_option(analyze, "the whole result")
    for name, help_text in EXPORTS.items():
        analyze.add_argument(f"--{name}", metavar="OUT", type=Path, help=help_text)
    analyze.add_argument(
        "--concepts", metavar="CSV", type=Path, help="also find custom concepts: columns label, synonyms (by |), code, category"
    )
    options.model_options(analyze, asr=True, teacher=True, student=True)
    analyze.set_defaults(command=_analyze)

    preview = commands.add_parser("preview", help="concepts in the sound alone, without transcribing: quick, and less sure")
    preview.add_argument("audio", metavar="AUDIO", help="recording: wav, mp3, m4a, mp4, ogg, webm or flac")
    options.json_option(preview, "the concepts")
    options.model_options(preview, teacher=True, student=True)
    preview.set_defaults(command=_preview)

    search = commands.add_parser("search", help="where a recording sounds like a phrase, without transcribing")
    search.add_argument("audio", metavar="AUDIO", help="recording: wav, mp3, m4a, mp4, ogg, webm or flac")
    search.add_argument("phrase", metavar="PHRASE", help='any words, such as "trouble sleeping"')
    search.add_argument("--hits", type=options.positive, default=5, help="number of places to list")
    options.json_option(search, "the places")
    options.model_options(search, teacher=True, student=True)
    search.set_defaults(command=_search)

    transcribe = commands.add_parser("transcribe", help="the transcript alone")
    transcribe.add_argument("audio", metavar="AUDIO", help="recording: wav, mp3, m4a, mp4, ogg, webm or flac")
    options.json_option(transcribe, "segments and words")
    options.model_options(transcribe, asr=True)
    transcribe.set_defaults(command=_transcribe)

    precompute = commands.add_parser("precompute", help="analyse the bundled examples, so that the page shows them at once")
    precompute.set_defaults(command=_precompute)


def _analyze(arguments: argparse.Namespace) -> None:
    from medalign.concepts import ConceptBank
    from medalign.concepts.custom import read_concepts
    from medalign.core.audio import load_recording

    _check_outputs(arguments)
    recording = load_recording(arguments.audio)  # a bad file is refused before any model is loaded
    custom, left_out = read_concepts(arguments.concepts, ConceptBank.default()) if arguments.concepts else ((), ())
    for sentence in left_out:
        print(sentence, file=sys.stderr)
    analysis = Progress().analyzed(_load_analyzer(arguments), recording, custom)
    _write_exports(analysis, arguments)
    options.answer(analysis.to_dict(), arguments.json, _summary(analysis))


def _check_outputs(arguments: argparse.Namespace) -> None:
    outputs = [getattr(arguments, name) for name in ("json", *EXPORTS)]
    for name in EXPORTS:
        if str(getattr(arguments, name)) == "-":
            raise MedAlignError(f"--{name} can't go to standard output, only --json can; give it the name of a file")
    for path in outputs:
        options.check_output(path)
    files = [path.absolute() for path in outputs if path is not None and str(path) != "-"]
    for path in files:
        if files.count(path) > 1:
            raise MedAlignError(f"{path} is to hold two results; give each its own file")


def _write_exports(analysis: Analysis, arguments: argparse.Namespace) -> None:
    from medalign.report.fhir import to_fhir
    from medalign.report.plain_summary import to_text
    from medalign.report.printable import summary_html
    from medalign.report.text_formats import to_csv, to_vtt

    for name, make in (("csv", to_csv), ("vtt", to_vtt), ("html", summary_html), ("text", to_text)):
        path = getattr(arguments, name)
        if path is not None:
            options.write_text(make(analysis), path)
    if arguments.fhir is not None:
        options.write_json(to_fhir(analysis), arguments.fhir)


def _preview(arguments: argparse.Namespace) -> None:
    listener, recording = _load_listener(arguments)
    rows = listener.preview(recording)
    lines = [DISCLAIMER]
    if rows is None:
        lines.append(
            "This sounds more like another language than English, which MedAlign does not know: no concepts are shown."
        )
    for row in rows or ():
        places = ", ".join(clock(e.start_s) for e in row.audio_evidence) or "no clear place"
        lines.append(f"{row.label:30} {row.student.probability if row.student else 0:.2f}  {places}")
    options.answer([asdict(row) for row in rows or ()], arguments.json, lines)


def _search(arguments: argparse.Namespace) -> None:
    listener, recording = _load_listener(arguments)
    hits = listener.search(recording, arguments.phrase, arguments.hits)
    lines = [
        f"{clock(h.start_s)}-{clock(h.end_s)}  {'may be said' if h.is_likely else 'probably not said'} here: "
        f"{frequency(h.probability)}"
        for h in hits
    ]
    options.answer([asdict(hit) for hit in hits], arguments.json, lines)


def _load_listener(arguments: argparse.Namespace) -> "tuple[Listener, Recording]":
    from medalign.core.audio import load_recording
    from medalign.pipeline.listener import Listener

    recording = load_recording(arguments.audio)  # a bad file is refused before any model is loaded
    return Listener.default(teacher=arguments.teacher, student=arguments.student, device=arguments.device), recording


def _load_analyzer(arguments: argparse.Namespace) -> "Analyzer":
    from medalign.pipeline.analyzer import Analyzer

    return Analyzer.default(asr=arguments.asr, teacher=arguments.teacher, student=arguments.student, device=arguments.device)


def _summary(analysis: Analysis) -> list[str]:
    """A few lines for a terminal; the JSON has everything."""
    lines = [DISCLAIMER, f"{analysis.recording.name}: {analysis.recording.duration_s:.1f} s", ""]
    lines += [f"[{clock(s.start_s)}] {s.text}" for s in analysis.transcript.segments]
    lines += [f"[{clock(event.start_s)}] ({event.label})" for event in analysis.sound_events]
    lines.append("")
    head = ("concept", "code", "status", "found in", "first place")
    lines += options.in_columns([head, *map(_concept_cells, analysis.concepts)])
    if analysis.measurements:
        lines += ["", *(f"{m.kind}: {m.amount}  [{clock(m.start_s)}] {m.text}" for m in analysis.measurements)]
    if listed := doubts(analysis):
        lines += [
            "",
            f"Use your ear ({len(listed)}):",
            *(f"{n}. {doubt_line(doubt)}" for n, doubt in enumerate(listed, start=1)),
        ]
    return [*lines, "", *analysis.warnings, f"{analysis.timings_s.total:.1f} s"]


def _concept_cells(row: ConceptFinding) -> tuple[str, ...]:
    places = (*row.text_evidence, *row.audio_evidence)
    first = f"{clock(places[0].start_s)} {places[0].text or ''}" if places else "no clear place"
    status = ", ".join(filter(None, (row.status or "not known", row.action and ACTION_WORDS[row.action])))
    return row.label, row.code, status + (f" ({row.trigger})" if row.trigger else ""), FOUND_IN[row.agreement], first


def _transcribe(arguments: argparse.Namespace) -> None:
    from medalign.core.audio import load_recording
    from medalign.models.device import choose_device
    from medalign.models.transcription import load_transcriber

    recording = load_recording(arguments.audio)
    transcript = load_transcriber(arguments.asr, device=choose_device(arguments.device)).transcribe(recording)
    body = {"language": transcript.language, "text": transcript.text, **asdict(transcript), "disclaimer": DISCLAIMER}
    lines = [f"[{clock(s.start_s)}] {s.text}" for s in transcript.segments] or ["No speech detected."]
    options.answer(body, arguments.json, lines)


def _precompute(arguments: argparse.Namespace) -> None:
    from medalign.core.examples import COMPARED, analysis_path, load_examples, unaligned_path
    from medalign.models.student_config import UNALIGNED
    from medalign.pipeline.analyzer import Analyzer
    from medalign.pipeline.listener import Listener

    analyzer = Analyzer.default()
    for example in load_examples():
        for path in (example.audio_path, example.noisy_audio_path):
            if path is not None:
                options.write_json(analyzer.analyze(path).to_dict(), analysis_path(path), indent=None)
                print(analysis_path(path).name)
        if example.slug == COMPARED:
            unaligned = Analyzer(analyzer.transcriber, Listener.default(student=UNALIGNED))
            path = unaligned_path(example.audio_path)
            options.write_json(unaligned.analyze(example.audio_path).to_dict(), path, indent=None)
            print(path.relative_to(example.audio_path.parent))
