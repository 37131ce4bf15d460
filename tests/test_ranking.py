"""What votes and ratings say: simulated models are found again, and nothing is claimed that the numbers don't bear."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from medalign.feedback.agreement import between_raters, concept_agreement, over_time
from medalign.feedback.ranking import position_bias, ranking, wilson
from medalign.feedback.tables import COLUMNS
from medalign.report.study_figures import agreement_figure, agreement_over_time_figure, ranking_figure

VOTE = ["submission_id", "choice", "left", "blind", "model_a", "model_b"]
RATING = [
    "submission_id", "result_id", "created_at", "concept_id", "label", "status", "verdict", "severity",
    "asr", "asr_revision", "teacher", "teacher_revision", "student", "student_revision",
]  # fmt: skip
MODELS = {
    "asr": "tiny.en",
    "asr_revision": "1",
    "teacher": "mini",
    "teacher_revision": "2",
    "student": "s",
    "student_revision": "3",
}
STRENGTHS = {"good": 1.0, "fair": 0.0, "poor": -1.0}


def stored(rows, columns):
    """A table with the types in which feedback is stored: strings may be missing."""
    return pd.DataFrame(rows, columns=columns).astype({column: COLUMNS[column].dtype for column in columns})


def votes_of(strengths, n_people, n_each, seed=0, ties=0.0, for_left=0.0):
    """Votes by Bradley and Terry's own law; `for_left` is the log-odds that the left side gains."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(n_people):
        for _ in range(n_each):
            a, b = rng.choice(list(strengths), 2, replace=False)
            left = rng.choice(["a", "b"])
            logit = strengths[a] - strengths[b] + (for_left if left == "a" else -for_left)
            choice = "tie" if rng.random() < ties else "a" if rng.random() < 1 / (1 + np.exp(-logit)) else "b"
            rows.append((str(person), choice, left, True, a, b))
    return stored(rows, VOTE)


def votes_between(a, b, choices, people=None):
    rows = [(str(i if people is None else people[i]), choice, "a", True, a, b) for i, choice in enumerate(choices)]
    return stored(rows, VOTE)


def rated(rows):
    """Ratings from (person, result, concept, verdict) and, if need be, further columns."""
    defaults = {"created_at": "2026-03-02T10:00:00+00:00", "status": "present", "severity": None, **MODELS}
    table = [
        {**defaults, "submission_id": person, "result_id": result, "concept_id": concept, "label": concept, "verdict": verdict}
        | (rest[0] if rest else {})
        for person, result, concept, verdict, *rest in rows
    ]
    return stored(table, RATING)


def test_simulated_strengths_and_their_order_are_recovered():
    found = ranking(votes_of(STRENGTHS, 100, 20), n_bootstrap=200)
    assert [row.model for row in found] == ["good", "fair", "poor"]
    for row in found:
        assert row.strength == pytest.approx(STRENGTHS[row.model], abs=0.15)
        assert row.strength_low < row.strength < row.strength_high
        assert row.wins + row.losses + row.ties == row.n and row.n_submissions == 100
    assert sum(row.wins for row in found) == sum(row.losses for row in found) == 2000


def test_strengths_agree_with_a_plain_minorization_maximization():
    """Hunter 2004, equation 3, on the votes and half a win more each for every pair but one."""
    votes = votes_of(STRENGTHS, 10, 6, seed=3, ties=0.2)
    names = sorted(STRENGTHS)
    won = np.full((3, 3), 0.25) - 0.25 * np.eye(3)  # one tie more a model, shared among two others
    for vote in votes.itertuples():
        i, j = names.index(vote.model_a), names.index(vote.model_b)
        won[i, j] += {"a": 1, "b": 0, "tie": 0.5}[vote.choice]
        won[j, i] += {"a": 0, "b": 1, "tie": 0.5}[vote.choice]
    worth = np.ones(3)
    for _ in range(2000):
        worth = won.sum(1) / ((won + won.T) / (worth[:, None] + worth)).sum(1)
    expected = dict(zip(names, np.log(worth) - np.log(worth).mean(), strict=True))
    for row in ranking(votes, n_bootstrap=10):
        assert row.strength == pytest.approx(expected[row.model], abs=1e-4)


