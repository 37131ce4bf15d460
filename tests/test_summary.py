"""The consultation at a glance: right section, right order, nothing that isn't in the table."""

import re
from dataclasses import replace

import pytest
from page_fixtures import analysis, hostile_analysis

from medalign.core.analysis import CriticalWord, Evidence, Measurement, Source
from medalign.core.transcript import Segment, Transcript, Word
from medalign.pipeline.evidence import as_likely_as_suggested
from medalign.report.ear import checks, doubts
from medalign.report.summary import ORDER, at_a_glance, summarize
from medalign.ui.views.compare_view import side_by_side
from medalign.ui.views.concept_table import concept_table
from medalign.ui.views.result_view import summary_view
from medalign.ui.views.transcript_view import transcript_view


def test_each_status_has_its_section_and_sections_keep_their_order():
    sections = {s.title: [e.label for e in s.entries] for s in summarize(analysis().concepts, ())}
    assert sections == {
        "Problems": ["Cough"],
        "Uncertain": ["Fever"],
        "In the past": ["Pneumonia"],
        "Family": ["Asthma"],
        "Denied": ["Dyspnea"],
        "If, or planned": ["Amoxicillin"],
    }
    assert list(sections) == [title for title in ORDER if title in sections]


def test_a_concept_heard_only_in_the_sound_is_left_out():
    labels = {e.label for s in summarize(analysis().concepts, ()) for e in s.entries}
    assert "Wheezing" not in labels and "Hip pain" not in labels


def test_counts_lead_and_numbers_stand_with_what_the_patient_has():
    (
        cough,
        *_,
    ) = analysis().concepts
    twice = Source(0.9, 0.4, (Evidence(1.0, 2.0, "cough"), Evidence(9.0, 9.5, "coughing")))
    concepts = (
        replace(cough, concept_id="HP:1", label="Rash"),
        replace(cough, teacher=twice),
        replace(cough, concept_id="ICD10CM:Z88.0", label="Penicillin allergy", category="diagnosis"),
        replace(cough, concept_id="ICD10CM:Z72.0", label="Smoking"),
        replace(cough, concept_id="DRUG:a", label="Aspirin", category="medicine"),
        replace(cough, concept_id="DRUG:b", label="Insulin", category="medicine", status="family"),
    )
    said = [
        Measurement("duration", "3", "weeks", "three weeks", 1.0, 2.0, cough.concept_id),
        Measurement("dose", "75", "mg", "75 mg", 3.0, 4.0, "DRUG:a"),
        Measurement("dose", "75", "mg", "75 mg", 5.0, 6.0, "DRUG:a"),
        Measurement("dose", "10", "units", "ten units", 5.0, 6.0, "DRUG:b"),
    ]
    sections = {s.title: s.entries for s in summarize(concepts, said)}
    assert [(e.label, e.n_mentions, e.numbers) for e in sections["Problems"]] == [
        ("Cough", 2, ("3 weeks",)),
        ("Rash", 1, ()),
    ]
    assert [(e.label, e.numbers) for e in sections["Medicines"]] == [("Aspirin", ("75 mg",))]
    assert [e.label for e in sections["Allergies"]] == ["Penicillin allergy"]
    assert [e.label for e in sections["Habits"]] == ["Smoking"]
    assert [(e.label, e.numbers) for e in sections["Family"]] == [("Insulin", ())]


@pytest.mark.parametrize(
    ("action", "status", "trigger", "told"),
    [
        ("taking", "present", None, "taking"),
        ("stopped", "historical", "used to", "stopped"),
        ("started", "hypothetical", "I'll give you", "to start"),
        ("started", "hypothetical", "if", "perhaps to start"),
        ("changed", "present", None, "dose changed"),
    ],
)
def test_medicines_stand_together_and_say_what_is_done_with_them(action, status, trigger, told):
    row = replace(analysis().concepts[5], label="Statin", action=action, status=status, trigger=trigger)
    (section,) = summarize((row,), ())
    assert section.title == "Medicines" and section.entries[0].action == told
    assert f'<span class="action">{told}</span>' in summary_view(replace(analysis(), concepts=(row,)))
    assert f'<span class="action">{told}</span>' in concept_table(replace(analysis(), concepts=(row,)), {}), "the same words"
    (of_mother,) = summarize((replace(row, status="family"),), ())
    assert of_mother.title == "Family"


@pytest.mark.parametrize("status", ["present", "historical", "resolved"])
def test_what_somebody_reacted_to_stands_with_the_allergies_whenever_that_was(status):
    row = replace(analysis().concepts[5], label="Statin", action="reacted", status=status, trigger=None)
    (section,) = summarize((row,), ())
    assert (section.title, section.entries[0].action) == ("Allergies", "reacted to")


