"""Two replicas behind Debian's nginx, by the very files that `.github/OPERATORS.md` gives to operators."""

import contextlib
import multiprocessing
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest
import replica
from browser import REPOSITORY, free_port
from reader import Answer, Reader

from medalign.core.examples import load_examples
from medalign.feedback.store import FeedbackStore

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("databases")]  # they share a server
RECIPE = (REPOSITORY / ".github" / "OPERATORS.md").read_text(encoding="utf-8")
NAME = "medalign.example.org"
TITLE = load_examples()[0].title
N_READERS, MAX_READERS = 10, 40
START_S = 120
NOBODY: dict = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}  # as whom nginx runs
NGINX = """
daemon off;
pid nginx.pid;
worker_processes 2;
events {}
http {
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    include medalign.conf;
}
"""


def file_of_the_page(name: str) -> str:
    (text,) = re.findall(rf"```\w+\n# /etc/\S*/{re.escape(name)}\n(.*?)```", RECIPE, re.DOTALL)
    return text


@dataclass
class Site:
    """What readers meet, and what stands behind it."""

    url: str
    replicas: dict[str, BaseProcess]  # by the name of their folder of temporary files, which is in all that they hand out
    store: FeedbackStore
    leaving: contextlib.ExitStack  # which all readers do in the end

    def visit(self, tone: bytes) -> "Visit":
        reader = Reader(self.url, headers={"Host": NAME}, verify=False)
        self.leaving.callback(reader.http.close)
        return Visit(reader, reader.upload("own.wav", tone), self)

    @property
    def n_ratings(self) -> int:
        return len(self.store.table("ratings"))


@dataclass
class Visit:
    """A reader who has sent a recording."""

    reader: Reader
    uploaded: dict
    site: Site

    @property
    def replica(self) -> str:
        """That has the recording."""
        return self.at(self.uploaded["path"])

    def at(self, shown: str) -> str:
        """The replica that wrote the files that are named there."""
        (name,) = [name for name in self.site.replicas if f"/{name}/medalign-" in shown]
        return name

    def show(self) -> Answer:
        """A stored result, with all of its files."""
        shown = self.reader.show(TITLE)
        assert re.search(f">{TITLE} .*example<.*, analysed beforehand", shown["heading"], re.DOTALL) and not shown["alert"]
        for link in re.findall(r'(?:href|src)="(gradio_api/file=[^"]+)"', shown["player"] + shown["exports"]):
            assert self.at(link) and self.reader.http.get(f"/{link}").status_code == 200
        return shown

    def rate(self, shown: Answer) -> None:
        rated = self.reader.rate(shown)
        assert "data-code" in rated["ratings"] and "correct" in rated["ratings"] and not rated["feedback-alert"]


@pytest.fixture(scope="module")
def site(postgresql, tmp_path_factory) -> Iterator[Site]:
    folder, database = tmp_path_factory.mktemp("replicas"), postgresql.new_database()
    conf, replicas = file_of_the_page("medalign.conf"), {}
    (command,) = re.findall(r"^ExecStart=\S+/medalign (.*)$", file_of_the_page("medalign@.service"), re.MULTILINE)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["replica"])
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("MEDALIGN_FEEDBACK", database.url)
        for port in re.findall(r"server 127\.0\.0\.1:(\d+);", conf):
            own, temporary = free_port(), folder / port
            conf = conf.replace(f"127.0.0.1:{port};", f"127.0.0.1:{own};")
            temporary.mkdir()
            started = processes.Process(target=replica.run, args=(shlex.split(command.replace("%i", str(own))), str(temporary)))
            started.start()
            stack.callback(started.join)
            stack.callback(started.terminate)
            replicas[f"http://127.0.0.1:{own}/config"] = port, started
        for address, (_, started) in replicas.items():
            wait_until_up(address, started.is_alive)
        url = stack.enter_context(nginx(conf))  # not before: a replica that did not answer gets no readers for 10 s
        store = stack.enter_context(FeedbackStore(database.url))
        yield Site(url, dict(replicas.values()), store, stack)


