"""The file that faster-whisper runs, `model.bin` in CTranslate2's format: a header and a plain list of named arrays.

Source of the layout: OpenNMT/CTranslate2 `python/ctranslate2/specs/model_spec.py` (binary version 6).
"""

import struct
from pathlib import Path

import numpy as np

from medalign.core.errors import CheckpointError

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # 5 is bfloat16: no NumPy type
_BINARY_VERSION = 6


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a CTranslate2 model file, by name.

    Raises:
        CheckpointError: not such a file, or one whose arrays are in a type that NumPy lacks.
    """
    data = path.read_bytes()
    offset = 0

    def read(fmt: str) -> int:
        nonlocal offset
        (value,) = struct.unpack_from("<" + fmt, data, offset)
        offset += struct.calcsize(fmt)
        return value

    def read_bytes(n_bytes: int) -> bytes:
        nonlocal offset
        offset += n_bytes
        if offset > len(data):
            raise struct.error("file ends early")
        return data[offset - n_bytes : offset]

    def read_string() -> str:
        return read_bytes(read("H"))[:-1].decode()  # stored with a closing NUL

    try:
        version = read("I")
        if version != _BINARY_VERSION:
            raise CheckpointError(
                f"{path} is not a CTranslate2 model of binary version {_BINARY_VERSION} (got {version}); "
                "convert the model again with ct2-transformers-converter"
            )
        read_string(), read("I")  # specification name and revision
        arrays = {}
        for _ in range(read("I")):
            name = read_string()
            shape = tuple(read("I") for _ in range(read("B")))
            dtype = _DTYPES.get(read("B"))
            raw = read_bytes(read("I"))
            if dtype is None:
                raise CheckpointError(f"{path}: array '{name}' has a type that can't be read; use a float16 model")
            arrays[name] = np.frombuffer(raw, dtype=dtype).reshape(shape)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable CTranslate2 model ({error}); download it again") from error
    return arrays
