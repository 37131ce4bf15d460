"""What a person should hear again, as one list, and the recording on one axis as data for the picture above it."""

import base64
import json
from dataclasses import replace

import numpy as np
import page_fixtures
import pytest

from medalign.concepts import transcript_from_text
from medalign.concepts.lost_medicines import lost_medicines
from medalign.core.analysis import Analysis, Correction, CriticalWord, Evidence, Measurement, Source
from medalign.core.audio import load_recording
from medalign.core.examples import analysis_path, load_examples
from medalign.core.review import Review
from medalign.core.transcript import Segment, Transcript, Word
from medalign.pipeline.evidence import as_likely_as_suggested
from medalign.report.ear import checks, doubts, found_right, sentence
from medalign.report.strip import N_PEAKS, peaks_of, strip_data
from medalign.report.summary import is_faint, odds
from medalign.ui.views.concept_table import concept_table
from medalign.ui.views.result_view import summary_view
from medalign.ui.views.strip_view import MAX_LISTED, N_FIRST, ear


def kinds(analysis: Analysis) -> list[str]:
    return [doubt.kind for doubt in doubts(analysis)]


def critical(kind: str, start_s: float, probability: float) -> CriticalWord:
    return CriticalWord(start_s, start_s + 0.4, "twenty", kind, probability, None)


def test_a_medicine_that_is_taken_and_not_taken_is_ahead_of_all():
    usual = page_fixtures.analysis()
    row = next(c for c in usual.concepts if c.category == "medicine")
    both = [replace(row, status=status, is_contradicted=True) for status in ("present", "negated")]
    listed = doubts(replace(usual, concepts=(*both, *usual.concepts)))
    assert [d.kind for d in listed][:2] == ["contradiction", "medicine"]


def test_what_would_cost_most_comes_first():
    usual = page_fixtures.analysis()
    assert kinds(usual) == ["medicine", "mismatch", "mismatch", "transcription_error", "only_heard"]
    words = (critical("number", 7.5, 0.3), critical("negation", 13.0, 0.5), critical("number", 2.0, 0.4))
    ranked = doubts(replace(usual, critical_words=words))
    assert [d.kind for d in ranked][:4] == ["medicine", "negation", "number", "mismatch"]
    assert (ranked[-1].kind, ranked[-1].start_s) == ("number", 2.0), "“hello to you two” is no fact"
    of_medicine = doubts(replace(usual, critical_words=(critical("number", 40.0, 0.3),)))
    assert [d.kind for d in of_medicine][:3] == ["medicine", "number", "mismatch"], "a dose costs as much as the medicine"


def test_a_word_not_made_out_says_what_the_sound_is_like_there_unless_that_is_written_near():
    usual = page_fixtures.analysis()
    segments = tuple(
        replace(s, words=tuple(replace(w, probability=0.3 if w.text == "mother" else w.probability) for w in s.words))
        for s in usual.transcript.segments
    )
    asthma = replace(next(c for c in usual.concepts if c.label == "Asthma"), student=Source(0.9, 0.3, (Evidence(21.0, 27.0),)))
    for said_s, told in ((41.0, "Asthma"), (24.0, None)):
        said = replace(asthma, teacher=Source(0.9, 0.4, (Evidence(said_s, said_s + 1, "asthma"),)))
        full = replace(usual, concepts=(said,), transcript=replace(usual.transcript, segments=segments))
        (doubt,) = [d for d in doubts(full) if d.kind == "unclear"]
        assert doubt.heard == told and ("the sound is like “Asthma” here" in sentence(doubt)) == bool(told)


def test_a_stretch_that_does_not_fit_because_a_name_was_misheard_is_one_place():
    usual = page_fixtures.analysis()
    mismatch = next(d for d in doubts(usual) if d.kind == "mismatch")
    (suggested,) = usual.corrections
    there = replace(suggested, start_s=mismatch.start_s, end_s=mismatch.start_s + 0.5)
    starts = [(d.kind, d.start_s) for d in doubts(replace(usual, corrections=(there,)))]
    assert ("medicine", mismatch.start_s) in starts and ("mismatch", mismatch.start_s) not in starts


