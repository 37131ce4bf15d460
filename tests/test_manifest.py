"""Rows that can't be used are all found, and told by line, before anything is trained."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from make_examples import manifest_rows

from medalign.core.assets import EXAMPLES
from medalign.core.errors import DataError
from medalign.core.examples import load_examples
from medalign.training.data.manifest import Row, read_manifest, write_manifest


def tone(folder: Path, name: str, seconds: float, *, peak: float = 0.3, hz: float = 300.0, rate: int = 16_000) -> None:
    soundfile.write(folder / name, peak * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate), rate)


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(("a.wav", "b.wav", "c.wav")):
        tone(tmp_path, name, 3.0, hz=300 + 50 * i)
    return tmp_path


def manifest(folder: Path, *lines: str, header: str = "path,text,group,split,start_s,end_s") -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


GOOD = ("a.wav,my chest hurts,one,train,0,2", "b.wav,any fever at all,two,valid,,")


def test_a_good_manifest_is_read_whole(folder):
    first, second = read_manifest(manifest(folder, *GOOD))
    assert (first.text, first.group, first.split, first.start_s, first.end_s) == ("my chest hurts", "one", "train", 0, 2)
    assert second.end_s == pytest.approx(3.0) and second.labels is None


def test_everything_wrong_is_listed_by_line_at_once(folder):
    tone(folder, "silent.wav", 3.0, peak=1e-5)
    tone(folder, "short.wav", 0.05)
    (folder / "text.wav").write_text("no audio")
    for name, value in (("nan.wav", np.nan), ("infinite.wav", np.inf)):
        waveform = np.full(32_000, 0.1)
        waveform[8_000] = value
        soundfile.write(folder / name, waveform, 16_000, subtype="FLOAT")
    lines = (
        *GOOD,
        "gone.wav,a,x,train,,",  # 4
        "silent.wav,b,x,train,,",  # 5
        "short.wav,c,x,train,,",  # 6
        "a.wav,,x,train,,",  # 7
        "a.wav,d,x,train,2,1",  # 8
        "a.wav,e,x,train,zero,1",  # 9
        "a.wav,f,x,test,,",  # 10
        "text.wav,g,x,train,,",  # 11
        "a.wav,h,x,train,7,8",  # 12
        "nan.wav,i,x,train,,",  # 13
        "infinite.wav,j,x,train,1,2",  # 14
    )
    with pytest.raises(DataError) as error:
        read_manifest(manifest(folder, *lines))
    told = dict(line.strip().split(": ", 1) for line in str(error.value).splitlines()[1:])
    assert {name: word in told[name] for name, word in {
        "line 4": "does not exist", "line 5": "silent", "line 6": "long", "line 7": "text is empty", "line 8": "not before",
        "line 9": "no number", "line 10": "'test'", "line 11": "can't be read", "line 12": "lies past",
        "line 13": "not numbers (NaN or infinite) near 0.5 s", "line 14": "not numbers",
    }.items()} == dict.fromkeys(told, True)  # fmt: skip
    assert "11 of 13 rows" in str(error.value)


def test_one_stretch_of_audio_has_one_text(folder):
    (folder / "copy of a.wav").write_bytes((folder / "a.wav").read_bytes())
    same = ("a.wav,My  chest hurts,one,train,0,2", "a.wav,my chest,one,train,0,1.5")
    assert len(read_manifest(manifest(folder, *GOOD, *same))) == 4, "another stretch, and the same text again"
    with pytest.raises(DataError) as error:
        read_manifest(manifest(folder, *GOOD, *same, "copy of a.wav,no cough,one,train,0,2.0001"))
    told = str(error.value)
    assert "line 2: line 6 has the same stretch of audio with another text" in told and "line 6: line 2 has" in told
    assert "3 of 5 rows" in told


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_what_is_constant_or_past_the_end_is_no_sound(folder, rate):
    soundfile.write(folder / "dc.wav", np.full(3 * rate, 0.4), rate)
    tone(folder, "offset.wav", 3.0, rate=rate, peak=0.01)
    fine = "a.wav,a little late,one,train,1,3.9"
    assert len(read_manifest(manifest(folder, *GOOD, fine, "offset.wav,quiet,three,train,,"))) == 4
    with pytest.raises(DataError) as error:
        read_manifest(manifest(folder, *GOOD, "dc.wav,a,three,train,,", "c.wav,b,three,train,0,100000"))
    assert "line 4: dc.wav from 0 s holds one constant value" in str(error.value)
    assert "line 5: c.wav ends at 3.00 s, and end_s 100000 lies past that" in str(error.value)


def test_groups_audio_and_texts_in_both_splits_are_refused(folder):
    (folder / "copy of a.wav").write_bytes((folder / "a.wav").read_bytes())
    lines = (
        *GOOD,
        "c.wav,something else,two,train,,",  # its group is two
        "copy of a.wav,same sound,three,valid,,",
        "c.wav,  My chest HURTS ,four,valid,,",
    )
    with pytest.raises(DataError) as error:
        read_manifest(manifest(folder, *lines))
    told = str(error.value)
    assert "line 4: its group is in split train and in valid" in told
    assert "line 5: its audio is in split valid and in train" in told
    assert "its text is in split valid and in train" in told and "--shared-texts" in told


def test_without_a_split_column_whole_groups_are_drawn(folder):
    lines = [f"{name},row {i} of {name},group {i % 40}" for i in range(80) for name in ("a.wav",)]
    path = manifest(folder, *lines, header="path,text,group")
    with pytest.raises(DataError, match="its audio is in split"):  # one file in all groups is no honest split
        read_manifest(path)
    for i in range(40):
        tone(folder, f"{i}.wav", 1.0, hz=200 + 10 * i)
    lines = [f"{i}.wav,row {i} take {j},group {i},{j / 2}" for i in range(40) for j in range(2)]
    rows = read_manifest(manifest(folder, *lines, header="path,text,group,start_s"))
    by_group = {}
    for row in rows:
        assert by_group.setdefault(row.group, row.split) == row.split
    assert 2 <= list(by_group.values()).count("valid") <= 16


@pytest.mark.parametrize(
    ("header", "lines", "told"),
    [
        ("path,words", GOOD, "lacks the column text"),
        ("path,text,colour", GOOD, "unknown column colour"),
        ("path,text", (), "no rows"),
        ("path,text,group,split,start_s,end_s", GOOD[:1], "no row in split valid"),
    ],
)
def test_what_is_no_manifest_is_refused_with_the_reason(folder, header, lines, told):
    with pytest.raises(DataError, match=told):
        read_manifest(manifest(folder, *lines, header=header))


def test_what_is_written_is_read_again(folder):
    rows = (
        Row(folder / "a.wav", 'my chest, "it hurts"', "one", "train", 0.0, 2.0, ("HP:1", "own_label")),
        Row(folder / "b.wav", "any fever", "two", "valid", 0.5, 3.0, ()),
    )
    write_manifest(rows, folder / "manifest.csv")
    assert read_manifest(folder / "manifest.csv") == rows


def test_reports_of_equal_metadata_may_share_a_text_and_nothing_else_may(folder):
    header = "path,text,group,split,report_id,subset,withheld,label,murmur"
    lines = ["a.wav,A murmur.,1,train,r1,a,label,normal,1", "b.wav,A murmur.,2,valid,r1,b,label,abnormal,1"]
    first, second = read_manifest(manifest(folder, *lines, header=header))
    assert first.report_id == second.report_id == "r1" and first.told == ("murmur",) and second.subset == "b"
    lines += ["c.wav,No text of a report,2,train,r2,b,label,abnormal,0"]
    with pytest.raises(DataError, match="its group is in split"):
        read_manifest(manifest(folder, *lines, header=header))
    with pytest.raises(DataError, match="its text is in split"):
        read_manifest(manifest(folder, *(line.replace("r1", "") for line in lines[:2]), header=header))


def test_the_bundled_manifest_is_the_one_the_examples_give():
    assert read_manifest(EXAMPLES / "manifest.csv") == manifest_rows(load_examples())
