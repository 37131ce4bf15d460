"""The figures say what the analysis says: trace by trace, on a hand-made analysis."""

import json
from dataclasses import replace

import numpy as np
import page_fixtures
import pytest

from medalign.core.explanation import Explanation, WordSupport
from medalign.core.transcript import Word
from medalign.core.wording import tenths
from medalign.feedback.model_names import short_model_names
from medalign.report.explanation_figures import among_others, shared_space, word_support, words_over_time
from medalign.report.figures import alignment_timeline, concept_heatmap
from medalign.ui.views.alignment_view import heatmap_notes


@pytest.fixture
def analysis():
    return page_fixtures.analysis()


def trace(figure, name):
    return next(t for t in figure.data if t.name == name)


def test_every_window_with_words_is_a_point_at_its_middle(analysis):
    line = trace(alignment_timeline(analysis), "sound against words")
    windows = analysis.alignment.windows
    assert list(line.x) == [(w.start_s + w.end_s) / 2 for w in windows]
    shares = [None if w.percentile is None else 100 - w.percentile for w in windows]
    assert list(line.y) == [None if share is None else max(share, 0.05) for share in shares]
    assert line.connectgaps is False, "a line through a window without words would invent a value"


def test_a_mismatch_has_its_own_shape_and_stands_at_its_window(analysis):
    marks = trace(alignment_timeline(analysis), "listen again")
    (window,) = [w for w in analysis.alignment.windows if w.is_mismatch]
    assert list(marks.x) == [(window.start_s + window.end_s) / 2]
    assert marks.marker.symbol == "triangle-down"
    assert list(map(list, marks.customdata)) == [[window.start_s, window.end_s]]


def test_speech_without_words_is_a_mismatch_below_the_scale():
    analysis = page_fixtures.silent_analysis(mismatch_window=3)
    marks = trace(alignment_timeline(analysis), "listen again")
    assert len(marks.x) == 1
    assert marks.y[0] > 100


def test_windows_without_words_are_marked_not_drawn_as_zero(analysis):
    figure = alignment_timeline(analysis)
    silent = trace(figure, "no words here")
    assert len(silent.x) == 1
    assert silent.y[0] > 100, "below a scale that ends at 'all unrelated texts fit better'"
    assert list(trace(figure, "sound against words").y).count(None) == 1


def test_the_reference_band_and_the_mismatch_threshold_are_drawn(analysis):
    shapes = {shape.name: shape for shape in alignment_timeline(analysis).layout.shapes}
    band = shapes["9 in 10 unrelated texts"]
    assert (band.y0, band.y1) == (10, 100), "percentiles of unrelated texts are uniform"
    assert shapes["mismatch threshold"].y0 == pytest.approx(100 - analysis.alignment.mismatch_below_percentile)


def test_the_better_fit_stands_higher(analysis):
    low, high = alignment_timeline(analysis).layout.yaxis.range
    assert low > high, "a logarithmic share of rivals: few is good, and good is at the top"


def test_the_heatmap_has_a_row_for_each_concept_of_one_source_and_a_column_a_window(analysis):
    heat = trace(concept_heatmap(analysis), "heard in the sound")
    both = zip(analysis.concepts, analysis.alignment.tracks, strict=True)
    tracks = [track for concept, track in both if concept.agreement != "both"]
    assert 0 < len(tracks) < len(analysis.concepts)
    assert [list(row) for row in heat.z] == [[tenths(p) for p in t.probabilities] for t in tracks]
    agreed = replace(analysis, concepts=tuple(replace(c, agreement="both") for c in analysis.concepts))
    assert concept_heatmap(agreed) is None and "have the same concepts" in heatmap_notes(agreed)
    assert len(heat.x) == len(analysis.alignment.windows) + 1, "columns are given by their edges"
    assert all(a < b for a, b in zip(heat.x, heat.x[1:], strict=False))
    assert (heat.zmin, heat.zmax) == (0, 10), "colours mean the same on every recording"
    spans = concept_heatmap(analysis).layout.meta["windows"]
    assert [tuple(span) for span in spans] == [(w.start_s, w.end_s) for w in analysis.alignment.windows]


def test_the_teachers_evidence_lies_on_its_own_row(analysis):
    figure = concept_heatmap(analysis)
    read = trace(figure, "read in the text")
    rows = [figure.layout.yaxis.ticktext[y] for y in read.y]
    assert rows == [c.label for c in analysis.concepts if c.agreement == "teacher_only"]


def test_both_figures_share_the_players_seconds(analysis):
    figures = alignment_timeline(analysis), concept_heatmap(analysis)
    for figure in figures:
        assert tuple(figure.layout.xaxis.range) == (0, analysis.recording.duration_s)
        assert figure.layout.xaxis.ticktext[1] == "0:10"
        assert figure.layout.height > 0, "a plot without a height vanishes in a hidden container"
    assert figures[0].layout.margin == figures[1].layout.margin


