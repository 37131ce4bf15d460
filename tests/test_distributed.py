"""One batch, one gradient, however it is cut: over chunks that fit into memory, or over processes."""

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_training import SHARED, log_of, train_undropped, trained_state
from torch import nn

from medalign.training.large_batch import backward_in_chunks, gather_rows
from medalign.training.losses import debiased_cka, info_nce
from medalign.training.recipe import TrainConfig
from medalign.training.train import make_accelerator

N, D_AUDIO, D_TEXT = 24, 20, 16


def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    latent = torch.randn(N, 6, generator=g)
    audio, text = (latent @ torch.randn(6, d, generator=g) + 0.3 * torch.randn(N, d, generator=g) for d in (D_AUDIO, D_TEXT))
    return audio, nn.functional.normalize(text, dim=-1)


def linear_head(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(D_AUDIO, 32), nn.GELU(), nn.Dropout(dropout), nn.Linear(32, D_TEXT))


class Loss(nn.Module):
    """InfoNCE and debiased CKA, as in training, with a temperature of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, audio: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, dict]:
        contrastive = info_nce(nn.functional.normalize(audio, dim=-1), text, self.log_scale)
        cka = 1 - debiased_cka(audio, text)
        return contrastive + cka, {"contrastive": contrastive, "cka": cka}


def gradients(*modules: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for module in modules for p in module.parameters()])


def whole_batch() -> tuple[float, torch.Tensor]:
    """Loss and gradients of one process with the whole batch at once."""
    head, loss_of, (audio, text) = linear_head(), Loss(), pairs()
    loss, _ = loss_of(head(audio), text)
    loss.backward()
    return loss.item(), gradients(head, loss_of)


def chunked(head: nn.Module, loss_of: Loss, audio: torch.Tensor, text: torch.Tensor, n: int, **kwargs):
    chunks = list(zip(audio.split(n), text.split(n), strict=True))
    return backward_in_chunks(
        lambda chunk: {"audio": head(chunk[0]), "text": chunk[1]}, chunks, lambda outputs: loss_of(**outputs), **kwargs
    )


def test_adding_up_cka_over_micro_batches_gives_another_gradient():
    g = torch.Generator().manual_seed(0)
    latent = torch.randn(N, 8, generator=g)
    audio, text = (latent @ torch.randn(8, 512, generator=g) + torch.randn(N, 512, generator=g) for _ in range(2))
    audio.requires_grad_()
    (whole,) = torch.autograd.grad(debiased_cka(audio, text), audio)
    halves = [slice(0, N // 2), slice(N // 2, N)]
    (added,) = torch.autograd.grad(sum(debiased_cka(audio[half], text[half]) for half in halves), audio)
    assert nn.functional.cosine_similarity(whole.flatten(), added.flatten(), dim=0) < 0.9


@pytest.mark.parametrize("n", [5, 8, N])
def test_chunks_give_the_loss_and_gradient_of_the_whole_batch(n):
    head, loss_of = linear_head(), Loss()
    loss, parts = chunked(head, loss_of, *pairs(), n)
    expected_loss, expected = whole_batch()
    assert loss.item() == pytest.approx(expected_loss, abs=1e-6)
    torch.testing.assert_close(gradients(head, loss_of), expected, atol=1e-6, rtol=0)
    assert not loss.requires_grad and not parts["cka"].requires_grad
    assert loss.item() == pytest.approx((parts["contrastive"] + parts["cka"]).item(), abs=1e-6)


def test_chunks_with_dropout_give_the_gradient_of_one_run_that_drops_the_same():
    head, loss_of, (audio, text) = linear_head(dropout=0.5), Loss(), pairs()
    torch.manual_seed(1)
    loss, _ = loss_of(torch.cat([head(chunk) for chunk in audio.split(8)]), text)  # all graphs at once
    loss.backward()
    expected, after = gradients(head, loss_of), torch.get_rng_state()
    head.zero_grad()
    loss_of.zero_grad()
    torch.manual_seed(1)
    replayed, _ = chunked(head, loss_of, audio, text, 8)
    assert replayed.item() == pytest.approx(loss.item(), abs=1e-6)
    torch.testing.assert_close(gradients(head, loss_of), expected, atol=1e-6, rtol=0)
    assert torch.equal(torch.get_rng_state(), after)  # the second pass leaves no trace


def test_chunks_keep_their_gradients_under_autocast():
    head, loss_of, (audio, text) = linear_head(), Loss(), pairs()
    with torch.autocast("cpu", torch.bfloat16):
        chunked(head, loss_of, audio, text, 8)
    _, expected = whole_batch()
    assert nn.functional.cosine_similarity(gradients(head, loss_of), expected, dim=0) > 0.95


def test_gradients_of_chunks_are_added_as_backward_adds_them():
    head, loss_of = linear_head(), Loss()
    for _ in range(2):
        chunked(head, loss_of, *pairs(), 8)
    torch.testing.assert_close(gradients(head, loss_of), 2 * whole_batch()[1], atol=2e-6, rtol=0)


def test_chunks_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"output rows has different shapes in different chunks, \[\(3,\), \(4,\)\]"):
        backward_in_chunks(lambda n: {"rows": torch.zeros(2, n)}, [3, 4], lambda outputs: (outputs["rows"].sum(), {}))
    with pytest.raises(ValueError, match="no chunks"):
        backward_in_chunks(lambda n: {"rows": torch.zeros(2, n)}, [], lambda outputs: (outputs["rows"].sum(), {}))


def test_one_process_gathers_nothing():
    rows = torch.randn(3, 2)
    assert gather_rows(rows, SimpleNamespace(num_processes=1, process_index=0)) is rows


def half_a_batch_each(rank: int, folder: str) -> None:
    """One of two processes; leaves what it got in `folder`. Starting them is most of the cost, so they do all there is."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    # The two meet in a file: no port to find free. Accelerate takes the group as it is.
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    accelerator = make_accelerator(TrainConfig(), "cpu")
    assert accelerator.num_processes == 2
    audio, text = (side.chunk(2)[rank] for side in pairs())
    result = {}
    for name, n in {"at once": None, "in chunks": 4}.items():
        # The loss stays unwrapped: every rank computes all of it, so its own gradients are equal already.
        head, loss_of = accelerator.prepare(linear_head()), Loss()

        def gathered_loss(audio, text, loss_of=loss_of):
            return loss_of(gather_rows(audio, accelerator), gather_rows(text, accelerator))

        if n is None:
            loss, _ = gathered_loss(head(audio), text)
            accelerator.backward(loss)
        else:
            loss, _ = chunked(head, gathered_loss, audio, text, n, no_sync=lambda head=head: accelerator.no_sync(head))
        result[name] = loss.item(), gradients(head, loss_of)
    result["ids"] = gather_rows(torch.tensor([rank, 7]), accelerator)
    result["mask"] = gather_rows(torch.tensor([[rank == 0, True]]), accelerator)
    try:
        gather_rows(torch.zeros(2 + rank, 3), accelerator)
    except ValueError as error:
        result["error"] = str(error)
    torch.save(result, f"{folder}/{rank}.pt")
    for name, config in SHARED.items():
        student = train_undropped(Path(folder) / f"two, {name}", config, accelerator)
        torch.save(trained_state(student), f"{folder}/{name}, {rank}.pt")
        accelerator.wait_for_everyone()
    accelerator.end_training()
    os._exit(0)  # gloo's threads may outlive the interpreter's orderly end, and then abort the process, once in a while


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """The folder that two processes have filled."""
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.set_forkserver_preload(["accelerate", "medalign.training.align"])  # imported once, not by each of the two
    torch.multiprocessing.start_processes(half_a_batch_each, (str(folder),), nprocs=2, start_method="forkserver")
    return folder


