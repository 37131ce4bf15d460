"""Hot-word rescoring takes the right seconds, with the right words around them, and encodes each chunk once."""

import numpy as np

from medalign.core.analysis import ModelInfo
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.transcript import Segment, Transcript, Word
from medalign.models.faster_whisper import FRAMES_PER_S
from medalign.pipeline.hotword_rescoring import CONTEXT_S, HotwordRescorer


class Recogniser:
    """Its hidden states are the second they come from; it likes texts by the number of their letters."""

    info = ModelInfo("a recogniser", "r")

    def __init__(self):
        self.encoded, self.asked = 0, []

    def encode(self, waveform):
        self.encoded += 1
        return waveform[:: SAMPLE_RATE_HZ // FRAMES_PER_S, None]

    def log_likelihoods(self, hidden_states, texts, offered=""):
        self.asked.append((hidden_states[0, 0], hidden_states[-1, 0], list(texts), offered))
        return np.array([-float(len(text)) for text in texts])


def rescored(seconds: int, encoded=None) -> tuple[HotwordRescorer, Recogniser]:
    """A word a second, each named after its second; the waveform is the time."""
    waveform = (np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ).astype(np.float32)
    words = tuple(Word(float(i), i + 0.9, f"w{i}", 0.9) for i in range(seconds))
    transcript = Transcript((Segment(0.0, float(seconds), "", words),))
    recogniser = Recogniser()
    return HotwordRescorer(recogniser, Recording("a", waveform, SAMPLE_RATE_HZ, 1), transcript, encoded), recogniser


def test_names_stand_in_the_place_of_the_words_in_question_with_their_neighbours():
    rescorer, recogniser = rescored(60)
    ratios = rescorer.log_likelihood_ratios(20, 21, ["salbutamol", "x"])
    ((first_s, last_s, texts, offered),) = recogniser.asked
    assert texts == ["w18 w19 w20 w21 w22 w23", "w18 w19 salbutamol w22 w23", "w18 w19 x w22 w23"]
    assert offered == "salbutamol, x"
    assert abs(first_s - (20 - CONTEXT_S)) < 0.5 and abs(last_s - (21.9 + CONTEXT_S)) < 0.5
    assert ratios.tolist() == [-(10 - 7), 7 - 1]  # by letters: "w20 w21" has seven


def test_at_every_place_the_right_seconds_are_heard():
    rescorer, recogniser = rescored(130)
    for i in range(0, 130, 3):
        rescorer.log_likelihood_ratios(i, i, ["name"])
        first_s, last_s, texts, _ = recogniser.asked[-1]
        assert f"w{i}" in texts[0].split()
        assert first_s <= i + 0.1 and last_s >= i + 0.5
        assert last_s - first_s <= 2 * CONTEXT_S + 1.5


def test_each_chunk_is_encoded_once():
    rescorer, recogniser = rescored(60)
    for i in (4, 5, 6, 4):
        rescorer.log_likelihood_ratios(i, i, ["name"])
    assert recogniser.encoded == 1
    rescorer.log_likelihood_ratios(50, 50, ["name"])
    assert recogniser.encoded == 2


def test_a_chunk_that_is_encoded_already_is_not_encoded_again_and_is_read_at_the_same_seconds():
    asked = []

    def encoded(start_s: float) -> np.ndarray | None:
        asked.append(start_s)
        return None if start_s else (np.arange(1500) / FRAMES_PER_S)[:, None].astype(np.float32)

    rescorer, recogniser = rescored(60, encoded)
    for i in (5, 50):
        rescorer.log_likelihood_ratios(i, i, ["name"])
    assert asked == [0.0, 24.0] and recogniser.encoded == 1
    plain, other = rescored(60)
    for i in (5, 50):
        plain.log_likelihood_ratios(i, i, ["name"])
    assert other.asked == recogniser.asked
