"""Many readers at once, and what an analysis costs: `python tests/load.py [OUT.json]`. Some 12 minutes on two cores.

Not a test: its figures belong to one machine. `python app.py` runs with the real models, as a user starts it. First one reader
comes after another, and the server's memory must stay where it was; then one sends five minutes of consultation; then
`N_READERS` come at once, each with a recording of their own, which nobody else may ever see. It fails with exit status 1 if
any of that does not hold.
"""

import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from html import unescape
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]

import numpy as np
import soundfile
from browser import real_process
from reader import Answer, Reader

from medalign.core.assets import EXAMPLES
from medalign.core.examples import load_examples
from medalign.core.provenance import PROVENANCE, provenance

N_READERS, LOAD_S = 20, 300
WARM_UP, N_ANALYSES = 10, 50
MAX_GROWTH_MB = 50
CONSULTATION_S = 300
STORED_SHARE = 0.3  # of the presses under load: the others send a recording
PATIENCE_S = 5.0  # until a reader who was refused comes back
FULL = "the models are busy"
COMPLAINTS = (  # words that the recogniser hears from these voices
    "cough", "fever", "headache", "rash", "back", "knee", "shoulder", "ankle", "stomach", "throat", "chest", "elbow", "fingers",
    "heart", "nose", "neck", "kidneys", "foot", "asthma", "skin",
)  # fmt: skip
Words = tuple[str, str]  # heading and transcript of a result, as a reader reads them


class Server:
    """What the kernel says of a running process and of the processes that it started and waited for."""

    def __init__(self, pid: int):
        self._folder = Path(f"/proc/{pid}")

    @property
    def memory_mb(self) -> float:
        """Resident."""
        (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", (self._folder / "status").read_text())
        return round(int(kilobytes) / 1024, 1)

    @property
    def cpu_s(self) -> float:
        times = (self._folder / "stat").read_text().rpartition(")")[2].split()[11:15]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


class Readers:
    """All that ask one server, and what became of their presses."""

    def __init__(self, url: str, recordings: dict[str, bytes]):
        """`recordings` by the names of their files; each reader has one."""
        self.url, self.recordings = url, recordings
        self.alone: dict[str, Words] = {}  # the result of each recording, when nobody else was there
        self.outcomes: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {"stored examples": [], "recordings": []}
        self.errors: list[str] = []
        self._lock = threading.Lock()

    def visit(self, name: str) -> Words:
        """One reader comes, has one recording analysed, and leaves."""
        with Reader(self.url).here() as reader:
            return _words(reader.analyse(reader.upload(name, self.recordings[name])))

    def keep_coming(self, name: str, until: float, seed: int) -> None:
        """One reader comes again and again."""
        chance, titles = random.Random(seed), [example.title for example in load_examples()]
        while time.monotonic() < until:
            title = chance.choice(titles) if chance.random() < STORED_SHARE else None
            try:
                outcome = self._press(name, title)
            except Exception as error:
                outcome = "errors"
                self.errors.append(f"{name}: {type(error).__name__}: {error}"[:300])
            with self._lock:
                self.outcomes[outcome] += 1
            time.sleep(PATIENCE_S if outcome == "refused politely" else chance.uniform(0.0, 1.0))

    def _press(self, name: str, title: str | None) -> str:
        with Reader(self.url).here() as reader:
            uploaded = None if title else reader.upload(name, self.recordings[name])
            begun = time.monotonic()
            answer = reader.show(title) if title else reader.analyse(uploaded)
            took = time.monotonic() - begun
        if answer["alert"]:
            assert FULL in answer["alert"], answer["alert"]
            return "refused politely"
        heading, _ = seen = _words(answer)
        is_own = re.match(f"{re.escape(title)} · .* example", heading) is not None if title else seen == self.alone[name]
        kind = "stored examples" if title else "recordings"
        with self._lock:
            self.seconds[kind].append(took)
        return kind if is_own else "results of somebody else"


def _words(answer: Answer) -> Words:
    """The heading and the transcript as they are read. Without a result, the heading is empty."""
    return tuple(" ".join(unescape(re.sub("<[^>]+>", " ", answer[place] or "")).split()) for place in ("heading", "transcript"))


def spoken(folder: Path) -> dict[str, bytes]:
    """A short recording for each reader, by its file's name, which is the word that it alone says."""
    recordings = {}
    for i, complaint in enumerate(COMPLAINTS):
        path = folder / f"{complaint}.wav"
        text = f"Good morning. I would like to talk about my {complaint}, please."
        subprocess.run(["flite", "-voice", ("rms", "slt")[i % 2], "-t", text, "-o", path], check=True)
        recordings[path.name] = path.read_bytes()
    return recordings


def consultation(folder: Path) -> Path:
    """The examples one after another, until it is as long as a consultation."""
    waveforms = [soundfile.read(path)[0] for path in sorted(EXAMPLES.glob("*.flac"))]
    joined = np.concatenate(waveforms * 2)[: CONSULTATION_S * 16_000]
    soundfile.write(folder / "consultation.flac", joined, 16_000)
    return folder / "consultation.flac"


def one_after_another(readers: Readers, server: Server) -> dict:
    """The server's memory after the first visits and after many more; every recording comes with the same result each time."""
    names, first_mb, begun_s = list(readers.recordings), 0.0, 0.0
    for i in range(WARM_UP + N_ANALYSES):
        if i == WARM_UP:
            first_mb, begun_s = server.memory_mb, server.cpu_s
        name = names[i % len(names)]
        seen = readers.visit(name)
        assert seen == readers.alone.setdefault(name, seen), f"{name}: {seen}, earlier {readers.alone[name]}"
        if i % 10 == 9:
            sys.stderr.write(f"{i + 1} analyses, {server.memory_mb} MB\n")
    for name, (heading, transcript) in readers.alone.items():
        assert name in heading and Path(name).stem in transcript.lower(), f"{name}: {heading}, {transcript}"
    assert len(set(readers.alone.values())) == len(names)
    return {
        f"rss_after_{WARM_UP}_analyses_mb": first_mb,
        f"rss_after_{WARM_UP + N_ANALYSES}_analyses_mb": server.memory_mb,
        "cpu_s_an_analysis_of_a_few_seconds": round((server.cpu_s - begun_s) / N_ANALYSES, 2),
    }


def cost(url: str, server: Server, path: Path) -> dict:
    """Of one consultation on an otherwise idle server."""
    with Reader(url).here() as reader:
        uploaded = reader.upload(path.name, path.read_bytes())
        begun, cpu_begun_s = time.monotonic(), server.cpu_s
        answer = reader.analyse(uploaded)
        wall_s, cpu_s = time.monotonic() - begun, server.cpu_s - cpu_begun_s
        assert path.name in _words(answer)[0], answer["alert"]
        sizes = [len(reader.http.get(link).raise_for_status().content) for link in _exports(answer, "json")]
    return {
        "audio_s": CONSULTATION_S,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "cpu_s_per_minute_of_audio": round(cpu_s / CONSULTATION_S * 60, 2),
        "rss_afterwards_mb": server.memory_mb,
        "json_bytes": sizes[0],
        "flac_bytes": path.stat().st_size,
    }


def _exports(answer: Answer, ending: str) -> list[str]:
    return [f"/{link}" for link in re.findall(rf'href="([^"]+\.{ending})"', answer["exports"])]


def many_at_once(readers: Readers, server: Server) -> dict:
    until = time.monotonic() + LOAD_S
    threads = [
        threading.Thread(target=readers.keep_coming, args=(name, until, seed)) for seed, name in enumerate(readers.recordings)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {
        name: readers.outcomes[name] for name in (*readers.seconds, "refused politely", "errors", "results of somebody else")
    }
    return {
        "readers": len(threads),
        "seconds": LOAD_S,
        "presses": sum(readers.outcomes.values()),
        **counts,
        "waiting_s": {kind: _quantiles(seconds) for kind, seconds in readers.seconds.items()},
        "rss_afterwards_mb": server.memory_mb,
        "messages_of_errors": sorted(set(readers.errors))[:5],
    }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=20)
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}