@pytest.fixture(scope="module")
def two_ranks(two_processes):
    return [torch.load(two_processes / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("how", ["at once", "in chunks"])
@pytest.mark.slow
def test_two_processes_with_half_a_batch_each_compute_the_loss_and_gradient_of_one(two_ranks, how):
    expected_loss, expected = whole_batch()
    for rank in two_ranks:
        loss, grads = rank[how]
        assert loss == pytest.approx(expected_loss, abs=1e-5)
        torch.testing.assert_close(grads, expected, atol=1e-5, rtol=0)


def test_ids_and_masks_are_gathered_in_order_of_rank(two_ranks):
    for rank in two_ranks:
        assert rank["ids"].tolist() == [0, 7, 1, 7]
        assert rank["mask"].tolist() == [[True, True], [False, True]]


def test_ranks_with_different_numbers_of_rows_are_told_so(two_ranks):
    for rank in two_ranks:
        assert "different shapes, [(2, 3), (3, 3)]" in rank["error"]


@pytest.mark.parametrize("name", SHARED)
def test_two_processes_train_as_one_does(two_processes, name, tmp_path):
    alone = trained_state(train_undropped(tmp_path, replace(SHARED[name], chunk_size=None)))
    logs = [[entry["loss"] for entry in log_of(folder)] for folder in (two_processes / f"two, {name}", tmp_path)]
    assert len(logs[1]) == 6 and logs[0] == pytest.approx(logs[1], abs=1e-5)
    for rank in range(2):
        for parameter, tensor in torch.load(two_processes / f"{name}, {rank}.pt", weights_only=True).items():
            assert torch.allclose(tensor, alone[parameter], atol=1e-4), parameter
