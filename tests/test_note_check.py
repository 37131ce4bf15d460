"""A note is held against a recording: what agrees, what differs, what is nowhere, and what is left out.

Stored analyses and a teacher's embeddings of a few statements: no recording is analysed here.
"""

import csv
import functools
import json
import random
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from medalign.cli import main
from medalign.concepts import ConceptBank, transcript_from_text
from medalign.concepts.notes import read_note
from medalign.concepts.tokens import stem
from medalign.core.assets import EXAMPLES
from medalign.core.audio import load_recording
from medalign.core.errors import DataError
from medalign.core.examples import analysis_path
from medalign.core.files import typed
from medalign.core.note_check import NoteCheck
from medalign.core.note_comparison import NoteComparison, drawn_order, told
from medalign.core.transcript import Transcript
from medalign.pipeline.boosted_fit import BoostedFit
from medalign.pipeline.notes.claims import statement_said
from medalign.pipeline.notes.comparison import compare
from medalign.pipeline.notes.counterfactuals import counterfactuals
from medalign.pipeline.notes.evidence import fit, preferred
from medalign.pipeline.notes.left_out import left_out
from medalign.pipeline.notes.places import PLACES, place_features
from medalign.pipeline.notes.said import Said, numbers_of, sides_of
from medalign.pipeline.notes.tally import FEATURES, Comparison
from medalign.report.note_page import note_pair_html
from medalign.training.data.consultations import Consultation
from medalign.training.data.note_errors import ErrorMaker
from medalign.training.fitting.fit_note_check import TREES, boosted

NOTES = EXAMPLES / "notes"


@functools.cache  # when a test asks: each worker imports this module, and one needs it
def heard(text: str) -> Said:
    return Said.from_transcript(transcript_from_text(text), ConceptBank.default())


def comparison(statement: str, said: Said) -> Comparison:
    clause = read_note(statement)[1][0]
    bank = ConceptBank.default()
    return compare(clause, statement_said(clause, bank), said, said.stretches[:3], bank)


def compared(statement: str, said: Said):
    """The features by name, and what is contradicted."""
    found = comparison(statement, said)
    return dict(zip(FEATURES, found.features.tolist(), strict=True)), found.contradiction


TALK = (
    "Doctor: Any chest pain?\nPatient: No, none at all.\nDoctor: And the cough?\n"
    "Patient: I've had this cough for three weeks. It hurts in my left knee.\n"
    "Patient: My mother has asthma. I used to smoke, but I stopped five years ago.\n"
    "Doctor: Your blood pressure is 150 over 90. Start amlodipine once a day."
)


@pytest.mark.parametrize(
    ("statement", "contradiction"),
    [
        ("Has chest pain", "chest pain is denied"),
        ("No cough", "cough is said to be there"),
        ("PMH: asthma", "asthma of a relative"),
        ("FH: father has asthma", "the mother's"),
        ("Smokes 10 a day", "smoking is in the past"),
        ("O/E: BP 170/90", "150/90"),
        ("Pain in the right knee", "left"),
    ],
)
def test_what_differs_is_named(statement, contradiction):
    assert re.search(contradiction, compared(statement, heard(TALK))[1] or "nothing")


@pytest.mark.parametrize(
    "statement",
    ["No chest pain", "Cough for 3 weeks", "FH: mother has asthma", "Ex-smoker", "BP 150/90", "Pain in the left knee",
     "DH: amlodipine", "Plan: return if chest pain", "?chest pain"],
)  # fmt: skip
def test_what_agrees_is_not_contradicted(statement):
    assert compared(statement, heard(TALK))[1] is None


ANGINA = (
    "Patient: The pain came on after dinner. It lasted about twenty minutes.\nDoctor: Did it spread to your arm?\n"
    "Patient: No.\nPatient: I take an aspirin every morning. My father had a heart attack at 55.\n"
    "Doctor: Your ECG looks normal. This may be angina, but it could be reflux."
)


