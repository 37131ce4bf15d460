"""Consultations spoken by machine voices: text in, a dialogue's audio with the time of each utterance out.

A *take* is one rendering of a consultation: a voice for the doctor, another for the patient, each with its own rate and
pitch, and pauses between turns, all drawn from one seed. Takes are cached outside the repository, one FLAC and one JSON
each, so that a rerun only speaks what is missing.
"""

import json
import logging
import os
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from medalign.audio import SAMPLE_RATE_HZ
from medalign.training.consultations import Consultation
from medalign.training.voices import speak

log = logging.getLogger(__name__)

# The voices that training hears. Piper's is kept out of it, so that validation hears a voice no student was trained on.
TRAIN_VOICES = (
    "flite-slt", "flite-rms", "flite-awb", "flite-kal16", "festival-slt-hts",
    "espeak-en-gb", "espeak-en-gb+f2", "espeak-en-gb-x-rp+f4", "espeak-en-gb-scotland", "espeak-en-us+m7",
)  # fmt: skip
HELD_OUT_VOICE = "piper-joe"
PAUSE_S = (0.15, 0.6)  # between turns, uniform
RMS = 0.08  # loudness that every utterance is brought to: engines differ by 10 dB


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
    day: int
    audio_path: str
    voices: dict[str, str]  # role -> voice
    utterances: tuple[SpokenUtterance, ...]

    def waveform(self) -> np.ndarray:
        """float32 (n_samples,) at 16 kHz."""
        return soundfile.read(self.audio_path, dtype="float32")[0]


def speak_takes(
    consultations: tuple[Consultation, ...], out: Path, *, n_takes: int, voices: tuple[str, ...], seed: int = 0
) -> tuple[Take, ...]:
    """`n_takes` renderings of every consultation, cached in `out`, spoken on all cores."""
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(consultation, take) for take in range(n_takes) for consultation in consultations]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        takes = []
        for spoken in pool.map(partial(_speak_take, out=out, voices=voices, seed=seed), jobs):
            takes.append(spoken)
            log.info("%d of %d takes spoken (%s)", len(takes), len(jobs), spoken.consultation_id)
    return tuple(takes)


def _speak_take(job: tuple[Consultation, int], *, out: Path, voices: tuple[str, ...], seed: int) -> Take:
    consultation, number = job
    stem = f"{consultation.consultation_id}-seed{seed}-take{number}"
    sidecar = out / f"{stem}.json"
    if sidecar.is_file():
        stored = json.loads(sidecar.read_text())
        return Take(**{**stored, "utterances": tuple(SpokenUtterance(**u) for u in stored["utterances"])})
    # A stable hash: Python's own differs from process to process.
    rng = np.random.default_rng([seed, number, zlib.crc32(consultation.consultation_id.encode())])
    speakers = rng.choice(voices, size=2, replace=len(voices) < 2)
    cast = {
        role: (str(voice), float(rng.uniform(0.88, 1.15)), float(rng.uniform(-2, 2)) if len(voices) > 1 else 0.0)
        for role, voice in zip(("doctor", "patient"), speakers, strict=True)
    }
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
    take = Take(
        consultation.consultation_id,
        consultation.day,
        str(out / f"{stem}.flac"),
        {role: voice for role, (voice, _, _) in cast.items()},
        tuple(utterances),
    )
    soundfile.write(take.audio_path, np.concatenate(pieces), SAMPLE_RATE_HZ, subtype="PCM_16")
    scratch = sidecar.with_suffix(".part")
    scratch.write_text(json.dumps(asdict(take)))
    scratch.rename(sidecar)  # the sidecar appears only once the audio is complete
    return take
