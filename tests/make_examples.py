"""The example consultations that ship with MedAlign: invented, spoken by synthetic voices, with the truth beside them.

Each one is `assets/examples/<slug>.json`, written by hand: who says what, in which voice, and which concepts a
clinician would note. `python tests/make_examples.py` speaks them into `<slug>.flac`, writes the true
times of the turns into `<slug>.timing.json`, adds `<slug>-noisy.flac` where a consultation asks for noise, and lists all
turns in `manifest.csv`, the tiny set that `medalign train` can be tried on. Reading them with `load_examples()` needs none
of the speech programs.
"""

import argparse
import json
import zlib
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

from medalign.core.assets import EXAMPLES
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.examples import Example, load_examples, read_script, script_fingerprint, script_paths
from medalign.training.data.manifest import Row, write_manifest
from medalign.training.data.voices import speak

VALIDATION = "upset-stomach"  # the consultation that chooses, in the bundled training manifest
MIN_PAUSE_S, MAX_PAUSE_S = 0.3, 0.8  # between turns, as in unhurried conversation
MARGIN_S = 0.4  # silence before the first and after the last turn
SPEECH_LEVEL_DBFS = -28.0  # mean power of each turn: voices alike in loudness, room for peaks and added noise
SILENCE_DB = -45.0  # relative to a turn's peak; quieter edges are the engine's own silence

BABBLE = {
    "espeak-en-gb+f2": "Did you see the match on Saturday? We got the last two tickets, right behind the goal. "
    "The train home was packed, so we walked along the river instead and stopped for chips.",
    "espeak-en-us+m7": "The bus was late again this morning. They dug up the road outside the library, and now "
    "everyone has to go the long way round by the park.",
    "espeak-en-gb-scotland": "My neighbour is building a shed. He has been sawing planks since seven o'clock, and now "
    "he wants to borrow our ladder until the end of the month.",
    "flite-awb": "We are going to the seaside in August. The children want to bring the dog, so we need a cottage "
    "with a garden, and somewhere to leave the bicycles.",
}


def synthesize_examples(folder: Path = EXAMPLES) -> tuple[Example, ...]:
    """Speak all consultations anew; the same scripts give the same files."""
    for path in script_paths(folder):
        script = read_script(path)
        voiced = [speak(turn["text"], script["voices"][turn["speaker"]]) for turn in script["turns"]]
        waveform, times = join_turns(voiced, _generator(path.stem, "pauses"))
        _write_flac(folder / f"{path.stem}.flac", waveform)
        _write_timing(folder / f"{path.stem}.timing.json", script, waveform, times)
        if script["noise"]:
            noise = background_noise(len(waveform), _generator(path.stem, "noise"))
            noisy = waveform + scale_to_snr(noise, waveform, times, script["noise"]["snr_db"])
            _write_flac(folder / f"{path.stem}-noisy.flac", noisy)
    examples = load_examples(folder)
    write_manifest(manifest_rows(examples), folder / "manifest.csv")
    return examples


def manifest_rows(examples: tuple[Example, ...]) -> tuple[Row, ...]:
    """The turns as a training manifest: enough to see a loss fall, far too little to learn from."""
    split = {example.slug: "valid" if example.slug == VALIDATION else "train" for example in examples}
    rows = [
        Row(example.audio_path, turn.text, example.slug, split[example.slug], turn.start_s, turn.end_s)
        for example in examples
        for turn in example.turns
    ]
    held_out = {row.text.lower() for row in rows if row.split == "valid"}
    return tuple(row for row in rows if row.split == "valid" or row.text.lower() not in held_out)


