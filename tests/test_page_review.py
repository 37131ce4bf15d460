"""Reviewing on the page: edit, filter, explain, search, export, rate, take back, delete. Real browser, fake engine."""

import json
import re
import threading
from dataclasses import replace
from pathlib import Path

import page_fixtures
import pytest
from browser import (
    LEAVING,
    VIEWPORT,
    acknowledge,
    another_tab,
    assert_accessible,
    assert_fits,
    delete_now,
    open_form,
    open_pane,
    open_panel,
    press_example,
    show_example,
    stored_files,
    take_home,
    unfold,
    upload,
    visit,
    wait_for_result,
    wait_until_free,
    wait_until_playing_from,
)
from page_fixtures import FakeEngine
from shared_page import STORED

from medalign.core.analysis import CriticalWord
from medalign.core.spelling import reworded
from medalign.report.plain_summary import to_text

VISIBLE = "tr.row:visible"
# Of the picture of the recording, those that more than a few of its pixels have.
COLOURS = """() => {
    const canvas = document.querySelector("#strip canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data, seen = new Map();
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] === 255) {
        const name = [pixels[i], pixels[i + 1], pixels[i + 2]].join();
        seen.set(name, (seen.get(name) ?? 0) + 1);
    }
    return [...seen].filter(([, n]) => n > 20).map(([name]) => name);
}"""


def test_words_and_names_are_changed_in_every_way(result):
    """On one page, each change undone or of another segment than the last: to open the page anew costs seconds."""
    a_suggested_name_is_written_on_request(result)
    a_doubtful_word_is_changed_where_it_stands(result)
    result.get_by_role("button", name="Undo: ", exact=False).first.click()
    result.locator(".badge", has_text="edited").wait_for(state="detached")
    a_speaker_is_named_everywhere(result)
    a_changed_segment_is_read_again_and_says_what_it_was(result)


def a_suggested_name_is_written_on_request(result):
    result.get_by_role("button", name="write amoxicillin into the transcript").click()
    result.locator(".segment", has_text="a fever on amoxicillin").wait_for()
    assert result.locator("[data-send=accept]").count() == 0
    result.get_by_role("button", name="Undo: ", exact=False).first.click()
    result.locator(".segment", has_text="a fever on Monday").wait_for()
    result.get_by_role("button", name="write amoxicillin into the transcript").wait_for()
    result.locator("#status", has_text="As it was before").wait_for(state="attached")
    assert result.locator(".badge", has_text="edited").count() == 0


def a_doubtful_word_is_changed_where_it_stands(result):
    word = result.locator(".word", has_text="Monday.")
    word.click()
    card = result.locator("#card")
    assert "sounds like amoxicillin; right about 9 in 10 times" in card.inner_text()
    assert card.get_by_role("button", name="amoxicillin").count() == 1
    card.get_by_label("Written").fill("Tuesday")
    result.keyboard.press("Enter")
    result.locator(".segment", has_text="had a fever on Tuesday.").locator(".badge", has_text="edited").wait_for()
    assert result.locator("#card, .reread").count() == 0
    assert result.evaluate("document.activeElement.matches('.segment .time')"), "the reader stays where they were"
    awake = result.locator(".word", has_text="awake.")
    awake.click()
    result.locator("#card").get_by_label("Written").press("Enter")
    result.wait_for_timeout(300)
    assert result.locator(".badge", has_text="edited").count() == 1, "what is as it was is not read again"


def a_speaker_is_named_everywhere(result):
    open_form(result.locator(".segment", has_text="three weeks"))
    form = result.locator(".edit-form")
    form.locator("input[list]").fill("Daughter")
    form.get_by_text("Give this speaker the name everywhere").click()
    form.get_by_role("button", name="Save").click()
    result.locator(".speaker", has_text="Daughter").first.wait_for()
    assert result.locator(".speaker", has_text="Daughter").count() == 3
    assert "Daughter?" not in result.locator("#transcript").inner_text(), "said by a person, so no guess"
    assert "edited" not in result.locator("#transcript").inner_text(), "no word was changed; the name says who it was taken for"
    assert "Patient" in result.locator(".speaker", has_text="Daughter").first.get_attribute("title")


def a_changed_segment_is_read_again_and_says_what_it_was(result):
    segment = result.locator(".segment", has_text="Any")
    open_form(segment)
    form = result.locator(".edit-form")
    form.locator("textarea").fill("Any sweats or shortness of breath?")
    form.get_by_role("button", name="Save").click()
    changed = result.locator(".segment", has_text="Any sweats")
    changed.locator(".badge", has_text="edited").wait_for()
    assert "Any fever or shortness of breath?" in changed.locator("del").inner_text()
    assert result.evaluate("document.activeElement.matches('.segment .time')"), "the reader stays where they were"
    assert "fever" in result.locator("#transcript").inner_text(), "Monday's fever is still there"
    assert "Read again" in result.locator("#status").inner_text()


def test_escape_leaves_the_words_alone(shown):
    before = shown.locator(".segment").nth(1).text_content()
    open_form(shown.locator(".segment").nth(1))
    shown.locator(".edit-form textarea").fill("something else")
    shown.keyboard.press("Escape")
    assert shown.locator(".edit-form").count() == 0 and shown.locator(".segment").nth(1).text_content() == before


def test_what_is_taken_from_a_card_is_seen_to_be_read_again_and_the_cards_follow(result, server, store):
    """Cards of before stayed, with the buttons that rate what they told of."""
    go_on = threading.Event()

    def reread(analysis, transcript, heard):
        assert go_on.wait(page_fixtures.HOLD_S)
        return replace(analysis, transcript=transcript, concepts=analysis.concepts[1:], corrections=())

    server.engine.reread = reread
    result.locator(".word", has_text="Monday.").click()
    result.locator("#card").get_by_role("button", name="amoxicillin").click()
    for place in (result.locator(".segment", has_text="Monday."), result.locator(".ear li", has_text="amoxicillin")):
        place.locator(".reread").wait_for()
    result.locator("#status", has_text="Reading again with your words").wait_for(state="attached")
    assert result.locator("#card").count() == 0, "taken, so it is done with"
    assert result.evaluate("document.activeElement.matches('.segment .time')"), "the focus waits beside it"
    result.locator(".mention", has_text="cough").first.click()
    result.get_by_role("dialog", name="Cough").wait_for()
    go_on.set()
    result.locator("#status", has_text="Read again with your words.").wait_for(state="attached")
    result.locator("#card, .reread").wait_for(state="detached")
    result.locator(".mention", has_text="shortness").first.click()
    result.get_by_role("dialog", name="Dyspnoea").locator("[data-verdict=correct]").click()
    result.locator("#ratings", has_text="Dyspnoea").wait_for()
    assert store.table("ratings")["concept_id"].tolist() == ["HPO:HP:0002094"]


