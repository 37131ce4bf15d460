"""What commands share: options, and how results are written."""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from time import monotonic
from types import NoneType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from medalign.core.errors import MedAlignError
from medalign.core.model_options import ModelOptions, flag_of
from medalign.core.provenance import PROVENANCE, provenance

T = TypeVar("T")
Commands = argparse._SubParsersAction  # what `add_commands` of each module is given
TELL_EVERY_S = 10.0
DEFAULT_CACHE = Path("runs/cache")


class Manual(argparse.RawDescriptionHelpFormatter):
    """Keeps the layout of the manual, and shows every default that says something."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if action.default in (None, False, "", [], argparse.SUPPRESS) or "(default" in text:
            return text
        return f"{text} (default: %(default)s)".strip()


def manual(name: str) -> dict[str, Any]:
    """Arguments of `add_parser` for a command with a longer page of the manual, which --help shows under its options."""
    page = files("medalign.cli") / "manual" / f"{name}.txt"
    return {"formatter_class": Manual, "epilog": page.read_text(encoding="utf-8")}


def field_options(command: argparse._ActionsContainer, of: type, *names: str) -> None:
    """Options for fields of a dataclass, with the types, choices, defaults and help that it has; for all that have a help, or
    those named.
    """
    hints, defaults, known = get_type_hints(of), of(), {field.name: field for field in fields(of)}
    for name in names or [name for name, field in known.items() if field.metadata.get("help")]:
        flag, text = flag_of(known[name]), known[name].metadata["help"]
        kind = next((part for part in get_args(hints[name]) if part is not NoneType), hints[name])
        metavar = flag.removeprefix("--").replace("-", "_").upper()
        how: dict[str, Any] = {"type": kind, "default": getattr(defaults, name), "metavar": metavar}
        if hints[name] is bool:
            how = {"action": "store_true"}
        elif get_origin(hints[name]) is Literal:
            how = {"choices": get_args(hints[name]), "default": getattr(defaults, name)}
        elif get_origin(hints[name]) is tuple:
            how |= {"action": "append", "default": []}
        command.add_argument(flag, dest=name, help=text, **how)


def fields_of(of: type[T], arguments: argparse.Namespace, **others: object) -> T:
    """The dataclass with what `field_options` read, and with `others`."""
    found = given(arguments, *(field.name for field in fields(cast(Any, of)) if hasattr(arguments, field.name)))
    return of(**{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()} | others)


def model_options(command: argparse.ArgumentParser, *, asr: bool = False, teacher: bool = False, student: bool = False) -> None:
    """The option for the device, and those for the models that are asked for."""
    asked = [name for name, is_asked in (("asr", asr), ("teacher", teacher), ("student", student)) if is_asked]
    field_options(command, ModelOptions, *asked, "device")


def given(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Options by name, for a function that calls them the same."""
    return {name: getattr(arguments, name) for name in names}


def models_of(arguments: argparse.Namespace) -> ModelOptions:
    """What `model_options` added, read back; the defaults where a command has not all of them."""
    return fields_of(ModelOptions, arguments)


def json_option(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--json", metavar="OUT", type=Path, help=f"write {what} here ('-' is standard output)")


def figures_option(command: argparse.ArgumentParser) -> None:
    """For commands that `tell` figures."""
    command.add_argument("--json", metavar="OUT", type=Path, help="write the figures here")


def noise_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--snr-db", type=float, action="append", default=[], help="also in pink noise at this ratio; may be repeated"
    )


def cache_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help=f"features are kept here (default: {DEFAULT_CACHE})")


def check_output(path: Path | None) -> None:
    """Raises MedAlignError if nothing can be written there; '-' is standard output."""
    if path is None or str(path) == "-":
        return
    folder = path.absolute().parent
    try:
        exists, is_folder = folder.is_dir(), path.is_dir()
    except OSError as error:
        raise MedAlignError(f"can't write {path} ({error.strerror}); choose another place") from error
    if is_folder:
        raise MedAlignError(f"can't write {path}: it is a folder; give the name of a file")
    if not exists:
        raise MedAlignError(f"can't write {path}: the folder {folder} does not exist; create it first")


def answer(body: dict | list, path: Path | None, lines: Iterable[str]) -> None:
    """The whole as JSON, where `--json` asks for it; the lines on standard output, unless the JSON went there."""
    if path is not None:
        write_json(body, path)
    if str(path) != "-":
        print("\n".join(lines))


def write_json(body: dict | list, path: Path, indent: int | None = 2) -> None:
    text = json.dumps(body, indent=indent, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    write_text(text, path)


def write_text(text: str, path: Path) -> None:
    """As UTF-8, with the line ends that the text has."""
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise MedAlignError(f"can't write {path} ({error.strerror}); choose another place") from error


def tell(figures: dict, path: Path | None) -> None:
    """Print figures with their date, machine and data; also as a file, if one is given."""
    figures = {PROVENANCE: provenance(), **figures}
    print(json.dumps(figures, indent=2))
    if path is not None:
        write_json(figures, path)


class Sometimes:
    """Says when to tell how far something is: at first, when there is news, and every ten seconds."""

    def __init__(self) -> None:
        self._told, self._at = object(), -math.inf

    def __call__(self, news: object = None) -> bool:
        """Whether to tell now; `news` differs from the last where there is something new."""
        now = monotonic()
        if news == self._told and now - self._at < TELL_EVERY_S:
            return False
        self._told, self._at = news, now
        return True


def positive(text: str) -> int:
    """A whole number from 1 on, as an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 on")
    return int(text)


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are as wide as their longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
