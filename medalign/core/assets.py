"""Where the files that ship with MedAlign lie: weights, examples, results.

They stand in `assets/` at the top of a checkout, and travel in the wheel as the package `medalign.assets`.
"""

from pathlib import Path

from medalign.core.errors import WeightsError

_PACKAGE = Path(__file__).parents[1]
PLACES = (_PACKAGE / "assets", _PACKAGE.parent / "assets")  # in an installed wheel, in a checkout
ASSETS = next((path for path in PLACES if (path / "checkpoints").is_dir()), PLACES[0])
CHECKPOINTS = ASSETS / "checkpoints"
EXAMPLES = ASSETS / "examples"


def shipped(name: str) -> Path:
    """The folder of a checkpoint that ships with MedAlign. Raises WeightsError: it is not there."""
    folder = CHECKPOINTS / name
    if not folder.is_dir():
        raise WeightsError(f"the files of '{name}' that ship with MedAlign are missing at {folder}; install MedAlign again")
    return folder
