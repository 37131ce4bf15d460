"""Several processes, one loss: embeddings are gathered before they are compared, so that N ranks compute one rank's loss.

A loss over a rank's own rows would be another loss, with fewer negatives and another CKA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import Accelerator


class _GatherRows(torch.autograd.Function):
    """Rows of all ranks; backward, this rank's rows of the gradient, times the number of ranks."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, rank: int, n_ranks: int) -> Tensor:
        ctx.rank, ctx.n_ranks, ctx.n_rows = rank, n_ranks, len(tensor)
        gathered = [torch.empty_like(tensor) for _ in range(n_ranks)]
        torch.distributed.all_gather(gathered, tensor)
        return torch.cat(gathered)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows = grad[ctx.rank * ctx.n_rows : (ctx.rank + 1) * ctx.n_rows]
        return rows * ctx.n_ranks, None, None


def gather_rows(tensor: Tensor, accelerator: Accelerator) -> Tensor:
    """Rows of all processes in order of rank, differentiable; `accelerator.gather` is not.

    Scaling: each rank computes the same loss of all rows, and its own rows carry only their share of the gradient into
    the parameters. These shares add up to the gradient of one process with the whole batch, but DDP averages them. The
    backward pass therefore multiplies by the number of ranks; callers scale nothing. Parameters of the loss itself get
    the whole gradient on every rank, and averaging leaves it as it is. A mean over a rank's own rows may be added to
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
    return _GatherRows.apply(tensor.contiguous(), accelerator.process_index, n_ranks)
