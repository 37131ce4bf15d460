"""Comparing on the page: blind until the vote, locked until both sides were looked at, and the team's results."""

import re
from dataclasses import replace
from pathlib import Path

import gradio
import page_fixtures
import pytest
from browser import (
    VIEWPORT,
    ask_to_compare,
    assert_accessible,
    compare,
    delete_now,
    fake_server,
    show_example,
    visit,
    wait_until_playing_from,
    wait_until_votes_are_open,
)
from page_fixtures import Example, FakeEngine

from medalign.feedback.records import RecordingRating
from medalign.feedback.reliability import Bin, Reliability
from medalign.report.comparison import BlindOrder, candidates
from medalign.ui.comparison_state import ComparisonState, Entry
from medalign.ui.engine import Comparing
from medalign.ui.model_queue import ModelQueue
from medalign.ui.presses import Presses
from medalign.ui.tabs.compare_tab import CompareTab
from medalign.ui.tabs.own_receipt import OwnReceipt
from medalign.ui.wiring import bridge

NAMES = ("shipped (tiny.en)", "shipped with base", "unaligned encoder")


@pytest.fixture
def ready(shown):
    """An example is analysed, and the second tab is open."""
    shown.get_by_role("tab", name="Compare").click()
    yield shown
    shown.get_by_role("tab", name="Analyse").click()


def test_blind_names_appear_only_after_the_vote_which_is_stored_with_the_order(ready, store):
    fields = [ready.locator(f"#candidate-{i}").get_by_role("combobox") for i in (0, 1)]
    for field in fields:
        field.click()
        ready.locator("[role=listbox]").first.wait_for()
        ready.keyboard.press("Tab")
    fields[1].press("Tab")
    ready.wait_for_function("!document.querySelector('[role=listbox]')")  # whoever tabs on leaves no list open
    assert ready.locator("#compared-recording").inner_text() == (
        "Compared: the example Stored, since you have read the words of Live."
    )
    compare(ready, *NAMES[:2])
    ready.locator("#comparison [role=status]:focus").wait_for()
    assert not ready.locator("#comparison .strip").count(), "what the sound has would name a model"
    shown = ready.locator("#comparison").inner_text()
    assert "Model on the left" in shown and not any(name in shown for name in NAMES)
    assert "MB" not in shown, "size and time would give it away"
    assert not ready.locator("#pair").is_visible() and ready.locator("#pair-hidden").is_visible(), "it names two models"
    told = ready.locator("#compare-sound").inner_text()
    assert "“Stored”" in told and "Live" not in told, "why it is another is told once, above"
    ready.locator("#comparison .play").first.click()
    ready.wait_for_function("!document.querySelector('#compare-sound audio').paused")
    assert ready.evaluate("document.querySelector('#player audio').paused"), "which has the other recording"
    wait_until_votes_are_open(ready)
    ready.locator("#vote-why").get_by_role("textbox").fill("it has the cough")
    assert ready.locator("#vote-why").bounding_box()["y"] < ready.locator("#vote-a").bounding_box()["y"], "before it is sent"
    ready.locator("#vote-a").click()  # the left one
    ready.locator("#compare-status", has_text="keep this code").wait_for()
    shown = ready.locator("#comparison").inner_text()
    assert NAMES[0] in shown and NAMES[1] in shown and "100 MB" in shown
    assert ready.locator("#pair").is_visible() and not ready.locator("#pair-hidden").is_visible()
    (vote,) = store.table("votes").to_dict("records")
    assert vote["blind"] and vote["choice"] == vote["left"] and vote["comment"] == "it has the cough"
    left = ready.locator(".side[data-side=left] h3").inner_text()
    assert left == (NAMES[0] if vote["left"] == "a" else NAMES[1])
    assert ready.locator("#vote-b").is_disabled(), "one vote per comparison"
    assert ready.locator("#vote-why").get_by_role("textbox").is_disabled(), "what is typed now would go nowhere"
    assert ready.locator("#votes button", has_text="✓").all_inner_texts() == ["✓ Left is better (a)"], "one sees which"
    ready.get_by_role("button", name="Take back my votes").click()
    ready.locator("#compare-status", has_text="1 vote deleted").wait_for()
    assert store.table("votes").empty


