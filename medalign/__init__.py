"""MedAlign: what was said in a consultation, what it means, and where to hear it. Research software.

The names below are imported when they are first used, so that `import medalign` loads no model library.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medalign.concepts.bank import ConceptBank
    from medalign.core.analysis import Analysis
    from medalign.core.audio import Recording, load_recording
    from medalign.core.errors import MedAlignError
    from medalign.core.similarity import similarity
    from medalign.models.student import Student
    from medalign.models.teacher import Teacher
    from medalign.pipeline.analyzer import Analyzer

# onnxruntime, which faster-whisper detects speech with, asks this when it is first imported; a call afterwards comes too late
# for the host that it looks up and for the files that it writes in the home folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = [
    "Analysis",
    "Analyzer",
    "ConceptBank",
    "MedAlignError",
    "Recording",
    "Student",
    "Teacher",
    "__version__",
    "load_recording",
    "similarity",
]

_MODULE_OF = {
    "Analysis": "core.analysis",
    "Analyzer": "pipeline.analyzer",
    "ConceptBank": "concepts.bank",
    "MedAlignError": "core.errors",
    "Recording": "core.audio",
    "Student": "models.student",
    "Teacher": "models.teacher",
    "load_recording": "core.audio",
    "similarity": "core.similarity",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