def test_a_name_is_written_as_the_button_says_it(page, server):
    """It was offered in American wording, and written in British. So are other words for doubtful ones, and words for none."""
    full = page_fixtures.analysis()
    three = next(word for word in full.transcript.words if word.text == "three")
    doubtful = (CriticalWord(three.start_s, three.end_s, "three", "number", 0.4, "thirteen"),)
    windows = tuple(replace(w, is_mismatch=w.is_mismatch or w.percentile is None) for w in full.alignment.windows)
    named = (replace(full.corrections[0], name="salbutamol"),)
    alignment = replace(full.alignment, windows=windows)
    stored = replace(full, corrections=named, critical_words=doubtful, alignment=alignment)
    server.stored.write_text(json.dumps(stored.to_dict()))
    show_example(page, STORED)
    page.locator("#wording").click()
    page.get_by_role("button", name="write albuterol into the transcript").click()
    page.locator(".segment", has_text="a fever on albuterol.").wait_for()
    page.wait_for_function("document.activeElement.matches('.ear .play')")  # the place that comes next
    page.get_by_role("button", name="Write thirteen into the transcript").press(
        "Enter"
    )  # a click could be the second of a double one
    page.locator(".segment", has_text="for thirteen").wait_for()
    page.get_by_role("button", name="Write what was said at place").click()
    page.keyboard.type("Take doxycycline twice a day.")
    page.locator(".edit-form").get_by_role("button", name="Save").click()
    page.locator(".segment", has_text="Take doxycycline twice a day.").get_by_text("nothing was written here").wait_for()
    page.locator("#wording", has_text="Wording: US").click()
    page.locator("#wording", has_text="Wording: UK").wait_for()


@pytest.mark.slow
def test_what_is_typed_outlasts_whatever_is_done_beside_it(result):
    """The transcript is written anew by another wording and by another segment's words."""
    first, second = (result.locator(".segment", has_text=words) for words in ("three weeks", "Any fever"))
    open_form(first)
    first.locator("textarea").fill("I have had a cough for two weeks.")
    open_form(second)
    assert result.locator(".edit-form").count() == 2
    second.locator("textarea").fill("Any sweats?")
    result.locator("#wording").click()
    result.locator("#overview .entry", has_text="Dyspnea").wait_for()
    assert [form.input_value() for form in result.locator(".edit-form textarea").all()] == [
        "I have had a cough for two weeks.", "Any sweats?",
    ]  # fmt: skip
    second.get_by_role("button", name="Save").click()
    result.locator(".badge", has_text="edited").wait_for()
    (form,) = result.locator(".edit-form").all()
    assert form.locator("textarea").input_value() == "I have had a cough for two weeks."
    form.get_by_role("button", name="Save").click()
    result.locator(".segment", has_text="two weeks").locator(".badge").wait_for()
    assert not result.locator(".edit-form").count()
    result.locator("#wording").click()
    result.locator("#overview .entry", has_text="Dyspnoea").wait_for()


def test_what_is_typed_into_a_card_stays_until_it_is_changed_or_given_up(result):
    result.locator(".mention", has_text="shortness").first.click()
    line = result.locator("#card input")
    line.fill("short breaths")
    result.locator("#wording").click()
    result.get_by_role("dialog", name="Dyspnea").wait_for()
    assert line.input_value() == "short breaths" and line.evaluate("line => line === document.activeElement")
    result.locator(".mention", has_text="cough").first.click()
    assert result.locator("#card").get_by_text("Not saved yet").is_visible() and line.input_value() == "short breaths"
    result.locator("#wording").click()
    result.get_by_role("dialog", name="Dyspnoea").wait_for()
    result.locator("#card").get_by_role("button", name="Edit segment").click()
    assert result.locator(".edit-form textarea").input_value() == "Any fever or short breaths?"
    result.keyboard.press("Escape")
    assert not result.locator(".edit-form, #card").count()


def assert_picture_is_drawn(page, doubt: str) -> None:
    """Some of it is ink: voices, marks, orange where the ear is needed."""
    page.wait_for_function("document.querySelector('#strip canvas')?.width > 100")
    seen = page.evaluate(COLOURS)
    assert doubt in seen and len(seen) >= 5, seen


def test_the_picture_has_the_colours_of_the_page_and_its_width_and_paper_is_white_though_the_page_is_dark(shown, tab, server):
    assert_picture_is_drawn(shown, "194,78,0")
    with visit(tab, f"{server.url}/?__theme=dark") as page:
        page.set_viewport_size({"width": 390, "height": 850})
        assert_picture_is_drawn(page, "242,163,94")
        assert_fits(page, "390 wide")  # `test_page` looks at the light page's widths
        page.set_viewport_size(VIEWPORT)
        show_example(page, STORED)
        looks = """() => { const { backgroundColor } = getComputedStyle(document.body);
            const { color } = getComputedStyle(document.querySelector("#result-title"));
            const canvas = document.querySelector("#strip canvas"), { width, height } = canvas;
            const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, width, height).data.buffer);
            return [backgroundColor, color, pixels.filter(pixel => pixel === 0xff2c2016).length > 50]; }"""
        night = page.evaluate(looks)
        page.emulate_media(media="print")
        page.wait_for_function(
            "getComputedStyle(document.querySelector('#result-title')).color === 'rgb(22, 32, 44)'"
        )  # it fades
        assert page.evaluate(looks) == ["rgb(255, 255, 255)", "rgb(22, 32, 44)", True], "the picture has dark ink as well"
        assert page.locator("#findings").evaluate("part => getComputedStyle(part).display") == "block", "flex boxes are cut off"
        page.emulate_media(media="screen")
        page.wait_for_function("ink => getComputedStyle(document.querySelector('#result-title')).color === ink", arg=night[1])
        assert page.evaluate(looks) == night and not night[2]


