"""Consultations become speech and a manifest: splits kept, voices apart, windows holding the words under them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from medalign.core.errors import DataError
from medalign.training.data.consultations import (
    MAX_WORDS,
    Consultation,
    Utterance,
    read_aci_bench,
    read_consultations,
    read_mts_dialog,
    read_primock57,
)
from medalign.training.data.manifest import read_manifest
from medalign.training.data.synthesis import (
    HELD_OUT_VOICES,
    TRAIN_VOICES,
    SpokenUtterance,
    Take,
    _window_rows,
    read_takes,
    speak_takes,
    synthesize,
    timed_transcript,
)

# Invented, in the layouts of the three collections.
PRIMOCK57 = (
    "consultation_id,day,role,start_s,end_s,text,raw_text\n"
    "a,1,patient,5,6,My knee has been swollen since the weekend.,x\n"
    "a,1,doctor,1,2,Good morning. What brings you in today?,x\n"
    "a,1,doctor,9,9,,<UNIN/>\n"
    "a,1,doctor,12,14,Have you taken any ibuprofen for it?,x\n"
    "a,1,patient,15,16,Two tablets yesterday and one this morning.,x\n"
    "b,4,doctor,1,2,Good morning. What brings you in today?,x\n"
    "b,4,patient,3,4,I have had a headache for two days.,x\n"
)
NOTES = """consultation_id,presenting_complaint,note,highlights
a,knee,"Swollen knee since weekend.
PMH: nil",
b,head,Headache.,
"""
ACI = """dataset,encounter_id,dialogue,note
aci,D1,"[doctor] hi , how are you ?
[patient] i did n't sleep , um ,
at all",Poor sleep.
"""
MTS = """ID,section_header,section_text,dialogue
{0},CC,{1},"Doctor: What is it?
Guest_family: She has a cough.
Doctor_2: I see."
"""


@pytest.fixture
def data(tmp_path):
    for name in ("primock57", "aci_bench", "mts_dialog"):
        (tmp_path / "data" / name).mkdir(parents=True)
    folder = tmp_path / "data"
    (folder / "primock57" / "utterances.csv").write_text(PRIMOCK57)
    (folder / "primock57" / "notes.csv").write_text(NOTES)
    for split in ("train", "valid"):
        (folder / "aci_bench" / f"{split}.csv").write_text(ACI)
        (folder / "mts_dialog" / f"{split}.csv").write_text(MTS.format(split, "Cough."))
    return folder


def test_primock57_is_split_by_day_ordered_by_time_and_inaudible_rows_left_out(data):
    learn, choose = read_primock57(data / "primock57")
    assert (learn.split, choose.split) == ("train", "valid")
    assert [u.role for u in learn.utterances] == ["doctor", "patient", "doctor", "patient"]
    assert learn.note == "Swollen knee since weekend.\nPMH: nil"


def test_tagged_dialogues_become_turns_of_doctor_and_patient(data):
    aci = read_aci_bench(data / "aci_bench")
    assert [c.split for c in aci] == ["train", "valid"]
    assert [(u.role, u.text) for u in aci[0].utterances] == [
        ("doctor", "hi, how are you?"), ("patient", "i didn't sleep, um,"), ("patient", "at all"),
    ]  # fmt: skip
    (mts,) = read_mts_dialog(data / "mts_dialog")  # the validation row has the training row's note: left out
    assert [u.role for u in mts.utterances] == ["doctor", "patient", "doctor"]


def test_long_turns_are_cut_and_lose_no_word(tmp_path):
    turn = " ".join(f"word{i}" + ("," if i % 11 == 0 else "." if i % 17 == 0 else "") for i in range(200))
    (tmp_path / "train.csv").write_text(f'dataset,encounter_id,dialogue,note\naci,D1,"[patient] {turn}",n\n')
    (tmp_path / "valid.csv").write_text('dataset,encounter_id,dialogue,note\naci,D2,"[doctor] hi",n\n')
    utterances = read_aci_bench(tmp_path)[0].utterances
    assert " ".join(u.text for u in utterances) == turn
    assert max(len(u.text.split()) for u in utterances) <= MAX_WORDS
    assert sum(u.text.endswith((".", ",")) for u in utterances) >= len(utterances) - 1


def test_a_folder_without_any_collection_is_refused(tmp_path):
    with pytest.raises(DataError, match="none of primock57, aci_bench, mts_dialog"):
        read_consultations(tmp_path)


def test_synthesis_writes_a_manifest_that_training_accepts(data, tmp_path):
    out = tmp_path / "speech"
    consultations = read_primock57(data / "primock57")
    voices = {"train_voices": ("flite-slt", "flite-rms"), "valid_voices": ("flite-kal16", "flite-awb")}
    rows = synthesize(consultations, out, **voices)
    stored = read_manifest(out / "manifest.csv")
    assert [(r.path, r.text, r.group, r.split, r.labels) for r in stored] == [
        (r.path, r.text, r.group, r.split, r.labels) for r in rows
    ]
    times = [[(r.start_s, r.end_s) for r in table] for table in (stored, rows)]
    assert np.abs(np.subtract(*times)).max() < 1e-3
    learn = [row for row in rows if row.split == "train"]
    texts = {row.text for row in learn}
    assert "Good morning. What brings you in today?" not in texts  # it stands in validation
    assert "My knee has been swollen since the weekend." in texts
    assert any(len(row.text.split()) > 8 and row.end_s - row.start_s == pytest.approx(6) for row in learn)  # a window
    knee = next(row for row in learn if row.text.startswith("My knee"))
    assert knee.labels
    (take,) = read_takes(out, "train")
    assert set(take.voices.values()) == {"flite-slt", "flite-rms"}
    for row in learn:
        stretch = take.waveform()[int(row.start_s * 16_000) : int(row.end_s * 16_000)]
        assert np.abs(stretch).max() > 0.05
    before = take.audio_path.stat().st_mtime_ns
    assert synthesize(consultations, out, **voices) == rows  # nothing is spoken twice
    assert take.audio_path.stat().st_mtime_ns == before


def test_a_take_of_other_words_or_voices_is_not_taken_for_this_one(tmp_path):
    said = Consultation("c", "valid", (Utterance("patient", "Good morning."), Utterance("patient", "I have a cough.")))
    voices = {"patient": "flite-kal16"}
    spoken = tuple(SpokenUtterance(i, i + 1.0, u.role, u.text) for i, u in enumerate(said.utterances))
    take = Take("c", "valid", "c-seed0-take0.flac", voices, spoken, tmp_path)
    take.write()
    (kept,) = speak_takes([said], tmp_path, n_takes=1, voices=("flite-kal16",))
    assert kept == take
    with pytest.raises(DataError, match=r"c-seed0-take0.flac was spoken with other voices .*kal16.* -> .*flite-slt"):
        speak_takes([said], tmp_path, n_takes=1, voices=("flite-slt",))
    with pytest.raises(DataError, match="spoken with other words; remove it"):
        speak_takes([replace(said, utterances=said.utterances[:1])], tmp_path, n_takes=1, voices=("flite-kal16",))


def test_doctor_and_patient_never_get_one_voice(tmp_path):
    said = Consultation("c", "valid", (Utterance("doctor", "Good morning."), Utterance("patient", "Good morning, doctor.")))
    for voices in (("flite-kal16",), ("flite-kal16", "flite-kal16")):
        with pytest.raises(DataError, match="'flite-kal16' alone can't be told apart; give a second voice"):
            speak_takes([said], tmp_path, n_takes=1, voices=voices)
    assert not list(tmp_path.glob("*.json"))
    one_speaker = replace(said, utterances=said.utterances[1:])
    (take,) = speak_takes([one_speaker], tmp_path, n_takes=1, voices=("flite-kal16",))
    assert take.voices == {"patient": "flite-kal16"}
    assert len(HELD_OUT_VOICES) > 1 and not set(HELD_OUT_VOICES) & set(TRAIN_VOICES)


def test_a_validation_voice_that_training_hears_is_refused(tmp_path):
    with pytest.raises(DataError, match="needs an unheard one"):
        synthesize((), tmp_path, train_voices=("flite-slt",), valid_voices=("flite-slt",))
    with pytest.raises(DataError, match="unknown voice 'nobody'"):
        synthesize((), tmp_path, train_voices=("nobody",))


def test_windows_hold_the_words_under_them():
    texts = ("good morning how are you", "i have a terrible headache", "since when did it start", "since monday")
    utterances = tuple(SpokenUtterance(4.0 * i, 4.0 * i + 3, "doctor", text) for i, text in enumerate(texts))
    transcript = timed_transcript(utterances)
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in zip(transcript.words, transcript.words[1:], strict=False))
    rows = _window_rows(Take("c", "train", "c.flac", {}, utterances), seed=0)
    assert [round(b.start_s - a.start_s, 3) for a, b in zip(rows, rows[1:], strict=False)] == [3.0] * (len(rows) - 1)
    for row in rows:
        assert row.end_s - row.start_s == pytest.approx(6.0)
        assert row.text == transcript.text_between(row.start_s, row.end_s)


def test_a_take_is_read_as_it_was_written(tmp_path):
    take = Take("c", "valid", "c.flac", {"doctor": "flite-slt"}, (SpokenUtterance(0, 1, "doctor", "hello"),), tmp_path)
    take.write()
    assert read_takes(tmp_path, "valid") == (take,)
    assert json.loads((tmp_path / "c.json").read_text())["consultation_id"] == "c"
    with pytest.raises(DataError, match="no spoken consultation of split train"):
        read_takes(tmp_path, "train")
