"""Fusion: one probability from transcript and audio; each way of knowing a concept has its own weights."""

from dataclasses import replace

import numpy as np
import pytest

from medalign.concepts import Concept, ConceptBank, find_mentions, transcript_from_text
from medalign.core.analysis import Correction
from medalign.core.assets import CHECKPOINTS
from medalign.core.errors import DataError
from medalign.core.transcript import Transcript
from medalign.models.student import DEFAULT_STUDENT
from medalign.pipeline.calibration import FEATURES, Calibration
from medalign.pipeline.evidence import AudioEvidence, FusedProbabilities, TextEvidence, findings
from medalign.pipeline.fusion import MAX_LOGIT, candidate_concepts, fusion_features
from medalign.pipeline.misheard_names import find_corrected_mentions
from medalign.training.fitting.fit_fusion import Candidates, fit_fusion, joined, measure_fusion

BANK = ConceptBank.default()
WINDOWS = ((0.0, 6.0), (3.0, 9.0), (6.0, 12.0))


def by_label(label: str) -> Concept:
    return next(concept for concept in BANK.concepts if concept.label == label)


def column(label: str) -> int:
    return BANK.column[by_label(label).concept_id]


def heard(**probabilities: tuple[float, float, float]) -> AudioEvidence:
    p = np.zeros((len(WINDOWS), len(BANK)))
    for label, by_window in probabilities.items():
        p[:, column(label)] = by_window
    return AudioEvidence(WINDOWS, p, p, 0.3)


def reading(transcript: Transcript, cosine: float = 0.3) -> TextEvidence:
    """Every window's words are as near to every concept."""
    text = np.tile([cosine, np.sqrt(1 - cosine**2)], (len(WINDOWS), 1)).astype(np.float32)
    concepts = np.tile([1.0, 0.0], (len(BANK), 1)).astype(np.float32)
    return TextEvidence(transcript, text, text, concepts, Calibration.load(CHECKPOINTS / DEFAULT_STUDENT))


def features(transcript: Transcript, ear: AudioEvidence, corrections: tuple[Correction, ...] = ()) -> dict[str, np.ndarray]:
    mentions = find_corrected_mentions(transcript, corrections, BANK)
    asked = candidate_concepts(mentions, ear, BANK)
    rows = fusion_features(asked, mentions, corrections, reading(transcript), ear, BANK)
    return {BANK[c].label: row for c, row in zip(asked, rows, strict=True)}


def test_concepts_are_asked_about_if_either_witness_speaks():
    transcript = transcript_from_text("I have a cough.")
    ear = heard(fever=(0.0, 0.2, 0.1), nausea=(0.01, 0.02, 0.0))
    labels = [BANK[c].label.lower() for c in candidate_concepts(find_mentions(transcript, BANK), ear, BANK)]
    assert labels[0] == "cough" and "fever" in labels and "nausea" not in labels


def test_each_way_of_knowing_has_its_own_columns():
    transcript = transcript_from_text("I have a cough and take salby temol.")
    words = [w.text.strip(".") for w in transcript.words]
    at = words.index("salby")
    name = by_label("salbutamol")
    correction = Correction(
        at, at + 1, "salby temol", "salbutamol", name.concept_id, 0.8, transcript.words[at].start_s, transcript.words[-1].end_s
    )
    rows = features(transcript, heard(cough=(0.9, 0.5, 0.1), fever=(0.0, 0.2, 0.6), salbutamol=(0.5, 0.0, 0.0)), (correction,))
    read, put_right, only_heard = (
        next(row for label, row in rows.items() if label.lower() == wanted) for wanted in ("cough", "salbutamol", "fever")
    )
    assert read[0] == 1 and read[2] == pytest.approx(np.log(0.9 / 0.1)) and not read[4:].any()
    assert put_right[4] == 1 and put_right[5] == pytest.approx(np.log(0.8 / 0.2)) and not put_right[[0, 1, 2, 3]].any()
    assert not put_right[7:].any()
    assert only_heard[7] == 1 and only_heard[8] == pytest.approx(np.log(0.6 / 0.4))
    assert only_heard[9] == pytest.approx(np.log(0.2 / 0.8)) and not only_heard[:7].any()
    assert only_heard[10] == pytest.approx(0.3) and only_heard[12] == pytest.approx(1.0)


def test_certainty_stays_finite():
    rows = features(transcript_from_text("I have a cough."), heard(cough=(1.0, 1.0, 1.0), fever=(1.0, 0.0, 0.0)))
    assert all(np.abs(row[[1, 2, 8, 9]]).max() <= MAX_LOGIT for row in rows.values())


