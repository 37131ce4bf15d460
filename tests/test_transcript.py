"""The words of a stretch: those of a plain search, found without looking at every word again."""

import random

import pytest

from medalign.core.analysis import Correction
from medalign.core.explanation import found_in_words, written
from medalign.core.transcript import Segment, Transcript, Word


def spoken(seed: int) -> Transcript:
    """Random words; they overlap, some last no time, and segments may run into each other."""
    draw = random.Random(seed)
    segments = []
    for i in range(draw.randrange(12)):
        words = []
        for j in range(draw.randrange(1, 9)):
            start_s = round(5 * i + draw.uniform(0, 8), 1)
            words.append(Word(start_s, start_s + draw.choice((0.0, 0.2, 3.0)), f"word{i}.{j}", 1.0))
        segments.append(Segment(5.0 * i, 5.0 * i + 11, " ".join(w.text for w in words), tuple(words)))
    return Transcript(tuple(segments))


def plain_search(transcript: Transcript, start_s: float, end_s: float) -> str:
    return " ".join(w.text for w in transcript.words if start_s <= (w.start_s + w.end_s) / 2 < end_s)


def test_a_stretch_holds_the_words_of_a_plain_search_in_the_order_of_the_transcript():
    draw = random.Random(0)
    for seed in range(60):
        transcript = spoken(seed)
        edges_s = [(word.start_s + word.end_s) / 2 for word in transcript.words]  # where < and <= differ
        for _ in range(30):
            start_s, end_s = (draw.choice([*edges_s, draw.uniform(-5, 70)]) for _ in range(2))
            assert transcript.text_between(start_s, end_s) == plain_search(transcript, start_s, end_s)


def test_times_are_read_once_however_many_stretches_are_asked_for():
    class CountedWord:
        text, end_s, n_reads = "word", 1.0, 0

        @property
        def start_s(self) -> float:
            CountedWord.n_reads += 1
            return 0.0

    transcript = Transcript((Segment(0.0, 1.0, "word " * 50, tuple(CountedWord() for _ in range(50))),))
    for _ in range(20):
        assert transcript.text_between(0.0, 1.0).count("word") == 50
    assert CountedWord.n_reads == 50


def test_a_transcript_that_was_asked_is_equal_to_one_that_was_not():
    assert spoken(3) == (asked := spoken(3)) and asked.text_between(0, 60)
    assert spoken(3) == asked and hash(spoken(3)) == hash(asked)


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        ("chest pain", [(1.0, 2.0)]),
        ("Chest PAIN!", [(1.0, 2.0)]),
        ("pai", [(1.5, 2.0), (5.5, 6.0)]),  # the last word may be a beginning
        ("che pain", []),
        ("pain tonight", []),  # of two segments
        ("?", []),
        ("", []),
    ],
)
def test_a_phrase_is_found_where_it_is_written(phrase, found):
    def segment(start_s: float, text: str) -> Segment:
        words = tuple(Word(start_s + i / 2, start_s + (i + 1) / 2, word, 0.9) for i, word in enumerate(text.split()))
        return Segment(start_s, words[-1].end_s, text, words)

    transcript = Transcript((segment(0.0, "I have chest pain."), segment(4.0, "Tonight the - pain came back.")))
    places = written(transcript, phrase)
    assert [(place.start_s, place.end_s) for place in places] == found
    assert all("pain" in place.text for place in places)


def test_a_name_is_found_where_words_stand_that_sound_like_it():
    transcript = Transcript(())
    suggested = Correction(0, 0, "Remipreal", "ramipril", "DRUG:ramipril", 0.9, 4.0, 5.0)
    assert [place.text for place in found_in_words(transcript, (suggested,), "Rami")] == ["Remipreal → ramipril?"]
    assert not found_in_words(transcript, (suggested,), "pril") and not found_in_words(transcript, (suggested,), "")