@pytest.mark.parametrize(
    ("statement", "contradiction"),
    [
        ("Aspirin every evening", "evening, the recording morning"),
        ("The pain lasted 30 minutes", "30 minutes, the recording 20 minutes"),
        ("FH: father had a heart attack at 65", "65, the recording 55"),
        ("Angina confirmed", "angina is only spoken of as possible"),
        ("PMH: angina", "angina is only spoken of as possible"),
        ("ECG abnormal", "abnormal, the recording normal"),
    ],
)
def test_another_value_in_the_very_place_counts_whatever_else_fits(statement, contradiction):
    found = comparison(statement, heard(ANGINA))
    assert found.is_plain and re.search(contradiction, found.contradiction) and found.against


@pytest.mark.parametrize(
    "statement",
    ["Aspirin in the morning", "The pain lasted 15-20 minutes", "FH: father had a heart attack at 55", "Imp: angina", "?angina",
     "ECG normal", "Review in 30 minutes", "No aspirin in the evening", "Earache for 90 minutes"],
)  # fmt: skip
def test_the_same_value_or_one_of_something_else_is_no_contradiction(statement):
    assert not comparison(statement, heard(ANGINA)).is_plain


FAMILY = (
    "Doctor: Any illness in the family?\nPatient: My mother had a heart attack at sixty. My brother has type 2 diabetes.\n"
    "Doctor: It's 144 over 86 today, and your weight is 81 kilograms.\nDoctor: We'll check your kidney function."
)


@pytest.mark.parametrize(
    ("statement", "contradiction"),
    [
        ("FHx: father MI", "heart attack is the mother's"),
        ("FHx: mother MI, brother T2DM", None),
        ("BP 144/86, weight 81 kg", None),
        ("Plan: U&E", None),
    ],
)
def test_each_relative_has_an_illness_of_their_own_and_a_result_may_be_all_numbers(statement, contradiction):
    found = comparison(statement, heard(FAMILY))
    assert found.contradiction == (contradiction and f"in the recording, {contradiction}")
    assert found.is_plain == bool(contradiction) and (contradiction or not found.lacking)


def test_a_possibility_that_the_note_writes_without_doubt_is_told():
    assert comparison("Imp: angina", heard(ANGINA)).is_only_possible
    assert not comparison("Imp: ?angina", heard(ANGINA)).is_only_possible


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [("O/E: ECG shows ST elevation", "st segment changes is not spoken of"), ("O/E: ECG normal", None), ("ECG NAD", None),
     ("Troponin raised", "troponin is not spoken of"), ("NKDA", "drug allergy is not spoken of"), ("Has pain", None)],
)  # fmt: skip
def test_what_is_never_spoken_of_is_named(statement, lacking):
    assert comparison(statement, heard(ANGINA)).lacking == lacking


CHILD = (
    "Patient: She keeps pulling at her left ear. She had tonsillitis last winter, and a cough last week that has gone.\n"
    "Patient: I gave her ibuprofen, and she is allergic to penicillin. Just a bit of clear mucus.\n"
    "Doctor: Stop the ibuprofen for now. If she is no better in three days, start the amoxicillin.\n"
    "Doctor: If you see her coughing up blood, come straight back."
)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("Right earache", "right is not said there"),
        ("PMH: type 2 diabetes", "2 is not said"),
        ("Unwell for 3 weeks", "3 weeks is not said"),
        ("Haemoptysis", "only spoken of as something that may come"),
        ("Start amoxicillin today", "only spoken of on a condition"),
    ],
)
def test_what_is_plainly_not_said_can_not_be_borne_out(statement, said):
    assert said in (comparison(statement, heard(CHILD)).lacking or "")


@pytest.mark.parametrize("statement", ["Pulling at left ear", "Amoxicillin if no better in 3 days", "Return if haemoptysis"])
def test_what_is_said_as_it_is_written_lacks_nothing(statement):
    assert comparison(statement, heard(CHILD)).lacking is None


