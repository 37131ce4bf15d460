"""Which models are used, and where they run: the one place where their defaults stand."""

import math
from dataclasses import Field, dataclass, field, fields
from typing import Any, cast

from medalign.core.errors import DataError

MAX_SEED = 2**32 - 1  # NumPy's and scikit-learn's


def option(
    default: object, help: str = "", flag: str = "", *, least: float = 0, most: float = math.inf, positive: bool = False
) -> Any:
    """A field of a dataclass. With a help, the command line has an option for it, under the field's name or `flag`.

    Args:
        least, most, positive: of a number, see `Bounded`; positive is above 0.
    """
    return field(default=default, metadata={"help": help, "flag": flag, "least": least, "most": most, "positive": positive})


def flag_of(known: Field) -> str:
    """What a field is called where the user gives it."""
    about = known.metadata
    return about.get("flag") or (f"--{known.name.replace('_', '-')}" if about.get("help") else known.name)


class Bounded:
    """A dataclass whose numbers are finite and within the bounds of their fields; where a field has none, 0 or more."""

    def __post_init__(self) -> None:
        """Raises DataError, which names the option."""
        for known in fields(cast(Any, self)):
            value, about = getattr(self, known.name), known.metadata
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            least, most, positive = about.get("least", 0), about.get("most", math.inf), about.get("positive", False)
            if not (math.isfinite(value) and least <= value <= most) or (positive and value <= 0):
                low = "above 0" if positive else "" if least == -math.inf else f"of at least {least}"
                high = f"and at most {most}" if most < math.inf else ""
                raise DataError(f"{flag_of(known)} is {value}; give a finite number {low} {high}".rstrip())


@dataclass(frozen=True)
class ModelOptions:
    """Names as `Analyzer.default` takes them: a known name, a folder, or a repository on the Hub."""

    asr: str = option(  # speech recogniser
        "tiny.en",
        "faster-whisper size, or folder or Hub name of one for faster-whisper or of a speech model of transformers: CTC or "
        "encoder-decoder; auto is what this machine can run well (default: tiny.en)",
    )
    teacher: str = option("all-MiniLM-L6-v2", "text model: name, folder or Hub name")  # reads the transcript
    student: str = option("default", "checkpoint folder or Hub name (default: the shipped one)")  # hears the audio
    device: str = option("auto", "auto, cpu or cuda (default: auto)")