def test_a_word_for_which_a_name_is_suggested_is_listed_once():
    usual = page_fixtures.analysis()
    (suggested,) = usual.corrections
    listed = doubts(replace(usual, critical_words=(critical("medicine", suggested.start_s, 0.6),)))
    assert [(d.suggestion, d.correction) for d in listed if d.kind == "medicine"] == [("amoxicillin", 0)]


def test_what_concerns_an_allergy_goes_first_and_marks_it_and_a_doubted_number_marks_what_it_is_of():
    """“I'm allergic to treatment of sperm” stood fifth, and the allergy had no mark; nor had “ibuprofen 100 mg”."""
    full = page_fixtures.analysis()
    garbled = next(d for d in doubts(full) if d.kind == "transcription_error")
    at = Evidence(garbled.start_s + 0.1, garbled.start_s + 0.5, "allergic")
    row = next(c for c in full.concepts if c.text_evidence)
    allergy = replace(
        row, concept_id="ICD10CM:Z88.9", label="Drug allergy", category="finding", status="present",
        teacher=Source(0.9, 0.4, (at,)),
    )  # fmt: skip
    told = replace(full, concepts=(*full.concepts, allergy))
    listed = doubts(told)
    place = next(n for n, d in enumerate(listed, start=1) if d.kind == "transcription_error")
    assert place <= 2 and checks(told, listed)[allergy.concept_id, "present"] == place
    medicine = replace(allergy, concept_id="DRUG:ibuprofen", label="ibuprofen", category="medicine", teacher=Source(0.9, 0.4, (
        Evidence(7.0, 7.2, "ibuprofen"),)))  # fmt: skip
    dose = Measurement("dose", "100", "mg", "twenty", 7.4, 7.9, medicine.concept_id)
    pulse = replace(dose, kind="pulse", concept_id=None)
    for m, of in ((dose, (medicine.concept_id, "present")), (pulse, ("pulse", None))):
        doubted = replace(
            full, concepts=(*full.concepts, medicine), measurements=(m,), critical_words=(critical("number", 7.5, 0.3),)
        )
        listed = doubts(doubted)
        n = next(n for n, d in enumerate(listed, start=1) if d.kind == "number")
        assert checks(doubted, listed)[of] == n
        assert f'aria-label="Play {"ibuprofen" if m is dose else "pulse"}' in summary_view(doubted, checks(doubted, listed))
        assert f"in doubt, place {n}" in summary_view(doubted, checks(doubted, listed))


def test_a_lost_medicine_is_not_offered_where_it_is_written_or_suggested_elsewhere_in_the_sentence():
    full = page_fixtures.analysis()
    (suggested,) = full.corrections
    segment = next(s for s in full.transcript.segments if s.start_s <= suggested.start_s < s.end_s)
    word = next(w for w in segment.words if not suggested.meets(w.start_s, w.end_s))
    marked = CriticalWord(word.start_s, word.end_s, word.text, "medicine", 0.3, "amoxicillin")
    there = replace(full, critical_words=(marked,))
    assert [d.correction for d in doubts(there) if d.suggestion == "amoxicillin"] == [0], "suggested at another spot"
    medicine = replace(full.concepts[0], concept_id="DRUG:amoxicillin", label="Amoxicillin", category="medicine")
    said = replace(medicine, teacher=Source(0.9, 0.4, (Evidence(segment.start_s, segment.start_s + 0.1, "amoxil"),)))
    written = replace(there, corrections=(), concepts=(said,))
    assert not [d for d in doubts(written) if d.suggestion == "amoxicillin"], "written"
    elsewhere = replace(written, concepts=(replace(said, teacher=Source(0.9, 0.4, (Evidence(0.0, 0.1, "amoxil"),))),))
    assert [d.suggestion for d in doubts(elsewhere) if d.kind == "medicine"] == ["amoxicillin"]


def test_an_everyday_word_that_was_not_made_out_is_listed_unless_something_else_is_said_there():
    """On a phone no underlining is hovered over: the list is where one looks."""
    full = page_fixtures.analysis()

    def unclear(text, probability):
        def doubted(segment):
            words = (replace(w, probability=probability) if w.text == text else w for w in segment.words)
            return replace(segment, words=tuple(words))

        said = replace(full.transcript, segments=tuple(map(doubted, full.transcript.segments)))
        return [doubt.said for doubt in doubts(replace(full, transcript=said)) if doubt.kind == "unclear"]

    assert unclear("mother", 0.3) == ["mother"] and not unclear("mother", 0.7)
    assert not unclear("Monday.", 0.2), "a name is suggested there"
    assert not unclear("and", 0.1) and not unclear("My", 0.1), "no fact hangs on it"


