"""Files that come from outside, read and checked: JSON as a typed value, tensors of known shapes, a library's own formats.

Whatever is wrong with a file, the answer is one sentence that names it. A path that is no regular file is refused before it
is opened: opening a fifo would wait for a writer.
"""

import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, Literal, TypeVar, cast

import numpy as np

from medalign.core.errors import CheckpointError, MedAlignError

T = TypeVar("T")
Shape = Sequence[int | None]  # None is any length


def read_json(path: Path, of: type[T], *, error: type[MedAlignError] = CheckpointError, remedy: str) -> T:
    """A JSON file as a value of the type `of`: with a dataclass, exactly its fields, each of its type and finite.

    Args:
        remedy: what the user can do, the last part of the sentence.

    Raises:
        error: the file is missing, not readable, not JSON, or of another shape; or what the dataclass itself raises.
    """
    text = read_text(path, error=error, remedy=remedy)
    try:
        return typed(json.loads(text), of)
    except (ValueError, RecursionError) as invalid:
        raise error(f"{path} is not the JSON that is expected ({first_line(invalid)}); {remedy}") from invalid


def typed(body: object, of: type[T]) -> T:
    """A JSON value as an `of`; see `read_json`. Raises ValueError that names the first place that is wrong."""
    from pydantic import ValidationError

    plain, adapter = json.loads(json.dumps([body], allow_nan=False)), _adapter(cast(Any, of))
    try:
        (value,) = adapter.validate_json(json.dumps(plain))
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ValueError(f"{_place(first['loc'][1:])}: {first['msg'][0].lower()}{first['msg'][1:]}") from invalid
    # A field with a default may be missing above; the way back shows it.
    if missing := _missing(adapter.dump_python([value], mode="json"), plain):
        raise ValueError(f"{_place(missing[1:])}: field required")
    return value


def _place(keys: Sequence[object]) -> str:
    return ".".join(map(str, keys)) or "the whole"


def _missing(expected: object, found: object) -> tuple:
    """The keys to the first field that `expected` has and `found` has not; empty if there is none."""
    if isinstance(expected, dict) and isinstance(found, dict):
        pairs = [(key, value, found.get(key)) for key, value in expected.items()]
        if lacking := next((key for key in expected if key not in found), None):
            return (lacking,)
    elif isinstance(expected, list) and isinstance(found, list):
        pairs = [(i, *both) for i, both in enumerate(zip(expected, found, strict=True))]
    else:
        return ()
    return next(((key, *inner) for key, a, b in pairs if (inner := _missing(a, b))), ())


def read_text(path: Path, *, error: type[MedAlignError] = CheckpointError, remedy: str) -> str:
    """A UTF-8 file. Raises `error` as `read_json`."""
    check_regular(path, error=error, remedy=remedy)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise error(f"{path} can't be read ({first_line(unreadable)}); {remedy}") from unreadable


def read_tensors(
    path: Path,
    shapes: Mapping[str, Shape] | None = None,
    *,
    whole: Collection[str] = (),
    error: type[MedAlignError] = CheckpointError,
    remedy: str,
) -> dict[str, np.ndarray]:
    """All tensors of a safetensors file, finite numbers only.

    Args:
        shapes: what must be there, by name; further tensors are read as they are. None asks for nothing.
        whole: those of them that hold bytes; the others hold floating-point numbers.

    Raises:
        error: the file is missing, damaged, lacks a tensor, or one has another shape or holds NaN or infinity.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_regular(path, error=error, remedy=remedy)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as damaged:
        raise error(f"{path} is not a readable safetensors file ({first_line(damaged)}); {remedy}") from damaged
    for name, shape in (shapes or {}).items():
        found = tensors[name].shape if name in tensors else None
        if found is None or len(found) != len(shape) or any(n not in (None, m) for n, m in zip(shape, found, strict=True)):
            wanted = "x".join("n" if n is None else str(n) for n in shape)
            is_there = "is missing" if found is None else f"has the shape {'x'.join(map(str, found)) or 'of a number'}"
            raise error(f"{path} doesn't fit: '{name}' {is_there}, expected {wanted}; {remedy}")
        if (tensors[name].dtype != np.uint8) if name in whole else (tensors[name].dtype.kind != "f"):
            kind = "bytes" if name in whole else "floating-point numbers"
            raise error(f"{path} doesn't fit: '{name}' holds {tensors[name].dtype}, expected {kind}; {remedy}")
    if odd := [name for name, tensor in tensors.items() if tensor.dtype.kind == "f" and not np.isfinite(tensor).all()]:
        raise error(f"{path} holds numbers that are not finite, in '{odd[0]}'; {remedy}")
    return tensors


def write_tensors(tensors: Mapping[str, Any], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """A safetensors file of arrays, or of torch's tensors wherever they lie; whole or not at all, its folder made if need be.

    The library's own `save_file` makes files that nobody but their owner may read.
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(t.numpy(force=True) if hasattr(t, "numpy") else t) for name, t in tensors.items()}
    with replacing(path) as file:
        file.write(save(arrays, dict(metadata) if metadata else None))


@contextmanager
def reading(what: str, *, error: type[MedAlignError] = CheckpointError, remedy: str) -> Iterator[None]:
    """Around a library that reads a stranger's files: whatever it raises is about those files, and becomes one sentence."""
    try:
        yield
    except MedAlignError:
        raise
    except Exception as unreadable:
        raise error(f"{what} ({first_line(unreadable)}); {remedy}") from unreadable


@contextmanager
def replacing(path: Path, mode: Literal["w", "wb"] = "wb") -> Iterator[IO]:
    """A file that takes the place of `path` once it is whole: a killed process leaves no part of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.part")
    newline, encoding = ("", "utf-8") if mode == "w" else (None, None)
    with open(scratch, mode, newline=newline, encoding=encoding) as file:
        yield file
    scratch.replace(path)


def check_writable(folder: Path, purpose: str, *, error: type[MedAlignError] = CheckpointError, remedy: str) -> None:
    """Make a folder, and see that files can be written in it. Raises `error`: they can't.

    Args:
        purpose: what it is to hold, for the message.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as closed:  # ValueError: a NUL byte
        raise error(f"{folder} can't hold {purpose} ({first_line(closed)}); {remedy}") from closed


def check_regular(path: Path, *, error: type[MedAlignError] = CheckpointError, remedy: str) -> None:
    """Raises `error` unless the path is that of a regular file."""
    try:
        if path.is_file():
            return
        problem = "is not a regular file" if path.exists() else "is missing"
    except OSError as closed:
        problem = f"can't be read ({closed.strerror})"
    raise error(f"{path} {problem}; {remedy}")


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@cache
def _adapter(of: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    # A dataclass takes no settings from outside, one in a list does.
    return TypeAdapter(list[of], config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