def test_side_by_side_a_concept_is_as_likely_as_in_its_table():
    full = analysis()
    row = replace(full.concepts[5], probability=0.41)
    place = row.text_evidence[0]
    named = replace(full.corrections[0], concept_id=row.concept_id, start_s=place.start_s, end_s=place.end_s, probability=0.93)
    suggested = replace(full, concepts=(as_likely_as_suggested(row, (named,)),), corrections=(named,))
    (pair,) = side_by_side({"a": suggested, "b": replace(suggested, concepts=(row,), corrections=())})
    assert suggested.to_dict()["concepts"][0]["probability"] == 0.93, "one number for readers and for programs"
    assert [cell["probability"] for cell in pair["cells"]] == [0.93, 0.41]


def test_the_complaint_leads_and_what_an_examination_found_is_no_problem():
    cough = analysis().concepts[0]
    early, later = Evidence(1.0, 2.0, "tight chest"), Evidence(20.0, 21.0, "palpitations")

    def row(label, status="present", concept_id="HP:9", places=(later,)):
        return replace(cough, label=label, concept_id=concept_id, status=status, teacher=Source(0.9, 0.4, places))

    concepts = (
        row("palpitations", places=(later, Evidence(30.0, 31.0, "palpitations"))),
        row("chest tightness", concept_id="HP:1", places=(early,)),
        row("clear lungs", concept_id="CUSTOM:clear-lungs"),
        row("red eardrum", concept_id="CUSTOM:red-eardrum"),
        row("guarding", "negated", "CUSTOM:guarding"),
        row("nausea", "negated", "HP:0002018"),
        row("guarding", "hypothetical", "CUSTOM:guarding"),
    )
    sections = {s.title: [(e.label, e.action) for e in s.entries] for s in summarize(concepts, ())}
    assert sections == {
        "Problems": [("chest tightness", ""), ("palpitations", "")],
        "Denied": [("nausea", "")],
        "Examination": [("clear lungs", ""), ("red eardrum", ""), ("guarding", "not found")],
        "If, or planned": [("guarding", "")],
    }


def test_what_the_doctor_sees_beside_a_sign_was_found_by_the_examination():
    """ "Your mouth is dry, but your tummy is soft": told by a patient, the same would be a complaint."""
    mouth = replace(
        analysis().concepts[0], label="dry mouth", concept_id="HP:0000217", teacher=Source(0.9, 0.4, (Evidence(0.4, 1.6),))
    )
    belly = replace(mouth, concept_id="CUSTOM:soft-abdomen", teacher=Source(0.9, 0.4, (Evidence(2.0, 3.2),)))
    full = replace(analysis(), concepts=(mouth, belly), transcript=said("Your mouth is dry, but your tummy is soft."))
    assert [s.title for s in at_a_glance(full)] == ["Examination"]
    (segment,) = full.transcript.segments
    by_patient = replace(full, transcript=Transcript((replace(segment, speaker="patient"),), "en"))
    assert [s.title for s in at_a_glance(by_patient)] == ["Complaint", "Examination"]


def test_what_the_consultation_begins_with_is_the_complaint():
    first = analysis().concepts[0]
    with_it, later = (
        replace(first, concept_id=f"HP:{s}", label=f"at {s} s", teacher=Source(0.9, 0.4, (Evidence(s, s + 1),)))
        for s in (7.0, 39.0)
    )
    shown = {s.title: [e.label for e in s.entries] for s in at_a_glance(replace(analysis(), concepts=(first, with_it, later)))}
    assert shown["Complaint"] == ["Cough", "at 7.0 s"] and shown["Problems"] == ["at 39.0 s"]


def test_a_dose_without_a_medicine_stands_with_the_medicines():
    """A reader who sees no medicine there would take it that none was said."""
    lost = replace(
        analysis(), concepts=(), corrections=(), critical_words=(), transcript=said("I take lives in a potent milligrams.")
    )
    (section,) = at_a_glance(lost, checks(lost, doubts(lost)))
    assert (section.title, [(e.label, e.check) for e in section.entries]) == ("Medicines", [("medicine not understood", 1)])


def test_a_word_that_may_be_a_medicine_stands_with_the_medicines():
    """What the recogniser made of a medicine's name is in no list of concepts: without a trace, it would be missed."""
    word = CriticalWord(0.8, 1.2, "lipidor", "medicine", 0.4, None)
    lost = replace(analysis(), concepts=(), corrections=(), critical_words=(word,), transcript=said("I take lipidor for it."))
    (section,) = at_a_glance(lost, checks(lost, doubts(lost)))
    assert (section.title, [(e.label, e.check) for e in section.entries]) == (
        "Medicines",
        [("word that may be a medicine", 1)],
    )
    suggested = replace(analysis().corrections[0], start_s=0.8, end_s=1.2)
    assert not at_a_glance(replace(lost, corrections=(suggested,))), "the suggested name stands there already"


