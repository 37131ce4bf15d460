"""What leaves the page: read back by others' rules, with its disclaimer, and with no mention turned into a fact."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from fhir.resources.R4B.bundle import Bundle
from page_fixtures import analysis, hostile_analysis, silent_analysis

from medalign.cli import main
from medalign.cli.analyze import _summary
from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.concepts.measurements import find_measurements
from medalign.core.alignment import UtterancePoint
from medalign.core.analysis import DISCLAIMER, Analysis, ConceptFinding, Correction, Evidence, Measurement, Source
from medalign.core.editing import edit_segment
from medalign.core.errors import DataError
from medalign.core.transcript import Segment, Transcript, Word
from medalign.core.wording import clock
from medalign.report.ear import doubts
from medalign.report.fhir import to_fhir
from medalign.report.plain_summary import doubt_line, to_text
from medalign.report.printable import summary_html
from medalign.report.text_formats import COLUMNS, FORMULA_STARTS, to_csv, to_vtt
from medalign.ui.views.strip_view import ear

FORMULA = '=HYPERLINK("http://example.org/?"&A1,"cough")'
STATUSES = ("present", "negated", "resolved", "historical", "family", "hypothetical", "uncertain", None)


def spoken(text: str) -> Analysis:
    """What the extractor finds in a text, as an analysis; the sound says nothing."""
    transcript, bank = transcript_from_text(text), ConceptBank.default()
    mentions = find_mentions(transcript, bank)
    rows = {}
    for m in mentions:
        rows.setdefault((m.concept_id, m.status, m.trigger), []).append(Evidence(m.start_s, m.end_s, m.text))
    concepts = []
    for (concept_id, status, trigger), places in rows.items():
        c = bank[concept_id]
        source = Source(0.9, 0.4, tuple(places))
        concepts.append(
            ConceptFinding(concept_id, c.system, c.code, c.label, c.category, status, trigger, source, None, "teacher_only")
        )
    found = find_measurements(transcript, mentions, bank)
    return replace(silent_analysis(), transcript=transcript, concepts=tuple(concepts), measurements=found)


def each_status(category: str) -> Analysis:
    """One concept a status, all said; the one without a status is only heard."""
    full = analysis()
    said = full.concepts[0]
    rows = [
        replace(said, concept_id=f"CUSTOM:{s}", system="CUSTOM", code=str(s), label=f"thing {s}", category=category, status=s,
                trigger="my aunt" if s == "family" else None)
        for s in STATUSES
    ]  # fmt: skip
    rows[-1] = replace(rows[-1], teacher=None, agreement="student_only")
    return replace(full, concepts=tuple(rows), measurements=())


def edited() -> Analysis:
    full = analysis()
    points = (UtterancePoint(1.0, 3.8, (0.1, -0.2), (0.3, 0.4)),)
    return replace(
        full,
        transcript=edit_segment(full.transcript, 1, "I have had a cough for four weeks.", "Patient"),
        alignment=replace(full.alignment, points=points),
    )


# The JSON, read back


@pytest.mark.parametrize("make", [analysis, hostile_analysis, silent_analysis, edited])
def test_an_analysis_comes_back_from_its_json_unchanged(make):
    original = make()
    assert Analysis.from_dict(json.loads(json.dumps(original.to_dict()))) == original
    assert Analysis.from_dict(original.to_dict()) == original


def test_odd_characters_of_a_transcript_survive():
    full = analysis()
    word = Word(1.0, 2.0, "naïve – 38 °C\u2028", 0.5)
    said = Transcript((Segment(1.0, 2.0, word.text, (word,), "Dr. Ó"),), None)
    full = replace(full, transcript=said)
    assert Analysis.from_dict(json.loads(json.dumps(full.to_dict()))) == full


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda b: b.update(schema_version="1.2"), r"schema_version is '1\.2'"),
        (lambda b: b.pop("schema_version"), "schema_version is None"),
        (lambda b: b.pop("sound_events"), "sound_events: field required"),
        (lambda b: b["alignment"].pop("segments"), r"alignment\.segments: field required"),
        (
            lambda b: b["transcript"]["segments"][2].pop("original_text"),
            r"transcript\.segments\.2\.original_text: field required",
        ),
        (lambda b: b.pop("disclaimer"), "disclaimer is None"),
        (lambda b: b.update(patient="Jo"), "patient: unexpected keyword argument"),
        (lambda b: b["concepts"][3].update(note="x"), r"concepts\.3\.note: unexpected keyword argument"),
        (lambda b: b["concepts"][0].update(status="maybe"), r"concepts\.0\.status"),
        (lambda b: b["recording"].update(duration_s="48"), r"recording\.duration_s"),
        (lambda b: b["recording"].update(channels=True), r"recording\.channels"),
        (lambda b: b["timings_s"].update(total=float("nan")), "not JSON compliant"),
        (lambda b: b["transcript"].update(text="Something else."), r"transcript\.text is 'Something else\.'"),
    ],
)
def test_a_body_that_is_not_an_analysis_is_refused_and_the_place_is_named(change, told):
    body = json.loads(json.dumps(analysis().to_dict()))
    change(body)
    with pytest.raises(DataError, match=told) as refusal:
        Analysis.from_dict(body)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("body", [None, [], "{}", {}])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(DataError, match="schema_version"):
        Analysis.from_dict(body)


# CSV


def csv_rows(text: str) -> list[dict[str, str]]:
    """As Python reads a file of it."""
    return list(csv.DictReader(io.StringIO(text.encode().decode("utf-8-sig"), newline="")))


def test_csv_has_a_row_a_concept_with_its_evidence_and_the_disclaimer():
    rows = csv_rows(to_csv(analysis()))
    assert [row["label"] for row in rows] == [c.label for c in analysis().concepts]
    assert list(rows[0]) == list(COLUMNS) and {row["disclaimer"] for row in rows} == {DISCLAIMER}
    cough, *_, hip = rows
    assert (cough["code"], cough["status"], cough["agreement"]) == ("HP:0012735", "present", "both")
    assert float(cough["teacher_probability"]) == 0.96 and float(cough["student_probability"]) == 0.83
    assert (float(cough["evidence_start_s"]), cough["evidence_words"]) == (6.6, "cough")
    assert cough["all_evidence"] == '0:06 "cough" | heard 0:06–0:12'
    assert cough["asr"] == "tiny.en a1b2c3d4"
    assert hip["status"] == "heard only" and hip["teacher_probability"] == hip["fused_probability"] == ""


def test_csv_of_a_recording_without_concepts_still_names_it_and_warns():
    (row,) = csv_rows(to_csv(silent_analysis()))
    assert row["label"] == row["status"] == "" and row["recording"] == "consultation.wav" and row["disclaimer"] == DISCLAIMER


def test_csv_opens_in_a_spreadsheet_as_utf8():
    assert to_csv(analysis()).encode().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    "evil", [FORMULA, "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1", "cough;=1", 'a","=1', "a\n=1"]
)
def test_no_cell_of_the_csv_is_a_formula_in_any_country(evil):
    full = analysis()
    concept = replace(
        full.concepts[0], label=evil, trigger=evil, code=evil, teacher=Source(0.9, 0.4, (Evidence(1.0, 2.0, evil),))
    )
    full = replace(full, concepts=(concept,), recording=replace(full.recording, name=evil))
    text = to_csv(full)
    for separator in ",;\t":
        for line in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=separator):
            for cell in line:
                assert not cell.lstrip(' "')[:1] or cell.lstrip(' "')[0] not in FORMULA_STARTS.replace("\\", ""), repr(cell)
    (row,) = csv_rows(text)
    assert float(row["teacher_probability"]) == 0.9 and float(row["evidence_start_s"]) == 1.0
    assert row["label"].replace("'", "") == evil


# WebVTT

CUE = re.compile(r"(\d{2,}):(\d\d):(\d\d)\.(\d{3}) --> (\d{2,}):(\d\d):(\d\d)\.(\d{3})")


def cues(text: str) -> list[tuple[float, float, str, str]]:
    """Start, end, voice and words of each cue, by the rules of the format; notes are skipped."""
    head, *blocks = text.strip("\n").split("\n\n")
    assert head == "WEBVTT"
    found = []
    for block in blocks:
        first, *lines = block.split("\n")
        if first == "NOTE":
            assert "-->" not in block
            continue
        times = [int(part) for part in CUE.fullmatch(first).groups()]
        start_s, end_s = (h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (times[:4], times[4:]))
        (line,) = lines
        voice, words = re.fullmatch(r"(?:<v ([^<>\n]*)>)?([^<>]*)", line).groups()
        found.append((start_s, end_s, unescape(voice or ""), unescape(words)))
    return found


def test_vtt_says_who_says_what_and_when():
    full = analysis()
    assert cues(to_vtt(full)) == [(s.start_s, s.end_s, f"{s.speaker}?", s.text) for s in full.transcript.segments]
    first, *others = full.transcript.segments
    named = Transcript((replace(first, speaker="Dr Invented", original_speaker=first.speaker), *others), "en")
    assert cues(to_vtt(replace(full, transcript=named)))[0][2] == "Dr Invented", "a person said so, so it is no guess"
    assert f"NOTE\n{DISCLAIMER}\n" in to_vtt(full) and "tiny.en" in to_vtt(full)


def test_vtt_keeps_words_that_look_like_its_own_marks():
    said = (
        Segment(3601.0, 3602.0, "a --> b\n\n00:00:01.000 --> 00:00:02.000\nfake", (), "Dr <b>&amp;"),
        Segment(1.0, 1.0, "1 < 2 & 3 > 2", ()),
        Segment(2.0, 3.0, "  ", ()),
    )
    found = cues(to_vtt(replace(analysis(), transcript=Transcript(said))))
    assert found == [
        (1.0, 1.001, "", "1 < 2 & 3 > 2"),
        (3601.0, 3602.0, "Dr <b>&amp;?", "a --> b 00:00:01.000 --> 00:00:02.000 fake"),
    ]


@pytest.mark.parametrize("make", [analysis, hostile_analysis, silent_analysis])
def test_vtt_times_never_run_backwards(make):
    found = cues(to_vtt(make()))
    assert len(found) == len(make().transcript.segments)
    assert all(start < end for start, end, *_ in found)
    assert all(a[0] <= b[0] for a, b in pairwise(found))


# FHIR

R4_CODES = {  # required by R4 4.0.1
    "clinicalStatus": {"active", "recurrence", "relapse", "inactive", "remission", "resolved"},
    "verificationStatus": {"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"},
    "MedicationStatement": {
        "active", "completed", "entered-in-error", "intended", "stopped", "on-hold", "unknown", "not-taken",
    },
    "FamilyMemberHistory": {"partial", "completed", "entered-in-error", "health-unknown"},
    "Procedure": {
        "preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown",
    },
    "ServiceRequest": {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"},
    "Observation": {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"},
}  # fmt: skip


def resources(analysed: Analysis, kind: str | None = None) -> list[dict]:
    """Of a bundle that holds what R4 demands of every one of ours."""
    bundle = to_fhir(analysed)
    Bundle.model_validate(bundle)
    addresses = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(addresses)) == len(addresses)
    references = [value for key, value in walk(bundle) if key in ("reference", "source")]
    assert references and set(references) <= set(addresses)
    found = [entry["resource"] for entry in bundle["entry"]]
    for resource in found:
        narrative = ElementTree.fromstring(resource["text"]["div"])
        assert {element.tag for element in narrative.iter()} <= {f"{{http://www.w3.org/1999/xhtml}}{t}" for t in ("div", "p")}
        assert narrative[0].text == DISCLAIMER and resource["meta"]["tag"][0]["display"] == DISCLAIMER
        if resource["resourceType"] in R4_CODES:
            assert resource["status"] in R4_CODES[resource["resourceType"]]
        for name in ("clinicalStatus", "verificationStatus"):
            assert name not in resource or resource[name]["coding"][0]["code"] in R4_CODES[name]
    return [resource for resource in found if kind in (None, resource["resourceType"])]


def walk(body: object) -> Iterator[tuple[str, object]]:
    if isinstance(body, dict):
        for key, value in body.items():
            yield key, value
            yield from walk(value)
    elif isinstance(body, list):
        for item in body:
            yield from walk(item)


def code_of(element: dict | None) -> str | None:
    return element["coding"][0]["code"] if element else None


def told(analysed: Analysis) -> str:
    """What the bundle says of itself as a whole."""
    (outcome,) = resources(analysed, "OperationOutcome")
    return "\n".join(issue["details"]["text"] for issue in outcome["issue"])


@pytest.mark.parametrize("make", [analysis, hostile_analysis, silent_analysis, edited])
def test_fhir_bundles_are_valid_and_say_what_they_are(make):
    bundle = to_fhir(make())
    assert bundle["type"] == "collection" and bundle["meta"]["tag"][0]["display"] == DISCLAIMER
    assert bundle == to_fhir(make())
    (device,) = resources(make(), "Device")
    assert {v["value"] for v in device["version"]} >= {"tiny.en, revision a1b2c3d4", "all-MiniLM-L6-v2, revision e5f6"}
    assert DISCLAIMER in told(make())


def test_two_recordings_do_not_share_an_address():
    first, second = ({e["fullUrl"] for e in to_fhir(make())["entry"]} for make in (analysis, hostile_analysis))
    assert not first & second


def test_only_what_is_said_to_be_present_is_an_active_condition():
    for analysed in (analysis(), each_status("finding"), each_status("diagnosis")):
        stated = {c.label for c in analysed.concepts if c.status == "present"}
        conditions = resources(analysed, "Condition")
        assert {c["code"]["text"] for c in conditions if code_of(c.get("clinicalStatus")) == "active"} == stated
        assert "confirmed" not in {code_of(c["verificationStatus"]) for c in conditions}


def test_each_status_of_a_finding_keeps_its_meaning():
    conditions = {
        c["code"]["text"]: (code_of(c.get("clinicalStatus")), code_of(c["verificationStatus"]))
        for c in resources(each_status("finding"), "Condition")
    }
    assert conditions == {
        "thing present": ("active", "unconfirmed"),
        "thing negated": (None, "refuted"),
        "thing resolved": ("resolved", "unconfirmed"),
        "thing historical": ("inactive", "unconfirmed"),
        "thing uncertain": (None, "provisional"),
    }
    (relative,) = resources(each_status("finding"), "FamilyMemberHistory")
    assert code_of(relative["relationship"]) == "AUNT" and relative["condition"][0]["code"]["text"] == "thing family"
    missing = told(each_status("finding"))
    assert "thing hypothetical: only if, or planned" in missing and "thing None: heard in the sound only" in missing


def test_each_status_of_a_procedure_keeps_its_meaning():
    full = each_status("procedure")
    assert {p["code"]["text"]: p["status"] for p in resources(full, "Procedure")} == {
        "thing present": "unknown",
        "thing uncertain": "unknown",
        "thing negated": "not-done",
        "thing resolved": "completed",
        "thing historical": "completed",
    }
    (planned,) = resources(full, "ServiceRequest")
    assert (planned["code"]["text"], planned["status"], planned["intent"]) == ("thing hypothetical", "draft", "proposal")
    (relative,) = resources(full, "FamilyMemberHistory")
    assert "condition" not in relative and "thing family" in relative["note"][0]["text"]
    assert not resources(full, "Condition")


def test_a_habit_is_an_observation_and_what_is_measured_none():
    full = each_status("habit")
    said = {o["code"]["text"]: o["valueString"] for o in resources(full, "Observation")}
    assert said == {f"thing {s}": f"mentioned as {s}" for s in ("present", "negated", "resolved", "historical", "uncertain")}
    assert "thing hypothetical: only if, or planned" in told(full) and not resources(full, "Condition")
    measured = each_status("measurement")
    assert not resources(measured, "Observation") and not resources(measured, "Condition")
    assert "thing present: what is measured" in told(measured)


def test_each_status_of_a_medicine_keeps_its_meaning():
    full = each_status("medicine")
    statements = {m["medicationCodeableConcept"]["text"]: m["status"] for m in resources(full, "MedicationStatement")}
    assert statements == {
        "thing present": "unknown",
        "thing negated": "not-taken",
        "thing resolved": "completed",
        "thing historical": "completed",
        "thing hypothetical": "intended",
        "thing uncertain": "unknown",
    }
    (relative,) = resources(full, "FamilyMemberHistory")
    assert "condition" not in relative and "thing family" in relative["note"][0]["text"]
    assert not resources(full, "Condition")


def test_what_is_done_with_a_medicine_says_more_than_its_status():
    full = each_status("medicine")
    present, past = full.concepts[0], next(c for c in full.concepts if c.status == "historical")
    expected = {"taking": "active", "changed": "active", "started": "intended", "asked": "unknown", None: "unknown"}
    for action, status in expected.items():
        (statement,) = resources(replace(full, concepts=(replace(present, action=action),)), "MedicationStatement")
        assert statement["status"] == status, action
    (statement,) = resources(replace(full, concepts=(replace(past, action="stopped"),)), "MedicationStatement")
    assert statement["status"] == "stopped" and "historical, stopped" in statement["statusReason"][0]["text"]


@pytest.mark.parametrize(
    ("status", "clinical", "verification"),
    [("present", "active", "unconfirmed"), ("negated", "inactive", "refuted"), ("historical", "inactive", "unconfirmed")],
)
def test_an_allergy_is_one_and_never_a_condition(status, clinical, verification):
    full = analysis()
    allergy = replace(full.concepts[0], concept_id="ICD10CM:Z88.0", category="diagnosis", status=status, trigger=None)
    full = replace(full, concepts=(allergy,))
    (found,) = resources(full, "AllergyIntolerance")
    assert code_of(found["clinicalStatus"]) == clinical and code_of(found["verificationStatus"]) == verification
    assert found["category"] == ["medication"] and "reaction" not in found
    assert not resources(full, "Condition")


def test_a_medicine_that_did_harm_is_an_intolerance_with_its_reaction():
    full = analysis()
    place, far = Evidence(10.0, 10.5, "simvastatin"), Evidence(60.0, 60.5, "a cough")
    medicine = replace(each_status("medicine").concepts[0], action="reacted", teacher=Source(0.9, 0.4, (place,)))
    ache, cough = (
        replace(
            each_status("finding").concepts[0], concept_id=label, label=label, status=status, teacher=Source(0.9, 0.4, (at,))
        )
        for label, status, at in (("leg pain", "resolved", Evidence(12.0, 13.0, "my legs ache")), ("cough", "present", far))
    )
    full = replace(full, concepts=(medicine, ache, cough))
    (found,) = resources(full, "AllergyIntolerance")
    assert found["reaction"] == [{"manifestation": [{"text": "leg pain"}]}]
    assert not resources(full, "MedicationStatement")


def test_a_status_without_words_behind_it_is_no_condition():
    full = analysis()
    unsaid = replace(full.concepts[0], teacher=Source(0.9, 0.4))
    assert not resources(replace(full, concepts=(unsaid,)), "Condition")


@pytest.mark.parametrize(
    ("trigger", "code"),
    [("my dad", "FTH"), ("on my dad's side", "FAMMEMB"), ("runs in the family", "FAMMEMB"), ("Gran", "GRMTH")],
)
def test_relatives_are_those_whom_the_words_name(trigger, code):
    full = analysis()
    (relative,) = resources(replace(full, concepts=(replace(full.concepts[3], trigger=trigger),)), "FamilyMemberHistory")
    assert code_of(relative["relationship"]) == code and relative["relationship"]["text"] == trigger


@pytest.mark.parametrize("trigger", ["my flatmate", "everyone at work", None])
def test_others_than_relatives_are_no_family_history(trigger):
    full = analysis()
    full = replace(full, concepts=(replace(full.concepts[3], trigger=trigger),))
    assert {r["resourceType"] for r in resources(full)} == {"Device", "Patient", "OperationOutcome"}
    assert "not named as a relative" in told(full)


def test_codes_stand_only_where_an_open_system_has_them():
    codings = {c["code"]["text"]: c["code"].get("coding") for c in resources(analysis(), "Condition")}
    assert codings["Cough"] == [{"system": "http://human-phenotype-ontology.org", "code": "HP:0012735"}]
    assert codings["Pneumonia"] == [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J18.9"}]
    assert [m["medicationCodeableConcept"] for m in resources(analysis(), "MedicationStatement")] == [{"text": "Amoxicillin"}]
    assert {c["code"].get("coding") for c in resources(each_status("finding"), "Condition")} == {None}


def test_evidence_doubts_and_contradictions_are_noted():
    full = analysis()
    cough, dyspnea = full.concepts[:2]
    denied = replace(cough, status="negated", trigger="no", teacher=Source(0.9, 0.4, (Evidence(40.0, 41.0, "coughing"),)))
    guess = Correction(3, 3, "coff", "Cough", cough.concept_id, 0.8, 6.6, 7.0)
    note = resources(replace(full, concepts=(cough, denied, dyspnea), corrections=(guess,)), "Condition")[0]["note"][0]["text"]
    assert 'Said: "cough" at 0:06.' in note and "Said of it: 3 weeks." in note and "text 0.96, sound 0.83" in note
    assert "Elsewhere mentioned as negated." in note
    assert 'The transcript has "coff"; the name is a suggestion.' in note
    assert "marked to be listened to again" in note  # the second segment does not fit its sound


def test_doses_stay_with_their_medicine():
    (statement,) = resources(spoken("I take ibuprofen 400 mg three times a day."), "MedicationStatement")
    assert statement["status"] == "unknown" and statement["dosage"] == [{"text": "400 mg, 3 a day"}]


def test_the_bundle_names_nobody_and_no_file():
    full = analysis()
    full = replace(full, recording=replace(full.recording, name="jane-roe-1961.wav"))
    assert "jane-roe" not in json.dumps(to_fhir(full))
    (patient,) = resources(full, "Patient")
    assert set(patient) == {"resourceType", "meta", "text"}


def test_changes_by_a_person_and_warnings_are_told():
    assert "A person has changed 1 segment" in told(edited()) and "changed" not in told(analysis())
    assert "The recording is quiet" in told(analysis())


def test_measurements_of_the_patient_are_preliminary_observations():
    full = spoken(
        "Your blood pressure is 140 over 90, your pulse is 88 and your temperature is 38.5 degrees. I weigh 80 kilos."
    )
    pressure, pulse, temperature, weight = resources(full, "Observation")
    assert {o["status"] for o in (pressure, pulse, temperature, weight)} == {"preliminary"}
    assert [code_of(o["code"]) for o in (pressure, pulse, temperature, weight)] == ["85354-9", "8867-4", "8310-5", "29463-7"]
    parts = [(code_of(c["code"]), c["valueQuantity"]["value"], c["valueQuantity"]["code"]) for c in pressure["component"]]
    assert parts == [("8480-6", 140, "mm[Hg]"), ("8462-4", 90, "mm[Hg]")] and "valueQuantity" not in pressure
    assert temperature["valueQuantity"] == {
        "value": 38.5, "unit": "°C", "system": "http://unitsofmeasure.org", "code": "Cel",
    }  # fmt: skip
    assert weight["category"][0]["coding"][0]["code"] == "vital-signs" and "subject" in weight


@pytest.mark.parametrize(
    "text",
    [
        "If your temperature goes over 38 degrees, ring us.",
        "My mother's blood pressure was 180 over 100.",
        "You should stay under 130 over 80.",
        "I used to smoke 20 cigarettes a day.",
    ],
)
def test_numbers_that_the_patient_does_not_have_are_no_observations(text):
    full = spoken(text)
    observed = {o["code"]["text"] for o in resources(full, "Observation")}
    assert full.measurements and observed <= {c.label for c in full.concepts if c.category == "habit"}
    assert not any(name.startswith("valueQuantity") for name, _ in walk(to_fhir(full)))
    assert full.measurements[0].text in told(full)


@pytest.mark.parametrize(
    ("kind", "value", "unit", "expected"),
    [
        ("weight", "12", "stone", {"valueQuantity": {"value": 12, "unit": "stone"}}),
        ("temperature", "38-39", "°C", {"valueString": "38-39 °C"}),
        ("alcohol", "14", "units", {"valueQuantity": {"value": 14, "unit": "units"}}),
        ("pulse", "88", "", {"valueQuantity": {"value": 88}}),
    ],
)
def test_no_loinc_code_where_its_profile_would_refuse_the_value(kind, value, unit, expected):
    full = spoken("My pulse is 88.")
    said = full.measurements[0]
    full = replace(full, measurements=(Measurement(kind, value, unit, said.text, said.start_s, said.end_s),))
    (observation,) = resources(full, "Observation")
    assert observation["code"] == {"text": kind}
    assert {k: v for k, v in observation.items() if k.startswith("value")} == expected


def test_a_number_that_no_person_has_is_left_out_and_named():
    full = spoken("Your pulse is 4000 and your HbA1c is 58.")
    (laboratory,) = resources(full, "Observation")
    assert laboratory["code"] == {"text": "HbA1c"} and laboratory["valueQuantity"] == {"value": 58, "unit": "mmol/mol"}
    assert "4000 /min can't be true of a person; to be checked" in told(full)
    assert "(check: no person has such a value)" in summary_html(full)


def test_hostile_words_stay_words_in_the_bundle():
    condition = resources(hostile_analysis(), "Condition")[0]
    assert "<img" not in condition["note"][0]["text"]  # markdown
    words = "".join(ElementTree.fromstring(condition["text"]["div"]).itertext())
    assert '<img src=x onerror="document.title=1"> ${1+1} {{value}} </button>' in words
    full = analysis()
    odd = replace(full.concepts[0], label="cough\x00\x0b [x](javascript:y)")
    (condition,) = resources(replace(full, concepts=(odd,)), "Condition")
    assert condition["code"]["text"] == "cough [x](javascript:y)"
    assert r"\[x\](javascript:y)" in condition["note"][0]["text"]


# The printed page


class Page(HTMLParser):
    """Tags with attributes, and the text, as a browser would see them."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html.replace("<style>", "<!--").replace("</style>", "-->"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_page_has_the_summary_with_numbers_times_and_models():
    text = Page(summary_html(analysis())).text
    assert "consultation.wav" in text and "0:48 long" in text and text.count(DISCLAIMER) == 2
    assert "Cough, 3 weeks (0:06)" in text and "Dyspnea “shortness of breath” (0:13)" in text
    assert "2 0:05 “I have had a cough for three weeks and it keeps me awake.” the sound does not fit these words" in text
    assert "4 0:12 “Any fever or shortness of breath?” many of these words may be wrong" in text
    assert "1 0:20 “Monday” sounds like amoxicillin; right about 9 in 10 times" in text
    assert f"{analysis().sound_events[0].label}, about 8 in 10 (0:34)" in text
    assert "5 0:33–0:39 sounds like Wheezing, which is not in the words; as it stands, wrong about 7 in 10 times" in text
    assert "Hip pain" not in text  # heard, but unlikely
    assert "tiny.en (revision a1b2c3d4)" in text and "The recording is quiet" in text
    assert "Edited by a person" not in text


