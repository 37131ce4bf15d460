"""Garbled names: suggested where letters and sound fit, left alone where words are words, and never written over."""

from dataclasses import replace
from math import isclose

import numpy as np
import pytest

from medalign.concepts import Concept, ConceptBank, transcript_from_text
from medalign.concepts.mentions import mention_places
from medalign.concepts.misheard import frequency, spelt, suggest, suggest_body_parts
from medalign.concepts.tokens import sentences
from medalign.core.analysis import Correction
from medalign.core.assets import CHECKPOINTS
from medalign.core.transcript import Transcript
from medalign.models.student import DEFAULT_STUDENT
from medalign.pipeline.calibration import FEATURES, Calibration
from medalign.pipeline.evidence import AudioEvidence
from medalign.pipeline.logistic_fit import LogisticFit
from medalign.pipeline.misheard_names import (
    MAX_NAMES,
    MAX_RATIO,
    candidates,
    corrections_of,
    find_corrected_mentions,
    find_corrections,
    misheard_features,
    shortlist,
)

GARBLED = [
    ("I use salby temol when I run.", "salbutamol"),
    ("They gave me bclonthusone last year.", "beclometasone"),
    ("I take floxetine in the morning.", "fluoxetine"),
    ("He gets nick o randal from the chemist.", "nicorandil"),
    ("She is on candace artin.", "candesartan"),
    ("I was told it is contact or metitis.", "contact dermatitis"),
    ("It could be bronchialitis.", "bronchiolitis"),
]
PLAIN = """
My GP thinks we should wait until last spring is over, and he gets the bus at ten. How long have you been taking the
children to school? I read that private lessons can make a difference. We drove to the station and back again.
"""


def bank() -> ConceptBank:
    return ConceptBank.default()


def by_label(label: str) -> Concept:
    return next(concept for concept in bank().concepts if concept.label == label)


def heard(probabilities: dict[str, float] | None = None) -> AudioEvidence:
    """One window over all, in which the student hears concepts by label."""
    p = np.zeros((1, len(bank())))
    for label, probability in (probabilities or {}).items():
        p[0, bank().column[by_label(label).concept_id]] = probability
    return AudioEvidence(((0.0, 6.0),), p, p, 0.3)


def suggested(text: str, **ear: float) -> list:
    return candidates(transcript_from_text(text), heard(ear), bank())


@pytest.mark.parametrize(("text", "label"), GARBLED)
def test_a_garbled_name_is_suggested_with_the_words_it_was_made_of(text, label):
    best = max((c.suggestion for c in suggested(text)), key=lambda s: s.likeness * s.n_letters)
    assert bank()[best.concept_id].label == label
    assert 0 <= best.sound <= 1 and 0 <= best.spelling <= 1 and best.margin > 0


def test_the_words_of_a_candidate_are_those_of_the_transcript():
    transcript = transcript_from_text("I use salby temol when I run.")
    for candidate in candidates(transcript, heard(), bank()):
        assert candidate.words == transcript.words[candidate.first : candidate.last + 1]


def test_words_that_are_words_are_left_alone():
    found = [c.suggestion for c in suggested(PLAIN)]
    assert all(s.likeness < 0.75 for s in found), [(s.name, s.likeness) for s in found]


def test_a_name_that_the_student_hears_is_looked_for_with_less_likeness():
    (sentence,) = sentences(transcript_from_text("He takes the low dipping."))
    doubted = [1.0, 1.0, 1.0, 0.3, 0.3]
    nifedipine = by_label("nifedipine").concept_id
    assert nifedipine not in {s.concept_id for s in suggest(sentence, doubted, [], bank())}
    found = [s for s in suggest(sentence, doubted, [], bank(), {nifedipine}) if s.concept_id == nifedipine]
    assert found and len({(s.start, s.end) for s in found}) == len(found)  # its best name, once for each stretch


def test_a_name_that_is_read_already_is_not_suggested_again():
    (sentence,) = sentences(transcript_from_text("I take salbutamol and floxetine."))
    places = mention_places(sentence, bank())
    found = suggest(sentence, [1.0] * len(sentence), places, bank())
    (taken,) = places
    assert found and all(s.start >= taken[1] or s.end <= taken[0] for s in found)
    assert bank()[max(found, key=lambda s: s.likeness).concept_id].label == "fluoxetine"


