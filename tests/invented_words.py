"""Words written over coughs and breaths, and short answers lost: `python tests/invented_words.py DATA CACHE [--fit]`.

Not a test: it takes half an hour on two cores. DATA holds body_sounds/ with Coswara, covid19_cough and ESC-10, and speech/ with
LibriSpeech. What was said is known: nothing in coughs, breaths, sneezes and crying; one word in what is cut from people who
count aloud (Coswara) or read (LibriSpeech), and in what voices of flite, espeak-ng, festival and piper say; sentences of these
voices, into which such a cough breaks. Parts have no person, source recording or voice in common. The detector of sound events
was not trained on the part that is reported on, but that part chose the form of the rule. The fresh part chose nothing of it,
but from its coughs, breaths, sneezes and cries the detector learnt.
`--fit` writes the fit into the student's folder first.
"""

import json
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.provenance import PROVENANCE, provenance
from medalign.feedback.ranking import wilson
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.invented_words import are_invented, invented_features
from medalign.pipeline.repetitions import without_repetitions
from medalign.training.data.sounds import listed
from medalign.training.data.voices import speak
from medalign.training.fitting.logistic import fit_logistic

OUT = Path(__file__).parents[1] / "assets" / "results" / "invented-words.json"
FIT, THRESHOLD = "invented words", 0.7  # rather a word too many than an answer lost
DEVELOP, REPORT, FRESH = PARTS = ("develop", "report", "fresh")
ANSWERS = ("Yes.", "No.", "Mm.", "Okay.", "Not really.", "No, no.")
FRESH_ANSWERS = ("Yes.", "No.", "Mm.", "Yeah.", "Sometimes.", "Nope.")
SENTENCES = (
    "I have had this pain in my chest for about three days now.", "It gets worse when I walk up the stairs.",
    "No, I am not allergic to anything.", "And it keeps me awake at night.",
)  # fmt: skip
VOICES = {
    "flite-rms": DEVELOP, "flite-kal16": DEVELOP, "espeak-en-gb": DEVELOP, "flite-slt": REPORT, "flite-awb": REPORT,
    "espeak-en-gb-scotland": REPORT, "espeak-en-us+f3": FRESH, "espeak-en-us+m7": FRESH, "espeak-en-gb-x-gbcwmd+m3": FRESH,
    "espeak-en-gb-x-rp+f4": FRESH, "festival-slt-hts": FRESH, "piper-joe": FRESH,
}  # fmt: skip
# CRC-32 of the people in Coswara of whom nobody heard a clip while the rule was made, and clips of ESC-10 that somebody did.
FRESH_PEOPLE = {
    68702768, 276423002, 394029247, 625271693, 1965477893, 2550137572,
    2715436714, 2919449389, 3170204134, 3197894785, 3341301907, 3963120328,
}  # fmt: skip
HEARD = {"3-148330-A", "3-163459-A", "3-143119-A"}
PAUSE = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
MARGIN_S, MAX_WORD_S, N_WORDS = 0.1, 1.0, 2
COUGH_SAMPLES = 3 * SAMPLE_RATE_HZ
MIN_WORD_S, N_UTTERANCES = 0.25, 1  # of what is cut out of sentences; the recogniser's shorter times are often wrong
SPOKEN = ("counting", "counted word", "synthetic answer", "sentence with a cough", "word out of a sentence")
N_COUGHS, N_WITH_COUGHS = 12, 6  # fresh ones that break in; voices whose sentences get coughs of their own
SENTENCE = "sentence"  # words are cut out of it


@dataclass(frozen=True)
class Clip:
    """A sound, and whether anybody speaks in it."""

    name: str
    kind: str  # cough, breath, sneeze, crying, or of `SPOKEN`, or `SENTENCE`
    half: str  # of `PARTS`
    waveform: Callable[[], np.ndarray]

    @property
    def is_spoken(self) -> bool:
        return self.kind in SPOKEN


