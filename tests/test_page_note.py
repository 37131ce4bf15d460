"""The tab that checks a note against the recording of the first tab, in a real browser."""

from browser import LEAVING, delete_now, show_example
from shared_page import STORED

NOTE = "PMH: asthma\nThis was never said\n<img src=x onerror=alert(1)> A wrong dose\n"


def test_a_note_is_told_statement_by_statement_and_plays(page):
    show_example(page, STORED)
    page.get_by_role("tab", name="Check a note").click()
    page.locator("#note-against b").get_by_text(STORED).wait_for()
    page.locator("#note-go").click()
    page.locator("#note-alert").get_by_text("There is no note yet").wait_for()
    page.locator("#note-text textarea").fill(NOTE)
    page.locator("#note-go").click()
    shown = page.locator(".note-check")
    shown.wait_for(timeout=180_000)  # torch is imported first
    page.wait_for_function("document.activeElement?.matches('.note-of')")
    top = shown.bounding_box()
    assert top and top["y"] < 300, "the view goes there, too"
    named = shown.locator(".note-row.supported [data-right=yes]").get_attribute("aria-label")
    assert named.startswith("yes, the verdict is right: “") and "asthma" in named
    for verdict in ("supported", "not_found", "contradicted"):
        assert shown.locator(f".note-row.{verdict}").count() == 1
    assert "<img src=x" in shown.locator(".note-row.contradicted").inner_text() and not shown.locator("img").count()
    assert "fever" in shown.locator(".note-row.left").inner_text()
    only = shown.get_by_label("Hide what is supported")
    only.check()
    assert [shown.locator(f".note-row.{v}").is_visible() for v in ("supported", "contradicted", "left")] == [False, True, True]
    assert only.evaluate("box => getComputedStyle(box).appearance") == "auto", "its tick is seen"
    alone = """() => { const group = document.querySelector(".note-row.supported").closest(".note-group");
        return group.querySelector(".note-row:not(.supported)") !== null || getComputedStyle(group).display === "none"; }"""
    assert page.evaluate(alone), "no heading without statements"
    only.uncheck()
    shown.locator(".note-said").first.click()
    page.wait_for_function("!document.querySelector('#player audio').paused")
    page.wait_for_function("document.querySelector('.note-said.is-playing')")
    assert shown.get_by_role("link", name="CSV").get_attribute("href")
    a_note_comes_from_a_file_and_what_is_shown_says_when_it_is_of_another(page)
    a_verdict_is_judged_and_a_second_note_stands_beside(page)


def a_note_comes_from_a_file_and_what_is_shown_says_when_it_is_of_another(page):
    box, shown, stale = page.locator("#note-text textarea"), page.locator(".note-check"), page.locator(".note-stale")
    file = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"PMH: asthma"}
    choose(page, file)
    page.locator("#note-alert").get_by_text("a note of yours, which would be lost").wait_for()
    assert box.input_value() == NOTE and not stale.is_visible()
    box.fill("")
    stale.get_by_text("check it again").wait_for()
    choose(page, file)
    page.wait_for_function("document.querySelector('#note-text textarea').value === 'PMH: asthma'")
    box.fill(NOTE)
    stale.wait_for(state="hidden")
    src = page.evaluate("document.querySelector('#player audio').src")
    page.evaluate("document.querySelector('#player audio').src += '#another'")  # as another recording in the first tab has
    box.press("End")
    page.evaluate("document.body.append('')")
    stale.get_by_text("another recording").wait_for()
    assert shown.locator(".note-said").first.evaluate("button => button.closest('[inert]') !== null"), "it would play that one"
    page.evaluate("src => { document.querySelector('#player audio').src = src; document.body.append('') }", src)
    stale.wait_for(state="hidden")


def choose(page, file):
    with page.expect_file_chooser() as asked:
        page.get_by_role("button", name="From a file").click()
    asked.value.set_files(file)


def a_verdict_is_judged_and_a_second_note_stands_beside(page):
    """On the same visit: to open the page anew costs seconds."""
    shown = page.locator(".note-check")
    right = shown.locator(".note-row.supported [data-send=note-judge][data-right=yes]")
    wrong = shown.locator(".note-row.not_found [data-send=note-judge][data-right=no]")
    right.click()
    page.wait_for_function("document.querySelector('[data-send=note-judge][aria-pressed=true]')")
    said = [shown.locator(f".note-row.{verdict} .note-kept") for verdict in ("supported", "not_found")]
    said[0].get_by_text("stored; a second press takes it back").wait_for()
    assert not said[1].is_visible()
    wrong.click()
    judged = page.locator("#note-judged")
    judged.get_by_text("2 judgements").wait_for()
    code = judged.locator("code").inner_text()
    assert code.count("-") == 2 and code in page.evaluate("Object.values({ ...sessionStorage })"), "it outlives a reload"
    assert page.locator("#own-code [data-code]").get_attribute("data-code") == code, "of the first tab as well"
    assert page.evaluate(LEAVING)
    right.click()  # once more takes it back
    judged.get_by_text("1 judgement").wait_for()
    assert right.get_attribute("aria-pressed") == "false" and wrong.get_attribute("aria-pressed") == "true"
    page.locator("#note-second-fold button").first.click()
    page.locator("#note-second textarea").fill("PMH: asthma\nThis was said\n")
    page.locator("#note-go").click()
    page.locator(".note-pair").wait_for()
    assert "Note 1 has more unsupported statements: 2 of 3" in shown.locator(".note-compared").first.inner_text()
    assert shown.locator("[data-note='1'][data-right=yes]").count() == 2
    aligned = shown.locator(".note-aligned tbody tr")
    assert [aligned.count(), aligned.locator("td.lacks").count(), shown.locator(".note-aligned .differs").count()] == [3, 1, 2]
    page.locator("#note-consent button").first.click()
    page.locator("#note-withdraw").click()
    judged.get_by_text("1 judgement deleted").wait_for()
    assert not shown.locator("[data-send=note-judge][aria-pressed=true]").count()
    page.get_by_role("tab", name="Analyse").click()
    delete_now(page)
    page.locator("#status", has_text="Deleted").wait_for()
    page.get_by_role("tab", name="Check a note").click()
    shown.wait_for(state="detached")
    page.locator("#note-against").get_by_text("No recording is open").wait_for()
    assert not page.locator("#note-text textarea").input_value(), "a note is as much the patient's as the recording"
