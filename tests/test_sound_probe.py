"""`medalign probe` and `medalign audit` on made sounds: what is there is found, what gives it away is told."""

import csv
import json

import numpy as np
import pytest
import soundfile

from medalign.cli import main
from medalign.core.weights import sha256_of
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.training.fitting import sound_probe
from medalign.training.fitting.sound_features import person_of

pytestmark = pytest.mark.models
N = 48


def write(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """24 people with a low and a high tone each, in two places; what is high is abnormal."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(N):
        is_high = (i // 2) % 2
        waveform = 0.2 * np.sin(2 * np.pi * (120 + 200 * is_high + rng.uniform(-40, 40)) * np.arange(16_000) / 16_000)
        soundfile.write(folder / f"{i}.wav", waveform + 0.05 * rng.standard_normal(16_000), 16_000)
        rows.append({
            "path": f"{i}.wav", "group": f"p{i // 2}", "subset": "ab"[i // 2 % 4 < 2], "kind": "heart",
            "split": "train" if i < 24 else "valid", "label": ("normal", "abnormal")[is_high], "position": ("AV", "MV")[i % 2],
        })  # fmt: skip
    return write(folder / "table.csv", rows)


@pytest.fixture(scope="module")
def student(untrained_whisper, tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    teacher = Teacher()
    Student.untrained(str(untrained_whisper), teacher.info, teacher.embed_dim).save_pretrained(folder)
    return folder


@pytest.fixture
def probe(table, tmp_path, untrained_whisper, monkeypatch, capsys):
    monkeypatch.setattr(sound_probe, "DEFAULT_ENCODER", str(untrained_whisper))
    monkeypatch.setattr("medalign.evaluation.bootstrap.bootstrap_over_groups.__defaults__", (40,))

    def run(*arguments, on=table, label="label"):
        out = tmp_path / "figures.json"
        status = main(
            [
                "probe",
                str(on),
                "--label",
                label,
                "--cache",
                str(tmp_path / "cache"),
                "--json",
                str(out),
                "--folds",
                "3",
                *arguments,
            ]
        )
        told = capsys.readouterr()
        return (json.loads(out.read_text()), told.out) if status == 0 else (None, told.err)

    return run


@pytest.mark.slow
def test_baselines_and_a_student_are_measured_on_the_same_rows(probe, student):
    figures, told = probe("--student", str(student), "--within", "subset")
    rows = {row["source"]: row for row in figures["rows"]}
    assert list(rows) == ["logmel", "unaligned", "best-unaligned", str(student)]
    assert rows["logmel"]["auroc"] > 0.95 and "best-unaligned" in told
    assert rows[str(student)]["told"] == "unknown" and len(rows[str(student)]["lift"]) == 3
    assert len(rows["best-unaligned"]["chosen"]) == 6 and "x" in rows["best-unaligned"]["chosen"][0]
    assert rows["logmel"]["auroc"] == pytest.approx(np.mean(list(rows["logmel"]["by_subset"].values())))
    difference, low, high = rows[str(student)]["lift"]["logmel"]
    assert low <= difference <= high and difference == pytest.approx(rows[str(student)]["auroc"] - rows["logmel"]["auroc"])
    assert (figures["n_measured"], figures["n_groups"], figures["persons"]) == (48, 24, "known")
    assert 0 <= rows[str(student)]["zero_shot_auroc"] <= 1 and "retrieval" not in rows[str(student)]
    assert figures["provenance"]["date"]


def test_what_a_student_was_told_and_trained_on_is_known_and_never_measured(probe, student, table):
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    heard = [sha256_of(table.parent / row["path"])[:12] for row in rows if row["split"] == "train"]
    (student / "training.json").write_text(json.dumps({"told": "label murmur", "train_clips": " ".join(heard)}))
    figures, told = probe("--student", str(student), "--baseline", "logmel")
    assert (figures["n_trained_on"], figures["n_measured"]) == (24, 24) and "24 that a student was trained on" in told
    assert figures["rows"][-1]["told"] == "yes"
    figures, _ = probe("--student", str(student), "--baseline", "logmel", label="position")
    assert figures["rows"][-1]["told"] == "no"
    (student / "training.json").unlink()


def test_reports_give_retrieval_and_patients_are_averaged(probe, student, table, tmp_path):
    assert main(["reports", str(table), "--kind", "heart", "--out", str(tmp_path / "reports.csv")]) == 0
    figures, _ = probe("--student", str(student), "--baseline", "logmel", "--level", "patient", on=tmp_path / "reports.csv")
    assert (figures["n_clips"], figures["n_measured"]) == (48, 24)
    retrieval = figures["rows"][-1]["retrieval"]
    assert retrieval["n_reports"] == 2 and retrieval["recall@1_by_chance"] == pytest.approx(0.5)
    assert "several values of position" in probe("--baseline", "logmel", "--level", "patient", label="position")[1]


def test_a_subset_of_one_class_has_no_figure_and_spoils_none(probe, table, tmp_path):
    with open(table, newline="") as file:
        rows = [row | {"path": str(table.parent / row["path"])} for row in csv.DictReader(file)]
    rows = [row | {"subset": "c"} if row["group"] in ("p0", "p2") else row for row in rows]
    figures, told = probe("--baseline", "logmel", "--within", "subset", on=write(tmp_path / "table.csv", rows))
    by_subset = figures["rows"][0]["by_subset"]
    assert by_subset["c"] is None and figures["rows"][0]["auroc"] == pytest.approx(np.mean([by_subset["a"], by_subset["b"]]))


def test_places_are_left_out_and_rows_chosen(probe):
    figures, _ = probe("--baseline", "logmel", "--leave-out", "subset", "--keep", "position=AV")
    assert figures["n_measured"] == 24 and set(figures["rows"][0]["by_subset"]) == {"a", "b"}
    assert figures["rows"][0]["auroc"] > 0.9


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--baseline", "ear"), "'ear' is unknown"),
        (("--keep", "label=normal"), "1 value"),
        (("--within", "ward"), "lacks the column ward"),
        (("--within", "subset", "--leave-out", "subset"), "leave --within out"),
        (("--baseline", "opensmile"), "non-commercial"),
        (("--folds", "1"), "--folds is 1; give a finite number of at least 2"),
        (("--crop-s", "0"), "--crop-s is 0.0; give a finite number above 0"),
    ],
)
def test_what_can_not_be_probed_is_told(probe, arguments, told):
    assert told in probe(*arguments)[1]


def test_features_are_computed_once(probe, monkeypatch):
    first, _ = probe("--baseline", "logmel", "--crop-s", "0.5")
    monkeypatch.setattr("medalign.training.fitting.sound_features.Clips.waveform", lambda *_: pytest.fail("heard again"))
    assert probe("--baseline", "logmel", "--crop-s", "0.5")[0]["rows"] == first["rows"]


def test_an_audit_tells_what_gives_labels_away(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(40):
        n = 16_000 + 8_000 * (i % 2)  # the abnormal ones are longer
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * rng.standard_normal(n), 16_000)
        rows.append({"path": f"{i}.wav", "group": f"p{i}", "split": "train", "label": ("normal", "abnormal")[i % 2]})
    (tmp_path / "copy.wav").write_bytes((tmp_path / "0.wav").read_bytes())
    waveform, _ = soundfile.read(tmp_path / "1.wav")
    soundfile.write(tmp_path / "again.flac", waveform, 16_000)  # other bytes, the same sound
    (tmp_path / "broken.wav").write_text("no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    rows += [
        {"path": "copy.wav", "group": "p0", "split": "valid", "label": "abnormal"},
        {"path": "again.flac", "group": "q", "split": "train", "label": "abnormal"},
        {"path": "broken.wav", "group": "r", "split": "train", "label": "normal"},
        {"path": "silent.wav", "group": "s", "split": "train", "label": "unknown"},
    ]
    out = tmp_path / "audit.json"
    assert main(["audit", str(write(tmp_path / "table.csv", rows)), "--json", str(out)]) == 0
    found, told = json.loads(out.read_text()), capsys.readouterr().out
    alone = found["auroc_of_label_from"]
    assert alone["duration"] > 0.9 and abs(alone["level"] - 0.5) < 0.25 and alone["subset"] is alone["sampling rate"] is None
    assert (found["equal_files"]["n_sets"], found["equal_sounds"]["n_sets"]) == (1, 2)
    assert found["equal_sounds"]["with_contradicting_labels"]["first"] == [["0.wav", "copy.wav"]]
    assert found["equal_sounds"]["of_several_groups"]["first"] == [["1.wav", "again.flac"]]
    assert found["groups_in_several_splits"] == ["p0"] and found["equal_sounds"]["in_several_splits"]["n_sets"] == 1
    assert found["unreadable"] == ["broken.wav"] and found["silent"] == ["silent.wav"] and found["n_labelled"] == 43
    assert "duration alone" in told


def test_evaluate_reads_reports_and_tells_auroc(table, student, tmp_path):
    assert main(["reports", str(table), "--kind", "heart", "--out", str(tmp_path / "reports.csv")]) == 0
    out = tmp_path / "figures.json"
    arguments = [
        "evaluate",
        str(tmp_path / "reports.csv"),
        "--student",
        str(student),
        "--cache",
        str(tmp_path),
        "--json",
        str(out),
    ]
    assert main(arguments) == 0
    figures = json.loads(out.read_text())
    assert figures["n_concepts"] >= 1 and 0 <= figures["students"][0]["probe_auroc"] <= 1


def test_a_recording_that_is_its_own_group_is_nobody_we_know():
    assert person_of({"path": "a.wav", "group": "a.wav"}, "group") == ""
    assert person_of({"path": "a.wav", "group": "patient 7"}, "group") == "patient 7"
    assert person_of({"path": "a.wav"}, "group") == ""