def test_what_has_nothing_to_show_is_no_figure():
    silent = page_fixtures.silent_analysis()
    assert alignment_timeline(silent) is concept_heatmap(silent) is shared_space(silent) is None
    wordless = Explanation(1.0, 2.0, "?", 0.4, 90.0, (0.1, 0.2), (), ((1.0, 3.0),), ())
    assert words_over_time(wordless) is word_support(wordless) is None


def test_a_cough_without_a_word_is_shown_over_windows_without_words(analysis):
    coughing = replace(page_fixtures.silent_analysis(), sound_events=analysis.sound_events)
    assert len(trace(alignment_timeline(coughing), "no words here").x) == len(coughing.alignment.windows)
    assert len(trace(alignment_timeline(coughing), "heard, not said").x) == 1


def test_speech_is_never_markup_in_a_hover_text():
    hostile = page_fixtures.hostile_analysis()
    shown = json.dumps([alignment_timeline(hostile).to_dict()["data"], concept_heatmap(hostile).to_dict()["data"]],
                       default=list)  # fmt: skip
    assert "<img" not in shown


def test_no_number_in_a_hover_text_is_a_bare_decimal(analysis):
    heat = trace(concept_heatmap(analysis), "heard in the sound")
    assert "about %{z} in 10" in heat.hovertemplate and heat.z.dtype == np.int8


def test_audible_signs_lie_in_a_lane_of_their_own_below_the_scale(analysis):
    lane = trace(alignment_timeline(analysis), "heard, not said")
    (sign,) = analysis.sound_events
    assert list(lane.x) == [(sign.start_s + sign.end_s) / 2] and list(lane.text) == ["cough"]
    assert list(map(list, lane.customdata)) == [[sign.start_s, sign.end_s]]
    others = [y for t in alignment_timeline(analysis).data if t.name != lane.name for y in t.y if y is not None]
    assert min(lane.y) > max(others), "the scale runs downwards"


def test_an_hour_of_figures_is_light():
    """At most 3 MB, all of them together, with as many concepts as a full consultation has."""
    hour = page_fixtures.long_analysis()
    figures = (alignment_timeline(hour), concept_heatmap(hour), shared_space(hour))
    assert sum(len(figure.to_json()) for figure in figures) < 1_000_000


def test_the_map_joins_each_segments_words_and_sound(analysis):
    figure = shared_space(analysis)
    lines, words, sounds = figure.data
    n = len(analysis.alignment.points)
    assert len(words.x) == len(sounds.x) == n and len(lines.x) == 3 * n
    assert (lines.x[0], lines.x[1], lines.x[2]) == (words.x[0], sounds.x[0], None)
    assert words.marker.symbol != sounds.marker.symbol, "not by colour alone"
    assert figure.layout.yaxis.scaleanchor == "x", "a distance is the same in both directions"


def test_a_segment_is_drawn_word_by_word():
    words = (Word(1.0, 1.5, "No", 0.9), Word(1.5, 2.0, "<b>fever</b>", 0.9))
    support = (WordSupport(words[0], -0.05), WordSupport(words[1], 0.2))
    explained = Explanation(1.0, 2.0, "No fever", 0.4, 90.0, (0.1, 0.2, 0.5), support, ((1.0, 3.0), (1.5, 3.5)),
                            ((0.1, 0.2), (0.3, 0.4)))  # fmt: skip
    (bars,) = word_support(explained).data
    assert list(bars.x) == [-0.05, 0.2] and list(bars.marker.pattern.shape) == ["/", ""], "against is striped"
    assert "<b>" not in "".join(word_support(explained).layout.yaxis.ticktext)
    heat, written = words_over_time(explained).data
    assert [list(row) for row in heat.z] == [[0.1, 0.2], [0.3, 0.4]] and list(written.x) == [1.25, 1.75]
    (histogram,) = among_others(explained).data
    assert sum(histogram.y) == 3 and among_others(explained).layout.shapes[0].x0 == 0.4


@pytest.mark.parametrize(
    ("models", "short"),
    [
        (["tiny.en 1a | mini 2b | shipped 3c"], ["tiny.en, mini, shipped"]),
        (["tiny.en 1a | mini 2b | shipped 3c", "base 9 | mini 2b | shipped 3c"], ["tiny.en", "base"]),
        (["tiny.en 1a | mini 2b | shipped 3c", "tiny.en 1a | mini 2b | shipped 4d"], ["shipped 3c", "shipped 4d"]),
        (
            ["tiny.en 1a | mini 2b | shipped 3c", "base 9 | mini 2b | shipped 3c", "base 9 | mini 2b | my run 1"],
            ["tiny.en, shipped", "base, shipped", "base, my run"],
        ),
        ([], []),
    ],
)
def test_models_are_named_by_what_tells_them_apart(models, short):
    assert list(short_model_names(models).values()) == short and list(short_model_names(models)) == models
