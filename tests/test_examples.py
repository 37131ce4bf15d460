"""The example consultations: recordings, times and truth agree, and the extractor finds the truth in the words."""

import copy
import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import jiwer
import make_examples as examples
import numpy as np
import pytest
import soundfile

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.core import assets
from medalign.core.analysis import Analysis, Status
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.core.examples import COMPARED, Example, ExpectedConcept, load_examples, unaligned_path
from medalign.models.student import Student
from medalign.pipeline.analyzer import Analyzer
from medalign.report.ear import doubts
from medalign.training.data.voices import VOICES

EXAMPLES = load_examples()
CONCEPT_ID_PREFIX = {"HPO": "", "ICD-10-CM": "ICD10CM:", "DRUG": "DRUG:"}
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=[example.slug for example in EXAMPLES])


@each_example
def test_an_example_is_a_dialogue_of_one_to_two_minutes(example):
    assert 45 <= example.duration_s <= 120
    assert set(example.voices) == {turn.speaker for turn in example.turns} == {"doctor", "patient"}
    assert example.voices["doctor"] != example.voices["patient"]
    assert set(example.voices.values()) <= set(VOICES)


@each_example
def test_recordings_are_small_and_as_long_as_they_say(example):
    for path in filter(None, (example.audio_path, example.noisy_audio_path)):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (SAMPLE_RATE_HZ, 1, "PCM_16")
        assert info.duration == pytest.approx(example.duration_s, abs=0.001)
        assert path.stat().st_size <= 1.5e6


@each_example
def test_turns_follow_one_another_with_a_pause(example):
    times = [0.0, *(t for turn in example.turns for t in (turn.start_s, turn.end_s)), example.duration_s]
    assert times == sorted(times)
    pauses = [b.start_s - a.end_s for a, b in zip(example.turns, example.turns[1:], strict=False)]
    assert min(pauses) > 0.295 and max(pauses) < 0.805


@each_example
def test_there_is_a_voice_inside_each_turn_and_silence_between(example):
    waveform = read(example.audio_path)
    near_turns = np.convolve(turn_mask(example, len(waveform)), np.ones(33), "same") > 0.5  # times are rounded to 1 ms
    assert not waveform[~near_turns].any()
    for turn in example.turns:
        spoken = waveform[round(turn.start_s * SAMPLE_RATE_HZ) : round(turn.end_s * SAMPLE_RATE_HZ)]
        assert 20 * np.log10(np.sqrt(np.mean(spoken**2))) == pytest.approx(examples.SPEECH_LEVEL_DBFS, abs=0.5)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.noise], ids=lambda example: example.slug)
def test_the_noisy_recording_is_the_clean_one_plus_noise_at_the_stated_ratio(example):
    clean, noisy = read(example.audio_path), read(example.noisy_audio_path)
    noise = noisy - clean
    speech_power = np.mean(clean[turn_mask(example, len(clean))] ** 2)
    assert 10 * np.log10(speech_power / np.mean(noise**2)) == pytest.approx(example.noise.snr_db, abs=1)
    assert abs(np.corrcoef(noise, clean)[0, 1]) < 0.05


def test_one_example_comes_with_noise():
    assert any(example.noisy_audio_path for example in EXAMPLES)


@each_example
def test_the_truth_names_known_concepts_once_each(example):
    bank = ConceptBank.default()
    unknown = [concept for concept in example.expected_concepts if concept_id(concept) not in bank]
    assert not unknown
    assert 8 <= len({concept_id(concept) for concept in example.expected_concepts}) == len(example.expected_concepts)


def test_every_status_occurs_in_the_set():
    statuses = {concept.status for example in EXAMPLES for concept in example.expected_concepts}
    assert statuses == set(get_args(Status))


@each_example
def test_the_extractor_finds_the_truth_in_the_words(example):
    """Nine in ten with their status: a clinician's note is not written to the extractor's word lists."""
    dialogue = "\n".join(f"{turn.speaker.title()}: {turn.text}" for turn in example.turns)
    found = {(m.concept_id, m.status) for m in find_mentions_in_text(dialogue, ConceptBank.default())}
    missed = [concept for concept in example.expected_concepts if (concept_id(concept), concept.status) not in found]
    assert len(missed) <= 0.1 * len(example.expected_concepts), missed


