"""Consultations spoken by machine voices: text in, audio and a training manifest out.

A *take* is one rendering of a consultation: a voice for the doctor, another for the patient, each with its own rate and
pitch, and pauses between turns, all drawn from one seed. Takes are kept, one FLAC and one JSON each, so that a rerun only
speaks what is missing.

The manifest holds two kinds of rows: utterances, and, to learn from, windows cut as an analysis will cut them, words at
the edges included. `text` is what was said, `labels` are the concepts in it.
"""

import json
import logging
import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import soundfile

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.core.files import read_json, reading, replacing
from medalign.core.transcript import Segment, Transcript, Word
from medalign.models.student import MAX_CLIP_S
from medalign.training.data.consultations import Consultation, Role, Split
from medalign.training.data.manifest import Row, write_manifest
from medalign.training.data.voices import VOICES, speak

log = logging.getLogger(__name__)

# The voices that training hears. Piper's and Pico's are kept out of it: validation hears a man and a woman whom no student
# was trained on.
TRAIN_VOICES = (
    "flite-slt", "flite-rms", "flite-awb", "flite-kal16", "festival-slt-hts",
    "espeak-en-gb", "espeak-en-gb+f2", "espeak-en-gb-x-rp+f4", "espeak-en-gb-scotland", "espeak-en-us+m7",
)  # fmt: skip
HELD_OUT_VOICES = ("piper-joe", "pico-en-gb")
PAUSE_S = (0.15, 0.6)  # between turns, uniform
RMS = 0.08  # loudness that every utterance is brought to: engines differ by 10 dB

MIN_WORDS = 2  # a lone "okay" teaches nothing and fills the batch with equal texts
WINDOW_S, HOP_S = 6.0, 3.0  # StudentConfig's


@dataclass(frozen=True)
class SpokenUtterance:
    start_s: float
    end_s: float
    role: str
    text: str


@dataclass(frozen=True)
class Take:
    """One spoken consultation on disk."""

    consultation_id: str
    split: Split
    audio_name: str  # beside its JSON
    voices: dict[str, str]  # role -> voice
    utterances: tuple[SpokenUtterance, ...]

    folder: Path = Path()

    @property
    def audio_path(self) -> Path:
        return self.folder / self.audio_name

    def waveform(self) -> np.ndarray:
        """float32 (n_samples,) at 16 kHz."""
        return soundfile.read(self.audio_path, dtype="float32")[0]

    @classmethod
    def read(cls, sidecar: Path) -> "Take":
        with reading(
            f"{sidecar} doesn't describe a spoken consultation", error=DataError, remedy="remove it and speak it anew"
        ):
            stored = read_json(sidecar, dict, error=DataError, remedy="remove it and speak it anew")
            utterances = tuple(SpokenUtterance(**u) for u in stored.pop("utterances"))
            return cls(**stored, utterances=utterances, folder=sidecar.parent)

    def write(self) -> None:
        stored = {name: value for name, value in asdict(self).items() if name != "folder"}
        with replacing(self.audio_path.with_suffix(".json"), "w") as file:
            json.dump(stored, file)


def read_takes(folder: Path, split: Split, only: str | tuple[str, ...] = "") -> tuple[Take, ...]:
    """The takes of that split in a folder written by `synthesize`; identifiers start with `only`, or any of it.

    Raises:
        DataError: there are none.
    """
    takes = (Take.read(path) for path in sorted(folder.glob("*.json")))
    found = tuple(take for take in takes if take.split == split and take.consultation_id.startswith(only))
    if not found:
        raise DataError(f"{folder} has no spoken consultation of split {split}; write it with `medalign synthesize`")
    return found


