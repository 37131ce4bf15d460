"""Commands that make students: from text to speech, to pairs, to a checkpoint."""

import argparse
import json
from dataclasses import fields
from pathlib import Path

from medalign.cli.options import Commands, cache_option, check_output, field_options, fields_of, given, manual
from medalign.core.errors import DataError, MedAlignError
from medalign.models.adapter_config import AdapterConfig
from medalign.training.recipe import LossWeights, Recipe, TrainConfig


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    _add_making(commands)
    _add_publishing(commands)


def _add_making(commands: Commands) -> None:
    synthesize = commands.add_parser(
        "synthesize", help="speak consultations and write a training manifest", **manual("synthesize")
    )
    synthesize.add_argument("--data", type=Path, help="folder with primock57/, aci_bench/ or mts_dialog/")
    synthesize.add_argument(
        "--out", type=Path, required=True, help="folder for audio and manifest.csv; a rerun continues in it"
    )
    synthesize.add_argument("--takes", type=int, default=1, help="renderings of each training consultation")
    synthesize.add_argument("--voices", type=_names, help="training voices, separated by commas")
    synthesize.add_argument("--valid-voices", type=_names, help="voices of validation, none of the training voices")
    synthesize.add_argument("--practice", type=int, default=0, metavar="N", help="also speak every concept of the bank N times")
    synthesize.add_argument(
        "--terms", action="store_true", help="also speak each medicine and disease once, for `misheard-names`"
    )
    synthesize.add_argument("--only", default="", help="consultations whose identifier starts with this")
    synthesize.add_argument("--seed", type=int, default=0, help="draws voices, rates, pitches and pauses")
    synthesize.set_defaults(command=_synthesize)

    reports = commands.add_parser("reports", help="turn metadata of body sounds into short clinical reports, as a manifest")
    reports.add_argument("metadata", metavar="METADATA", type=Path, help="CSV with a column path, one row per recording")
    reports.add_argument("--kind", required=True, choices=("heart", "lung", "cough", "everyday"))
    reports.add_argument(
        "--audio-root",
        type=Path,
        default=Path(),
        help="folder that the column path starts from, relative to METADATA's (default: METADATA's folder)",
    )
    reports.add_argument("--out", type=Path, required=True, help="the manifest to write")
    reports.add_argument(
        "--withhold", action="append", default=[], metavar="COLUMN", help="leave it out of the reports; may be repeated"
    )
    reports.add_argument("--llm", help="folder or Hub name of a causal language model (default: templates)")
    reports.add_argument("--seed", type=int, default=0, help="draws the wordings")
    reports.set_defaults(command=_reports)

    train = commands.add_parser("train", help="align a student with its teacher on a manifest", **manual("train"))
    _train_options(train)
    train.set_defaults(command=_train)

    join = commands.add_parser("join", help="average runs on one encoder, such as seeds, into one student")
    join.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="checkpoint folders of `medalign train`")
    join.add_argument("--out", type=Path, required=True, help="folder of the joined student")
    join.add_argument("--weights", type=_numbers, help="how much each run counts, separated by commas (default: equally)")
    join.set_defaults(command=_join)


def _add_publishing(commands: Commands) -> None:
    card = commands.add_parser("card", help="rewrite a checkpoint's model card from the files in its folder")
    card.add_argument("folder", metavar="FOLDER", type=Path)
    card.set_defaults(command=_card)

    push = commands.add_parser("push", help="publish a checkpoint folder on the Hugging Face Hub")
    push.add_argument("folder", metavar="FOLDER", type=Path)
    push.add_argument("repository", metavar="OWNER/NAME")
    push.add_argument("--public", action="store_true", help="visible to everybody (default: private)")
    push.set_defaults(command=_push)