def test_reading_needs_no_speech_program(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_examples() == EXAMPLES


def test_turns_are_joined_alike_from_the_same_seed():
    turns = [np.sin(np.arange(8000) * 0.1), np.sin(np.arange(4000) * 0.2)]
    first, times = examples.join_turns(turns, np.random.default_rng(7))
    again, times_again = examples.join_turns(turns, np.random.default_rng(7))
    np.testing.assert_array_equal(first, again)
    assert times == times_again
    assert [end - start for start, end in times] == pytest.approx([8000, 4000], abs=20)


@pytest.fixture
def copied(tmp_path):
    for path in assets.EXAMPLES.glob("chest-pain*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_an_edited_script_is_not_taken_for_its_old_recording(copied):
    script = copied / "chest-pain.json"
    script.write_text(script.read_text(encoding="utf-8").replace("My father", "My uncle"), encoding="utf-8")
    with pytest.raises(DataError, match="chest-pain.json was changed after it was spoken.*tests/make_examples.py"):
        load_examples(copied)


def test_missing_and_malformed_files_are_named(copied, tmp_path_factory):
    with pytest.raises(DataError, match="no example consultations"):
        load_examples(tmp_path_factory.mktemp("empty"))
    (copied / "chest-pain.flac").unlink()
    with pytest.raises(DataError, match="chest-pain.flac is missing"):
        load_examples(copied)
    script = json.loads((copied / "chest-pain.json").read_text(encoding="utf-8"))
    del script["title"]
    (copied / "chest-pain.json").write_text(json.dumps(script), encoding="utf-8")
    with pytest.raises(DataError, match="title"):
        load_examples(copied)
    (copied / "chest-pain.json").write_text("{\n,", encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        load_examples(copied)


def concept_id(concept: ExpectedConcept) -> str:
    return CONCEPT_ID_PREFIX[concept.system] + concept.code


def read(path) -> np.ndarray:
    return soundfile.read(path)[0]


def turn_mask(example: Example, n_samples: int) -> np.ndarray:
    """True where somebody speaks, (n_samples,)."""
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    return np.any([(turn.start_s <= time_s) & (time_s < turn.end_s) for turn in example.turns], axis=0)


@pytest.mark.parametrize(
    ("slugs", "bound"), [([COMPARED], 0.1), pytest.param([e.slug for e in EXAMPLES], 0.05, marks=pytest.mark.slow)]
)
def test_stored_results_are_what_the_same_models_say_today(live, analyses, slugs, bound):
    """Of one recording at each push, of some 150 words and 20 concept rows; each night of all, of 900 words and 100 rows.

    In float32 the words are the same on every processor that was measured; what room there is, is for roundings at a
    threshold. A model, a rule or a format that was changed shows as more, or as another name.
    """
    pairs = [(slug, analyses[slug], live(slug)) for slug in slugs]
    assert all(stored.models == today.models for _, stored, today in pairs), "run `medalign precompute` after changing a model"
    texts = [[pair[side].transcript.text for pair in pairs] for side in (1, 2)]
    assert sum(len(text.split()) for text in texts[0]) > 130 * len(slugs)
    assert jiwer.wer(*texts) < 0.02
    then, now = ({(pair[0], row.concept_id, row.status) for pair in pairs for row in pair[side].concepts} for side in (1, 2))
    assert len(then & now) / len(then | now) >= 1 - bound


def test_the_stored_result_without_alignment_is_what_that_model_says_today(analyzer, live, examples):
    """Of the recording on which the page shows what the alignment adds; written by the same command."""
    example = examples[COMPARED]
    written = live(COMPARED).transcript
    student = Student.unaligned()
    student.encoder = analyzer.listener.student.encoder  # the same, which has heard it already
    listener = copy.copy(analyzer.listener)
    listener.student = student
    transcriber = SimpleNamespace(info=analyzer.transcriber.info, scorer=None, stream=lambda recording: iter([written]))
    today = Analyzer(transcriber, listener).analyze(example.audio_path)
    stored = Analysis.from_dict(json.loads(unaligned_path(example.audio_path).read_text("utf-8")))
    assert stored.models == today.models, "run `medalign precompute` after changing a model"
    assert [s.text for s in stored.transcript.segments] == [s.text for s in written.segments]
    corrected = {c.concept_id for c in stored.corrections}
    then, now = ({(c.concept_id, c.status) for c in a.concepts if c.concept_id not in corrected} for a in (stored, today))
    assert len(then & now) / len(then | now) >= 0.95
    assert {c.agreement for a in (stored, today) for c in a.concepts} == {"teacher_only"}, "it hears nothing"
    assert [w.is_mismatch for w in stored.alignment.windows] == [w.is_mismatch for w in today.alignment.windows]
    aligned = live(COMPARED)
    assert sum(c.agreement == "both" for c in aligned.concepts) >= 10 and len(doubts(stored)) > 2 * len(doubts(aligned))


def test_every_recording_has_a_stored_result():
    recordings = {path.stem for path in assets.EXAMPLES.glob("*.flac")}
    assert {path.stem for path in (assets.EXAMPLES / "analyses").glob("*.json")} == recordings


def test_the_facts_of_the_examples_are_exactly_those_that_were_read_and_judged():
    """After a change of models, read `tests/data/example_facts.csv` anew, row by row, against what was said."""
    judged = list(csv.DictReader((Path(__file__).parent / "data" / "example_facts.csv").read_text("utf-8").splitlines()))
    found = []
    paths = sorted((assets.ASSETS / "examples" / "analyses").glob("*.json"))
    for name, analysis in ((path.stem, Analysis.from_dict(json.loads(path.read_text("utf-8")))) for path in paths):
        numbers: dict[str | None, list[str]] = {}
        for m in analysis.measurements:
            numbers.setdefault(m.concept_id, []).append(f"{m.kind} {m.value} {m.unit}")
        for c in analysis.concepts:
            of_it = "; ".join(numbers.get(c.concept_id, []))
            found.append((name, c.label, c.status or "heard only", c.action or "", of_it))
        found += [(name, m.kind, "", "", f"{m.value} {m.unit}") for m in analysis.measurements if m.concept_id is None]
    columns = ("example", "fact", "status", "action", "numbers")
    assert sorted(found) == sorted(tuple(row[column] for column in columns) for row in judged)
    assert sum(bool(row["wrong_because"]) for row in judged) <= 0.02 * len(judged)
