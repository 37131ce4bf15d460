"""The consultation at a glance: right section, right order, nothing that isn't in the table."""

from dataclasses import replace

from page_fixtures import analysis, hostile_analysis

from medalign.core.analysis import Evidence, Measurement, Source
from medalign.report.summary import ORDER, summarize
from medalign.ui.views.result_view import summary_view


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


def test_the_view_plays_each_entry_and_escapes_what_was_said():
    html = summary_view(analysis())
    assert html.count('class="play entry"') == 6 and 'aria-label="Play Cough, problems, 0:06"' in html
    assert "3 weeks" in html
    evil = hostile_analysis()
    evil = replace(evil, concepts=tuple(replace(c, label="<b>x</b>") for c in evil.concepts))
    assert "<b>x" not in summary_view(evil)
    assert summary_view(replace(analysis(), concepts=())) == ""
