"""The tab of body sounds, in a real browser."""

import pytest
from browser import stored_files

from medalign.core.assets import EXAMPLES

SOUNDS = EXAMPLES / "body_sounds"


PICTURE = "document.querySelector('canvas.sound').toDataURL()"


def picture_of(page):
    """What is drawn, once it is no longer drawn anew."""
    last = None
    while last != (last := page.evaluate(PICTURE)):
        page.wait_for_timeout(200)
    return last


@pytest.fixture
def sounds(page):
    page.get_by_role("tab", name="Body sounds").click()
    page.locator("#sound-examples").wait_for()
    return page


def own(page, kind, *paths):
    if not page.locator("#sound-kind").is_visible():
        page.get_by_role("button", name="Your own recordings").click()
    page.locator("#sound-consent input").check()
    if kind:
        page.locator("#sound-kind").get_by_label(kind).check()
    if paths:
        page.locator("#sound-upload input[type=file]").set_input_files(paths)
        page.locator("#sound-upload").get_by_text(paths[-1].suffix).first.wait_for()
    page.locator("#sound-go").click()


def test_an_example_plays_from_where_it_is_pressed_and_of_own_recordings_nothing_is_guessed(sounds, store):
    sounds.get_by_role("button", name="Heart with a murmur").click()
    card = sounds.get_by_role("region", name="Heart with a murmur")
    assert "made by a program" in card.inner_text()
    assert store.table("events")["event"].tolist() == ["body-sound-example"]
    rate = float(card.locator("dd").first.inner_text().split()[0])
    assert abs(rate - 84) <= 3
    canvas = card.locator("canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] / 2, "y": 100})
    sounds.wait_for_function("Number(document.querySelector('canvas.sound').getAttribute('aria-valuenow')) > 4")
    card.get_by_label("Half speed, same pitch").check()
    card.get_by_label("Again and again").check()
    card.locator(".sound-filter").select_option("bell")
    sounds.wait_for_function("document.querySelector('.sound-card audio').loop")
    state = sounds.evaluate(
        "(audio => [audio.playbackRate, audio.preservesPitch])(document.querySelector('.sound-card audio'))"
    )
    assert state == [0.5, True]
    card.get_by_role("button", name="Play").click()
    sounds.wait_for_function("document.querySelector('.sound-card audio').paused")
    canvas.evaluate("canvas => canvas.closest('.sound-card').querySelector('audio').currentTime = 0")
    sounds.wait_for_function("document.querySelector('canvas.sound').getAttribute('aria-valuenow') === '0.0'")
    murmur = picture_of(sounds)
    sounds.get_by_role("button", name="Steady heart").click()
    sounds.get_by_role("region", name="Steady heart").wait_for()
    sounds.wait_for_function(f"!({PICTURE}).endsWith('{murmur[-60:]}')")  # the elements stay, and the picture is another
    sounds.get_by_role("button", name="Heart with a murmur").click()
    card.wait_for()
    assert picture_of(sounds) == murmur
    says = [card.get_by_label(name).is_checked() for name in ("Half speed, same pitch", "Again and again")]
    sounds.wait_for_function("document.querySelector('.sound-card audio').duration > 0")
    audio = "(audio => [audio.playbackRate < 1, audio.loop])(document.querySelector('.sound-card audio'))"
    assert sounds.evaluate(audio) == says, "it plays as its card says"
    sounds.get_by_role("button", name="Your own recordings").click()
    sounds.locator("#sound-go").click()
    sounds.locator("#sound-alert", has_text="Confirm the data notice first").wait_for()
    own(sounds, None, SOUNDS / "cough.flac")
    sounds.locator("#sound-alert", has_text="heart, lung or cough").wait_for()
    assert sounds.locator(".sound-card").count() == 1, "the example's"


def test_positions_stand_side_by_side_speech_is_told_and_delete_leaves_nothing(sounds, store, cut, gradio_folder, tmp_path):
    before = stored_files(gradio_folder)
    speech = cut("chest-pain", 0.0, 12.0)
    (tmp_path / "torn.wav").write_bytes(b"not a recording" * 99)
    own(sounds, "Heart", SOUNDS / "heart-steady.flac", tmp_path / "torn.wav", speech)
    sounds.locator(".sound-cards[data-n='2']").wait_for()
    told = sounds.locator("#sound-alert").inner_text()
    assert "torn.wav' can't be read as audio" in told and "The others are below" in told, "one hides the others no more"
    assert store.table("events")["event"].tolist() == ["body-sounds"]
    steady, spoken = (sounds.locator(".sound-card").nth(i) for i in (0, 1))
    assert "72" in steady.inner_text() and "regular" in steady.inner_text()
    assert "Not compared with words" in steady.inner_text() and "fits it better" not in steady.inner_text(), "it is made"
    sounds.get_by_text("what this rests on").click()
    assert "809 recordings" in sounds.locator(".rests-on").inner_text()
    assert "Not judged." in spoken.inner_text() and "no heart recording" in spoken.inner_text()
    assert "a minute" not in spoken.inner_text()
    sounds.locator("#sound-delete").click()
    sounds.locator("#sound-status", has_text="Deleted").wait_for()
    assert sounds.locator(".sound-card").count() == 0
    assert not stored_files(gradio_folder) - before