def body_sounds(data: Path) -> Iterator[Clip]:
    folder = data / "body_sounds"
    for path, row in listed(folder / "coswara"):
        half, kind = _half(row), {"cough": "cough", "breathing": "breath"}.get(row["sound_type"].split("-")[0])
        is_in = half == REPORT or (
            row["sound_type"] in ("cough-heavy", "breathing-deep") and (half == FRESH or _is_drawn(row["participant_id"], 3))
        )
        if half and kind and is_in and row["near_silent"] == "0" and float(row["duration_s"]) >= 0.5:
            yield _file(folder, path, kind, half)
    for path, row in listed(folder / "covid19_cough"):  # nobody says whose they are: to report on, none that was developed on
        drawn = {0: DEVELOP, 1: FRESH}.get(zlib.crc32(row["recording_id"].encode()) % 60)
        if drawn and 0.5 <= float(row["duration_s"]) <= 15:
            yield _file(folder, path, "cough", drawn)
    for path, row in listed(folder / "esc10"):
        kind = {"Person sneeze": "sneeze", "Baby cry": "crying"}.get(row["label"])
        drawn = {"5": REPORT, "4": DEVELOP, "3": FRESH}.get(row["fold"])
        if kind and drawn and path.stem not in HEARD:
            yield _file(folder, path, kind, drawn)


def counting(data: Path) -> Iterator[Clip]:
    folder = data / "body_sounds"
    for path, row in listed(folder / "coswara"):
        half = _half(row)
        is_in = half and _is_drawn(row["participant_id"], 7 if half == DEVELOP else 1)
        if row["sound_type"] == "counting-normal" and row["near_silent"] == "0" and is_in:
            yield _file(folder, path, "counting", half)


def sentences(data: Path) -> Iterator[Clip]:
    """A few of each speaker."""
    by_speaker: dict[str, list[Path]] = {}
    for path, row in listed(data / "speech" / "librispeech_test_other"):
        by_speaker.setdefault(row["speaker_id"], []).append(path)
    for paths in by_speaker.values():
        for path in paths[:N_UTTERANCES]:
            yield _file(data / "speech", path, SENTENCE, FRESH)