def test_a_concept_that_nobody_wrote_down_is_told_from_the_threshold_on_and_every_row_has_its_probability():
    transcript = transcript_from_text("No cough, but my mother has a cough.")
    ear = heard(fever=(0.0, 0.2, 0.6), nausea=(0.3, 0.0, 0.0))
    mentions = find_mentions(transcript, BANK)
    ids = {label: by_label(label).concept_id for label in ("cough", "fever", "nausea")}
    fused = {ids["cough"]: 0.97, ids["fever"]: 0.4, ids["nausea"]: 0.6}
    rows = findings(mentions, reading(transcript), ear, BANK, FusedProbabilities(fused, 0.5))
    assert {(r.label, r.status, r.probability) for r in rows} == {
        ("cough", "negated", 0.97),
        ("cough", "family", 0.97),
        ("nausea", None, 0.6),
    }
    unfused = findings(mentions, reading(transcript), ear, BANK)
    assert {(r.label, r.probability) for r in unfused} == {("cough", None), ("fever", None)}  # the student's 0.5 decides


def test_a_kind_is_not_only_heard_where_the_words_name_one_of_it():
    """ "Does she need antibiotics?" - "Only amoxicillin if ...": the general word in the sound is what the words say."""
    ear = heard(antibiotic=(0.9, 0.9, 0.9))
    named, unnamed = (transcript_from_text(text) for text in ("You may need amoxicillin.", "You may need rest."))
    found = [{row.label for row in findings(find_mentions(t, BANK), reading(t), ear, BANK)} for t in (named, unnamed)]
    assert found == [{"amoxicillin"}, {"antibiotic"}]


def test_present_and_denied_is_shown_as_a_contradiction():
    transcript = transcript_from_text("I have a cough. I have no cough. My mother has a fever, but I have no fever.")
    mentions = find_mentions(transcript, BANK)
    rows = findings(mentions, reading(transcript), heard(cough=(0.9, 0.9, 0.9)), BANK)
    assert {(r.label, r.status): r.is_contradicted for r in rows} == {
        ("cough", "present"): True,
        ("cough", "negated"): True,
        ("fever", "family"): False,
        ("fever", "negated"): False,
    }


def test_what_was_asked_gives_way_to_the_answer_but_a_suspected_disease_stays_suspected():
    transcript = transcript_from_text("Is it a cough? I have a cough. It could be pneumonia. Pneumonia is bad.")
    statuses = ("uncertain", "present", "uncertain", "present")
    mentions = [replace(m, status=s) for m, s in zip(find_mentions(transcript, BANK), statuses, strict=True)]
    rows = findings(mentions, reading(transcript), heard(cough=(0.9, 0.9, 0.9)), BANK)
    assert {(r.label, r.status) for r in rows} == {("cough", "present"), ("pneumonia", "uncertain"), ("pneumonia", "present")}


@pytest.mark.parametrize(
    ("dialogue", "text", "until"),
    [
        ("Doctor: Any fever?\nPatient: Yes, since Monday.", "fever? Yes, since Monday", "Monday."),
        ("Doctor: Have you had any fever, or a cough?\nPatient: No fever, no.", "had any fever? No fever, no", "no."),
        ("Doctor: Chest pain, fever, no.\nDoctor: Good.", "fever? no", "no."),
        ("Doctor: Any fever?\nDoctor: Let me see.", "fever", "fever?"),
        ("Patient: I have a fever.\nDoctor: Yes, I see.", "have a fever", "fever."),
    ],
)
def test_what_was_asked_is_heard_with_its_answer(dialogue, text, until):
    """The question alone bears nothing out: the stretch begins at it and ends with the answer; the term keeps its own end."""
    transcript = transcript_from_text(dialogue)
    rows = findings(find_mentions(transcript, BANK), reading(transcript), heard(), BANK)
    place = next(row for row in rows if row.label == "fever").text_evidence[0]
    words = [w for w in transcript.words if place.start_s <= w.start_s < place.end_s - 1e-6]
    assert (place.text, words[-1].text) == (text, until)
    term = [w.text.strip("?.,") for w in words if w.end_s <= place.words_end_s + 1e-6]
    assert " ".join(term) == text.split("?")[0]


