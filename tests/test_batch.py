"""Many recordings: every one a row, once, whatever dies on the way; on a real Ray of two workers, with light analyzers."""

import csv
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import batch_fakes
import numpy as np
import pytest
import soundfile
from pyarrow import parquet

from medalign.batch.cluster import OWN, QUIET, Cluster, plan
from medalign.batch.folder import BatchFolder
from medalign.batch.manifest import read_entries
from medalign.batch.run import Pace, Progress, run_batch
from medalign.batch.worker import MAX_ATTEMPTS, Task, Worker
from medalign.cli import main
from medalign.core.analysis import Analysis
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import BatchError, DataError, WeightsError
from medalign.core.model_options import ModelOptions
from medalign.core.own_folder import PREFIX
from medalign.core.weights import sha256_of

HELD = ["held-1.wav", "held-2.wav"]
LOCAL = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "(?:::1|::ffff:127\.0\.0\.1)"')
SOUND = ["a.wav", "deadly.wav", "b.wav", "c.wav", *HELD, "d.wav", "e.wav"]
OWN_RAY = """
import os, sys
from medalign.batch.cluster import Cluster, connected
with connected(Cluster(workers=2)):
    import ray
    print(ray.get_runtime_context().gcs_address, os.getpid(), flush=True)
    sys.stdin.read()
"""
KILLED = """
import sys
from pathlib import Path
from batch_fakes import Load
from medalign.batch.cluster import Cluster
from medalign.batch.run import run_batch
from medalign.core.model_options import ModelOptions
manifest, out, notes, address = sys.argv[1:]
run_batch(Path(manifest), Path(out), ModelOptions(), Cluster(address, 2), load=Load(Path(notes)))
"""


@pytest.fixture
def manifest(tmp_path):
    """Eight recordings, of which one ends its first worker; one that is no audio, and a row that names none."""
    (tmp_path / "audio").mkdir()
    for name in SOUND:
        soundfile.write(tmp_path / "audio" / name, np.full(SAMPLE_RATE_HZ, 0.1), SAMPLE_RATE_HZ)
    (tmp_path / "audio" / "text.wav").write_text("no sound")
    lines = ["id,audio", *(f"{Path(name).stem},audio/{name}" for name in SOUND[:4]), "=bad,audio/text.wav", "empty,"]
    lines += [f"{Path(name).stem},audio/{name}" for name in SOUND[4:]]
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def notes(tmp_path):
    """What the analyzers write down, of all processes."""
    folder = tmp_path / "notes"
    folder.mkdir()
    return batch_fakes.Load(folder)(ModelOptions())


def table(out: Path) -> dict[str, dict]:
    rows = parquet.read_table(out / "rows").to_pylist()
    assert len(rows) == len({row["id"] for row in rows})
    return {row["id"]: row for row in rows}


def wait_for(condition, what, timeout_s: float = 100) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, what()
        time.sleep(0.02)


class OwnRay:
    """A Ray of two workers as a batch starts it, in a process whose calls the kernel tells; its processes find the fakes."""

    def __init__(self, folder: Path):
        self.home, self.calls = folder / "home", folder / "calls"
        self.home.mkdir()
        strace = ["strace", "--seccomp-bpf", "-f", "-qq", "-e", "trace=connect", "-o", self.calls]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        environment = os.environ | {"HOME": str(self.home), "RAY_worker_niceness": "0"}  # else they give way to other tests
        self.process = subprocess.Popen([*strace, sys.executable, "-c", OWN_RAY], **pipes, text=True, env=environment)
        self.address, pid = self.process.stdout.readline().split()
        (session,) = Path(tempfile.gettempdir()).glob(f"{PREFIX}*/ray/session_*_{pid}")
        self.folder = session.parents[1]

    def end(self) -> None:
        self.process.communicate("", timeout=60)


@pytest.fixture(scope="module")
def own_ray(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (QUIET | OWN | {"RAY_AUTH_TOKEN": "0" * 64}).items():  # as those who come to this Ray have them
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        started = OwnRay(tmp_path_factory.mktemp("ray"))
        yield started
        started.end()


def listening(process: int) -> dict[str, str]:
    """Where those below a process listen: address and port, as the kernel writes them -> command."""
    parents, commands = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # gone meanwhile
            name, _, rest = stat.read_text().rpartition(")")
            parents[stat.parent.name], commands[stat.parent.name] = rest.split()[1], name.partition("(")[2]
    sockets = {}
    for pid in parents:
        above = pid
        while above in parents and above != str(process):
            above = parents[above]
        with suppress(OSError):
            for file in Path("/proc", pid, "fd").iterdir() if above == str(process) else ():
                with suppress(OSError):
                    sockets[str(file.readlink())] = commands[pid]
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]": row[1] for row in rows if row[3] == "0A"}
    return {address: sockets[inode] for inode, address in inodes.items() if inode in sockets}