def synthesize(
    consultations: Sequence[Consultation],
    out: Path,
    *,
    n_takes: int = 1,
    train_voices: tuple[str, ...] = TRAIN_VOICES,
    valid_voices: tuple[str, ...] = HELD_OUT_VOICES,
    seed: int = 0,
) -> tuple[Row, ...]:
    """Speak the consultations and write `out`/manifest.csv; the rows written.

    Validation is spoken once. A text that stands in validation is no training row ("Do you smoke?" does, in every
    consultation), so that finding an utterance's own text can't be learnt by heart.

    Raises:
        DataError: an unknown voice, or one whose engine is not installed; the message names the package.
    """
    if unknown := [voice for voice in (*train_voices, *valid_voices) if voice not in VOICES]:
        raise DataError(f"unknown voice {unknown[0]!r}; known voices: {', '.join(VOICES)}")
    if shared := set(train_voices) & set(valid_voices):
        raise DataError(f"voice {min(shared)!r} is given for training and validation; validation needs an unheard one")
    voices: dict[Split, tuple[str, ...]] = {"valid": valid_voices, "train": train_voices}
    rows: list[Row] = []
    held_out: set[str] = set()
    for split, split_voices in voices.items():
        chosen = [consultation for consultation in consultations if consultation.split == split]
        takes = speak_takes(chosen, out, n_takes=n_takes if split == "train" else 1, voices=split_voices, seed=seed)
        for take in takes:
            cut = [*_utterance_rows(take, split), *(_window_rows(take, seed) if split == "train" else ())]
            rows += [row for row in cut if row.text.lower() not in held_out]
        held_out |= {row.text.lower() for row in rows}
    texts = sorted({row.text for row in rows})
    with ProcessPoolExecutor(os.cpu_count()) as pool:  # on one core, tens of thousands take minutes
        labels = dict(zip(texts, pool.map(_labels, texts, chunksize=200), strict=True))
    rows = [replace(row, labels=labels[row.text]) for row in rows]
    write_manifest(rows, out / "manifest.csv")
    return tuple(rows)


def speak_takes(
    consultations: Sequence[Consultation], out: Path, *, n_takes: int, voices: tuple[str, ...], seed: int = 0
) -> tuple[Take, ...]:
    """`n_takes` renderings of every consultation, kept in `out`, spoken on all cores."""
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(consultation, take) for take in range(n_takes) for consultation in consultations]
    takes = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for spoken in pool.map(partial(_speak_take, out=out, voices=voices, seed=seed), jobs):
            takes.append(spoken)
            log.info("%d of %d takes spoken (%s)", len(takes), len(jobs), spoken.consultation_id)
    return tuple(takes)


def _speak_take(job: tuple[Consultation, int], *, out: Path, voices: tuple[str, ...], seed: int) -> Take:
    consultation, number = job
    stem = f"{consultation.consultation_id}-seed{seed}-take{number}"
    sidecar = out / f"{stem}.json"
    # A stable hash: Python's own differs from process to process.
    rng = np.random.default_rng([seed, number, zlib.crc32(consultation.consultation_id.encode())])
    cast = _cast(consultation, voices, rng)
    cast_voices = {role: voice for role, (voice, _, _) in cast.items()}
    if sidecar.is_file():
        take = Take.read(sidecar)
        _check_same(take, consultation, cast_voices)
        return take
    pieces, utterances, n_samples = [], [], 0
    for utterance in consultation.utterances:
        voice, rate, pitch = cast[utterance.role]
        waveform = speak(utterance.text, voice, rate=rate, pitch_semitones=pitch)
        waveform = np.clip(waveform * RMS / max(float(np.sqrt(np.mean(waveform**2))), 1e-4), -1, 1)
        pause = np.zeros(int(rng.uniform(*PAUSE_S) * SAMPLE_RATE_HZ), np.float32)
        start_s = (n_samples + len(pause)) / SAMPLE_RATE_HZ
        n_samples += len(pause) + len(waveform)
        pieces += [pause, waveform]
        utterances.append(SpokenUtterance(start_s, n_samples / SAMPLE_RATE_HZ, utterance.role, utterance.text))
    take = Take(consultation.consultation_id, consultation.split, f"{stem}.flac", cast_voices, tuple(utterances), out)
    soundfile.write(take.audio_path, np.concatenate(pieces), SAMPLE_RATE_HZ, subtype="PCM_16")
    take.write()  # the JSON appears only once the audio is complete
    return take


