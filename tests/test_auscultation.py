"""Body sounds made by arithmetic, so that the truth is known: how a heart beats, and what can't be judged."""

import base64
import json
import shutil
import tomllib
from dataclasses import replace

import make_body_sounds as made
import numpy as np
import pytest
from scipy.signal import resample_poly

from medalign.cli import main
from medalign.core.analysis import SoundEvent
from medalign.core.assets import ASSETS, CHECKPOINTS
from medalign.core.audio import SAMPLE_RATE_HZ, load_recording, recording_of
from medalign.core.body_sounds import MADE
from medalign.core.transcript import Transcript
from medalign.core.weights import sha256_of
from medalign.core.wording import trust_words
from medalign.pipeline.auscultation import examine, faults, in_band, pulse
from medalign.pipeline.warnings_about import is_from_a_room, warnings_about
from medalign.report.sound_picture import sound_picture


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("rate", [50, 67, 84, 101, 118, 135, 150])
@pytest.mark.parametrize("murmur, noise", [(0.0, 0.01), (0.4, 0.2)])
def test_the_rate_of_a_made_heart_is_right_within_three_a_minute(rng, rate, murmur, noise):
    found = pulse(made.heart(rng, rate_per_min=rate, murmur=murmur, noise=noise, jitter=0.01))
    assert found.rate_per_min == pytest.approx(rate, abs=3)
    assert found.rhythm == "regular"
    assert np.diff(found.beats_s).mean() == pytest.approx(60 / rate, rel=0.05)


def test_an_uneven_heart_is_not_called_regular(rng):
    rhythms = [pulse(made.heart(rng, rate_per_min=rate, jitter=0.25)).rhythm for rate in range(60, 120, 5)]
    assert rhythms.count("regular") <= 1


@pytest.mark.parametrize("what", ["silence", "pink noise", "a 440 Hz tone"])
def test_what_does_not_beat_has_no_rate(not_speech, what):
    assert pulse(not_speech[what].astype(np.float32)).rate_per_min is None


@pytest.mark.parametrize("sound", MADE, ids=lambda sound: sound.name)
def test_an_example_that_comes_along_is_made_by_the_program_and_can_be_judged(sound, tmp_path):
    shipped = load_recording(sound.path)
    written = {path.name: path for path in made.write_examples(tmp_path)}
    assert np.array_equal(shipped.waveform, load_recording(written[sound.path.name]).waveform)
    assert not examine(shipped, sound.kind).faults


def test_what_can_not_be_judged_is_told_with_the_reason(rng):
    heart, white = made.heart(rng), 0.1 * rng.standard_normal(10 * SAMPLE_RATE_HZ).astype(np.float32)
    for waveform, kind, reason in [
        (heart[: 2 * SAMPLE_RATE_HZ], "heart", "2.0 s long; at least 4 s"),
        (1e-4 * heart, "heart", "record it louder"),
        (np.clip(4 * heart, -0.5, 0.5), "heart", "clipped"),
        (white, "heart", "noise"),
        (white, "lung", "noise"),
        (made.lung(rng, wheeze=1.0), "heart", "of its power lies at 25 to 180 Hz"),
        (1e-5 * made.cough(rng), "cough", "record it louder"),
    ]:
        found = faults(waveform, kind)
        assert found and reason in found[0], (kind, reason, found)


