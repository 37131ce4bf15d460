"""A reader of the page without a browser, in Gradio's own protocol: dozens at once, of a server itself or through a proxy."""

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx

WAIT_S = 120  # for the next event of an answer; the server sends a sign of life every 15 s
Answer = dict[str, Any]  # what a press brought, by the `elem_id` of the place on the page


class Reader:
    """One visit of the page: a session, the server's files, and cookies as a browser keeps them."""

    def __init__(self, url: str, **options: Any):
        """`options` go to `httpx.Client`."""
        self.http = httpx.Client(base_url=url, timeout=WAIT_S, **options)
        config = self.http.get("/config").raise_for_status().json()
        self.session = f"reader-{uuid.uuid4()}"
        self._places = {component["id"]: component["props"] for component in config["components"]}
        self._events = config["dependencies"]

    @contextlib.contextmanager
    def here(self) -> Iterator["Reader"]:
        """The page is open in a tab; then the reader leaves."""
        with contextlib.closing(self.http), self.http.stream("GET", f"/gradio_api/heartbeat/{self.session}") as alive:
            alive.raise_for_status()
            yield self

    def upload(self, name: str, data: bytes) -> dict:
        """A file as the page names it in its requests."""
        sent = self.http.post("/gradio_api/upload", files={"files": (name, data)}).raise_for_status()
        return {"path": sent.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def show(self, title: str) -> Answer:
        """The answer to a press on an example."""
        examples = {props["value"]: i for i, props in self._places.items() if "example" in (props.get("elem_classes") or ())}
        return self.press(self._run_of(examples[title]), ["", None])

    def analyse(self, uploaded: dict, acknowledged: bool = True) -> Answer:
        return self.press(self._run_of(self._place("analyse")), [acknowledged, None, uploaded, "", None])

    def rate(self, shown: Answer) -> Answer:
        """The answer to a press on ✓ beside the first concept."""
        button = re.search(r'<button[^>]*data-send="rate"[^>]*>', shown["concepts"])
        sent = {name: unescape(value) for name, value in re.findall(r'data-([\w-]+)="([^"]*)"', button.group())}
        return self.send("bridge-rate", [None, "no role given", False, None], {**sent, "rowStatus": sent.get("row-status")})

    def send(self, target: str, data: list, detail: object = None) -> Answer:
        """The answer to the one event of a place of the page; `detail` is what its own script sends along."""
        place = self._place(target)
        (event,) = [event for event in self._events if [t[0] for t in event["targets"]] == [place]]
        return self.press(event, data, detail)

    def press(self, event: dict, data: list, detail: object = None) -> Answer:
        """
        Raises:
            AssertionError: the server says that it failed, or says no more; what it said.
        """
        body = {"data": data, "fn_index": event["id"], "session_hash": self.session, "event_data": detail}
        self.http.post("/gradio_api/queue/join", json=body).raise_for_status()
        with self.http.stream("GET", f"/gradio_api/queue/data?session_hash={self.session}") as events:
            told = [line for line in events.iter_lines() if '"process_completed"' in line]
        assert told, "the answer ended before it was complete"
        answer = json.loads(told[-1].removeprefix("data: "))
        assert answer["success"], answer
        names = [self._places[i].get("elem_id") for i in event["outputs"]]
        return dict(zip(names, answer["output"]["data"], strict=True))

    def _place(self, elem_id: str) -> int:
        (place,) = [i for i, props in self._places.items() if props.get("elem_id") == elem_id]
        return place

    def _run_of(self, button: int) -> dict:
        """A press first locks the buttons; what comes after it does the work."""
        (begun,) = [event["id"] for event in self._events if [button, "click"] in [list(t) for t in event["targets"]]]
        (run,) = [event for event in self._events if event["trigger_after"] == begun]
        return run