def cut_words(clip: Clip, segments: list[dict]) -> Iterator[Clip]:
    """The first few words of somebody who counts, or one out of a sentence, each between half a second of silence."""
    words = [word for segment in segments for word in segment["words"] if word["end_s"] - word["start_s"] <= MAX_WORD_S]
    chosen, kind = words[:N_WORDS], "counted word"
    if clip.kind == SENTENCE:
        whole = [word for word in words if word["end_s"] - word["start_s"] >= MIN_WORD_S]
        chosen, kind = whole[len(whole) // 2 :][:1], "word out of a sentence"
    for word in chosen:

        def cut(word: dict = word) -> np.ndarray:
            first, last = (round(t * SAMPLE_RATE_HZ) for t in (word["start_s"] - MARGIN_S, word["end_s"] + MARGIN_S))
            return np.concatenate([PAUSE, clip.waveform()[max(0, first) : last], PAUSE])

        yield Clip(f"{clip.name}#{word['start_s']:.2f}", kind, clip.half, cut)


def synthetic_answers() -> Iterator[Clip]:
    for voice, half in VOICES.items():
        for text in FRESH_ANSWERS if half == FRESH else ANSWERS:

            def spoken(text: str = text, voice: str = voice) -> np.ndarray:
                return np.concatenate([PAUSE, speak(text, voice), PAUSE])

            yield Clip(f"{voice}/{text}", "synthetic answer", half, spoken)


def interrupted_sentences(coughs: list[Clip]) -> Iterator[Clip]:
    """Sentences with a real cough in the middle: what is said there is said."""
    for number, (voice, half) in enumerate(VOICES.items()):
        own = [clip for clip in coughs if clip.half == half][: N_COUGHS if half == FRESH else None]
        for text, cough in zip(SENTENCES, own[number % N_WITH_COUGHS * len(SENTENCES) :], strict=False):

            def mixed(text: str = text, voice: str = voice, cough: Clip = cough) -> np.ndarray:
                spoken, sound = speak(text, voice), cough.waveform()[:COUGH_SAMPLES]
                sound = sound * (np.abs(spoken).max() / max(np.abs(sound).max(), 1e-6))
                middle = len(spoken) // 2
                return np.concatenate([PAUSE, spoken[:middle], sound.astype(np.float32), spoken[middle:], PAUSE])

            yield Clip(f"{voice}/{text}/{cough.name}", "sentence with a cough", half, mixed)


def _half(row: dict[str, str]) -> str:
    """Of a person in Coswara; empty for those who are in none."""
    person = row["participant_id"]
    if row["split"] == "test":
        return REPORT
    if _is_drawn(person, 3) or _is_drawn(person, 7):
        return DEVELOP
    return FRESH if zlib.crc32(person.encode()) in FRESH_PEOPLE else ""


def _is_drawn(name: str, one_in: int) -> bool:
    return zlib.crc32(name.encode()) % one_in == 0


def _file(folder: Path, path: Path, kind: str, half: str) -> Clip:
    return Clip(str(path.relative_to(folder)), kind, half, lambda: load_recording(path).waveform)


class Observer:
    """What the recogniser writes of a clip, with what the fit knows; kept in a file, for the recogniser takes longest."""

    def __init__(self, cache: Path):
        self._file, self._analyzer = cache / "invented-words.json", None
        self._kept = json.loads(self._file.read_text()) if self._file.exists() else {}

    def segments(self, clip: Clip) -> list[dict]:
        if clip.name not in self._kept:
            self._kept[clip.name] = self._observed(clip)
            if len(self._kept) % 10 == 0:
                self.keep()
        return self._kept[clip.name]

    def keep(self) -> None:
        self._file.write_text(json.dumps(self._kept), encoding="utf-8")

    def _observed(self, clip: Clip) -> list[dict]:
        self._analyzer = self._analyzer or Analyzer.default(device="cpu")
        listener = self._analyzer.listener
        recording = Recording(clip.name, clip.waveform(), SAMPLE_RATE_HZ, 1)
        transcript, _ = without_repetitions(self._analyzer.transcriber.transcribe(recording))
        lead = listener.detector.lead(listener.student.frames(recording.levelled))
        features = invented_features(transcript.segments, lead).tolist() if transcript.segments else []
        return [
            {"text": s.text, "features": f, "words": [{"start_s": w.start_s, "end_s": w.end_s} for w in s.words]}
            for s, f in zip(transcript.segments, features, strict=True)
        ]


def measure(clips: list[Clip], observer: Observer, is_withheld: Callable[[np.ndarray], np.ndarray]) -> dict:
    """Of each kind, how many have words before and after; intervals by Wilson."""
    figures = {}
    for kind in dict.fromkeys(clip.kind for clip in clips):
        chosen = [observer.segments(clip) for clip in clips if clip.kind == kind]
        written = [np.array([s["features"] for s in segments]) for segments in chosen if segments]
        kept = [features for features in written if not is_withheld(features).all()]
        n = len(chosen)
        figures[kind] = {
            "n": n,
            "with_words_before": len(written),
            "with_words": len(kept),
            "segments_withheld": int(sum(is_withheld(features).sum() for features in written)),
            "share_with_words_before_95": [round(b, 4) for b in wilson(len(written), n)],
            "share_with_words_95": [round(b, 4) for b in wilson(len(kept), n)],
        }
    return figures


def main(data: Path, cache: Path, *, fitting: bool) -> None:
    from medalign.models.student import Student
    from medalign.pipeline.calibration import Calibration

    observer, folder = Observer(cache), Student.from_pretrained(device="cpu").writable_folder()
    counted, read, bodies = list(counting(data)), list(sentences(data)), list(body_sounds(data))
    clips = [*bodies, *counted, *synthetic_answers(), *interrupted_sentences([b for b in bodies if b.kind == "cough"])]
    clips += [word for clip in (*counted, *read) for word in cut_words(clip, observer.segments(clip))]
    for clip in clips:
        observer.segments(clip)
    observer.keep()
    calibration = Calibration.load(folder)
    halves = {half: [clip for clip in clips if clip.half == half] for half in PARTS}
    if fitting:
        rows = [(s["features"], not clip.is_spoken) for clip in halves[DEVELOP] for s in observer.segments(clip)]
        features, truth = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        fit = replace(fit_logistic(FIT, features, truth, standardise=True), threshold=THRESHOLD)
        calibration = calibration.with_fit(FIT, fit)
        calibration.save(folder)
    fit = calibration.fits[FIT]
    figures = {half: measure(halves[half], observer, lambda x: are_invented(x, fit, fit.threshold)) for half in halves}
    OUT.write_text(json.dumps({PROVENANCE: provenance(), **figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), fitting="--fit" in sys.argv[3:])
