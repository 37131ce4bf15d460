"""Names become files by one path, and pinned files are the pinned ones."""

import shutil
import struct

import pytest

from medalign.core import weights
from medalign.core.errors import CheckpointError, WeightsError
from medalign.models import transcription
from medalign.models.ctranslate2_file import read_ctranslate2
from medalign.models.whisper_encoder import load_encoder

WHISPER = ("model.bin",)


def test_pinned_names_resolve_from_wheels_without_a_hub():
    assert weights.resolve("tiny.en", weight_files=WHISPER).revision == "1a5afae06a4d"
    assert weights.resolve("all-MiniLM-L6-v2", weight_files=("model.safetensors",)).revision == "53aa51172d14"


def test_an_altered_file_is_an_error_that_names_file_expected_and_got(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(b"something else")
    expected = weights.PINNED["tiny.en"].sha256["model.bin"]
    with pytest.raises(WeightsError) as caught:
        weights.check_sha256(file, expected)
    message = str(caught.value)
    assert str(file) in message and expected in message and weights.sha256_of(file) in message


def test_an_altered_wheel_is_noticed_when_its_name_is_resolved(tmp_path, monkeypatch):
    genuine = weights.resolve("tiny.en", weight_files=WHISPER).folder
    fake = tmp_path / "fake_models" / "model"
    shutil.copytree(genuine, fake)
    (tmp_path / "fake_models" / "__init__.py").touch()
    with open(fake / "model.bin", "r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x00\x01\x02")
    monkeypatch.syspath_prepend(tmp_path)
    pin = weights.PINNED["tiny.en"]
    monkeypatch.setitem(weights.PINNED, "altered", weights.PinnedModel(**{**vars(pin), "package": "fake_models"}))
    with pytest.raises(WeightsError, match="expected SHA-256 1a5afae06a4d.*got"):
        weights.resolve("altered", weight_files=WHISPER)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(WeightsError, match="neither a folder nor a known name; use one of base, tiny.en"):
        weights.resolve("tyni", weight_files=WHISPER)


def test_a_hub_name_out_of_reach_is_one_sentence():
    with pytest.raises(WeightsError, match="could not be fetched from the Hub") as caught:
        weights.resolve("nobody/nothing", weight_files=WHISPER)
    assert "\n" not in str(caught.value)


def test_a_folder_without_weights_says_which_file_it_wants(tmp_path):
    with pytest.raises(WeightsError, match="holds none of model.bin"):
        weights.resolve(str(tmp_path), weight_files=WHISPER)


def test_a_closed_folder_is_one_sentence(closed_folder):
    for folder in (closed_folder, closed_folder / "model"):
        with pytest.raises(WeightsError, match="can't be read .Permission denied.; check its permissions"):
            weights.resolve(str(folder), weight_files=WHISPER)


def test_a_folder_is_used_as_it_is():
    folder = weights.resolve("tiny.en", weight_files=WHISPER).folder
    found = weights.resolve(str(folder), weight_files=WHISPER)
    assert (found.folder, found.revision) == (folder, "1a5afae06a4d")


@pytest.mark.parametrize(
    "content", [b"", b"not a model at all", struct.pack("<I", 6) + b"\x05\x00abc", struct.pack("<I", 3) + bytes(99)]
)
def test_a_file_that_is_no_ctranslate2_model_is_refused(tmp_path, content):
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match="model.bin"):
        read_ctranslate2(tmp_path / "model.bin")


def test_a_ctranslate2_model_that_is_no_whisper_is_refused(tmp_path):
    spec = struct.pack("<I", 6) + struct.pack("<H", 6) + b"OtherX" + struct.pack("<II", 1, 0)
    (tmp_path / "model.bin").write_bytes(spec)
    with pytest.raises(CheckpointError, match="not a Whisper model"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    ("device", "installed", "on_disk", "expected"),
    [
        ("cpu", {"base", "tiny.en"}, {"large-v3"}, "base"),
        ("cpu", {"tiny.en"}, {"large-v3"}, "tiny.en"),
        ("cuda", {"tiny.en"}, {"large-v3"}, "large-v3"),
        ("cuda", {"base", "tiny.en"}, set(), "base"),
    ],
)
def test_auto_is_the_recogniser_that_a_machine_can_run_well(
    device, installed, on_disk, expected, monkeypatch, caplog, tmp_path
):
    def found(name, weight_files):
        if name not in installed | on_disk:
            raise WeightsError(f"model '{name}' is out of reach")
        return weights.Weights(name, tmp_path, "0")

    monkeypatch.setattr(transcription, "is_installed", installed.__contains__)
    monkeypatch.setattr(transcription, "resolve", found)
    assert transcription.asr_weights("auto", device).name == expected
    assert ("out of reach" in caplog.text) == (device == "cuda" and not on_disk)
