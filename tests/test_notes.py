"""A note is read as statements that can be true or false by themselves, however it is written."""

import base64
import json

import pytest

from medalign.concepts.notes import MAX_CHARACTERS, expanded, read_note
from medalign.core.errors import DataError


def plains(text: str) -> list[str]:
    return [clause.plain for clause in read_note(text)[1]]


def test_abbreviations_are_written_in_full():
    assert expanded("3/7 hx of SOB, c/o cough, x6/day, NKDA, paracetamol BD") == (
        "3 days history of shortness of breath, complains of cough, 6 times a day, "
        "no known drug allergies, paracetamol twice a day"
    )


@pytest.mark.parametrize("text", ["od", "Mi casa", "low mood", "He is well"])
def test_words_that_only_look_like_abbreviations_stay(text):
    assert expanded(text) == text


def test_denials_are_statements_of_their_own():
    assert plains("No fever, no vomiting, no SOB/cough. Feels tired but denies low mood.") == [
        "No fever", "no vomiting", "no shortness of breath or cough", "Feels tired", "but denies low mood",
    ]  # fmt: skip


def test_a_list_of_one_kind_stays_together():
    assert plains("Takes aspirin, ramipril and simvastatin.") == ["Takes aspirin, ramipril and simvastatin"]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("No sweating, SOB on minimal exertion.", ["No sweating", "shortness of breath on minimal exertion"]),
        ("nil smoking, social alcohol at weekends", ["no smoking", "social alcohol at weekends"]),
        ("No fever, cough or pain on exertion", ["No fever, cough or pain on exertion"]),
        ("Denies fever, chills, night sweats", ["Denies fever, chills, night sweats"]),
    ],
)
def test_a_denial_ends_where_something_tells_its_own_circumstances(text, statements):
    assert plains(text) == statements


def test_what_a_heading_says_goes_with_the_words_under_it():
    text = "PMH: asthma\nDH: nil\nFH: mother - migraine\nSH: lives alone, ex-smoker\nO/E: chest clear\nImp: viral URTI"
    clauses = read_note(text)[1]
    assert [clause.section for clause in clauses] == [
        "past", "medicines", "family", "social", "social", "examination", "assessment",
    ]  # fmt: skip
    assert [clause.plain for clause in clauses][:3] == [
        "Past medical history: asthma", "Medication: none", "Family history: mother - migraine",
    ]  # fmt: skip


def test_headings_on_their_own_line_bullets_and_markdown():
    text = "## Subjective\n- **cough** for 3 weeks\n* no fever\n\nASSESSMENT\n1. asthma\n2) [ ] anxiety\n\n**Plan:**\n- inhaler"
    clauses = read_note(text)[1]
    assert [clause.section for clause in clauses] == ["history", "history", "assessment", "assessment", "plan"]
    assert clauses[0].plain == "cough for 3 weeks"


def test_places_are_those_of_the_text_that_was_read():
    plain, clauses = read_note("PC: cough.\n\n  • No fever; tired\nPlan:\n1. rest")
    assert [plain[clause.start : clause.end] for clause in clauses] == [clause.text for clause in clauses]


def test_what_says_nothing_is_no_claim():
    assert [clause.is_claim for clause in read_note("ROS: none\nAllergies: none\nPlan: as above")[1]] == [False, True, False]


def test_fhir_composition_and_document_reference():
    composition = {
        "resourceType": "Composition",
        "section": [{"title": "History", "text": {"div": "<div><p>Cough for 3&nbsp;weeks.</p><p>No <b>fever</b>.</p></div>"}}],
    }
    data = base64.b64encode(b"PMH: asthma").decode()
    document = {"resourceType": "DocumentReference", "content": [{"attachment": {"contentType": "text/plain", "data": data}}]}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": composition}, {"resource": document}]}
    clauses = read_note(json.dumps(bundle))[1]
    assert [(clause.section, clause.text) for clause in clauses] == [
        ("history", "Cough for 3\xa0weeks"), ("history", "No fever"), ("past", "asthma"),
    ]  # fmt: skip