def test_each_status_is_under_its_own_heading():
    html = summary_html(analysis())
    sections = dict(re.findall(r"<h2>([^<]*)</h2><ul>(.*?)</ul>", html))
    assert "Cough" in sections["Complaint"] and "Dyspnea" in sections["Denied"] and "Asthma" in sections["Family"]
    assert "Problems" not in sections


def test_a_person_who_changed_the_words_and_a_contradiction_are_told():
    assert "Edited by a person: 1 segment" in summary_html(edited())
    full = analysis()
    said = replace(full.concepts[0], is_contradicted=True)
    denied = replace(full.concepts[1], concept_id=said.concept_id, label="Cough", is_contradicted=True)
    text = Page(summary_html(replace(full, concepts=(said, denied)))).text
    assert text.count("“Cough” said to be there, and denied at 0:13") == 1 and text.count("use your ear, 2") == 2


def test_numbers_that_are_not_the_patients_are_marked():
    text = Page(summary_html(spoken("Your pulse is 88. My mother's blood pressure was 180 over 100."))).text
    assert "pulse, 88 /min" in text and "blood pressure 180/100 mmHg (somebody else's) (0:" in text


def test_speech_without_words_is_to_be_listened_to():
    text = Page(summary_html(silent_analysis(mismatch_window=2))).text
    assert "No speech was written down." in text and "1 0:10–0:16 speech is heard, and nothing is written" in text
    assert "No clinical concept was found" in text and text.count(DISCLAIMER) == 2