def test_what_plays_and_what_is_ticked_is_seen(shown):
    """A stretch that has ended leaves its own row lit, words that are heard can be read, and a form is no row to play."""
    doubtful = shown.locator(".word", has_text="Monday.")
    looks = """word => { word.classList.add("is-heard"); const { color, backgroundColor } = getComputedStyle(word);
        word.classList.remove("is-heard"); return [color, backgroundColor]; }"""
    assert doubtful.evaluate(looks) == shown.locator(".word", has_text="asthma").evaluate(looks), "no band of a doubt"
    assert {box.evaluate("box => getComputedStyle(box).appearance") for box in shown.locator(".filter input").all()} == {"auto"}
    open_form(shown.locator(".segment").nth(1))
    shown.locator(".edit-form textarea").click()
    assert shown.evaluate("window.seeks.length") == 0, "typing plays nothing"
    shown.keyboard.press("Escape")
    shown.evaluate("window.medalignPlay(20.5, 20.8)")  # to the end of its segment; the player stops when it has passed it
    shown.wait_for_function("document.querySelector('#player audio').paused")
    shown.evaluate("""() => { const audio = document.querySelector("#player audio");
        Object.defineProperty(audio, "currentTime", { get: () => 20.9, configurable: true });
        audio.dispatchEvent(new Event("timeupdate")); delete audio.currentTime; }""")
    assert "Monday" in shown.locator(".segment.is-current").inner_text(timeout=2000)
    try:
        shown.set_viewport_size({"width": 320, "height": 800})
        shown.wait_for_function("document.documentElement.scrollWidth <= 320")
        widths = (
            "() => ['.toggle-play', '.rate'].map(place => document.querySelector(`#player ${place}`).getBoundingClientRect())"
        )
        play, speed = shown.evaluate(widths)
        assert play["width"] == 44 and speed["right"] <= 320 - 16, "the player has room"
        shown.emulate_media(media="print")
        hidden = ("#start", "#panes", "#player", ".exports", ".ear [data-send]", ".segment .tools")
        assert not [place for place in hidden if shown.locator(place).first.is_visible()], "paper cannot be pressed"
        whole = "list => list.scrollHeight <= list.clientHeight + 1"
        assert shown.locator("ol.segments").evaluate(whole) and shown.locator(".ear ol").is_visible()
    finally:
        shown.emulate_media(media="screen")
        shown.set_viewport_size({"width": 1440, "height": 900})


def test_who_leaves_with_a_result_of_their_own_or_with_ratings_is_asked(page, server, tone, store):
    wait_for_result(page)
    assert not page.evaluate(LEAVING), "an example is there again at any time"
    page.locator(".mention", has_text="cough").first.click()
    page.locator("#card").get_by_role("button", name="Cough: Right").click()
    page.locator("#card [role=status]", has_text="stored").wait_for()
    assert page.evaluate(LEAVING), "what was rated could be undone here"
    page.keyboard.press("Escape")
    upload(page, tone)
    page.get_by_role("button", name="Analyse", exact=True).click()
    wait_for_result(page)
    wait_until_free(page)
    assert page.evaluate(LEAVING), "not taken home"
    with page.expect_download():
        take_home(page, "JSON")
    assert not page.evaluate(LEAVING)
    kept = page.evaluate("Object.values({ ...sessionStorage })")
    assert len(kept) == 1 and re.fullmatch(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}", kept[0]), "the code, and nothing clinical"


@pytest.mark.slow
def test_who_leaves_with_words_that_are_not_kept_is_asked(result):
    asks = """() => { const leaving = new Event("beforeunload", { cancelable: true });
        window.dispatchEvent(leaving); return leaving.defaultPrevented; }"""
    open_form(result.locator(".segment").first)
    assert not result.evaluate(asks)
    result.locator(".edit-form textarea").fill("Good day.")
    assert result.evaluate(asks), "typed, and not saved"
    result.keyboard.press("Escape")
    assert not result.evaluate(asks)
    result.locator("#missing > button").click()
    result.locator("#missing-label").get_by_role("textbox").fill("Insomnia")
    assert result.evaluate(asks), "named, and not added"
    result.locator("#missing-label").get_by_role("textbox").fill("")
    result.locator(".word", has_text="Monday.").click()
    result.locator("#card").get_by_label("Written").fill("Tuesday")
    result.keyboard.press("Enter")
    result.locator(".segment", has_text="on Tuesday.").wait_for()
    assert result.evaluate(asks), "changed, and not taken home"
    with result.expect_download():
        take_home(result, "JSON")
    assert not result.evaluate(asks)
    result.get_by_role("button", name="write amoxicillin").wait_for(state="detached")
    open_form(result.locator(".segment", has_text="three weeks"))
    result.locator(".edit-form textarea").fill("I have had a cough for two weeks.")
    result.get_by_role("button", name="Save, and read again").click()
    result.locator(".segment", has_text="two weeks").wait_for()
    assert result.evaluate(asks), "changed once more"
    press_example(result, STORED)
    question = result.get_by_role("dialog", name="Replace the result on the page?")
    assert "not exported" in question.inner_text() and "typed" not in question.inner_text()
    question.get_by_role("button", name="Keep this result").click()
    assert result.evaluate("document.activeElement.matches('.example')") and not question.count()
    assert result.locator(".segment", has_text="two weeks").count() and not result.locator("[data-old]").count()
    for _ in range(2):
        result.locator(".segment").get_by_role("button", name="Undo").click()
        result.locator("#status", has_text="As it was before").wait_for(state="attached")
    result.locator(".original").wait_for(state="detached")
    assert not result.evaluate(asks), "all of it is taken back"
    open_form(result.locator(".segment").first)
    result.locator(".edit-form textarea").fill("Good day.")
    press_example(result, STORED)
    assert "typed" in question.inner_text()
    question.get_by_role("button", name="Replace it").click()
    wait_for_result(result)
    assert STORED in result.locator("#result-title").inner_text()