def test_a_heart_that_beats_the_same_each_time_is_not_clipped(rng):
    """As many of its samples are at its peak as of a clipped one's; these stand still there."""
    beat = made.heart(rng, rate_per_min=60, noise=0.0, jitter=0.0)[:SAMPLE_RATE_HZ]
    same = np.tile(beat, 10)
    pure = (0.49 * np.sin(2 * np.pi * 50 * np.arange(10 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)).astype(np.float32)
    for waveform in (same, pure):
        assert not any("clipped" in fault for fault in faults(waveform, "heart"))
        half = 0.5 * np.abs(waveform).max()
        assert any("clipped" in fault for fault in faults(np.clip(waveform, -half, half), "heart"))


@pytest.mark.parametrize("rate_hz", [4000, 16_000, 44_100])
def test_clipping_is_told_at_any_sampling_rate_and_loudness_alone_is_none(write_wav, rng, rate_hz):
    heart = resample_poly(made.heart(rng, murmur=0.3), rate_hz, SAMPLE_RATE_HZ)
    heart = heart / np.abs(heart).max()
    for gain, told in ((0.9, False), (4.0, True)):
        found = examine(load_recording(write_wav(f"{gain}.wav", 0.8 * np.clip(gain * heart, -1, 1), rate_hz)), "heart")
        assert any("clipped" in fault for fault in found.faults) == told


def test_speech_that_is_given_as_a_body_sound_is_told_to_be_speech(cut):
    speech = load_recording(cut("chest-pain", 0.0, 20.0))
    for kind in ("heart", "lung"):
        found = examine(speech, kind)
        assert any(f"no {kind} recording" in fault for fault in found.faults) and found.pulse is None


def test_the_command_tells_rate_and_rhythm_and_never_guesses_the_kind(tmp_path, write_wav, rng):
    path = write_wav("heart.wav", made.heart(rng, rate_per_min=80))
    out = tmp_path / "out.json"
    assert main(["listen", path, "--kind", "heart", "--json", str(out)]) == 0
    told = json.loads(out.read_text())
    assert told["pulse"]["rate_per_min"] == pytest.approx(80, abs=3) and not told["faults"]
    assert "medical device" in told["disclaimer"]
    with pytest.raises(SystemExit):
        main(["listen", path])


def test_the_command_says_what_it_does_not_judge(capsys):
    told = {}
    for sound in MADE:
        assert main(["listen", str(sound.path), "--kind", sound.kind]) == 0
        told[sound.name] = capsys.readouterr().out
    assert "of what a lung sounds like, nothing is claimed" in told["lung-wheeze"]
    assert "the pauses between them differ" in told["heart-irregular"] and "no even pace" not in told["heart-steady"]
    for name, text in told.items():
        assert ("Not compared with words" in text) == name.startswith("heart"), "no student has learnt what a program made"
        assert "fits it better" not in text


def test_an_array_is_taken_as_well_as_a_file(rng):
    assert examine(recording_of(load_recording(made.cough(rng), sample_rate_hz=SAMPLE_RATE_HZ)), "cough").pulse is None


@pytest.fixture(scope="module")
def listener():
    from medalign.pipeline.sound_listener import SoundListener

    return SoundListener.default()


@pytest.fixture(scope="module")
def comparing(listener):
    """The same, without knowing what is unfamiliar: there is no heart at hand that nobody's body made."""
    from medalign.pipeline.sound_listener import SoundListener

    return SoundListener(listener.student, listener._teacher, replace(listener.references, familiarity=None))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_unlike_all_that_was_learnt_gets_no_score(listener, seed):
    rng = np.random.default_rng(seed)
    heart = made.heart(rng, rate_per_min=60 + 20 * seed, murmur=0.1 * seed)
    for waveform in (heart, made.cough(rng), made.lung(rng), 0.1 * rng.standard_normal(80_000).astype(np.float32)):
        heard = listener.hear(waveform)
        assert heard.familiarity < 2 and not heard.fits and not heard.nearest


def test_what_was_learnt_from_is_as_familiar_as_can_be(listener):
    head = listener.student.head
    statistics = head.landmarks * head.sd[:, None] + head.mean[:, None]
    assert head._kernel(statistics.transpose(0, 1)).amax(1).min() > 0.99
    assert listener.references.familiarity.min() > 0.1 and listener.references.familiarity.max() < 0.9, "another place"


def test_words_that_were_not_learnt_fit_no_better_than_any_others(comparing, rng):
    waveform = made.heart(rng)
    heard = comparing.hear(waveform, ["abnormal heart sounds", "normal heart sounds", "xyzzy", "a broken leg"])
    abnormal, normal, *unknown = heard.fits
    assert [fit.percentile for fit in unknown] == [None, None]
    assert abnormal.percentile + normal.percentile == pytest.approx(100, abs=1), "one difference was learnt, and no other"
    assert heard.familiarity is None and sum(heard.nearest.values()) == 10
    assert abnormal.windows[0][0] == 0 and abnormal.windows[-1][1] <= 10


def test_a_long_recording_has_no_more_windows_than_a_strip_can_show(listener):
    for duration_s, n in ((2.0, 1), (10.0, 3), (3600.0, 40)):
        spans = listener._spans(round(duration_s * SAMPLE_RATE_HZ))
        assert len(spans) == n and spans[0][0] == 0 and duration_s - 1 < spans[-1][1] <= duration_s


def test_what_is_told_of_an_unseen_place_is_of_the_clips_that_would_be_compared(listener, comparing):
    (card,) = [row for row in json.loads((CHECKPOINTS / "body-sounds-heart" / "unseen_site.json").read_text())["rows"]
               if "zero_shot_auroc" in row]  # fmt: skip
    everything, some = comparing.trust, listener.trust
    assert everything.auroc[0] == pytest.approx(card["zero_shot_auroc"], abs=0.01), "measured by another way"
    assert (some.n_references, some.n_trained, everything.n_familiar) == (292, 809, 292) and some.n_familiar == 286
    low, high = some.auroc[1:]
    assert low < some.auroc[0] < high and f"{100 * some.auroc[0]:.0f} times in 100" in trust_words(some.auroc)


def test_reference_clips_that_the_student_was_trained_on_are_refused(tmp_path, write_wav, rng):
    student = tmp_path / "student"
    shutil.copytree(CHECKPOINTS / "body-sounds-heart", student)
    path = write_wav("heart.wav", made.heart(rng))
    (tmp_path / "table.csv").write_text(f"path,text,label\n{path},A heart.,normal\n")
    command = ["references", str(tmp_path / "table.csv"), "--student", str(student), "--place", "here"]
    assert main(command) == 0
    story = json.loads((student / "training.json").read_text())
    (student / "training.json").write_text(json.dumps(story | {"train_clips": sha256_of(tmp_path / path)[:12]}))
    assert main(command) == 2


def test_a_recording_without_speech_says_what_is_heard_and_where_to_take_it(rng, cut):
    heart, cough = made.heart(rng, noise=0.0), made.cough(rng)
    through_a_chest = in_band(heart, (20.0, 400.0))
    event = SoundEvent("cough", 0.4, 1.2, 0.9)
    for waveform, events, told in [
        (through_a_chest, (), "No speech detected, and hardly a sound above 1000 Hz, as through a stethoscope."),
        (cough, (event,), "No speech detected, but heard: cough."),
        (cough, (), "No speech detected. Check the microphone"),
    ]:
        recording = load_recording(waveform, sample_rate_hz=SAMPLE_RATE_HZ)
        first, *_ = warnings_about(recording, Transcript((), "en"), events=events)
        assert first.startswith(told), first
    assert is_from_a_room(load_recording(cut("chest-pain", 0.0, 20.0)))


def test_all_that_a_user_needs_of_the_assets_travels_in_the_wheel():
    pyproject = tomllib.loads((ASSETS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    globs = pyproject["tool"]["setuptools"]["package-data"]["medalign.assets"]
    carried = {path for glob in globs for path in ASSETS.glob(glob)}
    needed = {path for name in ("examples", "checkpoints") for path in (ASSETS / name).rglob("*") if path.is_file()}
    assert needed <= carried, sorted(needed - carried)


def test_silence_is_dark_in_the_picture_and_a_heart_is_not(rng):
    for waveform, brightest in ((np.zeros(80_000, np.float32), 0), (1e-3 * made.heart(rng), 255)):
        picture = base64.b64decode(sound_picture(waveform, (20.0, 600.0))["spectrogram"])
        assert max(picture) == brightest


def test_a_card_shows_how_words_fit_over_time_and_what_that_rests_on(comparing, rng):
    from medalign.ui.views.body_sound_view import cards, sound_card

    recording = recording_of(load_recording(made.heart(rng), sample_rate_hz=SAMPLE_RATE_HZ, name="one <b>"))
    found, heard = examine(recording, "heart"), comparing.hear(recording.waveform, ["normal heart sounds", "xyzzy", "a murmur"])
    shown = cards([sound_card(found, heard, recording, MADE[0].path, (20.0, 600.0), "")], heard.trust)
    assert "one &lt;b&gt;" in shown and "“xyzzy”" in shown and "not learnt: no better than any other words" in shown
    assert "of 100 other hearts" in shown and "of the ten nearest" in shown and "No diagnosis" in shown
    assert "subsets a, c, d, e and f, 809 recordings" in shown and "95 % interval" in shown and "Lung, cough" in shown
    heard = comparing.hear(recording.waveform)
    shown = sound_card(found, heard, recording, MADE[0].path, (20.0, 600.0), "")
    assert "how well “abnormal heart sounds” fits each few seconds" in shown and len(heard.fits[-1].windows) == 3
