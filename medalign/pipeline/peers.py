"""The analysis beside what others do with the same recognition: faster-whisper alone, and transformers' pipeline.

All read with the same weights, in float32, with the same beam and with times of words. Each way has a process of its own, so
that its peak memory is its own, and ways take turns on each recording, so that all meet the same machine.
"""

import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cache

import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.examples import load_examples
from medalign.core.model_options import ModelOptions
from medalign.core.weights import resolve
from medalign.evaluation.word_errors import word_error_rate
from medalign.models.faster_whisper import DECODING, OPTIONS, as_installed
from medalign.models.transcription import ASR_FILES

RECOGNISER = "faster-whisper"  # what the others are compared with
PAUSE_S = 1.0  # between examples that are joined
N_RUNS, REPEATED_S = 3, 120.0  # longer recordings are read once

Read = Callable[[Recording], str]


def measure_peers(ways: Sequence[str] = (), recordings: Sequence[tuple[Recording, str]] = ()) -> dict:
    """Seconds by the clock and of processor time, ratios to faster-whisper, word errors, and the peak memory of each way.

    Args:
        ways: names in `WAYS`; all by default.
        recordings: each with what is said in it; by default an example, and several joined.
    """
    ways, recordings = ways or list(WAYS), recordings or recordings_to_read()
    load_before = round(os.getloadavg()[0], 1)
    rows = []
    with ExitStack() as stack:
        spawned = multiprocessing.get_context("spawn")
        workers = {way: stack.enter_context(ProcessPoolExecutor(1, mp_context=spawned)) for way in ways}
        for way, worker in workers.items():
            worker.submit(_read, way, _beginning(recordings[0][0])).result()  # loads, and pays for memory that is reused
        for recording, text in recordings:
            n_runs = 1 if recording.duration_s > REPEATED_S else N_RUNS
            runs = [
                {way: worker.submit(_read, way, recording).result() for way, worker in workers.items()} for _ in range(n_runs)
            ]
            rows += [_row(way, recording, text, [run[way] for run in runs], runs) for way in ways]
        memory = {way: worker.submit(_peak_memory_mib).result() for way, worker in workers.items()}
    return {"model": ModelOptions.asr, "load_before": load_before, "peak_memory_mib": memory, "rows": rows}


def recordings_to_read() -> list[tuple[Recording, str]]:
    """The first example, of about 80 s, and all of them joined, as long as a consultation; each with what is said."""
    examples = [(load_recording(example.audio_path), example.text) for example in load_examples()]
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    waveform = np.concatenate([piece for recording, _ in examples for piece in (recording.waveform, pause)])
    joined = load_recording(waveform, sample_rate_hz=SAMPLE_RATE_HZ, name=f"{len(examples)} examples joined")
    return [examples[0], (joined, " ".join(text for _, text in examples))]


def _row(way: str, recording: Recording, text: str, own: Sequence[tuple], runs: Sequence[dict]) -> dict:
    wall_s, cpu_s = (statistics.median(run[i] for run in own) for i in (0, 1))
    row = {
        "way": way, "recording": recording.name, "duration_s": round(recording.duration_s, 1), "n_runs": len(own),
        "wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2),
        "word_error_rate": round(word_error_rate([text], [own[-1][2]])["word_error_rate"], 4),
    }  # fmt: skip
    if RECOGNISER in runs[0]:
        row["ratio"], row["cpu_ratio"] = (
            round(value / statistics.median(run[RECOGNISER][i] for run in runs), 2) for i, value in enumerate((wall_s, cpu_s))
        )
    return row


def _read(way: str, recording: Recording) -> tuple[float, float, str]:
    """In the way's process: seconds by the clock, of processor time, and the words."""
    read = _loaded(way)
    begun, begun_cpu = time.perf_counter(), time.process_time()
    text = read(recording)
    return time.perf_counter() - begun, time.process_time() - begun_cpu, text


@cache
def _loaded(way: str) -> Read:
    return WAYS[way]()


def _peak_memory_mib() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _beginning(recording: Recording, seconds: float = 10.0) -> Recording:
    return replace(recording, waveform=recording.waveform[: round(seconds * SAMPLE_RATE_HZ)])


def _faster_whisper() -> Read:
    model = as_installed(resolve(ModelOptions.asr, weight_files=ASR_FILES).folder)
    beam_size = DECODING["cpu"].beam_size

    def read(recording: Recording) -> str:
        segments, _ = model.transcribe(recording.waveform, vad_filter=True, beam_size=beam_size, **OPTIONS)
        return " ".join(segment.text.strip() for segment in segments)

    return read


def _analysis() -> Read:
    from medalign.pipeline.analyzer import Analyzer

    analyzer = Analyzer.default(device="cpu")
    return lambda recording: analyzer.analyze(recording).transcript.text


def _transformers(num_beams: int) -> Read:
    from medalign.models.whisper_model import load_pipeline

    pipeline = load_pipeline(resolve(ModelOptions.asr, weight_files=ASR_FILES).folder)

    def read(recording: Recording) -> str:
        sound = {"raw": recording.waveform, "sampling_rate": SAMPLE_RATE_HZ}
        return pipeline(sound, return_timestamps="word", generate_kwargs={"num_beams": num_beams})["text"]

    return read


WAYS: dict[str, Callable[[], Read]] = {
    RECOGNISER: _faster_whisper,
    "MedAlign, whole analysis": _analysis,
    "transformers' pipeline": lambda: _transformers(DECODING["cpu"].beam_size),
}