@pytest.mark.slow
def test_ray_listens_on_loopback_alone(own_ray):
    found = listening(own_ray.process.pid)
    assert {"gcs_server", "raylet"} <= set(found.values())
    loopback = ("0100007F:", "0000000000000000FFFF00000100007F:")
    assert not {address: command for address, command in found.items() if not address.startswith(loopback)}
    assert own_ray.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_what_is_killed_goes_on_and_every_recording_is_a_row_once(own_ray, manifest, out, notes):
    load = batch_fakes.Load(notes.folder)
    driver = subprocess.Popen([sys.executable, "-c", KILLED, manifest, out, notes.folder, own_ray.address])
    try:
        wait_for(lambda: set(HELD) <= set(notes.begun()) or driver.poll() is not None, notes.begun)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    before = set(table(out))
    assert 0 < len(before) < len(SOUND)
    (notes.folder / "go").touch()
    told: list[Progress] = []
    assert run_batch(manifest, out, ModelOptions(), Cluster(own_ray.address, 2), load=load, on_progress=told.append) == 2
    rows = table(out)
    ok = {row["path"] for row in rows.values() if row["status"] == "ok"}
    assert ok == {f"audio/{name}" for name in SOUND} and {rows[name]["status"] for name in ("=bad", "empty")} == {"rejected"}
    begun = notes.begun()
    assert begun.count("deadly.wav") == 2
    assert all(begun.count(name) == 1 for name in SOUND if name not in ("deadly.wav", *HELD))
    assert told[0].n_done == len(before) and told[-1].n_done == told[-1].n == len(rows) == 10


def test_ray_asks_nobody_and_leaves_nothing_behind(own_ray):
    """Ray would ask clouds' metadata services where it is, its makers' statistics switched off or not."""
    own_ray.end()
    asked = [line for line in own_ray.calls.read_text().splitlines() if "sa_family=AF_INET" in line]
    assert asked and not [line for line in asked if not LOCAL.search(line)]
    assert not own_ray.folder.exists() and not list(own_ray.home.iterdir())


@pytest.fixture
def worker(out, notes):
    """One without Ray, in a folder that a run has taken."""
    with BatchFolder(out).taken({"recipe": 1}):
        yield Worker(Task(out, "session", ModelOptions(), batch_fakes.Load(notes.folder)))


def items(manifest: Path) -> dict[str, dict]:
    return {entry.id: vars(entry) for entry in read_entries(manifest)}


def test_a_row_holds_the_analysis_and_what_it_was_made_of(worker, manifest, out):
    assert worker(items(manifest)["a"]) == {"status": "ok", "stop": ""}
    row = table(out)["a"]
    analysis = Analysis.from_dict(json.loads(row["analysis"]))
    assert row["transcript"] == analysis.transcript.text and analysis.recording.name == "a.wav"
    assert row["concepts"][0]["label"] == analysis.concepts[0].label and len(row["concepts"]) == len(analysis.concepts)
    assert (row["path"], row["sha256"]) == ("audio/a.wav", sha256_of(manifest.parent / "audio" / "a.wav"))
    assert row["asr"] == "tiny.en 1 auto" and row["duration_s"] == 1.0 and 0 < row["seconds"] < 60 and row["reason"] is None
    assert not list((out / "open").glob("*-*"))


def test_bad_rows_are_set_aside_with_their_reasons_and_taken_again_when_asked(worker, manifest, out):
    (manifest.parent / "audio" / "d.wav").rename(manifest.parent / "audio" / "broken.wav")
    manifest.write_text(manifest.read_text() + "\nbroken,audio/broken.wav", encoding="utf-8")
    for item in items(manifest).values():
        if item["id"] in ("=bad", "empty", "d", "broken", "a"):
            worker(item)
    entries, folder = read_entries(manifest), BatchFolder(out)
    assert folder.set_aside(entries) == 4
    with open(out / "rejected.csv", encoding="utf-8", newline="") as file:
        aside = {row["id"]: row for row in csv.DictReader(file)}
    assert {name: row["status"] for name, row in aside.items()} == {
        "'=bad": "rejected", "empty": "rejected", "d": "rejected", "broken": "failed"
    }  # fmt: skip
    assert "can't be read as audio" in aside["'=bad"]["reason"] and "does not exist" in aside["d"]["reason"]
    assert "the manifest names no file" in aside["empty"]["reason"]
    assert aside["broken"]["reason"].startswith("RuntimeError: no luck (batch_fakes.py, line ")
    assert len(folder.unfinished(entries, retry=False)) == len(entries) - 5
    # A row that was corrected is a new one, without being asked for.
    manifest.write_text(manifest.read_text().replace("empty,", "empty,audio/b.wav"), encoding="utf-8")
    corrected = read_entries(manifest)
    assert [e.id for e in corrected if e in folder.unfinished(corrected, retry=False) and e.id in aside] == ["empty"]
    assert {e.id for e in folder.unfinished(corrected, retry=True)} == {e.id for e in corrected} - {"a"}
    assert set(table(out)) == {"a"} and folder.set_aside(corrected) == 0