def test_a_student_without_fits_of_segment_quality_has_its_windows_to_go_by():
    full = analysis()
    text = Page(summary_html(replace(full, alignment=replace(full.alignment, segments=())))).text
    assert "0:30 “Let me listen to your chest.” the sound does not fit these words" in text


def test_the_page_is_complete_in_itself_and_hostile_text_stays_text():
    plain, evil = Page(summary_html(analysis())), Page(summary_html(hostile_analysis()))
    assert '<img src=x onerror="document.title=1"> ${1+1} {{value}} </button>' in evil.text
    for page in (plain, evil):
        assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "object", "form", "button", "a"}
        assert not [
            name for _, attributes in page.tags for name in attributes if name.startswith("on") or name in ("src", "href")
        ]
    assert "url(" not in summary_html(analysis()) and "@import" not in summary_html(analysis())
    assert "default-src 'none'" in summary_html(analysis())


def test_figures_have_their_slots_and_without_any_the_slot_is_empty():
    assert '<div class="figures"></div>' in summary_html(analysis())
    html = summary_html(analysis(), {"Fit < over time": '<svg viewBox="0 0 4 2"></svg>'})
    assert (
        '<div class="figures"><figure><svg viewBox="0 0 4 2"></svg><figcaption>Fit &lt; over time</figcaption></figure></div>'
        in html
    )


