"""What a person changes in a transcript: the original stays, untouched words keep their times, concepts follow."""

from dataclasses import replace

import pytest
from page_fixtures import LINES, transcript

from medalign.concepts.lost_medicines import amounts_in
from medalign.core.analysis import Correction
from medalign.core.editing import (
    MAX_TEXT,
    by_recogniser,
    edit_segment,
    is_edited,
    kept_corrections,
    rename_speaker,
    with_correction,
    write_between,
    write_over,
)
from medalign.core.errors import DataError
from medalign.core.transcript import Segment, Transcript, Word


def test_a_changed_word_is_certain_and_the_others_keep_their_times():
    before = transcript()
    after = edit_segment(before, 3, LINES[3][2].replace("Monday.", "Tuesday."), "Patient")
    old, new = before.segments[3], after.segments[3]
    assert new.original_text == old.text and new.text.endswith("Tuesday.")
    assert new.words[:-1] == old.words[:-1]
    assert (new.words[-1].start_s, new.words[-1].end_s) == (old.words[-1].start_s, old.words[-1].end_s)
    assert new.words[-1].probability == 1.0


@pytest.mark.parametrize("text", ["No.", "one two three " * 20, "I may have had a very high fever on Monday, no", "new"])
def test_times_never_run_backwards_and_stay_inside_the_segment(text):
    segment = edit_segment(transcript(), 3, text, "Patient").segments[3]
    assert [w.text for w in segment.words] == text.split()
    edges = [t for w in segment.words for t in (w.start_s, w.end_s)]
    assert edges == sorted(edges) and segment.start_s <= edges[0] and edges[-1] <= segment.end_s


def test_what_a_person_left_alone_is_the_recognisers_still():
    before = transcript()
    assert all(by_recogniser(before.segments[3]))
    after = edit_segment(
        before, 3, before.segments[3].text.replace("fever", "high fever").replace("Monday", "Sunday"), "Patient"
    )
    segment = after.segments[3]
    kept = dict(zip([word.text for word in segment.words], by_recogniser(segment), strict=True))
    assert [word for word, is_kept in kept.items() if not is_kept] == ["high", "Sunday."]
    assert not any(by_recogniser(edit_segment(before, 3, "Something else entirely", "Patient").segments[3]))


def test_undoing_an_edit_by_hand_leaves_no_mark():
    before = transcript()
    changed = edit_segment(before, 1, "I have had a cold.", "doctor")
    assert is_edited(changed.segments[1])
    restored = edit_segment(changed, 1, LINES[1][2], before.segments[1].speaker)
    assert not restored.segments[1].original_text
    twice = edit_segment(changed, 1, "Something else.", "doctor")
    assert twice.segments[1].original_text == LINES[1][2], "the recogniser's words, not those of the first edit"


def test_a_speaker_is_renamed_everywhere_and_the_guess_is_kept():
    named = replace(transcript(), segments=tuple(replace(s, speaker=s.speaker.lower()) for s in transcript().segments))
    after = rename_speaker(named, "patient", "Mrs  Invented")
    changed = [s for s in after.segments if s.speaker == "Mrs Invented"]
    assert len(changed) == 3 and all(s.original_speaker == "patient" for s in changed)
    assert not any(is_edited(s) for s in after.segments if s.speaker == "doctor")
    assert rename_speaker(named, "patient", " DOCTOR ").segments[1].speaker == "doctor", "a role is one, however it is typed"


