"""Weights into models: all of them or none, and never with code that lies beside them.

transformers fills weights that a folder lacks with random numbers and says so in a log only.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medalign.core.errors import CheckpointError
from medalign.core.files import read_tensors

UNUSED = "pooler."  # a layer on the first token's state, which many checkpoints lack and nothing here reads


def load_whole(cls: Any, folder: Path, *, part: str = "", fixed: tuple[str, ...] = (), **options: Any) -> Any:
    """`cls.from_pretrained(folder)`, in silence.

    Args:
        part: beginning of the names of those weights that must be there; all by default.
        fixed: names that may be missing: constants, or without an effect.
        options: further arguments of `from_pretrained`.

    Raises:
        ValueError: a weight is missing or has another shape than the configuration says.
    """
    told = {"output_loading_info": True, "ignore_mismatched_sizes": True}
    with quiet():
        model, loading = cls.from_pretrained(folder, trust_remote_code=False, **told, **options)
    lacking = {"missing": set(loading["missing_keys"]), "of another shape": {key for key, *_ in loading["mismatched_keys"]}}
    for problem, names in lacking.items():
        if found := sorted(n for n in names if n.startswith(part) and not n.startswith(UNUSED) and n not in fixed):
            raise ValueError(f"{len(found)} of its weights are {problem}: {', '.join(found[:3])}{' ...' * (len(found) > 3)}")
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and warnings: standard error is for the one line that says what went wrong."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def read_state(path: Path, *, remedy: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises CheckpointError as `read_tensors`."""
    return {name: torch.from_numpy(tensor) for name, tensor in read_tensors(path, remedy=remedy).items()}


def load_state(module: nn.Module, state: dict[str, Tensor], what: str, *, remedy: str) -> None:
    """Put tensors into a module. Raises CheckpointError as `check_fit`."""
    check_fit(module.state_dict(), state, what, remedy=remedy)
    module.load_state_dict(state, strict=True)


def check_fit(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], what: str, *, remedy: str) -> None:
    """Raises CheckpointError, listing the keys, unless both have the same keys with the same shapes and kinds of numbers."""
    both = wanted.keys() & state.keys()
    wrong_shape = sorted(k for k in both if wanted[k].shape != state[k].shape)
    wrong_kind = sorted(k for k in both if wanted[k].is_floating_point() != state[k].is_floating_point())
    missing, unexpected = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or unexpected or wrong_shape or wrong_kind:
        raise CheckpointError(
            f"{what} doesn't fit its configuration: missing {missing[:5]}, unexpected {unexpected[:5]}, "
            f"wrong shape {wrong_shape[:5]}{f', wrong kind of number {wrong_kind[:5]}' * bool(wrong_kind)}; {remedy}"
        )
