"""What a client sends that no page would send: one sentence for the client, one line in the log, and nothing read or fetched.

Gradio answers such a call with "null" and a traceback in the log, fetches a file whose path is a web address, and takes a
folder for a recording: its schedule of deletions then ends at that folder, and later uploads stay.
"""

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import gradio as gr
from gradio.exceptions import ComponentProcessingError
from gradio.utils import get_upload_folder
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

UNFIT = "This request is none that the page sends; /gradio_api/info tells what can be called, and with which values."
NO_UPLOAD = (
    "That is no uploaded recording: upload the file to /gradio_api/upload, and send its answer as "
    '{"path": ANSWER, "meta": {"_type": "gradio.FileData"}}. Addresses and other paths are not opened.'
)
GONE = (
    "That recording is no longer on this server: it was deleted, or the server was started anew. Remove it from the page, and "
    "record or choose it once more."
)
FILE_TYPE = "gradio.FileData"


class Page(gr.Blocks):
    """Gradio's page, which checks what is sent to any of its events before it does anything with it."""

    async def process_api(self, block_fn: Any, inputs: list, *rest: Any, **options: Any) -> dict:
        try:
            return await super().process_api(block_fn, inputs, *rest, **options)
        except gr.Error as error:
            if error.print_exception:  # Gradio's own, of a value or an event that no page sends
                _refuse(block_fn, error)
            raise

    async def preprocess_data(self, block_fn: Any, inputs: list, *rest: Any, **options: Any) -> list:
        if block_fn.fn is None or len(inputs) < len(block_fn.inputs):
            _refuse(block_fn, None)
        for block, value in zip(block_fn.inputs, inputs, strict=False):
            if (refusal := _refusal(block, value)) is not None:
                _refuse(block_fn, None, refusal)
        try:
            return await super().preprocess_data(block_fn, inputs, *rest, **options)
        except ValueError as error:  # which a component makes of whatever happens in it
            cause = error.__cause__ if isinstance(error, ComponentProcessingError) else error
            if isinstance(cause, OSError):  # no fault of the client's
                raise
            _refuse(block_fn, error)


def _refuse(block_fn: Any, error: Exception | None, sentence: str = UNFIT) -> NoReturn:
    """The log tells nothing of what was sent: it may be the name of a recording, or what was said."""
    log.warning("refused a call of '%s' (%s): %s", block_fn.api_name, type(error).__name__ if error else "its values", sentence)
    raise gr.Error(sentence, print_exception=False) from error


def _refusal(block: Any, value: object) -> str | None:
    """Why a component's value can't be used; None if it can."""
    if not isinstance(block, (gr.File, gr.Audio, gr.UploadButton)):
        return UNFIT if any(isinstance(part, dict) for part in _parts(value)) else None
    if value is None:
        return None
    if isinstance(value, list) and getattr(block, "file_count", "single") != "single":
        return next((refusal for each in value if (refusal := _refusal_of_file(each))), None)
    return _refusal_of_file(value)


def _refusal_of_file(value: object) -> str | None:
    sent = value if isinstance(value, dict) else {}
    path, meta = sent.get("path"), sent.get("meta")
    if not isinstance(path, str) or not isinstance(meta, dict) or meta.get("_type") != FILE_TYPE or sent.get("is_stream"):
        return NO_UPLOAD
    try:
        found = Path(path).resolve()
        if Path(get_upload_folder()).resolve() in found.parents and found.is_file():
            return None
    except (OSError, ValueError, RuntimeError):  # a NUL, a half of a character, too long, or links in a circle
        return NO_UPLOAD
    return GONE if Path(path).is_absolute() else NO_UPLOAD  # an address is none; whether a file is there, nobody learns


def _parts(value: object) -> Iterator[object]:
    """A value and all that is in its lists, however deep."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, list):
            waiting += part


class OneLine:
    """Around the whole application: a call that ends in an error is answered in a sentence, its traceback is one line."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if has_begun and isinstance(error.__cause__, HTTPException):  # said in the stream already: that session is unknown
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            if has_begun or isinstance(error, OSError) or "/gradio_api/" not in scope.get("path", ""):
                raise
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            log.warning("refused a call (%s, %s): %s", type(error).__name__, place, UNFIT)
            await JSONResponse({"detail": UNFIT}, status_code=400)(scope, receive, send)