def join_turns(turns: list[np.ndarray], generator: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Equally loud turns with pauses between them: a waveform (n_samples,), and each turn's [start, end) in it."""
    pieces, times, n_samples = [_silence(MARGIN_S)], [], round(MARGIN_S * SAMPLE_RATE_HZ)
    for i, turn in enumerate(turns):
        if i:
            pieces.append(_silence(generator.uniform(MIN_PAUSE_S, MAX_PAUSE_S)))
            n_samples += len(pieces[-1])
        pieces.append(_at_speech_level(_without_edges(turn)))
        times.append((n_samples, n_samples + len(pieces[-1])))
        n_samples += len(pieces[-1])
    return np.concatenate([*pieces, _silence(MARGIN_S)]), times


def background_noise(n_samples: int, generator: np.random.Generator) -> np.ndarray:
    """Pink noise and a babble of four voices with small talk, at equal powers: (n_samples,) of any scale."""
    pink, babble = _pink_noise(n_samples, generator), _babble(n_samples, generator)
    return pink / np.std(pink) + babble / np.std(babble)


def scale_to_snr(noise: np.ndarray, waveform: np.ndarray, times: list[tuple[int, int]], snr_db: float) -> np.ndarray:
    """The noise at the level that gives this signal-to-noise ratio; pauses don't count as signal."""
    speech_power = np.mean(np.concatenate([waveform[start:end] for start, end in times]) ** 2)
    return noise * np.sqrt(speech_power / np.mean(noise**2) / 10 ** (snr_db / 10))


def _write_timing(path: Path, script: dict, waveform: np.ndarray, times: list[tuple[int, int]]) -> None:
    seconds = [{"start_s": round(a / SAMPLE_RATE_HZ, 3), "end_s": round(b / SAMPLE_RATE_HZ, 3)} for a, b in times]
    body = {"script": script_fingerprint(script), "duration_s": round(len(waveform) / SAMPLE_RATE_HZ, 3), "turns": seconds}
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _write_flac(path: Path, waveform: np.ndarray) -> None:
    peak = float(np.abs(waveform).max())
    assert peak < 1, f"{path.name} would clip at {peak:.2f}; lower SPEECH_LEVEL_DBFS, now {SPEECH_LEVEL_DBFS}"
    soundfile.write(path, waveform, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16", compression_level=1.0)


def _generator(slug: str, purpose: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{slug}/{purpose}".encode()))


def _silence(duration_s: float) -> np.ndarray:
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)


def _without_edges(waveform: np.ndarray) -> np.ndarray:
    loud = np.flatnonzero(np.abs(waveform) > np.abs(waveform).max() * 10 ** (SILENCE_DB / 20))
    return waveform[loud[0] : loud[-1] + 1]


def _at_speech_level(waveform: np.ndarray) -> np.ndarray:
    return waveform * (10 ** (SPEECH_LEVEL_DBFS / 20) / np.sqrt(np.mean(waveform**2)))


def _pink_noise(n_samples: int, generator: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(generator.standard_normal(n_samples))
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE_HZ)
    # Power falls as 1/f above 50 Hz; below, a room hums little and a loudspeaker plays nothing.
    return np.fft.irfft(spectrum * (frequency_hz >= 50) / np.sqrt(np.maximum(frequency_hz, 50)), n_samples)


def _babble(n_samples: int, generator: np.random.Generator) -> np.ndarray:
    """Each voice repeats its small talk from a random point, a little muffled, as through a door."""
    mix = np.zeros(n_samples)
    for voice, text in BABBLE.items():
        talk = np.concatenate([_at_speech_level(speak(text, voice)), _silence(generator.uniform(0.2, 1.0))])
        mix += np.resize(np.roll(talk, generator.integers(len(talk))), n_samples)
    return lfilter([0.5], [1, -0.5], mix)  # one pole: about -9 dB at 8 kHz


def main() -> None:
    """Speak all consultations and print what came out."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=EXAMPLES, help="where the scripts lie and the recordings go")
    for example in synthesize_examples(parser.parse_args().folder):
        for path in filter(None, (example.audio_path, example.noisy_audio_path)):
            print(f"{path.name}: {example.duration_s:.1f} s, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