def test_a_doubted_everyday_word_may_be_a_name_and_a_sure_one_not():
    (sentence,) = sentences(transcript_from_text("I take back often."))
    assert suggest(sentence, [1.0] * 4, [], bank()) == ()
    assert "baclofen" in [bank()[s.concept_id].label for s in suggest(sentence, [1, 1, 0.4, 0.3], [], bank())]


def test_a_clipped_name_is_not_suggested():
    """Clipped to "atorva", it resembles "a tour of a" more than the whole name does, and is no evidence of it."""
    found = {c.suggestion.name for c in suggested("I used to take atourofa, and then atorvastatine.")}
    assert "atorvastatin" in found and "atorva" not in found


def test_frequency_knows_english_and_takes_numbers_for_common():
    assert frequency("station") > 1_000_000 > frequency("salbutamol") == 0
    assert frequency("500") > frequency("the")


def correction(transcript: Transcript, said: str, label: str) -> Correction:
    words = transcript.words
    wanted = said.split()
    at = next(i for i in range(len(words)) if [w.text.strip(".,") for w in words[i : i + len(wanted)]] == wanted)
    last = at + len(wanted) - 1
    concept = by_label(label)
    return Correction(at, last, said, label, concept.concept_id, 0.9, words[at].start_s, words[last].end_s)


def test_status_is_read_as_if_the_name_had_been_written_and_both_wordings_are_shown():
    transcript = transcript_from_text("I don't take salby temol, but floxetine.")
    corrections = [correction(transcript, "salby temol", "salbutamol"), correction(transcript, "floxetine", "fluoxetine")]
    found = find_corrected_mentions(transcript, corrections, bank())
    assert [(bank()[m.concept_id].label, m.status, m.text) for m in found] == [
        ("salbutamol", "negated", "salby temol → salbutamol"),
        ("fluoxetine", "present", "floxetine → fluoxetine"),
    ]
    assert [(m.start_s, m.end_s) for m in found] == [(c.start_s, c.end_s) for c in corrections]
    assert transcript.text == "I don't take salby temol, but floxetine."


class Recogniser:
    """A second pass that finds each name likelier than what stands there by so much; 0 for others."""

    asr_revision = "r"

    def __init__(self, **gains: float):
        self.known, self.asked = gains, []

    def log_likelihood_ratios(self, first, last, names):
        self.asked.append((first, last, list(names)))
        return np.array([self.known.get(name, 0.0) for name in names])


def fitted(*, shortlisted_by: dict[int, float], intercept: float = 0.0, believed_by: dict[int, float], threshold: float = 0.5):
    """The shipped calibration, with fits that go by a few features alone."""
    calibration = replace(Calibration.load(CHECKPOINTS / DEFAULT_STUDENT), asr_revision="r")
    for name, weights, constant, least in (
        ("misheard name, shortlist", shortlisted_by, intercept, 0.1),
        ("misheard name", believed_by, 0.0, threshold),
    ):
        features = FEATURES[name]
        by_feature = tuple(weights.get(i, 0.0) for i in range(len(features)))
        calibration = calibration.with_fit(name, LogisticFit(features, by_feature, constant, least))
    return calibration


SPELLING, AUDIO, RATIO, LEAD = 1, 7, 8, 9  # columns of what is fitted on


def test_the_short_list_keeps_the_likeliest_few_for_the_same_words_and_drops_the_unlikely():
    found = suggested("I use salby temol when I run.", salbutamol=0.9)
    everything = shortlist(found, fitted(shortlisted_by={}, believed_by={}))
    assert len(everything) < len(found)
    for candidate in everything:
        assert sum(candidate.meets(other) for other in everything) <= 2 * MAX_NAMES
    only_heard = shortlist(found, fitted(shortlisted_by={AUDIO: 20.0}, intercept=-10.0, believed_by={}))
    assert {c.suggestion.concept_id for c in only_heard} == {by_label("salbutamol").concept_id}
    assert shortlist([], fitted(shortlisted_by={}, believed_by={})) == []


def test_each_stretch_is_heard_again_once_and_a_name_is_measured_against_competing_names():
    found = [c for c in suggested("I use salby temol when I run.") if c.suggestion.likeness > 0.6]
    rescorer = Recogniser(salbutamol=12.0)
    features = misheard_features(found, rescorer)
    assert len({(first, last) for first, last, _ in rescorer.asked}) == len(rescorer.asked)
    names = [c.suggestion.name for c in found]
    assert features.shape == (len(found), 10)
    for name, row in zip(names, features, strict=True):
        assert row[RATIO] == (12.0 if name == "salbutamol" else 0.0)
    assert features[names.index("salbutamol"), LEAD] == (12.0 if len(set(names)) > 1 else MAX_RATIO)
    competing = [row[LEAD] for name, row in zip(names, features, strict=True) if name != "salbutamol"]
    assert all(lead <= 0 for lead in competing)