def test_a_card_tells_of_a_mention_and_goes_on_by_the_keyboard(shown):
    mention = shown.locator(".mention", has_text="shortness").first
    mention.focus()
    shown.keyboard.press("Enter")
    card = shown.get_by_role("dialog", name="Dyspnoea")
    assert "said “no”" in card.inner_text() and "9 in 10" in card.inner_text()
    assert card.locator(".rating").all_inner_texts() == ["Right", "Not said", "Other status"]
    assert all(button.bounding_box()["height"] >= 24 for button in card.locator(".rating").all())
    assert mention.get_attribute("aria-expanded") == "true"
    assert_accessible(shown, within="#card")  # what is behind it, `test_page` looks at
    shown.keyboard.press("ArrowLeft")
    shown.get_by_role("dialog", name="Fever").wait_for(timeout=5000)
    stops = "[...document.querySelectorAll('#card :is(button, input, summary)')].filter(part => part.checkVisibility())"
    reached = set()
    for _ in range(n := shown.evaluate(f"{stops}.length")):
        shown.keyboard.press("Tab")
        reached.add(shown.evaluate(f"{stops}.indexOf(document.activeElement)"))
    assert reached == set(range(n)), "round and round, past nothing that is there and never out of it"
    shown.locator("#card").get_by_role("button", name="Other status").click()
    shown.locator("#card", has_text="Rather:").wait_for()
    assert_words_are_seen(shown, shown.locator(".mention[aria-expanded=true]"), 900)
    shown.keyboard.press("Escape")
    shown.keyboard.press("Escape")
    assert shown.locator("#card").count() == 0
    assert "fever" in shown.locator(".mention:focus").inner_text(), "the focus is where the reader was"
    shown.set_viewport_size({"width": 720, "height": 450})  # as 1440 x 900 is at twice the size
    open_pane(shown, "transcript")
    mention.click()
    assert_words_are_seen(shown, mention, 450)
    shown.keyboard.press("Escape")
    shown.set_viewport_size(VIEWPORT)


def assert_words_are_seen(shown, words, height: int) -> None:
    """All of the card can be reached, in a window so high, and it does not lie on its words."""
    boxes = [part.bounding_box() for part in (shown.locator("#card"), words)]
    (top, bottom), (words_top, words_bottom) = ((box["y"], box["y"] + box["height"]) for box in boxes)
    assert top >= 0 and bottom <= height and (bottom <= words_top or top >= words_bottom), boxes
    right = boxes[0]["x"] + boxes[0]["width"]
    assert right <= shown.evaluate("document.documentElement.clientWidth"), "nor under the bar that scrolls the page"


def test_the_list_for_the_ear_leads_to_the_words(shown):
    shown.locator(".ear li").nth(0).hover()
    shown.get_by_role("button", name="Change what is written at place 1").click()
    assert "sounds like amoxicillin" in shown.locator("#card").inner_text()
    shown.keyboard.press("Escape")
    assert shown.evaluate("document.activeElement.matches('.ear li:first-child .play')"), "one goes on in the list"
    shown.locator(".ear li").nth(1).hover()
    shown.get_by_role("button", name="Change what is written at place 2").click()
    assert shown.locator(".edit-form textarea").input_value() == page_fixtures.LINES[1][2], "of a segment, all its words"
    shown.keyboard.press("Escape")
    in_sight = """selector => { const box = document.querySelector(selector).getBoundingClientRect();
        const above = ["#recording", "#player", "#panes"].map(place => document.querySelector(place).getBoundingClientRect());
        return [box.top - Math.max(...above.map(place => place.bottom)), innerHeight - box.bottom]; }"""
    try:
        for width, height in ((1440, 900), (390, 844)):
            shown.set_viewport_size({"width": width, "height": height})
            for place in (2, 3):
                if width < 760:
                    open_pane(shown, "ear")
                shown.locator(".ear li").nth(place - 1).hover()
                shown.get_by_role("button", name=f"Change what is written at place {place}").click()
                assert min(shown.evaluate(in_sight, ".edit-form")) >= 0, f"below what stays at the top, {width} px, {place}"
                assert shown.locator(".edit-form textarea").evaluate("field => field === document.activeElement")
                shown.keyboard.press("Escape")
        shown.set_viewport_size(VIEWPORT)
        shown.evaluate("scrollTo(0, document.querySelector('.segments').getBoundingClientRect().top + scrollY - 150)")
        shown.evaluate("window.medalignPlay(20.0, 21)")  # the box of the transcript begins behind the picture
        shown.wait_for_function("document.querySelector('.segment.is-current')?.textContent.includes('Monday')")
        assert min(shown.evaluate(in_sight, ".segment.is-current")) >= 0, "what plays is seen"
    finally:
        shown.set_viewport_size(VIEWPORT)


SIZES = """() => [...new Set([...document.querySelectorAll(".gradio-container *")].filter(element =>
    element.getClientRects().length && !element.closest("svg, .unseen") &&
    [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .map(element => getComputedStyle(element).fontSize))]"""
# In a line of text a target is as high as its letters; a box is hit by its label.
LOW = """() => [...document.querySelectorAll("button, summary, select, input, a")].filter(element => {
    const { width, height } = (element.closest("label") ?? element).getBoundingClientRect();
    const isSeen = width && height && getComputedStyle(element).visibility !== "hidden";
    return isSeen && Math.min(width, height) < 24 && !element.closest(".segment, p, [aria-hidden], .unseen, .skip");
}).map(element => `${element.ariaLabel ?? element.textContent} ${element.closest("[id]").id}`)"""


def test_letters_have_five_sizes_and_what_is_pressed_is_high_enough(shown):
    sizes, low = set(), []
    for name in ("Analyse", "Check a note", "Compare", "Results", "Analyse"):
        shown.get_by_role("tab", name=name).click()
        sizes |= set(shown.evaluate(SIZES))
        low += shown.evaluate(LOW)
    assert len(sizes) <= 5, sorted(sizes)
    shown.locator("[data-panel]").first.click()
    shown.locator("#consent input").check()
    low += shown.evaluate(LOW)
    shown.keyboard.press("Escape")
    assert not low


def test_a_phone_on_its_side_has_the_picture_on_its_first_screen_and_one_part_at_a_time(shown):
    try:
        shown.set_viewport_size({"width": 844, "height": 390})
        picture = shown.locator("#strip canvas").bounding_box()
        assert picture["y"] + 100 < 390, "the words and the waveform"
        open_pane(shown, "transcript")
        assert shown.locator("#transcript .segment").first.is_visible() and not shown.locator("section.summary").is_visible()
        open_pane(shown, "summary")
    finally:
        shown.set_viewport_size(VIEWPORT)