def test_intervals_hold_the_truth_about_as_often_as_they_say_and_shrink_with_n():
    held, widths = [], []
    for seed in range(40):
        found = ranking(votes_of(STRENGTHS, 20, 10, seed), n_bootstrap=100)
        held += [row.strength_low <= STRENGTHS[row.model] <= row.strength_high for row in found]
        widths += [row.strength_high - row.strength_low for row in found]
    assert np.mean(held) > 0.9
    many = ranking(votes_of(STRENGTHS, 180, 10), n_bootstrap=100)
    assert np.mean([row.strength_high - row.strength_low for row in many]) < np.mean(widths) / 2


def test_votes_of_one_person_resemble_each_other_and_the_interval_knows():
    """Ten people of one mind each are not two hundred votes."""
    minds = np.repeat(["a", "b"], 100)
    by_person, apart = np.repeat(np.arange(10), 20), np.arange(200)
    clustered, free = (ranking(votes_between("x", "y", minds, people))[0] for people in (by_person, apart))
    assert clustered.win_rate == free.win_rate == 0.5
    assert clustered.high - clustered.low > 2 * (free.high - free.low)


def test_a_model_that_never_loses_is_finite_and_unsure():
    winner, loser = ranking(votes_between("new", "old", ["a"] * 6))
    assert (winner.model, winner.win_rate, loser.win_rate) == ("new", 1.0, 0.0)
    assert 0 < winner.strength < 5 and np.isfinite(winner.strength_high)
    assert winner.strength - loser.strength == pytest.approx(np.log(6.5 / 0.5), abs=1e-4), "half a win for the other"
    assert winner.low == pytest.approx(0.6097, abs=1e-3), "Wilson's, though every resample says 1"
    assert winner.strength_low < 0.5 < winner.strength


def test_one_vote_claims_almost_nothing():
    (winner, _) = ranking(votes_between("new", "old", ["a"]))
    assert winner.n == 1 and winner.low < 0.25 and winner.strength_low < 0 < winner.strength_high


def test_ties_pull_to_one_half():
    decided = ranking(votes_between("x", "y", ["a"] * 10))[0]
    mixed = ranking(votes_between("x", "y", ["a"] * 10 + ["tie"] * 30))[0]
    only = ranking(votes_between("x", "y", ["tie"] * 10))
    assert 0.5 < mixed.win_rate == 0.625 < decided.win_rate and mixed.strength < decided.strength
    assert [(row.win_rate, round(row.strength, 6), row.ties) for row in only] == [(0.5, 0.0, 10), (0.5, 0.0, 10)]


def test_both_bad_counts_for_neither_and_is_told():
    plain = ranking(votes_between("x", "y", ["a", "b", "a"]))
    with_bad = ranking(votes_between("x", "y", ["a", "b", "a", "both_bad", "both_bad"]))
    assert [(r.n, r.win_rate, r.both_bad) for r in with_bad] == [(r.n, r.win_rate, 2) for r in plain]
    nobody = ranking(votes_between("x", "y", ["both_bad"]))
    assert [(row.n, row.both_bad, row.win_rate, row.strength) for row in nobody] == [(0, 1, None, None)] * 2


def test_the_bootstrap_is_the_same_for_the_same_seed():
    votes = votes_of(STRENGTHS, 8, 5, ties=0.1)
    assert ranking(votes, 100, seed=1) == ranking(votes, 100, seed=1)
    assert ranking(votes, 100, seed=1) != ranking(votes, 100, seed=2)


def test_open_votes_and_a_model_against_itself_do_not_count():
    blind = votes_between("x", "y", ["a", "b", "a"])
    seen = votes_between("x", "y", ["b"] * 5).assign(blind=False)
    same = votes_between("x", "x", ["a"] * 5)
    assert ranking(pd.concat([blind, seen, same])) == ranking(blind)
    assert position_bias(pd.concat([blind, seen])) == position_bias(blind)


def test_models_that_never_met_are_ordered_through_a_third():
    votes = pd.concat([votes_between("x", "y", ["a"] * 30 + ["b"] * 10), votes_between("y", "z", ["a"] * 30 + ["b"] * 10)])
    assert [row.model for row in ranking(votes, 50)] == ["x", "y", "z"]


