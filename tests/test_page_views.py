"""The HTML of the page without a browser: whole, and no text from outside becomes markup."""

from dataclasses import replace
from html.parser import HTMLParser

import page_fixtures
import pytest

from medalign.concepts import ConceptBank
from medalign.core.analysis import Measurement
from medalign.core.explanation import Explanation, SearchHit, WordSupport
from medalign.report.comparison import BlindOrder, Candidate
from medalign.ui.comparison_state import ComparisonState, Entry
from medalign.ui.run import finished
from medalign.ui.session import Session
from medalign.ui.views import compare_view, concept_table, result_view, status_view, transcript_view, why_view

ANALYSES = {
    "usual": page_fixtures.analysis, "hour": page_fixtures.long_analysis, "silent": page_fixtures.silent_analysis,
    "hostile": page_fixtures.hostile_analysis,
}  # fmt: skip
VOID = {"img", "input", "meter", "option", "br", "hr"}


class Tags(HTMLParser):
    """Checks that what is opened is closed, and notes what there is."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""
        self.feed(str(html))  # of markup, pieces would be escaped when they are joined
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.seen |= {tag, *(name for name, _ in attributes)}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def pieces(name: str) -> dict[str, str]:
    """Every piece of HTML about one analysis."""
    analysis = ANALYSES[name]()
    session = Session("recording.wav", analysis.recording.name)
    session.finish(analysis)
    shown = {part: value for part, value in finished(session).items() if isinstance(value, str)}
    words = tuple(WordSupport(word, 0.02) for word in analysis.transcript.words[:5])
    said = words[0].word.text if words else "nothing"
    sides = [Entry(Candidate(side + said), analysis, 2**20) for side in "ab"]
    return shown | {
        "alert": status_view.alert(said, kept=True),
        "preview": concept_table.preview_concepts(analysis.concepts, 10.0),
        "partial": transcript_view.partial_transcript(analysis.transcript),
        "why": why_view.explanation_view(Explanation(1.0, 2.0, said, 0.4, 99.0, (), words, (), ())),
        "hits": result_view.hits_view(said, (SearchHit(1.0, 2.0, 0.4, 98.0),)),
        "comparison": compare_view.comparison_view(ComparisonState(*sides, blind=False, order=BlindOrder("b", 0))),
    }


@pytest.mark.parametrize("name", ANALYSES)
def test_every_piece_is_whole_and_its_text_stays_text(name):
    for part, html in pieces(name).items():
        tags = Tags(html)
        assert not tags.seen & {"img", "onerror", "script"}, part
        assert "class=" not in tags.text and "<<<<" not in html, f"{part}: markup that was escaped, or never was any"


def test_what_was_said_is_all_there():
    said = page_fixtures.analysis()
    transcript = Tags(pieces("usual")["transcript"]).text
    assert all(word.text in transcript for word in said.transcript.words)
    assert "<img" in Tags(pieces("hostile")["transcript"]).text, "shown as it was said"


def test_a_number_that_no_person_has_is_to_be_checked_and_never_bold():
    pulse = Measurement("pulse", "88", "/min", "88", 1.0, 2.0)
    shown = Tags(result_view.measurements_view([pulse], ["present"], []))
    assert "strong" in shown.seen and "check" not in shown.text
    doubted = Tags(result_view.measurements_view([replace(pulse, value="4000", is_plausible=False)], ["present"], []))
    assert "strong" not in doubted.seen and "check: no person has such a value" in doubted.text


@pytest.mark.parametrize(("sense", "words"), [("negated", "denied"), ("historical", "in the past")])
def test_a_number_says_in_which_sense_it_was_said_and_is_bold_only_if_it_is_so_now(sense, words):
    shown = Tags(result_view.measurements_view([Measurement("pulse", "88", "/min", "88", 1.0, 2.0)], [sense], []))
    assert "strong" not in shown.seen and words in shown.text and "88" in shown.text


def test_the_ontologies_are_credited_with_their_versions():
    """HPO's licence asks for both, wherever it is used."""
    said = Tags(result_view.details_view(page_fixtures.analysis())).text
    assert "this product uses the Human Phenotype Ontology" in " ".join(said.split())
    assert ConceptBank.default().sources and all(version in said for version in ConceptBank.default().sources.values())