def test_filters_narrow_the_table_and_say_so(shown):
    all_rows = shown.locator(f"#concepts {VISIBLE}").count()
    shown.locator("[data-filter=agreement]").select_option("teacher_only")
    labels = [row.inner_text().split("\n")[0] for row in shown.locator(f"#concepts {VISIBLE}").all()]
    assert labels == ["Fever", "Amoxicillin", "Asthma"]
    assert f"3 of {all_rows}" in shown.locator(".filtered").inner_text()
    assert not shown.locator("tbody.section-present").is_visible(), "a section without rows is no section"
    shown.locator("[data-filter=status]").select_option("family")
    assert shown.locator(f"#concepts {VISIBLE}").count() == 1
    for name in ("agreement", "status"):
        shown.locator(f"[data-filter={name}]").select_option("")
    assert shown.locator(".filtered").inner_text() == ""


def test_why_shows_words_for_and_against_and_draws(shown):
    shown.locator(".segment", has_text="three weeks").locator("[data-send=why]").click()
    shown.locator("#words-time .heatmaplayer image").wait_for(state="attached")
    assert shown.locator("#words-support .bars .point").count() == 13
    assert shown.locator("#others .bars .point").count() > 5
    assert "three weeks" in shown.locator("#why").inner_text()
    shown.locator("#why .folded summary").click()
    word = shown.locator("#why td button.play", has_text="cough")
    word.click()
    wait_until_playing_from(shown, float(word.get_attribute("data-start")))


def test_the_map_has_two_points_a_segment_and_a_table(shown):
    n = len(page_fixtures.LINES)
    assert shown.locator("#map .scatterlayer .point").count() == 2 * n
    assert shown.locator("#map .scatterlayer .js-line").count() >= 1


def test_the_heard_signs_have_a_lane_on_the_timeline(shown):
    figure = "document.querySelector('#timeline .js-plotly-plot')"
    lane = shown.evaluate(f"{figure}.data.find(trace => trace.name === 'heard, not said')")
    assert list(lane["text"]) == ["cough"]


def test_a_phrase_is_searched_for_and_doubt_is_said(shown):
    shown.locator("#phrase").get_by_role("textbox").fill("  three   week ")
    shown.keyboard.press("Enter")
    written, hits = (shown.locator(".found > div > div").nth(i).locator("li") for i in range(2))
    hits.first.wait_for()
    assert written.count() == 1 and "cough for three weeks" in written.inner_text()
    assert "sounds like it" in hits.nth(0).inner_text() and not hits.nth(1).is_visible()
    shown.locator(".found summary").click()
    assert "probably not said here" in hits.nth(1).inner_text()
    hits.first.locator("button").click()
    wait_until_playing_from(shown, 15.0)
    shown.locator("#phrase").get_by_role("textbox").fill(" ")
    shown.locator("#search-go").click()
    shown.locator(".found").wait_for(state="detached")
    assert not shown.locator("#alert .alert").count()


@pytest.mark.parametrize(
    ("name", "ending", "within"),
    [
        ("JSON", "json", '"schema_version"'),
        ("CSV", "csv", "Dyspnea"),
        ("Captions", "vtt", "WEBVTT"),
        ("FHIR R4", "fhir.json", '"resourceType": "Bundle"'),
        ("Text", "txt", "USE YOUR EAR"),
    ],
)
def test_the_result_can_be_taken_home(shown, name, ending, within):
    with shown.expect_download() as download:
        take_home(shown, name)
    assert download.value.suggested_filename == f"consultation.medalign.{ending}"
    body = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert within in body and "Not a medical device" in body


def test_the_summary_is_copied_as_plain_text(shown):
    shown.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.locator("#exports summary", has_text="Export").click()
    shown.get_by_role("button", name="Copy summary").click()
    shown.get_by_role("button", name="Copied").wait_for()
    assert shown.evaluate("navigator.clipboard.readText()") == to_text(reworded(page_fixtures.analysis(), "UK"))
    shown.context.clear_permissions()


def test_the_summary_prints_on_one_page_with_the_picture(shown):
    shown.evaluate("window.printed = 0")
    shown.evaluate(
        """() => new MutationObserver(() => {
            const frame = document.querySelector("#print-frame");
            if (frame && !frame.watched) {
                frame.watched = true;
                frame.addEventListener("load", () => { frame.contentWindow.print = () => { window.printed += 1; }; });
            }
        }).observe(document.body, { childList: true })"""
    )
    shown.get_by_role("button", name="Print", exact=True).click()
    shown.wait_for_function("window.printed === 1")
    inside = shown.frame_locator("#print-frame")
    picture = inside.locator("figure img")
    assert picture.count() == 1 and picture.evaluate("image => image.naturalWidth") == 3000
    n = shown.locator(".ear li").count()
    assert f"use your ear ({n})" in inside.locator("figcaption").inner_text()
    html = shown.evaluate("document.querySelector('#print-frame').contentDocument.documentElement.outerHTML")
    assert "Not a medical device" in html and "Cough" in html
    paper = shown.context.new_page()
    paper.set_content(html)
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", paper.pdf(format="A4"))
    paper.close()
    assert len(pages) == 1
    shown.evaluate("document.querySelector('#print-frame').remove()")


def test_what_is_judged_acts_wherever_the_result_is_shown_and_is_undone_with_one_key(result):
    """One page, several looks: the glance, the list, the picture, the exports, and the way back."""
    glance, ear = result.locator("section.summary"), result.locator(".ear")
    n = ear.locator("li").count()
    assert all("it is right" not in text.lower() for text in ear.locator("[data-send=settle]").all_inner_texts())
    assert ear.locator("[data-send=settle]").count() == n, "each place can be found right"
    top = "list => list.getBoundingClientRect().top + scrollY"
    before = ear.evaluate(top)
    ear.get_by_role("button", name="Keep: “Monday”").click()
    ear.locator(".news", has_text="Undo: Keep “Monday”").wait_for()
    assert ear.locator("li").count() == n - 1 and result.locator(".word[data-accept]").count() == 0
    assert ear.evaluate(top) == before, "pushed down, the next press would take another row than the one that is meant"
    cough = result.locator("tr.row", has_text="Cough")
    struck = "row => getComputedStyle(row.querySelector('strong')).textDecorationLine"
    cough.locator("[data-verdict=wrong]").click()
    cough.locator(".you", has_text="not said").wait_for()
    assert "Cough" not in glance.inner_text() and result.locator(".mention.is-judged", has_text="cough").count()
    picture = "() => JSON.parse(document.querySelector('#strip .strip').dataset.strip).said.map(mark => mark[2])"
    assert "Cough" not in result.evaluate(picture)
    fever = result.locator("tr.row", has_text="Fever")
    fever.locator("[data-verdict=wrong_status]").click()
    fever.get_by_role("button", name="Denied").click()
    glance.locator("div", has_text="Denied").get_by_text("Fever").wait_for()
    fever.locator(".you", has_text="denied").wait_for()
    assert (cough.evaluate(struck), fever.evaluate(struck)) == ("line-through", "none"), "it was said"
    with result.expect_download() as download:
        take_home(result, "Text")
    told = Path(download.value.path()).read_text(encoding="utf-8")
    assert "not said: Cough" in told and "Fever is denied" in told and "1 place heard and right" in told
    for left in (1, 0):
        result.locator("body").press("u")
        result.wait_for_function("n => document.querySelectorAll('#concepts .you').length === n", arg=left)
    result.locator("body").press("u")
    glance.locator(".entry", has_text="Cough").wait_for()
    ear.get_by_role("button", name="Keep: “Monday”").wait_for()
    result.locator(".you").first.wait_for(state="detached")
    assert ear.locator("li").count() == n


