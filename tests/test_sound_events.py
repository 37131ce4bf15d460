"""Sound events: runs become events, each told once; files that don't belong are refused; mixtures tell the truth."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError, DataError
from medalign.models import sound_events
from medalign.models.sound_events import (
    LABELS,
    SOUND_EVENTS_CONFIG,
    SOUND_EVENTS_FILE,
    STEP_S,
    SoundEventDetector,
    SoundEventHead,
    find_events,
    smoothed,
)
from medalign.training.data.sounds import MIXTURE_S, NOTHING, STEP, Sound, audible_part, is_audible, mix, read_sounds
from medalign.training.data.synthesis import SpokenUtterance, Take
from medalign.training.fitting.fit_sound_events import _read_mixtures, measure_sound_events, train_head

COUGH, SNEEZE = LABELS.index("cough"), LABELS.index("sneeze")
DIM, FRAMES_PER_STEP = 8, 5


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE_HZ))).astype(np.float32)


def detector() -> SoundEventDetector:
    torch.manual_seed(0)
    return SoundEventDetector(
        SoundEventHead(DIM, FRAMES_PER_STEP), np.full(len(LABELS), 0.5), np.tile([2.0, -1.0], (len(LABELS), 1))
    )


def test_a_run_over_its_threshold_is_one_event_and_close_ones_are_joined():
    logits = np.full((60, len(LABELS)), -5.0)
    logits[10:14, COUGH] = 2.0
    logits[18:20, COUGH] = 3.0  # within 0.8 s: the same bout
    logits[40:42, COUGH] = 1.0
    logits[50:55, LABELS.index("heavy breathing")] = 4.0  # half a second: how everybody breathes
    events = find_events(logits, np.zeros(len(LABELS)))
    assert [(e.column, e.first, e.last, e.peak) for e in events] == [(COUGH, 10, 19, 3.0), (COUGH, 40, 41, 1.0)]


def test_one_noise_is_not_told_twice():
    logits = np.full((30, len(LABELS)), -5.0)
    logits[5:10, COUGH], logits[5:10, SNEEZE] = 1.0, 2.0
    assert [e.column for e in find_events(logits, np.zeros(len(LABELS)))] == [SNEEZE]
    assert [e.column for e in find_events(logits, np.array([0.0, 1.5, 0.0, 0.0]))] == [COUGH]  # furthest over its own


def test_smoothing_keeps_length_and_level_and_flattens_a_click():
    logits = np.zeros((9, len(LABELS)))
    logits[4] = 3.0
    assert smoothed(logits).shape == logits.shape
    assert smoothed(logits)[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert np.allclose(smoothed(np.ones((5, 4))), 1.0)


def test_signs_lie_inside_the_recording_in_order_with_calibrated_probabilities():
    found = detector()
    found.thresholds[:] = -10.0  # everything is something
    signs = found.detect(torch.randn(203, DIM))
    assert signs and [s.start_s for s in signs] == sorted(s.start_s for s in signs)
    assert all(0 <= s.start_s < s.end_s <= 4.0 + 1e-9 and 0 < s.probability < 1 for s in signs)
    assert detector().detect(torch.zeros(3, DIM)) == ()  # shorter than a step


def test_a_saved_detector_is_the_same_detector(tmp_path):
    frames = torch.randn(100, DIM)
    assert SoundEventDetector.load(tmp_path, DIM) is None
    detector().save(tmp_path, {"minutes": 3})
    loaded = SoundEventDetector.load(tmp_path, DIM)
    assert np.allclose(loaded.logits(frames), detector().logits(frames))
    assert loaded.thresholds.tolist() == detector().thresholds.tolist() and loaded.fit.tolist() == detector().fit.tolist()
    assert json.loads((tmp_path / SOUND_EVENTS_CONFIG).read_text())["minutes"] == 3


def test_damaged_or_foreign_files_are_refused(tmp_path):
    detector().save(tmp_path, {})
    with pytest.raises(CheckpointError, match="medalign sound-events"):
        SoundEventDetector.load(tmp_path, DIM + 1)  # an encoder of another width
    config = json.loads((tmp_path / SOUND_EVENTS_CONFIG).read_text())
    (tmp_path / SOUND_EVENTS_CONFIG).write_text(json.dumps({**config, "labels": ["laugh"]}))
    with pytest.raises(CheckpointError, match="another detector"):
        SoundEventDetector.load(tmp_path, DIM)
    (tmp_path / SOUND_EVENTS_FILE).write_bytes(b"x" * 40)
    with pytest.raises(CheckpointError):
        SoundEventDetector.load(tmp_path, DIM)


class Traitor:
    def __reduce__(self):
        return pytest.fail, ("code of a cache file was run",)


@pytest.mark.parametrize("laid_in", [np.array([Traitor()], object), json.dumps([["cough"]]), "["])
def test_mixtures_of_a_cache_are_read_as_data_and_never_run(tmp_path, laid_in):
    path = tmp_path / "r-test-1-0.npz"
    np.savez(path, frames=np.zeros((1, 2, 3), np.float16), truth=np.zeros((1, 2, 4)), laid_in=laid_in)
    with pytest.raises(DataError, match=f"{path.name} holds no mixtures .*; remove it"):
        _read_mixtures(path)
    np.savez(path, frames=np.zeros((1, 2, 3)), truth=np.zeros((1, 2, 4)), laid_in=json.dumps([[["cough", 0.5, 1.0]]]))
    assert _read_mixtures(path)[2] == [[("cough", 0.5, 1.0)]]


def test_the_audible_part_is_cut_out():
    sound = np.concatenate([np.zeros(8000, np.float32), noise(0.5), np.zeros(4000, np.float32), noise(0.2), np.zeros(8000)])
    part = audible_part(sound.astype(np.float32))
    assert abs(len(part) / SAMPLE_RATE_HZ - 0.95) <= 0.2
    assert is_audible(part)[[0, -1]].all() and not is_audible(part).all()
    assert len(audible_part(np.zeros(16000, np.float32))) == 0


def take() -> Take:
    utterances = tuple(SpokenUtterance(i * 3.0, i * 3.0 + 2.5, "doctor", "Well.") for i in range(12))
    return Take("a", "train", "a.flac", {"doctor": "v", "patient": "v"}, utterances, Path())


def test_a_mixture_marks_what_was_laid_in_and_nothing_else():
    speech = noise(36, level=0.01)
    sounds = [Sound("cough", noise(1.0), "a"), Sound(NOTHING, noise(1.0), "b"), Sound("crying", noise(3.0), "c")]
    for seed in range(5):
        mixture = mix(take(), speech, sounds, np.random.default_rng(seed))
        assert mixture.waveform.shape == (round(MIXTURE_S * SAMPLE_RATE_HZ),) and np.abs(mixture.waveform).max() <= 1
        assert mixture.truth.shape == (len(mixture.waveform) // STEP, len(LABELS))
        for label, start_s, end_s in mixture.laid_in:
            assert 0 <= start_s < end_s <= MIXTURE_S + STEP_S
            if label != NOTHING:
                stretch = mixture.truth[round(start_s / STEP_S) : round(end_s / STEP_S), LABELS.index(label)]
                assert np.nanmean(stretch) == 1.0
        assert mixture.truth[:, SNEEZE].sum() == 0
        assert np.nansum(mixture.truth[:, COUGH]) <= 10


def body_sounds(folder: Path) -> Path:
    """One person of each split, near-silent clips, a fold of each part."""
    (folder / "coswara").mkdir(parents=True)
    (folder / "esc10").mkdir()
    rows = ["path,participant_id,sound_type,split,near_silent"]
    for i, (kind, split, silent) in enumerate(
        [("cough-heavy", "train", 0), ("breathing-deep", "test", 0), ("counting-fast", "test", 0), ("cough-heavy", "test", 1)]
    ):
        soundfile.write(folder / "coswara" / f"{i}.flac", noise(2.0, seed=i), SAMPLE_RATE_HZ)
        rows.append(f"{i}.flac,p{i},{kind},{split},{silent}")
    (folder / "coswara" / "manifest.csv").write_text("\n".join(rows))
    rows = ["path,label,fold"]
    for i, (label, fold) in enumerate([("Person sneeze", 5), ("Baby cry", 1), ("Dog bark", 5), ("Person sneeze", 4)]):
        soundfile.write(folder / "esc10" / f"{i}.flac", noise(2.0, seed=i), SAMPLE_RATE_HZ)
        rows.append(f"{i}.flac,{label},{fold}")
    (folder / "esc10" / "manifest.csv").write_text("\n".join(rows))
    return folder


def test_sounds_are_split_by_person_and_fold_and_near_silent_clips_left_out(tmp_path):
    folder = body_sounds(tmp_path / "sounds")
    parts = {part: read_sounds(folder, part) for part in ("train", "valid", "test")}
    assert sorted(s.label for s in parts["test"]) == ["", "", "heavy breathing", "sneeze"]
    sources = [s.source for sounds in parts.values() for s in sounds]
    assert len(sources) == len(set(sources)) == 7
    assert {s.label for s in (*parts["train"], *parts["valid"])} == {"cough", "crying", "sneeze"}
    with pytest.raises(DataError, match="holds none of"):
        read_sounds(tmp_path, "train")


@pytest.mark.slow
def test_a_head_learns_signs_that_frames_show_and_the_figures_say_so():
    class Student:
        class encoder:
            frames_per_s = 50.0

    rng = np.random.default_rng(0)
    n_steps = round(MIXTURE_S / STEP_S)
    frames = rng.standard_normal((104, n_steps * FRAMES_PER_STEP, DIM)).astype(np.float16)
    truth = np.zeros((104, n_steps, len(LABELS)), np.float32)
    laid_in: list[list] = []
    for i in range(104):
        label = LABELS[i % len(LABELS)]
        truth[i, 50:60, LABELS.index(label)] = 1
        frames[i, 250:300, LABELS.index(label)] += 6
        frames[i, 750:800, 5] += 6  # a sound that is no sign
        laid_in.append([(label, 5.0, 6.0), (NOTHING, 15.0, 16.0)])
    head = train_head((frames[:96], truth[:96]), (frames[96:100], truth[96:100]), Student(), n_epochs=60)
    trained = SoundEventDetector(head, np.zeros(len(LABELS)), np.ones((len(LABELS), 2)))
    figures = measure_sound_events(trained, frames[96:], laid_in[96:])
    for label in LABELS:
        told = figures["sound_events"][label]
        assert told["n"] == 2 and told["recall"] == 1.0 and told["precision"] == 1.0
        assert told["auroc_against_speech"] > 0.99 and told["auroc_against_other_sounds"] > 0.99


def test_an_hour_is_taken_in_pieces_and_the_logits_are_those_of_the_whole(monkeypatch):
    head = SoundEventHead(encoder_dim=6, frames_per_step=5).eval()
    frames = torch.randn(1, 5 * 43 + 3, 6, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = head(frames)
        monkeypatch.setattr(sound_events, "PIECE_STEPS", 10)
        assert whole.shape == (1, 43, 4) and torch.allclose(head(frames), whole, atol=1e-6)