def test_an_identifier_that_is_finished_takes_no_other_file(worker, manifest, out):
    worker(items(manifest)["a"])
    manifest.write_text(manifest.read_text().replace("audio/a.wav", "audio/other.wav"), encoding="utf-8")
    with pytest.raises(DataError, match="'a' is finished, with another file than audio/other.wav"):
        BatchFolder(out).unfinished(read_entries(manifest), retry=True)


def test_a_recording_that_workers_die_of_is_set_aside(worker, manifest, out, notes):
    (entry,) = (e for e in read_entries(manifest) if e.id == "deadly")
    began = "".join("session\n" for _ in range(MAX_ATTEMPTS)) + "other\n"
    (out / "open" / entry.key).write_text(began)
    assert worker(vars(entry))["status"] == "failed"
    assert table(out)["deadly"]["reason"] == "3 workers died of it" and not notes.begun()


def test_a_file_that_no_decoder_survives_costs_no_worker(worker, manifest, out, notes, monkeypatch):
    monkeypatch.setattr("medalign.core.apart.COMMAND", [sys.executable, "-c", "import os; os.abort()"])
    assert worker(items(manifest)["a"])["status"] == "rejected"
    assert "damaged in a way that no decoder survives" in table(out)["a"]["reason"] and not notes.begun()


def test_what_is_finished_is_not_done_again(worker, manifest, out, notes):
    item = items(manifest)["a"]
    assert [worker(item)["status"] for _ in range(2)] == ["ok", ""]
    assert notes.begun() == ["a.wav"]


def test_nobody_else_is_at_a_recording_that_is_claimed(worker, manifest, out):
    """A worker that outlives its driver for a moment is waited for."""
    entry, folder = read_entries(manifest)[0], BatchFolder(out)
    with folder.claimed(entry, "an older run") as n_begun, open(out / "open" / entry.key) as file:
        assert n_begun == 1
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_another_recipe_is_refused_by_name(manifest, out, worker, notes):
    other = Worker(Task(out, "session", ModelOptions(), batch_fakes.Load(notes.folder, revision="2")))
    assert worker(items(manifest)["a"])["stop"] == ""
    assert 'asr.revision "1" -> "2"' in other(items(manifest)["b"])["stop"]
    fitted_anew = Worker(Task(out, "session", ModelOptions(), batch_fakes.Load(notes.folder, fits="2")))
    assert 'asked for: student_files.fits.json "1" -> "2"; give' in fitted_anew(items(manifest)["b"])["stop"]
    assert set(table(out)) == {"a"}


def test_a_folder_has_one_driver_and_one_recipe(manifest, out, tmp_path, capsys):
    (tmp_path / "empty.csv").write_text("audio\n")
    assert main(["batch", str(tmp_path / "empty.csv"), "--out", str(out)]) == 2
    with BatchFolder(out).taken({"asr": "base"}):
        assert main(["batch", str(manifest), "--out", str(out)]) == 2
    assert main(["batch", str(manifest), "--out", str(out)]) == 2
    empty, taken, other = capsys.readouterr().err.splitlines()
    assert "has no rows" in empty and "another run is writing to" in taken and 'asr "base" -> "tiny.en"' in other
    out.joinpath("recipe.json").write_text("{")
    assert main(["batch", str(manifest), "--out", str(out)]) == 2
    assert main(["batch", str(manifest), "--out", str(manifest)]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_what_stops_one_worker_stops_the_run(manifest, out, notes, monkeypatch):
    def no_models(options: ModelOptions) -> None:
        raise WeightsError(f"'{options.asr}' is no model")

    with BatchFolder(out).taken({}):
        (item, *_) = items(manifest).values()
        assert Worker(Task(out, "s", ModelOptions(), no_models))(item)["stop"] == "'tiny.en' is no model"
        monkeypatch.setattr("medalign.batch.folder.os.fsync", lambda file: os.write(-1, b""))
        stopped = Worker(Task(out, "s", ModelOptions(), batch_fakes.Load(notes.folder)))(item)["stop"]
    assert "can't write to" in stopped and not (out / "rows").exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("m.csv", "path\nx.wav\n", "lacks the column audio"),
        ("m.csv", "audio\nx.wav\nx.wav\n", "more than one row for 'x.wav'"),
        ("m.csv", "id,audio\n7,x.wav\n7,y.wav\n", "more than one row for '7'"),
        ("m.jsonl", '{"audio": "x.wav"}\n{"audio": 7}\n', "line 2, is no JSON object"),
        ("m.jsonl", "[" * 100_000, "line 1, is no JSON object"),
        ("m.jsonl", "\n", "has no rows"),
        ("m.jsonl", '{"audio": "x.wav", "id": "\\ud800"}', "line 1, holds a character that stands for nothing"),
        ("m.jsonl", '{"audio": "x\\u0000.wav"}', "line 1, holds a character that stands for nothing"),
    ],
)
def test_a_bad_manifest_is_one_sentence(name, content, told, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told):
        read_entries(tmp_path / name)