def crowded(n_concepts: int) -> Analysis:
    full = analysis()
    rows = (
        replace(full.concepts[i % 6], concept_id=f"X:{i}", label=f"{full.concepts[i % 6].label} {i}") for i in range(n_concepts)
    )
    said = Measurement("pulse", "88", "/min", "88", 7.4, 8.2)
    return replace(
        full,
        concepts=tuple(rows),
        corrections=full.corrections * 9,
        sound_events=full.sound_events * 9,
        measurements=(said,) * 9,
    )


def test_long_lists_are_cut_and_the_rest_is_counted():
    text = Page(summary_html(crowded(90))).text
    assert "and 6 more" in text  # 15 problems, 9 shown
    shown = len(re.findall(r"(?:Cough|Dyspnea|Fever|Asthma|Pneumonia|Amoxicillin) \d+", text))
    hidden = sum(int(n) for n in re.findall(r"and (\d+) more", text.split("Use your ear")[0]))
    assert shown + hidden == 91, "with the pulse"
    assert "and 4 more" in text  # 9 names, signs and numbers, 5 shown each


def test_it_prints_on_one_sheet_and_asks_nobody_for_anything(browser):
    svg = '<svg viewBox="0 0 400 200"><rect width="400" height="200"/></svg>'
    figures = {"Fit of sound and words": svg, "Concepts over time": svg}
    asked = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    for analysed in (analysis(), crowded(15), crowded(40), hostile_analysis(), silent_analysis()):
        page.set_content(summary_html(analysed, figures))
        for paper in ("A4", "Letter"):
            pdf = page.pdf(format=paper)
            assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1, f"{paper}, {len(analysed.concepts)} concepts"
        assert page.title() != "1"
        assert page.evaluate("document.querySelectorAll('figure svg').length") == 2
    page.close()
    assert not asked