@pytest.mark.parametrize(
    ("statement", "contradiction"),
    [
        ("Allergies: NKDA", "drug allergy is said to be there"),
        ("Ongoing cough", "cough is in the past"),
        ("Imp: tonsillitis", "tonsillitis is in the past"),
        ("Continue ibuprofen", "ibuprofen is stopped"),
        ("Green sputum", "the note has green, the recording clear"),
    ],
)
def test_what_was_is_not_what_is_and_what_is_said_last_holds(statement, contradiction):
    assert contradiction in (comparison(statement, heard(CHILD)).contradiction or "")


@pytest.mark.parametrize("statement", ["DH: ibuprofen", "Plan: stop ibuprofen", "PMH: tonsillitis", "Clear sputum"])
def test_what_was_said_first_is_as_true_of_its_time(statement):
    assert comparison(statement, heard(CHILD)).contradiction is None


def test_the_words_that_decide_are_shown_an_answer_with_its_question():
    passages = heard(ANGINA).passages
    whole = [(0.0, 1e6)]
    (spread, *_) = passages.deciding({stem("spread"): 8.0, stem("arm"): 7.0}, (), whole)
    assert spread.text == "Did it spread to your arm? No."
    against = comparison("The pain lasted 30 minutes", heard(ANGINA)).against
    assert [e.text for e in passages.deciding({}, against)] == ["It lasted about twenty minutes."]
    assert not passages.deciding({"nowhere": 9.0}, (), whole)


def test_what_was_never_said_is_absent_and_no_contradiction():
    features, contradiction = compared("Takes warfarin 7 mg", heard(TALK))
    assert features["medicines absent"] == 1 and features["numbers absent"] == 1 and contradiction is None


def test_a_number_counts_where_it_stands_beside_its_own_words():
    assert compared("Cough for 3 weeks", heard(TALK))[0]["numbers agree"] == 1
    assert compared("Cough for 5 weeks", heard(TALK))[0]["numbers agree"] == 0
    assert numbers_of(transcript_from_text("type 2 diabetes, three weeks").words) == {2.0, 3.0}


def test_sides_belong_to_parts():
    assert ("left", "kne") in sides_of("my left knee") and not sides_of("that's right, come right now")


def test_the_sense_of_words_no_bank_knows_is_read_where_they_stand():
    said = heard(
        "Doctor: Does it spread to your arm or your jaw?\nPatient: No, it stays in one place.\nDoctor: Any odd tingling?\n"
        "Patient: Yes, some tingling.\nPatient: I walked for 3 hours. I've not been gardening, and then there was that day "
        "when the neighbours came over with their boys, and we all had 5 of them."
    )

    def placed(text: str) -> dict[str, float]:
        found = place_features(read_note(text)[1], [said.stretches], said)[0]
        return dict(zip(PLACES, found.tolist(), strict=True))

    for text, sense in [("It spread to the jaw", -1), ("No spread to the jaw", 1), ("Odd tingling", 1), ("No tingling", -1),
                        ("Does not do gardening", 1), ("Has been gardening", -1)]:  # fmt: skip
        assert np.sign(placed(text)["words said in its sense"]) == sense, text
    assert placed("Spread to the left arm")["its part has no side there"] == 1
    assert placed("Walked for 3 hours")["words near its numbers"] > placed("Walked for 5 hours")["words near its numbers"]


def test_how_many_unrelated_statements_fit_as_well():
    places = np.eye(4, dtype=np.float32)[:2]
    unrelated = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]], np.float32)
    found = fit(np.array([[0, 1, 0, 0], [0, 0, 1, 0]], np.float32), places, unrelated)
    assert found.as_well.tolist() == [0.25, 1.0] and found.place[0] == 1
    assert np.isnan(fit(unrelated, places[:0], unrelated).cosine).all()