def test_speech_without_words_is_one_entry_a_gap():
    silent = page_fixtures.silent_analysis()
    windows = tuple(replace(w, is_mismatch=i in (1, 2, 5)) for i, w in enumerate(silent.alignment.windows))
    listed = doubts(replace(silent, alignment=replace(silent.alignment, windows=windows)))
    assert [(d.kind, d.start_s, d.end_s, d.said) for d in listed] == [
        ("missed_speech", 5.0, 16.0, ""),
        ("missed_speech", 25.0, 31.0, ""),
    ]


def test_windows_that_do_not_fit_have_a_number_where_no_marked_segment_says_so():
    usual = page_fixtures.analysis()
    assert [(d.start_s, d.end_s) for d in doubts(usual) if d.kind == "mismatch"] == [(5.0, 10.2), (30.0, 36.0)]
    windows = tuple(replace(w, is_mismatch=i in (1, 5, 6, 7)) for i, w in enumerate(usual.alignment.windows))
    listed = doubts(replace(usual, alignment=replace(usual.alignment, windows=windows)))
    found = [(d.start_s, d.end_s) for d in listed if d.kind == "mismatch"]
    assert sorted(found) == [(5.0, 10.2), (25.0, 41.0)], "one lies in a marked segment, the others are one stretch"


def test_what_is_said_both_ways_says_where_it_is_denied():
    usual = page_fixtures.analysis()
    cough = replace(usual.concepts[0], is_contradicted=True)
    denied = replace(cough, status="negated", teacher=Source(0.9, 0.4, (Evidence(61.0, 62.0, "no cough"),)))
    (both,) = [d for d in doubts(replace(usual, concepts=(cough, denied))) if d.kind == "contradiction"]
    assert both.said == "Cough" and both.reason.endswith("denied at 1:01")


def test_a_concept_under_seven_in_ten_is_to_be_heard_again_and_no_plain_fact():
    usual = page_fixtures.analysis()
    asthma = next(c for c in usual.concepts if c.label == "Asthma")
    rows = (*(c for c in usual.concepts if c is not asthma), replace(asthma, probability=0.52))
    doubted = replace(usual, concepts=rows)
    listed = doubts(doubted)
    (unsure,) = [d for d in listed if d.kind == "unsure"]
    assert (unsure.said, unsure.reason) == ("asthma", "taken for Asthma (somebody else's)")
    assert unsure.probability == pytest.approx(0.48)
    assert checks(doubted, listed) == {(asthma.concept_id, "family"): listed.index(unsure) + 1}
    assert "as it stands, wrong about 5 in 10 times" in ear(listed, doubted.alignment)
    n = listed.index(unsure) + 1
    glance = summary_view(doubted, checks(doubted, listed))
    assert f'Asthma? <span class="nth" aria-hidden="true">{n}</span>' in glance and glance.count("in-doubt") == 1
    table = concept_table(doubted, checks(doubted, listed))
    assert f'aria-hidden="true">{n}</span><span class="full"> use your ear</span>' in table and "about 5 in 10" in table
    assert kinds(replace(usual, concepts=(replace(asthma, probability=0.71),))).count("unsure") == 0


