"""The example consultations that ship with MedAlign: invented, spoken by synthetic voices, with the truth beside them.

Each one is `assets/examples/<slug>.json`, written by hand: who says what, in which voice, and which concepts a
clinician would note. `python -m medalign.training.examples` speaks them into `<slug>.flac`, writes the true times of
the turns into `<slug>.timing.json`, adds `<slug>-noisy.flac` where a consultation asks for noise, and lists all turns in
`manifest.csv`, the tiny set that `medalign train` can be tried on. Reading them with `load_examples()` needs none of the
speech programs.
"""

import argparse
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from medalign.audio import SAMPLE_RATE_HZ
from medalign.errors import DataError
from medalign.training.manifest import Row, write_manifest
from medalign.training.voices import speak

EXAMPLES_DIR = Path(__file__).parents[2] / "assets" / "examples"

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


@dataclass(frozen=True)
class Turn:
    """One speaker's words until the other begins; the times enclose the voice, without the pause around it."""

    speaker: str
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class ExpectedConcept:
    """What a clinician would note; each concept has one status in a consultation.

    As in `medalign.concepts.context`, "hypothetical" includes what is advised or newly prescribed.
    """

    label: str  # as a clinician would say it, not necessarily the ontology's name
    system: str  # HPO, ICD-10-CM or DRUG
    code: str  # "HP:0012735", "J45.909"; a medicine's generic name in lower case
    status: str  # one of analysis.Status


@dataclass(frozen=True)
class Noise:
    """Background noise added to a second version of a consultation."""

    kind: str  # "pink+babble": equal powers of pink noise and of four people talking
    snr_db: float  # power while somebody speaks over the power of the noise


@dataclass(frozen=True)
class Example:
    """One consultation with its recording and its truth."""

    slug: str
    title: str
    summary: str
    voices: dict[str, str]  # speaker -> name in `voices.VOICES`
    turns: tuple[Turn, ...]
    expected_concepts: tuple[ExpectedConcept, ...]
    noise: Noise | None
    audio_path: Path
    noisy_audio_path: Path | None  # None without noise
    duration_s: float

    @property
    def text(self) -> str:
        return " ".join(turn.text for turn in self.turns)


def load_examples(folder: Path = EXAMPLES_DIR) -> tuple[Example, ...]:
    """All consultations with their recordings, sorted by slug.

    Raises:
        DataError: if there are none, or a file is missing or malformed.
    """
    return tuple(_load_example(path) for path in _script_paths(folder))


def analysis_path(audio_path: Path) -> Path:
    """Where `medalign precompute` keeps the result of an example's recording."""
    return audio_path.parent / "analyses" / f"{audio_path.stem}.json"


def synthesize_examples(folder: Path = EXAMPLES_DIR) -> tuple[Example, ...]:
    """Speak all consultations anew; the same scripts give the same files."""
    for path in _script_paths(folder):
        script = _read_json(path)
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


def _load_example(script_path: Path) -> Example:
    stem, folder = script_path.stem, script_path.parent
    script, timing = _read_json(script_path), _read_json(folder / f"{stem}.timing.json")
    try:
        if timing["script"] != _fingerprint(script):
            raise DataError(f"{script_path.name} was changed after it was spoken; {_REMEDY}")
        turns = zip(script["turns"], timing["turns"], strict=True)
        example = Example(
            slug=script["slug"],
            title=script["title"],
            summary=script["summary"],
            voices=script["voices"],
            turns=tuple(Turn(**spoken, **when) for spoken, when in turns),
            expected_concepts=tuple(ExpectedConcept(**concept) for concept in script["expected_concepts"]),
            noise=Noise(**script["noise"]) if script["noise"] else None,
            audio_path=folder / f"{stem}.flac",
            noisy_audio_path=folder / f"{stem}-noisy.flac" if script["noise"] else None,
            duration_s=timing["duration_s"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{script_path.name} or its timing lacks a field or has an odd one ({error}); {_REMEDY}") from error
    for path in filter(None, (example.audio_path, example.noisy_audio_path)):
        if not path.is_file():
            raise DataError(f"the recording {path.name} is missing in {folder}; {_REMEDY}")
    return example


_REMEDY = "write it anew with: python -m medalign.training.examples"


def _script_paths(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.glob("*.json") if not path.name.endswith(".timing.json"))
    if not paths:
        raise DataError(f"no example consultations in {folder}; run MedAlign from a checkout that has its assets folder")
    return paths


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path.name} is missing in {path.parent}; {_REMEDY}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name}, line {error.lineno}, is not valid JSON: {error.msg}; correct it by hand") from error


def _write_timing(path: Path, script: dict, waveform: np.ndarray, times: list[tuple[int, int]]) -> None:
    seconds = [{"start_s": round(a / SAMPLE_RATE_HZ, 3), "end_s": round(b / SAMPLE_RATE_HZ, 3)} for a, b in times]
    body = {"script": _fingerprint(script), "duration_s": round(len(waveform) / SAMPLE_RATE_HZ, 3), "turns": seconds}
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _fingerprint(script: dict) -> str:
    """Of everything that can be heard, so that an edited script can't be taken for what its recording says."""
    heard = json.dumps([script["voices"], script["turns"], script["noise"]], sort_keys=True)
    return hashlib.sha256(heard.encode()).hexdigest()[:16]


def _write_flac(path: Path, waveform: np.ndarray) -> None:
    import soundfile  # only synthesis needs it, so reading the examples must not

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
    parser = argparse.ArgumentParser(prog="python -m medalign.training.examples", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=EXAMPLES_DIR, help="where the scripts lie and the recordings go")
    for example in synthesize_examples(parser.parse_args().folder):
        for path in filter(None, (example.audio_path, example.noisy_audio_path)):
            print(f"{path.name}: {example.duration_s:.1f} s, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