def test_the_sound_is_asked_against_what_would_be_wrong():
    bank = ConceptBank.default()

    def others(text: str, *unsaid: str) -> list[str]:
        clause = read_note(text)[1][0]
        return counterfactuals(clause.plain, statement_said(clause, bank).facts, unsaid, (7.0,), bank)

    assert others("No chest pain") == ["Has chest pain"]
    assert others("Pain in the left arm") == ["Pain in the right arm"]
    assert others("Takes amlodipine 5 mg") == ["no longer Takes amlodipine 5 mg"]  # the words have both
    asked = others("Takes amlodipine 5 mg", "concept", "number")
    assert {"Takes amlodipine 10 mg", "Takes amlodipine 7 mg"} <= set(asked)
    assert sum("amlodipine" not in text and "5 mg" in text for text in asked) == 8


def test_the_sound_prefers_a_statement_only_if_it_beats_all_of_them():
    windows = np.eye(3, dtype=np.float32)[:2]
    own = np.array([[0.9, 0.1, 0], [0.2, 0.5, 0], [0, 0, 1]], np.float32)
    against = [own[1:2], np.array([[0, 0.6, 0], [0, 0, 1]], np.float32), own[:0]]
    assert preferred(own, against, windows).tolist() == [True, False, True]
    assert preferred(own, against, windows[:0]).all()


def test_what_is_left_out_is_ranked_by_what_would_be_missed():
    rows = left_out(heard(TALK), (), "", ConceptBank.default())
    weights = {row.concept: row.weight for row in rows}
    assert weights["amlodipine"] > weights["asthma"] and [row.weight for row in rows] == sorted(weights.values(), reverse=True)
    noted = statement_said(read_note("started amlodipine")[1][0], ConceptBank.default()).facts
    assert "amlodipine" not in {
        row.concept for row in left_out(heard(TALK), noted, "started amlodipine", ConceptBank.default())
    }
    (of_weight,) = [row.concept for row in left_out(heard(FAMILY), (), "", ConceptBank.default()) if "weight" in row.concept]
    assert of_weight not in {row.concept for row in left_out(heard(FAMILY), (), "Weight 81 kg", ConceptBank.default())}


def test_advice_on_when_to_come_back_is_missed_unless_the_note_has_any():
    said = heard("Doctor: If it gets any worse, call us straight away.")
    bank = ConceptBank.default()
    assert [row.concept for row in left_out(said, (), "", bank)] == ["advice on when to come back"]
    assert not left_out(said, (), "To return if worse", bank)


@pytest.fixture(scope="module")
def checks(analyzer, analyses):
    """The bundled notes of two examples against their stored analyses, by name; the words alone."""
    found = {}
    for path in sorted(NOTES.glob("*.txt")):
        analysis = analyses[path.stem.removesuffix("-with-errors")]
        found[path.stem] = analyzer.check_note(None, path.read_text(encoding="utf-8"), analysis=analysis)
    return found


@pytest.mark.parametrize("slug", ["chest-pain", "cough-and-wheeze"])
def test_a_right_note_is_borne_out_and_a_wrong_one_is_not(checks, slug):
    right, wrong = checks[slug], checks[f"{slug}-with-errors"]
    assert right.count("contradicted") == 0 and right.count("supported") >= 0.7 * len(right.statements)
    marked = [s.text for s in wrong.statements if s.verdict in ("contradicted", "not_found")]
    assert len(marked) >= 4 and len(marked) > right.count("not_found")
    assert len(wrong.left_out) > len(right.left_out)


def test_planted_errors_are_told_with_their_words(checks):
    found = {s.text: s for s in checks["chest-pain-with-errors"].statements}
    assert found["BP 170/90"].verdict == "contradicted" and "150/90" in found["BP 170/90"].reason
    assert found["BP 170/90"].evidence[0].text


def test_a_check_survives_json(checks):
    for check in checks.values():
        assert NoteCheck.from_dict(json.loads(json.dumps(check.to_dict()))) == check
    with pytest.raises(DataError, match="schema_version"):
        NoteCheck.from_dict({"schema_version": "0"})


