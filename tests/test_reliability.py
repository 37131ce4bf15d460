"""How often a probability was right: from the figures that ship, to the picture; and refused where it is something else."""

import json

import pytest

from medalign.cli import main
from medalign.core.assets import CHECKPOINTS
from medalign.core.errors import DataError
from medalign.core.weights import DEFAULT_STUDENT
from medalign.feedback.reliability import load_reliability, read_reliability
from medalign.report.study_figures import reliability_figure

FIGURES = {
    "clean": {
        "expected_calibration_error": 0.02,
        "reliability": [{"n": 40, "given": 0.03, "right": 0.05}, {"n": 20, "given": 0.97, "right": 1.0}],
    },
    "5 dB": {
        "expected_calibration_error": 0.1,
        "reliability": [{"n": 6, "given": 0.6, "right": 0.5}, {"n": 4, "given": 0.85, "right": 1.0}],
    },
}


def test_the_shipped_students_probabilities_are_reliable_where_it_is_quiet_enough():
    rows = {row.condition: row for row in load_reliability(CHECKPOINTS / DEFAULT_STUDENT)}
    assert list(rows) == ["clean", "5 dB", "0 dB"]
    for row in rows.values():
        assert row.calibration_error <= 0.05
        assert sum(b.n * abs(b.given - b.right) for b in row.bins) / row.n <= 0.05, "in bins of equal widths, too"


def test_each_condition_is_a_line_with_its_n_and_intervals():
    clean, noisy = read_reliability(FIGURES)
    assert clean.n == 60 and (noisy.condition, noisy.n) == ("5 dB", 10)
    (b,) = noisy.bins
    assert (b.n, b.given, b.right) == (10, pytest.approx(0.7), pytest.approx(0.7)), "few concepts are put together"
    assert (b.low, b.high) == (pytest.approx(0.397, abs=0.001), pytest.approx(0.892, abs=0.001))  # Wilson's, of 7 in 10
    figure = reliability_figure((clean, noisy))
    assert [trace.name for trace in figure.data] == ["clean (n = 60)", "5 dB (n = 10)"]
    assert list(figure.data[0].x) == [3.0, 97.0] and list(figure.data[0].y) == [5.0, 100.0]
    assert figure.data[1].error_y.arrayminus == pytest.approx([30.3], abs=0.1)
    (diagonal,) = figure.layout.shapes
    assert (diagonal.x0, diagonal.y0, diagonal.x1, diagonal.y1) == (0, 0, 100, 100)
    assert figure.data[0].marker.symbol != figure.data[1].marker.symbol, "told apart without colour"


def test_a_student_without_the_measurement_has_none(tmp_path):
    assert load_reliability(tmp_path) == ()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"clean": {}}', json.dumps({"clean": {**FIGURES["clean"], "reliability": [{"n": 0}]}})]
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "fusion.json").write_text(content)
    with pytest.raises(DataError, match=r"fusion\.json.*medalign fuse"):
        load_reliability(tmp_path)


def test_a_picture_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    speech = str(tmp_path)
    assert main(["fuse", "--speech", speech, "--only", "day4", "--html", str(tmp_path / "missing" / "plot.html")]) == 2
    assert "missing" in capsys.readouterr().err
