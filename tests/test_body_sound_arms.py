"""The study of body sounds: what it measures from a sound, and that no part of it looks at what is tested."""

import body_sound_arms as arms
import numpy as np
import pytest
from test_spectrogram_encoder import beats


def made(n=120):
    rng = np.random.default_rng(0)
    abnormal = rng.random(n) < 0.5
    clips = arms.Clips([], np.array(["a", "b", "e"])[np.arange(n) % 3], abnormal)
    clips.__dict__["findings"] = ["The heart rate is slow."] * n
    return clips


@pytest.mark.parametrize("rate_per_min", [55, 75, 110])
def test_the_rate_told_as_a_finding_is_that_of_the_beats(rate_per_min):
    found, regularity, _ = arms.measure(beats(rate_per_min, 10.0))
    assert found == pytest.approx(rate_per_min, abs=3) and regularity > 0.5


def test_every_clip_is_tested_once_and_never_learnt_from():
    clips = made()
    for cuts in arms.splits(clips).values():
        assert sorted(np.concatenate([test for *_, test in cuts])) == list(range(120))
        assert all(not set(learn) & set(test) for _, learn, test in cuts)
    assert all(len(set(clips.subset[test])) == 1 for *_, test in arms.splits(clips)["left out"])


def test_a_lift_is_over_the_same_clips():
    clips = made()
    right = {i: float(clips.abnormal[i]) for i in range(120)}
    noise = {i: float(x) for i, x in enumerate(np.random.default_rng(1).random(120))}
    found = arms.figures(right, clips, {"lift": noise})
    assert found["auroc"] == 1 and found["lift"] == pytest.approx(1 - arms.figures(noise, clips)["auroc"], abs=1e-4)
    assert arms.figures(noise, clips, {"lift": noise})["lift_95"] == [0, 0]


def test_a_resample_counts_a_recording_as_often_as_it_was_drawn():
    values, truth = np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, True, False, True])
    whole, weighted = arms.resampled_auroc(values, truth, np.array([[1, 1, 1, 1], [0, 3, 1, 1]]))
    assert whole == 0.875 and weighted == pytest.approx((3 * 0.5 + 1) / 4)


def test_withheld_labels_are_not_told():
    texts = arms.texts_of(made(), "findings", np.random.default_rng(0))
    assert {text for text, _ in texts} == {"The heart rate is slow."} and len({said for _, said in texts}) == 1


def test_a_row_that_a_rerun_tells_no_more_of_keeps_its_commit_and_seeds_are_compared_with_shuffled_ones(tmp_path, monkeypatch):
    clips = made(600)
    monkeypatch.setattr(arms, "provenance", lambda: {"commit": "new"})
    study = arms.Study.__new__(arms.Study)
    study.clips, study.cache, study.splits = clips, tmp_path, {"folds": arms.splits(clips)["folds"]}
    rng = np.random.default_rng(0)
    for part, _, test in study.splits["folds"]:
        truth = clips.abnormal[test] + 0.0
        for seed in (0, 1):
            np.save(tmp_path / f"folds {part} head, CKA + InfoNCE, label told, seed {seed}; probe.npy", truth)
            np.save(tmp_path / f"folds {part} head, pairs shuffled, label told, seed {seed}; probe.npy", rng.random(len(test)))
        if part == "fold0":
            np.save(tmp_path / "folds fold0 some.npy", truth)
    first = arms.table(study, {})["folds"]
    mean = first["head, CKA + InfoNCE, label told, mean score of the seeds; probe"]
    assert mean["n_seeds"] == 2 and mean["lift_over_shuffled"] > 0.3 and mean["lift_over_shuffled_95"][0] > 0
    assert "lift_over_shuffled" not in first["head, pairs shuffled, label told, mean score of the seeds; probe"]
    assert first["some"]["parts"] == "1 of 5: fold0"
    before = {"provenance": {"commit": "old"}, "folds": {arm: row | {"commit": "old"} for arm, row in first.items()}}
    before["folds"]["some"] |= {"n": 600, "auroc": 0.5}  # all parts of it were measured then
    before["folds"]["head, pairs shuffled, label told, seed 0; probe"]["auroc"] = 0.1
    again = arms.table(study, before)["folds"]
    assert again["some"]["n"] == 600 and {arm for arm, row in again.items() if row["commit"] == "new"} == {
        "head, pairs shuffled, label told, seed 0; probe"
    }
