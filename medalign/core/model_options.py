"""Which models are used, and where they run: the one place where their defaults stand."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelOptions:
    """Names as `Analyzer.default` takes them: a known name, a folder, or a repository on the Hub."""

    asr: str = "tiny.en"  # speech recogniser; auto: what this machine can run well
    teacher: str = "all-MiniLM-L6-v2"  # language model that reads the transcript
    student: str = "default"  # checkpoint that hears the audio
    device: str = "auto"  # auto, cpu or cuda
