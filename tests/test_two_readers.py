"""Two readers at once, each in a browser of their own: review, feedback, comparison, deletion. Neither meets the other."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import page_fixtures
import pytest
from browser import FOLDS, ask_to_compare, open_form, unfold, upload, wait_for_result, wait_until_votes_are_open, watched_page
from browser import delete_now as press_delete
from browser import take_home as press_export
from page_fixtures import FakeEngine
from playwright.sync_api import Page

from medalign.core.errors import FeedbackError
from medalign.feedback.store import FeedbackStore
from medalign.report.comparison import candidates

EXPORTS = ("JSON", "CSV", "Captions", "FHIR R4")
CANDIDATES = [candidate.name for candidate in candidates()]


@dataclass
class Reader:
    """What one of them has and does; all of it is unlike the other's."""

    page: Page
    file: Path
    said: str  # in their transcript, and not in the other
    word: str  # for "fever", as they correct it
    verdicts: dict[str, str]  # label of a row -> what they press; the last gets the comment
    comment: str
    models: tuple[str, str]  # compared
    vote: str  # the button
    why: str
    code: str = ""  # the receipts
    vote_code: str = ""

    @property
    def own(self) -> tuple[str, ...]:
        return self.file.name, self.word, self.comment, self.why


@dataclass
class TwoConsultations(FakeEngine):
    """The shipped models hear the first recording, and base the second; the first one stands still until it is let go on."""

    of_file: dict[str, FakeEngine] = field(default_factory=dict)

    def stream(self, recording, custom=()) -> Iterator[object]:
        yield from self.of_file[recording.name].stream(recording, custom)


@pytest.fixture
def both(page, browser, server, tone, tmp_path) -> Iterator[tuple[Reader, Reader]]:
    files = [Path(shutil.copy(tone, tmp_path / name)) for name in ("first.wav", "second.wav")]  # of equal bytes
    server.engine = TwoConsultations(page_fixtures.analysis())
    for file, candidate, hold_at in zip(files, candidates()[:2], ("transcribe", None), strict=True):
        heard = page_fixtures.load_candidate(candidate)[0].result
        named = replace(heard, recording=replace(heard.recording, name=file.name), warnings=(file.name,))
        server.engine.of_file[file.name] = FakeEngine(named, hold_at=hold_at)
    with watched_page(browser, server.url) as other:
        yield (
            Reader(page, files[0], "Monday.", "sweats", {"Cough": "correct", "Asthma": "wrong"},
                   "It was his mother.", (CANDIDATES[0], CANDIDATES[1]), "vote-a", "it has the cough"),
            Reader(other, files[1], "Sunday.", "chills", {"Asthma": "correct", "Pneumonia": "wrong"},
                   "She can breathe.", (CANDIDATES[1], CANDIDATES[2]), "vote-tie", "both will do"),
        )  # fmt: skip


@pytest.mark.slow
def test_two_readers_do_everything_at_once_and_neither_meets_the_other(both, server, store, gradio_folder):
    first, second = both
    analyse(both, server.engine)
    correct(both)
    rate(both, store)
    take_home(both)
    compare_and_vote(both, store)
    for reader, other in (both, both[::-1]):
        seen = reader.page.content()
        assert not [words for words in (*other.own, other.code, other.vote_code) if words in seen]
    withdraw_and_undo(first, second, store)
    delete_now(first, second, gradio_folder)
    withdraw(second, second.code, "4 entries")  # its vote, too: one code takes back both
    assert store.table("ratings").empty and store.table("votes").empty and store.durations_s() == {}


def analyse(both: tuple[Reader, Reader], engine: TwoConsultations) -> None:
    """Both recordings are uploaded before either is analysed, and the second waits for the first."""
    for reader in both:
        upload(reader.page, reader.file)
    for reader, status in zip(both, ("Writing down", "Waiting: 1 before you"), strict=True):
        reader.page.get_by_role("button", name="Analyse", exact=True).click()
        reader.page.locator("#status[role=status]", has_text=status).wait_for()
    engine.of_file[both[0].file.name].let_go()
    for reader, other in (both, both[::-1]):
        wait_for_result(reader.page)
        unfold(reader.page, *FOLDS)
        assert reader.file.name in reader.page.locator("#heading").inner_text()
        transcript, result = (reader.page.locator(part).inner_text() for part in ("#transcript", "#result"))
        assert reader.said in transcript and other.said not in transcript and other.file.name not in result


def correct(both: tuple[Reader, Reader]) -> None:
    """One line of the transcript, in different ways."""
    for reader in both:
        open_form(reader.page.locator(".segment", has_text="Any fever"))
        reader.page.locator(".edit-form textarea").fill(f"Any {reader.word} or shortness of breath?")
    for reader in both:
        reader.page.locator(".edit-form").get_by_role("button", name="Save").click()
    for reader, other in (both, both[::-1]):
        reader.page.locator(".segment", has_text=f"Any {reader.word}").locator(".badge", has_text="edited").wait_for()
        assert other.word not in reader.page.locator("#transcript").inner_text()


