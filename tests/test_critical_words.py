"""Critical words: real errors are told from other wordings of the same, few marks go to the likeliest, and they are shown."""

from dataclasses import replace

import numpy as np
import page_fixtures
import pytest

from medalign.concepts import ConceptBank, transcript_from_text
from medalign.core.analysis import Analysis, Correction, CriticalWord
from medalign.core.editing import edit_segment
from medalign.core.errors import DataError
from medalign.core.transcript import Segment, Transcript, Word
from medalign.pipeline.calibration import FEATURES, Calibration
from medalign.pipeline.critical_words import FITS, Candidate, candidates, find_critical_words, ranked
from medalign.pipeline.logistic_fit import LogisticFit
from medalign.report.ear import doubts
from medalign.report.fhir import to_fhir
from medalign.report.printable import summary_html
from medalign.training.fitting.fit_critical_words import (
    CriticalError,
    ObservedWords,
    critical_errors,
    fit_critical_words,
    measure_critical_words,
)
from medalign.ui.views.strip_view import ear
from medalign.ui.views.transcript_view import transcript_view

BANK = ConceptBank.default()
BY_DOUBT = {name: LogisticFit(FEATURES[name], (-1.0, *[0.0] * (len(FEATURES[name]) - 1)), -3.0, 0.05) for name in FITS.values()}
SHORTLIST = LogisticFit(FEATURES["misheard name, shortlist"], (8.0, 8.0, *[0.0] * 6), -8.0)
FITTED = Calibration(np.zeros((1, 4)), 50.0, BY_DOUBT | {"misheard name, shortlist": SHORTLIST})


def spoken(text: str, doubted: dict[str, float] | None = None, *, seconds: float = 0.4) -> Transcript:
    """As a recogniser writes it, one segment; words in `doubted` have that probability."""
    words = [
        Word(round(i * seconds, 3), round((i + 1) * seconds, 3), word, (doubted or {}).get(word, 0.99))
        for i, word in enumerate(text.split())
    ]
    segment = Segment(0.0, words[-1].end_s, text, tuple(words), mean_log_probability=-0.2, no_speech_probability=0.0)
    return Transcript((segment,), "en")


def errors(said: str, written: str) -> list[tuple[str, str]]:
    heard = spoken(written)
    found = critical_errors(transcript_from_text(said), heard, BANK)
    return [(e.kind, " ".join(w.text for w in heard.words[e.first : e.last + 1])) for e in found]


@pytest.mark.parametrize(
    ("said", "written", "kind", "near"),
    [
        ("I can hear wheezing", "I can't hear wheezing", "negation", "can't"),
        ("there is no fracture here", "there is now fracture here", "negation", "now"),
        ("I have no pain at all", "I have pain at all", "negation", "pain"),
        ("take fifteen of them daily", "take fifty of them daily", "number", "fifty"),
        ("it lasted three days", "it lasted free days", "number", "free"),
        ("I take bisoprolol every day", "I take this a pro law every day", "medicine", "a"),
    ],
)
def test_what_changes_the_meaning_is_an_error_where_it_stands(said, written, kind, near):
    ((found, place),) = errors(said, written)
    assert found == kind and near in place.split()


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("I do not smoke", "I don't smoke"),
        ("two hundred milligrams", "200 milligrams"),
        ("her blood pressure is one forty over ninety", "her blood pressure is 140/90"),
        ("no no I feel fine", "no I feel fine"),
        ("seen on 07/01/1954 by us", "seen on zero seven slash one by us"),
        ("I take paracetamol", "I took paracetamol"),
        ("I was walking home", "I was talking home"),
    ],
)
def test_other_wordings_of_the_same_and_other_errors_are_none(said, written):
    assert errors(said, written) == []


def marks(transcript: Transcript, corrections: tuple[Correction, ...] = (), calibration: Calibration = FITTED):
    return find_critical_words(transcript, corrections, BANK, calibration)


def test_doubted_words_of_each_kind_are_marked_with_what_they_are_taken_for():
    transcript = spoken(
        "I can't hear it . and take fifty of my new bisoprolal daily", {"can't": 0.1, "fifty": 0.2, "bisoprolal": 0.1}
    )
    *words, last = transcript.words
    segment = replace(transcript.segments[0], words=(*words, replace(last, end_s=600.0)), end_s=600.0)  # time for three marks
    found = marks(Transcript((segment,), "en"))
    assert [(w.text, w.kind) for w in found] == [("can't", "negation"), ("fifty", "number"), ("bisoprolal", "medicine")]
    assert [w.alternative for w in found] == ["can", "fifteen", "bisoprolol"]
    assert all(0.05 <= w.probability <= 1 for w in found)


