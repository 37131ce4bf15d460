"""What leaves the process: no byte to the network, no file outside the folders that it was given; seen by the kernel's eyes.

Libraries of native code don't go through Python's sockets, so a patched socket would see nothing.
"""

import csv
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

EVERYTHING = """
import sys, urllib.request
from medalign.cli import main
speech, manifest, encoder = sys.argv[1:]
assert main(["analyze", speech, "--json", "analysis.json"]) == 0
tiny = ["--encoder", encoder, "--steps", "1", "--batch-size", "12", "--renderings", "clean", "--device", "cpu"]
assert main(["train", manifest, "--out", "run", "--cache", "cache", *tiny]) == 0
from medalign.cli.serve import build_demo
page = build_demo(feedback="feedback.sqlite3")
_, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
assert b"MedAlign" in urllib.request.urlopen(address).read()
page.close(verbose=False)
"""
CALLS = "connect,sendto,sendmsg,sendmmsg,openat,creat,mkdir,mkdirat,rename,renameat,renameat2"
LOCAL = re.compile(r'AF_UNIX|AF_NETLINK|sin_addr=inet_addr\("127\.|inet_pton\(AF_INET6, "::1"|AF_UNSPEC')
NAME_SERVICE = re.compile(r"sin6?_port=htons\(53\)")
WRITES = re.compile(r"(?:openat\(\w+, |creat\(|mkdir(?:at)?\((?:\w+, )?|rename\w*\(.*, )\"(?P<path>[^\"]+)\"(?P<rest>.*)")


def is_write(line: str) -> bool:
    return not line.endswith("(No such file or directory)") and (
        "openat(" not in line or re.search(r"O_WRONLY|O_RDWR|O_CREAT", line) is not None
    )


@pytest.fixture(scope="module")
def trace(cut, untrained_whisper, tmp_path_factory):
    """The system calls of an analysis, a training step and a page that answers, in a folder of their own; and that folder."""
    folder = tmp_path_factory.mktemp("isolated").resolve()
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "text", "split", "group"])
        for i in range(20):
            split, slug = ("train", "chest-pain") if i < 12 else ("valid", "upset-stomach")
            writer.writerow([cut(slug, 3.0 * i, 3.0 * i + 3.0), f"a cough for {i + 2} days", split, slug])
    for name in ("home", "tmp", "here"):
        (folder / name).mkdir()
    ours = ("GRADIO", "HF_", "MEDALIGN", "ORT_", "PYTEST", "TORCH", "XDG")  # set by these tests, or by a library in them
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"HF_HUB_OFFLINE": "1", "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [
        "strace",
        "--seccomp-bpf",
        "-f",
        "-qq",
        "-s",
        "4096",
        "-e",
        f"trace={CALLS}",
        "-o",
        folder / "calls",
        sys.executable,
    ]
    arguments = ["-c", EVERYTHING, cut("upset-stomach", 0.0, 13.8), folder / "manifest.csv", untrained_whisper]
    done = subprocess.run([*command, *arguments], cwd=folder / "here", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return (folder / "calls").read_text(encoding="utf-8", errors="replace").splitlines(), folder


def test_nothing_is_sent_or_looked_up(trace):
    lines, _ = trace
    asked = [line for line in lines if re.search(r"sa_family=AF_INET", line)]
    assert any("127.0.0.1" in line for line in asked), "the page's own request is seen, so others would be"
    assert not [line for line in asked if not LOCAL.search(line) or NAME_SERVICE.search(line)]


def test_nothing_is_written_outside_the_folders_it_was_given(trace):
    lines, folder = trace
    written = [match["path"] for line in lines if is_write(line) and (match := WRITES.search(line))]
    assert any(path.endswith("analysis.json") for path in written)
    allowed = (f"{folder}/tmp/", f"{folder}/here/", "/dev/", "/proc/")
    assert not {path for path in written if path.startswith("/") and not path.startswith(allowed)}