def test_with_open_eyes_both_pictures_are_there_and_the_vote_says_that_it_is_not_ranked(ready, store):
    compare(ready, *NAMES[:2], blind=False)
    assert ready.locator("#compared-recording").inner_text() == "Compared: Live, as in the first tab."
    ready.wait_for_function(
        "[...document.querySelectorAll('#comparison canvas')].map(c => c.width > 600).join() === 'true,true'"
    )
    strip = ready.locator("#comparison canvas").first
    strip.click(position={"x": strip.bounding_box()["width"] / 2, "y": 60})
    ready.wait_for_function("!document.querySelector('#player audio').paused")
    heard = ready.locator("#comparison table").first.locator("tbody tr td:nth-child(5)").all_inner_texts()
    ready.locator("#comparison summary").first.click()
    cells = [
        ready.locator(f"#comparison .side-by-side tbody td:nth-of-type({i})", has_text=re.compile("words|both")) for i in (1, 2)
    ]
    assert [int(told.split(" of ")[1]) for told in heard] == [side.count() for side in cells], "as the rows show"
    wait_until_votes_are_open(ready)
    ready.locator("#vote-tie").click()
    ready.locator("#compare-status", has_text="It was not blind: the ranking under Results counts blind votes only").wait_for()
    assert store.table("votes")["blind"].tolist() == [False]


def test_votes_are_locked_until_both_sides_were_looked_at(ready, store):
    """On a phone the sides stand below each other, so that the second is looked at only when one gets there."""
    ready.set_viewport_size({"width": 390, "height": 400})
    compare(ready, *NAMES[:2])
    ready.locator(".side[data-side=left]").scroll_into_view_if_needed()
    ready.locator(".side[data-side=left][data-reported]").wait_for()
    ready.wait_for_timeout(1000)
    assert ready.locator("#vote-tie").is_disabled()
    ready.locator("body").press("t")
    ready.wait_for_timeout(500)
    assert store.table("votes").empty, "keys obey the same lock"
    ready.locator(".side[data-side=right]").focus()
    ready.wait_for_function("!document.querySelector('#vote-tie').disabled", timeout=15_000)
    ready.locator("body").press("t")
    ready.locator("#compare-status", has_text="keep this code").wait_for()
    assert store.table("votes")["choice"].tolist() == ["tie"]
    ready.set_viewport_size(VIEWPORT)


def test_votes_open_in_whatever_order_the_answers_to_two_looks_arrive(store):
    with gradio.Blocks():
        receipt = OwnReceipt(store)
        receipt.field.render()
        tab = CompareTab(
            Comparing(page_fixtures.load_candidate),
            ModelQueue(),
            gradio.State(),
            Presses(),
            (),
            bridge("delete"),
            receipt,
        )
    sides = [Entry(c, page_fixtures.load_candidate(c)[0].result, 1) for c in candidates()[:2]]
    comparison = ComparisonState(*sides, blind=True, order=BlindOrder("a", 0), peaks=b"\0\0")
    looks = [gradio.EventData(None, {"side": side}) for side in ("left", "right")]
    first, second = (tab._look(comparison, look) for look in looks)
    for arriving in ((first, second), (second, first)):
        votes = {}
        for answer in arriving:
            votes |= {button: change["interactive"] for button, change in answer.items() if "interactive" in change}
        assert len(votes) == 4 and all(votes.values())
    assert not any("interactive" in change for change in tab._look(None, looks[0]).values()), "nothing was compared"


def test_differences_are_marked_in_words_and_can_be_heard(ready):
    compare(ready, *NAMES[:2], blind=False)
    left, right = ready.locator(".side[data-side=left]"), ready.locator(".side[data-side=right]")
    cough = ready.locator("#comparison .side-by-side tr", has_text="Cough").first
    assert "only on the left" in cough.locator("th").inner_text(), "what differs comes first"
    mine, theirs = cough.locator("td").all_inner_texts()
    assert mine.startswith("Present") and theirs == "not found"
    assert "on which both agree" in ready.locator("#comparison details", has_text="both agree").inner_text()
    assert left.locator("mark").inner_text().strip() == "Monday." and right.locator("mark").inner_text().strip() == "Sunday."
    assert_accessible(ready)
    mark = left.locator("mark")
    mark.click()
    wait_until_playing_from(ready, float(mark.get_attribute("data-start")))
    assert NAMES[1] in ready.locator("#comparison table").first.inner_text()


def test_the_tab_opens_with_the_same_recording_heard_by_both(ready, store):
    assert "Stored, 0:" in ready.locator("#pair-title").inner_text()
    said = ready.locator("#pair .answer").inner_text()
    assert "Of 6 findings in the words, the trained ear hears 3 in the sound as well; untrained, it hears 0." in said
    n, more = re.search(r"hear (\d+) places again; with the untrained one, (\d+).", said).groups()
    assert ready.locator("#ear-title").text_content() == f"Use your ear ({n})" and int(n) < int(more)
    ready.wait_for_function("[...document.querySelectorAll('#pair canvas')].every(canvas => canvas.width > 600)")
    ready.locator("#pair summary").first.click()
    rows = ready.locator("#pair .side-by-side").first.locator("tbody tr").all_inner_texts()
    assert len(rows) >= 3 and all("≠" in row for row in rows)
    assert_accessible(ready, within="#pair")
    ready.locator("#pair summary").first.click()