def test_a_concept_and_the_name_suggested_for_its_words_have_one_number():
    """The suggestion knows more of its place; the glance does not take the name for said until somebody accepts it."""
    usual = page_fixtures.analysis()
    (suggested,) = usual.corrections
    place = Source(0.8, 0.4, (Evidence(suggested.start_s, suggested.end_s, suggested.said),))
    read = replace(usual.concepts[5], concept_id=suggested.concept_id, teacher=place, probability=0.4)
    doubted = replace(usual, concepts=(read,))
    listed = doubts(doubted)
    assert (
        [d.probability for d in listed if d.suggestion == "amoxicillin"]
        == [as_likely_as_suggested(read, usual.corrections).probability]
        == [0.93]
    )
    assert checks(doubted, listed) == {(read.concept_id, read.status): 1} and "unsure" not in kinds(doubted)
    assert "sounds like amoxicillin; right about 9 in 10 times" in sentence(listed[0]), "the odds of the name, as everywhere"
    garbled = next(check for check in doubted.alignment.segments if check.reason)
    around = replace(garbled, start_s=suggested.start_s - 1, end_s=suggested.end_s + 1, reason="transcription_error")
    in_it = replace(doubted, alignment=replace(doubted.alignment, segments=(around,)))
    medicine = replace(in_it, concepts=(replace(read, category="medicine"),))
    listed = [d for d in doubts(medicine) if d.kind in ("transcription_error", "medicine")]
    assert len(listed) == 2
    for order in (listed, listed[::-1]):
        (n,) = checks(medicine, order).values()
        assert order[n - 1].suggestion == "amoxicillin", "what is in doubt about the name, not about all that is said there"
    assert odds(read) == 0.4 and odds(replace(read, probability=None)) == 0.8, "without a suggestion, without a fusion"


def test_a_contradiction_that_may_be_a_misread_denial_is_one_entry():
    usual = page_fixtures.analysis()
    cough = replace(usual.concepts[0], is_contradicted=True)
    denied = Source(0.9, 0.4, (Evidence(61.0, 62.0, "cough", rival="present"),))
    both = replace(usual, concepts=(cough, replace(cough, status="negated", teacher=denied)))
    (doubt,) = [d for d in doubts(both) if d.concept_id == cough.concept_id]
    assert (doubt.kind, doubt.start_s) == ("negation", 61.0)
    assert set(checks(both, doubts(both)).values()) == {doubts(both).index(doubt) + 1}, "both rows lead there"


def test_what_one_reading_denies_and_the_other_does_not_is_a_doubtful_negation():
    """ "I can't hear any wheezing" and "I can't hear you; there is wheezing": whoever is wrong, a person hears it again."""
    usual = page_fixtures.analysis()
    cough = usual.concepts[0]
    (place,) = cough.text_evidence
    doubtful = replace(cough, teacher=replace(cough.teacher, evidence=(replace(place, rival="negated"),)))
    both = replace(usual, concepts=(doubtful,), corrections=())
    (doubt,) = [d for d in doubts(both) if d.kind == "negation"]
    assert (doubt.said, doubt.concept_id) == ("cough", cough.concept_id) and "Cough may be denied" in doubt.reason
    assert checks(both, doubts(both)) == {(cough.concept_id, "present"): doubts(both).index(doubt) + 1}
    unlikely = replace(both, concepts=(replace(doubtful, probability=0.5),))
    assert [d.kind for d in doubts(unlikely) if d.concept_id == cough.concept_id] == ["negation"], "one place, one entry"
    twice = replace(doubtful, teacher=replace(cough.teacher, evidence=(*doubtful.text_evidence, place)))
    assert not checks(replace(both, concepts=(twice,)), doubts(both)), "said elsewhere without doubt, it is a plain fact"


def test_what_is_said_both_ways_is_a_plain_fact_in_neither():
    usual = page_fixtures.analysis()
    cough = replace(usual.concepts[0], is_contradicted=True)
    denied = replace(cough, status="negated")
    both = replace(usual, concepts=(cough, denied))
    (n,) = {*checks(both, doubts(both)).values()}
    assert doubts(both)[n - 1].kind == "contradiction" and len(checks(both, doubts(both))) == 2