def test_a_bias_for_the_left_is_found_where_there_is_one_and_not_where_there_is_none():
    biased = position_bias(votes_of(STRENGTHS, 50, 10, for_left=0.8))
    assert biased.p_value < 0.001 and biased.low > 0.5 and biased.left_wins > biased.right_wins
    p_values = [position_bias(votes_of(STRENGTHS, 20, 10, seed)).p_value for seed in range(40)]
    assert np.mean(np.array(p_values) < 0.05) < 0.15
    fair = position_bias(votes_of(STRENGTHS, 50, 10, ties=0.2))
    assert fair.low < 0.5 < fair.high and fair.n == 500 == fair.left_wins + fair.right_wins + fair.ties


def test_a_winner_who_always_stands_on_the_right_is_a_bias_to_the_right():
    found = position_bias(votes_between("x", "y", ["b"] * 10))
    assert (found.left_wins, found.right_wins, found.share_left) == (0, 10, 0.0)
    assert found.p_value == pytest.approx(2 * 0.5**10)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (5, 10), (9, 10), (10, 10), (1, 1), (70, 211)])
def test_wilsons_interval_is_scipys(k, n):
    theirs = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_wilsons_interval_has_the_published_values():
    """Newcombe 1998 (Statistics in Medicine 17), table I, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


def test_agreement_by_concept_counts_every_kind_of_error():
    rows = concept_agreement(
        rated(
            [
                ("p1", "r1", "cough", "correct"),
                ("p1", "r2", "cough", "correct"),
                ("p2", "r1", "cough", "wrong", {"severity": "serious"}),
                ("p2", "r2", "cough", "wrong_status", {"severity": "minor"}),
                ("p3", "r1", "cough", "wrong", {"severity": "minor"}),
                ("p3", "r1", "fever", "missing", {"status": None, "severity": ""}),
            ]
        )
    )
    cough, fever = rows
    assert (cough.label, cough.n, cough.n_correct, cough.share) == ("cough", 5, 2, 0.4)
    assert (cough.n_wrong, cough.n_wrong_status, cough.n_missing) == (2, 1, 0)
    assert cough.by_severity == (("minor", 2), ("serious", 1))
    assert (cough.low, cough.high) == wilson(2, 5)
    assert (fever.n, fever.n_missing, fever.share, fever.by_severity) == (1, 1, 0.0, ())


def test_what_makes_a_model_can_be_chosen():
    ratings = rated(
        [
            ("p1", "r1", "cough", "correct"),
            ("p1", "r2", "cough", "wrong", {"asr": "base"}),
            ("p1", "r3", "cough", "wrong", {"student_revision": "9"}),
        ]
    )
    assert len(concept_agreement(ratings)) == 3


def test_missing_concepts_that_the_bank_lacks_stay_apart():
    ratings = rated([("p1", "r1", None, "missing", {"label": name}) for name in ("frozen shoulder", "trigger finger")])
    assert [row.label for row in concept_agreement(ratings)] == ["frozen shoulder", "trigger finger"]


def test_a_later_word_of_the_same_person_replaces_the_earlier_one():
    later = {"created_at": "2026-03-02T11:00:00+00:00"}
    ratings = rated([("p1", "r1", "cough", "correct", later), ("p1", "r1", "cough", "wrong"), ("p2", "r1", "cough", "correct")])
    (cough,) = concept_agreement(ratings)
    assert (cough.n, cough.n_correct) == (2, 2)
    assert between_raters(ratings).share == 1.0


def test_weeks_begin_on_monday_and_stand_in_order():
    ratings = rated(
        [
            ("p1", "r1", "cough", "wrong", {"created_at": "2026-03-09T00:00:00Z"}),  # a Monday
            ("p1", "r2", "cough", "correct", {"created_at": "2026-03-08T23:59:59.5+00:00"}),
            ("p1", "r3", "fever", "correct", {"created_at": "2026-03-02T00:00:00Z"}),
        ]
    )
    weeks = over_time(ratings)
    assert [(week.start, week.n, week.n_correct) for week in weeks] == [("2026-03-02", 2, 2), ("2026-03-09", 1, 0)]
    assert (weeks[0].low, weeks[0].high) == wilson(2, 2)


def test_agreement_between_people_is_krippendorffs():
    """His own example: four coders, twelve units, nominal, alpha 0.743 (Computing Krippendorff's alpha-reliability, 2011)."""
    coders = (
        (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
        (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
        (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
        (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
    )
    verdicts = {1: "correct", 2: "wrong", 3: "wrong_status", 4: "missing", 5: "other"}
    found = between_raters(
        rated(
            [
                (f"p{person}", "r", f"c{unit}", verdicts[code])
                for person, codes in enumerate(coders)
                for unit, code in enumerate(codes)
                if code
            ]
        )
    )
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    assert found.n_rows == 11, "one unit was judged by a single person"


def test_pairs_that_agree_are_counted_row_by_row():
    ratings = rated(
        [
            ("p1", "r1", "cough", "correct"), ("p2", "r1", "cough", "correct"), ("p3", "r1", "cough", "wrong"),
            ("p1", "r2", "cough", "correct"), ("p2", "r2", "cough", "correct"),
            ("p1", "r3", "cough", "wrong"),
            ("p1", "r1", "cough", "wrong", {"status": "negated"}),
        ]
    )  # fmt: skip
    found = between_raters(ratings)
    assert (found.n_rows, found.n_pairs, found.share) == (2, 4, 0.5)
    unanimous = between_raters(rated([(p, r, "cough", "correct") for p in "ab" for r in "xyz"]))
    assert (unanimous.share, unanimous.alpha) == (1.0, None), "without variation alpha is not defined"


def test_empty_tables_give_empty_results():
    votes, ratings = stored([], VOTE), stored([], RATING)
    assert ranking(votes) == () and concept_agreement(ratings) == () and over_time(ratings) == ()
    bias, between = position_bias(votes), between_raters(ratings)
    assert (bias.n, bias.share_left, bias.p_value) == (0, None, None)
    assert (between.n_rows, between.n_pairs, between.share, between.alpha) == (0, 0, None, None)
    undecided = ranking(votes_between("x", "y", ["both_bad"]))
    figures = ranking_figure(()), ranking_figure(undecided), agreement_figure(()), agreement_over_time_figure(())
    assert figures == (None,) * 4, "an empty frame says nothing"


def test_few_votes_and_judgements_make_no_figure():
    one = ranking(votes_between("x", "y", ["a"]))
    assert [row.n for row in one] == [1, 1] and ranking_figure(one) is None
    assert ranking_figure(ranking(votes_between("x", "y", ["a"] * 4))) is None
    assert ranking_figure(ranking(votes_between("x", "y", ["a"] * 5))) is not None
    four = rated([("p1", f"r{i}", "cough", "correct") for i in range(4)])
    assert agreement_figure(concept_agreement(four)) is None and agreement_over_time_figure(over_time(four)) is None


def test_the_figure_of_the_ranking_shows_rate_interval_and_n():
    found = ranking(votes_of(STRENGTHS, 10, 6, ties=0.1), 50)
    nobody = ranking(votes_between("<b>x", "y", ["both_bad"]))
    figure = ranking_figure((*found, *nobody))
    (trace,) = figure.data
    assert list(trace.x) == [100 * row.win_rate for row in found], "no mark where nothing was decided"
    assert np.allclose(np.array(trace.x) + trace.error_x.array, [100 * row.high for row in found])
    assert np.allclose(np.array(trace.x) - trace.error_x.arrayminus, [100 * row.low for row in found])
    assert [label.text for label in figure.layout.annotations] == [f"{row.model} (n = {row.n})" for row in found]
    assert [label.y for label in figure.layout.annotations] == list(trace.y)
    assert "95 % interval" in trace.hovertext[0] and "10 submissions" in trace.hovertext[0]


def test_the_figures_of_agreement_show_each_model_apart_and_escape_labels():
    later = "2026-12-30T10:00:00+00:00"
    ratings = rated(
        [
            ("p1", "r1", "<b>cough", "correct"),
            ("p2", "r1", "<b>cough", "wrong", {"severity": "minor"}),
            *(("p1", result, "<b>cough", "correct", {"asr": "base", "created_at": later}) for result in ("r2", "r3", "r4")),
        ]
    )
    rows = concept_agreement(ratings)
    figure = agreement_figure(rows)
    assert [trace.text[0] for trace in figure.data] == [f"n = {row.n}" for row in rows]
    assert len({trace.marker.symbol for trace in figure.data}) == 2 and figure.data[0].y[0] != figure.data[1].y[0]
    assert "<b>" not in "".join(figure.layout.yaxis.ticktext) and "1 of 2 found right (50 %" in figure.to_json()
    weeks = agreement_over_time_figure(over_time(ratings))
    assert [list(trace.y) for trace in weeks.data] == [[100.0], [50.0]] and weeks.data[0].error_y.arrayminus[0] > 0
