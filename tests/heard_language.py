"""Another language written as English: `python tests/heard_language.py DATA CACHE RECORDED TAKES [--fit]`.

Not a test: it takes an hour on two cores. DATA holds speech/ with LibriSpeech and HiFiTTS and body_sounds/coswara; RECORDED and
the programs that speak: see `spoken_languages.py`; TAKES holds spoken consultations as `medalign prepare` makes them. `--fit`
fits the head on one part, sets its threshold on another, and writes both into the student's folder first. No voice that is
reported on did either, and no German.
"""

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from spoken_languages import (
    CHOOSE,
    FIT,
    GERMAN,
    GERMAN_VOICES,
    LATER,
    OTHER_RECORDED,
    READ,
    REPORT,
    TAKES,
    WORDS,
    Speech,
    corpus,
)

from medalign.concepts.language import is_english
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.errors import AudioError
from medalign.core.provenance import PROVENANCE, provenance
from medalign.feedback.ranking import wilson
from medalign.models.spoken_language import SpokenLanguageHead, pooled
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.heard_language import belongs_to_its_sound, heard_fit, is_told
from medalign.pipeline.repetitions import without_repetitions

OUT = Path(__file__).parents[1] / "assets" / "results" / "heard-language.json"
MARGIN = 2.0  # log-odds that the threshold lies over the most foreign English: rather miss than alarm
INVERSE_REGULARISATION, N_FOLDS = 0.3, 10
SECONDS = {"30 s": 30, "10 s": 10, "60 s": 60, "30 s at 5 dB": 30}
WHOLE, NOISY = "30 s", "some noise"
LONG = (GERMAN_VOICES, OTHER_RECORDED, READ)  # kinds of which a minute is heard, too
WRITTEN = (  # drawn for the recogniser, which takes longest; every German voice is, too
    "core-sounds-es-wav 0", "core-sounds-fr-wav 0", "core-sounds-it-wav 0", "core-sounds-ru-wav 0", "prompt-it-menardi-wav 0",
    "cs fillets 0", "nl fillets 0", "nl tuxpaint 0", "eo rh spomenka", "libri 3005", "libri 533", "hifi 40", "asterisk en 0",
    "take aci-D2N070-seed0-take0", "take aci-D2N073-seed0-take0", "en flite-awb", "en en-gb-scotland", "en mb-en1",
    "en mb-de4-en", "en mb-de5-en", "en mb-gr2-en",
)  # fmt: skip


class Observer:
    """What is computed of recordings, each kept in a file."""

    def __init__(self, cache: Path):
        self.cache = cache
        for folder in ("waveforms", "heard", "written"):
            (cache / folder).mkdir(parents=True, exist_ok=True)

    @cached_property
    def analyzer(self) -> Analyzer:
        return Analyzer.default(device="cpu")

    def pieces(self, speech: Speech, condition: str) -> np.ndarray:
        """As `pooled` gives them."""
        file = self.cache / "heard" / f"{speech.stem}.{condition}.npy"
        if not file.exists():
            student, recording = self.analyzer.listener.student, self._recording(speech, condition)
            from medalign.models.transcription import speech_stretches

            frames = student.frames(recording.levelled).numpy()
            np.save(file, pooled(frames, speech_stretches(recording), student.encoder.frames_per_s))
        return np.load(file)

    def written(self, speech: Speech, condition: str = WHOLE) -> dict:
        """The recogniser's words, and how they fit the sound."""
        file = self.cache / "written" / (f"{speech.stem}.json" if condition == WHOLE else f"{speech.stem}.{condition}.json")
        if not file.exists():
            recording, listener = self._recording(speech, condition), self.analyzer.listener
            transcript, _ = without_repetitions(self.analyzer.transcriber.transcribe(recording))
            encoded = listener.encode(recording)
            transcript, _ = listener.without_invented(transcript, encoded, self.analyzer.transcriber.info.revision)
            n_words = [len(segment.words) for segment in transcript.segments]
            seen: dict[str, object] = {"text": transcript.text, "fit": None, "mean_log_probability": None}
            if n_words:
                likely = [segment.mean_log_probability for segment in transcript.segments]
                seen["mean_log_probability"] = float(np.average(likely, weights=n_words))
                seen["fit"] = heard_fit(transcript, encoded, listener)
            file.write_text(json.dumps(seen, ensure_ascii=False), encoding="utf-8")
        return json.loads(file.read_text(encoding="utf-8"))

    def parts(self, recording: Recording, head: SpokenLanguageHead) -> dict:
        """What is heard as another language in a part of a recording, and what is told in the end."""
        from medalign.pipeline.heard_language import other_language, with_heard_language

        listener = self.analyzer.listener
        encoded = listener.encode(recording)
        rate = listener.student.encoder.frames_per_s
        heard = head.stretches_s(encoded.frames.numpy(), encoded.speech_s, rate).round(1).tolist()
        if not heard:
            return {"heard": heard, "told": []}
        transcript, _ = without_repetitions(self.analyzer.transcriber.transcribe(recording))
        transcript, _ = listener.without_invented(transcript, encoded, self.analyzer.transcriber.info.revision)
        transcript = with_heard_language(transcript, encoded, listener)
        is_whole = not is_english(transcript)
        told = (
            [[0.0, recording.duration_s]]
            if is_whole
            else [list(part) for part in other_language(transcript, encoded, listener)]
        )
        return {"heard": heard, "told": told}

    def _recording(self, speech: Speech, condition: str) -> Recording:
        waveform, seed = speech.waveform(self.cache / "waveforms"), zlib.crc32(speech.name.encode())
        waveform = waveform[: SECONDS.get(condition, 20) * SAMPLE_RATE_HZ]
        if condition == NOISY:
            waveform = _in_pink_noise(waveform, float(np.random.default_rng(seed + 1).uniform(0, 20)), seed)
        elif condition.endswith(" dB"):
            waveform = _in_pink_noise(waveform, 5.0, seed)
        return Recording(speech.name, waveform, SAMPLE_RATE_HZ, 1)


