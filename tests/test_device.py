"""A GPU that has too little memory, played by models that refuse more than so many pieces: smaller batches, then the CPU."""

import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.memory import return_freed_memory
from medalign.core.provenance import PROVENANCE
from medalign.evaluation.word_errors import word_error_rate
from medalign.models import faster_whisper, transcription
from medalign.models.audio_encoder import AudioEncoder
from medalign.models.device import copy_to_cpu, note, noting, run_in_batches
from medalign.models.frames import Chunks, embedded, frames_so_far
from medalign.models.head import AlignmentHead, HeadConfig
from medalign.models.status_classifier import StatusClassifier
from medalign.pipeline.interleave import interleave
from medalign.training.throughput import measure_throughput

TORCH = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 60.00 MiB.")
CTRANSLATE2 = RuntimeError("CUDA failed with error out of memory")
CUBLAS = RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED")


def holding(n_held: int, error: RuntimeError = TORCH):
    """Doubles numbers, at most so many at a time on the device, and records what was tried where."""
    tried = []

    def run(device: str, batch):
        tried.append((device, len(batch)))
        if device == "cuda" and len(batch) > n_held:
            raise error
        return [2 * item for item in batch]

    return run, tried


@pytest.mark.parametrize("error", [TORCH, CTRANSLATE2, CUBLAS], ids=["torch", "ctranslate2", "cublas"])
@pytest.mark.parametrize(("n_held", "told"), [(8, ""), (3, "it took 2, more slowly"), (0, "on the CPU")])
def test_a_batch_that_does_not_fit_is_halved_and_at_last_the_cpu_takes_over(error, n_held, told):
    run, tried = holding(n_held, error)
    with noting(notices := []):
        results = list(run_in_batches("the student", range(11), 8, run, "cuda", lambda: "cpu"))
    assert sum(results, []) == [2 * i for i in range(11)]
    assert len(notices) == bool(told) and all(told in notice for notice in notices)
    sizes = {8: [("cuda", 8), ("cuda", 3)], 3: [("cuda", 8), ("cuda", 4), *[("cuda", 2)] * 5, ("cuda", 1)]}
    assert tried == sizes.get(n_held, [("cuda", 8), ("cuda", 4), ("cuda", 2), ("cuda", 1), *[("cpu", 1)] * 11])


def test_what_is_no_lack_of_memory_is_raised_and_so_is_a_lack_on_the_cpu():
    for error, on_cpu in ((RuntimeError("device-side assert"), False), (TORCH, True)):

        def run(device, batch, error=error, on_cpu=on_cpu):
            if device == "cpu" or not on_cpu:
                raise error
            raise TORCH

        with pytest.raises(RuntimeError, match=str(error)):
            list(run_in_batches("x", [1], 1, run, "cuda", lambda: "cpu"))


def test_threads_of_one_recording_note_into_its_own_list():
    def source(name):
        note(f"about {name}")
        yield threading.current_thread().name

    lists = {name: [] for name in ("first", "second")}
    drawn = {}
    for name, notices in lists.items():
        with noting(notices):
            drawn[name] = interleave({name: source(name)})
    note("about nobody")  # is logged
    for items in drawn.values():
        list(items)
    assert lists == {"first": ["about first"], "second": ["about second"]}


class TinyEncoder(nn.Module):
    """Two frames a second of a single number; refuses more than `n_held` chunks, unless it is a copy."""

    frames_per_s, chunk_s, dim = 2.0, 10.0, 1
    n_frames_of = AudioEncoder.n_frames_of

    def __init__(self, n_held: int):
        super().__init__()
        self.scale, self.n_held, self.original = nn.Parameter(torch.ones(1)), n_held, id(self)

    def features(self, waveforms):
        return torch.stack([torch.from_numpy(np.pad(w, (0, 160_000 - len(w)))) for w in waveforms])

    def forward(self, samples):
        if id(self) == self.original and len(samples) > self.n_held:
            raise TORCH
        return self.scale * samples.unflatten(1, (20, -1)).mean(2, keepdim=True)


@pytest.mark.parametrize("n_held", [4, 1, 0])
def test_the_student_hears_the_same_with_little_memory(n_held):
    waveform = np.linspace(0, 1, 95 * SAMPLE_RATE_HZ, dtype=np.float32)
    *_, alone = frames_so_far(TinyEncoder(1), waveform, 1)
    with noting(notices := []):
        *_, frames = frames_so_far(TinyEncoder(n_held), waveform, 4)
    assert torch.allclose(frames, alone) and frames.shape == (190, 1)
    assert len(notices) == (n_held < 4)


@pytest.mark.parametrize("seconds", [34, 26, 10, 7])
def test_chunks_are_whole_again_from_the_frames_and_their_ends(seconds):
    """Numbers that tell their chunk: what the encoder gave for it, not what its neighbour gave for the same second."""

    class Counting(TinyEncoder):
        n = 0

        def forward(self, samples):
            type(self).n += 1
            return super().forward(samples) + self.n

    waveform = np.linspace(0, 1, seconds * SAMPLE_RATE_HZ, dtype=np.float32)
    encoder, given = Counting(1), []
    chunks = Chunks.of(encoder)
    encoder.register_forward_hook(lambda _, __, output: given.append(output[0].clone()))
    *_, frames = frames_so_far(encoder, waveform, 1, chunks)
    for i, chunk in enumerate(given):
        found = chunks.whole(8.0 * i, frames)  # a second less at either end of 10 s
        ends_s = 8 * i + 10
        assert (found is None) == (ends_s > seconds)
        assert found is None or torch.equal(found, chunk)
    assert chunks.whole(8.0 * len(given), frames) is None and chunks.whole(1.0, frames) is None