@contextlib.contextmanager
def nginx(conf: str) -> Iterator[str]:
    """Debian's, with this site alone, on a port and in a folder of its own, and without any rights."""
    program, port = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), free_port()
    assert program, "no nginx; install the Debian package 'nginx' to test replicas"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        conf = conf.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
        for place in re.findall(r"ssl_certificate\w* +(\S+);", conf):
            conf = conf.replace(place, str(folder / Path(place).name))
        (folder / "medalign.conf").write_text(conf)
        (folder / "nginx.conf").write_text(NGINX)
        if NOBODY:
            os.chown(folder, NOBODY["user"], NOBODY["group"])
        certify = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        certify += ["-subj", f"/CN={NAME}", "-out", folder / "medalign.pem", "-keyout", folder / "medalign.key"]
        subprocess.run(certify, check=True, capture_output=True, **NOBODY)
        with subprocess.Popen([program, "-e", "stderr", "-p", folder, "-c", "nginx.conf"], **NOBODY) as running:
            try:
                wait_until_up(f"https://127.0.0.1:{port}", lambda: running.poll() is None)
                yield f"https://127.0.0.1:{port}"
            finally:
                running.terminate()


def wait_until_up(url: str, is_alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert is_alive(), f"what should answer at {url} has ended"
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, verify=False)
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing answered at {url} within {START_S} s")


@pytest.fixture(scope="module")
def visits(site, tone) -> list[Visit]:
    """Ten readers, or as many as it takes until each replica has one."""
    arrived: list[Visit] = []
    while len(arrived) < N_READERS or len({visit.replica for visit in arrived}) < len(site.replicas):
        assert len(arrived) < MAX_READERS, "one replica gets no readers"
        arrived.append(site.visit(tone.read_bytes()))
    return arrived


@pytest.mark.slow
def test_a_reader_is_known_by_a_cookie_and_names_are_checked(site):
    with httpx.Client(base_url=site.url, verify=False) as browser:
        page = browser.get("/", headers={"Host": NAME})
        assert page.status_code == 200 and "MedAlign" in page.text and "127.0.0.1" not in page.text
        assert re.fullmatch(r"medalign_reader=[0-9a-f]{32}; Path=/; Secure; HttpOnly; SameSite=Lax", page.headers["set-cookie"])
        again = browser.get("/config", headers={"Host": NAME})
        assert "set-cookie" not in again.headers
        assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.slow
def test_each_reader_stays_with_one_replica_from_the_upload_to_the_feedback(site, visits):
    n_before = site.n_ratings

    def whole(visit: Visit) -> str:
        refused = visit.reader.analyse(visit.uploaded, acknowledged=False)
        assert "Confirm the data notice" in refused["alert"], "it has the recording"
        shown = visit.show()
        visit.rate(shown)
        return visit.at(shown["player"])

    with ThreadPoolExecutor(len(visits)) as pool:
        assert list(pool.map(whole, visits)) == [visit.replica for visit in visits]
    assert site.n_ratings == n_before + len(visits)


@pytest.mark.slow  # at each push: `test_an_upload_that_another_process_took_is_told_in_words`
def test_when_a_replica_ends_its_readers_are_told_and_go_on_elsewhere_and_nobody_else_notices(site, visits):
    here, there = (next(visit for visit in visits if visit.replica == name) for name in site.replicas)
    shown_here, shown_there, n_before = here.show(), there.show(), site.n_ratings
    with here.reader.http.stream("GET", f"/gradio_api/heartbeat/{here.reader.session}") as open_tab:
        site.replicas[here.replica].kill()
        with contextlib.suppress(httpx.RemoteProtocolError):
            open_tab.read()  # ends at once, instead of waiting for more
    there.rate(shown_there)
    assert "there is no recording yet" in here.reader.rate(shown_here)["feedback-alert"]
    with pytest.raises(AssertionError, match="no longer on this server"):
        here.reader.analyse(here.uploaded)
    shown_elsewhere = here.show()
    assert here.at(shown_elsewhere["player"]) == there.replica
    here.rate(shown_elsewhere)
    assert site.n_ratings == n_before + 2
    assert site.visit(b"sound").replica == there.replica


def test_one_address_can_not_fill_the_disk_with_uploads():
    """Whether a replica answers or not: nobody does here."""
    with (
        nginx(re.sub(r"127\.0\.0\.1:\d+;", lambda _: f"127.0.0.1:{free_port()};", file_of_the_page("medalign.conf"))) as url,
        httpx.Client(base_url=url, headers={"Host": NAME}, verify=False) as browser,
    ):
        sent = [browser.post("/gradio_api/upload", files={"files": b"sound"}).status_code for _ in range(MAX_READERS + 10)]
    assert sent[0] == 502 and sent[-1] == 429