def rate(page, label: str, verdict: str) -> None:
    button = page.locator("tr.row", has_text=label).locator(f"[data-verdict={verdict}]")
    button.click()
    page.wait_for_function(
        "([label, verdict]) => [...document.querySelectorAll('tr.row')].some(r => r.innerText.startsWith(label) && "
        "r.querySelector(`[data-verdict=${verdict}][aria-pressed=true]`))",
        arg=[label, verdict],
    )


def code_of(page) -> str:
    return page.locator("#ratings code").first.inner_text()


def test_ratings_are_stored_with_the_scores_shown_changed_undone_and_withdrawn(result, store):
    result.locator(".mention", has_text="cough").first.click()
    result.locator("#card").get_by_role("button", name="Cough: Right").click()
    result.locator("#card [role=status]", has_text="stored").wait_for()
    result.keyboard.press("Escape")
    rate(result, "Fever", "wrong")
    code = code_of(result)
    assert re.fullmatch(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}", code)
    rows = store.table("ratings").set_index("label")
    assert rows.loc["Cough", "verdict"] == "correct" and rows.loc["Cough", "teacher_probability"] == 0.96
    assert rows["span_text"].isna().all(), "nobody agreed to keep words"
    rate(result, "Fever", "correct")
    assert store.table("ratings").set_index("label").loc["Fever", "verdict"] == "correct"
    result.locator("#undo").click()
    result.locator("#ratings", has_text="It was not said").wait_for()
    assert store.table("ratings").set_index("label").loc["Fever", "verdict"] == "wrong"
    result.reload()  # which the browser asks about
    unfold(result, "feedback")
    field = result.locator("#code").get_by_role("textbox")
    result.wait_for_function("code => document.querySelector('#code :is(input, textarea)')?.value === code", arg=code)
    field.fill(" ")
    result.locator("#withdraw").click()
    result.locator("#answer-back", has_text="Give the code first").wait_for()
    field.fill(code.lower())
    result.locator("#withdraw").click()
    result.locator("#answer-back", has_text="Withdrawn").wait_for()
    unfold(result, "concepts")
    assert store.table("ratings").empty
    assert result.locator("button.rating[aria-pressed=true]").count() == 0
    rate(result, "Cough", "correct")
    code = code_of(result)
    show_example(result, STORED)
    unfold(result, "concepts")
    result.locator("tr button.rating").first.wait_for()
    assert not result.locator("button.rating[aria-pressed=true]").count(), "rated was the other result"
    rate(result, "Fever", "wrong")
    assert code_of(result) == code and len(store.table("ratings")) == 2, "one code for all that a reader says"
    result.reload()
    wait_for_result(result)
    unfold(result, "feedback", "concepts")
    result.wait_for_function("code => document.querySelector('#code :is(input, textarea)')?.value === code", arg=code)
    rate(result, "Asthma", "correct")
    assert code_of(result) == code
    result.locator("#withdraw").click()
    result.locator("#answer-back", has_text="3 entries deleted").wait_for()
    assert store.table("ratings").empty and not result.locator("#code").get_by_role("textbox").input_value()


def test_ratings_of_every_kind_are_stored_and_withdrawn(result, store):
    """On one page: to open it anew costs seconds."""
    another_status_is_stored_once_it_is_named_and_undone_where_it_was_pressed(result, store)
    for rate_something in (
        details_go_to_the_last_rating_or_to_one_that_is_chosen,
        a_missing_concept_is_marked_by_its_words,
        the_whole_is_rated_and_an_empty_form_is_refused,
        keys_rate_and_move_but_never_while_somebody_types,
    ):
        assert store.table("ratings").empty
        rate_something(result, store)
        withdraw(result)
    assert store.table("ratings").empty and store.table("recordings").empty


def withdraw(page) -> None:
    page.locator("#code").get_by_role("textbox").fill(code_of(page))
    page.locator("#withdraw").click()
    page.locator("#ratings", has_text="Withdrawn").wait_for()


def another_status_is_stored_once_it_is_named_and_undone_where_it_was_pressed(result, store):
    row = result.locator("tr.row", has_text="Dyspnoea")
    row.locator("[data-verdict=wrong_status]").first.click()
    choices = row.locator(".which button")
    assert "Denied" not in choices.all_inner_texts(), "the status that the row has already is no other one"
    assert store.table("ratings").empty, "nothing is stored before the right status is named"
    result.keyboard.press("Escape")
    assert not choices.count()
    row.locator("[data-verdict=wrong_status]").first.click()
    row.get_by_role("button", name="In the past").click()
    row.locator(".kept", has_text="stored").wait_for()
    assert code_of(result) in row.locator(".kept").inner_text(), "the code stands where the press was"
    assert store.table("ratings")["right_status"].tolist() == ["historical"]
    result.locator("#undo").click()
    row.locator(".kept", has_text="taken back").wait_for()
    assert "Stored" not in result.locator("#feedback").inner_text()