def test_the_head_goes_on_on_the_cpu(monkeypatch):
    head = AlignmentHead(HeadConfig(encoder_dim=8, embed_dim=4, model_dim=8, n_layers=1, n_heads=1)).eval()
    stretches = [torch.randn(20 + i, 8) for i in range(3)]
    with torch.inference_mode():
        wanted = embedded(head, stretches)
        monkeypatch.setattr(head, "tokens", lambda *_: (_ for _ in ()).throw(TORCH), raising=True)
        monkeypatch.setattr("medalign.models.frames.copy_to_cpu", lambda module: copied(module))
        with noting(notices := []):
            found = embedded(head, stretches)
    assert torch.allclose(found, wanted, atol=1e-6) and "on the CPU" in notices[0]


def copied(head: nn.Module) -> nn.Module:
    """A copy without what the test put in its place."""
    copy = copy_to_cpu(head)
    copy.__dict__.pop("tokens")
    return copy


def test_a_copy_on_the_cpu_is_float32_and_shares_nothing():
    half = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).to(torch.bfloat16).requires_grad_(False).eval()
    copy = copy_to_cpu(half)
    assert {t.dtype for t in copy.state_dict().values()} == {torch.float32, torch.int64}
    assert half[0].weight.dtype == torch.bfloat16 and not copy.training and not copy[0].weight.requires_grad
    assert torch.equal(copy[0].weight.to(torch.bfloat16), half[0].weight)
    copy[0].weight.zero_()
    assert half[0].weight.abs().sum() > 0


def refusing(model: object, method: str, n_held: int, error: RuntimeError, monkeypatch) -> None:
    """The model's method takes at most so many items at once; that of its copies takes all."""
    taking = getattr(type(model), method)

    def refuse(self, items):
        if self is model and len(items) > n_held:
            raise error
        return taking(self, items)

    monkeypatch.setattr(type(model), method, refuse)


@pytest.mark.slow
def test_an_analysis_with_little_memory_says_so_and_hears_the_same(analyzer, streamed, cut, monkeypatch):
    path = cut("chest-pain", 0, 9)
    plain = streamed(path)[-1]
    transcriber, teacher = analyzer.transcriber, analyzer.listener.teacher
    encode = transcriber._model.encode

    def encode_one(log_mel):
        if len(log_mel) > 1:
            raise CTRANSLATE2
        return encode(log_mel)

    monkeypatch.setattr(transcriber, "_decoding", faster_whisper.DECODING["cuda"])
    monkeypatch.setattr(transcriber._model, "encode", encode_one)
    monkeypatch.setattr(transcription, "STRETCH_S", 4.0)
    refusing(teacher.model, "encode", 0, TORCH, monkeypatch)
    refusing(StatusClassifier.load(), "logits", 0, TORCH, monkeypatch)
    analysis = analyzer.analyze(path)
    recogniser, *others = analysis.warnings[len(plain.warnings) :]
    assert "the recogniser to take 8 pieces at once; it took 1" in recogniser
    assert {name for name in ("the teacher", "the status classifier") if name in " ".join(others)} and len(others) == 2
    assert all("on the CPU" in notice for notice in others)
    assert word_error_rate([plain.transcript.text], [analysis.transcript.text])["word_error_rate"] < 0.15
    assert len(plain.transcript.segments) <= len(analysis.transcript.segments)
    assert {row.code for row in analysis.concepts if row.teacher} == {row.code for row in plain.concepts if row.teacher}


def test_a_recogniser_that_does_not_fit_at_all_writes_on_the_cpu(transcriber, cut, monkeypatch):
    recording = load_recording(cut("chest-pain", 0, 3))
    wanted = transcriber.encode(recording.waveform)

    def full(*_, **__):
        raise CUBLAS

    loaded = transcriber._model
    on_gpu = SimpleNamespace(feature_extractor=loaded.feature_extractor, model=SimpleNamespace(encode=full))
    monkeypatch.setattr(transcriber, "_model", on_gpu)
    monkeypatch.setattr(faster_whisper, "_load", lambda folder, device, _: loaded if device == "cpu" else None)
    with noting(notices := []):
        assert np.array_equal(transcriber.encode(recording.waveform), wanted)
    assert "the recogniser" in notices[0] and "on the CPU" in notices[0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is kept")
def test_freed_memory_goes_back_to_the_system():
    def resident_kib() -> int:
        return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])

    blocks = [bytes(64_000) for _ in range(2000)]  # 128 MB of blocks too small to be the system's own
    kept = blocks[-1]  # the heap can't simply end before it
    del blocks
    before = resident_kib()
    return_freed_memory()
    assert resident_kib() < before - 64_000 and len(kept) == 64_000


@pytest.mark.slow
def test_throughput_is_measured_where_the_student_is(student):
    figures = measure_throughput(student, "cpu", sound_s=3.0, batch_size=32, n_steps=10)
    assert figures["device"] == "cpu" and figures["student"] == student.info.name and not figures["notices"]
    assert min(figures[name] for name in ("audio_s_per_s", "training_pairs_per_s", "peak_memory_mib")) > 0
    assert {"date", "commit", "hardware"} <= figures[PROVENANCE].keys()