def _in_pink_noise(waveform: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(waveform)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(waveform))
    rms = np.sqrt((waveform**2).mean()) * 10 ** (-snr_db / 20)
    return (waveform + noise / noise.std() * rms).astype(np.float32)


def made(speeches: Iterator[Speech], cache: Path) -> list[Speech]:
    """Those that could be made here and hold a few seconds."""
    found = []
    for speech in speeches:
        try:
            is_long = len(speech.waveform(cache / "waveforms")) >= 3 * SAMPLE_RATE_HZ
        except (OSError, subprocess.SubprocessError, AudioError, ValueError) as error:
            sys.stderr.write(f"left out: {speech.name}: {error}\n")
            continue
        if is_long:
            found.append(speech)
    return found


def fit_head(speeches: list[Speech], observer: Observer) -> tuple[SpokenLanguageHead, dict]:
    """The head and what it was made of. Its threshold lies over all English that the head that judged it did not learn from,
    but for the only list of single words."""
    rows = [(s, observer.pieces(s, c)) for s in speeches if s.part == FIT for c in (WHOLE, NOISY)]
    rows = [(speech, pieces) for speech, pieces in rows if len(pieces)]
    fold = [zlib.crc32((s.name if s.is_english else s.language).encode()) % N_FOLDS for s, _ in rows]
    odds: dict[bool, list[float]] = {True: [], False: []}
    for k in range(N_FOLDS):
        head = _fitted([row for row, own in zip(rows, fold, strict=True) if own != k])
        for (speech, pieces), own in zip(rows, fold, strict=True):
            if own == k and speech.kind != WORDS:
                odds[speech.is_english].append(head.log_odds(pieces))
    head = _fitted(rows)
    chosen = [(s, head.log_odds(observer.pieces(s, c))) for s in speeches if s.part == CHOOSE for c in (WHOLE, NOISY)]
    english = max(*odds[True], *(log_odds for s, log_odds in chosen if s.is_english))
    head = replace(head, threshold=round(english + MARGIN, 2))
    others = [log_odds for s, log_odds in chosen if not s.is_english]
    story = {
        PROVENANCE: provenance(),
        "fitted_on": {**_counted([s for s, _ in rows]), "told_of_languages_left_out": _share(odds[False], head)},
        "threshold_on": {**_counted([s for s, _ in chosen]), "told": _share(others, head)},
        "highest_english": round(english, 2),
        "threshold": head.threshold,
    }
    return head, story


