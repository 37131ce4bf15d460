"""Reports say what the metadata say, in several wordings, and nothing else; a failure is a status, never a text."""

import csv

import numpy as np
import pytest
import soundfile
import torch

from medalign.cli import main
from medalign.core.errors import DataError
from medalign.training.data.manifest import read_manifest
from medalign.training.data.reports import KINDS, fault_of, write_reports


def table(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def reports(tmp_path, rows, kind, **options):
    out = tmp_path / "reports.csv"
    for row in rows:
        (tmp_path / row["path"]).touch()
    statuses = write_reports(table(tmp_path / "meta.csv", rows), kind, out, **options)
    with open(out, newline="") as file:
        return list(csv.DictReader(file)), statuses


def heart(i, **more):
    label = "abnormal" if i % 2 else "normal"
    return {"path": f"{i}.wav", "recording_id": f"r{i}", "label": label, "murmur": "", "systolic_timing": ""} | more


def test_a_heart_report_tells_what_is_known_and_skips_what_is_not(tmp_path):
    rows = [heart(0, label="unknown", murmur="present", systolic_timing="early"), heart(1, murmur="absent"), heart(2, label="")]
    found, statuses = reports(tmp_path, rows, "heart")
    first, second, empty = found
    assert "murmur" in first["text"].lower() and "early" in first["text"] and "no murmur" not in first["text"].lower()
    assert "unknown" not in first["text"].lower()
    assert "abnormal" in second["text"] and "no murmur" in second["text"].lower()
    assert empty["text"] == "" and empty["status"].startswith("failed: ")
    assert statuses == {"template": 2, "failed": 1}


@pytest.mark.parametrize(
    ("kind", "row", "told"),
    [
        ("lung", {"location": "left base", "crackles": "1", "wheezes": "0"}, ["left base", "crackles", "no"]),
        ("cough", {"sound_type": "cough-heavy", "age": "37", "sex": "female"}, ["cough-heavy", "37", "female"]),
        ("everyday", {"label": "Dog bark"}, ["dog bark"]),
    ],
)
def test_every_kind_tells_its_columns(kind, row, told, tmp_path):
    found, _ = reports(tmp_path, [{"path": "a.wav", **row}], kind)
    assert all(word in found[0]["text"].lower() for word in told)


def test_wordings_vary_by_row_and_are_the_same_for_the_same_seed(tmp_path):
    rows = [heart(2 * i) for i in range(30)]
    texts = [row["text"] for row in reports(tmp_path, rows, "heart")[0]]
    assert len(set(texts)) >= 3
    assert texts == [row["text"] for row in reports(tmp_path, rows, "heart")[0]]
    assert texts != [row["text"] for row in reports(tmp_path, rows, "heart", seed=1)[0]]


def test_a_withheld_label_is_in_no_wording(tmp_path):
    rows = [heart(i, murmur="present", systolic_timing="early") for i in range(40)]
    found, _ = reports(tmp_path, rows, "heart", withhold=["label"])
    assert not any("normal" in row["text"].lower() or row["labels"] for row in found)
    with pytest.raises(DataError, match="can't be withheld"):
        reports(tmp_path, rows, "heart", withhold=["colour"])


def test_labels_that_contradict_themselves_are_never_reported(tmp_path):
    row = {"path": "a.ogg", "recording_id": "a", "source": "telegram", "reported_covid_status": "positive", "pcr_verified": "1"}
    found, _ = reports(tmp_path, [row], "cough")
    assert "cough" in found[0]["text"] and not any(word in str(found[0]).lower() for word in ("covid", "positive", "pcr"))
    assert not any(field.column in ("reported_covid_status", "pcr_verified") for fields in KINDS.values() for field in fields)
    with pytest.raises(DataError, match="never reported"):
        reports(tmp_path, [row], "cough", withhold=["pcr_verified"])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("A murmur is heard in early systole.", None),
        ("", "empty"),
        ("... !", "empty"),
        ("murmur " * 100, "100 words"),
        ("A grade 3 murmur.", "number 3"),
        ("A murmur, as in aortic stenosis.", "'stenosis'"),
        ("The sounds are otherwise normal.", "'normal'"),
    ],
)
def test_what_a_language_model_may_not_write(text, fault):
    found = fault_of(text, "A murmur is heard.; In systole it is early.; Rated abnormal.")
    assert found is None if fault is None else fault in found


def test_a_language_model_that_babbles_gives_statuses_and_no_text(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path / "babbler"
    vocabulary = {word: i for i, word in enumerate(["<end>", "<unknown>", "pneumonia", "asthma", "7"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unknown>").save_pretrained(folder)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=5, n_positions=256)).save_pretrained(folder)
    found, statuses = reports(tmp_path, [heart(i) for i in range(3)], "heart", llm=str(folder))
    assert statuses == {"failed": 3}
    assert all(row["text"] == "" and row["status"].startswith("failed: ") for row in found)


def test_reports_are_a_manifest_that_training_reads(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for i in range(40):
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * rng.standard_normal(16_000), 16_000)
    rows = [heart(i) | {"split": "test" if i >= 30 else "train"} for i in range(40)]
    meta, out = table(tmp_path / "meta.csv", rows), tmp_path / "manifest.csv"
    arguments = ["reports", str(meta), "--kind", "heart", "--out", str(out)]
    assert main(arguments) == 0
    assert "40 template" in capsys.readouterr().out
    found = read_manifest(out)  # although texts stand in both splits
    assert [row.split for row in found].count("valid") == 10 and found[1].labels == ("abnormal",)
    assert main([*arguments[:3], "lung", *arguments[4:]]) == 2
    assert "leaves nothing to tell" in capsys.readouterr().err


def test_rows_of_equal_metadata_share_a_report_whatever_its_words(tmp_path):
    found, _ = reports(tmp_path, [heart(i) | {"subset": "a", "group": f"p{i}"} for i in range(30)], "heart")
    by_label = {label: {row["report_id"] for row in found if row["label"] == label} for label in ("normal", "abnormal")}
    assert [len(ids) for ids in by_label.values()] == [1, 1] and by_label["normal"] != by_label["abnormal"]
    assert len({row["text"] for row in found}) > 2 and (found[3]["subset"], found[3]["group"]) == ("a", "p3")
    withheld, _ = reports(tmp_path, [heart(i, murmur="absent") for i in range(4)], "heart", withhold=["label"])
    assert len({row["report_id"] for row in withheld}) == 1
    assert [row["label"] for row in withheld] == ["normal", "abnormal"] * 2, "kept to be probed"
    assert {row["withheld"] for row in withheld} == {"label"}


def test_recordings_are_looked_for_in_the_tables_folder_and_missing_ones_are_told(tmp_path, capsys):
    (tmp_path / "audio").mkdir()
    for i in range(3):
        soundfile.write(tmp_path / "audio" / f"{i}.wav", np.full(16_000, 0.1), 16_000)
    meta = table(tmp_path / "meta.csv", [heart(i) for i in range(5)])
    arguments = ["reports", str(meta), "--kind", "heart", "--out", str(tmp_path / "out.csv")]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert "5 of 5 recordings don't exist" in told and str(tmp_path) in told and not (tmp_path / "out.csv").exists()
    assert main([*arguments, "--audio-root", "audio"]) == 2
    assert "2 of 5" in (told := capsys.readouterr().err) and "3.wav" in told
    table(meta, [heart(i) for i in range(3)])
    assert main([*arguments, "--audio-root", "audio"]) == 0
    with open(tmp_path / "out.csv", newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [f"audio/{i}.wav" for i in range(3)]
