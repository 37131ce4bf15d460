"""The command line: `python -m medalign COMMAND`, or `medalign COMMAND` once installed.

Exit status 0 on success, 2 on anything the user can act on, with one line on stderr that says what, where, expected and
what to do. Heavy imports stand inside the commands, so that `--help` answers at once.
"""

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from medalign import __version__
from medalign.analysis import DISCLAIMER
from medalign.errors import MedAlignError

DEFAULT_CACHE = Path("runs/cache")


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, format="%(asctime)s %(message)s")
    try:
        arguments.command(arguments)
    except MedAlignError as error:
        print(f"medalign: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("medalign: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medalign", description=f"What was said in a consultation, and what it means. {DISCLAIMER}"
    )
    parser.add_argument("--version", action="version", version=f"medalign {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    analyze = commands.add_parser("analyze", help="transcript, concepts and alignment of one recording")
    analyze.add_argument("audio", metavar="AUDIO", help="wav, mp3, m4a, mp4, ogg, webm or flac; at most 60 minutes")
    analyze.add_argument("--json", metavar="OUT", type=Path, help="write the whole result here ('-' is standard output)")
    _model_options(analyze, asr=True, teacher=True, student=True)
    analyze.set_defaults(command=_analyze)

    transcribe = commands.add_parser("transcribe", help="the transcript alone")
    transcribe.add_argument("audio", metavar="AUDIO")
    transcribe.add_argument("--json", metavar="OUT", type=Path, help="write segments and words here")
    _model_options(transcribe, asr=True)
    transcribe.set_defaults(command=_transcribe)

    train = commands.add_parser("train", help="speak consultations and align a student with its teacher")
    _data_options(train)
    train.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    train.add_argument("--takes", type=int, default=3, help="renderings of each consultation (default: 3)")
    train.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    train.set_defaults(command=_train)

    calibrate = commands.add_parser("calibrate", help="fit the probabilities and the reference of a trained student")
    _data_options(calibrate)
    _model_options(calibrate, student=True, asr=True)
    calibrate.set_defaults(command=_calibrate)

    evaluate = commands.add_parser("evaluate", help="zero-shot figures of a student on held-out consultations")
    _data_options(evaluate)
    _model_options(evaluate, student=True)
    evaluate.add_argument("--snr-db", type=float, help="add pink noise at this signal-to-noise ratio")
    evaluate.add_argument("--json", metavar="OUT", type=Path, help="write the figures here")
    evaluate.set_defaults(command=_evaluate)

    bench = commands.add_parser("bench", help="time, memory and word errors on the bundled examples")
    _model_options(bench, asr=True, teacher=True, student=True)
    bench.add_argument("--speech", type=Path, help="folder with manifest.csv (path, text): its word error rate is added")
    bench.add_argument("--json", metavar="OUT", type=Path, help="write the figures here")
    bench.set_defaults(command=_bench)
    for command in (analyze, transcribe, train, calibrate, evaluate, bench):
        command.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
    return parser


def _model_options(
    command: argparse.ArgumentParser, *, asr: bool = False, teacher: bool = False, student: bool = False
) -> None:
    if asr:
        command.add_argument("--asr", default="tiny.en", help="faster-whisper size, folder or Hub name (default: tiny.en)")
    if teacher:
        command.add_argument("--teacher", default="all-MiniLM-L6-v2", help="text model: name, folder or Hub name")
    if student:
        command.add_argument("--student", default="default", help="checkpoint folder or Hub name (default: the shipped one)")
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def _data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, help="folder of PriMock57 with utterances.csv")
    command.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help=f"speech and features are kept here (default: {DEFAULT_CACHE})"
    )


def _analyze(arguments: argparse.Namespace) -> None:
    from medalign.audio import load_recording

    _check_output(arguments.json)
    load_recording(arguments.audio)  # a bad file is refused before any model is loaded
    analysis = _load_analyzer(arguments).analyze(arguments.audio)
    if arguments.json is not None:
        _write_json(analysis.to_dict(), arguments.json)
    if str(arguments.json) == "-":
        return
    print(_summary(analysis))