def test_a_press_on_the_stored_pair_plays_it_whatever_is_in_the_first_tab(ready):
    canvas = ready.locator("#pair canvas").nth(1)
    ready.wait_for_function("document.querySelector('#pair canvas').width > 600")
    place = ready.evaluate(
        "(() => { const c = document.querySelectorAll('#pair canvas')[1]; return [c.clientWidth, c.clientHeight]; })()"
    )
    canvas.click(position={"x": place[0] - 1, "y": place[1] - 3})
    ready.wait_for_function("window.seeks.length && document.querySelector('#pair audio')?.paused === false")
    assert ready.evaluate("document.querySelector('#player audio').paused")
    ready.locator("#pair summary").first.click()
    row = ready.locator("#pair .side-by-side .play").first
    row.click()
    ready.wait_for_function("start => Math.abs(window.seeks.at(-1) - start) < 0.2", arg=float(row.get_attribute("data-start")))
    ready.locator("#pair summary").first.click()
    ready.get_by_role("tab", name="Analyse").click()
    ready.locator(".toggle-play").click()
    ready.wait_for_function("document.querySelector('#pair audio').paused && !document.querySelector('#player audio').paused")


def test_a_comparison_says_how_far_it_is_and_ends_at_once(ready, server):
    held = FakeEngine(page_fixtures.analysis(), hold_at="transcribe")
    server.load_candidate = lambda candidate: (held, 1)
    ask_to_compare(ready, NAMES[0], NAMES[2])
    ready.locator("#compare-status", has_text="First model: writing down what is said.").wait_for()
    bar = ready.locator("#compare-progress")
    bar.locator("progress").wait_for()
    assert "left" in bar.inner_text()
    ready.locator("#compare-cancel").click()
    ready.locator("#compare-status", has_text="Cancelled.").wait_for()
    ready.wait_for_function("!document.querySelector('#compare-go').disabled")
    held.let_go()
    ready.wait_for_timeout(500)
    assert bar.inner_text() == "", "its last step tells nothing more"
    assert not ready.locator("#compare-cancel").is_visible() and "Cancelled." in ready.locator("#compare-status").inner_text()
    server.load_candidate = page_fixtures.load_candidate
    compare(ready, *NAMES[:2])
    assert "Model on the left" in ready.locator("#comparison").inner_text(), "another one can begin"


def test_after_the_vote_the_view_goes_to_who_was_who(ready, store):
    compare(ready, *NAMES[:2])
    wait_until_votes_are_open(ready)
    ready.locator("#vote-tie").click()
    ready.locator("#reveal:focus").wait_for()
    in_view = """() => {
        const top = document.querySelector("#reveal").getBoundingClientRect().top;
        return top >= 0 && top < innerHeight / 2;
    }"""
    ready.wait_for_function(in_view)
    ready.evaluate("""() => {  // as what is drawn late does; a browser holds its place by itself only where nothing scrolls
        document.documentElement.style.overflowAnchor = "none";
        const late = "<div id=late style='height: 900px'></div>";
        document.querySelector("#compare-status").insertAdjacentHTML("beforebegin", late);
    }""")
    ready.wait_for_function(in_view)
    ready.keyboard.press("Shift")  # who acts is let go
    ready.evaluate("document.querySelector('#late').style.height = '2000px'")
    ready.wait_for_timeout(300)
    assert not ready.evaluate(in_view)
    told = ready.locator("#reveal").inner_text()
    assert told in {f"Left was {a}, right was {b}" for a, b in (NAMES[:2], NAMES[1::-1])}


def test_equal_results_are_not_offered_for_a_vote(ready, store):
    compare(ready, NAMES[0], NAMES[2])
    assert "nothing to vote on" in ready.locator("#comparison").inner_text()
    assert_accessible(ready, within="#comparison")
    ready.locator("#comparison .side").first.scroll_into_view_if_needed()
    for side in ("left", "right"):
        ready.locator(f".side[data-side={side}][data-reported]").wait_for()
    ready.wait_for_timeout(1000)
    assert ready.locator("#vote-a").is_disabled()


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [(NAMES[0], NAMES[0], "both models are the same"), (NAMES[0], "asr=base, color=red", "color")],
)
def test_what_cannot_be_compared_is_refused_in_words(ready, first, second, words):
    compare(ready, first, second)
    ready.locator("#compare-alert", has_text=words).wait_for()
    ready.wait_for_function("document.querySelector('#compare-alert').getBoundingClientRect().bottom <= innerHeight")


