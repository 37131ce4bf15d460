"""Others do the same work on the same recordings, with the same weights."""

from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest

from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.errors import CheckpointError
from medalign.core.weights import resolve
from medalign.evaluation.word_errors import normalize
from medalign.models.whisper_model import load_pipeline
from medalign.pipeline import peers


class AtOnce:
    """A worker that is no process."""

    def __init__(self, *_, **__):
        pass

    __enter__ = __exit__ = lambda self, *_: self

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future


def test_ratios_are_of_medians_and_long_recordings_are_read_once(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    order = []

    def way(name, seconds):
        def read(recording):
            order.append((name, recording.name))
            clock.now += seconds * (3 if len(order) == 4 else 1)  # one run that something disturbed
            return "blue sky"

        return lambda: read

    monkeypatch.setattr(peers, "ProcessPoolExecutor", AtOnce)
    monkeypatch.setattr(peers, "WAYS", {peers.RECOGNISER: way("theirs", 2.0), "ours": way("ours", 3.0)})
    monkeypatch.setattr(peers, "time", SimpleNamespace(perf_counter=lambda: clock.now, process_time=lambda: clock.now / 2))
    peers._loaded.cache_clear()
    short, long = (
        Recording(name, np.zeros(n * SAMPLE_RATE_HZ, np.float32), SAMPLE_RATE_HZ, 1) for name, n in (("a", 60), ("b", 300))
    )
    rows = peers.measure_peers(recordings=[(short, "blue sky"), (long, "blue sea")])["rows"]
    peers._loaded.cache_clear()
    assert order[2:] == [("theirs", "a"), ("ours", "a")] * 3 + [("theirs", "b"), ("ours", "b")]  # after each has warmed up
    told = [(row["way"], row["n_runs"], row["wall_s"], row["ratio"], row["cpu_ratio"], row["word_error_rate"]) for row in rows]
    assert told == [
        (peers.RECOGNISER, 3, 2.0, 1.0, 1.0, 0.0), ("ours", 3, 3.0, 1.5, 1.5, 0.0),
        (peers.RECOGNISER, 1, 2.0, 1.0, 1.0, 0.5), ("ours", 1, 3.0, 1.5, 1.5, 0.5),
    ]  # fmt: skip


@pytest.mark.models
def test_the_same_weights_write_the_same_words_in_transformers(analyses, cut):
    pipeline = load_pipeline(resolve("tiny.en", weight_files=("model.bin",)).folder)
    recording = load_recording(cut("chest-pain", 0.0, 5.0))
    written = pipeline({"raw": recording.waveform, "sampling_rate": SAMPLE_RATE_HZ}, return_timestamps="word")
    stored = normalize(analyses["chest-pain"].transcript.text)
    assert len(written["chunks"]) >= 8 and stored.startswith(normalize(written["text"]))


def test_a_folder_without_a_whisper_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="not a readable CTranslate2 model"):
        load_pipeline(tmp_path)