def measure(temporary: Path) -> dict:
    with real_process(temporary) as (url, process):
        server, readers = Server(process.pid), Readers(url, spoken(temporary))
        memory = one_after_another(readers, server)
        sys.stderr.write(f"{memory}\n")
        of_one = cost(url, server, consultation(temporary))
        sys.stderr.write(f"{of_one}\n")
        return {"one after another": memory, "one consultation": of_one, "many at once": many_at_once(readers, server)}


def faults(figures: dict) -> list[str]:
    memory, load = figures["one after another"], figures["many at once"]
    growth_mb = memory[f"rss_after_{WARM_UP + N_ANALYSES}_analyses_mb"] - memory[f"rss_after_{WARM_UP}_analyses_mb"]
    return [
        *([f"memory grew by {growth_mb:.0f} MB"] if growth_mb > MAX_GROWTH_MB else []),
        *(["nobody was told that the queue is full"] if not load["refused politely"] else []),
        *(f"{load[what]} {what}" for what in ("errors", "results of somebody else") if load[what]),
    ]


if __name__ == "__main__":
    load_before = round(os.getloadavg()[0], 1)  # of other work, which the waiting times are to be read with
    body: dict = {PROVENANCE: provenance(), "load_before": load_before, "threads": os.environ.get("OMP_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as folder:
        body |= measure(Path(folder))
    text = json.dumps(body, indent=2)
    sys.stdout.write(text + "\n")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text + "\n")
    if found := faults(body):
        sys.exit("; ".join(found))
