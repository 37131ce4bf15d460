"""Files that the page hands to the browser. They lie in Gradio's temporary folder and go with the uploads."""

import io
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import gradio as gr
import numpy as np
import soundfile
from gradio import route_utils, routes
from gradio.data_classes import FileData, ListFiles
from gradio.utils import get_upload_folder
from starlette.requests import Request

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import printable

MAX_NAME = 200  # bytes; file systems have room for 255, and exports add an ending


class Uploaded(str):
    """The path of a reader's file."""

    given_name = ""  # as their machine calls it


def with_given_names(upload: gr.File) -> gr.File:
    """A component whose files come as `Uploaded`.

    Browsers send a quote in a name as %22, and Gradio leaves out what some system can't have in one, such as a colon; only the
    page's own state has the name as it is.
    """

    def preprocess(payload: FileData | ListFiles | None) -> Uploaded | None:
        file = payload[0] if isinstance(payload, ListFiles) else payload
        if file is None:
            return None
        uploaded = Uploaded(file.path)
        uploaded.given_name = _safe_name(file.orig_name or "") or Path(file.path).name
        return uploaded

    vars(upload)["preprocess"] = preprocess  # a subclass would have Gradio write a stub file beside this one
    return upload


def _safe_name(name: str) -> str:
    """One line of at most `MAX_NAME` bytes without a folder; its ending stays."""
    path = PurePath(printable(name))
    n_left = MAX_NAME - len(path.suffix.encode())
    return path.stem.encode()[:n_left].decode(errors="ignore") + path.suffix if n_left > 0 else ""


def keep(place: gr.HTML, data: bytes, name: str) -> Path:
    """Write a file that the browser may fetch; `place` is the component that shows its address.

    In a folder of its own with a random name: Gradio's own helpers name folders by content, so that two readers of one
    example would share a file, and one of them would delete it for both.
    """
    path = Path(place.GRADIO_CACHE) / secrets.token_hex(16) / name
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    place.temp_files.add(str(path))  # what `delete_cache` looks through
    return path


def discard(path: Path) -> None:
    """Delete a reader's file, and the folders that it had for itself: a folder may be named by what was in it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # something else is in the folder
        for folder in path.parents:
            if Path(get_upload_folder()) not in folder.parents:
                return
            folder.rmdir()


def own_uploads() -> None:
    """Have Gradio keep each upload in a folder of its own.

    It names folders by content alone: two readers who upload the same recording would share the file, and one of them
    would delete it for both. With a random name above, nobody can guess the path of somebody else's, either.
    """

    async def upload(request: Request, upload_dir: str, *rest: Any, **options: Any) -> Any:
        return await route_utils.upload_fn(request, Path(upload_dir) / secrets.token_hex(16), *rest, **options)

    routes.upload_fn = upload


class _TempFiles(set[str]):
    """Gradio's schedule of deletions goes through these in one thread while others add to them.

    In a plain set, one upload at that moment raises an error, which ends the schedule for good and in silence: what is uploaded
    later would stay until the server ends.
    """

    def __iter__(self) -> Iterator[str]:
        return set.__iter__(set.copy(self))


def keep_schedule(page: gr.Blocks) -> None:
    """Have `delete_cache` go on whatever is uploaded meanwhile; for a page that is complete."""
    page.upload_file_set = _TempFiles()
    for block in page.blocks.values():
        block.temp_files = _TempFiles()
    page.temp_file_sets = [page.upload_file_set, *(block.temp_files for block in page.blocks.values())]


def keep_waveform(place: gr.HTML, waveform: np.ndarray) -> Path:
    """The recording as a WAV of 16 bit, which every browser plays."""
    pcm = (np.clip(waveform, -1.0, 1.0) * 32767).astype(np.int16)
    wav = io.BytesIO()
    soundfile.write(wav, pcm, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return keep(place, wav.getvalue(), "recording.wav")


def address(path: Path) -> str:
    """Relative, so that it also holds behind a proxy that serves the page under a path."""
    return f"gradio_api/file={quote(str(path))}"
