"""The plain step that ours is timed beside: it is the published one, and both take the same pairs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from medalign.core.assets import EXAMPLES
from medalign.training import published_step
from medalign.training.losses import published_loss
from medalign.training.published_step import FULL, WAYS, PublishedStep, measure_training


class Encoder(nn.Module):
    """A frame is ten samples, and a frame of silence is padding; what it hears is scaled by what it learns."""

    dim = 4

    def __init__(self, trained: bool):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(self.dim), requires_grad=trained)

    def features(self, waveforms):
        return torch.stack([torch.from_numpy(np.pad(w, (0, 80 - len(w)))) for w in waveforms]).view(len(waveforms), 8, 10)

    def n_frames_of(self, waveform):
        return len(waveform) // 10

    def forward(self, features):
        return features[..., : self.dim] * self.scale


@pytest.mark.parametrize("trained", [True, False])
def test_the_plain_step_is_the_published_loss_of_mean_frames_and_texts(trained: bool):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    words = rng.standard_normal((6, 5)).astype(np.float32)
    teacher = SimpleNamespace(embed_dim=5, encode=lambda texts: words[[int(text) for text in texts]])
    encoder = Encoder(trained)
    take = PublishedStep(SimpleNamespace(encoder=encoder), teacher)
    for projection in (take.of_audio, take.of_text):
        projection[2].p = 0.0  # dropout
    waveforms = [rng.standard_normal(10 * (2 + i)).astype(np.float32) for i in range(6)]
    means = torch.from_numpy(np.stack([w.reshape(-1, 10)[:, :4].mean(0) for w in waveforms]))
    with torch.no_grad():
        expected = published_loss(take.of_audio(means), take.of_text(torch.from_numpy(words))).item()
    first = take(waveforms, [str(i) for i in range(6)])
    assert first == pytest.approx(expected, abs=1e-6)
    for group in take.optimizer.param_groups:
        group["lr"] = 1e-2
    for _ in range(5):
        last = take(waveforms, [str(i) for i in range(6)])
    assert last < first and bool((encoder.scale != 1).any()) == trained


def test_each_way_is_compared_with_the_plain_step_that_trains_the_same(monkeypatch):
    class AtOnce:
        def __init__(self, *_, **__): ...

        __enter__ = __exit__ = lambda self, *_: self

        def submit(self, function, *arguments):
            return SimpleNamespace(result=lambda: function(*arguments))

    costs = dict(zip(WAYS, (1.0, 0.1, 3.0, 0.5, 0.6), strict=True))
    monkeypatch.setattr(published_step, "ProcessPoolExecutor", AtOnce)
    monkeypatch.setattr(
        published_step, "_measured",
        lambda way, rows, size: {"way": way, "batch_size": size, "cpu_s_per_pair": costs[way], "pairs_per_s": 2 / costs[way]},
    )  # fmt: skip
    rows = measure_training(EXAMPLES / "manifest.csv", [4, 8])["rows"]
    assert [row["times_as_fast"] for row in rows] == [1.0, 10.0, 1.0, 6.0, 5.0] * 2 and {r["batch_size"] for r in rows} == {
        4,
        8,
    }
    assert [row["times_as_fast_by_the_clock"] for row in rows[:2]] == [1.0, 10.0]
    alone = measure_training(EXAMPLES / "manifest.csv", [4], [way for way in WAYS if way != FULL])["rows"]
    assert ["times_as_fast" in row for row in alone] == [True, True, False, False]


@pytest.mark.slow
@pytest.mark.models
def test_our_step_and_the_plain_one_take_the_shipped_pairs():
    rows = measure_training(EXAMPLES / "manifest.csv", [8], list(WAYS)[:2])["rows"]
    plain, ours = rows
    assert ours["times_as_fast"] > 5 and plain["prepared_cpu_s_per_pair"] < ours["prepared_cpu_s_per_pair"]
    assert min(row["peak_memory_mib"] for row in rows) > 100