def details_go_to_the_last_rating_or_to_one_that_is_chosen(result, store):
    rate(result, "Cough", "correct")
    row = result.locator("tr.row", has_text="Dyspnoea")
    row.locator("[data-verdict=wrong_status]").first.click()
    row.get_by_role("button", name="Over", exact=True).click()
    row.locator(".kept", has_text="stored").wait_for()
    result.locator("#more").get_by_role("button").first.click()
    result.get_by_text("Could change what is done").click()
    result.locator("#right-status").get_by_role("combobox").click()
    result.locator("#right-status").get_by_role("option", name="Present", exact=True).click()
    result.locator("#comment").get_by_role("textbox").fill("It was there on the stairs.")
    result.locator("#save-more").click()
    result.locator("#ratings", has_text="rather present").wait_for()
    row = store.table("ratings").set_index("label").loc["Dyspnea"]
    assert (row["verdict"], row["right_status"], row["severity"]) == ("wrong_status", "present", "major")
    assert row["comment"] == "It was there on the stairs."
    result.locator("#which-row").get_by_role("combobox").click()
    result.locator("#which-row").get_by_role("option", name=re.compile("^Cough")).click()
    result.locator("#comment").get_by_role("textbox").fill("For three weeks.")
    result.locator("#save-more").click()
    result.wait_for_function("!document.querySelector('#comment textarea').value")
    comments = store.table("ratings").set_index("label")["comment"]
    assert comments["Cough"] == "For three weeks." and comments["Dyspnea"] == "It was there on the stairs."


def a_missing_concept_is_marked_by_its_words(result, store):
    result.locator("#keep-span input").check()
    result.locator("#missing").get_by_role("button").first.click()
    result.evaluate(
        """() => { const all = [...document.querySelectorAll(".segment:nth-child(2) .word")];
            const words = all.filter(word => /^(keeps|me|awake)/.test(word.textContent));
            getSelection().setBaseAndExtent(words[0], 0, words.at(-1), 1); }"""
    )
    result.get_by_role("button", name="Take the place from the page").click()
    said = "document.querySelector('#missing-text textarea, #missing-text input').value"
    result.wait_for_function(f"{said}.startsWith('keeps me awake')")
    result.locator("#answer-added", has_text="The place is 0:0").wait_for()
    result.wait_for_function("document.activeElement.closest('#missing-label')")
    result.keyboard.type("Insomnia")
    result.locator("#missing-add").click()
    result.locator("#ratings", has_text="Insomnia").wait_for()
    row = store.table("ratings").set_index("label").loc["Insomnia"]
    result.locator("#answer-added", has_text=code_of(result)).wait_for()
    result.locator(".summary div", has_text="Added by you").get_by_role("button", name="Insomnia").wait_for()
    assert result.locator("#missing-label").get_by_role("textbox").input_value() == "" and not result.evaluate(said)
    assert row["verdict"] == "missing" and row["span_text"] == "keeps me awake." and 5 < row["start_s"] < row["end_s"] < 13
    result.evaluate("getSelection().empty(); document.querySelector('#player audio').currentTime = 20")
    result.get_by_role("button", name="Take the place from the page").click()
    result.locator("#answer-added", has_text="The place is 0:17").wait_for()
    for label in ("Heard", "Named alone"):  # where the player is, and without a place
        result.locator("#missing-label").get_by_role("textbox").fill(label)
        result.locator("#missing-add").click()
        result.locator("#ratings", has_text=label).wait_for()
        result.wait_for_function("!document.querySelector('#missing-label :is(textarea, input)').value")
    places = store.table("ratings").set_index("label")[["start_s", "end_s"]]
    assert places.loc["Heard"].tolist() == [17, 20] and places.loc["Named alone"].isna().all()


def the_whole_is_rated_and_an_empty_form_is_refused(result, store):
    result.locator("#whole").get_by_role("button").first.click()
    result.locator("#whole-send").click()
    result.locator("#answer-sent[role=status]", has_text="nothing is rated yet").wait_for()
    result.locator("#whole-useful").get_by_text("4", exact=True).click()
    result.locator("#whole-comment").get_by_role("textbox").fill("A clear picture.")
    result.locator("#whole-send").click()
    result.locator("#ratings", has_text="useful 4").wait_for()
    result.locator("#answer-sent", has_text=code_of(result)).wait_for()
    press, answer = (result.locator(place).bounding_box() for place in ("#whole-send", "#answer-sent"))
    assert 0 <= answer["y"] - press["y"] - press["height"] < 40, "where the press was made"
    assert result.locator("#whole-comment").get_by_role("textbox").input_value() == ""
    assert not result.locator("#whole-useful input:checked").get_attribute("value")
    assert store.table("recordings")["useful"].tolist() == [4]


def keys_rate_and_move_but_never_while_somebody_types(result, store):
    result.locator("body").press("j")
    row = result.locator("tr.row:focus")
    assert row.inner_text().startswith("Cough")
    result.keyboard.press("c")
    result.locator("#ratings", has_text="Cough").wait_for()
    result.locator("#phrase").get_by_role("textbox").click()
    result.keyboard.type("wcs?u")
    assert result.locator("#phrase").get_by_role("textbox").input_value() == "wcs?u"
    assert not result.locator("#help").is_visible()
    assert store.table("ratings")["verdict"].tolist() == ["correct"]
    result.locator("#help-open").click()
    result.locator("#shortcuts-on").uncheck()
    result.locator("#help-close").click()
    result.locator("tr.row").first.focus()
    result.keyboard.press("w")
    result.wait_for_timeout(500)
    assert store.table("ratings")["verdict"].tolist() == ["correct"], "switched off"
    result.keyboard.press("?")
    assert result.locator("#help").is_visible(), "the sheet itself stays reachable"
    assert result.evaluate("document.activeElement.id") == "help-title", "it is read from its beginning"
    result.locator("#shortcuts-on").check()
    result.keyboard.press("Escape")


def test_a_concept_has_one_line_on_a_screen_and_three_on_a_phone(shown):
    rows = "[...document.querySelectorAll('tr.row')].filter(row => row.offsetHeight).map(row => row.offsetHeight)"
    unfold(shown, "concepts")
    shown.locator("tr.row").first.wait_for()
    heights = shown.evaluate(rows)
    assert heights and max(heights) <= 40, heights
    try:
        shown.set_viewport_size({"width": 390, "height": 844})
        open_pane(shown, "more")
        shown.wait_for_function(f"Math.max(...{rows}) > 40")
        assert max(shown.evaluate(rows)) <= 110
    finally:
        shown.set_viewport_size({"width": 1440, "height": 900})


