"""What a batch costs beside a plain loop: `python tests/batch_times.py [OUT.json]`, on a quiet machine, in some four minutes.

Not a test: times belong to one machine. Each way is a process of its own, as a user starts it, and does the bundled examples
once; what comes before the first recording (imports, Ray, models) is told apart from the work.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY)]

from pyarrow import parquet

from medalign.core.examples import load_examples
from medalign.core.provenance import PROVENANCE, provenance

WORKERS = (1, 2)
LOOP = """
import csv, sys, time
from medalign import Analyzer
analyzer = Analyzer.default()
print(time.time())
for row in csv.DictReader(open(sys.argv[1])):
    print(analyzer.analyze(row["audio"]).recording.duration_s, time.time())
"""


def measure(folder: Path) -> dict:
    recordings = [path for example in load_examples() for path in (example.audio_path, example.noisy_audio_path) if path]
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
    first, *rest = run("-c", LOOP, manifest).split("\n")[:-1]
    audio_s, ended = zip(*(map(float, line.split()) for line in rest), strict=True)
    return figures(sum(audio_s), started, float(first), ended[-1], time.time())


def batch(manifest: Path, out: Path, n_workers: int) -> dict:
    started = time.time()
    run("-m", "medalign", "batch", manifest, "--out", out, "--workers", n_workers)
    total = time.time()
    ended = {path: path.stat().st_mtime for path in (out / "rows").glob("*/*.ok.parquet")}
    rows = {path: parquet.read_table(path, columns=["seconds", "duration_s"]).to_pylist()[0] for path in ended}
    assert len(rows) == len(manifest.read_text().splitlines()) - 1
    first = min(ended[path] - row["seconds"] for path, row in rows.items())
    return figures(sum(row["duration_s"] for row in rows.values()), started, first, max(ended.values()), total)


def figures(audio_s: float, started: float, first: float, last: float, ended: float) -> dict:
    """Of one way: moments at which the process began, the first recording began, the last was finished, the process ended."""
    return {
        "start_s": round(first - started, 1),
        "work_s": round(last - first, 1),
        "end_s": round(ended - last, 1),
        "audio_s_per_s": round(audio_s / (last - first), 1),
    }


def run(*arguments: object) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"PYTHONPATH": str(REPOSITORY), "RAY_worker_niceness": "0"}  # a loop gives way to nobody, either
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(measure(Path(folder)), indent=2) + "\n"
    sys.stdout.write(text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
