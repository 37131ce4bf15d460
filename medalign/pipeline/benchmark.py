"""Cost and quality of an analysis: each bundled example is analysed and, in the same run, only transcribed."""

import os
import resource
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from medalign.core.analysis import Analysis
from medalign.core.audio import load_recording
from medalign.core.examples import load_examples
from medalign.core.provenance import PROVENANCE, provenance
from medalign.core.tables import read_rows
from medalign.evaluation.word_errors import word_error_rate
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.progress import Progress

N_RUNS = 3  # medians of these; analysing and transcribing take turns, so that both meet the same machine


def benchmark(analyzer: Analyzer, speech: Sequence[Path] = ()) -> dict:
    """Wall times, word error rates and concept recall per example, and the peak memory of the process.

    Args:
        speech: folders with recordings and a `manifest.csv` of `path, text`, whose word error rates are added by name.

    Raises:
        DataError: a folder has no manifest.
    """
    manifests = {folder.name: _read_manifest(folder) for folder in speech}  # what is missing is said before the long work
    load_before = round(os.getloadavg()[0], 1)
    rows = []
    recordings = [(e, path) for e in load_examples() for path in (e.audio_path, e.noisy_audio_path) if path]
    analyzer.analyze(recordings[0][1])  # warm up: the first run pays for memory that later ones reuse
    for example, path in recordings:
        analyze_s, first_concepts_s, transcribe_s = [], [], []
        for _ in range(N_RUNS):
            analysis, seconds, seconds_to_concepts = _analyzed(analyzer, path)
            analyze_s.append(seconds)
            first_concepts_s.append(seconds_to_concepts)
            started = time.perf_counter()
            analyzer.transcriber.transcribe(load_recording(path))
            transcribe_s.append(time.perf_counter() - started)
        found = {(row.system, row.code, row.status) for row in analysis.concepts if row.teacher is not None}
        expected = {(e.system, e.code, e.status) for e in example.expected_concepts}
        rows.append(
            {
                "recording": path.stem,
                "duration_s": round(analysis.recording.duration_s, 1),
                "analyze_s": round(statistics.median(analyze_s), 2),
                "first_concepts_s": round(statistics.median(first_concepts_s), 2),
                "transcribe_s": round(statistics.median(transcribe_s), 2),
                "ratio": round(statistics.median(analyze_s) / statistics.median(transcribe_s), 2),
                "word_error_rate": _error_rate([example.text], [analysis.transcript.text]),
                "expected_concepts": len(expected),
                "found": len({key[:2] for key in expected} & {key[:2] for key in found}),
                "found_with_status": len(expected & found),
            }
        )
    return {
        PROVENANCE: provenance(),
        "load_before": load_before,
        "n_runs": N_RUNS,
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "examples": rows,
        "speech": {name: _read_aloud(analyzer, rows) for name, rows in manifests.items()},
    }


def _analyzed(analyzer: Analyzer, path: Path) -> tuple[Analysis, float, float]:
    """The result, and the seconds until it and until the first preview from the sound alone were there."""
    started, pictures_s = time.perf_counter(), []
    for step in analyzer.stream(path):
        if isinstance(step, Progress) and step.preview is not None:
            pictures_s.append(time.perf_counter() - started)
    assert isinstance(step, Analysis)  # the last step is the result
    return step, time.perf_counter() - started, pictures_s[0]


def _error_rate(texts: list[str], hypotheses: list[str]) -> float:
    return round(word_error_rate(texts, hypotheses)["word_error_rate"], 3)


def _read_manifest(folder: Path) -> list[tuple[Path, str]]:
    """Each recording of the folder and what is said in it."""
    rows = read_rows(folder / "manifest.csv", ["path", "text"], remedy="give a folder with recordings and such a table")
    return [(folder / (row["path"] or ""), row["text"] or "") for row in rows]


def _read_aloud(analyzer: Analyzer, rows: list[tuple[Path, str]]) -> dict:
    hypotheses = [analyzer.transcriber.transcribe(load_recording(path)).text for path, _ in rows]
    counts = word_error_rate([text for _, text in rows], hypotheses)
    return {"n": len(rows), "n_words": counts["n_words"], "word_error_rate": round(counts["word_error_rate"], 3)}
