"""What each way of decoding costs and gets right, on the same recordings: the curve that the default is chosen on.

Ways take turns on each recording, so that all meet the same machine. What was measured is kept, and a run that was stopped
goes on where it was. Cost is told in processor time, which other work on the machine stretches less, and by the clock.
"""

import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, groupby, zip_longest
from pathlib import Path

import numpy as np
import soundfile

from medalign.concepts import ConceptBank, find_mentions
from medalign.concepts.mentions import find_mentions_in_text
from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.errors import DataError
from medalign.core.examples import Example, load_examples
from medalign.core.tables import read_rows
from medalign.core.transcript import Transcript
from medalign.core.weights import resolve
from medalign.evaluation.bootstrap import bootstrap_over_groups
from medalign.evaluation.word_errors import word_error_rate
from medalign.models.faster_whisper import Decoding, FasterWhisper
from medalign.models.transcription import ASR_FILES
from medalign.pipeline.assertion import revised
from medalign.pipeline.speakers import name_speakers
from medalign.training.data.augmentation import add_noise, pink_noise

KEPT = "decoding.jsonl"
BATCH = 4  # stretches of up to 30 s; eight cost as much
SNR_DB = 5.0  # of pink noise
JOINED_S, PAUSE_S = 40.0, 0.8  # short utterances are joined, so that the recogniser reads on as it does in a consultation
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Way:
    """One way of decoding."""

    model: str
    compute_type: str  # as CTranslate2 names it
    decoding: Decoding

    @property
    def name(self) -> str:
        how = f"batches of {self.decoding.batch_size}" if self.decoding.batch_size else "reads on"
        return f"{self.model}, {self.compute_type}, beam {self.decoding.beam_size}, {how}"


WAYS = (
    *(Way("tiny.en", "float32", Decoding(beam_size)) for beam_size in (1, 2, 3, 5)),
    *(Way("tiny.en", "float32", Decoding(beam_size, BATCH)) for beam_size in (1, 2, 5)),
    *(Way("tiny.en", "int8", Decoding(beam_size)) for beam_size in (1, 5)),
    Way("tiny.en", "int8", Decoding(5, BATCH)),
    *(Way("base", "float32", Decoding(beam_size)) for beam_size in (1, 5)),
    Way("base", "float32", Decoding(5, BATCH)),
    Way("base", "int8", Decoding(5)),
)


@dataclass(frozen=True)
class Spoken:
    """A recording and what is said in it."""

    source: str
    recording: Recording
    text: str
    example: Example | None = None  # whose script says what a clinician would note


def measure_decoding(spoken: Sequence[Spoken], cache: Path, ways: Sequence[Way] = WAYS) -> dict:
    """Word errors, terms and expected concepts for each way and source of recordings, and what a minute of sound costs.

    Args:
        cache: folder where each recording's outcome is kept, until it is deleted.

    Raises:
        DataError: there is nothing to listen to.
    """
    if not spoken:
        raise DataError("there are no recordings to decode; give a folder with speech/")
    done = {(row["recording"], row["way"]): row for row in _outcomes(spoken, cache, ways)}
    figures = []
    for way in ways:
        rows = [done[each.recording.name, way.name] for each in spoken]
        minutes = sum(row["duration_s"] for row in rows) / 60
        by_source = {source: _summary([r for r in rows if r["source"] == source]) for source in _sources(spoken)}
        figures.append(
            {
                "way": way.name, "model": way.model, "compute_type": way.compute_type, **asdict(way.decoding),
                "cpu_s_per_minute": round(sum(row["cpu_s"] for row in rows) / minutes, 2),
                "wall_s_per_minute": round(sum(row["wall_s"] for row in rows) / minutes, 2),
                "sources": by_source,
            }
        )  # fmt: skip
    return {"minutes": round(sum(each.recording.duration_s for each in spoken) / 60, 1), "ways": figures}


def speech_to_decode(folders: Iterable[Path], n_each: int) -> list[Spoken]:
    """The examples, clean and in pink noise, and joined utterances of each folder; sources take turns.

    Args:
        folders: with a `manifest.csv` of path, text and, where there are several, speaker_id.
        n_each: recordings of each source.
    """
    examples = load_examples()[:n_each]
    clean = [Spoken("examples", load_recording(e.audio_path), e.text, e) for e in examples]
    noisy = [Spoken(f"examples at {SNR_DB:g} dB", _in_noise(s.recording), s.text, s.example) for s in clean]
    turns = zip_longest(clean, noisy, *(_joined(folder, n_each) for folder in folders))
    return [each for turn in turns for each in turn if each is not None]


def _in_noise(recording: Recording) -> Recording:
    noise = pink_noise(len(recording.waveform), np.random.default_rng(0))
    noisy = add_noise(recording.waveform, noise, SNR_DB)
    return load_recording(noisy, sample_rate_hz=SAMPLE_RATE_HZ, name=f"{recording.name} at {SNR_DB:g} dB")


