"""What a command that takes a while says on stderr meanwhile."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medalign.cli.options import Sometimes
from medalign.core.analysis import Analysis

if TYPE_CHECKING:
    from medalign.concepts import Concept
    from medalign.core.audio import Recording
    from medalign.pipeline.analyzer import Analyzer


class Progress:
    """Tells what is being done: each new thing, and now and then how far an analysis is."""

    def __init__(self) -> None:
        self._is_time = Sometimes()

    def __call__(self, message: str, fraction: float | None = None) -> None:
        if self._is_time(message):
            print(message + (f" ({100 * fraction:.0f} %)" if fraction else "") + " ...", file=sys.stderr, flush=True)

    def analyzed(self, analyzer: "Analyzer", recording: "Recording", custom: "Sequence[Concept]" = ()) -> Analysis:
        """The analysis, each of its stages told."""
        for step in analyzer.stream(recording, custom):
            if isinstance(step, Analysis):
                return step
            self(step.message, step.fraction)
        raise AssertionError("an analysis ends with its result")
