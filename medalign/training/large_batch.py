"""A batch larger than memory, or shared by processes: the exact gradient of a loss that depends on the whole batch.

Adding up micro-batches, the usual way, gives another gradient: InfoNCE and CKA compare rows with each other, so half a
batch is another loss, with fewer negatives. So embeddings of all processes are gathered before they are compared; and of a
batch larger than memory only embeddings are held, and each chunk is run twice.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed.nn.functional import all_gather

Chunk = Any
Outputs = dict[str, Tensor]


def random_state() -> tuple[Tensor, Tensor | None]:
    """State of the default generators: the CPU's, and that of the current CUDA device once one is in use."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None


@contextmanager
def replayed(state: tuple[Tensor, Tensor | None]) -> Iterator[None]:
    """Random numbers as they followed `state`; the generators are restored afterwards."""
    cpu, cuda = state
    with torch.random.fork_rng([torch.cuda.current_device()] if cuda is not None else []):
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda)
        yield


def backward_in_chunks(
    forward: Callable[[Chunk], Outputs],
    chunks: Sequence[Chunk],
    loss_of: Callable[[Outputs], tuple[Tensor, Outputs]],
    no_sync: Callable[[], AbstractContextManager] = nullcontext,
) -> tuple[Tensor, Outputs]:
    """Back-propagate a whole-batch loss in the memory of one chunk; gradients are added to `.grad` as by `backward`.

    Pass one runs all chunks without a graph, and the loss's gradient is taken at the outputs; pass two runs each chunk
    again, and carries its rows of that gradient into the parameters. Dropout draws the same numbers in both passes.

    Args:
        forward: gives outputs of one chunk by name, tensors whose first dimension counts its samples and whose other
            dimensions are the same for all chunks. May draw from torch's default generators only: what comes from a
            generator of its own (a token mask) is drawn beforehand and travels in the chunk. No batch norm: it would
            count twice.
        chunks: parts of the batch, in order.
        loss_of: gives the loss and its named parts, of the outputs joined along their first dimension. Parameters of
            its own get their gradients, too. Under DDP leave these unwrapped: `gather_rows` makes them equal on all ranks.
        no_sync: entered for all chunks but the last, under DDP to average gradients once instead of once a chunk.

    Returns:
        The loss and the parts, detached.

    Raises:
        ValueError: no chunks, or outputs whose shapes differ after the first dimension.
        RuntimeError: the second run of a chunk differs in shape from the first.

    Source: Gao et al. 2021, Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup (arXiv 2101.06983).
    """
    if not chunks:
        raise ValueError("there are no chunks, so there is no batch")
    states, cached = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(random_state())
            cached.append(forward(chunk))
    # Autocast may have kept casts of pass one, which carry no gradient; not every torch keeps them.
    torch.clear_autocast_cache()
    joined = {name: _join(name, [outputs[name] for outputs in cached]) for name in cached[0]}
    del cached
    loss, parts = loss_of(joined)
    loss.backward()
    starts = dict.fromkeys(joined, 0)
    for i, (chunk, state) in enumerate(zip(chunks, states, strict=True)):
        with no_sync() if i + 1 < len(chunks) else nullcontext():
            with replayed(state):
                outputs = forward(chunk)
            _carry(outputs, joined, starts)
    return loss.detach(), {name: part.detach() for name, part in parts.items()}


def _join(name: str, outputs: list[Tensor]) -> Tensor:
    """Outputs of all chunks as one leaf, at which a gradient is taken."""
    if len(shapes := sorted({(*output.shape[1:],) for output in outputs})) > 1:
        raise ValueError(f"output {name} has different shapes in different chunks, {shapes}: pad to one length")
    rows = torch.cat(outputs)
    return rows.requires_grad_(rows.is_floating_point())


def _carry(outputs: Outputs, joined: Outputs, starts: dict[str, int]) -> None:
    """The gradient at a chunk's rows of `joined`, which begin at `starts`, into its graph; `starts` moves on."""
    tensors, gradients = [], []
    for name, output in outputs.items():
        start, gradient = starts[name], joined[name].grad
        starts[name] += len(output)
        if output.requires_grad and gradient is not None:
            tensors.append(output)
            gradients.append(gradient[start : starts[name]])
    if tensors:
        torch.autograd.backward(tensors, gradients)


def gather_rows(tensor: Tensor, accelerator: Accelerator) -> Tensor:
    """Rows of all processes in order of rank, differentiable; `accelerator.gather` is not.

    Scaling: each rank computes the same loss of all rows, and its own rows carry only their share of the gradient into
    the parameters. These shares add up to the gradient of one process with the whole batch, but DDP averages them. The
    backward pass therefore adds up the equal gradients of all ranks; callers scale nothing. Parameters of the loss itself
    get the whole gradient on every rank, and averaging leaves it as it is. A mean over a rank's own rows may be added to
    the loss without gathering. What isn't a floating-point tensor (ids, masks) is gathered, too, and has no gradient.

    Args:
        tensor: (n, ...), of the same shape on all ranks: drop the last incomplete batch.

    Returns:
        (n_ranks * n, ...); `tensor` itself if there is one process.

    Raises:
        ValueError: if shapes differ between ranks, on all of them.
    """
    n_ranks = accelerator.num_processes
    if n_ranks == 1:
        return tensor
    # Collectives on unequal shapes hang or mix up memory, without an error.
    shapes = [None] * n_ranks
    torch.distributed.all_gather_object(shapes, (*tensor.shape,))
    if len(set(shapes)) > 1:
        raise ValueError(f"ranks hold tensors of different shapes, {shapes}: drop the last incomplete batch, pad to one length")
    return torch.cat(all_gather(tensor))
