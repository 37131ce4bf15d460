"""Which device the models run on, and what becomes of a GPU that has too little memory."""

import copy
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from medalign.core.abandoned import go_on
from medalign.core.errors import WeightsError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")
Model = TypeVar("Model")
Module = TypeVar("Module", bound="torch.nn.Module")
# PyTorch raises an error of its own, CTranslate2 a plain RuntimeError; both also fail when cuBLAS finds no room to work in.
OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")

_collected: ContextVar[list[str] | None] = ContextVar("notices", default=None)


def choose_device(device: str) -> str:
    """`auto` is a GPU if PyTorch sees one; asking for one that isn't there is an error.

    On ZeroGPU it is the CPU: this process has no GPU, though PyTorch is made to say so, but borrows one (`zero_gpu`).
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise WeightsError(f"unknown device '{device}'; use auto, cpu or cuda")
    if on_zero_gpu():
        return "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise WeightsError("device 'cuda' was asked for, but PyTorch sees no GPU; use --device cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def on_zero_gpu() -> bool:
    """Whether this is a Space of Hugging Face that borrows a GPU for single calls. `app.py` has imported `spaces` then."""
    return "spaces" in sys.modules and os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def half_precision() -> "torch.dtype":
    """The card's own: bfloat16 can't overflow, and float16 is what older cards have."""
    import torch

    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


@contextmanager
def noting(notices: list[str]) -> Iterator[None]:
    """What the block, and threads that take its context along, have to tell of the device goes into the list, each once."""
    token = _collected.set(notices)
    try:
        yield
    finally:
        _collected.reset(token)


def note(sentence: str) -> None:
    """Tell the reader of the analysis at work, if there is one, and the log."""
    log.warning("%s", sentence)
    notices = _collected.get()
    if notices is not None and sentence not in notices:
        notices.append(sentence)


def run_in_batches(
    what: str,
    items: Sequence[Item],
    n_at_once: int,
    run: Callable[[Model, Sequence[Item]], Result],
    model: Model,
    on_cpu: Callable[[], Model],
) -> Iterator[Result]:
    """The result of each batch of items, in order.

    A batch that the GPU's memory doesn't hold is halved; if it doesn't hold a single item, the CPU does the rest. Either is
    noted, and the next call begins anew: somebody else may have used that memory. Once nobody waits for the result any more,
    no further batch is taken.

    Args:
        what: does the work, for the notice: "the student".
        model, on_cpu: `run` gets the one on the device, or one made on the CPU when that is needed.
    """
    first, size, is_on_cpu = 0, n_at_once, False
    while first < len(items):
        go_on()
        batch = items[first : first + size]
        try:
            result = run(model, batch)
        except RuntimeError as error:
            if is_on_cpu or not any(words in str(error) for words in OUT_OF_MEMORY):
                raise
        else:
            yield result
            first += len(batch)
            continue
        # What PyTorch keeps for later is of no use to CTranslate2, nor to a batch of another shape; here, since the error and
        # what it held is gone.
        if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(batch) > 1:
            size = len(batch) // 2
            continue
        note(f"The GPU has too little memory for {what}, which went on, more slowly, on the CPU.")
        model, is_on_cpu = on_cpu(), True
    if size < n_at_once and not is_on_cpu:
        note(f"The GPU has too little memory for {what} to take {n_at_once} pieces at once; it took {size}, more slowly.")


def copy_to_cpu(module: Module) -> Module:
    """A copy in float32 on the CPU, made without taking more of the device's memory: others use the module meanwhile."""
    import torch

    memo: dict[int, object] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
        moved = tensor.detach().to("cpu", dtype, copy=True)
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        memo[id(tensor)] = torch.nn.Parameter(moved, requires_grad=tensor.requires_grad) if is_parameter else moved
    return copy.deepcopy(module, memo).to("cpu")