def test_paper_has_the_list_of_the_page_with_its_numbers():
    listed = doubts(analysis())
    assert Page(ear(listed, analysis().alignment)).text.count("right about 9 in 10") == 1
    items = re.findall(r"<li><b>(\d+)</b> <span class=\"time\">([\d:]+)", summary_html(analysis()))
    assert items == [(str(n), clock(doubt.start_s)) for n, doubt in enumerate(listed, start=1)]
    printed = "\n".join(_summary(analysis()))
    assert f"Use your ear ({len(listed)}):" in printed and "Check at" not in printed, "nor does a terminal have another one"
    assert all(f"{n}. {doubt_line(doubt)}" in printed for n, doubt in enumerate(listed, start=1))


# The summary as plain text


def test_the_summary_is_text_under_headings_with_the_time_of_each_fact():
    """Only what the analysis found, with the numbers of the page."""
    asthma = replace(analysis().concepts[3], probability=0.5)
    rows = (*analysis().concepts[:3], asthma, *analysis().concepts[4:])
    text = to_text(replace(analysis(), concepts=rows))
    assert text.startswith("consultation.wav, 0:48\n" + DISCLAIMER)
    assert "\n\nCOMPLAINT\n- Cough, 3 weeks (0:06)\n\n" in text and "\n\nDENIED\n- Dyspnea (0:13)\n\n" in text
    assert "\n\nFAMILY\n- Asthma? (0:24; use your ear, 2)\n\n" in text
    assert '\n\nUSE YOUR EAR\n1. 0:20 "Monday": sounds like amoxicillin; right about 9 in 10 times\n' in text
    assert '2. 0:24 "asthma": taken for Asthma (somebody else\'s); as it stands, wrong about 5 in 10 times' in text
    assert "Hip pain" not in text, "heard, but unlikely"
    assert "No clinical concept was found" in to_text(silent_analysis())
    assert "Edited by a person: 1 segment" in to_text(edited())
    odd = replace(analysis().concepts[0], label="cough\nDENIED")
    assert "\n- cough DENIED, 3 weeks (0:06)\n" in to_text(replace(analysis(), concepts=(odd,))), "no heading of its own"


