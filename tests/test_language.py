"""Another language is recognised as such, by its name or by its words, and no concept is made of it."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medalign.concepts import transcript_from_text
from medalign.concepts.language import MIN_WORDS, is_english
from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.editing import edit_segment
from medalign.core.errors import CheckpointError
from medalign.core.transcript import Transcript
from medalign.models.spoken_language import FRAMES_PER_PIECE, HEAD_FILE, SpokenLanguageHead, _other_runs, pooled
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.heard_language import belongs_to_its_sound, is_told, other_language, sounds_english, with_heard_language
from medalign.pipeline.warnings_about import warnings_about
from medalign.ui.views.concept_table import preview_concepts

FOREIGN = {
    "de": "Ich habe seit drei Tagen Husten und Fieber, und die Brust tut weh, wenn ich tief einatme. Haben Sie Allergien?",
    "fr": "J'ai mal à la tête depuis trois jours et de la fièvre. Avez-vous des allergies? Non, aucune. Je prends un cachet.",
    "es": "Me duele el pecho desde hace tres días y tengo fiebre. ¿Tiene alergias? No, ninguna. Tomo una pastilla.",
    "nl": "Ik heb al drie dagen hoest en koorts en mijn borst doet pijn als ik diep adem haal. Heeft u allergieën?",
    "pl": "Od trzech dni mam kaszel i gorączkę, a klatka piersiowa boli mnie, kiedy głęboko oddycham. Czy ma pan alergie?",
}
ENGLISH = "Good morning. I have had this cough for about three weeks, and the salby temol does not seem to help at all."


@pytest.mark.parametrize("language", FOREIGN)
def test_words_of_another_language_are_found_out_even_if_the_recogniser_calls_them_english(language):
    assert not is_english(replace(transcript_from_text(FOREIGN[language]), language="en"))


def test_english_with_garbled_names_is_english_and_a_few_words_are_given_the_benefit_of_the_doubt():
    assert is_english(transcript_from_text(ENGLISH))
    assert is_english(transcript_from_text(" ".join(FOREIGN["de"].split()[: MIN_WORDS - 1])))
    assert is_english(transcript_from_text(""))


def test_german_that_an_english_only_recogniser_writes_as_english_is_told_by_its_sound(analyzer, tmp_path):
    """The words are those that tiny.en writes of this voice; to write them again would take ten seconds."""
    path = tmp_path / "german.wav"
    command = ["espeak-ng", "-v", "de+m3", "-s", "150", "-w", str(path), FOREIGN["de"]]
    subprocess.run(command, check=True, timeout=60)
    recording = load_recording(path)
    encoded, listener = analyzer.listener.encode(recording), analyzer.listener
    written = replace(
        transcript_from_text("This is the first time I've been in the first time I've been in the first time."), language="en"
    )
    (segment,) = written.segments
    written = replace(written, segments=(replace(segment, end_s=recording.duration_s),))
    heard = with_heard_language(written, encoded, listener)
    assert is_english(written) and not is_english(heard)
    (told,) = warnings_about(recording, heard)
    assert told.startswith("This does not sound like English: ")
    few = replace(written, segments=(replace(written.segments[0], words=segment.words[: MIN_WORDS - 1]),))
    assert with_heard_language(few, encoded, listener) == few


@pytest.fixture(scope="module")
def german(analyzer, tmp_path_factory):
    """Half a minute of a voice that the head did not learn from, as the student hears it; it learnt from no German."""
    path = tmp_path_factory.mktemp("german") / "german.wav"
    sentences = json.loads((Path(__file__).parent / "spoken_languages.json").read_text(encoding="utf-8"))["de"]
    subprocess.run(["espeak-ng", "-v", "de+f2", "-s", "150", "-w", str(path), " ".join(sentences[:5])], check=True, timeout=60)
    recording = load_recording(path)
    return recording, analyzer.listener.encode(recording)


def test_german_is_told_by_its_sound_alone_where_the_words_that_imitate_it_fit(analyzer, german, monkeypatch):
    """“Goat and talk” for “Guten Tag”: of unrelated texts, 97 in 100 fit such sound worse."""
    recording, encoded = german
    monkeypatch.setattr("medalign.pipeline.heard_language.heard_fit", lambda *_: 96.9)
    written = replace(
        transcript_from_text("Goat and talk, must eat so meal. It's haber night. Thy tongue and shake a fever."), language="en"
    )
    assert is_english(written) and len(written.words) >= MIN_WORDS
    heard = with_heard_language(written, encoded, analyzer.listener)
    assert not is_english(heard)
    monkeypatch.setattr(analyzer.listener, "spoken_language", None)  # of a student for which nobody fitted a head
    assert with_heard_language(written, encoded, analyzer.listener) == written


@pytest.mark.parametrize(
    ("belongs", "is_heard_as_english", "fit", "told"),
    [(True, True, 88.0, False), (True, False, 97.0, True), (True, False, 99.9, False), (False, True, 40.0, True)],
)
def test_another_language_is_told_by_misfit_or_by_sound_but_not_where_words_fit_as_usual(
    belongs, is_heard_as_english, fit, told
):
    assert is_told(belongs, is_heard_as_english, fit, 99.4) == told


def test_pieces_hold_voice_only_and_too_little_of_it_says_nothing():
    frames = np.concatenate([np.zeros((500, 3)), np.ones((FRAMES_PER_PIECE + 10, 3))]).astype(np.float32)
    pieces = pooled(frames, np.array([[10.0, 15.2]]), 50)
    assert pieces.tolist() == [[1, 1, 1, 0, 0, 0]]
    nothing = pooled(frames, np.array([[10.0, 10.5]]), 50)
    assert nothing.shape == (0, 6) and SpokenLanguageHead(np.ones(6), 9.0, 0.0).log_odds(nothing) == -np.inf


def log_odds(*parts: tuple[float, int]) -> np.ndarray:
    """Of the five seconds of voice that begin at each second, where so many seconds sound like that; mixed at the borders."""
    seconds = np.concatenate([np.full(n, value) for value, n in parts])
    return np.convolve(seconds, np.full(5, 0.2), "valid")


@pytest.mark.parametrize(
    ("parts", "runs"),
    [
        ([(-12, 30), (4, 28)], [(30, 58)]),
        ([(4, 30), (-12, 30)], [(0, 30)]),
        ([(-12, 30), (4, 25), (-12, 12), (5, 26), (-9, 9)], [(30, 55), (67, 93)]),
        ([(-14, 30), (-2, 6), (6, 24)], [(30, 60)]),  # its beginning in doubt, by itself
        ([(-12, 30), (4, 9), (-12, 30)], []),  # too short
        ([(4, 70)], []),  # an accent throughout
        ([(-1, 30), (4, 30)], []),  # two accents
        ([(-12, 8), (4, 30)], []),  # hardly any English to compare with
        ([(-1, 30), (6, 30)], [(29, 60)]),  # as of a whole recording
        ([(6, 30)], [(0, 30)]),
        ([(6, 15)], []),
        ([(-12, 30), (3, 30)], []),  # one with a foreign accent beside one without
        ([], []),
    ],
)
def test_a_part_in_another_language_is_found_to_the_second_beside_english_and_an_accent_is_none(parts, runs):
    found = _other_runs(log_odds(*parts) if parts else np.zeros(0), 4.72)
    assert len(found) == len(runs) and np.abs(np.array(found) - np.array(runs)).max(initial=0) <= 1


@pytest.fixture(scope="module")
def mixed(analyzer, german, examples):
    """Half a minute of an example, then the German; and a recogniser that hears a diet and a headache in "Guten Tag"."""
    english = load_recording(examples["low-mood"].audio_path).waveform[: 28 * SAMPLE_RATE_HZ]
    recording = Recording("mixed.wav", np.concatenate([english, german[0].waveform]), SAMPLE_RATE_HZ, 1)
    turns = [turn for turn in examples["low-mood"].turns if turn.end_s < 28]
    said = [(turn.start_s, turn.end_s, turn.text) for turn in turns] + [
        (29.0, 38.0, "Gluten free diet, must eat so meal. Asthma, it's the night, since 3 days."),
        (38.5, 50.0, "The tongue and shake a fever, and it is 140 over 90."),
    ]
    segments = []
    for start_s, end_s, text in said:
        (segment,) = transcript_from_text(text).segments
        edges = np.linspace(start_s, end_s, len(segment.words) + 1).tolist()
        words = tuple(replace(word, start_s=a, end_s=b) for word, a, b in zip(segment.words, edges, edges[1:], strict=False))
        segments.append(replace(segment, start_s=start_s, end_s=end_s, words=words))
    written = Transcript(tuple(segments), "en")

    class Recogniser:
        info, scorer = analyzer.transcriber.info, analyzer.transcriber.scorer

        def stream(self, _):
            yield written

    return recording, Analyzer(Recogniser(), analyzer.listener)


def test_german_after_english_is_told_with_its_time_and_nothing_is_read_from_it(mixed, monkeypatch):
    recording, analyzer = mixed
    steps = list(analyzer.stream(recording))
    analysis, encoded = steps[-1], steps[-2].encoded
    (told,) = (warning for warning in analysis.warnings if "another language" in warning)
    assert told.startswith("Probably another language than English: 0:2") and "–1:02. " in told
    assert analysis.concepts, "the English part has some"
    places = [e.start_s for row in analysis.concepts for e in (*row.text_evidence, *row.audio_evidence)]
    places += [found.start_s for found in (*analysis.measurements, *analysis.corrections, *analysis.critical_words)]
    assert max(places) < 29
    assert [check.reason == "other_language" for check in analysis.alignment.segments][-3:] == [False, True, True]
    preview = analyzer.listener.preview_concepts(encoded)
    assert preview and max(e.start_s for row in preview for e in row.audio_evidence) < 29
    last = len(analysis.transcript.segments) - 1
    written = edit_segment(analysis.transcript, last, "Meine Mutter has asthma.", "patient")
    corrected = analyzer.reread(analysis, written, encoded)
    read = {row.label for row in corrected.concepts for evidence in row.text_evidence if evidence.start_s > 29}
    assert read == {"asthma"}, "what a person wrote is read"
    monkeypatch.setattr("medalign.pipeline.heard_language.heard_fit", lambda *_: 100.0)
    assert not other_language(analysis.transcript, encoded, analyzer.listener), "the words fit as usual"
    *english, one, _ = analysis.transcript.segments
    few = replace(analysis.transcript, segments=(*english, replace(one, words=one.words[:5])))
    assert other_language(few, encoded, analyzer.listener), "five words in half a minute say nothing"


def test_a_preview_of_german_shows_no_concept(analyzer, german):
    _, encoded = german
    assert analyzer.listener.preview_concepts(encoded) is None
    assert "more like another language than English" in preview_concepts(None, 30.0)


def test_a_head_of_another_encoder_is_refused_and_none_is_none(tmp_path):
    assert SpokenLanguageHead.load(tmp_path, 3) is None
    SpokenLanguageHead(np.arange(6.0), -1.0, 2.5).save(tmp_path, {"fitted_on": 2})
    loaded = SpokenLanguageHead.load(tmp_path, 3)
    assert (loaded.weights.tolist(), loaded.intercept, loaded.threshold) == ([0, 1, 2, 3, 4, 5], -1.0, 2.5)
    with pytest.raises(CheckpointError, match="weights"):
        SpokenLanguageHead.load(tmp_path, 4)
    (tmp_path / HEAD_FILE).write_bytes(b"x" * 40)
    with pytest.raises(CheckpointError):
        SpokenLanguageHead.load(tmp_path, 3)


def test_english_that_belongs_to_its_sound_is_english(analyzer, examples, cut):
    turn = max(examples["low-mood"].turns, key=lambda turn: len(turn.text))
    encoded = analyzer.listener.encode(load_recording(cut("low-mood", turn.start_s, turn.end_s)))
    spoken = replace(transcript_from_text(turn.text), language="en")
    (segment,) = spoken.segments
    spoken = replace(spoken, segments=(replace(segment, end_s=turn.end_s - turn.start_s),))
    assert len(spoken.words) >= MIN_WORDS
    assert sounds_english(encoded, analyzer.listener)
    assert with_heard_language(spoken, encoded, analyzer.listener) == spoken


def test_the_recognisers_word_for_another_language_is_taken():
    assert not is_english(replace(transcript_from_text(ENGLISH), language="de"))


def test_an_analysis_of_another_language_says_so_and_shows_no_concept(analyzer, examples):
    class German:
        info, scorer = analyzer.transcriber.info, analyzer.transcriber.scorer

        def stream(self, recording):
            yield replace(transcript_from_text(FOREIGN["de"] + " Asthma. Paracetamol."), language="de")

    analysis = Analyzer(German(), analyzer.listener).analyze(examples["low-mood"].audio_path)
    assert analysis.concepts == () and analysis.corrections == () and analysis.measurements == ()
    assert any("not seem to be English ('de')" in warning for warning in analysis.warnings)
    assert analysis.transcript.segments


@pytest.mark.parametrize(
    ("text", "fit", "belongs"),
    [
        (ENGLISH, 99.0, True),
        (ENGLISH, 88.0, True),  # a hard recording
        (ENGLISH, 40.0, False),
        ("I don't know what to do. " * 5, 93.0, False),
        ("No. " * 12 + "It does not hurt. It does not hurt at all.", 99.0, True),
    ],
)
def test_words_belong_to_their_sound_by_their_fit_and_less_is_borne_where_they_go_round_in_circles(text, fit, belongs):
    assert belongs_to_its_sound(transcript_from_text(text), fit, 99.4) == belongs


def test_a_weaker_student_is_asked_for_no_more_than_it_can():
    assert belongs_to_its_sound(transcript_from_text(ENGLISH), 55.0, 50.0)
