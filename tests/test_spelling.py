"""Labels as British and American clinicians write them."""

import json
from dataclasses import replace

import page_fixtures
import pytest

from medalign.concepts import ConceptBank
from medalign.core.analysis import CriticalWord
from medalign.core.spelling import reworded, worded


@pytest.mark.parametrize(
    ("label", "british", "american"),
    [
        ("diarrhea", "diarrhoea", "diarrhea"),
        ("iron deficiency anemia", "iron deficiency anaemia", "iron deficiency anemia"),
        ("barrett's esophagus", "Barrett's oesophagus", "Barrett's esophagus"),
        ("crohn's disease", "Crohn's disease", "Crohn's disease"),
        ("st john's wort", "St John's wort", "St John's wort"),
        ("de quervain's tenosynovitis", "de Quervain's tenosynovitis", "de Quervain's tenosynovitis"),
        ("counseling", "counselling", "counseling"),
        ("vitamin d deficiency", "vitamin D deficiency", "vitamin D deficiency"),
        ("hepatitis b test", "hepatitis B test", "hepatitis B test"),
        ("hemophilia", "haemophilia", "hemophilia"),
        ("papilledema", "papilloedema", "papilledema"),
        ("sleep apnea", "sleep apnoea", "sleep apnea"),
        ("generalized weakness", "generalised weakness", "generalized weakness"),
        ("paracetamol", "paracetamol", "acetaminophen"),
        ("tramadol and acetaminophen", "tramadol and paracetamol", "tramadol and acetaminophen"),
        ("nappy rash", "nappy rash", "diaper rash"),
        # What only looks like one of these:
        ("hemiparesis", "hemiparesis", "hemiparesis"),
        ("seizure", "seizure", "seizure"),
        ("systemic lupus", "systemic lupus", "systemic lupus"),
        ("exercise", "exercise", "exercise"),
        ("athlete's foot", "athlete's foot", "athlete's foot"),
        ("down there", "down there", "down there"),
        ("beclometasone", "beclometasone", "beclomethasone"),
    ],
)
def test_a_label_is_written_either_way(label, british, american):
    assert (worded(label, "UK"), worded(label, "US")) == (british, american)


def test_no_two_concepts_of_the_bank_get_one_label():
    labels = [concept.label for concept in ConceptBank.default().concepts]
    for wording in ("UK", "US"):
        assert len({worded(label, wording) for label in labels}) == len(set(labels))
        assert sum(worded(label, wording) != label for label in labels) >= 8


def test_only_labels_change_and_never_what_was_said():
    analysis = page_fixtures.analysis()
    body = json.dumps(analysis.to_dict()).replace('"label": "Cough"', '"label": "anemia"').replace("awake", "anemia")
    anaemic = type(analysis).from_dict(json.loads(body))
    expected = body.replace('"label": "anemia"', '"label": "anaemia"').replace('"label": "Dyspnea"', '"label": "Dyspnoea"')
    assert expected != body and "anemia" in expected
    assert json.dumps(reworded(anaemic, "UK").to_dict()) == expected
    assert reworded(anaemic, "US") == anaemic


def test_a_suggested_name_is_shown_as_its_concept_is():
    """Of a correction, and of a single word that may be wrong."""
    analysis = page_fixtures.analysis()
    word = CriticalWord(1.0, 1.5, "sobutanol", "medicine", 0.4, "salbutamol")
    assert reworded(replace(analysis, critical_words=(word,)), "US").critical_words[0].alternative == "albuterol"
    suggested = replace(analysis, corrections=(replace(analysis.corrections[0], name="salbutamol"),))
    assert [reworded(suggested, wording).corrections[0].name for wording in ("UK", "US")] == ["salbutamol", "albuterol"]
