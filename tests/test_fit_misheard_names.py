"""Fitting and measuring the correction of misheard names, on hand-made suggestions and on one spoken dialogue."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from medalign.concepts import ConceptBank
from medalign.concepts.misheard import Suggestion
from medalign.core.assets import CHECKPOINTS
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.core.transcript import Segment, Transcript, Word
from medalign.models.student import DEFAULT_STUDENT
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.evidence import AudioEvidence
from medalign.pipeline.misheard_names import Candidate, misheard_features, shortlist
from medalign.training.data.synthesis import SpokenUtterance, Take
from medalign.training.fitting import observation
from medalign.training.fitting.fit_misheard_names import (
    MIN_PRECISION,
    Observed,
    Utterance,
    fit_misheard_names,
    measure_misheard_names,
    observe_names,
)
from medalign.training.fitting.observation import observe

TRUE, OTHER = "DRUG:salbutamol", "DRUG:fluoxetine"


class Recogniser:
    """Finds the true name likelier, by noise and then some."""

    asr_revision = "r"

    def __init__(self, truth: list[bool], seed: int):
        self.truth, self.rng = truth, np.random.default_rng(seed)

    def log_likelihood_ratios(self, first, last, names):
        return np.array([(6.0 if self.truth[first] else -6.0) + 3 * self.rng.standard_normal() for _ in names])


def observed(n: int, seed: int = 0, *, always: bool | None = None, voice: str = "voice") -> Observed:
    """One utterance a second, each with one candidate, right in a third of them: where ear and recogniser say so, mostly."""
    rng = np.random.default_rng(seed)
    truth = [bool(rng.random() < 1 / 3) if always is None else always for _ in range(n)]
    utterances, candidates = [], []
    for i, right in enumerate(truth):
        said = frozenset({TRUE} if right else {OTHER})
        utterances.append(Utterance(2.0 * i, 2.0 * i + 1, said, frozenset()))
        ear = float(np.clip((0.6 if right else 0.3) + 0.2 * rng.standard_normal(), 0, 1))
        suggestion = Suggestion(0, 1, TRUE, "salbutamol", 0.7, 0.7, 0.1, 0.5, 1.0, 10)
        word = Word(2.0 * i + 0.2, 2.0 * i + 0.8, "salby", 0.5)
        candidates.append(Candidate(suggestion, i, i, (word,), (*rng.random(6), ear, ear)))
    return Observed(tuple(utterances), tuple(candidates), Recogniser(truth, seed), voice)


@pytest.fixture
def calibration() -> Calibration:
    return Calibration.load(CHECKPOINTS / DEFAULT_STUDENT)


def test_the_threshold_keeps_precision(calibration):
    fitted = fit_misheard_names([observed(300), observed(300, seed=1)], calibration)
    assert fitted.asr_revision == "r"
    fresh = observed(400, seed=2)
    listed = shortlist(fresh.candidates, fitted)
    fit = fitted.fits["misheard name"]
    chosen = fit.probability(misheard_features(listed, fresh.rescorer)) >= fit.threshold
    assert chosen.sum() > 60
    assert fresh.is_right(listed)[chosen].mean() >= MIN_PRECISION - 0.05


def test_probabilities_are_those_of_dialogues_where_names_are_rare(calibration):
    """In sentences that name a medicine each, every doubt is a name; in talk it mostly is not."""
    said_once = [replace(observed(200, seed=seed, always=True), is_dialogue=False) for seed in (0, 1)]
    dialogues = [observed(300, seed=seed) for seed in (2, 3)]
    fitted = fit_misheard_names([*said_once, *dialogues], calibration)
    fresh = observed(400, seed=4)
    listed = shortlist(fresh.candidates, fitted)
    probabilities = fitted.fits["misheard name"].probability(misheard_features(listed, fresh.rescorer))
    assert probabilities.mean() == pytest.approx(fresh.is_right(listed).mean(), abs=0.08)
    assert fresh.is_right(listed)[probabilities >= fitted.fits["misheard name"].threshold].mean() >= MIN_PRECISION - 0.05


def test_nothing_to_fit_on_is_refused(calibration):
    for seen in (observed(0), observed(50, always=True), observed(50, always=False)):
        with pytest.raises(DataError, match="too few to fit"):
            fit_misheard_names([seen], calibration)


def test_recall_and_precision_before_and_after(calibration):
    fitted = fit_misheard_names([observed(400)], calibration)
    right, wrong = observed(60, seed=3, always=True, voice="one"), observed(60, seed=4, always=False, voice="two")
    figures = measure_misheard_names([right, wrong], fitted)
    assert figures["one"]["recall_before"] == 0 and figures["one"]["recall_after"] > 0.8
    assert figures["one"]["precision_after"] == 1.0
    assert figures["two"]["recall_after"] == 0 and figures["all"]["n_said"] == 120
    assert figures["all"]["recall_after"] == pytest.approx(figures["one"]["recall_after"] / 2)
    assert 0 <= figures["expected_calibration_error"] < 0.2


def test_a_name_that_was_read_is_no_gain(calibration):
    fitted = fit_misheard_names([observed(400)], calibration)
    seen = observed(30, seed=5, always=True)
    read = tuple(Utterance(u.start_s, u.end_s, u.said, u.said) for u in seen.utterances)
    figures = measure_misheard_names([Observed(read, seen.candidates, seen.rescorer, "voice")], fitted)
    assert figures["all"]["recall_before"] == figures["all"]["recall_after"] == 1.0
    assert not seen.is_right(()).size and not Observed(read, seen.candidates, None, "").is_right(seen.candidates).any()


def test_a_dialogue_is_observed_utterance_by_utterance_and_transcribed_once(tmp_path, monkeypatch):
    class Transcriber:
        info = SimpleNamespace(revision="r", runtime="float32")
        calls = 0
        scorer = property(lambda self: self)

        def transcribe(self, recording):
            self.calls += 1
            words = ["I", "take", "floxetine.", "No", "salbutamol."]
            timed = tuple(Word(i * 1.0, i + 0.9, word, 0.6) for i, word in enumerate(words))
            return Transcript((Segment(0.0, 5.0, " ".join(words), timed),), "en")

    soundfile.write(tmp_path / "a.flac", np.zeros(5 * SAMPLE_RATE_HZ, np.float32), SAMPLE_RATE_HZ)
    utterances = (
        SpokenUtterance(0.0, 2.9, "doctor", "I take fluoxetine."),
        SpokenUtterance(3.0, 5.0, "patient", "No salbutamol."),
    )
    take = Take("a", "valid", "a.flac", {"doctor": "v", "patient": "v"}, utterances, tmp_path)
    bank = ConceptBank.default()
    k = len(bank)
    silent = SimpleNamespace(evidence=AudioEvidence(((0.0, 6.0),), np.zeros((1, k)), np.zeros((1, k)), 0.3))
    transcriber = Transcriber()
    analyzer = SimpleNamespace(
        transcriber=transcriber,
        listener=SimpleNamespace(student=None, encode=lambda recording, frames: silent),
        annotate=lambda transcript, recording, encoded, *, has_speakers: SimpleNamespace(transcript=transcript),
    )
    monkeypatch.setattr(observation, "recording_frames", lambda *_, **__: np.zeros((250, 4), np.float32))
    for _ in range(2):
        (seen,) = observe_names(observe([take], analyzer, tmp_path), bank)
    assert transcriber.calls == 1
    right = [c.suggestion.name for c, ok in zip(seen.candidates, seen.is_right(seen.candidates), strict=True) if ok]
    assert right and set(right) == {"fluoxetine"}
    assert [(sorted(u.said), sorted(u.read)) for u in seen.utterances] == [
        (["DRUG:fluoxetine"], []),
        (["DRUG:salbutamol"], ["DRUG:salbutamol"]),
    ]
