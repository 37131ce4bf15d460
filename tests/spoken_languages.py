"""Speech in many languages, for `tests/heard_language.py`: sentences of `spoken_languages.json` by programs, and recordings.

No German is fitted on, and nothing that must not be sold: voices and recordings of Debian's non-free and contrib are only
reported on. Programs: Debian's espeak-ng, flite, festival and RHVoice with their voices, mbrola, and libttspico-utils; a voice
that is not installed is left out. Recordings lie unpacked in RECORDED, from Debian's packages
asterisk-core-sounds-{en,es,fr,it,ru}-wav, asterisk-prompt-it-menardi-wav, ktuberling-data, fillets-ng-data-{cs,nl},
tuxpaint-stamps-default and uqm-voice (its .uqm is a zip file).
"""

import json
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import AudioError
from medalign.training.data.sounds import listed
from medalign.training.data.voices import speak

FIT, CHOOSE, REPORT = "fit", "choose", "report"
TEXTS: dict[str, list[str]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
MAX_S, PEAK = 60, 0.7
PAUSE = np.zeros(SAMPLE_RATE_HZ // 3, np.float32)
ENGLISH, GERMAN = "en", "de"

FITTED = (
    "is", "lb", "lv", "eu", "cy", "sk", "sl", "ga", "mt", "fr", "es", "it", "ru", "da", "sv",
    "hu", "ro", "el", "uk", "hr", "lt", "hi", "ar", "fa", "ko", "id", "sw", "et", "af", "sq", "mk",
)  # fmt: skip
CHOSEN_ON = ("nb", "ca", "vi", "eo", "fi")
REPORTED = ("nl", "pl", "pt", "tr", "cs", "te", "mr", "ja")
MBROLA = {
    "af": "af1", "hr": "cr1", "et": "ee1", "el": "gr1 gr2", "hu": "hu1", "id": "id1", "hi": "in1 in2", "fa": "ir1", "ro": "ro1",
    "lt": "lt1 lt2", "sv": "sw1 sw2", "nl": "nl1 nl2 nl3", "pl": "pl1", "pt": "pt1 br1 br4", "tr": "tr1 tr2", "cs": "cz1 cz2",
    "fr": "fr1 fr2 fr4 ca1", "es": "es1 es3 mx1", "it": "it3 it4",
}  # fmt: skip
RHVOICE = {
    "hana": "sq", "suze": "mk", "magda": "pl", "Leticia-F123": "pt", "anna": "ru", "pavel": "ru", "talgat": "tt",
    "natalia": "uk", "spomenka": "eo", "alan": "en", "bdl": "en", "clb": "en", "evgeniy-eng": "en",
}  # fmt: skip
PICO = {"fr-FR": "fr", "es-ES": "es", "it-IT": "it", "de-DE": "de", "en-US": "en", "en-GB": "en"}
FESTIVAL = {  # voice: language, encoding, part
    "upc_ca_ona_hts": ("ca", "latin1", CHOOSE), "suo_fi_lj_diphone": ("fi", "latin1", CHOOSE),
    "hy_fi_mv_diphone": ("fi", "latin1", CHOOSE), "czech_dita": ("cs", "iso8859-2", REPORT),
    "czech_machac": ("cs", "iso8859-2", REPORT), "msu_ru_nsh_clunits": ("ru", "utf8", FIT), "lp_diphone": ("it", "latin1", FIT),
    "el_diphone": ("es", "latin1", REPORT), "kal_diphone": ("en", "ascii", FIT), "ked_diphone": ("en", "ascii", FIT),
    "rab_diphone": ("en", "ascii", REPORT), "don_diphone": ("en", "ascii", REPORT),
}  # fmt: skip
ENGLISH_VOICES = {  # of espeak-ng and mbrola
    FIT: "en-gb en-us+m7 en-gb-x-rp+f4 en-gb-x-gbclan en-us-nyc+f2", CHOOSE: "en-029 en-us+f1",
    REPORT: "en-gb-scotland en-us+f3 en-gb-x-gbcwmd+m3 mb-us1 mb-us2 mb-us3 mb-en1",
}  # fmt: skip
OTHER_ENGLISH = {FIT: "flite-rms flite-kal16 piper-joe", REPORT: "flite-slt flite-awb festival-slt-hts"}
FOREIGNERS = {  # voices of other languages that read English
    FIT: "fr-fr ru hi sv ro hu af hr lt el id da ko", CHOOSE: "es nb vi", REPORT: "it de pl ta nl tr pt",
}  # fmt: skip
WORD_VOICES = ("mb-us2", "mb-us3", "mb-en1", "en-gb-scotland")  # single words
ENGLISH_WORDS = (
    "chair", "yellow", "seventeen", "shoulder", "breakfast", "window", "doctor", "Thursday", "umbrella", "kitchen", "elbow",
    "mountain", "paper", "orange", "hospital", "feather", "garden", "thirty", "finger", "evening",
)  # fmt: skip
ACCENTS = (  # of mbrola, with English rules
    "fr1", "hu1", "nl2", "ro1", "af1", "pl1", "sw2", "fr4", "de1", "de3", "de4", "de5", "de6", "gr2", "sw1",
)  # fmt: skip
READERS = {"1688": FIT, "2033": FIT, "2609": FIT, "3080": FIT, "367": FIT, "2414": CHOOSE, "3331": CHOOSE}
COUNTED = {FIT: 40, CHOOSE: 15, REPORT: 30}
TUXPAINT = {"fr ru ro es be el da": FIT, "ca bg": CHOOSE, "nl": REPORT}
KTUBERLING = {"nds fr uk lt da ru wa sl": FIT, "ca gl": CHOOSE, "de": REPORT}
ASTERISK = {
    "core-sounds-es": "es", "core-sounds-fr": "fr", "core-sounds-it": "it", "core-sounds-ru": "ru", "prompt-it-menardi": "it",
}  # fmt: skip

READ, ACTORS, COUNTING, TAKES = "English, read", "English, actors", "English, people who count", "English, consultations"
SYNTHETIC, ACCENTED, BY_FOREIGNERS = "English, synthetic", "English, accents by mbrola", "English, read by foreign voices"
LATER = "English, actors and accents, heard once the threshold was settled"
PROMPTS, WORDS = "English, prompts of a telephone", "English, single words"
GERMAN_VOICES, GERMAN_WORDS = "German, synthetic", "German, single words, recorded"
OTHERS, OTHER_RECORDED, OTHER_WORDS = "other languages, synthetic", "other languages, recorded", "other languages, single words"
NEW_VOICES = "languages fitted on, other voices"


@dataclass(frozen=True)
class Speech:
    name: str
    part: str
    kind: str
    language: str
    make: Callable[[], np.ndarray]

    @property
    def is_english(self) -> bool:
        return self.language == ENGLISH

    def waveform(self, cache: Path) -> np.ndarray:
        """At most a minute; kept, for engines take their time. Raises OSError, SubprocessError or AudioError."""
        file = cache / f"{self.stem}.npy"
        if not file.exists():
            made = self.make()[: MAX_S * SAMPLE_RATE_HZ]
            np.save(file, (made / max(np.abs(made).max(), 1e-3) * PEAK).astype(np.float16))
        return np.load(file).astype(np.float32)

    @property
    def stem(self) -> str:
        return self.name.replace("/", "_").replace(" ", "_")


def corpus(data: Path, recorded: Path, takes: Path) -> Iterator[Speech]:
    yield from english_people(data, recorded, takes)
    yield from synthetic()
    yield from recorded_languages(recorded)


def english_people(data: Path, recorded: Path, takes: Path) -> Iterator[Speech]:
    by_speaker: dict[str, list[Path]] = {}
    for path, row in listed(data / "speech" / "librispeech_test_other"):
        by_speaker.setdefault(row["speaker_id"], []).append(path)
    for speaker, paths in by_speaker.items():
        yield _recorded(f"libri {speaker}", READERS.get(speaker, REPORT), READ, ENGLISH, paths)
    hifi = [path for path, _ in listed(data / "speech" / "hifitts_6097")]
    for first in (0, 40, 80):
        yield _recorded(f"hifi {first}", REPORT, READ, ENGLISH, hifi[first : first + 36])
    for i, folder in enumerate(sorted({path.parent for path in recorded.rglob("3dovoice/*/*.ogg")})):
        kind = LATER if i % 3 else ACTORS
        yield _recorded(f"uqm {folder.name}", REPORT, kind, ENGLISH, sorted(folder.glob("*.ogg"))[3:])
    n_counted = dict.fromkeys(COUNTED, 0)
    for path, row in listed(data / "body_sounds" / "coswara"):
        if row["sound_type"] == "counting-normal" and row["near_silent"] == "0" and float(row["duration_s"]) > 8:
            part = CHOOSE if zlib.crc32(row["participant_id"].encode()) % 4 == 0 else FIT
            part = REPORT if row["split"] == "test" else part
            n_counted[part] += 1
            if n_counted[part] <= COUNTED[part]:
                yield _recorded(f"coswara {row['participant_id']}", part, COUNTING, ENGLISH, [path])
    found = {path.stem: path for path in sorted(takes.rglob("*-take0.flac"), reverse=True)}
    spoken = dict.fromkeys([found[name] for name in sorted(found) if name.startswith("terms-")][:24], FIT)
    spoken |= {path: REPORT for name, path in found.items() if name.startswith(("aci-", "day4"))}
    for path, part in spoken.items():
        first = 0 if part == FIT else MAX_S * SAMPLE_RATE_HZ
        name = f"take {path.stem}"
        yield Speech(name, part, TAKES, ENGLISH, lambda p=path, first=first: load_recording(p).waveform[first:])
    yield _recorded("asterisk en 0", REPORT, PROMPTS, ENGLISH, _long(recorded, "asterisk-core-sounds-en-wav")[:60])
    yield _recorded("en ktuberling", FIT, WORDS, ENGLISH, sorted(recorded.rglob("ktuberling/sounds/en/*")))
    yield _recorded("en tuxpaint", REPORT, WORDS, ENGLISH, sorted(recorded.rglob("*_desc.ogg")))


def synthetic() -> Iterator[Speech]:
    spoken = [(f"en {v}", part, SYNTHETIC, v) for part, voices in ENGLISH_VOICES.items() for v in voices.split()]
    spoken += [(f"en mb-{v}-en", REPORT, ACCENTED, f"mb-{v}-en") for v in ACCENTS]
    spoken += [(f"en by {v}", part, BY_FOREIGNERS, v) for part, voices in FOREIGNERS.items() for v in voices.split()]
    for voice in ACCENTS:  # the same voices with other sentences
        name = f"en mb-{voice}-en again"
        yield Speech(name, REPORT, LATER, ENGLISH, lambda v=voice: _espeak(_text(ENGLISH, FIT), f"mb-{v}-en"))
    for name, part, kind, voice in spoken:
        yield Speech(name, part, kind, ENGLISH, lambda p=part, v=voice: _espeak(_text(ENGLISH, p), v))
    for part, voices in OTHER_ENGLISH.items():
        for voice in voices.split():
            yield Speech(f"en {voice}", part, SYNTHETIC, ENGLISH, lambda v=voice, p=part: _sentences(ENGLISH, p, v))
    for voice in WORD_VOICES:
        words = ". ".join(ENGLISH_WORDS)
        yield Speech(f"words {voice}", REPORT, WORDS, ENGLISH, lambda v=voice, w=words: _espeak(w, v))
    for voice in ("de", "de+m3", "de+f3", "de+f2", *(f"mb-de{i}" for i in range(1, 9))):
        yield Speech(f"de {voice}", REPORT, GERMAN_VOICES, GERMAN, lambda v=voice: _espeak(_text(GERMAN, REPORT), v))
    for languages, part in ((FITTED, FIT), (CHOSEN_ON, CHOOSE), (REPORTED, REPORT)):
        for language in languages:
            for variant in ("+m3", "+f2"):
                voice = ("fr-fr" if language == "fr" else language) + variant
                name = f"{language} espeak{variant}"
                yield Speech(name, part, OTHERS, language, lambda x=language, p=part, v=voice: _espeak(_text(x, p), v))
    voices = [(f"{x} mb-{v}", REPORT, x, f"mb-{v}", _espeak) for x, vs in MBROLA.items() for v in vs.split()]
    voices += [(f"{x} rh {v}", REPORT, x, v, _rhvoice) for v, x in RHVOICE.items()]
    voices += [(f"{x} pico" + (f" {v}" if x == ENGLISH else ""), REPORT, x, v, _pico) for v, x in PICO.items()]
    voices += [(f"{x} fest {v}", part, x, v, _festival) for v, (x, _, part) in FESTIVAL.items()]
    for name, part, language, voice, engine in voices:
        kind = {ENGLISH: SYNTHETIC, GERMAN: GERMAN_VOICES}.get(language, NEW_VOICES if language in FITTED else OTHERS)
        yield Speech(name, part, kind, language, lambda x=language, p=part, v=voice, say=engine: say(_text(x, p), v))


def recorded_languages(recorded: Path) -> Iterator[Speech]:
    for languages, part in TUXPAINT.items():
        for language in languages.split():
            paths = _drawn(sorted(recorded.rglob(f"*_desc_{language}.ogg")), 0)
            n = 1 if len(paths) < 100 else 5 if part == FIT else 3
            for i in range(min(n, 4)):
                yield _recorded(f"{language} tuxpaint {i}", part, OTHER_RECORDED, language, paths[i::n])
    for languages, part in KTUBERLING.items():
        for language in languages.split():
            paths = sorted(recorded.rglob(f"ktuberling/sounds/{language}/*"))
            kind = GERMAN_WORDS if language == GERMAN else OTHER_WORDS
            yield _recorded(f"{language} ktuberling", part, kind, language, _drawn(paths, 0))
    for language in ("cs", "nl"):
        longest = sorted(recorded.rglob(f"fillets-ng/**/{language}/*.ogg"), key=lambda path: -path.stat().st_size)[:240]
        for i in range(3):
            yield _recorded(f"{language} fillets {i}", REPORT, OTHER_RECORDED, language, _drawn(longest, 1)[i::3])
    for package, language in ASTERISK.items():
        paths = _drawn(_long(recorded, f"asterisk-{package}-wav"), 2)
        for i in range(2):
            yield _recorded(f"{package}-wav {i}", REPORT, NEW_VOICES, language, paths[i::2])


def _recorded(name: str, part: str, kind: str, language: str, paths: Sequence[Path]) -> Speech:
    return Speech(name, part, kind, language, lambda: _joined(paths))


def _joined(paths: Sequence[Path]) -> np.ndarray:
    parts: list[np.ndarray] = []
    for path in paths:
        try:
            waveform = load_recording(path).waveform
        except AudioError:  # too short
            continue
        parts += [waveform / max(np.abs(waveform).max(), 1e-3) * 0.5, PAUSE]
        if sum(map(len, parts)) > MAX_S * SAMPLE_RATE_HZ:
            break
    return np.concatenate(parts)


def _long(recorded: Path, package: str) -> list[Path]:
    return sorted(path for path in (recorded / package).rglob("*.wav") if path.stat().st_size > 30_000)


def _drawn(paths: list[Path], seed: int) -> list[Path]:
    return [paths[i] for i in np.random.default_rng(seed).permutation(len(paths))]


def _text(language: str, part: str) -> str:
    """English has sentences of its own for what is reported on."""
    return " ".join(TEXTS.get(f"{language}-{part}", TEXTS[language]))


def _sentences(language: str, part: str, voice: str) -> np.ndarray:
    texts = TEXTS.get(f"{language}-{part}", TEXTS[language])
    return np.concatenate([piece for text in texts for piece in (speak(text, voice), PAUSE)])


def _run(command: list[str], text: str = "", encoding: str = "utf8") -> np.ndarray:
    """A program that writes `spoken.wav`, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, input=text.encode(encoding, "ignore"), cwd=folder, check=True, timeout=60, capture_output=True)
        return load_recording(Path(folder) / "spoken.wav").waveform


def _espeak(text: str, voice: str) -> np.ndarray:
    return _run(["espeak-ng", "-v", voice, "-s", "150", "-w", "spoken.wav", text])


def _rhvoice(text: str, voice: str) -> np.ndarray:
    return _run(["RHVoice-test", "-p", voice, "-o", "spoken.wav"], text)


def _pico(text: str, voice: str) -> np.ndarray:
    return _run(["pico2wave", "-l", voice, "-w", "spoken.wav", text])


def _festival(text: str, voice: str) -> np.ndarray:
    return _run(["text2wave", "-eval", f"(voice_{voice})", "-o", "spoken.wav"], text, FESTIVAL[voice][1])