def test_the_pencil_opens_all_words_of_its_place_and_a_doubtful_one_has_no_others(shown):
    pencil = shown.locator(".ear [data-at]:not([data-segment], [data-gap])").first
    kept = pencil.evaluate("button => ({ ...button.dataset })")
    pencil.evaluate("button => Object.assign(button.dataset, { at: '1.00', until: '2.20' })")  # as of a place of three words
    pencil.evaluate("button => button.click()")
    assert shown.locator("#card").get_by_label("Written").input_value() == "Good morning, what"
    shown.keyboard.press("Escape")
    pencil.evaluate("(button, kept) => Object.assign(button.dataset, kept)", kept)
    shown.locator(".word", has_text="awake.").click()
    shown.locator("#card", has_text="The recogniser has no other words for this").wait_for()
    shown.keyboard.press("Escape")


def test_keys_open_the_folds_in_which_they_act(page):
    page.locator("body").press("j")
    page.locator("tr.row:focus", has_text="Cough").wait_for()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.segment .mention'))")
    page.keyboard.press("m")
    said = "document.querySelector('#missing-text textarea, #missing-text input')?.value"
    page.wait_for_function(f"{said} === 'cough'")
    field = page.locator("#missing-label :is(textarea, input)")
    page.wait_for_function("document.activeElement.closest('#missing-label')")
    box = field.bounding_box()
    assert box and 0 < box["y"] < 900, "what is to be filled in is in sight"
    page.keyboard.type("itch")
    assert field.input_value() == "itch" and field.is_visible()
    page.keyboard.press("Escape")
    assert page.locator("tr.row:focus").inner_text().startswith("Cough"), "back where the key was pressed"
    page.keyboard.press("e")
    page.locator(".segment", has_text="cough for three weeks").locator(".edit-form textarea:focus").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    page.locator("#status .toast", has_text="There is nothing to undo").wait_for()


def test_own_recordings_need_the_notice_on_the_page(page, tone):
    open_panel(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        assert not page.evaluate("document.activeElement.closest('#inputs') !== null"), "the keyboard is locked out, too"
    page.get_by_role("button", name="Analyse").click()
    alert = page.locator("#alert[role=alert]")
    alert.get_by_text("Confirm the data notice first").wait_for()
    wait_until_free(page)
    acknowledge(page)
    page.locator("#consent input").focus()
    reached = False
    for _ in range(10):
        page.keyboard.press("Tab")
        reached = reached or page.evaluate("document.activeElement.closest('#inputs') !== null")
    assert reached
    page.get_by_role("button", name="Analyse").click()
    alert.get_by_text("There is no recording yet").wait_for()
    wait_until_free(page)
    page.locator("#consent input").uncheck()
    open_panel(page, "upload")
    assert page.evaluate("document.querySelector('#inputs').inert")
    page.locator("#upload input[type=file]").set_input_files(tone)
    alert.locator(".alert").wait_for(state="hidden")
    page.locator("#upload").get_by_text(".wav").wait_for()
    page.get_by_role("button", name="Analyse").click()
    page.locator("#alert", has_text="Confirm the data notice first").wait_for()
    assert page.locator("#result-title").inner_text().startswith(STORED), "nothing is shown of it"
    acknowledge(page, "upload")
    page.get_by_role("button", name="Analyse").click()
    page.locator("#alert .alert").wait_for(state="detached")
    wait_for_result(page)
    open_panel(page, "upload")
    assert not page.locator("#consent input").is_checked(), "the next recording is of another patient"


def test_delete_now_leaves_nothing_on_the_disk_and_stops_a_run_that_is_under_way(page, server, tmp_path, gradio_folder):
    own = page_fixtures.write_tone(tmp_path / "own.wav", 50.0)  # Gradio stores equal uploads once
    before = stored_files(gradio_folder)
    upload(page, own)
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)
    written = {path.name for path in stored_files(gradio_folder) - before}
    assert "own.wav" in written and "consultation.medalign.json" in written and "recording.wav" in written
    page.locator("#transcript button.mention").first.click()
    page.locator("#card .rating", has_text="Right").click()
    page.locator("#card .kept", has_text="stored").wait_for()
    code = page.locator("#ratings code").text_content()
    page.keyboard.press("Escape")
    delete_now(page)
    page.locator("#status", has_text="Deleted").wait_for()
    assert page.locator("#status code").inner_text() == code, "what is stored can be taken back still"
    assert page.locator("#result-title").count() == 0 and page.locator("#player audio").count() == 0
    assert not stored_files(gradio_folder) - before
    own = page_fixtures.write_tone(tmp_path / "slow.wav", 51.0)
    server.engine = FakeEngine(page_fixtures.analysis(), hold_at="transcribe")
    upload(page, own)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#status", has_text="Writing down").wait_for()
    delete_now(page)
    page.locator("#status", has_text="Deleted").wait_for()
    wait_until_free(page)
    server.engine.let_go()
    page.wait_for_timeout(1000)
    assert page.locator("#result-title").count() == 0, "nothing of the old run arrives later"
    assert not {path for path in stored_files(gradio_folder) if path.name == "slow.wav"}
    assert page.locator("#search-go").text_content().strip() == "Search", "the page keeps its own words"


def test_a_microphone_that_gives_nothing_is_named(tab, server):
    mute = another_tab(tab)
    mute.add_init_script(
        "if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = "
        "async () => new AudioContext().createMediaStreamDestination().stream"
    )
    mute.clock.install()
    with visit(mute, server.url) as page:
        acknowledge(page)
        page.locator("#microphone").get_by_role("button", name="Record").click()
        state = page.locator("#microphone-state")
        state.get_by_text("Sound arrives").wait_for()
        page.clock.fast_forward(4500)
        state.get_by_text("No sound arrives").wait_for()
    mute.close()


def test_a_refused_microphone_says_what_to_do(page):
    acknowledge(page)
    page.locator("#microphone").get_by_role("button", name="Record").click()
    page.locator("#microphone-state", has_text="refused").wait_for(timeout=15_000)


def test_no_accessibility_rule_is_broken_by_the_new_parts(result):
    rate(result, "Cough", "correct")
    unfold(result, "depth")
    result.locator(".segment").nth(1).locator("[data-send=why]").click()
    result.locator("#words-time .heatmaplayer image").wait_for(state="attached")
    open_form(result.locator(".segment").nth(2))
    for part in ("more", "missing", "whole"):
        result.locator(f"#{part}").get_by_role("button").first.click()
    assert_accessible(result, "best-practice", within="#fold-depth, .segments, #feedback")  # `test_page` looks at the rest
