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
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]

DEADLINE_S = 30.0  # of one file, in wall time; each has a second or two of sound
MAX_MEMORY_MIB = 2048
ADDRESS_SPACE = 16 * 2**30  # of the child, so that a fault harms nobody else on the machine
N_SENTENCES = 30  # the most frequent are written down
FAULTS = ("traceback", "hang", "crash", "over 2 GB", "left a file", "left a descriptor open", "wrote to the log")


@dataclass
class Outcome:
    """What became of a file."""

    kind: str  # decoded, read, refused, or of those of the faults that end everything
    told: str = ""  # the sentence, or the traceback
    faults: tuple[str, ...] = ()
    peak_mib: int = 0
    seconds: float = 0.0  # of the processor


def work(pipe: Connection, seed: int, scratch: str) -> None:
    """The child: a file for each number that comes, and what became of it."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TMPDIR"] = tempfile.tempdir = str(Path(scratch) / "temporary")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    folder, temporary, log = (Path(scratch) / name for name in ("given", "temporary", "log"))
    for made in (folder, temporary):
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
    from fuzz_doors import check

    of_libraries = {*temporary.iterdir()}  # torch makes itself an empty folder
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)  # libraries say there what they do not raise
    pipe.send(None)
    while (index := pipe.recv()) is not None:
        before, started = _open_descriptors(), time.process_time()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        kind, told = check(index, seed, folder)
        outcome = Outcome(kind, told, (), _memory_mib("VmHWM"), time.process_time() - started)
        left, written = {*temporary.iterdir()} - of_libraries, log.read_text(errors="replace")
        found = {
            "traceback": kind == "traceback",
            "over 2 GB": outcome.peak_mib > MAX_MEMORY_MIB,
            "left a file": bool(left),
            "left a descriptor open": bool(_open_descriptors() - before),
            "wrote to the log": bool(written),
        }
        outcome.faults = tuple(name for name, is_so in found.items() if is_so)
        outcome.told += written
        pipe.send(outcome)
        os.truncate(log, 0)
        for file in (*left, *folder.iterdir()):
            file.unlink()
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

    def check(self, index: int) -> Outcome:
        self.pipe.send(index)
        try:
            if self.pipe.poll(DEADLINE_S):
                return self.pipe.recv()
            kind, told = "hang", ""
        except EOFError:
            self._process.join()
            kind, told = "crash", f"exit code {self._process.exitcode}"
        self._process.kill()
        self._process.join()
        return Outcome(kind, told, (kind,))


def fuzz(n_files: int, seed: int, first: int = 0) -> dict:
    """Counts of what became of `n_files` files."""
    outcomes, faults, started = [], [], time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        child = Child(seed, scratch)
        for index in range(first, first + n_files):
            outcomes.append(outcome := child.check(index))
            if outcome.kind in ("hang", "crash"):
                child = Child(seed, scratch)
            if outcome.faults:
                faults.append({"file": index, "faults": outcome.faults, "told": outcome.told})
                sys.stderr.write(f"file {index}: {', '.join(outcome.faults)}\n{outcome.told}\n")
        child.pipe.send(None)
        at_end_mib = child.pipe.recv()
    kinds = Counter(outcome.kind for outcome in outcomes)
    found = Counter(fault for outcome in outcomes for fault in outcome.faults)
    refused = Counter(_sentence(outcome.told) for outcome in outcomes if outcome.kind == "refused")
    return {
        "files": n_files, "seed": seed, **{kind: kinds[kind] for kind in ("decoded", "read", "refused")},
        **{fault: found[fault] for fault in FAULTS},
        "peak_memory_mib": max(outcome.peak_mib for outcome in outcomes), "memory_at_the_end_mib": at_end_mib,
        "slowest_file_cpu_s": round(max(outcome.seconds for outcome in outcomes), 2),
        "seconds": round(time.monotonic() - started),
        "refused_by_sentence": dict(refused.most_common(N_SENTENCES)), "details": faults,
    }  # fmt: skip


def _sentence(told: str) -> str:
    """Without what is of one file: names, numbers, what to do, and what FFmpeg or Python say."""
    told = re.sub(r"/\S*/[\w.-]+", "FILE", told.splitlines()[0])
    told = re.sub(r"(?<!\w)'.*?'(?= (?:can|is|has|lasts|holds|was|could|refers|does))", "FILE", told, count=1)
    return re.sub(r"\(.*\)", "(...)", re.sub(r"(?<![\w-])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", "N", told.partition(";")[0]))


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
    return 1 if figures["details"] else 0


if __name__ == "__main__":
    sys.exit(main())
