"""The command that puts two models side by side on one recording: compare."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from medalign.cli.options import Commands, Manual, answer, json_option, model_options, models_of
from medalign.cli.progress import Progress
from medalign.core.analysis import DISCLAIMER, SCHEMA_VERSION, Analysis, ConceptFinding
from medalign.core.wording import clock, frequency, size

if TYPE_CHECKING:
    from medalign.core.audio import Recording
    from medalign.pipeline.footprint import Footprint
    from medalign.report.comparison import Candidate, Comparison

KINDS = {
    "status": "another status",
    "only_a": "only a",
    "only_b": "only b",
    "source": "another source",
    "certainty": "other odds",
}


def add_commands(commands: Commands) -> None:
    """Add it to the subparsers of the command line."""
    compare = commands.add_parser(
        "compare",
        help="two models on one recording: what differs, how long each takes, what it weighs",
        formatter_class=Manual,
        description="A candidate is 'shipped (tiny.en)', 'shipped with base', 'unaligned encoder', or what differs from the\n"
        "models in use, such as 'asr=base,student=runs/first'; roles are asr, teacher and student. --asr, --teacher and\n"
        "--student say which models are in use; with others than the shipped ones, 'in use' takes the place of 'shipped'.",
    )
    compare.add_argument("audio", metavar="AUDIO", help="recording: wav, mp3, m4a, mp4, ogg, webm or flac")
    compare.add_argument("--a", metavar="SPEC", help="first model (default: the models in use)")
    compare.add_argument("--b", metavar="SPEC", required=True, help="second model")
    json_option(compare, "all differences")
    model_options(compare, asr=True, teacher=True, student=True)
    compare.set_defaults(command=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    from medalign.core.audio import load_recording
    from medalign.report.comparison import candidates, compare, parse_candidate

    in_use = models_of(arguments)
    sides = [parse_candidate(name, in_use) for name in (arguments.a or candidates(in_use)[0].name, arguments.b)]
    recording = load_recording(arguments.audio)  # a bad file is refused before any model is loaded
    (a, a_bytes), (b, b_bytes) = (_analyze(side, recording, arguments.device) for side in sides)
    comparison = compare(a, b)
    body: dict = {"schema_version": SCHEMA_VERSION, "recording": asdict(a.recording)}
    lines = [DISCLAIMER]
    for side, candidate, analysis, weights in zip("ab", sides, (a, b), (a_bytes, b_bytes), strict=True):
        models, timings_s = asdict(analysis.models), asdict(analysis.timings_s)
        body[side] = {"name": candidate.name, "models": models, "timings_s": timings_s, "weights_bytes": asdict(weights)}
        lines.append(f"{side}: {candidate.name}: {analysis.timings_s.total:.1f} s, {size(weights.total)} of weights")
    body |= {**asdict(comparison), "disclaimer": DISCLAIMER}
    answer(body, arguments.json, [*lines, *_differences(comparison)])


def _analyze(candidate: "Candidate", recording: "Recording", device: str) -> "tuple[Analysis, Footprint]":
    """The analysis and the weights; the models are let go before the next ones are loaded."""
    from medalign.pipeline.analyzer import Analyzer
    from medalign.pipeline.footprint import footprint

    models = {"asr": candidate.asr, "teacher": candidate.teacher, "student": candidate.student}
    analyzer, progress = Analyzer.default(**models, device=device), Progress()
    progress(f"Analysing with {candidate.name}")
    return progress.analyzed(analyzer, recording), footprint(analyzer)


def _differences(comparison: "Comparison") -> list[str]:
    """A few lines for a terminal; the JSON has everything."""
    if comparison.are_equal:
        return ["", "Nothing differs."]
    differing = [row for row in comparison.concepts if row.kind != "same"]
    lines = ["", f"Concepts that differ: {len(differing)} of {len(comparison.concepts)}"]
    lines += [f"{row.label:<28} {KINDS[row.kind]:<16} a: {_in_words(row.a):<46} b: {_in_words(row.b)}" for row in differing]
    lines += ["", f"Words that differ: {comparison.n_words_differing}"]
    return lines + [
        f"[{clock(stretch.start_s)}] a: {stretch.a or '(nothing)'}   b: {stretch.b or '(nothing)'}"
        for stretch in comparison.stretches
        if not stretch.same
    ]


def _in_words(row: ConceptFinding | None) -> str:
    if row is None:
        return "not found"
    odds = f", {frequency(row.probability)}" if row.probability is not None else ""
    return f"{row.status or 'heard only'} ({row.agreement.replace('_', ' ')}{odds})"
