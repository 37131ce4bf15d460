"""How fast a student listens and learns on the device at hand, and what memory that takes: `medalign bench --throughput`."""

import resource
import time
from dataclasses import replace

import numpy as np
import torch

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.examples import load_examples
from medalign.core.provenance import PROVENANCE, provenance
from medalign.models.device import noting
from medalign.models.head import AlignmentHead
from medalign.models.student import Student
from medalign.training.data.pairs import Pair, Pairs
from medalign.training.objective import Targets
from medalign.training.recipe import TrainConfig
from medalign.training.train import Trainer, make_accelerator

PAIR_S = 5.0  # of a stretch to learn from, about an utterance
N_CONCEPTS = 100


def measure_throughput(
    student: Student, device: str, *, sound_s: float = 3600.0, batch_size: int = 256, n_steps: int = 20
) -> dict:
    """Seconds of sound that are encoded and embedded in a second, and pairs that are learnt from in a second.

    Args:
        student: on the device.
        sound_s: of the recording that is listened to: a bundled example, over and over.
        batch_size, n_steps: of the training run, on frames that are there already and from random numbers, in the precision
            that `medalign train` has on this device.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    notices: list[str] = []
    with noting(notices):
        heard = _listen(student, sound_s)
        learnt = _learn(student, device, batch_size, n_steps)
    of_gpu = {"gpu_peak_memory_mib": round(torch.cuda.max_memory_allocated() / 2**20)} if device == "cuda" else {}
    return {
        PROVENANCE: provenance(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "student": student.info.name,
        "audio_s_per_s": round(heard, 1),
        "sound_s": sound_s,
        "training_pairs_per_s": round(learnt, 1),
        "batch_size": batch_size,
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        **of_gpu,
        "notices": notices,
    }


def _listen(student: Student, sound_s: float) -> float:
    example = load_recording(load_examples()[0].audio_path).waveform
    waveform = np.resize(example, round(sound_s * SAMPLE_RATE_HZ))
    started = 0.0
    for part in (waveform[: 60 * SAMPLE_RATE_HZ], waveform):  # the first pays for memory and kernels that the second reuses
        started = time.perf_counter()
        student.embed(student.frames(part), student.windows(len(part) / SAMPLE_RATE_HZ))
    return sound_s / (time.perf_counter() - started)


def _learn(student: Student, device: str, batch_size: int, n_steps: int) -> float:
    head, rng = student.config.head, np.random.default_rng(0)
    untrained = Student(
        replace(student.config, n_members=1, member_weights=()), AlignmentHead(head), student.encoder, name="", revision=""
    ).to(device)
    n, n_frames = 4 * batch_size, round(PAIR_S * student.encoder.frames_per_s)
    # Each pair's frames lie around a point of its own: noise alone would pool to one embedding for all, which no loss can part.
    centres = rng.standard_normal((n, 1, head.encoder_dim))
    frames = tuple((centre + rng.standard_normal((n_frames, head.encoder_dim))).astype(np.float16) for centre in centres)
    pairs = tuple(Pair(i, 0.0, PAIR_S, f"text {i}", "group") for i in range(n))
    text = torch.nn.functional.normalize(torch.from_numpy(rng.standard_normal((n, head.embed_dim)).astype(np.float32)))
    targets = Targets(text, torch.arange(n), text[:N_CONCEPTS], torch.rand(n, min(n, N_CONCEPTS)) < 0.1)
    config = TrainConfig(n_steps=n_steps, batch_size=batch_size, validate_every=n_steps, bf16=device == "cuda")
    accelerator = make_accelerator(config, device)
    learnt_from = targets.to(accelerator.device)
    trainer = Trainer(
        untrained, config, Pairs(pairs, frames, frames_per_s=student.encoder.frames_per_s), learnt_from, accelerator
    )
    trainer.step(0)
    started = time.perf_counter()
    for step in range(1, n_steps):
        trainer.step(step)  # each ends with figures on the CPU, so none is under way when the time is taken
    return (n_steps - 1) * batch_size / (time.perf_counter() - started)