def test_a_name_misheard_in_one_way_many_times_is_one_entry_with_its_places():
    """52 times the same suggestion, and another number at a glance than in the list."""
    full = page_fixtures.analysis()
    (suggested,) = full.corrections
    times = (suggested, *(replace(suggested, start_s=s, end_s=s + 0.4, probability=0.8) for s in (2.0, 30.0, 39.0)))
    said = Source(0.9, 0.4, (Evidence(39.0, 39.4, f"{suggested.said} → amoxicillin"),))
    medicine = replace(full.concepts[0], concept_id=suggested.concept_id, category="medicine", teacher=said)
    many = replace(full, corrections=times, concepts=(medicine,))
    listed = doubts(many)
    n, entry = next((n, d) for n, d in enumerate(listed, start=1) if d.suggestion == "amoxicillin")
    assert [d.start_s for d in entry.places] == [suggested.start_s, 2.0, 30.0, 39.0]
    assert len([d for d in listed if d.suggestion]) == 1 and checks(many, listed) == {(medicine.concept_id, "present"): n}
    assert [mark[0] for mark in strip_data(b"", 60.0, many, listed)["ear"] if mark[2] == n] == [20.8, 2.0, 30.0, 39.0]
    html = ear(listed, many.alignment)
    assert "also at 3 other places" in html and "Write amoxicillin, 4 times" in html
    assert sentence(entry).endswith("also at 0:02, 0:30, 0:39")
    settled = Review(heard=tuple(found_right(many, place) for place in entry.places))
    assert not [d for d in doubts(many, settled) if d.suggestion == "amoxicillin"]
    word = CriticalWord(suggested.start_s, suggested.end_s, "and", "medicine", 0.3, "amoxicillin and clavulanate")
    alone = replace(full, corrections=(), concepts=(), critical_words=(word,))
    assert "amoxicillin and clavulanate" not in [d.suggestion for d in doubts(alone)], "a word that joins others is no name"
    assert [d.suggestion for d in doubts(replace(alone, critical_words=(replace(word, text="augmenting"),)))][0]


def test_a_long_list_says_how_many_more_there_are():
    usual = page_fixtures.analysis()
    words = tuple(critical("number", 2.0 + k, 0.3) for k in range(5))
    listed = doubts(replace(usual, critical_words=words))
    html = ear(listed, usual.alignment)
    assert html.count("<li") == len(listed) > N_FIRST and html.count('rest"') == len(listed) - N_FIRST
    assert f">{len(listed) - N_FIRST} more<" in html and "data-more" not in ear(listed[:N_FIRST], usual.alignment)
    number = next(d for d in listed if d.kind == "number")
    hundred = [replace(number, start_s=float(s)) for s in range(120)]
    html = ear(hundred, usual.alignment)
    assert html.count("<li") == 120 and f"<summary>{120 - MAX_LISTED} more, less costly</summary>" in html
    assert f'aria-hidden="true">{MAX_LISTED + 1}</span>' in html.partition("<details")[2]


def test_what_was_measured_stands_in_the_picture_by_its_value_where_nobody_names_it():
    usual = page_fixtures.analysis()
    number = Measurement("temperature", "39", "°C", "39", 41.0, 41.4)
    fever = next(c for c in usual.concepts if c.text_evidence)
    for said, name in (("39.", "39 °C"), ("temperature 39", "body temperature")):
        place = Source(0.9, 0.4, (Evidence(41.0, 41.4, said),))
        row = replace(fever, label="body temperature", category="measurement", teacher=place, agreement="teacher_only")
        data = strip_data(b"", 60.0, replace(usual, concepts=(row,), measurements=(number,)), ())
        assert [mark[2] for mark in data["said"]] == [name]


def test_the_picture_is_small_and_tells_words_from_sound():
    example = load_examples()[0]
    analysis = Analysis.from_dict(json.loads(analysis_path(example.audio_path).read_text()))
    peaks = peaks_of(load_recording(example.audio_path).waveform)
    data = strip_data(peaks, analysis.recording.duration_s, analysis, doubts(analysis))
    assert len(json.dumps(data)) < 20_000
    assert len(base64.b64decode(data["peaks"])) == N_PEAKS
    agreed = {c.label for c in analysis.concepts if c.agreement == "both"}
    assert (
        {name for _, _, name, _, both, _ in data["said"] if both}
        == {name for _, _, name, both, _ in data["heard"] if both}
        == agreed
    )
    assert [n for _, _, n, _ in data["ear"]] == list(range(1, len(doubts(analysis)) + 1))
    assert {level for *_, level in data["fit"]} == {3}, "these words fit their sound everywhere"
    assert strip_data(peaks, 82.0, None, ()).keys() == {"s", "peaks"}, "no more is known while it is analysed"


