"""The figures of the repository as tables: `assets/results/README.md`, and a part of `README.md` and of the operators' page.

All are templates beside the figures, filled in from the JSON files that the commands wrote; no figure is typed by hand.
"""

import json
from pathlib import Path

from jinja2 import Environment, StrictUndefined, TemplateError

from medalign.core.errors import DataError
from medalign.core.provenance import PROVENANCE, without_provenance
from medalign.feedback.ranking import wilson

STUDENT = "whisper-tiny.en-minilm"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->"
PARTS = {"README.md": "summary.md.jinja", ".github/OPERATORS.md": "scale.md.jinja"}  # what stands between these lines
NOT_RECORDED = "not recorded"


def write_results(repository: Path) -> list[Path]:
    """Fill in all pages; the files that changed by it.

    Raises:
        DataError: this is no checkout of the repository, or a results file lacks a figure that a table needs.
    """
    pages = results_pages(repository)
    changed = [path for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.write_text(pages[path], encoding="utf-8")
    return changed


def results_pages(repository: Path) -> dict[Path, str]:
    """What the pages say by the JSON files: path -> text."""
    folder = repository / "assets" / "results"
    if not (folder.is_dir() and all((repository / page).is_file() for page in PARTS)):
        raise DataError(f"{repository} lacks assets/results, {' or '.join(PARTS)}; run this in a checkout of MedAlign")
    figures = load_figures(repository / "assets")
    pages = {repository / page: _with_part(repository / page, _fill(folder / name, figures)) for page, name in PARTS.items()}
    return pages | {folder / "README.md": _fill(folder / "README.md.jinja", figures)}


def _with_part(page: Path, part: str) -> str:
    """The page with this between its two lines."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise DataError(f"{page} lacks the lines {BEGIN.strip()} and {END}, between which the table of results stands")
    return before + begin + part + end + after


def load_figures(assets: Path) -> dict[str, dict]:
    """Every results file by its name; those of the default student have `student/` before it."""
    paths = {path.stem: path for path in sorted((assets / "results").glob("*.json"))}
    paths |= {f"student/{path.stem}": path for path in sorted((assets / "checkpoints" / STUDENT).glob("*.json"))}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items()}


def _fill(template: Path, figures: dict[str, dict]) -> str:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters |= {
        "f": _number, "percent": _percent, "signed": lambda value: f"{value:+.3f}", "interval": _interval,
        "interval_percent": _interval_percent, "own": _own, "share": _share, "alone": without_provenance, "seeds": _seeds,
        "capped": lambda bounds: [min(b, 1.0) for b in bounds], "recorded": lambda value: value or NOT_RECORDED,
    }  # fmt: skip
    try:
        text = environment.from_string(template.read_text(encoding="utf-8"))
        return text.render(figures=figures, commit=lambda name: figures[name][PROVENANCE]["commit"] or NOT_RECORDED)
    except (TemplateError, KeyError) as error:
        raise DataError(f"{template} can't be filled in ({error}); a results file lacks what it asks for") from error


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}"


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _interval(bounds: list[float], digits: int = 3) -> str:
    return f"{bounds[0]:.{digits}f} to {bounds[1]:.{digits}f}"


def _interval_percent(bounds: list[float]) -> str:
    return f"{100 * bounds[0]:.0f} to {100 * bounds[1]:.0f} %"


def _own(students: list[dict], name: str) -> str:
    """The first student with its interval; the mean and the range of the others, its members."""
    first, *others = students
    members = [student[name] for student in others]
    figure = f"**{_number(first[name])}** ({_interval(first[f'{name}_95'])})"
    return f"{figure}; {sum(members) / len(members):.3f} ({_interval([min(members), max(members)])})" if members else figure


def _seeds(arm: dict, name: str) -> list[float]:
    """The range over an arm's seeds."""
    values = [seed[name] for run, seed in arm.items() if run != "mean"]
    return [min(values), max(values)]


def _share(share: float, n: int, digits: int = 2) -> str:
    """A share of n with its 95 % interval by Wilson."""
    return f"{_number(share, digits)} ({_interval(list(wilson(share * n, n)), digits)})"