@pytest.mark.parametrize(
    ("index", "text", "speaker", "words"),
    [
        (99, "x", "doctor", "segment 100 does not exist; the transcript has 7"),
        (0, "  ", "doctor", "a segment of 0 characters"),
        (0, "x" * (MAX_TEXT + 1), "doctor", "can't be kept"),
        (0, "x", "y" * 41, "41 characters is too long"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(index, text, speaker, words):
    with pytest.raises(DataError, match=words):
        edit_segment(transcript(), index, text, speaker)


def _misheard(said, at):
    words = said.words
    return Correction(at, at, words[at].text, "amoxicillin", "DRUG:amoxicillin", 0.9, words[at].start_s, words[at].end_s)


def test_corrections_move_with_their_words_and_go_with_a_rewritten_segment():
    before = transcript()
    at = [w.text for w in before.words].index("Monday.")
    correction = _misheard(before, at)
    longer = edit_segment(before, 0, "Good morning to you, what brings you in here today?", "Doctor")
    (kept,) = kept_corrections(before, longer, [correction])
    assert longer.words[kept.first_word].text == "Monday."
    assert kept_corrections(before, edit_segment(before, 3, "Yes, on Sunday.", "Patient"), [correction]) == ()
    other = edit_segment(before, 3, before.segments[3].text.replace("fever", "rash"), "Patient")
    (kept,) = kept_corrections(before, other, [correction])
    assert other.words[kept.first_word].text == "Monday.", "another word of the segment was changed, and settles nothing else"


def test_of_two_names_that_were_misheard_in_one_segment_each_is_taken_by_itself():
    before = transcript()
    words = [word.text for word in before.words]
    first, last = (_misheard(before, words.index(word)) for word in ("fever", "Monday."))
    for taken, left in ((first, last), (last, first)):
        after = with_correction(before, taken)
        (kept,) = kept_corrections(before, after, [first, last])
        assert after.words[kept.first_word].text == words[left.first_word]


def test_words_are_written_where_there_were_none_and_corrections_move_along():
    before = transcript()
    correction = _misheard(before, [w.text for w in before.words].index("Monday."))
    after = write_between(before, 7.0, 12.6, "Take doxycycline twice a day.", "Doctor")
    (new,) = [s for s in after.segments if s.original_text == ""]
    assert new.speaker == "doctor" and is_edited(new) and not any(by_recogniser(new))
    assert before.segments[1].end_s <= new.start_s < new.end_s <= before.segments[2].start_s, "in the pause, over no word"
    assert after.text.index("awake") < after.text.index("doxycycline") < after.text.index("fever or")
    (kept,) = kept_corrections(before, after, [correction])
    assert after.words[kept.first_word].text == "Monday."
    with pytest.raises(DataError, match="words at 0:05 already"):
        write_between(before, 5.1, 6.0, "x", "")


def test_a_pause_inside_a_segment_makes_two_of_it():
    said = transcript()
    second = said.segments[1]
    paused = tuple(w if i < 3 else replace(w, start_s=w.start_s + 30, end_s=w.end_s + 30) for i, w in enumerate(second.words))
    said = replace(said, segments=(replace(second, end_s=paused[-1].end_s, words=paused),))
    after = write_between(said, 10.0, 20.0, "no fever", "patient")
    assert [s.text for s in after.segments] == ["I have had", "no fever", second.text.removeprefix("I have had ")]
    edges = [t for s in after.segments for t in (s.start_s, s.end_s)]
    assert edges == sorted(edges) and after.segments[1].words[0].start_s == 10.0


def test_another_word_is_written_over_the_one_in_doubt():
    before = transcript()
    word = before.words[[w.text for w in before.words].index("Monday.")]
    assert write_over(before, word.start_s, word.end_s, "Sunday").segments[3].text.endswith("a fever on Sunday.")
    with pytest.raises(DataError, match="no words at"):
        write_over(before, 46.0, 47.0, "x")


@pytest.mark.parametrize(
    ("written", "over", "after"),
    [
        ("Only on my prisole 20 milligrams daily.", "20", "Only on my prisole omeprazole 20 milligrams daily."),
        ("Only on my prisole 20 milligrams daily.", "milligrams", "Only on my prisole omeprazole 20 milligrams daily."),
        ("Only on my prisole 20 milligrams daily.", "prisole 20", "Only on my omeprazole 20 milligrams daily."),
        ("Twenty milligrams daily.", "Twenty", "omeprazole Twenty milligrams daily."),
        ("Only a ten a lol, daily.", "ten a lol,", "Only a omeprazole, daily."),
    ],
)
def test_a_name_that_is_written_never_takes_the_place_of_a_dose(written, over, after):
    texts = written.split()
    words = tuple(Word(float(i), i + 0.9, text, 0.9) for i, text in enumerate(texts))
    said = Transcript((Segment(0.0, float(len(texts)), written, words),))
    first, n = next((i, len(over.split())) for i in range(len(texts)) if texts[i : i + len(over.split())] == over.split())
    kept = amounts_in(texts)
    assert write_over(said, first, first + n - 0.1, "omeprazole", kept).text == after
    taken = Correction(first, first + n - 1, over, "omeprazole", "DRUG:omeprazole", 0.9, float(first), first + n - 0.1)
    assert with_correction(said, taken, kept).text == after


def test_a_suggestion_that_is_taken_stands_in_the_text_with_its_punctuation():
    before = transcript()
    at = [w.text for w in before.words].index("Monday.")
    after = with_correction(before, _misheard(before, at))
    assert after.segments[3].text.endswith("a fever on amoxicillin.") and is_edited(after.segments[3])


def differences(one: object, other: object, place: str = "") -> list[str]:
    """Where two JSON values differ; numbers by more than the sound differs when it is encoded in other batches."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [d for key in one for d in differences(one[key], other[key], f"{place}.{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return [d for i, pair in enumerate(zip(one, other, strict=True)) for d in differences(*pair, f"{place}[{i}]")]
    if isinstance(one, float) and isinstance(other, float):
        return [] if abs(one - other) <= 0.002 * max(1, abs(one)) else [f"{place}: {one} {other}"]
    return [] if one == other else [f"{place}: {one} {other}"]


def test_concepts_follow_the_words(analyzer, analyses, heard):
    analysis = analyses["chest-pain"]
    unchanged = analyzer.reread(analysis, analysis.transcript, heard("chest-pain"))
    assert differences(unchanged.to_dict(), analysis.to_dict()) == [], "reading the same words again changes nothing"
    index = next(i for i, s in enumerate(analysis.transcript.segments) if len(s.words) > 6)
    segment = analysis.transcript.segments[index]
    edited = edit_segment(analysis.transcript, index, segment.text + " I also have a rash.", segment.speaker)
    again = analyzer.reread(analysis, edited, heard("chest-pain"))
    before = {(c.label, c.status) for c in analysis.concepts if c.teacher and c.teacher.evidence}
    after = {(c.label, c.status) for c in again.concepts if c.teacher and c.teacher.evidence}
    (label,) = {label for label, _ in after - before}
    assert "rash" in label.lower() and ((label, "present") in after)
    doubt = again.alignment.segments[index].transcription_error
    assert doubt is not None, "one more word takes no doubt from the others"
    assert again.models == analysis.models and again.sound_events == analysis.sound_events
    assert again.to_dict()["transcript"]["segments"][index]["original_text"] == segment.text
