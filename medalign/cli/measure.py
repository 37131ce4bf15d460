"""Commands that measure: students with intervals, extraction against clinicians' notes, and what part of a recipe helps."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli.observing import level_name, observer
from medalign.cli.options import (
    Commands,
    cache_option,
    check_output,
    figures_option,
    given,
    model_options,
    noise_option,
    positive,
    tell,
    write_text,
)
from medalign.core.errors import MedAlignError

if TYPE_CHECKING:
    from medalign.training.data.consultations import Split


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    evaluate = commands.add_parser(
        "evaluate", help="figures of students on a manifest's validation rows, or of arrays of any model, with intervals"
    )
    evaluate.add_argument(
        "manifest", metavar="MANIFEST", type=Path,
        help="or ARRAYS.npz: group (n,), and any of scores, truth, probability (n, k), audio, text (n, d), text_id (n,)",
    )  # fmt: skip
    evaluate.add_argument("--task", action="append", default=[], help="with arrays: run only this task; may be repeated")
    evaluate.add_argument("--page", metavar="OUT", type=Path, help="write the table and the curves as a page (HTML) here")
    evaluate.add_argument(
        "--student", action="append", help="checkpoint folder or Hub name; once per seed (default: the shipped one)"
    )
    evaluate.add_argument("--snr-db", type=float, help="add pink noise at this signal-to-noise ratio")
    evaluate.add_argument("--in-stream", action="store_true", help="cut from whole recordings, as an analysis does; faster")
    evaluate.add_argument("--only", default="", help="groups whose name starts with this")
    evaluate.add_argument("--bf16", action="store_true", help="encode in half precision: faster, figures differ by a little")
    figures_option(evaluate)
    cache_option(evaluate)
    evaluate.set_defaults(command=_evaluate)

    ablate = commands.add_parser("ablate", help="train arms that differ in one thing, on a small budget, and compare them")
    ablate.add_argument("manifest", metavar="MANIFEST", type=Path)
    ablate.add_argument("--arms", choices=("objective", "encoder"), default="objective")
    ablate.add_argument("--arm", action="append", default=[], help="only this arm; may be repeated")
    ablate.add_argument("--out", type=Path, required=True, help="folder of the runs; a rerun does what is missing")
    ablate.add_argument("--steps", type=int, default=150)
    ablate.add_argument("--batch-size", type=int, default=96)
    ablate.add_argument("--seeds", type=positive, default=3)
    ablate.add_argument("--bf16", action="store_true", help="frames and matrix products in half precision: cheaper arms")
    ablate.add_argument("--only", default="", help="groups whose name starts with this")
    ablate.add_argument("--page", metavar="OUT", type=Path, help="write bars with their range over the seeds (HTML) here")
    figures_option(ablate)
    cache_option(ablate)
    ablate.set_defaults(command=_ablate)

    coverage = commands.add_parser("coverage", help="what is found of annotated facts, and where the rest is lost")
    source = coverage.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with primock57/ and aci_bench/")
    source.add_argument("--written", metavar="FOLDER", type=Path, help="consultations that were written with their facts")
    coverage.add_argument("--annotations", choices=("develop", "report"), default="report")
    coverage.add_argument("--speech", type=Path, help="their spoken takes: measured after recognition and fusion, too")
    noise_option(coverage)
    figures_option(coverage)
    model_options(coverage, student=True, asr=True)
    cache_option(coverage)
    coverage.set_defaults(command=_coverage)

    _add_numbers(commands)


def _add_numbers(commands: Commands) -> None:
    numbers = commands.add_parser("numbers", help="how well spoken numbers are read, by a table of expressions")
    numbers.add_argument(
        "expressions", metavar="EXPRESSIONS", type=Path, nargs="+", help="CSV: text, expected (kind|value|unit|about; ...)"
    )
    numbers.add_argument("--errors", action="store_true", help="list what is wrong, text by text")
    figures_option(numbers)
    numbers.set_defaults(command=_numbers)


def _numbers(arguments: argparse.Namespace) -> None:
    from medalign.concepts import ConceptBank
    from medalign.training.fitting.number_metrics import measure_numbers, read_expressions

    tables = {path.stem: read_expressions(path) for path in arguments.expressions}
    bank = ConceptBank.default()
    figures = measure_numbers([row for rows in tables.values() for row in rows], bank, with_errors=arguments.errors)
    if len(tables) > 1:
        figures["tables"] = {name: measure_numbers(rows, bank) for name, rows in tables.items()}
    tell(figures, arguments.json)


def _coverage(arguments: argparse.Namespace) -> None:
    from medalign.concepts import ConceptBank
    from medalign.training.data.consultations import read_consultations
    from medalign.training.data.facts import ANNOTATIONS, read_facts
    from medalign.training.data.written import read_written
    from medalign.training.fitting.fact_metrics import measure_facts, observed_rows
    from medalign.training.fitting.speaker_metrics import measure_speakers

    if arguments.written:
        if arguments.speech:
            raise MedAlignError("--written has no spoken takes; leave out --speech, or measure on --data")
        written = read_written(arguments.written)
        told = [fact for one in written for fact in one.facts]
        tell(measure_facts(told, [one.consultation for one in written], ConceptBank.default()), arguments.json)
        return
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


def _evaluate(arguments: argparse.Namespace) -> None:
    from medalign.evaluation.suite import evaluate_file
    from medalign.report.evaluation_page import evaluation_page
    from medalign.training.fitting.student_metrics import Hearing, evaluate_students

    check_output(arguments.page)
    if arguments.manifest.suffix == ".npz":
        figures = tasks = evaluate_file(arguments.manifest, arguments.task)
    elif arguments.task:
        raise MedAlignError("--task chooses among what arrays allow; leave it out with a manifest, or give ARRAYS.npz")
    else:
        hearing = Hearing(**given(arguments, "in_stream", "snr_db", "bf16"))
        names, with_curves = arguments.student or ["default"], arguments.page is not None
        figures = evaluate_students(
            arguments.manifest, names, arguments.cache, only=arguments.only, hearing=hearing, with_curves=with_curves
        )
        tasks = figures.get("tasks", {})
    tell(figures, arguments.json)
    if arguments.page:
        write_text(evaluation_page(arguments.manifest.name, tasks), arguments.page)


def _ablate(arguments: argparse.Namespace) -> None:
    from medalign.report.evaluation_page import ablation_page
    from medalign.training.ablation import ENCODER_ARMS, OBJECTIVE_ARMS, run_ablation
    from medalign.training.recipe import TrainConfig

    check_output(arguments.page)
    arms = {"objective": OBJECTIVE_ARMS, "encoder": ENCODER_ARMS}[arguments.arms]
    if unknown := [name for name in arguments.arm if name not in arms]:
        raise MedAlignError(f"unknown arm '{unknown[0]}'; the arms are: {', '.join(arms)}")
    n = arguments.steps
    config = TrainConfig(n_steps=n, validate_every=n, save_every=n, **given(arguments, "batch_size", "bf16"))
    chosen, seeds = {name: arms[name] for name in arguments.arm or arms}, range(arguments.seeds)
    places = arguments.out, arguments.cache
    results = run_ablation(arguments.manifest, chosen, *places, config=config, seeds=seeds, only=arguments.only)
    tell(results, arguments.json)
    if arguments.page:
        write_text(ablation_page(f"Ablation: {arguments.arms}", results), arguments.page)
