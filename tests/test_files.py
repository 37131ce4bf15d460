"""Files from outside become typed values, or one sentence that names what is wrong with them."""

import json
import os
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from medalign.core.errors import CheckpointError, DataError, WeightsError
from medalign.core.files import read_json, read_tensors, reading, write_tensors

REMEDY = "write it anew"


@dataclass(frozen=True)
class Inner:
    size: int


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    many: tuple[Inner, ...] = ()
    share: float = 0.5


WHOLE = {"name": "a", "inner": {"size": 3}, "many": [{"size": 1}], "share": 1}


def test_json_becomes_a_typed_value(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(WHOLE))
    assert read_json(path, Outer, remedy=REMEDY) == Outer("a", Inner(3), (Inner(1),), 1.0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "maximum recursion depth"),
        ("9" * 5000, "Exceeds the limit"),
        (b"\xff", "can't decode byte"),
        ("[]", "the whole: input should be an object"),
        (WHOLE | {"inner": []}, "inner: input should be an object"),
        (WHOLE | {"inner": {"size": 1.5}}, "inner.size: input should be a valid integer"),
        (WHOLE | {"inner": {"size": True}}, "inner.size: input should be a valid integer"),
        (WHOLE | {"many": [{"size": 1}, {"size": "2"}]}, "many.1.size: input should be a valid integer"),
        (WHOLE | {"share": float("nan")}, "not JSON compliant"),
        ('{"name": "a", "inner": {"size": 3}, "many": [], "share": 1e999}', "not JSON compliant"),
        (WHOLE | {"colour": "blue"}, "colour: unexpected keyword argument"),
        ({k: v for k, v in WHOLE.items() if k != "name"}, "name: field required"),
        ({k: v for k, v in WHOLE.items() if k != "share"}, "share: field required"),
        (WHOLE | {"many": [{}]}, "many.0.size: field required"),
    ],
)
def test_json_of_another_shape_is_one_sentence(tmp_path, content, told):
    path = tmp_path / "a.json"
    text = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=f"a.json .*{told}.*; write it anew$"):
        read_json(path, Outer, error=DataError, remedy=REMEDY)


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"a": np.zeros((3, 2), np.float32)}, "'b' is missing, expected 4"),
        ({"a": np.zeros((3, 5), np.float32), "b": np.zeros(4, np.float32)}, "'a' has the shape 3x5, expected nx2"),
        ({"a": np.zeros(2, np.float32), "b": np.zeros(4, np.float32)}, "'a' has the shape 2, expected nx2"),
        ({"a": np.zeros((3, 2), np.int8), "b": np.zeros(4, np.float32)}, "'a' holds int8, expected floating-point numbers"),
        ({"a": np.full((3, 2), np.inf, np.float32), "b": np.zeros(4, np.float32)}, "not finite, in 'a'"),
    ],
)
def test_tensors_of_another_shape_are_one_sentence(tmp_path, tensors, told):
    path = tmp_path / "a.safetensors"
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=f"a.safetensors .*{told}.*; write it anew$"):
        read_tensors(path, {"a": (None, 2), "b": (4,)}, error=WeightsError, remedy=REMEDY)


def test_tensors_are_written_whole_and_for_whoever_may_read_the_folder(tmp_path):
    path, beside = tmp_path / "new" / "a.safetensors", tmp_path / "beside"
    write_tensors({"a": torch.arange(6.0).reshape(2, 3).T, "b": np.ones(2, np.uint8)}, path, {"place": "here"})
    beside.touch()
    assert path.stat().st_mode == beside.stat().st_mode and [*path.parent.iterdir()] == [path]
    assert read_tensors(path, {"a": (3, 2), "b": (2,)}, whole=["b"], remedy=REMEDY)["a"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("n_kept", [0, 5, 60, 120])
def test_a_truncated_file_of_tensors_is_one_sentence(tmp_path, n_kept):
    path = tmp_path / "a.safetensors"
    save_file({"a": np.zeros((3, 2), np.float32)}, path)
    path.write_bytes(path.read_bytes()[:n_kept] if n_kept < 120 else path.read_bytes() + b"more")
    with pytest.raises(CheckpointError, match="not a readable safetensors file .*; write it anew$"):
        read_tensors(path, remedy=REMEDY)


def in_a_file(path):
    path.write_text("")
    return path / "inside"


def fifo(path):
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("read", [lambda p: read_json(p, Outer, remedy=REMEDY), lambda p: read_tensors(p, remedy=REMEDY)])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path, "is missing"),
        (lambda path: path.parent, "is not a regular file"),
        (in_a_file, "is missing"),
        (fifo, "is not a regular file"),
        (lambda path: type(path)("/dev/zero"), "is not a regular file"),
    ],
)
def test_what_is_no_file_is_refused_unopened(tmp_path, make, told, read):
    with pytest.raises(CheckpointError, match=f"{told}; write it anew$"):
        read(make(tmp_path / "a"))


def test_whatever_a_library_raises_is_about_the_file():
    for error in (KeyError("a\nb"), ZeroDivisionError(), AttributeError("x"), OSError(13, "Permission denied")):
        told = pytest.raises(WeightsError, match=r"^'m' can't be loaded \(.*\); give another$")
        with told as refusal, reading("'m' can't be loaded", error=WeightsError, remedy="give another"):
            raise error
        assert refusal.value.__cause__ is error
    with pytest.raises(DataError, match="^said already$"), reading("'m' can't be loaded", remedy="give another"):
        raise DataError("said already")
