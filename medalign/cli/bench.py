"""Commands that time: an analysis beside its recogniser, ways of decoding, other programs, and training on this machine."""

import argparse
import json
from pathlib import Path

from medalign.cli.options import Commands, answer, cache_option, json_option, model_options, positive, tell

PEOPLE = ("librispeech_test_other", "hifitts_6097")  # folders of DATA/speech: people reading aloud


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    bench = commands.add_parser("bench", help="time, memory and word errors on the bundled examples; more by name")
    model_options(bench, asr=True, teacher=True, student=True)
    bench.add_argument(
        "--speech", type=Path, action="append", default=[],
        help="folder with manifest.csv (path, text): its word error rate is added; may be given again",
    )  # fmt: skip
    bench.add_argument(
        "--throughput", action="store_true",
        help="instead: seconds of sound that the student hears in a second, pairs that it learns from in a second, and memory",
    )  # fmt: skip
    json_option(bench, "the figures")
    bench.set_defaults(command=_bench)
    what = bench.add_subparsers(metavar="WHAT", help="instead: (default: an analysis beside its recogniser)")

    decoding = what.add_parser("decoding", help="what each way of decoding costs and gets right")
    decoding.add_argument("data", metavar="DATA", type=Path, help=f"folder with speech/{' and speech/'.join(PEOPLE)}")
    decoding.add_argument("--recordings", type=positive, default=6, help="of each source (default: 6)")
    json_option(decoding, "the figures")
    cache_option(decoding)
    decoding.set_defaults(command=_decoding)

    peers = what.add_parser("peers", help="the analysis beside faster-whisper alone and transformers' pipeline, same weights")
    json_option(peers, "the figures")
    peers.set_defaults(command=_peers)


def _bench(arguments: argparse.Namespace) -> None:
    if arguments.throughput:
        from medalign.models.device import choose_device
        from medalign.models.student import Student
        from medalign.training.throughput import measure_throughput

        device = choose_device(arguments.device)
        figures = measure_throughput(Student.from_pretrained(arguments.student, device=device), device)
    else:
        from medalign.pipeline.analyzer import Analyzer
        from medalign.pipeline.benchmark import benchmark

        names = {"asr": arguments.asr, "teacher": arguments.teacher, "student": arguments.student}
        figures = benchmark(Analyzer.default(**names, device=arguments.device), arguments.speech)
    answer(figures, arguments.json, [json.dumps(figures, indent=2)])


def _decoding(arguments: argparse.Namespace) -> None:
    from medalign.training.fitting.decoding_metrics import measure_decoding, speech_to_decode

    spoken = speech_to_decode([arguments.data / "speech" / name for name in PEOPLE], arguments.recordings)
    tell(measure_decoding(spoken, arguments.cache), arguments.json)


def _peers(arguments: argparse.Namespace) -> None:
    from medalign.pipeline.peers import measure_peers

    tell(measure_peers(), arguments.json)
