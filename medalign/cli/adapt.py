"""Commands of the teacher: adapt one to medicine, and measure how well teachers read."""

import argparse
from pathlib import Path

from medalign.cli.options import Commands, cache_option, field_options, fields_of, figures_option, manual, tell
from medalign.core.errors import MedAlignError
from medalign.core.model_options import ModelOptions
from medalign.training.recipe import AdaptRecipe, AdaptTraining


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    adapt = commands.add_parser("adapt", help="adapt a teacher to consultations and their notes", **manual("adapt"))
    adapt.add_argument("--data", type=Path, help="folder with primock57/, aci_bench/ or mts_dialog/: their training parts")
    adapt.add_argument(
        "--pairs",
        type=Path,
        action="append",
        default=[],
        metavar="CSV",
        help="pairs of your own, columns said, noted and perhaps wrong; may be repeated",
    )
    adapt.add_argument("--out", type=Path, required=True, help="folder of the teacher; an unfinished run in it is resumed")
    cache_option(adapt)
    field_options(adapt, AdaptRecipe)
    field_options(adapt, AdaptTraining, "n_steps", "batch_size", "chunk_size", "peak_lr", "seed", "bf16")
    adapt.add_argument("--device", default=ModelOptions.device, choices=("auto", "cpu", "cuda"))
    adapt.set_defaults(command=_adapt)

    measure = commands.add_parser("measure-teacher", help="how well teachers find what was said, tell denials, link concepts")
    measure.add_argument("--data", type=Path, required=True, help="folder with primock57/, aci_bench/ and mts_dialog/")
    measure.add_argument("--teacher", action="append", help="name or folder; the first is compared with (default: the general)")
    measure.add_argument("--annotations", choices=("develop", "report"), default="report")
    figures_option(measure)
    measure.set_defaults(command=_measure)


def _adapt(arguments: argparse.Namespace) -> None:
    from medalign.training.adaptation.adapt import adapt

    if arguments.data is None and not arguments.pairs:
        raise MedAlignError("nothing to learn from; give --data FOLDER, --pairs CSV, or both")
    recipe = fields_of(AdaptRecipe, arguments, train=fields_of(AdaptTraining, arguments))
    adapt(recipe, arguments.out, arguments.cache, data=arguments.data, pairs=arguments.pairs, device=arguments.device)
    print(arguments.out / "README.md")


def _measure(arguments: argparse.Namespace) -> None:
    from medalign.training.adaptation.measure import measure_teachers
    from medalign.training.data.consultations import read_consultations

    names = arguments.teacher or [ModelOptions.teacher]
    tell(measure_teachers(names, read_consultations(arguments.data), arguments.annotations), arguments.json)