def test_a_note_of_another_consultation_does_not_seem_to_belong(checks, analyzer, analyses):
    own = checks["chest-pain"]
    other = analyzer.check_note(None, own.note, analysis=analyses["child-with-earache"])
    assert other.belongs < 0.5 < own.belongs
    assert any("does not seem to belong" in warning for warning in other.warnings)


def test_another_language_and_no_note_are_refused(analyzer, analyses):
    for note, message in (
        ("Der Patient hat seit drei Wochen starken Husten und nachts Fieber, nimmt keine Tabletten.", "English"),
        ("Patient klagt über Brustschmerzen seit gestern Abend, kein Schwitzen.", "English"),
        ("", "empty"),
    ):
        with pytest.raises(DataError, match=message):
            analyzer.check_note(None, note, analysis=analyses["chest-pain"])


def test_the_command_writes_json_a_table_and_a_page(models_at_hand, examples, tmp_path, capsys):
    stored = analysis_path(examples["chest-pain"].audio_path)
    out = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "html")}
    options = [part for name, path in out.items() for part in (f"--{name}", str(path))]
    assert main(["check", str(stored), str(NOTES / "chest-pain-with-errors.txt"), *options]) == 0
    check = NoteCheck.from_dict(json.loads(out["json"].read_text(encoding="utf-8")))
    assert "✗ BP 170/90" in capsys.readouterr().out
    page = out["html"].read_text(encoding="utf-8")
    assert "<script" not in page and "150/90" in page and page.count('class="row contradicted"') == check.count("contradicted")
    table = list(csv.DictReader(out["csv"].read_text(encoding="utf-8-sig").splitlines()))
    assert len(table) == len(check.statements) + len(check.left_out)


def test_two_notes_are_compared(checks):
    right, wrong = checks["chest-pain"], checks["chest-pain-with-errors"]
    comparison = NoteComparison.of(right, wrong)
    assert (comparison.more_unsupported, comparison.leaves_out_more) == (1, 1)
    sentences = " ".join(told(comparison))
    assert "Note 2 has more unsupported statements" in sentences and "Only note 2 leaves out" in sentences
    assert told(NoteComparison.of(right, right))[0].startswith("Both have")
    page = note_pair_html(wrong, right)
    assert page.count('class="row contradicted"') == wrong.count("contradicted") and "Note 1 has more unsupported" in page
    assert {drawn_order(blind=True, rng=random.Random(seed)) for seed in range(9)} == {(0, 1), (1, 0)}
    assert drawn_order(blind=False) == (0, 1)


def test_what_two_notes_say_of_the_same_stands_together(checks):
    right, wrong = checks["chest-pain"], checks["chest-pain-with-errors"]
    pairs = NoteComparison.of(right, wrong).statements
    assert sorted(p.first for p in pairs if p.first is not None) == list(range(len(right.statements)))
    assert sorted(p.second for p in pairs if p.second is not None) == list(range(len(wrong.statements)))
    text = [lambda at, check=check: None if at is None else check.statements[at].text for check in (right, wrong)]
    differs = {(text[0](pair.first), text[1](pair.second)): pair.differs for pair in pairs}
    assert differs["BP 150/90", "BP 170/90"] and differs["father had a heart attack at 55", "mother had a heart attack at 55"]
    assert differs["no nausea", None] and not differs["ramipril, aspirin every morning", "ramipril, aspirin every morning"]


def test_the_command_compares_two_notes_and_hides_which_is_which(models_at_hand, examples, tmp_path, capsys):
    stored, out = analysis_path(examples["chest-pain"].audio_path), tmp_path / "out.json"
    notes = [str(NOTES / f"chest-pain{ending}.txt") for ending in ("", "-with-errors")]
    assert main(["check", str(stored), *notes, "--blind", "--json", str(out)]) == 0
    body, lines = json.loads(out.read_text(encoding="utf-8")), capsys.readouterr().out
    assert len(body["notes"]) == 2 and body["comparison"]["more_unsupported"] == 1
    first = body["shown_in_order"].index(2) + 1
    assert f"Note {first} has more unsupported statements" in lines and "chest-pain" not in lines
    assert main(["check", str(stored), notes[0], "--blind"]) == 2 and "two notes" in capsys.readouterr().err