def rate(both: tuple[Reader, Reader], store: FeedbackStore) -> None:
    """Two facts each, the second with a comment: the database holds that, and nothing else."""
    for i in range(2):
        for reader in both:
            label, verdict = list(reader.verdicts.items())[i]
            reader.page.locator("tr.row", has_text=label).locator(f"[data-verdict={verdict}]").click()
        for reader in both:
            reader.page.locator("#ratings", has_text=list(reader.verdicts)[i]).wait_for()
    for reader in both:
        reader.page.locator("#more").get_by_role("button").first.click()
        reader.page.get_by_text("Could change what is done").click()
        reader.page.locator("#comment").get_by_role("textbox").fill(reader.comment)
    for reader in both:
        reader.page.locator("#save-more").click()
    ratings = store.table("ratings")
    for reader in both:
        reader.page.locator("#ratings", has_text="could change what is done").wait_for()
        reader.code = reader.page.locator("#ratings code").inner_text()
        ratings = store.table("ratings")
        labels, verdicts = zip(*reader.verdicts.items(), strict=True)
        assert [rating.verdict for rating in store.ratings(reader.code)] == list(verdicts)
        (submission,) = set(ratings.submission_id[ratings.comment == reader.comment])
        mine = ratings[ratings.submission_id == submission]
        assert list(mine.label) == list(labels) and list(mine.comment) == ["", reader.comment] and not mine.is_edited.any(), (
            "as the models read it"
        )
    assert len(ratings) == 4 and both[0].code != both[1].code


def take_home(both: tuple[Reader, Reader]) -> None:
    """Each export has the correction of its reader alone."""
    for reader, other in (both, both[::-1]):
        for kind in EXPORTS:
            with reader.page.expect_download() as download:
                press_export(reader.page, kind)
            body = Path(download.value.path()).read_text(encoding="utf-8-sig")
            assert not [words for words in other.own if words in body], kind
            assert f"Any {reader.word} or" in body or kind not in ("JSON", "Captions"), "the others hold no transcript"


def compare_and_vote(both: tuple[Reader, Reader], store: FeedbackStore) -> None:
    for reader in both:
        reader.page.get_by_role("tab", name="Compare").click()
        ask_to_compare(reader.page, *reader.models)
    for reader in both:
        reader.page.locator("#comparison .compared").wait_for()
        wait_until_votes_are_open(reader.page)
        reader.page.locator("#vote-why").get_by_role("textbox").fill(reader.why)
    for reader in both:
        reader.page.locator(f"#{reader.vote}").click()
    for reader in both:
        reader.page.locator("#compare-status", has_text="keep this code").wait_for()
        reader.vote_code = reader.page.locator("#compare-status code").inner_text()
        named = reader.page.locator("#comparison .side h3").all_inner_texts()
        assert sorted(named) == sorted(reader.models)
    votes = {vote["comment"]: vote for vote in store.table("votes").to_dict("records")}
    assert votes.keys() == {reader.why for reader in both} and both[0].vote_code != both[1].vote_code
    assert votes[both[0].why]["choice"] == votes[both[0].why]["left"] and votes[both[1].why]["choice"] == "tie"
    for reader in both:
        reader.page.get_by_role("tab", name="Analyse").click()


def withdraw(reader: Reader, code: str, entries: str) -> None:
    reader.page.locator("#code").get_by_role("textbox").fill(code)
    reader.page.locator("#withdraw").click()
    reader.page.locator("#ratings", has_text=f"Withdrawn: {entries} deleted").wait_for()


def withdraw_and_undo(first: Reader, second: Reader, store: FeedbackStore) -> None:
    """One takes everything back while the other takes back a comment."""
    first.page.locator("#code").get_by_role("textbox").fill(first.code)
    for reader, button in ((first, "#withdraw"), (second, "#undo")):
        reader.page.locator(button).click()
    first.page.locator("#ratings", has_text="Withdrawn: 4 entries deleted").wait_for()
    second.page.locator("#ratings li", has_text="could change what is done").wait_for(state="detached")
    with pytest.raises(FeedbackError, match="withdrawn already"):
        store.ratings(first.code)
    ratings = store.table("ratings")
    assert list(ratings.label) == list(second.verdicts) and list(ratings.comment) == ["", ""]
    assert [rating.verdict for rating in store.ratings(second.code)] == list(second.verdicts.values())
    second.page.wait_for_function("document.querySelectorAll('button.rating[aria-pressed=true]').length === 2")
    assert list(store.table("votes").comment) == [second.why]


def delete_now(first: Reader, second: Reader, uploads: Path) -> None:
    """What one deletes is gone, and the other's is all there."""
    audio = {reader.file: reader.page.locator("#player audio").evaluate("player => player.src") for reader in (first, second)}
    press_delete(first.page)
    first.page.locator("#status", has_text="Deleted").wait_for()
    assert first.page.locator("#result-title").count() == 0 and not list(uploads.rglob(first.file.name))
    assert list(uploads.rglob(second.file.name))
    assert first.page.request.get(audio[first.file]).status in (403, 404)
    assert second.page.request.get(audio[second.file]).status == 200
    assert second.word in second.page.locator("#transcript").inner_text()
    second.page.locator("tr.row", has_text="Asthma").locator("[data-verdict=wrong]").click()
    second.page.locator("#ratings li", has_text="Asthma").get_by_text("not said").wait_for()