def _train_options(train: argparse.ArgumentParser) -> None:
    train.add_argument("manifest", metavar="MANIFEST", type=Path, help="CSV with a row per segment of audio; see below")
    train.add_argument(
        "--out", type=Path, required=True, help="folder of the new checkpoint; an unfinished run in it is resumed"
    )
    cache_option(train)
    models = train.add_argument_group("models")
    field_options(models, Recipe, "encoder", "teacher", "teacher_layer")
    field_options(models, AdapterConfig)
    loss = train.add_argument_group("objective")
    weights = "weights of the parts, 0 if not named; see below"
    loss.add_argument("--loss", type=_weights, default=LossWeights(), metavar="NAME=WEIGHT,...", help=weights)
    run = train.add_argument_group("run")
    steps = ("n_steps", "batch_size", "chunk_size", "peak_lr", "encoder_lr", "validate_every", "save_every", "seed")
    field_options(run, TrainConfig, *steps)
    run.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, help="matrix products in bfloat16 (default: on a GPU only)"
    )
    run.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    data = train.add_argument_group("data and augmentation")
    field_options(data, Recipe, "shared_texts", "renderings", "noise")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers such as 1,1,0.5") from None


def _weights(text: str) -> LossWeights:
    try:
        named = {
            name.strip().replace("-", "_"): float(weight) for name, weight in (part.split("=") for part in text.split(","))
        }
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form contrastive=1,cka=1") from error
    if unknown := sorted(set(named) - {field.name for field in fields(LossWeights)}):
        raise argparse.ArgumentTypeError(f"there is no part {', '.join(unknown)}; see below for those there are")
    try:
        return LossWeights.only(**named)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _synthesize(arguments: argparse.Namespace) -> None:
    from medalign.concepts import ConceptBank
    from medalign.training.data.consultations import read_consultations
    from medalign.training.data.synthesis import HELD_OUT_VOICES, TRAIN_VOICES, synthesize
    from medalign.training.data.vocabulary import practice_dialogues, term_dialogues

    if arguments.practice < 0:
        raise MedAlignError(f"--practice {arguments.practice}: give the number of times each concept is said, 0 or more")
    bank, seed = ConceptBank.default(), arguments.seed
    found = (
        *(read_consultations(arguments.data) if arguments.data else ()),
        *practice_dialogues(bank, arguments.practice, seed=seed),
        *(term_dialogues(bank, seed=seed) if arguments.terms else ()),
    )
    consultations = [c for c in found if c.consultation_id.startswith(arguments.only)]
    if not consultations:
        raise MedAlignError(
            f"no consultation in {arguments.data} starts with '{arguments.only}'; check --data, --practice, --terms and --only"
        )
    voices = {"train_voices": arguments.voices or TRAIN_VOICES, "valid_voices": arguments.valid_voices or HELD_OUT_VOICES}
    rows = synthesize(consultations, arguments.out, n_takes=arguments.takes, **voices, seed=arguments.seed)
    print(f"{arguments.out / 'manifest.csv'}: {len(rows)} rows of {len(consultations)} consultations")


def _reports(arguments: argparse.Namespace) -> None:
    from medalign.training.data.reports import write_reports

    check_output(arguments.out)
    how = given(arguments, "audio_root", "withhold", "llm", "seed")
    statuses = write_reports(arguments.metadata, arguments.kind, arguments.out, **how)
    print(f"{arguments.out}: " + ", ".join(f"{n} {status}" for status, n in sorted(statuses.items())))


def _train(arguments: argparse.Namespace) -> None:
    from medalign.models.device import choose_device
    from medalign.training.align import align

    if arguments.bf16 is None:
        arguments.bf16 = choose_device(arguments.device) == "cuda"
    recipe = fields_of(Recipe, arguments, train=fields_of(TrainConfig, arguments), adapter=fields_of(AdapterConfig, arguments))
    print(json.dumps(align(arguments.manifest, recipe, arguments.out, arguments.cache, device=arguments.device), indent=2))


def _join(arguments: argparse.Namespace) -> None:
    from medalign.training.ensemble import join_runs

    join_runs(arguments.runs, arguments.out, arguments.weights)


def _card(arguments: argparse.Namespace) -> None:
    from medalign.training.model_card import write_card

    write_card(arguments.folder)
    print(arguments.folder / "README.md")


def _push(arguments: argparse.Namespace) -> None:
    from medalign.models.student import Student

    print(Student.from_pretrained(str(arguments.folder)).push_to_hub(arguments.repository, private=not arguments.public))
