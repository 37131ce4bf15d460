"""How often a probability was right, as `medalign fuse --json` measured it where the words are known."""

from dataclasses import dataclass
from pathlib import Path

from medalign.core.errors import DataError
from medalign.core.files import read_json
from medalign.core.provenance import without_provenance
from medalign.feedback.ranking import wilson

MIN_IN_BIN = 20  # fewer say nothing


@dataclass(frozen=True)
class Bin:
    """Concepts that were given about the same probability."""

    n: int
    given: float  # mean probability, 0 to 1; so are the next three
    right: float  # share that had been said
    low: float  # its 95 % interval
    high: float


@dataclass(frozen=True)
class Reliability:
    """One condition of the measurement; neighbouring bins with too few concepts are put together."""

    condition: str  # clean, or the noise
    calibration_error: float  # expected, 0 to 1, as `medalign.evaluation.calibration` counts it: in bins of equal count
    bins: tuple[Bin, ...]

    @property
    def n(self) -> int:
        return sum(b.n for b in self.bins)


def read_reliability(figures: dict) -> tuple[Reliability, ...]:
    """From the figures of `medalign fuse`, condition by condition. Raises DataError if they are something else."""
    try:
        return tuple(
            Reliability(condition, float(measured["expected_calibration_error"]), _bins(measured["reliability"]))
            for condition, measured in without_provenance(figures).items()
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"these are no figures of `medalign fuse` ({type(error).__name__}: {error}); run it again") from error


def _bins(measured: list[dict]) -> tuple[Bin, ...]:
    together: list[list[dict]] = [[]]
    for b in measured:
        if sum(other["n"] for other in together[-1]) >= MIN_IN_BIN:
            together.append([])
        together[-1].append(b)
    if len(together) > 1 and sum(b["n"] for b in together[-1]) < MIN_IN_BIN:
        together[-2:] = [together[-2] + together[-1]]
    bins = []
    for group in filter(None, together):
        n = sum(b["n"] for b in group)
        given, right = (sum(b["n"] * b[key] for b in group) / n for key in ("given", "right"))
        bins.append(Bin(n, given, right, *wilson(n * right, n)))
    return tuple(bins)


def load_reliability(folder: Path) -> tuple[Reliability, ...]:
    """What was measured of the student in a folder; nothing if it never was. Raises DataError if the file is damaged."""
    path = folder / "fusion.json"
    if not path.exists():
        return ()
    figures = read_json(path, dict, error=DataError, remedy="run `medalign fuse --json` again")
    try:
        return read_reliability(figures)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
