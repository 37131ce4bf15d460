"""Commands that time: an analysis beside its recogniser, ways of decoding, other programs, and training on this machine."""

import argparse
import json
from pathlib import Path

from medalign.cli.options import Commands, answer, cache_option, figures_option, json_option, model_options, positive, tell
from medalign.core.assets import EXAMPLES
from medalign.core.errors import MedAlignError

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
    what = bench.add_subparsers(metavar="WHAT", help="what to measure instead (default: an analysis beside its recogniser)")

    decoding = what.add_parser("decoding", help="what each way of decoding costs and gets right")
    decoding.add_argument("data", metavar="DATA", type=Path, help=f"folder with speech/{' and speech/'.join(PEOPLE)}")
    decoding.add_argument("--recordings", type=positive, default=6, help="recordings of each source (default: 6)")
    json_option(decoding, "the figures")
    cache_option(decoding)
    decoding.set_defaults(command=_decoding)

    peers = what.add_parser("peers", help="the analysis beside faster-whisper alone and transformers' pipeline, same weights")
    json_option(peers, "the figures")
    peers.set_defaults(command=_peers)

    scale = what.add_parser("scale", help="processor time and memory by length of the recording and by number of concepts")
    scale.add_argument("--minutes", type=positive, nargs="*", default=[5, 15, 30, 60], help="lengths (default: 5 15 30 60)")
    figures_option(scale)
    scale.set_defaults(command=_scale)

    training = what.add_parser("training", help="a step of training beside a plain one as the published code takes it")
    training.add_argument(
        "--manifest",
        type=Path,
        default=EXAMPLES / "manifest.csv",
        help="manifest of the training pairs (default: the examples')",
    )
    training.add_argument(
        "--batch-size", type=positive, nargs="+", default=[8, 16, 32], help="batch sizes, in pairs (default: 8 16 32)"
    )
    figures_option(training)
    training.set_defaults(command=_training)

    status = what.add_parser("status", help="our reading of what is denied, past or planned beside medspaCy and negspaCy")
    status.add_argument("python", metavar="PYTHON", help="Python interpreter of an environment with medspacy and negspacy")
    status.add_argument(
        "--cases", type=Path, action="append", default=[], help="CSV with text, concept, right_status; may be repeated"
    )
    status.add_argument("--data", type=Path, help="folder with primock57/ and aci_bench/: their annotated consultations, too")
    status.add_argument("--annotations", choices=("develop", "report"), default="report")
    figures_option(status)
    status.set_defaults(command=_status)


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


def _scale(arguments: argparse.Namespace) -> None:
    from medalign.pipeline.scale import measure_scale

    tell(measure_scale(arguments.minutes), arguments.json)


def _training(arguments: argparse.Namespace) -> None:
    from medalign.training.published_step import measure_training

    tell(measure_training(arguments.manifest, arguments.batch_size), arguments.json)


def _status(arguments: argparse.Namespace) -> None:
    from medalign.concepts import ConceptBank
    from medalign.models.status_classifier import StatusClassifier
    from medalign.training.data.consultations import read_consultations
    from medalign.training.data.facts import ANNOTATIONS, read_facts
    from medalign.training.status.status_peers import cases_of_facts, cases_of_table, measure_status_peers

    bank, classifier = ConceptBank.default(), StatusClassifier.load()
    tables = {path.stem: cases_of_table(path, bank, classifier) for path in arguments.cases}
    if arguments.data:
        facts = read_facts(ANNOTATIONS / f"{arguments.annotations}.csv")
        cases = cases_of_facts(facts, read_consultations(arguments.data), bank, classifier)
        tables |= {arguments.annotations: cases, "stated": [case for case in cases if not case.is_asked]}
    tables = {name: cases for name, cases in tables.items() if cases}
    if not tables:
        raise MedAlignError("there is nothing to read; give --cases or --data")
    tell(measure_status_peers(tables, arguments.python), arguments.json)
