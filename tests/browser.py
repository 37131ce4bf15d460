"""A real Chromium and real servers for the page's tests. A missing browser is a failure, not a skip."""

import contextlib
import faulthandler
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

if TYPE_CHECKING:  # it takes seconds to import, and most tests need no page
    from gradio import Blocks

REPOSITORY = Path(__file__).parents[1]
SEEK_TOLERANCE_S = 0.2
# Whether the browser would ask who leaves the page.
LEAVING = """() => { const leaving = new Event("beforeunload", { cancelable: true });
    window.dispatchEvent(leaving); return leaving.defaultPrevented; }"""
VIEWPORT = {"width": 1440, "height": 900}
FOLDS = ("concepts", "depth", "numbers", "details", "feedback")  # below the first screen
LEAD_S = 3.0  # a concept is heard from the begin of its sentence, or a little before it
COMPARED = ("#comparison .compared", "#compare-alert .alert")
START_S = 120  # the page is up in seconds; the models may take longer on a busy machine

# Console messages of Gradio's own components, each seen with an empty page of Gradio 6.31 as well.
UPSTREAM_MESSAGES = (
    r"status of 416",  # its recorder and player ask for a range of a file that has no bytes
    r"AbortError: signal is aborted|Connection errored out",  # its client, when a page is left while a run streams
    r"Error accessing the microphone",  # thrown by its recorder on top of the message that our page shows
)


# A slow machine reads the clock late; where a press sent the player is noted by the page itself.
NOTE_SEEKS = """
window.seeks = [];
document.addEventListener("seeking", event => window.seeks.push(event.target.currentTime), true);
"""


# What a page shows, and asked its server, when a result never came.
STATE = """() => ({
    status: document.querySelector("#status")?.textContent,
    heading: document.querySelector("#result-title")?.outerHTML,
    disabled: [...document.querySelectorAll("button[disabled]")].map(button => button.textContent.trim()),
    visibility: document.visibilityState,
    asked: performance.getEntriesByType("resource").filter(entry => /queue|run\\//.test(entry.name))
        .map(entry => `${entry.name.split("gradio_api")[1]} ${entry.startTime | 0}-${entry.responseEnd | 0}`),
})"""


@contextlib.contextmanager
def chromium(playwright: Playwright, *extra: str) -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no chromium on the PATH; install the Debian package 'chromium' to test the page"
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", *extra]
    browser = playwright.chromium.launch(executable_path=path, args=flags)
    yield browser
    browser.close()


def hearing(path: Path) -> tuple[str, ...]:
    """Flags for a microphone that hears this WAV file."""
    return "--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={path}"


def new_context(browser: Browser, **options) -> BrowserContext:
    """A reader of their own, who shares neither cache nor permissions with another."""
    context = browser.new_context(**{"viewport": VIEWPORT, **options})
    context.add_init_script(NOTE_SEEKS)
    return context


def another_tab(tab: Page) -> Page:
    """A second tab in the process of the first, which has compiled the page's scripts already."""
    with tab.context.expect_page() as opened:
        tab.evaluate("window.open('about:blank')")
    return opened.value


@contextlib.contextmanager
def watched_page(browser: Browser, url: str, waits_for: str = "#start", **options) -> Iterator[Page]:
    """`visit` in a context of its own."""
    context = new_context(browser, **options)
    with visit(context.new_page(), url, waits_for) as page:
        yield page
    context.close()


@contextlib.contextmanager
def visit(page: Page, url: str, waits_for: str = "#start") -> Iterator[Page]:
    """Opens an address anew; fails its test on leaving if the page logged an error or asked another host for anything."""
    page.bring_to_front()  # a tab behind another draws seldom, and Playwright waits for that
    with complaints_of(page, url) as complaints:
        page.goto(url)
        page.locator(waits_for).wait_for()
        page.locator("#status[role=status]").wait_for(state="attached")  # the page's own script has run
        page.wait_for_function("![...document.querySelectorAll('button.example')].some(button => button.disabled)")
        try:
            yield page
        finally:  # what a test has chosen is gone with it, even if it failed
            page.evaluate("localStorage.clear()")
        page.goto("about:blank")
    assert not complaints, complaints


