"""Why a segment got its score: words that were said speak for it, words that were not speak against it."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from medalign.core.editing import edit_segment
from medalign.core.errors import DataError
from medalign.pipeline.explanation import explain


@pytest.fixture
def sound(heard):
    return heard("chest-pain")


@pytest.fixture(scope="module")
def said(analyses):
    return analyses["chest-pain"].transcript


def test_score_and_place_are_those_of_the_segment(analyzer, said, sound, analyses):
    checks = analyses["chest-pain"].alignment.segments
    for index in (0, 4, 9):
        explained = explain(analyzer.listener, said, sound, index)
        assert explained.score == pytest.approx(checks[index].score, abs=2e-4)
        assert list(explained.other_scores) == sorted(explained.other_scores)
        worse = np.mean(np.array(explained.other_scores) < explained.score) * 100
        assert explained.percentile == pytest.approx(worse, abs=0.2)


def test_a_word_that_was_not_said_lowers_the_score(analyzer, said, sound):
    index = next(i for i, s in enumerate(said.segments) if len(s.words) >= 8)
    segment = said.segments[index]
    wrong = edit_segment(said, index, segment.text + " insulin", segment.speaker)
    explained = explain(analyzer.listener, wrong, sound, index)
    least = min(explained.words, key=lambda w: w.support)
    assert least.word.text == "insulin" and least.support < 0


def test_words_are_heard_when_they_are_said(analyzer, said, sound):
    """The brightest slice of each word moves along with the words: rank correlation over every other longer segment."""
    correlations = []
    for index in [i for i, segment in enumerate(said.segments) if len(segment.words) >= 8][::2]:
        explained = explain(analyzer.listener, said, sound, index)
        middles = np.array(explained.slices_s).mean(1)
        cells = np.array(explained.word_scores)
        assert cells.shape == (len(explained.words), len(middles))
        times = [(w.word.start_s + w.word.end_s) / 2 for w in explained.words]
        correlations.append(spearmanr(times, middles[cells.argmax(1)]).statistic)
    assert len(correlations) >= 5 and np.mean(correlations) > 0.7


def test_a_segment_of_one_word_and_one_that_is_not_there(analyzer, said, sound):
    one = edit_segment(said, 0, "Hello.", said.segments[0].speaker)
    explained = explain(analyzer.listener, one, sound, 0)
    assert [w.support for w in explained.words] == [explained.score]
    with pytest.raises(DataError, match="segment 1000 does not exist"):
        explain(analyzer.listener, said, sound, 999)


def test_own_words_lie_nearer_to_their_sound_than_to_that_of_others(analyses):
    """On the plane, too, each segment's pair is closer than a random pair: the lines of the map are short."""
    points = analyses["chest-pain"].alignment.points
    text, audio = np.array([p.text for p in points]), np.array([p.audio for p in points])
    own = np.linalg.norm(text - audio, axis=1)
    others = np.linalg.norm(text[:, None] - audio[None], axis=2)
    assert len(points) == len(analyses["chest-pain"].transcript.segments)
    assert np.median(own) < 0.7 * np.median(others)