@pytest.mark.parametrize("n_samples", [0, 10, N_PEAKS, 16_001])
def test_a_waveform_of_any_length_has_its_columns(n_samples):
    loud = np.full(n_samples, 0.5, np.float32)
    assert len(peaks_of(loud)) == N_PEAKS
    assert max(peaks_of(loud)) == (255 if n_samples >= N_PEAKS else 0)


def test_a_fact_that_rests_on_a_suggested_name_has_its_number_however_sure_it_is():
    full = page_fixtures.analysis()
    sure = next(c for c in full.concepts if c.text_evidence and odds(c) > 0.9)
    place = sure.text_evidence[0]
    suggested = Correction(0, 0, "cof", sure.label, sure.concept_id, 0.9, place.start_s, place.end_s)
    for corrections, numbered in (((), False), ((suggested,), True)):
        analysis = replace(full, corrections=corrections, critical_words=())
        assert ((sure.concept_id, sure.status) in checks(analysis, doubts(analysis))) is numbered


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("I take lives in a potent milligrams for my heart.", "lives in a potent milligrams"),
        ("I take a tablet of live owner prill each day.", "a tablet of live owner prill"),
        ("I take ramipril 5 milligrams and am low dip in 10 milligrams.", "low dip in 10 milligrams"),
        ("I take me top role every morning.", "me top role"),
        ("Do you take any medicines? Oh my Brazil for my heartburn.", "Oh my Brazil"),
        ("Do you take any medicines? Ramipril for my heart.", None),
        ("How have you been? Not too bad for my age.", None),
        ("I take ramipril 5 milligrams, then 10 milligrams.", None),
        ("I take ramipril 5 milligrams today, then 10 milligrams.", None),
        ("I take lies in April 10 milligrams once a day, and ramipril.", "lies in April 10 milligrams"),
        ("I take ramipril for my heart, and met for men for diabetes.", "met for men"),
        ("I take ramipril for my heart, and I rest for my back.", None),
        ("I take 500 milligrams of ramipril.", None),
        ("I take it every morning.", None),
        ("I take a shower every day.", None),
        ("Your glucose was 90 milligrams per decilitre.", None),
    ],
)
def test_a_dose_at_which_no_medicine_is_found_is_to_be_heard_again(text, lost):
    full = page_fixtures.analysis()
    words = tuple(Word(i * 0.4, i * 0.4 + 0.4, w, 0.97) for i, w in enumerate(text.split()))
    transcript = Transcript((Segment(0.0, words[-1].end_s, text, words, "patient"),), "en")
    medicine = next(c for c in full.concepts if c.category == "medicine")
    places = tuple(Evidence(w.start_s, w.end_s, w.text) for w in words if w.text.lower().startswith("ramipril"))
    complaint = next(c for c in full.concepts if c.category == "finding")
    named = tuple(Evidence(w.start_s, w.end_s, w.text) for w in words if w.text.lower().startswith("diabetes"))
    found_at = ((medicine, places), (complaint, named))
    concepts = tuple(replace(concept, teacher=Source(0.9, 0.4, at)) for concept, at in found_at if at)
    listed = doubts(replace(full, concepts=concepts, corrections=(), critical_words=(), transcript=transcript))
    found = [d.said for d in listed if d.reason.endswith("; listen")]
    assert found == ([lost] if lost else [])


def test_a_lost_name_is_marked_wherever_it_is_said_again():
    said = transcript_from_text("I take lies in April 10 milligrams once a day.\nPlease stop the lies in April now.")
    assert [place.text for place in lost_medicines(said, ())] == ["lies in April 10 milligrams", "lies in April"]


def test_what_is_written_there_is_not_said_to_be_missing_from_the_words():
    full = page_fixtures.analysis()
    heard = next(c for c in full.concepts if c.agreement == "student_only" and not is_faint(c))
    word = next(w for w in full.transcript.words if w.text.strip(".,?").isalpha() and len(w.text) > 4)
    there = replace(
        heard, label=word.text.strip(".,?"), student=replace(heard.student, evidence=(Evidence(word.start_s, word.end_s),))
    )
    elsewhere = replace(there, label="zzz")
    for concept, n in ((there, 0), (elsewhere, 1)):
        analysis = replace(full, concepts=(concept,), corrections=(), critical_words=())
        assert sum(doubt.kind == "only_heard" for doubt in doubts(analysis)) == n
