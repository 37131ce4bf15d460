"""Measurements behind the published results: `python tests/measure.py COMMAND --help`, in a checkout.

Not tests: `coverage`, `numbers` and `status` compare what is read in words with annotations made by reading; `ablate` trains
arms that differ in one thing. What measures a student of the user's own is a command of MedAlign itself (`medalign evaluate`).
"""

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from ablation import ENCODER_ARMS, OBJECTIVE_ARMS, run_ablation
from fact_metrics import measure_facts, observed_rows
from number_metrics import measure_numbers, read_expressions
from speaker_metrics import measure_speakers
from status_metrics import counts_only, measure_annotated, measure_cases

from medalign import cli
from medalign.cli.observing import level_name, observer
from medalign.cli.options import Commands, cache_option, model_options, tell
from medalign.concepts import ConceptBank
from medalign.core.errors import MedAlignError
from medalign.models.status_classifier import StatusClassifier
from medalign.training.data.consultations import Split, read_consultations
from medalign.training.data.facts import ANNOTATIONS, read_facts
from medalign.training.recipe import TrainConfig


def main(argv: list[str] | None = None) -> int:
    """The exit status, as `medalign.cli.main`."""
    return cli.main(argv, modules=(sys.modules[__name__],))


def add_commands(commands: Commands) -> None:
    coverage = _command(commands, "coverage", _coverage, "what is found of annotated facts, and where the rest is lost")
    coverage.add_argument("--data", type=Path, required=True, help="folder with primock57/ and aci_bench/")
    coverage.add_argument("--annotations", choices=("develop", "report"), default="report")
    coverage.add_argument("--speech", type=Path, help="their spoken takes: measured after recognition and fusion, too")
    coverage.add_argument("--snr-db", type=float, action="append", default=[], help="also in pink noise; may be repeated")
    model_options(coverage, student=True, asr=True)
    cache_option(coverage)

    numbers = _command(commands, "numbers", _numbers, "how well spoken numbers are read, by a table of expressions")
    numbers.add_argument("expressions", type=Path, nargs="+", help="CSV: text, expected (kind|value|unit|about; ...)")
    numbers.add_argument("--errors", action="store_true", help="list what is wrong, text by text")

    status = _command(commands, "status", _status, "how often the status is right: by rules, by classifier, by both")
    status.add_argument("--classifier", type=Path, help="folder of `medalign train-status` (default: the shipped one)")
    cases = "CSV with text, concept, right_status; may be repeated"
    status.add_argument("--cases", type=Path, action="append", default=[], help=cases)
    status.add_argument("--data", type=Path, help="folder with primock57/: its annotated consultations, too")
    status.add_argument("--annotations", choices=("develop", "report"), default="develop")
    status.add_argument("--errors", action="store_true", help="list what is wrong")

    ablate = _command(commands, "ablate", _ablate, "train arms that differ in one thing, on a small budget, and compare them")
    ablate.add_argument("manifest", type=Path)
    ablate.add_argument("--arms", choices=("objective", "encoder"), default="objective")
    ablate.add_argument("--arm", action="append", default=[], help="only this arm; may be repeated")
    ablate.add_argument("--out", type=Path, required=True, help="folder of the runs; a rerun does what is missing")
    ablate.add_argument("--steps", type=int, default=150)
    ablate.add_argument("--batch-size", type=int, default=96)
    ablate.add_argument("--seeds", type=int, default=3)
    ablate.add_argument("--bf16", action="store_true", help="frames and matrix products in half precision: cheaper arms")
    ablate.add_argument("--only", default="", help="groups whose name starts with this")
    cache_option(ablate)


def _command(commands: Commands, name: str, run, what: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=what)
    command.add_argument("--json", metavar="OUT", type=Path, help="write the figures here")
    command.set_defaults(command=run)
    return command


def _coverage(arguments: argparse.Namespace) -> None:
    facts = read_facts(ANNOTATIONS / f"{arguments.annotations}.csv")
    observed, speakers = {}, {}
    if arguments.speech:
        analyzer, observe = observer(arguments, corrections=True)
        ids = tuple(sorted({fact.consultation_id for fact in facts}))
        split: Split = "valid" if arguments.annotations == "report" else "train"
        for snr_db in (None, *arguments.snr_db):
            observations = list(observe(ids, snr_db, split=split))
            observed[level_name(snr_db)] = observed_rows(observations, analyzer.listener)
            speakers[level_name(snr_db)] = {"speakers": measure_speakers([(o.take, o.transcript) for o in observations])}
    figures = measure_facts(facts, read_consultations(arguments.data), ConceptBank.default(), observed)
    tell(figures | {level: figures[level] | of_level for level, of_level in speakers.items()}, arguments.json)


def _numbers(arguments: argparse.Namespace) -> None:
    tables = {path.stem: read_expressions(path) for path in arguments.expressions}
    bank = ConceptBank.default()
    figures = measure_numbers([row for rows in tables.values() for row in rows], bank, with_errors=arguments.errors)
    if len(tables) > 1:
        figures["tables"] = {name: measure_numbers(rows, bank) for name, rows in tables.items()}
    tell(figures, arguments.json)


def _status(arguments: argparse.Namespace) -> None:
    bank, classifier = ConceptBank.default(), StatusClassifier.load(arguments.classifier)
    figures: dict = {path.stem: measure_cases(path, bank, classifier) for path in arguments.cases}
    if arguments.data:
        facts = read_facts(ANNOTATIONS / f"{arguments.annotations}.csv")
        figures[arguments.annotations] = measure_annotated(facts, read_consultations(arguments.data), bank, classifier)
    tell(figures if arguments.errors else counts_only(figures), arguments.json)


def _ablate(arguments: argparse.Namespace) -> None:
    arms = {"objective": OBJECTIVE_ARMS, "encoder": ENCODER_ARMS}[arguments.arms]
    if unknown := [name for name in arguments.arm if name not in arms]:
        raise MedAlignError(f"unknown arm '{unknown[0]}'; the arms are: {', '.join(arms)}")
    steps = arguments.steps
    config = TrainConfig(steps, arguments.batch_size, validate_every=steps, save_every=steps, bf16=arguments.bf16)
    figures = run_ablation(
        arguments.manifest,
        {name: arms[name] for name in arguments.arm or arms},
        arguments.out,
        arguments.cache,
        config=config,
        seeds=range(arguments.seeds),
        only=arguments.only,
    )
    tell(figures, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
