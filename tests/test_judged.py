"""What a person judges of a result acts on whatever is shown and exported, and can be taken back."""

import json
from dataclasses import replace

from page_fixtures import analysis

from medalign.core.analysis import Evidence, Source
from medalign.core.explanation import SearchHit
from medalign.core.review import Added, Heard, Judged, Review, as_heard, as_reviewed, first_s
from medalign.core.transcript import Word
from medalign.core.wording import clock
from medalign.report.comparison import BlindOrder, candidates
from medalign.report.doubt import LOST_DOSE, Doubt, as_it_stands, otherwise
from medalign.report.ear import checks, doubts, found_right
from medalign.report.plain_summary import to_text
from medalign.report.printable import summary_html
from medalign.report.strip import strip_data
from medalign.report.summary import at_a_glance
from medalign.ui.comparison_state import ComparisonState, Entry
from medalign.ui.run import answer
from medalign.ui.session import Session
from medalign.ui.views.compare_view import comparison_view
from medalign.ui.views.result_view import hits_view
from medalign.ui.views.strip_view import ear


def _judged(concept, right):
    return Review((Judged(concept.concept_id, concept.status, first_s(concept), right),))


def _glance(found):
    return {(section.title, entry.label) for section in at_a_glance(found) for entry in section.entries}


def test_what_was_not_said_is_nowhere_but_in_its_struck_row():
    full = analysis()
    row = next(c for c in full.concepts if c.status == "present" and c.text_evidence)
    review = _judged(row, None)
    after = as_reviewed(full, review)
    assert (row.concept_id, row.status) not in {(c.concept_id, c.status) for c in after.concepts}
    assert row.label not in json.dumps([c.label for c in after.concepts])
    assert not any(label == row.label for _, label in _glance(after))
    shown = answer(full, b"", review)
    assert "you: not said" in shown["table"] and "you: not said" in shown["transcript"]
    assert f"Play {row.label}," not in shown["overview"]
    for text in (to_text(full, review), summary_html(full, review=review)):
        assert f"not said: {row.label}" in text and text.count(row.label) < to_text(full).count(row.label) + 1
    assert as_reviewed(full, Review()) == full, "undone, it is as before"


def test_another_status_moves_a_row_and_joins_the_one_that_is_there():
    full = analysis()
    row = next(c for c in full.concepts if c.status == "present" and c.text_evidence)
    review = _judged(row, "negated")
    after = as_reviewed(full, review)
    (moved,) = [c for c in after.concepts if c.concept_id == row.concept_id and c.status == "negated"]
    assert moved.text_evidence and moved.probability == 1.0 and not moved.is_contradicted
    assert ("Denied", row.label) in _glance(after) and "you: denied" in answer(full, b"", review)["table"]
    twice = replace(full, concepts=(*full.concepts, replace(row, status="negated")))
    (joined,) = [c for c in as_reviewed(twice, review).concepts if c.concept_id == row.concept_id]
    assert len(joined.text_evidence) == len(row.text_evidence), "one row, each place once"
    elsewhere = Review((replace(review.judged[0], start_s=first_s(row) + 9),))
    assert as_reviewed(full, elsewhere) == full, "a row in other words was not judged"


def test_a_status_said_of_one_mention_holds_for_that_one():
    """Set to "to start" at 0:56, a medicine lost its past course at 0:23."""
    full = analysis()
    first, last = (full.transcript.segments[i].words[1] for i in (1, -1))
    places = tuple(Evidence(word.start_s, word.end_s, "nitrofurantoin") for word in (first, last))
    model = next(c for c in full.concepts if c.text_evidence)
    row = replace(
        model, concept_id="DRUG:nitrofurantoin", label="nitrofurantoin", category="medicine", status="historical",
        action="stopped", teacher=Source(0.9, 0.4, places), student=Source(0.2, 0.1, ()),
    )  # fmt: skip
    full = replace(full, concepts=(row,), corrections=())
    later = Judged(row.concept_id, row.status, last.start_s, "hypothetical", of_mention=True)
    after = as_reviewed(full, Review((later,)))
    assert {(c.status, c.action, tuple(e.start_s for e in c.text_evidence)) for c in after.concepts} == {
        ("historical", "stopped", (first.start_s,)), ("hypothetical", "started", (last.start_s,)),
    }  # fmt: skip
    (medicines,) = [s.entries for s in at_a_glance(after) if s.title == "Medicines"]
    assert [entry.action for entry in medicines] == ["stopped → to start"]
    shown = answer(full, b"", Review((later,)))
    assert f"you, at {clock(last.start_s)}: started, or to start" in shown["table"]
    assert shown["transcript"].count("you: started, or to start</span>") == 1, "the one that was pressed"
    assert f"nitrofurantoin at {clock(last.start_s)} is" in to_text(full, Review((later,)))
    unsaid = as_reviewed(full, Review((replace(later, start_s=first.start_s, right=None),)))
    assert [tuple(e.start_s for e in c.text_evidence) for c in unsaid.concepts] == [(last.start_s,)]
    both = Review((Judged(row.concept_id, row.status, first.start_s, None), later))
    assert [c.status for c in as_reviewed(full, both).concepts] == ["hypothetical"], "the mention stands, whatever the row is"


