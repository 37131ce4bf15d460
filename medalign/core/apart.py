"""An untrusted recording is decoded in a process of its own, with bounded memory and a time limit.

Whatever a file makes of FFmpeg's C code, memory, a crash or an endless loop, becomes one sentence here and harms nobody else
on the server. It costs the start of a process that imports FFmpeg and NumPy: a quarter of a second.
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from medalign.core.audio import load_recording
from medalign.core.decoding import DEADLINE_S, FORMATS
from medalign.core.errors import AudioError, MedAlignError, printable
from medalign.core.recording import Recording

ADDRESS_SPACE = 3 * 2**29  # bytes; an hour in stereo takes half of it
KILL_AFTER_S = DEADLINE_S + 15  # the decoder ends itself, unless it hangs in one call
COMMAND = [sys.executable, "-m", "medalign.core.apart"]


def load_apart(path: str | os.PathLike) -> Recording:
    """What `load_recording` makes of a file.

    Raises:
        AudioError: as there; or decoding it took too long, too much memory, or crashed.
    """
    packages = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(packages), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*COMMAND, os.fspath(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment
    ) as decoder:
        assert decoder.stdout is not None
        timer = threading.Timer(KILL_AFTER_S, decoder.kill)
        timer.start()
        try:
            answer = json.loads(decoder.stdout.readline() or "{}")
            if (refusal := answer.get("refused")) is not None:
                raise AudioError(refusal)
            arrays = {name: _read(decoder.stdout, shape) for name, shape in answer.get("shapes", {}).items()}
            if "waveform" in arrays:
                return Recording(**(answer["facts"] | arrays))
        except (EOFError, ValueError):
            pass  # it ended in the middle of its answer
        finally:
            is_over = not timer.is_alive()
            timer.cancel()
            decoder.kill()
    name = printable(Path(path).name)
    problem = f"could not be read within {KILL_AFTER_S:.0f} s" if is_over else "is damaged in a way that no decoder survives"
    raise AudioError(f"'{name}' {problem}; save it as {FORMATS} and try again")


def _read(file: Any, shape: list[int]) -> np.ndarray:
    array: Any = np.empty(shape, np.float32)
    if file.readinto(memoryview(array).cast("B")) != array.nbytes:
        raise EOFError
    return array


def main(path: str, out: BinaryIO) -> None:
    """The decoder's process: one line of JSON, then the arrays that it names."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    try:
        recording = load_recording(path)
    except MedAlignError as error:
        out.write(json.dumps({"refused": str(error)}).encode())
        return
    facts = {field.name: getattr(recording, field.name) for field in fields(recording)}
    arrays = {name: np.ascontiguousarray(facts.pop(name)) for name in list(facts) if isinstance(facts[name], np.ndarray)}
    shapes = {name: array.shape for name, array in arrays.items()}
    out.write(json.dumps({"facts": facts, "shapes": shapes}).encode() + b"\n")
    for array in arrays.values():
        out.write(array.astype(np.float32, copy=False).data)


if __name__ == "__main__":
    main(sys.argv[1], sys.stdout.buffer)