def test_no_medicine_is_looked_for_in_a_dose():
    """One press on "Write omeprazole" beside "20" cost the number."""
    said = spoken("now I only take on my prisole 20 milligrams in the morning", {"20": 0.2, "milligrams": 0.2, "prisole": 0.2})
    texts = [word.text for word in said.words]
    of_medicines = {texts[c.word] for c in candidates(said, BANK, FITTED) if c.kind == "medicine"}
    assert "prisole" in of_medicines and not {"20", "milligrams"} & of_medicines


def test_nothing_is_marked_that_is_sure_settled_or_not_a_recognisers():
    doubted = spoken("there is no pain", {"no": 0.1})
    assert [w.text for w in marks(doubted)] == ["no"]
    assert marks(spoken("there is no pain")) == ()  # sure
    assert marks(Transcript((replace(doubted.segments[0], original_text="there is now pain"),), "en")) == ()  # by a person
    assert marks(Transcript((replace(doubted.segments[0], mean_log_probability=None),), "en")) == ()
    assert marks(doubted, calibration=Calibration(np.zeros((1, 4)), 50.0)) == ()  # an older student
    assert marks(Transcript(())) == ()
    suggested = Correction(2, 2, "no", "Novorapid", "DRUG:x", 0.9, 0.8, 1.2)
    assert marks(doubted, (suggested,)) == ()


def test_who_changes_a_word_settles_that_one_and_no_neighbour():
    doubted = Transcript((replace(spoken("there is now pain in my cost", {"now": 0.1}).segments[0], speaker="patient"),), "en")
    assert [w.text for w in marks(doubted)] == ["now"]
    neighbour = edit_segment(doubted, 0, "there is now pain in my chest", "patient")
    assert marks(neighbour) == marks(doubted)
    assert marks(edit_segment(doubted, 0, "there is no pain in my cost", "patient")) == ()


def test_marks_are_as_many_as_the_time_allows_and_never_side_by_side():
    text = " ".join(["no"] * 200)
    transcript = spoken(text, {"no": 0.1}, seconds=3.0)  # ten minutes
    found = marks(transcript)
    assert len(found) == 3
    ranking = ranked(candidates(transcript, BANK, FITTED), FITTED)
    places = sorted(candidate.word for _, candidate in ranking)
    assert min(np.diff(places)) > 2


def test_a_fit_learns_what_is_wrong_and_its_measure_counts_it():
    rng = np.random.default_rng(0)

    def observed(name: str) -> ObservedWords:
        found, wrong = [], []
        for i, kind in enumerate(["negation", "number", "medicine"] * 40):
            is_wrong = rng.random() < 0.05
            features = [-2.5 if is_wrong else -0.1, *rng.random(len(FEATURES[FITS[kind]]) - 1)]
            found.append(Candidate(10 * i, kind, tuple(features), None))
            if is_wrong:
                wrong.append((kind, 10 * i))
        return ObservedWords(name, 1200.0, found, [CriticalError(kind, i, i) for kind, i in wrong])

    learnt = [observed(str(i)) for i in range(12)]
    calibration = fit_critical_words(learnt, FITTED)
    figures = measure_critical_words(calibration, [observed(str(i)) for i in range(12, 18)])
    few, many = figures["1 in 10 minutes"], figures["5 in 10 minutes"]
    assert few["marks right"] == 1.0 and few["marked"] <= few["at most"] < 1
    assert many["marked"] > 0.9 and sum(many["by kind"].values()) <= sum(figures["n_errors"].values())
    with pytest.raises(DataError):
        fit_critical_words([replace(o, errors=[]) for o in learnt], FITTED)


def test_marks_are_shown_on_the_page_in_print_and_in_fhir_and_travel_through_json():
    analysis = page_fixtures.analysis()
    first = analysis.transcript.segments[3].words[0]
    marked = replace(analysis, critical_words=(CriticalWord(first.start_s, first.end_s, "No", "negation", 0.3, "know"),))
    said = "a negation may be dropped or invented here; perhaps “know”"
    assert said in ear(doubts(marked), marked.alignment) and said not in ear(doubts(analysis), analysis.alignment)
    assert said in transcript_view(marked) and said not in transcript_view(analysis)
    assert said in summary_html(marked) and said not in summary_html(analysis)
    assert said in str(to_fhir(marked)) and said not in str(to_fhir(analysis))
    assert Analysis.from_dict(marked.to_dict()) == marked