def _share(log_odds: list[float], head: SpokenLanguageHead) -> float:
    return round(float((np.array(log_odds) >= head.threshold).mean()), 3)


def _fitted(rows: list[tuple[Speech, np.ndarray]]) -> SpokenLanguageHead:
    """Recordings count alike, and so do English and not."""
    features = np.concatenate([pieces for _, pieces in rows])
    is_other = np.concatenate([np.full(len(pieces), not s.is_english) for s, pieces in rows])
    weights = np.concatenate([np.full(len(pieces), 1 / len(pieces)) for _, pieces in rows])
    for side in (True, False):
        weights[is_other == side] /= weights[is_other == side].sum()
    mean, scale = features.mean(0), features.std(0) + 1e-6
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=2000)
    model.fit((features - mean) / scale, is_other, sample_weight=weights * len(weights) / 2)
    coefficients = model.coef_[0] / scale
    return SpokenLanguageHead(coefficients, float(model.intercept_[0] - coefficients @ mean), 0.0)


def _counted(speeches: list[Speech]) -> dict:
    names = {speech.name: speech for speech in speeches}.values()
    return {
        "recordings": len(names),
        "english": sum(speech.is_english for speech in names),
        "languages": sorted({speech.language for speech in names}),
    }


def by_sound(speeches: list[Speech], head: SpokenLanguageHead, observer: Observer, usual_fit: float) -> dict:
    """Of each kind and condition, how many the head takes for another language; of English, how many are told in the end."""
    figures: dict[str, dict] = {}
    waveforms = observer.cache / "waveforms"
    for condition in SECONDS:
        for speech in speeches:
            if condition == "60 s" and (speech.kind not in LONG or len(speech.waveform(waveforms)) < 50 * SAMPLE_RATE_HZ):
                continue
            log_odds = head.log_odds(observer.pieces(speech, condition))
            row = figures.setdefault(speech.kind, {}).setdefault(condition, {"n": 0, "heard": 0, "nearest": log_odds})
            row["n"] += 1
            is_heard = log_odds >= head.threshold
            row["heard"] += is_heard
            row["nearest"] = (max if speech.is_english else min)(row["nearest"], log_odds)
            if speech.is_english:
                told = is_heard and decided(observer.written(speech, condition), True, usual_fit)["told"]
                row["told"] = row.get("told", 0) + told
    for conditions in figures.values():
        for row in conditions.values():
            row["nearest"] = round(row["nearest"], 1)
            row["heard_95"] = [round(bound, 4) for bound in wilson(row["heard"], row["n"])]
    return figures


def decided(seen: dict, is_heard: bool, usual_fit: float) -> dict[str, bool]:
    """What each way says of a recording, and what is told in the end; nothing of a few words."""
    from medalign.concepts import transcript_from_text
    from medalign.concepts.language import MIN_WORDS

    written = transcript_from_text(seen["text"])
    if len(written.words) < MIN_WORDS:
        return {"too_few_words": True, "by_words": False, "by_fit": False, "by_sound": False, "told": False}
    belongs, by_words = belongs_to_its_sound(written, seen["fit"], usual_fit), not is_english(written)
    told = is_told(belongs, not is_heard, seen["fit"], usual_fit)
    return {
        "too_few_words": False,
        "by_words": by_words,
        "by_fit": not belongs,
        "by_sound": is_heard,
        "told": by_words or told,
    }


def whole_way(speeches: list[Speech], head: SpokenLanguageHead, observer: Observer, usual_fit: float) -> dict:
    """Of a draw, what becomes of it with the recogniser's words, by each of the ways there are."""
    figures: dict[str, dict] = {}
    likely: dict[str, list[float]] = {}
    for speech in speeches:
        if speech.language != GERMAN and speech.name not in WRITTEN:
            continue
        seen = observer.written(speech)
        side = "English" if speech.is_english else "German" if speech.language == GERMAN else "other languages"
        row = figures.setdefault(side, {"n": 0})
        row["n"] += 1
        is_heard = head.log_odds(observer.pieces(speech, WHOLE)) >= head.threshold
        for way, says in decided(seen, is_heard, usual_fit).items():
            row[way] = row.get(way, 0) + says
        if seen["mean_log_probability"] is not None:
            likely.setdefault(side, []).append(seen["mean_log_probability"])
    for side, row in figures.items():
        row["mean_log_probability"] = [round(min(likely[side]), 2), round(max(likely[side]), 2)]
        row["told_95"] = [round(bound, 4) for bound in wilson(row["told"], row["n"])]
    return figures


