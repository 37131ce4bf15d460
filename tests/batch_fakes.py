"""What workers of a batch get in place of models: it writes down what it does, and dies or waits where it is told to."""

import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import page_fixtures

from medalign.core.analysis import Analysis, ModelInfo, Models, RecordingInfo
from medalign.core.audio import Recording
from medalign.core.identity import Identity
from medalign.core.model_options import ModelOptions


@dataclass(frozen=True)
class FakeAnalyzer:
    """By the recording's name: `deadly` ends the process the first time, `broken` is a fault, `held` waits for a file `go`."""

    folder: Path
    models: Models
    fits: str = "1"

    @property
    def identity(self) -> Identity:
        return asdict(self.models) | {"student_files": {"fits.json": self.fits}}

    def begun(self) -> list[str]:
        """Names of the recordings that workers began, each time."""
        path = self.folder / "begun"
        return path.read_text().splitlines() if path.exists() else []

    def analyze(self, recording: Recording, /) -> Analysis:
        n_before = self.begun().count(recording.name)
        with open(self.folder / "begun", "a") as file:  # one short line is written at once
            file.write(f"{recording.name}\n")
        if recording.name.startswith("deadly") and not n_before:
            os._exit(1)
        if recording.name.startswith("broken"):
            raise RuntimeError("no luck")
        while recording.name.startswith("held") and not (self.folder / "go").exists():
            time.sleep(0.05)
        about = RecordingInfo(recording.name, recording.duration_s, 16_000, 1)
        return replace(page_fixtures.analysis(), recording=about, models=self.models)


@dataclass(frozen=True)
class Load:
    """How workers come by it."""

    folder: Path
    revision: str = "1"
    fits: str = "1"

    def __call__(self, options: ModelOptions) -> FakeAnalyzer:
        names = options.asr, options.teacher, options.student, "status"
        return FakeAnalyzer(self.folder, Models(*(ModelInfo(name, self.revision, options.device) for name in names)), self.fits)
