"""Which models are used, and where they run: the one place where their defaults stand."""

from dataclasses import dataclass, field
from typing import Any


def option(default: object, help: str, flag: str = "") -> Any:
    """A field of a dataclass that the command line has an option for, under the field's name or `flag`."""
    return field(default=default, metadata={"help": help, "flag": flag})


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