def _joined(folder: Path, n: int) -> list[Spoken]:
    """Utterances of one speaker, one after the other, as long as `JOINED_S`: first one of each speaker, then more."""
    rows = read_rows(folder / "manifest.csv", ["path", "text"], remedy="give a folder with recordings and such a table")
    by_speaker = [list(_packed(folder, list(group))) for _, group in groupby(rows, key=lambda row: row.get("speaker_id"))]
    in_turn = [each for turn in zip_longest(*by_speaker) for each in turn if each is not None]
    return in_turn[:n]


def _packed(folder: Path, rows: Sequence[dict]) -> Iterator[Spoken]:
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    pieces: list[np.ndarray] = []
    texts: list[str] = []
    for row in rows:
        waveform, sample_rate_hz = soundfile.read(folder / row["path"], dtype="float32")  # some are too short for a recording
        if sample_rate_hz != SAMPLE_RATE_HZ or waveform.ndim > 1:
            raise DataError(f"{folder / row['path']} is not mono at {SAMPLE_RATE_HZ} Hz; convert it")
        pieces += [waveform, pause]
        texts.append(row["text"])
        if sum(map(len, pieces)) >= JOINED_S * SAMPLE_RATE_HZ:
            name = f"{folder.name}, to {row['path']}"
            recording = load_recording(np.concatenate(pieces), sample_rate_hz=SAMPLE_RATE_HZ, name=name)
            yield Spoken(folder.name, recording, " ".join(texts))
            pieces, texts = [], []


def _outcomes(spoken: Sequence[Spoken], cache: Path, ways: Sequence[Way]) -> Iterator[dict]:
    """A row for each recording and way, as kept or as measured now."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / KEPT
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else []
    done = {(row["recording"], row["way"]): row for row in map(json.loads, lines)}
    models: dict[tuple[str, str], FasterWhisper] = {}
    bank = ConceptBank.default()
    for i, each in enumerate(spoken, start=1):
        for way in ways:
            if (row := done.get((each.recording.name, way.name))) is None:
                key = way.model, way.compute_type
                if key not in models:
                    models[key] = FasterWhisper(resolve(way.model, weight_files=ASR_FILES), "cpu", way.compute_type)
                    models[key].transcribe(spoken[0].recording)  # the first run pays for memory that later ones reuse
                row = _outcome(each, way, models[key].with_decoding(way.decoding), bank)
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            yield row
        log.info("%d of %d: %s", i, len(spoken), each.recording.name)


def _outcome(each: Spoken, way: Way, recogniser: FasterWhisper, bank: ConceptBank) -> dict:
    begun, begun_cpu = time.perf_counter(), time.process_time()
    transcript = recogniser.transcribe(each.recording)
    row = {
        "way": way.name, "source": each.source, "recording": each.recording.name, "duration_s": each.recording.duration_s,
        "cpu_s": time.process_time() - begun_cpu, "wall_s": time.perf_counter() - begun,
    }  # fmt: skip
    counts = word_error_rate([each.text], [transcript.text])
    row |= {"n_words": counts["n_words"], "n_wrong": counts["word_error_rate"] * counts["n_words"]}
    return row if each.example is None else row | _concepts(each, each.example, transcript, bank)


def _concepts(each: Spoken, example: Example, transcript: Transcript, bank: ConceptBank) -> dict:
    """Of the concepts that the script's words name, those that the transcript's do; and of those that a clinician would note,
    those that are found in their status, by rules and classifier, without the student."""
    said = {mention.concept_id for mention in find_mentions_in_text(each.text, bank)}
    named = name_speakers(transcript, each.recording)
    mentions = find_mentions(named, bank)
    found = {(bank[m.concept_id].system, bank[m.concept_id].code, m.status) for m in revised(named, mentions, bank)}
    expected = {(e.system, e.code, e.status) for e in example.expected_concepts}
    return {
        "n_terms": len(said), "terms": len(said & {mention.concept_id for mention in mentions}),
        "n_expected": len(expected), "expected": len(expected & found),
    }  # fmt: skip


def _sources(spoken: Sequence[Spoken]) -> list[str]:
    return list(dict.fromkeys(each.source for each in spoken))


def _summary(rows: Sequence[dict]) -> dict:
    """Shares over all words, terms and concepts of a source, with 95 % intervals over recordings."""
    summary: dict = {"n": len(rows), "n_words": sum(row["n_words"] for row in rows)}
    wanted = {"word_error_rate": ("n_wrong", "n_words")}
    if all("n_terms" in row for row in rows):
        wanted |= {"term_recall": ("terms", "n_terms"), "found_in_status": ("expected", "n_expected")}
    for name, (part, whole) in wanted.items():
        parts, wholes = np.array([row[part] for row in rows]), np.array([row[whole] for row in rows])

        def share(chosen: np.ndarray, parts: np.ndarray = parts, wholes: np.ndarray = wholes) -> float:
            return float(parts[chosen].sum() / wholes[chosen].sum())

        interval = bootstrap_over_groups(share, [row["recording"] for row in rows])
        summary[name] = [round(value, 4) for value in chain([share(np.arange(len(rows)))], interval)]
        summary |= {} if whole == "n_words" else {whole: int(wholes.sum())}
    return summary