def test_a_condition_that_repeats_a_complaint_is_no_row_but_one_about_what_is_denied_is():
    transcript = transcript_from_text("I have a cough. If the cough gets worse, call. I have no fever. If a fever comes, call.")
    statuses = ("present", "hypothetical", "negated", "hypothetical")
    mentions = [replace(m, status=s) for m, s in zip(find_mentions(transcript, BANK), statuses, strict=True)]
    rows = findings(mentions, reading(transcript), heard(cough=(0.9, 0.9, 0.9)), BANK)
    assert {(r.label, r.status) for r in rows} == {("cough", "present"), ("fever", "negated"), ("fever", "hypothetical")}


def test_what_is_done_with_a_medicine_is_what_was_said_last_of_it():
    transcript = transcript_from_text("I take salbutamol. Any salbutamol? Stop the salbutamol.")
    mentions = [
        replace(m, status="present", action=action)
        for m, action in zip(find_mentions(transcript, BANK), ("taking", "changed", "asked"), strict=True)
    ]
    (row,) = findings(mentions, reading(transcript), heard(salbutamol=(0.5, 0.5, 0.5)), BANK)
    assert row.action == "changed"  # what is merely asked or taken tells less


def asked(n: int, seed: int, name: str) -> Candidates:
    """The transcript has two in three of what was said; the ear knows about most of the others."""
    rng = np.random.default_rng(seed)
    said = rng.random(n) < 0.5
    read = said & (rng.random(n) < 0.66)
    rows = np.zeros((n, len(FEATURES["fusion"])))
    rows[read, 0], rows[read, 1] = 1, 2
    rows[~read, 7] = 1
    rows[~read, 8] = np.where(said[~read], 1.5, -1.5) + rng.standard_normal((~read).sum())
    rows[rng.random(n) < 0.02] = np.nan
    return Candidates(
        np.array([name] * n), rng.random(n) < 0.3, said, read, np.zeros(n, bool), rows, said * 0.5 + rng.random(n)
    )


def test_fused_beats_the_transcript_where_the_ear_knows_more_and_is_calibrated():
    fusion = fit_fusion(joined([asked(200, seed, f"c{seed}") for seed in range(5)]))
    figures = measure_fusion(fusion, joined([asked(200, seed, f"c{seed}") for seed in range(10, 20)]))
    assert figures["all"]["fused"]["f1"] > figures["all"]["transcript"]["f1"] + 0.05
    difference, low, high = figures["all"]["fused_minus_transcript_f1"]
    assert 0 < low < difference < high
    assert figures["all"]["transcript"]["precision"] == 1.0
    low, high = figures["all"]["fused"]["f1_interval"]
    assert low < figures["all"]["fused"]["f1"] < high
    assert figures["expected_calibration_error"] < 0.06
    ranked = figures["average_precision"]
    assert 0.7 < ranked["preview"] < 1.0 and 0.7 < ranked["transcript"] < 1.0
    assert figures["common"]["n_said"] + figures["names"]["n_said"] == figures["all"]["n_said"]
    assert sum(b["n"] for b in figures["reliability"]) <= 2000


def test_too_little_is_refused():
    nothing = asked(20, 0, "c")
    with pytest.raises(DataError, match="too few"):
        fit_fusion(Candidates(nothing.consultation, nothing.is_name, np.zeros(20, bool), *list(vars(nothing).values())[3:]))


def test_a_concept_that_no_fit_knows_is_not_reported_from_sound_alone():
    loud = heard(fever=(0.9, 0.9, 0.9), nausea=(0.9, 0.9, 0.9), cough=(0.9, 0.9, 0.9))
    ear = replace(loud, reportable=np.arange(len(BANK)) != column("nausea"))
    transcript = transcript_from_text("I have a cough.")
    mentions = find_mentions(transcript, BANK)
    assert [BANK[c].label for c in candidate_concepts(mentions, ear, BANK)] == ["cough", "fever"]
    rows = findings(mentions, reading(transcript), ear, BANK)
    assert {row.label: row.agreement for row in rows} == {"cough": "both", "fever": "student_only"}
    unsaid = replace(loud, reportable=np.zeros(len(BANK), bool))  # what is written has its audio beside it all the same
    assert [row.student.evidence != () for row in findings(mentions, reading(transcript), unsaid, BANK)] == [True]


def test_new_concepts_change_no_probability_of_those_that_the_fit_knows():
    calibration = Calibration.load(CHECKPOINTS / DEFAULT_STUDENT)
    known, more = np.array([[0.3, 0.5]]), np.array([[0.3, 0.5, 0.9]])
    fitted = np.array([True, True, False])
    assert calibration.concept_probability(more, fitted)[:, :2] == pytest.approx(calibration.concept_probability(known))
    assert calibration.concepts <= {concept.concept_id for concept in BANK.concepts} and len(calibration.concepts) == 831
