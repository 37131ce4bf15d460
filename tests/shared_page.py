"""One server and one browser tab for all tests of the page that need no others: to open a page anew costs seconds."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import page_fixtures
from browser import (
    FOLDS,
    VIEWPORT,
    another_tab,
    complaints_of,
    running,
    show_example,
    unfold,
    wait_for_figures,
    wait_for_result,
)
from page_fixtures import Example, FakeEngine
from playwright.sync_api import Page

from medalign.feedback import schema
from medalign.feedback.store import FeedbackStore

LIVE, STORED = "Live", "Stored"  # the examples: one is analysed on request, the other was beforehand
SCAN_S = 1  # between two looks of the server for files that are old enough to be deleted


@dataclass
class SharedServer:
    """What stands behind its page can be exchanged for a test; `reset` puts it back."""

    store: FeedbackStore
    database: Path  # of the store
    stored: Path  # the result of the example `STORED`
    url: str = ""
    engine: FakeEngine = field(default_factory=lambda: FakeEngine(page_fixtures.analysis()))
    load_candidate: Callable = page_fixtures.load_candidate

    def reset(self) -> None:
        self.engine.go_on.set()
        self.engine, self.load_candidate = FakeEngine(page_fixtures.analysis()), page_fixtures.load_candidate
        self.stored.write_text(json.dumps(page_fixtures.analysis().to_dict()))
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for table in reversed(schema.METADATA.sorted_tables):
                if table is not schema.schema_version:
                    connection.execute(f"DELETE FROM {table.name}")


@contextlib.contextmanager
def shared_server(folder: Path, audio: Path) -> Iterator[SharedServer]:
    """
    Args:
        folder: an empty one, for what the server stores.
        audio: of the examples.
    """
    from medalign.ui import page
    from medalign.ui.engine import Comparing

    database, stored = folder / "feedback.sqlite3", folder / "stored.analysis.json"
    examples = [Example(LIVE, "By the engine", audio), Example(STORED, "Made beforehand", audio, stored)]
    page_fixtures.write_unaligned(audio)
    with FeedbackStore(str(database)) as store:
        server = SharedServer(store, database, stored)
        comparing = Comparing(lambda candidate: server.load_candidate(candidate), any_model=True)
        with mock.patch.object(page, "SCAN_S", SCAN_S):
            server.reset()
            app = page.build_app(lambda: server.engine, examples, store=store, comparing=comparing)
        with running(app) as server.url:
            yield server


def show_live(page: Page) -> None:
    """The live example's result, all of it open."""
    show_example(page, LIVE)
    unfold(page, *FOLDS)
    wait_for_figures(page)


class Shown:
    """A page in a tab of its own, for tests that read it and leave it as it was.

    It is opened once, and anew after a test that failed or that had the server delete its result.
    """

    def __init__(self, tab: Page, url: str, show: Callable[[Page], None] = wait_for_result):
        """
        Args:
            show: what is done with the page when it is opened.
        """
        self._page, self._url, self._show = another_tab(tab), url, show
        self._is_shown = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[Page]:
        """The page, of the usual size, at its top, the player silent.

        Fails on leaving if the page logged an error or asked another host for anything.
        """
        page = self._page
        page.bring_to_front()
        with complaints_of(page, self._url) as complaints:
            if not self._is_shown:
                page.goto("about:blank")
                page.goto(self._url)
                self._show(page)
                self._is_shown = True
            page.set_viewport_size(VIEWPORT)
            page.evaluate("document.querySelector('#player audio').pause(); window.seeks = []; window.scrollTo(0, 0)")
            yield page
        assert not complaints, complaints

    def discard(self) -> None:
        self._is_shown = False
