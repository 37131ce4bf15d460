"""What a batch costs beside a plain loop: `python tests/batch_times.py [OUT.json]`, on a quiet machine, in some four minutes.

Not a test: times belong to one machine. Each way is a process of its own, as a user starts it, and does the same bundled
examples; what comes before the first recording (imports, Ray, models) is told apart from the work. Processor time, of all
processes that a way starts, depends least on what else the machine does.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY)]

from pyarrow import parquet

from medalign.core.examples import load_examples
from medalign.core.provenance import PROVENANCE, provenance

WORKERS = (1, 2)
N_RECORDINGS = 4  # an even number, about as long as each other
LOOP = """
import csv, sys, time
from medalign import Analyzer
analyzer = Analyzer.default()
print(time.time())
for row in csv.DictReader(open(sys.argv[1])):
    print(analyzer.analyze(row["audio"]).recording.duration_s, time.time())
"""


def measure(folder: Path) -> dict:
    recordings = [example.audio_path for example in load_examples()][:N_RECORDINGS]
    manifest = folder / "manifest.csv"
    with open(manifest, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["audio"], *([path] for path in recordings)])
    load_before = round(os.getloadavg()[0], 1)
    ways = {"plain loop": plain_loop(manifest)}
    for n in WORKERS:
        ways[f"{n} worker{'s' * (n > 1)}"] = batch(manifest, folder / str(n), n)
    for way in ways.values():
        way["ratio"] = round(ways["plain loop"]["work_s"] / way["work_s"], 2)
    return {PROVENANCE: provenance(), "load_before": load_before, "n_recordings": len(recordings), "ways": ways}


def plain_loop(manifest: Path) -> dict:
    started = time.time()
    said, cpu_s = run("-c", LOOP, manifest)
    first, *rest = said.splitlines()
    audio_s, ended = zip(*(map(float, line.split()) for line in rest), strict=True)
    return figures(sum(audio_s), (started, float(first), ended[-1], time.time()), cpu_s)


def batch(manifest: Path, out: Path, n_workers: int) -> dict:
    started = time.time()
    _, cpu_s = run("-m", "medalign", "batch", manifest, "--out", out, "--workers", n_workers)
    total = time.time()
    ended = {path: path.stat().st_mtime for path in (out / "rows").glob("*/*.ok.parquet")}
    rows = {path: parquet.read_table(path, columns=["seconds", "duration_s"]).to_pylist()[0] for path in ended}
    assert len(rows) == len(manifest.read_text().splitlines()) - 1
    first = min(ended[path] - row["seconds"] for path, row in rows.items())
    return figures(sum(row["duration_s"] for row in rows.values()), (started, first, max(ended.values()), total), cpu_s)


def figures(audio_s: float, moments: tuple[float, float, float, float], cpu_s: float) -> dict:
    """Of one way: the process began, the first recording began, the last was finished, the process ended."""
    started, first, last, ended = moments
    return {
        "start_s": round(first - started, 1),
        "work_s": round(last - first, 1),
        "end_s": round(ended - last, 1),
        "audio_s_per_s": round(audio_s / (last - first), 1),
        "cpu_s": round(cpu_s),
    }


def run(*arguments: object) -> tuple[str, float]:
    """What a program says, and the processor time of all processes below it, as last seen."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"PYTHONPATH": str(REPOSITORY), "RAY_worker_niceness": "0"}  # a loop gives way to nobody, either
    used: dict[str, float] = {}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, *map(str, arguments)], env=environment, stdout=said)
        while process.poll() is None:
            used |= processor_times(str(process.pid))
            time.sleep(0.2)
        assert process.returncode == 0
        said.seek(0)
        return said.read(), sum(used.values())


def processor_times(root: str) -> dict[str, float]:
    """Of a process and all below it, by their numbers: seconds."""
    parents, seconds = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # gone meanwhile
            columns = stat.read_text().rpartition(")")[2].split()
            parents[stat.parent.name] = columns[1]
            seconds[stat.parent.name] = (int(columns[11]) + int(columns[12])) / os.sysconf("SC_CLK_TCK")
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return {pid: seconds[pid] for pid in below & seconds.keys()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(measure(Path(folder)), indent=2) + "\n"
    sys.stdout.write(text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
