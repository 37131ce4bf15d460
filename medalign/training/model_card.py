"""Model cards: templates filled in from the files that a run left in the folder; no figure is typed by hand."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from medalign.core.analysis import DISCLAIMER
from medalign.core.errors import DataError
from medalign.core.files import read_json
from medalign.core.provenance import without_provenance
from medalign.models.low_rank import updates_folder
from medalign.models.status_classifier import ACTIONS, STATUSES, WORDS_AFTER, WORDS_BEFORE

STORY_FILE = "training.json"
EXTRAS = ("sound_events", "segment_quality", "misheard_names", "fusion", "unseen_site")  # JSON files of what is fitted beside


def write_card(folder: Path) -> None:
    """Write `folder`/README.md: the card of a student, or of a teacher that `medalign adapt` wrote.

    From training.json, and of a student from the folder's other figures, credits.md and limits.md if there.

    Raises:
        DataError: the folder has no training.json.
    """
    story = _read(folder / STORY_FILE)
    if story is None:
        raise DataError(f"{folder} has no {STORY_FILE}; a card is written from the run of `medalign train`")
    card = _teacher_card(folder, story) if "n_pairs" in story else _student_card(folder, story)
    (folder / "README.md").write_text(card, encoding="utf-8")


def _teacher_card(folder: Path, story: dict) -> str:
    is_whole = updates_folder(str(folder)) is None
    return _ENVIRONMENT.get_template("teacher.md.jinja").render(name=folder.resolve().name, is_whole=is_whole, **story)


def _student_card(folder: Path, story: dict) -> str:
    runs = story.get("members") or [story]  # those of an ensemble, or its own
    evaluations = [table for path in folder.glob("evaluation*.json") if (table := _read(path))]
    evaluations.sort(key=lambda table: (table["heard"] != "in stream", table["noise_snr_db"] is not None))
    beside = [folder / name for name in ("credits.md", "limits.md")]
    return _ENVIRONMENT.get_template("student.md.jinja").render(
        name=folder.resolve().name,
        runs=runs,
        is_joined="members" in story,
        groups=_alike(runs),
        evaluations=evaluations,
        calibration=_read(folder / "calibration.json"),
        extras=extras(folder),
        texts=[path.read_text(encoding="utf-8").strip() for path in beside if path.is_file()],
    )


def read_story(folder: Path | None) -> dict:
    """What training.json in a student's folder says; empty where there is none."""
    return (_read(folder / STORY_FILE) if folder else None) or {}


def extras(folder: Path) -> str:
    """Tables of every figure file that is there; empty if none is."""
    figures = {name: _read(folder / f"{name}.json") for name in EXTRAS}
    return _ENVIRONMENT.get_template("extras.md.jinja").render(figures).strip()


def status_card(figures: dict) -> str:
    """The card of a status classifier; `figures` as `train_status` gives them."""
    return _ENVIRONMENT.get_template("status.md.jinja").render(
        sessions=figures["sessions"],
        last=figures["sessions"][-1],
        statuses=STATUSES,
        actions=ACTIONS,
        words_before=WORDS_BEFORE,
        words_after=WORDS_AFTER,
    )


def _read(path: Path) -> dict | None:
    if not path.exists():
        return None
    return without_provenance(read_json(path, dict, error=DataError, remedy="remove it, and write it anew"))


def _alike(runs: list[dict]) -> list[list[dict]]:
    """Runs that differ in their seed alone stand together."""
    groups: dict[str, list[dict]] = {}
    for run in runs:
        train = {k: v for k, v in run["recipe"]["train"].items() if k not in ("seed", "save_every", "chunk_size")}
        groups.setdefault(repr((run["recipe"] | {"train": train}, run["manifest_sha256"])), []).append(run)
    return list(groups.values())


_ENVIRONMENT = Environment(
    loader=PackageLoader("medalign.training"),
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
)  # fmt: skip
_ENVIRONMENT.filters["f"] = format
_ENVIRONMENT.globals["DISCLAIMER"] = DISCLAIMER
