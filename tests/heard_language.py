"""Another language written as English: `python tests/heard_language.py DATA CACHE [PROMPTS]`, on Debian's espeak-ng and flite.

Not a test: it takes half an hour on two cores. DATA holds speech/ with LibriSpeech and HiFiTTS; PROMPTS, where given, holds
folders of real voices in other languages (Debian's asterisk-core-sounds-{es,fr,it,ru}-wav, unpacked).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.errors import AudioError
from medalign.core.provenance import PROVENANCE, provenance
from medalign.feedback.ranking import wilson
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.heard_language import belongs_to_its_sound, heard_fit
from medalign.pipeline.repetitions import without_repetitions
from medalign.training.data.pairs import in_pink_noise
from medalign.training.data.sounds import listed

OUT = Path(__file__).parents[1] / "assets" / "results" / "heard-language.json"
ASKED = {
    "de": "Guten Tag, was führt Sie zu mir? Ich habe seit drei Tagen starken Husten und Fieber, und die Brust tut weh.",
    "fr": "Bonjour, qu'est-ce qui vous amène? J'ai mal à la tête depuis trois jours, et un peu de fièvre, surtout le matin.",
    "es": "Buenos días, ¿qué le pasa? Me duele el pecho desde hace tres días, tengo fiebre, y toso mucho por la noche.",
    "it": "Buongiorno, che cosa la porta qui? Ho mal di gola da tre giorni, un po' di febbre, e la notte non dormo bene.",
    "nl": "Goedemorgen, waarmee kan ik u helpen? Ik heb al drie dagen hoest en koorts, en mijn borst doet pijn.",
    "pl": "Dzień dobry, co panu dolega? Od trzech dni mam kaszel i gorączkę, i boli mnie klatka piersiowa.",
    "pt": "Bom dia, o que o traz aqui? Tenho dores no peito há três dias, um pouco de febre, e à noite durmo mal.",
    "ru": "Здравствуйте, что вас беспокоит? У меня уже три дня кашель и температура, и болит грудь.",
    "tr": "Günaydın, şikayetiniz nedir? Üç gündür öksürüğüm ve ateşim var, nefes alırken göğsüm ağrıyor.",
}
ENGLISH = "Good morning, what brings you in? I have had a bad cough and a fever for three days, and my chest hurts at night."
ACCENTS = ("en-gb", "en-us", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us+f3")
LIKE_A_FOREIGNER = ("de", "fr", "hi")  # voices of these languages, which read English
MALE, FEMALE, TWO_VOICES = "+m3", "+f3", ("de", "fr", "es")
NOISY = ("2033", "2414", "3080")  # speakers, once more in noise
USUAL_FIT = 99.4  # of the default student
N_UTTERANCES, PROMPTS_S, N_PROMPTS = 4, 15.0, 2
PAUSE = np.zeros(SAMPLE_RATE_HZ // 3, np.float32)


@dataclass(frozen=True)
class Speech:
    name: str
    kind: str
    waveform: Callable[[], np.ndarray]


def english(data: Path) -> Iterator[Speech]:
    by_speaker: dict[str, list[Path]] = {}
    for path, row in listed(data / "speech" / "librispeech_test_other"):
        by_speaker.setdefault(row["speaker_id"], []).append(path)
    for speaker, paths in by_speaker.items():
        chosen = paths[:N_UTTERANCES]
        yield Speech(f"libri {speaker}", "read English, ten voices", lambda chosen=chosen: _joined(chosen))
        if speaker in NOISY:
            yield Speech(f"libri {speaker} 0 dB", "the same at 0 dB", lambda chosen=chosen: _noisy(chosen))
    paths = [path for path, _ in listed(data / "speech" / "hifitts_6097")]
    for first in range(0, len(paths), 40):
        yield Speech(f"hifi {first}", "read English, one voice", lambda first=first: _joined(paths[first : first + 8]))
    for voice in ACCENTS:
        yield Speech(f"espeak {voice}", "English accents of espeak-ng", lambda voice=voice: _espeak(ENGLISH, voice))
    for voice in LIKE_A_FOREIGNER:
        yield Speech(f"espeak {voice}", "foreign voices reading English", lambda voice=voice: _espeak(ENGLISH, voice))


def foreign(prompts: Path | None) -> Iterator[Speech]:
    for language, text in ASKED.items():
        for variant in (MALE, FEMALE) if language in TWO_VOICES else (MALE,):
            voice = language + variant
            yield Speech(f"espeak {voice} {language}", "nine other languages, espeak-ng", lambda v=voice, t=text: _espeak(t, v))
    for folder in sorted(prompts.iterdir()) if prompts else ():
        files = sorted(folder.glob("*.wav"), key=lambda path: -path.stat().st_size)[10:]
        for first in range(N_PROMPTS):
            chosen = files[first::N_PROMPTS]
            yield Speech(f"{folder.name} {first}", "other languages, real voices", lambda chosen=chosen: _joined(chosen))


def _joined(paths: list[Path]) -> np.ndarray:
    parts: list[np.ndarray] = []
    for path in paths:
        try:
            parts += [load_recording(path).waveform, PAUSE]
        except AudioError:  # too short
            continue
        if sum(map(len, parts)) > PROMPTS_S * SAMPLE_RATE_HZ:
            break
    return np.concatenate(parts)


def _noisy(paths: list[Path]) -> np.ndarray:
    return in_pink_noise(_joined(paths), paths[0], 0.0)


def _espeak(text: str, voice: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", str(path), text], check=True)
        return load_recording(path).waveform


def observe(speech: Speech, analyzer: Analyzer) -> dict:
    """What is decided of it, and by what."""
    recording = Recording(speech.name, speech.waveform(), SAMPLE_RATE_HZ, 1)
    transcript, _ = without_repetitions(analyzer.transcriber.transcribe(recording))
    encoded = analyzer.listener.encode(recording)
    transcript, _ = analyzer.listener.without_invented(transcript, encoded, analyzer.transcriber.info.revision)
    fit = heard_fit(transcript, encoded, analyzer.listener) if transcript.segments else None
    return {"text": transcript.text, "fit": fit}


def main(data: Path, cache: Path, prompts: Path | None) -> None:
    from medalign.concepts import transcript_from_text
    from medalign.concepts.language import MIN_WORDS, is_english

    file, analyzer = cache / "heard-language.json", None
    kept = json.loads(file.read_text()) if file.exists() else {}
    figures: dict[str, dict] = {}
    for speech in (*english(data), *foreign(prompts)):
        if speech.name not in kept:
            analyzer = analyzer or Analyzer.default(device="cpu")
            kept[speech.name] = observe(speech, analyzer)
            file.write_text(json.dumps(kept), encoding="utf-8")
        seen = kept[speech.name]
        row = figures.setdefault(speech.kind, {"n": 0, "too_few_words": 0, "by_words": 0, "by_sound": 0, "fits": []})
        row["n"] += 1
        written = transcript_from_text(seen["text"])
        if len(written.words) < MIN_WORDS:
            row["too_few_words"] += 1
        elif not is_english(written):
            row["by_words"] += 1
        else:
            row["by_sound"] += not belongs_to_its_sound(written, seen["fit"], USUAL_FIT)
            row["fits"].append(seen["fit"])
    for row in figures.values():
        fits = row.pop("fits")
        row["fit_range"] = [round(min(fits), 1), round(max(fits), 1)] if fits else None
        row["flagged_95"] = [round(b, 4) for b in wilson(row["by_words"] + row["by_sound"], row["n"])]
    OUT.write_text(json.dumps({PROVENANCE: provenance(), **figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
