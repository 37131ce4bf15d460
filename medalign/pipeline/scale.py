"""What grows with what: an analysis with the length of its recording, and reading and listening with the number of concepts.

Processor time, since the clock tells of others' work, too. Each length has a process of its own, so that its peak memory is its
own; recordings are the examples, joined over and over.
"""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.concepts.bank import Concept
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.examples import load_examples
from medalign.pipeline.peers import recordings_to_read

SIZES = (300, 1000, 3000, 10_000)  # concepts
N_READINGS, WINDOWS_OF_HOUR, DIM = 10, 1200, 384  # of all examples; windows in an hour; the teacher's width
N_RUNS = 3


def measure_scale(minutes: Sequence[float], sizes: Sequence[int] = SIZES) -> dict:
    """Rows by length and by number of concepts, with processor time beside the first row's for as much.

    Args:
        minutes: lengths of recordings to analyse; none is no such row.
        sizes: numbers of concepts.
    """
    load_before, lengths = round(os.getloadavg()[0], 1), []
    for length in minutes:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as worker:
            lengths.append(worker.submit(analysed, length).result())
    concepts = [_with_concepts(size) for size in sizes]
    return {
        "load_before": load_before,
        "lengths": _beside_first(lengths, "minutes", ("cpu_s",)),
        "concepts": _beside_first(concepts, "n_concepts", ("reading_cpu_s", "hearing_cpu_s")),
    }


def analysed(minutes: float) -> dict:
    """In a process of its own: a whole analysis of so much, after a short one that pays for what is loaded once."""
    from medalign.pipeline.analyzer import Analyzer

    analyzer, recording = Analyzer.default(device="cpu"), recordings_to_read()[1][0]
    analyzer.analyze(_of_length(recording, 10.0))
    begun, begun_cpu = time.perf_counter(), time.process_time()
    analyzer.analyze(_of_length(recording, 60 * minutes))
    return {
        "minutes": minutes, "cpu_s": round(time.process_time() - begun_cpu, 1), "wall_s": round(time.perf_counter() - begun, 1),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


def _of_length(recording: Recording, seconds: float) -> Recording:
    return replace(recording, waveform=np.resize(recording.waveform, round(seconds * SAMPLE_RATE_HZ)))


def _with_concepts(n: int) -> dict:
    """Processor time of reading the examples' words ten times over, and of comparing an hour's windows with n concepts."""
    bank = bank_of(n)
    transcript = transcript_from_text("\n".join(turn.text for example in load_examples() for turn in example.turns))
    find_mentions(transcript, bank)  # builds the tree of phrases
    rng = np.random.default_rng(0)
    audio, concepts = (rng.standard_normal((rows, DIM)).astype(np.float32) for rows in (WINDOWS_OF_HOUR, n))
    return {
        "n_concepts": n, "n_phrases": sum(1 + len(concept.synonyms) for concept in bank.concepts),
        "reading_cpu_s": _least_cpu_s(lambda: [find_mentions(transcript, bank) for _ in range(N_READINGS)]),
        "hearing_cpu_s": _least_cpu_s(lambda: audio @ concepts.T),
    }  # fmt: skip


def bank_of(n: int) -> ConceptBank:
    """The first n concepts of the bank, and behind its last one others of invented names, with as many wordings."""
    bank = ConceptBank.default()
    kept = bank.concepts[:n]
    invented = (_renamed(concept, i) for i, concept in enumerate(_over_and_over(bank.concepts, n - len(kept))))
    return ConceptBank((*kept, *invented), bank.blocked, bank.sources)


def _over_and_over(concepts: Sequence[Concept], n: int) -> Iterable[Concept]:
    return (concepts[i % len(concepts)] for i in range(n))


def _renamed(concept: Concept, number: int) -> Concept:
    """With a word in each name that nobody says; it has no patterns, places or broader concepts."""
    names = [f"{name} zq{number}" for name in (concept.label, *concept.synonyms)]
    return Concept(f"CUSTOM:{number}", "CUSTOM", str(number), names[0], concept.category, tuple(names[1:]))


def _least_cpu_s(work: Callable[[], object]) -> float:
    """Of some runs: what disturbs only adds."""
    seconds = []
    for _ in range(N_RUNS):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return round(min(seconds), 4)


def _beside_first(rows: list[dict], size: str, costs: Sequence[str]) -> list[dict]:
    """Each cost over what the first row's would be, were it in proportion: 1 is linear, less is cheaper than that."""
    for row in rows:
        row |= {f"{cost}_of_linear": round(row[cost] / rows[0][cost] * rows[0][size] / row[size], 2) for cost in costs}
    return rows