# The command line


class Finished:
    """An engine that has its answer ready."""

    def stream(self, recording, own):
        yield analysis()


def test_the_command_line_writes_every_format(tmp_path, monkeypatch, examples, capsys):
    monkeypatch.setattr("medalign.cli.analyze._load_analyzer", lambda arguments: Finished())
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "vtt", "fhir", "html", "text")}
    options = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    assert main(["analyze", str(examples["chest-pain"].audio_path), *options]) == 0
    written = {name: path.read_bytes().decode("utf-8") for name, path in paths.items()}
    assert Analysis.from_dict(json.loads(written["json"])) == analysis()
    assert json.loads(written["fhir"]) == to_fhir(analysis())
    assert (written["csv"], written["vtt"]) == (to_csv(analysis()), to_vtt(analysis()))
    assert (written["html"], written["text"]) == (summary_html(analysis()), to_text(analysis()))
    assert all(DISCLAIMER in text for text in written.values())
    assert "Cough" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--csv", "-"], "--csv can't go to standard output"),
        (["--fhir", "/nowhere/at/all/out.json"], "does not exist; create it first"),
        (["--html", "."], "it is a folder"),
        (["--vtt", "same.txt", "--csv", "same.txt"], "is to hold two results"),
    ],
)
def test_an_export_that_cannot_be_written_is_found_out_before_the_work(options, problem, monkeypatch, examples, capsys):
    monkeypatch.setattr("medalign.cli.analyze._load_analyzer", None)  # would fail, if it came to that
    assert main(["analyze", str(examples["chest-pain"].audio_path), *options]) == 2
    message = capsys.readouterr().err
    assert problem in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("value", "unit", "read"),
    [("1", "tablets", "1 tablet"), ("1", "glasses a day", "1 glass a day"), ("2", "tablets", "2 tablets"),
     ("1", "glass", "1 glass"), ("1", "mmol/l", "1 mmol/l"), ("1", "a day", "1 a day"), ("1", "inches", "1 inch")],
)  # fmt: skip
def test_one_is_no_plural(value, unit, read):
    assert Measurement("dose", value, unit, "one", 0.0, 1.0).amount == read
