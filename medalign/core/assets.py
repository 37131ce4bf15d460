"""Where the files that ship with MedAlign lie: weights, examples, results.

They stand in `assets/` at the top of a checkout, and travel in the wheel as the package `medalign.assets`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
ASSETS = next(path for path in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if path.is_dir() or path.parent != _PACKAGE)
CHECKPOINTS = ASSETS / "checkpoints"
EXAMPLES = ASSETS / "examples"
