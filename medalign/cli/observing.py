"""What the commands that fit and those that measure share: spoken takes, observed through the analyzer itself."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.core.errors import CheckpointError

if TYPE_CHECKING:
    from medalign.pipeline.analyzer import Analyzer
    from medalign.training.data.consultations import Split
    from medalign.training.fitting.observation import Observation


def observer(
    arguments: argparse.Namespace, *, corrections: bool = False
) -> tuple["Analyzer", Callable[..., Iterator["Observation"]]]:
    """The analyzer, and a function from consultations (prefix) and noise (dB or None) to what it makes of them.

    Args:
        corrections: whether misheard names are looked for: rescoring takes time that only a fusion needs.
    """
    from medalign.models.transcription import load_transcriber
    from medalign.pipeline.analyzer import Analyzer
    from medalign.pipeline.listener import Listener
    from medalign.training.data.synthesis import read_takes
    from medalign.training.fitting.observation import observe

    listener = Listener.default(student=arguments.student, device=arguments.device)
    if not listener.fitted.is_own:
        raise CheckpointError(f"nothing is fitted for student '{arguments.student}' yet; run `medalign calibrate` first")
    if getattr(arguments, "fit", None):
        listener.student.writable_folder()  # better to find out before hours of work than after
    transcriber = load_transcriber(arguments.asr)
    calibration = listener.calibration if corrections else listener.calibration.without("misheard name")
    observer = Analyzer(transcriber, listener.with_calibration(calibration))

    def observed(
        only: str | tuple[str, ...], snr_db: float | None = None, speech: Path | None = None, split: "Split" = "valid"
    ) -> Iterator["Observation"]:
        takes = read_takes(speech or arguments.speech, split, only)
        return observe(takes, observer, arguments.cache, snr_db=snr_db)

    return Analyzer(transcriber, listener), observed


def level_name(snr_db: float | None) -> str:
    return "clean" if snr_db is None else f"{snr_db:g} dB"
