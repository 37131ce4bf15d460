"""Commands of the status classifier: train it, and measure it beside the rules."""

import argparse
from pathlib import Path

from medalign.cli.options import Commands, field_options, fields_of, figures_option, tell, write_json, write_text
from medalign.core.model_options import ModelOptions
from medalign.core.provenance import PROVENANCE, provenance
from medalign.training.recipe import StatusRecipe


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    train = commands.add_parser("train-status", help="train the classifier of the status of mentions (present, negated, ...)")
    train.add_argument(
        "--data", type=Path, help="folder with primock57/, aci_bench/, mts_dialog/: conversations whose mentions are labelled"
    )
    train.add_argument("--output", type=Path, required=True, help="folder for weights, configuration and card")
    field_options(train, StatusRecipe)
    train.add_argument("--device", default=ModelOptions.device, help="auto, cpu or cuda")
    train.set_defaults(command=_train)

    measure = commands.add_parser("measure-status", help="how often the status is right: by rules, by classifier, by both")
    measure.add_argument("--classifier", type=Path, help="folder of `medalign train-status` (default: the shipped one)")
    measure.add_argument(
        "--cases", type=Path, action="append", default=[], help="CSV with text, concept, right_status; may be repeated"
    )
    measure.add_argument("--data", type=Path, help="folder with primock57/: its annotated consultations, too")
    measure.add_argument("--annotations", choices=("develop", "report"), default="develop")
    measure.add_argument("--errors", action="store_true", help="list what is wrong")
    figures_option(measure)
    measure.set_defaults(command=_measure)


def _train(arguments: argparse.Namespace) -> None:
    from medalign.models.device import choose_device
    from medalign.training.model_card import status_card
    from medalign.training.status.train_status import train_status

    recipe = fields_of(StatusRecipe, arguments)
    device = choose_device(arguments.device)
    figures = train_status(recipe, arguments.output, data=arguments.data, device=device)
    write_json({PROVENANCE: provenance(), **figures}, arguments.output / "training.json")
    write_text(status_card(figures), arguments.output / "README.md")


def _measure(arguments: argparse.Namespace) -> None:
    from medalign.concepts import ConceptBank
    from medalign.models.status_classifier import StatusClassifier
    from medalign.training.data.consultations import read_consultations
    from medalign.training.data.facts import ANNOTATIONS, read_facts
    from medalign.training.status.measure_status import counts_only, measure_annotated, measure_cases

    bank, classifier = ConceptBank.default(), StatusClassifier.load(arguments.classifier)
    figures: dict = {path.stem: measure_cases(path, bank, classifier) for path in arguments.cases}
    if arguments.data:
        facts = read_facts(ANNOTATIONS / f"{arguments.annotations}.csv")
        figures[arguments.annotations] = measure_annotated(facts, read_consultations(arguments.data), bank, classifier)
    tell(figures if arguments.errors else counts_only(figures), arguments.json)