def _cast(consultation: Consultation, voices: tuple[str, ...], rng: np.random.Generator) -> dict[str, tuple[str, float, float]]:
    """Voice, rate and pitch in semitones of each role that speaks.

    Raises:
        DataError: two roles and one voice: nobody could tell who speaks.
    """
    distinct, roles = list(dict.fromkeys(voices)), {utterance.role for utterance in consultation.utterances}
    if len(roles) > len(distinct):
        raise DataError(
            f"{consultation.consultation_id} has a doctor and a patient, and {distinct[0]!r} alone can't be told apart; "
            "give a second voice"
        )
    speakers = rng.choice(distinct, size=2, replace=len(distinct) < 2)
    cast = {
        role: (str(voice), float(rng.uniform(0.88, 1.15)), float(rng.uniform(-2, 2)) if len(distinct) > 1 else 0.0)
        for role, voice in zip(get_args(Role), speakers, strict=True)
    }
    return {role: part for role, part in cast.items() if role in roles}


def _check_same(take: Take, consultation: Consultation, voices: dict[str, str]) -> None:
    """A take of an earlier call is kept only if it is what this one would speak.

    Raises:
        DataError: it was spoken from other words, by other voices, or for the other split.
    """
    words = [[(u.role, u.text) for u in one.utterances] for one in (take, consultation)]
    compared = ("split", take.split, consultation.split), ("voices", take.voices, voices), ("words", *words)
    for what, old, new in compared:
        if old != new:
            change = "" if what == "words" else f" ({old} -> {new})"
            raise DataError(f"{take.audio_path} was spoken with other {what}{change}; remove it, or give another --out")


def timed_transcript(utterances: Iterable[SpokenUtterance]) -> Transcript:
    """The true transcript of a spoken dialogue; inside an utterance, time is shared out by the length of the words."""
    segments = []
    for utterance in utterances:
        words = utterance.text.split()
        edges = np.cumsum([0] + [len(word) + 1 for word in words])
        times = utterance.start_s + (utterance.end_s - utterance.start_s) * edges / edges[-1]
        timed = tuple(Word(float(a), float(b), w, 1.0) for a, b, w in zip(times, times[1:], words, strict=False))
        segments.append(Segment(utterance.start_s, utterance.end_s, utterance.text, timed, utterance.role))
    return Transcript(tuple(segments), "en")


def _utterance_rows(take: Take, split: Split) -> list[Row]:
    return [
        Row(take.audio_path, u.text, take.consultation_id, split, u.start_s, u.end_s)
        for u in take.utterances
        if u.end_s - u.start_s <= MAX_CLIP_S and len(u.text.split()) >= (MIN_WORDS if split == "train" else 1)
    ]


def _window_rows(take: Take, seed: int) -> list[Row]:
    """Windows on a grid with a random shift, each with the words whose middle lies in it."""
    transcript = timed_transcript(take.utterances)
    phase_s = np.random.default_rng([seed, zlib.crc32(take.audio_path.stem.encode())]).uniform(0, HOP_S)
    rows = []
    for start_s in np.arange(phase_s, take.utterances[-1].end_s - WINDOW_S, HOP_S).round(3).tolist():
        text = transcript.text_between(start_s, start_s + WINDOW_S)
        if len(text.split()) >= MIN_WORDS:
            rows.append(Row(take.audio_path, text, take.consultation_id, "train", start_s, start_s + WINDOW_S))
    return rows


def _labels(text: str) -> tuple[str, ...]:
    """The concepts that the extractor finds in a text."""
    return tuple(sorted({mention.concept_id for mention in find_mentions_in_text(text, ConceptBank.default())}))
