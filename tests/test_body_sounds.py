"""Public collections of body sounds are read from folders in their real layout: labels, person, subset and split."""

# ruff: noqa: E501 - a line is a file

import csv
import json

import pytest

from medalign.cli import main
from medalign.core.errors import DataError
from medalign.training.data.body_sounds import collections, write_table
from medalign.training.data.reports import KINDS, UNRELIABLE, write_reports

AUDIO = ""
EVENTS = [{"start": "0", "end": "9", "type": "Wheeze+Crackle"}]

# Set and layout -> files of a tiny folder, and by a recording's path what its row must say.
FOLDERS = {
    ("physionet2016", 0): (
        {"manifest.csv": "path,recording_id,subset,label,in_challenge_validation\naudio/a/a1.flac,a1,a,abnormal,1\n",
         "audio/a/a1.flac": AUDIO, "audio/a/unlisted.flac": AUDIO},
        {"audio/a/a1.flac": {"subset": "a", "label": "abnormal", "split": "valid", "group": "", "kind": "heart"}},
    ),
    ("physionet2016", 1): (
        {"training-a/REFERENCE.csv": "a0001,1\na0002,-1\n", "training-b/REFERENCE.csv": "b0001,-1\n",
         "training-a/a0001.wav": AUDIO, "training-a/a0002.wav": AUDIO, "training-b/b0001.wav": AUDIO},
        {"training-a/a0001.wav": {"label": "abnormal", "subset": "a"}, "training-b/b0001.wav": {"label": "normal", "subset": "b"}},
    ),
    ("coswara", 0): (
        {"manifest.csv": "path,participant_id,sound_type,sex,age,health_status,split,near_silent\n"
         "audio/p/x.ogg,p,breathing-deep,male,37,healthy,test,0\naudio/p/y.ogg,p,cough-heavy,male,37,healthy,test,1\n",
         "audio/p/x.ogg": AUDIO, "audio/p/y.ogg": AUDIO},
        {"audio/p/x.ogg": {"group": "p", "sound_type": "breathing-deep", "split": "valid", "age": "37"}},
    ),
    ("coswara", 1): (
        {"combined_data.csv": "id,a,g,smoker,covid_status\nAb1,30,female,y,healthy\n", "20200413/Ab1/cough-heavy.wav": AUDIO},
        {"20200413/Ab1/cough-heavy.wav": {"group": "Ab1", "sound_type": "cough-heavy", "smoker": "1", "sex": "female"}},
    ),
    ("covid19_cough", 0): (
        {"manifest.csv": "path,source,reported_covid_status,source_sample_rate\naudio/u.ogg,telegram,positive,48000\n",
         "audio/u.ogg": AUDIO},
        {"audio/u.ogg": {"subset": "telegram", "group": "", "split": "", "source_rate_hz": "48000"}},
    ),
    ("esc10", 0): (
        {"manifest.csv": "path,label,fold\naudio/dog/4-77-A.ogg,Dog bark,4\n", "audio/dog/4-77-A.ogg": AUDIO},
        {"audio/dog/4-77-A.ogg": {"label": "Dog bark", "group": "4-77", "split": "valid"}},
    ),
    ("esc10", 1): (
        {"001 - Dog bark/1-30226-A.ogg": AUDIO, "010 - Fire crackling/5-9-B.ogg": AUDIO},
        {"001 - Dog bark/1-30226-A.ogg": {"label": "Dog bark", "group": "1-30226", "split": "train"},
         "010 - Fire crackling/5-9-B.ogg": {"label": "Fire crackling", "split": "valid"}},
    ),
    ("icbhi", 0): (
        {"ICBHI_Challenge_diagnosis.txt": "101\tURTI\n102\tHealthy\n",
         "ICBHI_challenge_train_test.txt": "101_1b1_Al_sc_Meditron\ttest\n102_1b1_Ar_mc_AKGC417L\ttrain\n101_2b1_Tc_sc_Litt3200\ttrain\n",
         **{f"db/{name}.wav": AUDIO for name in ("101_1b1_Al_sc_Meditron", "102_1b1_Ar_mc_AKGC417L", "101_2b1_Tc_sc_Litt3200")},
         "db/101_1b1_Al_sc_Meditron.txt": "0.036\t0.579\t0\t0\n0.579\t2.45\t1\t0\n",
         "db/102_1b1_Ar_mc_AKGC417L.txt": "0.0\t1.0\t0\t1\n"},
        {"db/101_1b1_Al_sc_Meditron.wav": {"group": "101", "subset": "Meditron", "crackles": "1", "wheezes": "0",
                                           "diagnosis": "URTI", "split": "train", "location": "left anterior chest"},
         "db/102_1b1_Ar_mc_AKGC417L.wav": {"crackles": "0", "wheezes": "1", "split": "train"},
         "db/101_2b1_Tc_sc_Litt3200.wav": {"crackles": "", "split": "train"}},
    ),
    ("sprsound", 0): (
        {"BioCAS2022/train2022_wav/40_0.7_1_p1_17.wav": AUDIO, "BioCAS2022/test2022_wav/41_8.6_0_p4_18.wav": AUDIO,
         "BioCAS2022/train2022_json/40_0.7_1_p1_17.json": json.dumps({"record_annotation": "CAS & DAS", "event_annotation": EVENTS}),
         "BioCAS2022/test2022_json/inter_test_json/41_8.6_0_p4_18.json": '{"record_annotation": "Normal", "event_annotation": []}',
         "BioCAS2025/test2025_wav/_5.3_0_p8_34877.wav": AUDIO,
         "BioCAS2025/test2025_json/_5.3_0_p8_34877.json": json.dumps({"event_annotation": EVENTS})},
        {"BioCAS2022/train2022_wav/40_0.7_1_p1_17.wav": {"group": "40", "crackles": "1", "wheezes": "1", "stridor": "0",
                                                         "sex": "female", "sound_type": "CAS & DAS", "split": "train"},
         "BioCAS2022/test2022_wav/41_8.6_0_p4_18.wav": {"crackles": "0", "split": "valid", "location": "right lateral chest"},
         "BioCAS2025/test2025_wav/_5.3_0_p8_34877.wav": {"group": "", "wheezes": "1", "location": "p8", "sound_type": ""}},
    ),
    ("kauh", 0): (
        {"Audio Files/BP1_Asthma,I E W,P L L,70,M.wav": AUDIO, "Audio Files/DP1_Asthma,I E W,P L L,70,M.wav": AUDIO,
         "Audio Files/EP22_N,N,A R U, 21 ,F.wav": AUDIO},
        {"Audio Files/BP1_Asthma,I E W,P L L,70,M.wav": {"group": "1", "diagnosis": "asthma", "subset": "bell", "sex": "male"},
         "Audio Files/DP1_Asthma,I E W,P L L,70,M.wav": {"group": "1", "subset": "diaphragm"},
         "Audio Files/EP22_N,N,A R U, 21 ,F.wav": {"group": "22", "diagnosis": "healthy", "age": "21"}},
    ),
    ("hf_lung", 0): (
        {"train/steth_20180814_09_37_11.wav": AUDIO, "train/steth_20180814_09_37_11_label.txt": "I 00:00:01.2 00:00:02.3\nD 00:00:01.5 00:00:01.9\n",
         "test/trunc_2019-07-15-10-22-20-L1_3.wav": AUDIO, "test/trunc_2019-07-15-10-22-20-L1_3_label.txt": "Wheeze 00:00:01.2 00:00:02.3\n",
         "test/trunc_2019-07-15-11-02-33-Tc_1.wav": AUDIO},
        {"train/steth_20180814_09_37_11.wav": {"subset": "steth", "crackles": "1", "wheezes": "0", "split": "train", "group": "steth_20180814"},
         "test/trunc_2019-07-15-10-22-20-L1_3.wav": {"wheezes": "1", "group": "trunc_2019-07-15", "split": "valid"},
         "test/trunc_2019-07-15-11-02-33-Tc_1.wav": {"wheezes": "", "group": "trunc_2019-07-15", "split": "valid"}},
    ),
    ("circor", 0): (
        {"training_data.csv": "Patient ID,Age,Sex,Murmur,Murmur locations,Systolic murmur timing,Outcome,Campaign\n"
         "2530,Child,Female,Absent,nan,nan,Abnormal,CC2015\n", "training_data/2530_AV.wav": AUDIO, "training_data/2530_MV_1.wav": AUDIO},
        {f"training_data/2530_{place}.wav": {"group": "2530", "murmur": "Absent", "outcome": "Abnormal", "subset": "CC2015",
                                             "location": place[:2]} for place in ("AV", "MV_1")},
    ),
    ("zchsound", 0): (
        {"Clean Heartsound Data Details.csv": "fileName;age;gender;diagnosis\n33.wav;120;M;ASD\n9.wav;3;F;PDA\n", "clean Heartsound Data/33.wav": AUDIO,
         "Noise Heartsound Data Details.csv": "fileName;age;gender;diagnosis\n34.wav;12;F;NORMAL\n9.wav;40;M;VSD\n",
         "Noise Heartsound Data Details/34.wav": AUDIO, "Noise Heartsound Data Details/9.wav": AUDIO},
        {"clean Heartsound Data/33.wav": {"diagnosis": "ASD", "subset": "clean", "group": "33"},
         "Noise Heartsound Data Details/34.wav": {"diagnosis": "NORMAL", "subset": "noise"}},
    ),
    ("bmd_hs", 0): (
        {"train.csv": "patient_id,AS,AR,MR,MS,N," + ",".join(f"recording_{i}" for i in range(1, 9)) + "\n"
         "patient_006,0,0,0,1,0,MS_006_sup_Mit,MS_006_sup_Tri,c,d,e,f,g,MS_006_sit_Aor\n",
         "additional_metadata.csv": "patient_id,Age,Gender\npatient_006,44,F\n", "train/MS_006_sup_Mit.wav": AUDIO, "train/MS_006_sit_Aor.wav": AUDIO},
        {f"train/MS_006_{name}.wav": {"group": "patient_006", "mitral_stenosis": "1", "aortic_stenosis": "0", "label": "abnormal",
                                      "age": "44"} for name in ("sup_Mit", "sit_Aor")},
    ),
    ("coughvid", 0): (
        {"public/metadata_compiled.csv": "uuid,cough_detected,age,gender,status\n00-aa,0.98,20,male,healthy\n", "public/00-aa.webm": AUDIO,
         "public/00-aa.json": "{}"},
        {"public/00-aa.webm": {"sex": "male", "cough_detected": "0.98", "covid_status": "healthy", "group": ""}},
    ),
    ("uk_covid19", 0): (
        {"audio_metadata.csv": "participant_identifier,exhalation_file_name,cough_file_name,three_cough_file_name\nP1,e.wav,c.wav,t.wav\n",
         "participant_metadata.csv": "participant_identifier,covid_test_result\nP1,Positive\n", "audio/e.wav": AUDIO, "audio/t.wav": AUDIO},
        {"audio/e.wav": {"group": "P1", "sound_type": "exhalation", "covid_status": "Positive"},
         "audio/t.wav": {"sound_type": "three coughs"}},
    ),
    ("respiratory_tr", 0): (
        {"Labels.csv": "Patient ID,Diagnosis\nH002,COPD4\n", "RespiratoryDatabase@TR/H002_L1.wav": AUDIO},
        {"RespiratoryDatabase@TR/H002_L1.wav": {"group": "H002", "severity": "COPD4", "location": "L1"}},
    ),
}  # fmt: skip