def test_a_place_that_is_right_goes_from_the_list_and_takes_its_suggested_concept_along():
    full = analysis()
    listed = doubts(full)
    place = next(d for d in listed if d.correction is not None)
    heard = (found_right(full, place),)
    after = doubts(full, Review(heard=heard))
    assert len(after) == len(listed) - 1 and place not in after
    assert len(checks(full, after)) <= len(checks(full, listed))
    html = answer(full, b"", Review(heard=heard))
    assert f'data-key="{place.key}"' in answer(full, b"")["overview"] and f'data-key="{place.key}"' not in html["overview"]
    assert f"sounds like {place.suggestion}" not in html["transcript"]
    assert "1 place heard and right" in to_text(full, Review(heard=heard))
    named = full.corrections[place.correction]
    kept = [c for c in as_heard(full, heard).concepts if c.concept_id == named.concept_id]
    assert not any(named.meets(e.start_s, e.words_end_s) for c in kept for e in c.text_evidence), "it only sounded like it"


def test_what_was_said_by_the_readers_judgement_is_doubted_no_more():
    """A name that was suggested for its words, and what was only heard."""
    full = analysis()
    named = full.corrections[0]
    place = Evidence(named.start_s, named.end_s, named.said)
    row = replace(full.concepts[5], status="present", teacher=Source(0.9, 0.4, (place,)))
    full = replace(full, concepts=(row, *full.concepts[:5], *full.concepts[6:]))
    assert row.concept_id == named.concept_id and (row.concept_id, row.status) in checks(full, doubts(full))
    review = _judged(row, row.status)
    after = as_reviewed(full, review)
    assert named.said not in {doubt.said for doubt in doubts(after, review)}
    assert (row.concept_id, row.status) not in checks(after, doubts(after, review))
    assert f"{row.label}?" not in to_text(full, review) and "data-accept" not in answer(full, b"", review)["transcript"]
    heard = next(c for c in full.concepts if c.status is None and c.label == "Wheezing")
    for judged, listed in ((Judged(heard.concept_id, None, first_s(heard), None, True), True), (None, False)):
        review = Review((judged,)) if judged else _judged(heard, None)
        after = as_reviewed(full, review)
        assert (heard.concept_id in {c.concept_id for c in after.concepts}) is listed, "confirmed, it stays; not said, it goes"
        assert heard.concept_id not in {doubt.concept_id for doubt in doubts(after, review)}
        assert ("you: not said" in answer(full, b"", review)["table"]) is not listed


def test_what_the_reader_adds_stands_in_the_glance_and_on_whatever_is_taken_home():
    added = Review(added=(Added("doxycycline <b>", 3.0, 6.0), Added("rash")))
    told = [answer(analysis(), b"", added)["overview"], to_text(analysis(), added), summary_html(analysis(), review=added)]
    assert "Added by you" in told[0] and "ADDED BY THE READER\n- doxycycline <b> (0:03)\n- rash" in told[1]
    assert "Added by the reader" in told[2] and all("doxycycline &lt;b&gt;" in html for html in (told[0], told[2]))


def test_every_kind_of_place_can_be_found_right():
    full, heard = analysis(), ()
    while listed := doubts(as_heard(full, heard), Review(heard=heard)):
        heard += (found_right(as_heard(full, heard), listed[0]),)
        assert len(heard) < 40
    assert 'data-send="settle"' not in answer(full, b"", Review(heard=heard))["overview"]


def test_a_press_that_finds_a_place_right_names_what_stays():
    """ "It is right" beside a suggestion could be read of either."""
    told = {as_it_stands(doubt) for doubt in doubts(analysis())}
    assert "Keep “Monday”" in told and not {text for text in told if "it is" in text.lower()}
    both_ways = Doubt("negation", 1.0, 2.0, "wheezing", "may be denied here", taken="present")
    assert as_it_stands(both_ways) == "Present is right"
    assert otherwise(replace(both_ways, concept_id="HPO:HP:1", status="present", other="negated")) == "Denied is right"
    assert not {otherwise(doubt) for doubt in doubts(analysis()) if not doubt.taken} - {""}