def in_part(speeches: list[Speech], head: SpokenLanguageHead, observer: Observer) -> dict:
    """Half a minute after half a minute of somebody who reads English: in how many is a part heard, and told in the end?"""
    (reader,) = (speech for speech in speeches if speech.name == "hifi 0")
    read = reader.waveform(observer.cache / "waveforms")[: 30 * SAMPLE_RATE_HZ]
    figures: dict[str, dict] = {}
    for speech in speeches:
        waveform = speech.waveform(observer.cache / "waveforms")[: 30 * SAMPLE_RATE_HZ]
        is_drawn = (
            speech.is_english and speech.kind not in (TAKES, LATER) or speech.language == GERMAN or speech.name in WRITTEN[:4]
        )
        if speech is reader or not is_drawn or len(waveform) < 25 * SAMPLE_RATE_HZ:
            continue
        for condition, snr_db in (("clean", None), ("pink noise at 5 dB", 5.0)):
            file = observer.cache / "parts" / f"{speech.stem}.{condition}.json"
            if not file.exists():
                joined = np.concatenate([read, waveform])
                if snr_db is not None:
                    joined = _in_pink_noise(joined, snr_db, zlib.crc32(speech.name.encode()))
                file.parent.mkdir(exist_ok=True)
                file.write_text(json.dumps(observer.parts(Recording(speech.name, joined, SAMPLE_RATE_HZ, 1), head)))
            seen = json.loads(file.read_text())
            row = figures.setdefault(speech.kind, {}).setdefault(condition, {"n": 0, "heard": 0, "told": 0})
            row["n"] += 1
            row["heard"] += bool(seen["heard"])
            row["told"] += bool(seen["told"])
    for conditions in figures.values():
        for row in conditions.values():
            row["told_95"] = [round(bound, 4) for bound in wilson(row["told"], row["n"])]
    return figures


def in_consultations(takes: Path, head: SpokenLanguageHead, observer: Observer) -> dict:
    """Whole spoken consultations in English, which this head did not learn from: in how many is a part heard?"""
    from medalign.core.audio import load_recording
    from medalign.models.transcription import speech_stretches
    from medalign.training.data.pairs import recording_frames

    student = observer.analyzer.listener.student
    figures: dict[str, dict] = {}
    for path in sorted(takes.rglob("*-take0.flac")):
        if path.name.startswith("terms-"):
            continue
        recording = load_recording(path)
        speech_s = speech_stretches(recording)
        for condition, snr_db in (("clean", None), ("pink noise at 5 dB", 5.0)):
            frames = recording_frames(path, student, observer.cache, snr_db=snr_db)
            row = figures.setdefault(condition, {"n": 0, "minutes": 0.0, "heard": 0})
            row["n"] += 1
            row["minutes"] = round(row["minutes"] + recording.duration_s / 60, 1)
            row["heard"] += len(head.stretches_s(frames, speech_s, student.encoder.frames_per_s)) > 0
    return figures


def main(data: Path, cache: Path, recorded: Path, takes: Path, *, fitting: bool) -> None:
    from medalign.core.assets import shipped
    from medalign.models.student import DEFAULT_STUDENT
    from medalign.pipeline.calibration import Calibration

    observer, folder = Observer(cache), shipped(DEFAULT_STUDENT)
    speeches = made(corpus(data, recorded, takes), cache)
    if fitting:
        head, story = fit_head(speeches, observer)
        head.save(folder, story)
    found = SpokenLanguageHead.load(folder, 384)
    assert found is not None
    usual_fit = Calibration.load(folder).low_percentile
    reported = [speech for speech in speeches if speech.part == REPORT]
    figures = {
        "by_sound": by_sound(reported, found, observer, usual_fit),
        "whole_way": whole_way(reported, found, observer, usual_fit),
        "in_part": in_part(reported, found, observer),
        "in_consultations": in_consultations(takes, found, observer),
    }
    OUT.write_text(json.dumps({PROVENANCE: provenance(), **figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]), fitting="--fit" in sys.argv[5:])