def test_the_team_sees_votes_and_agreement_with_their_n_and_without_a_recording_where_to_begin(result, store):
    result.get_by_role("tab", name="Results").click()
    result.locator("#results-votes", has_text="No blind vote yet").wait_for()
    result.get_by_role("tab", name="Compare").click()
    assert not result.locator("#votes").is_visible(), "nothing to vote on yet"
    compare(result, *NAMES[:2])
    wait_until_votes_are_open(result)
    result.locator("#vote-a").click()
    result.locator("#compare-status", has_text="keep this code").wait_for()
    result.get_by_role("tab", name="Analyse").click()
    result.locator("tr.row", has_text="Cough").locator("[data-verdict=correct]").click()
    result.locator("#ratings", has_text="Cough").wait_for()
    code = result.locator("#ratings code").first.inner_text()
    assert code in result.locator("#compare-status").text_content(), "one code for the vote and what is rated after it"
    store.rate(code, replace(store.ratings(code)[0], comment="three weeks, <b>dry</b>"))
    store.rate_recording(code, RecordingRating(concepts=4))
    result.get_by_role("tab", name="Results").click()
    result.locator("#results-refresh").click()
    result.locator("#results-concepts", has_text="Cough").wait_for()
    whole = result.locator("#results-whole")
    assert "three weeks, <b>dry</b>" in whole.inner_text() and "Concepts\t1\t4.0" in whole.inner_text()
    row = result.locator("#results-concepts tr", has_text="Cough").inner_text()
    assert "100 % (21–100)" in row, "one rating says little, and the interval shows it"
    votes = result.get_by_role("region", name="Ranking").locator("tbody tr").all_inner_texts()
    assert len(votes) == 2 and sorted(vote.split("\t")[1] for vote in votes) == ["1", "1"]
    assert not result.locator("#results-votes-plot .js-plotly-plot").count(), "one vote makes no bar"
    assert not result.get_by_role("heading", name="Over time").count()
    assert_accessible(result)
    result.get_by_role("tab", name="Analyse").click()
    delete_now(result)
    result.locator("#status", has_text="Deleted").wait_for()
    result.get_by_role("tab", name="Compare").click()
    result.locator("#comparison .compared").wait_for(state="detached")
    assert "keep this code" in result.locator("#compare-status").inner_text()
    compare(result, *NAMES[:2])
    result.locator("#compare-alert", has_text="analyse one, or an example, in the first tab").wait_for()


def test_without_a_store_judgements_act_and_nothing_else_is_asked_for(tab, gradio_folder, tone):
    engine = FakeEngine(page_fixtures.analysis())
    measured = (Reliability("clean", 0.03, (Bin(10, 0.7, 0.8, 0.49, 0.94),)),)
    options = {"comparing": Comparing(page_fixtures.load_candidate), "reliability": measured}
    with (
        fake_server(engine, [Example("Cough", "", tone)], **options) as url,
        visit(tab, url) as page,
    ):
        show_example(page, "Cough")
        assert "stored nowhere" in page.locator("#feedback").inner_text() and page.locator("#fold-feedback").count() == 0
        page.locator(".mention", has_text="cough").first.click()
        page.locator("#card").get_by_role("button", name="Cough: Not said").click()
        page.locator("#card .kept", has_text="stored nowhere").wait_for()
        assert "Cough" not in page.locator("section.summary").inner_text(), "a judgement acts without a store"
        page.keyboard.press("Escape")
        page.locator("#undo").click()
        page.locator("section.summary", has_text="Cough").wait_for()
        page.get_by_role("tab", name="Compare").click()
        compare_without_vote = page.locator("#compare-go")
        compare_without_vote.click()
        page.locator("#comparison .compared").wait_for()
        assert NAMES[0] in page.locator("#comparison").inner_text() and page.locator("#votes").count() == 0
        page.get_by_role("tab", name="Results").click()
        page.locator("#results-reliability-plot .scatterlayer .point").first.wait_for(state="attached")
        page.locator("#results-reliability summary").click()
        assert page.locator("#results-reliability td").all_inner_texts() == ["clean", "about 7 in 10", "10", "80 % (49–94)"]
        assert page.locator("#results-votes").count() == 0


def test_paths_stay_out_of_what_a_reader_sees(ready, tmp_path):
    compare(ready, NAMES[0], f"student={Path(tmp_path) / 'secret' / 'run1'},asr=base", blind=False)
    assert "secret" not in ready.locator("#comparison").inner_text() and "run1" in ready.locator("#comparison").inner_text()
