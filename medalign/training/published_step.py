"""A step of training beside a plain one as the published code takes it: the same pairs, encoder and teacher.

Plain: every step turns its clips into spectrograms, runs encoder and teacher on them, and trains two projections and, as it was
published, the encoder. Its masked reconstruction, a second pass of the encoder in every step, is left out, and so is reading
files: what is measured is less than what the published code does. Each measurement has a process of its own, for its memory.
"""

import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.models.adapter_config import AdapterConfig, Kind
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.training.data.manifest import Row, load_waveform, read_manifest
from medalign.training.data.pairs import Pairs, build_pairs
from medalign.training.data.targets import text_targets
from medalign.training.losses import published_loss
from medalign.training.objective import Targets
from medalign.training.recipe import Recipe, TrainConfig
from medalign.training.train import Trainer, make_accelerator

HIDDEN, SHARED = 1024, 512  # of the published projections
N_CONCEPTS = 100
N_STEPS = 3  # the first pays for memory that the others reuse
CHUNK = 8  # pairs

Step = Callable[[int], object]


class PublishedStep:
    """One optimiser step on a batch. Source: janine714/AcuLA@781a96b model.py:7-57, 76-99 and main.py:190-210, 331-341."""

    def __init__(self, student: Student, teacher: Teacher):
        """Args:
        student: its encoder is trained if its adapter says so.
        """
        self.encoder, self.teacher = student.encoder, teacher
        self.of_audio, self.of_text = (_projection(dim) for dim in (student.encoder.dim, teacher.embed_dim))
        self.trained = [p for part in (self.encoder, self.of_audio, self.of_text) for p in part.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-5, weight_decay=1e-2)

    def __call__(self, waveforms: Sequence[np.ndarray], texts: Sequence[str]) -> float:
        """Take it; the loss.

        Args:
            waveforms: float32 (n_samples,) at 16 kHz, at most a chunk of the encoder long.
            texts: one a waveform.
        """
        self.encoder.train()
        hidden = self.encoder(self.encoder.features(list(waveforms)))  # (n, n_frames, dim)
        n_frames = [self.encoder.n_frames_of(waveform) for waveform in waveforms]
        audio = torch.stack([frames[:n].mean(0) for frames, n in zip(hidden, n_frames, strict=True)])
        text = torch.from_numpy(self.teacher.encode(texts))
        loss = published_loss(self.of_audio(audio), self.of_text(text))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        return loss.item()


def _projection(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, HIDDEN), nn.ReLU(), nn.Dropout(0.2), nn.Linear(HIDDEN, SHARED))


def measure_training(manifest: Path, batch_sizes: Sequence[int], ways: Sequence[str] = ()) -> dict:
    """Pairs learnt from in a second, processor time a pair, preparation and peak memory, by way and size of batch.

    Args:
        manifest: whose rows are the pairs, clean.
        ways: names in `WAYS`; all by default.

    Raises:
        DataError: as `read_manifest`.
        TrainingError: fewer pairs than a batch.
    """
    rows, load_before, measured = read_manifest(manifest), round(os.getloadavg()[0], 1), []
    for size in batch_sizes:
        for way in ways or WAYS:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as worker:
                measured.append(worker.submit(_measured, way, rows, size).result())
    plain = {(row["way"], row["batch_size"]): row for row in measured}
    for row in measured:
        beside = plain.get((WAYS[row["way"]][2], row["batch_size"]))
        if beside:
            row["times_as_fast"] = round(beside["cpu_s_per_pair"] / row["cpu_s_per_pair"], 1)
            row["times_as_fast_by_the_clock"] = round(row["pairs_per_s"] / beside["pairs_per_s"], 1)
    seconds = sum(row.end_s - row.start_s for row in rows) / len(rows)
    return {
        "encoder": Recipe.encoder, "teacher": Recipe.teacher, "n_pairs": len(rows), "mean_pair_s": round(seconds, 1),
        "n_threads": torch.get_num_threads(), "load_before": load_before, "rows": measured,
    }  # fmt: skip


def _measured(way: str, rows: Sequence[Row], batch_size: int) -> dict:
    """In a process of its own."""
    make, adapter, _ = WAYS[way]
    torch.manual_seed(0)
    teacher = Teacher(Recipe.teacher)
    student = Student.untrained(Recipe.encoder, teacher.info, teacher.embed_dim, adapter=AdapterConfig(adapter))
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as cache:
        step = make(student, teacher, rows, batch_size, Path(cache))
        prepared_s = time.process_time() - begun
        wall_s, cpu_s = zip(*(_timed(step, number) for number in range(N_STEPS)), strict=True)
    return {
        "way": way, "batch_size": batch_size,
        "pairs_per_s": round(batch_size / statistics.median(wall_s[1:]), 2),
        "cpu_s_per_pair": round(statistics.median(cpu_s[1:]) / batch_size, 5),
        "prepared_cpu_s_per_pair": round(prepared_s / len(rows), 4),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


def _timed(step: Step, number: int) -> tuple[float, float]:
    begun, begun_cpu = time.perf_counter(), time.process_time()
    step(number)
    return time.perf_counter() - begun, time.process_time() - begun_cpu


def _published(student: Student, teacher: Teacher, rows: Sequence[Row], batch_size: int, cache: Path) -> Step:
    del cache
    waveforms = {row.path: load_waveform(row.path) for row in rows}
    take, rng = PublishedStep(student, teacher), np.random.default_rng(0)

    def step(_: int) -> float:
        chosen = [rows[i] for i in rng.permutation(len(rows))[:batch_size]]
        cuts = [slice(int(r.start_s * SAMPLE_RATE_HZ), int(r.end_s * SAMPLE_RATE_HZ)) for r in chosen]
        clips = [waveforms[r.path][cut] for r, cut in zip(chosen, cuts, strict=True)]
        return take(clips, [r.text for r in chosen])

    return step


def _ours(
    student: Student, teacher: Teacher, rows: Sequence[Row], batch_size: int, cache: Path, chunk_size: int | None = None
) -> Step:
    config = TrainConfig(n_steps=N_STEPS, batch_size=batch_size, chunk_size=chunk_size)
    pairs: Pairs = build_pairs(rows, student, cache, keep_waveforms=student.config.adapter.kind != "frozen")
    text, text_id = (torch.from_numpy(array) for array in text_targets(pairs.pairs, teacher, cache))
    n = min(len(text), N_CONCEPTS)
    targets = Targets(text, text_id, text[:n], torch.rand(len(text), n) < 0.1)  # concepts cost the same, whatever they say
    return Trainer(student, config, pairs, targets, make_accelerator(config, "cpu")).step


def _in_chunks(student: Student, teacher: Teacher, rows: Sequence[Row], batch_size: int, cache: Path) -> Step:
    return _ours(student, teacher, rows, batch_size, cache, CHUNK)


FROZEN, FULL = "published step, encoder frozen", "published step, encoder trained"
# Name -> what makes its step, what of the encoder is trained, and the plain step that it is compared with.
WAYS: dict[str, tuple[Callable[..., Step], Kind, str]] = {
    FROZEN: (_published, "frozen", FROZEN),
    "MedAlign, encoder frozen": (_ours, "frozen", FROZEN),
    FULL: (_published, "full", FULL),
    "MedAlign, encoder trained": (_ours, "full", FULL),
    f"MedAlign, encoder trained, {CHUNK} pairs at once": (_in_chunks, "full", FULL),
}
