"""Another language is recognised as such, by its name or by its words, and no concept is made of it."""

import subprocess
from dataclasses import replace

import pytest

from medalign.concepts import transcript_from_text
from medalign.concepts.language import MIN_WORDS, is_english
from medalign.core.audio import load_recording
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.heard_language import belongs_to_its_sound, with_heard_language
from medalign.pipeline.warnings_about import warnings_about

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


def test_english_that_belongs_to_its_sound_is_english(analyzer, examples, cut):
    turn = max(examples["low-mood"].turns, key=lambda turn: len(turn.text))
    encoded = analyzer.listener.encode(load_recording(cut("low-mood", turn.start_s, turn.end_s)))
    spoken = replace(transcript_from_text(turn.text), language="en")
    (segment,) = spoken.segments
    spoken = replace(spoken, segments=(replace(segment, end_s=turn.end_s - turn.start_s),))
    assert len(spoken.words) >= MIN_WORDS
    assert with_heard_language(spoken, encoded, analyzer.listener) == spoken


def test_the_recognisers_word_for_another_language_is_taken():
    assert not is_english(replace(transcript_from_text(ENGLISH), language="de"))


def test_an_analysis_of_another_language_says_so_and_shows_no_concept(analyzer, examples):
    class German:
        info = analyzer.transcriber.info

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
