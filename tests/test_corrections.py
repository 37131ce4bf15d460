"""Fitting and measuring the correction of misheard names, on hand-made suggestions and on one spoken dialogue."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from medalign.audio import SAMPLE_RATE_HZ
from medalign.concepts import ConceptBank
from medalign.errors import DataError
from medalign.student import CHECKPOINTS, DEFAULT_STUDENT
from medalign.testimony import Heard
from medalign.training.corrections import MIN_PRECISION, Names, Suggested, fit_corrections, measure_corrections, observe
from medalign.training.synthesis import SpokenUtterance, Take
from medalign.transcript import Segment, Transcript, Word
from medalign.zero_shot import Reference

N_FEATURES = 8


def suggested(n: int, seed: int = 0) -> list[Suggested]:
    """Right where the first feature is high, mostly."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n, N_FEATURES))
    return [Suggested(tuple(row), bool(row[0] + 0.1 * rng.standard_normal() > 0.5), "said", "name", "voice") for row in rows]


@pytest.fixture
def listener(tmp_path):
    folder = tmp_path / "student"
    folder.mkdir()
    shutil.copy(CHECKPOINTS / DEFAULT_STUDENT / "reference.safetensors", folder)
    return SimpleNamespace(reference=Reference.load(folder), student=SimpleNamespace(folder=folder), bank=ConceptBank.default())


def test_the_fit_is_stored_with_the_student_and_its_threshold_keeps_precision(listener):
    found = suggested(400)
    threshold = fit_corrections(found, listener)
    stored = Reference.load(listener.student.folder)
    assert stored.correction_threshold == threshold and len(stored.correction_fit) == N_FEATURES + 1
    fresh = [s for s in suggested(400, seed=1) if stored.misheard(s.features) >= threshold]
    assert len(fresh) > 50
    assert np.mean([s.is_right for s in fresh]) >= MIN_PRECISION - 0.05


def test_nothing_to_fit_on_is_refused(listener):
    with pytest.raises(DataError, match="too few to fit"):
        fit_corrections([], listener)
    with pytest.raises(DataError, match="too few to fit"):
        fit_corrections([s for s in suggested(50) if s.is_right], listener)


def test_recall_and_precision_before_and_after(listener):
    listener.reference = SimpleNamespace(misheard=lambda features: features[0], correction_threshold=0.5)
    names = [
        Names(frozenset("a"), frozenset("a"), (), "one"),  # read
        Names(frozenset("b"), frozenset(), (("b", (0.9,)),), "one"),  # garbled, put right
        Names(frozenset("c"), frozenset(), (("c", (0.1,)),), "two"),  # garbled, not trusted
        Names(frozenset(), frozenset(), (("d", (0.8,)),), "two"),  # nothing said, invented
    ]
    figures = measure_corrections([], names, listener)
    assert figures["all"] == {
        "n_said": 3,
        "recall_before": pytest.approx(1 / 3),
        "recall_after": pytest.approx(2 / 3),
        "precision_before": 1.0,
        "precision_after": pytest.approx(2 / 3),
    }
    assert figures["one"]["recall_after"] == 1.0 and figures["two"]["precision_after"] == 0.0


def test_a_dialogue_is_observed_utterance_by_utterance_and_transcribed_once(listener, tmp_path):
    class Transcriber:
        info = SimpleNamespace(revision="r")
        calls = 0

        def transcribe(self, recording):
            self.calls += 1
            words = ["I", "take", "floxetine.", "No", "salbutamol."]
            timed = tuple(Word(i * 1.0, i + 0.9, word, 0.6) for i, word in enumerate(words))
            return Transcript((Segment(0.0, 5.0, " ".join(words), timed),), "en")

    import soundfile

    soundfile.write(tmp_path / "a.flac", np.zeros(5 * SAMPLE_RATE_HZ, np.float32), SAMPLE_RATE_HZ)
    utterances = (
        SpokenUtterance(0.0, 2.9, "doctor", "I take fluoxetine."),
        SpokenUtterance(3.0, 5.0, "patient", "No salbutamol."),
    )
    take = Take("a", "valid", "a.flac", {"doctor": "v", "patient": "v"}, utterances, tmp_path)
    k = len(listener.bank)
    listener.listen = lambda recording: SimpleNamespace(heard=Heard(((0.0, 6.0),), np.zeros((1, k)), np.zeros((1, k))))
    transcriber = Transcriber()
    for _ in range(2):
        found, names = observe([take], listener, transcriber, tmp_path)
    assert transcriber.calls == 1
    assert [(s.said, s.name, s.is_right) for s in found] == [("floxetine.", "fluoxetine", True)]
    assert [(sorted(n.said), sorted(n.read)) for n in names] == [
        (["DRUG:fluoxetine"], []),
        (["DRUG:salbutamol"], ["DRUG:salbutamol"]),
    ]