def test_an_analysis_is_read_as_the_note_that_it_would_be(analyses):
    found = plains(json.dumps(analyses["cough-and-wheeze"].to_dict()))
    assert {"No fever", "Has wheezing", "Takes salbutamol", "History of eczema"} <= set(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"), ("  \n- \n***", "empty"), ("cough. " * (MAX_CHARACTERS // 7 + 1), "at most 100,000"),
        ("No cough.\n" * 500, "at most 400"), ('{"resourceType": "Patient"}', "holds no note"), ('{"a": [', None),
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused_in_one_sentence(text, message):
    if message is None:
        assert plains("{cough} since Monday") == ["{cough} since Monday"]
        return
    with pytest.raises(DataError, match=message):
        read_note(text)


def test_markup_stays_text():
    assert plains("<script>alert(1)</script>cough<br>no fever</p>")[-1] == "no fever"


def test_markup_leaves_words_only():
    text = "<p>No cough</p><script>alert(1)</script>\n| PMH | asthma |\n|---|---|\n- [ ] **aspirin** `75 mg`\n**Plan:** rest"
    assert plains(text) == ["No cough", "Past medical history: asthma", "Past medical history: aspirin 75 mg", "rest"]


def test_sections_are_found_inside_a_line():
    clauses = read_note("PC: chest pain HPC: since Monday, no cough, PMH asthma, o/e BP 150/90 P: rest. Temp: 37")[1]
    assert [clause.section for clause in clauses] == ["complaint", "history", "history", "past", "examination", "plan", "plan"]
    assert clauses[-2].plain == "rest" and not read_note("12 34")[1][0].is_claim


def test_headings_alone_make_no_note():
    with pytest.raises(DataError, match="headings alone"):
        read_note("PC:\nHPC:\nPlan:")


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("* ramipril 5mg od", "ramipril 5mg once a day"),
        ("1) ibu 400mg TDS w/ good effect", "ibuprofen 400mg three times a day with good effect"),
        ("→ ex-smoker 20/d x 30y", "ex-smoker 20 a day for 30 years"),
        ("- 2/52 h/o LBP, rad to L leg", "2 weeks history low back pain, radiating to left leg"),
        ("FHx: F - MI @55", "Family history: father - heart attack at 55"),
        ("O/E: T 37.8, P 92", "Examination: temperature 37.8, pulse 92"),
        ("45F", "45 year old woman"),
        ("- worse a.m.", "worse in the morning"),
        ("2 L oxygen", "2 L oxygen"),
        ("L4/5 disc, vitamin D, plan B", "L4/5 disc, vitamin D, plan B"),
    ],
)
def test_what_is_short_only_in_its_place_is_written_in_full(text, statement):
    assert plains(text)[0] == statement


def test_a_line_on_allergies_tells_nothing_of_the_lines_below_it():
    clauses = read_note("DH: ramipril\nAllergies: NKDA\nStart bisoprolol OM\n\nAllergies\npenicillin\nnuts")[1]
    assert [clause.section for clause in clauses] == ["medicines", "allergies", "", "allergies", "allergies"]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("Stop ibuprofen, start omeprazole 20 mg", ["Stop ibuprofen", "start omeprazole 20 mg"]),
        ("Start amlodipine and refer to cardiology", ["Start amlodipine", "refer to cardiology"]),
        ("Tight chest pain, with vomiting", ["Tight chest pain", "with vomiting"]),
        ("On naproxen, stopped because of heartburn", ["On naproxen, stopped because of heartburn"]),
    ],
)
def test_what_is_done_with_each_medicine_is_a_statement_of_its_own(text, statements):
    assert [clause.text for clause in read_note(text)[1]] == statements


@pytest.mark.parametrize("text", ["Was on a statin", "He was taking a statin", "Previously on a statin"])
def test_what_was_taken_is_no_medicine_of_today(text):
    assert "used to take a statin" in read_note(text)[1][0].plain
    assert read_note("Pain was on the left side")[1][0].plain == "Pain was on the left side"


def test_a_line_on_the_family_tells_nothing_of_the_lines_below_it():
    clauses = read_note("FH: father MI at 55\nBP 150/90\n\nFH\nfather MI\nmother T2DM")[1]
    assert [clause.section for clause in clauses] == ["family", "", "family", "family"]