def test_the_sound_decides_between_names_and_only_one_is_told_for_the_same_words():
    transcript = transcript_from_text("I use salby temol when I run.")
    by_gain = fitted(shortlisted_by={SPELLING: 10.0}, intercept=-5.0, believed_by={RATIO: 1.0, SPELLING: 0.1})
    (found,) = find_corrections(transcript, heard(), bank(), by_gain, Recogniser(salbutamol=4.0))
    assert (found.said, found.name) == ("salby temol", "salbutamol")
    assert isclose(found.probability, 1 / (1 + np.exp(-4.1)), abs_tol=0.01)
    strict = by_gain.with_fit("misheard name", replace(by_gain.fits["misheard name"], threshold=0.99))
    assert find_corrections(transcript, heard(), bank(), strict, Recogniser(salbutamol=4.0)) == ()
    assert corrections_of([], np.zeros((0, 10)), by_gain, "r") == ()


def test_a_recogniser_that_nothing_was_fitted_on_must_be_surer(tmp_path):
    transcript = transcript_from_text("I use salby temol when I run.")
    calibration = fitted(shortlisted_by={SPELLING: 10.0}, intercept=-5.0, believed_by={RATIO: 1.0})
    calibration.save(tmp_path)
    calibration = Calibration.load(tmp_path)
    other = Recogniser(salbutamol=2.0)  # about 0.88
    assert len(find_corrections(transcript, heard(), bank(), calibration, other)) == 1
    other.asr_revision = "another"
    assert find_corrections(transcript, heard(), bank(), calibration, other) == ()
    other.known["salbutamol"] = 3.0  # about 0.95
    assert len(find_corrections(transcript, heard(), bank(), calibration, other)) == 1


def test_a_student_without_a_fit_suggests_nothing():
    shipped = Calibration.load(CHECKPOINTS / DEFAULT_STUDENT)
    transcript = transcript_from_text("I use salby temol when I run.")
    assert find_corrections(transcript, heard(), bank(), shipped.without("misheard name"), Recogniser()) == ()
    assert find_corrections(Transcript(()), heard(), bank(), shipped, Recogniser()) == ()


def test_silence_stays_silent():
    """Nothing is suggested where no word stands, whatever the student hears."""
    believing = fitted(shortlisted_by={}, intercept=9.0, believed_by={RATIO: 1.0}, threshold=0.0)
    rescorer = Recogniser(salbutamol=30.0)
    assert find_corrections(Transcript(()), heard({"salbutamol": 1.0}), bank(), believing, rescorer) == ()
    assert rescorer.asked == []


@pytest.mark.parametrize(
    ("text", "said", "label"),
    [
        ("She keeps crying, and now she has an air ache.", ["air", "ache"], "earache"),
        ("I've had chess pain all night.", ["chess", "pain"], "chest pain"),
        ("I need some fresh air, and the pain is in my back.", None, None),
        ("What a waste of time that was.", None, None),
        ("She has an ear ache.", None, None),
    ],
)
def test_a_part_of_the_body_written_as_a_word_that_sounds_like_it_is_a_candidate(text, said, label):
    (sentence,) = sentences(transcript_from_text(text))
    found = suggest_body_parts(sentence, [0.9] * len(sentence), mention_places(sentence, bank()), bank())
    wanted = [(said, label)] if said else []
    assert [([t.text for t in sentence[s.start : s.end]], bank()[s.concept_id].label) for s in found] == wanted


def test_a_name_is_suggested_as_it_is_spelt_and_a_brand_as_it_is_called():
    said = {"citalapram": "citalopram", "cipramil": "cipramil", "metphormin": "metformin", "ventalin": "ventolin"}
    said |= {"zirtec": "zyrtec", "glucophage": "glucophage"}
    drugs = [concept for concept in ConceptBank.default().concepts if concept.system == "DRUG"]
    assert said == {name: spelt(name, next(drug for drug in drugs if name in drug.synonyms)) for name in said}