@contextlib.contextmanager
def complaints_of(page: Page, url: str) -> Iterator[list[str]]:
    """The errors that the page logs and its requests to hosts other than that of `url`, as they come."""
    complaints: list[str] = []

    def complain(kind: str, text: str) -> None:
        if not any(re.search(known, text) for known in UPSTREAM_MESSAGES):
            complaints.append(f"{kind}: {text}")

    def on_request(request):
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != urlsplit(url).netloc:
            complaints.append(f"asked another host: {request.url}")

    listeners = {
        "console": lambda message: complain("console", message.text) if message.type == "error" else None,
        "pageerror": lambda error: complain("script", str(error)),
        "request": on_request,
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    try:
        yield complaints
    finally:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def real_server(temporary: Path) -> Iterator[str]:
    """The address of `python app.py`, as a user starts it."""
    with real_process(temporary) as (url, _):
        yield url


@contextlib.contextmanager
def real_process(temporary: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """`python app.py`: address and process; it keeps its temporary files in the given folder."""
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port), "--feedback", str(temporary / "feedback.sqlite3")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_up(url, server)
            yield url, server
        finally:
            server.terminate()


def _wait_until_up(url: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert server.poll() is None, f"app.py ended with code {server.returncode}"
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/config", timeout=2)
            return
        time.sleep(0.2)
    raise AssertionError(f"app.py did not answer within {START_S} s")


@contextlib.contextmanager
def fake_server(engine, examples=(), root_path: str | None = None, **options) -> Iterator[str]:
    """The page with a fake engine, in this process; `options` go to `build_app`."""
    from medalign.ui.page import build_app

    with running(build_app(lambda: engine, examples, **options), root_path) as url:
        yield url


@contextlib.contextmanager
def running(app: "Blocks", root_path: str | None = None, hosts: Sequence[str] = ("*",)) -> Iterator[str]:
    from medalign.ui.page import launch_options

    port = free_port()
    app.launch(server_port=port, prevent_thread_lock=True, quiet=True, root_path=root_path, **launch_options(hosts))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        app.close(verbose=False)


@contextlib.contextmanager
def reverse_proxy(url: str, prefix: str) -> Iterator[str]:
    """Serves another server under a path, passing answers on as they come; whatever lies beside that path is not there."""

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(204 if self.path == "/favicon.ico" else 404)  # which Chromium asks every host for
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            inner = http.client.HTTPConnection(urlsplit(url).netloc)
            with contextlib.closing(inner), contextlib.suppress(OSError, http.client.HTTPException):  # a page was left
                inner.request(self.command, self.path.removeprefix(prefix), body, dict(self.headers))
                answer = inner.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                self.end_headers()
                while piece := answer.read1():
                    self.wfile.write(piece)

        do_GET = do_HEAD = do_POST = pass_on

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{prefix}"
        server.shutdown()


def open_panel(page: Page, mode: str = "record") -> None:
    """For a recording of one's own, with the recorder, or for an "upload"."""
    if page.locator("#own").get_attribute("data-mode") != mode:
        page.locator(f"[data-panel={mode}]").click()
    page.locator("#analyse").wait_for()


def open_pane(page: Page, name: str) -> None:
    """Where a phone shows one part of the result at a time, show this one."""
    button = page.locator(f".panes [data-open={name}]")
    if button.is_visible():
        button.click()


def unfold(page: Page, *names: str) -> None:
    """Open some of `FOLDS`, together: where one is opened after the other, the page is drawn as many times."""
    open_pane(page, "more")
    labels = ", ".join(f"#fold-{name} > button.label-wrap" for name in names)
    page.locator(labels).nth(len(names) - 1).wait_for()
    page.evaluate("labels => document.querySelectorAll(labels).forEach(e => e.matches('.open') || e.click())", labels)
    page.wait_for_function(
        "([labels, n]) => document.querySelectorAll(labels).length === n", arg=[f":is({labels}).open", len(names)]
    )


def open_form(segment: Locator) -> None:
    """To edit a segment. Its pencil shows where the pointer is."""
    segment.hover()
    segment.locator("[data-edit]").click()


def n_pressable(page: Page) -> int:
    """How many things a reader can press, or come to with the Tab key; Gradio measures its tabs on a copy that nobody sees."""
    kinds = 'button, a[href], input, select, textarea, summary, [tabindex="0"]'
    seen = "each => each.checkVisibility({ visibilityProperty: true }) && !each.closest('[aria-hidden=true]')"
    return page.evaluate(f"kinds => [...document.querySelectorAll(kinds)].filter({seen}).length", kinds)


def acknowledge(page: Page, mode: str = "record") -> None:
    """Tick the data notice; until then recorder and upload are locked."""
    open_panel(page, mode)
    page.locator("#consent input").check()
    page.wait_for_function("!document.querySelector('#inputs').inert")


def stop_recording(page: Page) -> None:
    """Press Stop; returns once the server has the recording, which is later than the player shows it."""
    with page.expect_response(lambda response: "/upload" in response.url):
        page.locator("#microphone .stop-button").click()
    page.locator("#microphone").get_by_role("button", name="Play", exact=True).wait_for()
    page.wait_for_timeout(500)  # the page's own state follows the upload


def stored_files(folder: Path) -> set[Path]:
    """Files with content below the folder, while a server in this process writes there and deletes."""
    paths = {Path(root) / name for root, _, names in os.walk(folder) for name in names}  # passes over what vanishes
    return {path for path in paths if _size(path)}


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def upload(page: Page, path: Path) -> None:
    """Acknowledge the notice and choose a file; returns once the page shows it."""
    acknowledge(page, "upload")
    page.locator("#upload input[type=file]").set_input_files(path)
    page.locator("#upload").get_by_text(path.suffix).wait_for()


def take_home(page: Page, name: str) -> None:
    """Press a link of the menu of exports."""
    if not page.locator("#exports details[open]").count():
        page.locator("#exports summary").first.click()
    page.locator("#exports").get_by_role("link", name=name).click()


def delete_now(page: Page) -> None:
    page.locator("#exports summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete now").click()


def wait_until_playing_from(page: Page, start_s: float, lead_s: float = 0.0) -> None:
    """The last press sent the player to `start_s`, within 0.2 s, or at most `lead_s` before it, and it plays."""
    page.wait_for_function("!document.querySelector('#player audio').paused && window.seeks.length")
    sought = page.evaluate("window.seeks.at(-1)")
    assert -lead_s - SEEK_TOLERANCE_S <= sought - start_s <= SEEK_TOLERANCE_S, f"sought {sought} s, expected {start_s} s"


def press_example(page: Page, title: str) -> None:
    page.locator("#examples").get_by_role("button", name=title, exact=True).click()


def show_example(page: Page, title: str) -> None:
    press_example(page, title)
    wait_for_result(page)


def wait_until_free(page: Page) -> None:
    page.wait_for_function("!document.querySelector('#analyse').disabled")


def wait_for_result(page: Page, timeout_s: float = 180) -> None:
    """Of the last press: what was on the page before is marked as old."""
    finished, alert = page.locator("#result-title[data-state=finished]:not([data-old])"), page.locator("#alert .alert")
    try:
        finished.or_(alert).first.wait_for(timeout=timeout_s * 1000)
    except PlaywrightTimeout as error:
        faulthandler.dump_traceback()  # a server may be in this process
        raise AssertionError(f"no result within {timeout_s} s: {page.evaluate(STATE)}") from error
    assert not alert.count(), alert.inner_text()
    page.wait_for_function("document.querySelector('#player audio')?.readyState >= 1")


def wait_for_figures(page: Page) -> None:
    """Opens their fold; returns once they are drawn."""
    unfold(page, "depth")
    page.wait_for_function(
        "document.querySelector('#timeline .scatterlayer .trace') && document.querySelector('#heatmap .xaxislayer-above')"
    )


def compare(page: Page, first: str, second: str, blind: bool = True) -> None:
    """On the tab that is open; returns once the comparison, or why there is none, is there."""
    ask_to_compare(page, first, second, blind)
    page.locator(", ".join(f"{new}:not([data-old])" for new in COMPARED)).first.wait_for()


def ask_to_compare(page: Page, first: str, second: str, blind: bool = True) -> None:
    for i, name in enumerate((first, second)):
        field = page.locator(f"#candidate-{i}").get_by_role("combobox")
        field.fill(name)
        field.press("Enter")
    page.locator("#blind input").set_checked(blind)
    # By an earlier comparison, perhaps.
    page.evaluate("shown => document.querySelectorAll(shown).forEach(old => old.dataset.old = 'yes')", ", ".join(COMPARED))
    page.locator("#compare-go").click()


def wait_until_votes_are_open(page: Page) -> None:
    page.locator("#comparison .side").first.scroll_into_view_if_needed()
    page.wait_for_function("!document.querySelector('#vote-tie').disabled", timeout=15_000)


def assert_accessible(
    page: Page, *more_rules: str, within: str | None = None, impacts: Sequence[str] = ("serious", "critical")
) -> None:
    """No rule of WCAG 2.2 AA, and none of `more_rules`, is broken with one of these impacts, on the page or in a part of it."""
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", *more_rules]
    page.evaluate(f"window.axe || (() => {{ {Axe().axe_script} }})()")
    # Only what is broken is described and sent: to do so with the rest as well takes longer than all checks.
    broken = page.evaluate(
        """([within, runOnly, impacts]) => axe.run(within ?? document, { runOnly, resultTypes: ["violations"] }).then(found =>
            found.violations.filter(rule => impacts.includes(rule.impact)).map(({ id, help, nodes }) =>
                [id, help, ...nodes.map(node => node.html)]))""",
        [within, rules, list(impacts)],
    )
    assert not broken, broken


def assert_fits(page: Page, where: str) -> None:
    """Nothing is wider than the window, once the figures have been drawn for its width."""
    try:
        page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth", timeout=5000)
    except PlaywrightTimeout:
        raise AssertionError(f"something is wider than the window: {where}") from None