def test_what_the_sound_alone_bears_out_is_marked(analyzer, analyses, examples):
    note = "DH: omeprazole, ibuprofen for back pain. Tummy pain. Allergies: NKDA. Knee swelling."
    stomach = examples["upset-stomach"].audio_path
    heard, *rest = analyzer.check_note(load_recording(stomach), note, analysis=analyses["upset-stomach"]).statements
    assert heard.verdict == "supported" and heard.support == "sound" and "listen" in heard.reason
    assert heard.evidence[0].text is None  # written as "Oh my Brazil"
    assert [(s.verdict, s.support) for s in rest] == [("supported", "both"), ("contradicted", None), ("not_found", None)]


@pytest.mark.parametrize(
    ("audio", "note", "message"),
    [("gone.wav", "note", "gone.wav"), ("stored", "empty", "empty"), ("stored", "gone.txt", "gone.txt")],
)
def test_the_command_refuses_in_one_line(audio, note, message, examples, tmp_path, capsys):
    (tmp_path / "empty").write_text("  \n")
    (tmp_path / "note").write_text("No cough.")
    recording = str(analysis_path(examples["chest-pain"].audio_path)) if audio == "stored" else str(tmp_path / audio)
    assert main(["check", recording, str(tmp_path / note)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_errors_are_of_their_kind_and_the_same_for_one_seed():
    notes = {
        "day1_a": "Pain in the left knee\nNo fever\nPMH: asthma\nDH: ramipril 5 mg\nFH: mother has asthma",
        "day1_b": "Cough for 3 weeks, worse at night\nDH: aspirin 75 mg\nWorks as a baker in town",
    }
    consultations = [Consultation(name, "train", (), text) for name, text in notes.items()]
    bank = ConceptBank.default()
    made = [(e.kind, o.text, e.clause.plain) for o, e in ErrorMaker(consultations, bank).errors("day1_a")]
    assert made == [(e.kind, o.text, e.clause.plain) for o, e in ErrorMaker(consultations, bank).errors("day1_a")]
    by_kind = {(kind, text): plain for kind, text, plain in made}
    assert by_kind["negation", "No fever"] == "Has fever"
    assert by_kind["side", "Pain in the left knee"] == "Pain in the right knee"
    assert by_kind["medicine", "ramipril 5 mg"] == "Medication: aspirin 5 mg"
    assert by_kind["started", "ramipril 5 mg"] == "Medication: stopped ramipril 5 mg"
    assert by_kind["person", "mother has asthma"] == "Past medical history: asthma"
    assert by_kind["number", "ramipril 5 mg"] != "Medication: ramipril 5 mg"


def test_trees_answer_as_the_library_that_grew_them_and_survive_json():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5)).astype(np.float32)
    truth = (features[:, 0] > 0) ^ (features[:, 1] > 0.3)  # no sum tells that
    fit = boosted(tuple("abcde"), features, truth)
    weights = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    theirs = HistGradientBoostingClassifier(early_stopping=False, **TREES).fit(features, truth, weights)
    assert np.allclose(fit.probability(features), theirs.predict_proba(features)[:, 1], atol=1e-6)
    assert typed(json.loads(json.dumps(asdict(fit))), BoostedFit) == fit
    assert ((fit.probability(features) > 0.5) == truth).mean() > 0.9


def test_a_recording_without_speech_bears_nothing_out_and_says_so(analyzer, analyses):
    silent = replace(analyses["chest-pain"], transcript=Transcript(()), concepts=(), measurements=())
    check = analyzer.check_note(None, "No chest pain. Takes aspirin. Left knee pain for 3 weeks.", analysis=silent)
    assert {s.verdict for s in check.statements} == {"not_found"} and check.belongs is None and not check.left_out
    assert any("Nothing is said" in warning for warning in check.warnings)