def test_json_lines_say_the_same_as_csv(tmp_path):
    (tmp_path / "m.csv").write_text("audio,id,more\nx.wav,7,\n sub/y.wav ,,z\n")
    (tmp_path / "m.jsonl").write_text('{"audio": "x.wav", "id": 7}\n\n{"audio": "sub/y.wav", "id": null}')
    entries = read_entries(tmp_path / "m.csv")
    assert entries == read_entries(tmp_path / "m.jsonl")
    assert [(e.id, e.path) for e in entries] == [("7", str(tmp_path / "x.wav")), ("sub/y.wav", str(tmp_path / "sub/y.wav"))]


@pytest.mark.parametrize(
    ("asked", "device", "resources", "workers", "gpus", "chosen"),
    [
        ({}, "auto", {"CPU": 8.0}, 8, 0, "cpu"),
        ({"cpus": 4}, "auto", {"CPU": 8.0}, 2, 0, "cpu"),
        ({"workers": 20}, "auto", {"CPU": 8.0}, 20, 0, "cpu"),
        ({}, "auto", {"CPU": 8.0, "GPU": 2.0}, 2, 1, "cuda"),
        ({"workers": 3}, "cuda", {"CPU": 8.0, "GPU": 2.0}, 3, 0.5, "cuda"),
        ({}, "cpu", {"CPU": 8.0, "GPU": 2.0}, 8, 0, "cpu"),
    ],
)
def test_workers_get_a_share_of_what_there_is(asked, device, resources, workers, gpus, chosen):
    found = plan(Cluster(**asked), ModelOptions(device=device), resources)
    assert (found.n_workers, found.gpus, found.options.device) == (workers, gpus, chosen)


def test_a_model_that_nobody_has_is_told_before_any_worker_starts(manifest, out, monkeypatch):
    monkeypatch.setattr("medalign.batch.run.connected", lambda cluster: pytest.fail("Ray was started"))
    for options in (ModelOptions(asr="no such"), ModelOptions(teacher="no such")):
        with pytest.raises(WeightsError, match="'no such' is neither a folder nor a known name"):
            run_batch(manifest, out, options, Cluster())


def test_loading_models_does_not_count_as_time_for_a_recording():
    """Two workers, 30 s to load, a recording every 10 s of each."""
    pace = Pace(n_workers=2)
    told = [pace.left_s(n_done, 12, now_s) for n_done, now_s in enumerate((40.0, 40.0, 50.0, 50.0, 60.0), 1)]
    assert told == [None, None, 90.0, 40.0, pytest.approx(20.0 / 3 * 7)]


def test_a_gpu_that_nobody_has_is_one_sentence():
    with pytest.raises(BatchError, match="no GPU"):
        plan(Cluster(), ModelOptions(device="cuda"), {"CPU": 2.0})


def test_the_command_tells_how_far_it_is_and_how_long_it_will_take(manifest, out, monkeypatch, capsys):
    clock = iter([0.0, 3.0, 11.0, 12.0])
    monkeypatch.setattr("medalign.cli.options.monotonic", lambda: next(clock))

    def run(manifest_given, out_given, options, cluster, *, retry, on_progress):
        assert (manifest_given, out_given, options) == (manifest, out, ModelOptions(asr="base"))
        assert (cluster, retry) == (Cluster("somewhere:1", 3, 2), True)
        for progress in (Progress(9, 2, 0, None), Progress(9, 3, 0, 60.0), Progress(9, 6, 1, 900.0), Progress(9, 9, 2, 0.0)):
            on_progress(progress)
        return 3

    monkeypatch.setattr("medalign.batch.run.run_batch", run)
    asked = ["--asr", "base", "--workers", "3", "--cpus", "2", "--address", "somewhere:1", "--retry"]
    assert main(["batch", str(manifest), "--out", str(out), *asked]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 of 9 done",
        "6 of 9 done, 1 set aside, about 15 min left",
        "9 of 9 done, 2 set aside, about 0 s left",
        f"done: one row per recording in {out}/rows; 3 set aside, see {out}/rejected.csv",
    ]
