"""Where and when figures were measured: every results file says it, under the key `provenance`."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

PROVENANCE = "provenance"
LIBRARIES = ("torch", "transformers", "faster-whisper", "ctranslate2")


def provenance() -> dict[str, object]:
    """Date (UTC), commit, hardware and versions.

    The commit is None outside a checkout, and ends in "+" if files differ from it.
    """
    torch = sys.modules.get("torch")  # not imported: without it, no GPU was used
    gpu = torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else "no GPU"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "hardware": f"{os.cpu_count()} CPU cores, {_processor()}, {gpu}",
        "versions": {name: _version(name) for name in LIBRARIES},
    }


def without_provenance(figures: dict) -> dict:
    """The figures alone, of what a results file holds."""
    return {name: value for name, value in figures.items() if name != PROVENANCE}


def _commit() -> str | None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # else the checkout is somebody else's, around an installed wheel
        return git("rev-parse", "--short=7", "HEAD") + "+" * bool(git("status", "--porcelain", "-uno"))
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    """The processor's name where Linux tells it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(library: str) -> str | None:
    try:
        return version_of(library)
    except PackageNotFoundError:
        return None
