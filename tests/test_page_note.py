"""The tab that checks a note against the recording of the first tab, in a real browser."""

from browser import show_example
from shared_page import STORED

NOTE = "PMH: asthma\nThis was never said\n<img src=x onerror=alert(1)> A wrong dose\n"


def test_a_note_is_told_statement_by_statement_and_plays(page):
    show_example(page, STORED)
    page.get_by_role("tab", name="Check a note").click()
    page.locator("#note-go").click()
    page.locator("#note-alert").get_by_text("There is no note yet").wait_for()
    page.locator("#note-text textarea").fill(NOTE)
    page.locator("#note-go").click()
    shown = page.locator(".note-check")
    shown.wait_for(timeout=180_000)  # torch is imported first
    for verdict in ("supported", "not_found", "contradicted"):
        assert shown.locator(f".note-row.{verdict}").count() == 1
    assert "<img src=x" in shown.locator(".note-row.contradicted").inner_text() and not shown.locator("img").count()
    assert "fever" in shown.locator(".note-row.left").inner_text()
    shown.locator(".note-said").first.click()
    page.wait_for_function("!document.querySelector('#player audio').paused")
    page.wait_for_function("document.querySelector('.note-said.is-playing')")
    assert shown.get_by_role("link", name="CSV").get_attribute("href")