def build(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def read(path):
    with open(path, newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(("name", "layout"), FOLDERS)
def test_a_folder_in_its_real_layout_becomes_a_table(name, layout, tmp_path):
    files, wanted = FOLDERS[name, layout]
    write_table(name, build(tmp_path, files), tmp_path / "table.csv")
    rows = read(tmp_path / "table.csv")
    assert {path: {key: rows[path][key] for key in row} for path, row in wanted.items()} == wanted
    kind = collections()[name]["kind"]
    told = {field.column for field in KINDS[kind]} & set(next(iter(rows.values())))
    if told:  # and reports are written from it
        write_reports(tmp_path / "table.csv", kind, tmp_path / "reports.csv")
    assert not told & UNRELIABLE, "nobody's COVID is reported"


def test_every_layout_is_tested_and_every_collection_says_what_it_is():
    assert set(FOLDERS) == {(name, i) for name, one in collections().items() for i in range(len(one["layout"]))}
    for one in collections().values():
        assert one["kind"] in KINDS and all(one[key] for key in ("title", "person", "split", "cite", "licence", "layout_known"))


def test_a_person_is_in_one_split_where_the_collections_own_split_cuts_through(tmp_path):
    files, _ = FOLDERS["icbhi", 0]
    counts = write_table("icbhi", build(tmp_path, files), tmp_path / "table.csv")
    assert counts["moved to train, since their group stands in both splits"] == 1
    assert counts["recordings"] == 3 and counts["without their file of notes"] == 1


def test_the_wrong_folder_is_told_and_a_table_elsewhere_finds_its_recordings(tmp_path, capsys):
    with pytest.raises(DataError, match="doesn't look like ICBHI"):
        write_table("icbhi", tmp_path, tmp_path / "table.csv")
    files, _ = FOLDERS["esc10", 1]
    build(tmp_path / "data", files)
    (tmp_path / "tables").mkdir()
    assert main(["sounds", "esc10", str(tmp_path / "data"), "--out", str(tmp_path / "tables" / "esc10.csv")]) == 0
    assert "2 recordings" in capsys.readouterr().out
    assert "../data/001 - Dog bark/1-30226-A.ogg" in read(tmp_path / "tables" / "esc10.csv")
    assert main(["sounds"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in collections()) and "CC BY 4.0" in told
    assert main(["sounds", "kauh"]) == 2


def test_a_recording_of_which_two_lines_tell_two_things_is_set_aside(tmp_path):
    files, _ = FOLDERS["zchsound", 0]
    counts = write_table("zchsound", build(tmp_path, files), tmp_path / "table.csv")
    assert counts["recordings"] == 2 and counts["set aside, since no table tells of them, or tells two things"] == 1
