"""Thousands of damaged files through the doors that a user's files pass: `python tests/fuzz.py --files 10000 --json OUT`.

A child process makes and reads the files, one at a time; this one ends it when a file takes too long, and goes on with the
next. Of each file there is to remain a value or one sentence, and nothing else: no file, no open descriptor, no memory.
"""

import argparse
import json
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]

DEADLINE_S = 30.0  # of one file, in wall time; each has a second or two of sound
MAX_MEMORY_MIB = 2048
ADDRESS_SPACE = 16 * 2**30  # of the child, so that a fault harms nobody else on the machine
FAULTS = ("traceback", "hang", "crash", "over 2 GB", "left a file", "left a descriptor open")


def work(pipe: Connection, seed: int, scratch: str) -> None:
    """The child: a file for each number that comes, and what became of it."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TMPDIR"] = tempfile.tempdir = str(Path(scratch) / "temporary")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    import numpy as np
    from fuzz_doors import DECODED, READ, check

    folder, temporary = Path(scratch) / "given", Path(tempfile.tempdir)
    for made in (folder, temporary):
        made.mkdir(exist_ok=True)
    of_libraries = {*temporary.iterdir()}  # torch makes itself an empty folder
    pipe.send(None)
    while (index := pipe.recv()) is not None:
        before, started = _open_descriptors(), time.process_time()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        try:
            outcome = check(index, np.random.default_rng([seed, index]), folder)
        except Exception:
            outcome = f"traceback: {traceback.format_exc()}"
        faults = []
        if (peak_mib := _memory_mib("VmHWM")) > MAX_MEMORY_MIB:
            faults.append("over 2 GB")
        if left := {*temporary.iterdir()} - of_libraries:
            faults.append("left a file")
        if _open_descriptors() - before:
            faults.append("left a descriptor open")
        for file in (*left, *folder.iterdir()):
            file.unlink()
        assert outcome.startswith(("traceback: ", "refused: ")) or outcome in (DECODED, READ)
        pipe.send((outcome, faults, peak_mib, time.process_time() - started))
    pipe.send(_memory_mib("VmRSS"))


def _open_descriptors() -> set[str]:
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.add(f"{path.name} {path.readlink()}")
    return found


def _memory_mib(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+)", status).group(1)) // 1024


class Child:
    """The process that reads the files."""

    def __init__(self, seed: int, scratch: str):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, seed, scratch), daemon=True)
        self._process.start()
        theirs.close()
        self.pipe.recv()

    def check(self, index: int) -> tuple[str, list[str], int, float]:
        self.pipe.send(index)
        try:
            if self.pipe.poll(DEADLINE_S):
                return self.pipe.recv()
            outcome = "hang: "
        except EOFError:
            self._process.join()
            outcome = f"crash: exit code {self._process.exitcode}"
        self._process.kill()
        self._process.join()
        return outcome, [], 0, DEADLINE_S


def fuzz(n_files: int, seed: int, first: int = 0) -> dict:
    """Counts of what became of `n_files` files."""
    kinds: Counter[str] = Counter()
    faults: list[dict] = []
    found: Counter[str] = Counter()
    peak_mib, slowest_s, started = 0, 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        child = Child(seed, scratch)
        for index in range(first, first + n_files):
            outcome, wrong, file_mib, file_s = child.check(index)
            kind, _, told = outcome.partition(": ")
            wrong = [*wrong, kind] if kind in FAULTS else wrong
            if kind in ("hang", "crash"):
                child = Child(seed, scratch)
            found.update(wrong)
            if wrong:
                faults.append({"file": index, "what": wrong, "told": told})
                sys.stderr.write(f"file {index}: {', '.join(wrong)}\n{told}\n")
            kinds[_kind(told) if kind == "refused" else kind] += 1
            peak_mib, slowest_s = max(peak_mib, file_mib), max(slowest_s, file_s)
        child.pipe.send(None)
        at_end_mib = child.pipe.recv()
    refused = {kind: n for kind, n in kinds.most_common() if kind not in ("decoded", "read", *FAULTS)}
    return {
        "files": n_files, "seed": seed, "decoded": kinds["decoded"], "read": kinds["read"], "refused": sum(refused.values()),
        **{fault: found[fault] for fault in FAULTS}, "peak_memory_mib": peak_mib, "memory_at_the_end_mib": at_end_mib,
        "slowest_file_cpu_s": round(slowest_s, 2), "seconds": round(time.monotonic() - started), "refused_by_kind": refused,
        "faults": faults,
    }  # fmt: skip


def _kind(told: str) -> str:
    """A sentence without what is of one file: names, numbers, and what FFmpeg or Python say."""
    told = re.sub(r"/\S*/[\w.-]+", "FILE", told.splitlines()[0])
    told = re.sub(r"'.*?'(?= (?:can|is|has|lasts|holds|was|could|refers|does))", "FILE", told, count=1)
    return re.sub(r"\(.*\)", "(...)", re.sub(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", "N", told.partition(";")[0]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first file, to see one again")
    parser.add_argument("--json", type=Path, help="write the counts here")
    arguments = parser.parse_args()
    figures = fuzz(arguments.files, arguments.seed, arguments.first)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    if arguments.json is not None:
        from medalign.core.provenance import PROVENANCE, provenance

        arguments.json.write_text(json.dumps({PROVENANCE: provenance(), **figures}, indent=1) + "\n", encoding="utf-8")
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