def test_an_unusual_word_that_was_not_heard_clearly_leaves_a_trace():
    """COPD, written "copped": nothing is read there, and without a trace nobody would listen."""
    transcript = said("My mother has copped so I worry.")
    (segment,) = transcript.segments

    def heard(probability: float, **found):
        words = tuple(replace(w, probability=probability) if w.text == "copped" else w for w in segment.words)
        heard_so = Transcript((replace(segment, words=words),), "en")
        emptied = {"concepts": (), "corrections": (), "critical_words": (), "measurements": ()}
        alignment = replace(analysis().alignment, segments=(), windows=())
        return replace(analysis(), **{**emptied, "transcript": heard_so, "alignment": alignment, **found})

    (section,) = at_a_glance(heard(0.57), checks(heard(0.57), doubts(heard(0.57))))
    assert (section.title, [(e.check, e.evidence.text) for e in section.entries]) == ("Uncertain", [(1, "copped")])
    assert not at_a_glance(heard(0.95)), "what is heard clearly is what was said"
    known = replace(analysis().corrections[0], start_s=1.2, end_s=1.6)
    assert not at_a_glance(heard(0.57, corrections=(known,)))


def said(text: str) -> Transcript:
    words = tuple(Word(i * 0.4, i * 0.4 + 0.4, w, 0.97) for i, w in enumerate(text.split()))
    return Transcript((Segment(0.0, words[-1].end_s, text, words, "doctor"),), "en")


def test_what_was_measured_of_the_patient_stands_in_the_glance():
    named = replace(analysis().concepts[0], label="blood pressure", category="measurement", concept_id="X:bp")
    text = "Your blood pressure is 150 over 90."
    pressure = Measurement("blood pressure", "150/90", "mmHg", "150 over 90.", 1.6, 2.8)
    full = replace(analysis(), concepts=(named,), transcript=said(text), measurements=(pressure,))
    (section,) = at_a_glance(full)
    assert (section.title, [(e.label, e.numbers) for e in section.entries]) == (
        "Measured",
        [("blood pressure", ("150/90 mmHg",))],
    )
    assert [s.title for s in at_a_glance(replace(full, measurements=()))] == ["Tests and procedures"], "the name alone"
    mothers = said("My mother's blood pressure is 150 over 90.")
    of_mother = replace(pressure, start_s=2.0, end_s=3.2)
    assert [s.title for s in at_a_glance(replace(full, transcript=mothers, measurements=(of_mother,)))] == [
        "Tests and procedures"
    ]


def test_a_question_plays_until_its_answer_and_only_its_own_words_are_marked():
    text = "Any fever? Yes, since Monday."
    asked = Source(0.9, 0.4, (Evidence(0.4, 2.0, "fever? Yes, since Monday", 0.8),))
    fever = replace(analysis().concepts[0], label="fever", concept_id="HP:0001945", teacher=asked)
    full = replace(analysis(), concepts=(fever,), transcript=said(text), corrections=(), measurements=())
    html = summary_view(full)
    assert 'data-start="0.40" data-end="2.00"' in html and "complaint, 0:00–0:02" in html
    (mark,) = re.findall(r'<button[^>]*class="mention[^>]*>.*?</button>', transcript_view(full), re.DOTALL)
    assert "fever?" in mark and "Yes" not in mark


def test_the_view_plays_each_entry_and_escapes_what_was_said():
    html = summary_view(analysis())
    assert html.count('class="play entry"') == 6 and 'aria-label="Play Cough, 3 weeks, complaint, 0:06"' in html
    assert "3 weeks" in html
    twice = replace(
        analysis().concepts[0], teacher=Source(0.9, 0.4, (Evidence(6.0, 6.4, "cough"), Evidence(20.0, 20.4, "cough")))
    )
    dosed, bare = (summary_view(replace(analysis(), concepts=(twice,), measurements=m)) for m in (analysis().measurements, ()))
    assert "×2" in bare and "×2" not in dosed and "said 2 times" in dosed, "beside an amount it would be read as one"
    evil = hostile_analysis()
    evil = replace(evil, concepts=tuple(replace(c, label="<b>x</b>") for c in evil.concepts))
    assert "<b>x" not in summary_view(evil)
    assert summary_view(replace(analysis(), concepts=())) == ""


def test_a_medicine_stands_once_with_all_that_is_done_with_it(analyses):
    medicines = next(s.entries for s in at_a_glance(analyses["upset-stomach"]) if s.title == "Medicines")
    (ibuprofen,) = [entry for entry in medicines if entry.label == "ibuprofen"]
    assert ibuprofen.action == "taking → stopped"
    assert len({entry.concept_id for entry in medicines if entry.concept_id}) == len([e for e in medicines if e.concept_id])