def test_the_other_answer_is_one_press_away_and_takes_the_place_off_the_list():
    full = analysis()
    cough = full.concepts[0]
    read = replace(cough.teacher, evidence=(replace(cough.text_evidence[0], rival="negated"),))
    full = replace(full, concepts=(replace(cough, teacher=read), *full.concepts[1:]))
    (place,) = [doubt for doubt in doubts(full) if doubt.kind == "negation"]
    shown = ear(doubts(full), full.alignment)
    pressed = f'data-verdict="wrong_status" data-right-status="negated" data-place="{place.start_s:.2f}"'
    assert pressed in shown and ">Denied is right<" in shown and ">Present is right<" in shown
    review = Review(judged=(Judged(cough.concept_id, "present", place.start_s, "negated", of_mention=True),))
    after = as_reviewed(full, review)
    assert not [doubt for doubt in doubts(after, review, full) if doubt.kind == "negation"]


def test_a_dose_whose_medicine_was_not_said_is_no_news():
    """Whoever takes the medicine away has heard the place."""
    full = analysis()
    words = tuple(
        Word(30 + i, 31 + i, text, 0.97) for i, text in enumerate(["I", "take", "amoxicillin", "five", "hundred", "milligrams"])
    )
    said = replace(full.transcript.segments[0], start_s=30.0, end_s=36.0, text=" ".join(w.text for w in words), words=words)
    row = replace(full.concepts[5], status="present", teacher=Source(0.9, 0.4, (Evidence(32.0, 33.0, "amoxicillin"),)))
    dosed = replace(full, transcript=replace(full.transcript, segments=(said,)), concepts=(row,), corrections=())
    review = _judged(row, None)
    after = as_reviewed(dosed, review)
    assert not [d for d in doubts(after, Review(), dosed) if d.kind == "medicine"] and LOST_DOSE in {
        d.reason for d in doubts(after)
    }
    assert "medicine not understood" not in to_text(dosed, review)
    assert LOST_DOSE not in answer(dosed, b"", review)["overview"] + to_text(dosed, review) + summary_html(dosed, review=review)


def test_undo_takes_back_what_it_names():
    session = Session("x.wav", "x")
    session.finish(analysis())
    session.settle([Heard("number", 1.0, 2.0)], "fifteen")
    change = session.latest.change
    assert (change.what, change.at_s, len(session.heard), session.order) == ("fifteen", 1.0, 1, [None])
    session.undo()
    assert (session.latest.change, session.heard, session.order) == (None, (), [])
    assert session.result is session.original, "ratings are of the same result"


def test_nothing_sounds_like_what_was_not_said_and_the_sound_is_not_said_to_lack_what_is_written():
    far, place = SearchHit(1.0, 3.0, 0.2, 0.01, False), Evidence(1.0, 2.0, "warfarin")
    unsaid, written = (hits_view(analysis().transcript, "warfarin", said, (far, far)) for said in ((), (place,)))
    assert "Nothing sounds like it" in unsaid and "Nothing sounds like it" not in written
    assert "sounds like it<" not in unsaid + written


def test_the_sound_row_of_the_picture_marks_what_the_words_deny():
    full = analysis()
    row = next(c for c in full.concepts if c.agreement == "both" and c.status == "present")
    others = tuple(c for c in full.concepts if c.concept_id != row.concept_id)
    for status in ("negated", "family"):
        heard = strip_data(b"", 60.0, replace(full, concepts=(*others, replace(row, status=status))), ())["heard"]
        assert {mark[4] for mark in heard if mark[2] == row.label} == {status}
    first = row.audio_evidence[0]
    asked = replace(
        row, status="hypothetical", teacher=replace(row.teacher, evidence=(Evidence(first.start_s, first.end_s, "if"),))
    )
    denied = replace(row, status="negated", teacher=replace(row.teacher, evidence=(Evidence(40.0, 41.0, "no"),)))
    heard = strip_data(b"", 60.0, replace(full, concepts=(*others, denied, asked)), ())["heard"]
    assert {mark[4] for mark in heard if mark[2] == row.label} == {"hypothetical"}, "what is denied elsewhere"


def test_equal_results_list_no_difference():
    full = analysis()
    deaf = replace(full, concepts=tuple(replace(c, agreement="teacher_only") if c.text_evidence else c for c in full.concepts))
    pair = [Entry(candidate, found, 1) for candidate, found in zip(candidates()[::2], (full, deaf), strict=True)]
    state = ComparisonState(*pair, blind=True, order=BlindOrder("a", 0), peaks=b"\0\0")
    assert state.are_equal and "another source" not in comparison_view(state)
