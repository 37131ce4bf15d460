"""Ways of decoding are measured on the same recordings, each once, and shares are over all words."""

import json

import numpy as np
import pytest
import soundfile

from medalign.concepts.mentions import transcript_from_text
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.errors import DataError
from medalign.models.faster_whisper import Decoding
from medalign.training.fitting import decoding_metrics
from medalign.training.fitting.decoding_metrics import Spoken, Way, measure_decoding, speech_to_decode

WIDE, NARROW = Way("tiny.en", "float32", Decoding(5)), Way("tiny.en", "float32", Decoding(1, 4))


@pytest.fixture
def recogniser(monkeypatch):
    """One that writes what it is told for each beam size, and counts how often it is asked."""

    class Fake:
        asked, texts, decoding = [], {}, Decoding()

        def __init__(self, *_):
            pass

        def with_decoding(self, decoding):
            other = Fake()
            other.decoding = decoding
            return other

        def transcribe(self, recording):
            self.asked.append((recording.name, self.decoding))
            return transcript_from_text(self.texts[self.decoding.beam_size])

    monkeypatch.setattr(decoding_metrics, "FasterWhisper", Fake)
    monkeypatch.setattr(decoding_metrics, "name_speakers", lambda transcript, _: transcript)
    monkeypatch.setattr(decoding_metrics, "revised", lambda _, mentions, bank: mentions)
    return Fake


def silence(name: str) -> Recording:
    return Recording(name, np.zeros(2 * SAMPLE_RATE_HZ, np.float32), SAMPLE_RATE_HZ, 1)


def test_what_is_written_rightly_is_right_and_what_is_lost_is_counted(recogniser, examples, tmp_path):
    example = examples["chest-pain"]
    recogniser.texts = {5: example.text, 1: "Good morning."}
    spoken = [Spoken("examples", silence("a"), example.text, example), Spoken("people", silence("b"), "Good morning.")]
    wide, narrow = measure_decoding(spoken, tmp_path, (WIDE, NARROW))["ways"]
    right, wrong = wide["sources"]["examples"], narrow["sources"]["examples"]
    assert right["word_error_rate"][0] == 0 and right["term_recall"][0] == 1 and right["n_terms"] > 10
    assert right["n_expected"] == len(example.expected_concepts) and right["found_in_status"][0] > 0.6
    assert wrong["word_error_rate"][0] > 0.9 and wrong["term_recall"][0] == wrong["found_in_status"][0] == 0
    assert narrow["sources"]["people"]["word_error_rate"][0] == 0 and "term_recall" not in narrow["sources"]["people"]
    assert (narrow["beam_size"], narrow["batch_size"]) == (1, 4)


def test_a_run_that_was_stopped_measures_only_what_is_missing(recogniser, tmp_path):
    recogniser.texts = {5: "blue sky", 1: "blue"}
    spoken = [Spoken("people", silence(name), "blue sky") for name in "ab"]
    measure_decoding(spoken[:1], tmp_path, (WIDE,))
    recogniser.asked.clear()
    figures = measure_decoding(spoken, tmp_path, (WIDE, NARROW))
    measured = recogniser.asked[1:]  # the first warms up
    assert measured == [("a", NARROW.decoding), ("b", WIDE.decoding), ("b", NARROW.decoding)]
    recogniser.asked.clear()
    assert measure_decoding(spoken, tmp_path, (WIDE, NARROW)) == figures and recogniser.asked == []
    assert figures["ways"][1]["sources"]["people"]["word_error_rate"] == [0.5, 0.5, 0.5]
    assert (
        len({json.loads(line)["recording"] for line in (tmp_path / "decoding.jsonl").read_text(encoding="utf-8").splitlines()})
        == 2
    )


def test_utterances_of_one_speaker_are_joined_and_each_speaker_comes_before_a_second_of_any(tmp_path, monkeypatch, examples):
    monkeypatch.setattr(decoding_metrics, "JOINED_S", 2.0)
    monkeypatch.setattr(decoding_metrics, "load_examples", lambda: ())
    rows = ["path,speaker_id,text"]
    for speaker in (1, 2):
        for n in range(5):
            soundfile.write(tmp_path / f"{speaker}-{n}.wav", np.full(SAMPLE_RATE_HZ // 2, 0.1), SAMPLE_RATE_HZ)
            rows.append(f"{speaker}-{n}.wav,{speaker},word{speaker}{n}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    texts = [each.text for each in speech_to_decode([tmp_path], 3)]
    assert texts == ["word10 word11", "word20 word21", "word12 word13"]
    with pytest.raises(DataError, match="no recordings to decode"):
        measure_decoding([], tmp_path)