def _load_analyzer(arguments: argparse.Namespace):
    from medalign.analyzer import Analyzer

    return Analyzer.default(
        asr=arguments.asr, teacher=arguments.teacher, student=arguments.student, device=arguments.device
    )


def _summary(analysis) -> str:
    """A few lines for a terminal; the JSON has everything."""
    lines = [DISCLAIMER, f"{analysis.recording.name}: {analysis.recording.duration_s:.1f} s", ""]
    lines += [f"[{_clock(s.start_s)}] {s.text}" for s in analysis.transcript.segments] or ["No speech detected."]
    lines.append("")
    for row in analysis.concepts:
        evidence = (row.teacher or row.student).evidence[0]
        status = f"{row.status} ({row.trigger})" if row.trigger else row.status or "heard only"
        lines.append(
            f"{row.label:<28} {row.code:<12} {status:<28} {row.agreement:<13} {_clock(evidence.start_s)} {evidence.text or ''}"
        )
    alarms = [window for window in analysis.alignment.windows if window.alarm]
    if alarms:
        places = ", ".join(_clock(window.start_s) for window in alarms)
        lines += ["", f"Listen again, the audio does not fit the transcript: {places}"]
    lines += ["", *analysis.warnings, f"{analysis.timings_s.total:.1f} s"]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _transcribe(arguments: argparse.Namespace) -> None:
    from medalign.analyzer import choose_device
    from medalign.audio import load_recording
    from medalign.transcription import Transcriber

    _check_output(arguments.json)
    recording = load_recording(arguments.audio)
    transcript = Transcriber(arguments.asr, device=choose_device(arguments.device)).transcribe(recording)
    if arguments.json is not None:
        body = {"language": transcript.language, "text": transcript.text, **asdict(transcript), "disclaimer": DISCLAIMER}
        _write_json(body, arguments.json)
    if str(arguments.json) != "-":
        print("\n".join(f"[{_clock(s.start_s)}] {s.text}" for s in transcript.segments) or "No speech detected.")


def _train(arguments: argparse.Namespace) -> None:
    from medalign.training.recipe import train_student
    from medalign.training.train import TrainConfig

    config = TrainConfig() if arguments.steps is None else TrainConfig(n_steps=arguments.steps)
    figures = train_student(arguments.data, arguments.cache, arguments.out, n_takes=arguments.takes, config=config)
    print(json.dumps(figures, indent=2))


def _calibrate(arguments: argparse.Namespace) -> None:
    from medalign.training.calibration import calibrate_student

    figures = calibrate_student(arguments.data, arguments.cache, student_name=arguments.student, asr=arguments.asr)
    print(json.dumps(figures, indent=2))


def _evaluate(arguments: argparse.Namespace) -> None:
    from medalign.training.recipe import evaluate_student

    _check_output(arguments.json)
    figures = evaluate_student(
        arguments.data, arguments.cache, student_name=arguments.student, snr_db=arguments.snr_db
    )
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        _write_json(figures, arguments.json)


def _bench(arguments: argparse.Namespace) -> None:
    from medalign.benchmark import benchmark

    _check_output(arguments.json)
    figures = benchmark(_load_analyzer(arguments), arguments.speech)
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        _write_json(figures, arguments.json)


def _check_output(path: Path | None) -> None:
    """Better to find out before minutes of work than after."""
    if path is None or str(path) == "-":
        return
    folder = path.absolute().parent
    try:
        exists = folder.is_dir()
    except OSError as error:
        raise MedAlignError(f"can't write {path} ({error.strerror}); choose another place") from error
    if not exists:
        raise MedAlignError(f"can't write {path}: the folder {folder} does not exist; create it first")


def _write_json(body: dict, path: Path) -> None:
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MedAlignError(f"can't write {path} ({error.strerror}); choose another place") from error


if __name__ == "__main__":
    sys.exit(main())
