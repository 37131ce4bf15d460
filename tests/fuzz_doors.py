"""What a stranger's file may lead to: a value that can be used, or one sentence. `check` feeds a file to its door."""

import copy
import io
import json
import struct
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import page_fixtures
import torch
from fuzz_media import damaged, media
from safetensors.numpy import save
from sounds import tone, wav

from medalign.concepts import ConceptBank
from medalign.concepts.custom import parse_concepts, read_concepts
from medalign.core.analysis import Analysis
from medalign.core.audio import MAX_DURATION_S, MIN_DURATION_S, SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import DataError, MedAlignError
from medalign.core.files import read_json, read_tensors
from medalign.core.transcript import Transcript
from medalign.models.ctranslate2_file import read_ctranslate2
from medalign.models.student_config import read_config
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.warnings_about import warnings_about
from medalign.training.checkpoint import Run
from medalign.training.data.manifest import read_manifest

STUDENT = Path(__file__).parents[1] / "assets" / "checkpoints" / "whisper-tiny.en-minilm"
DECODED, READ, REFUSED, TRACEBACK = "decoded", "read", "refused", "traceback"
OTHER_EVERY = 8  # every eighth file is for another door than that of recordings


def check(index: int, seed: int, folder: Path) -> tuple[str, str]:
    """Make file number `index` in the folder and feed it to its door.

    Returns:
        DECODED or READ; REFUSED and the sentence; or TRACEBACK and what is wrong: the door raised anything else, or what came
        of the file can't be used, or the sentence is none.
    """
    door = recording if index % OTHER_EVERY else list(DOORS)[index // OTHER_EVERY % len(DOORS)]
    try:
        try:
            return door(np.random.default_rng([seed, index]), folder), ""
        except MedAlignError as error:
            _check_sentence(str(error), door, folder)
            return REFUSED, str(error)
    except Exception:
        return TRACEBACK, traceback.format_exc()


def _check_sentence(told: str, door: Callable, folder: Path) -> None:
    lines = told.splitlines()
    assert lines and all(line.isprintable() for line in lines), f"not printable: {told!r}"
    assert len(lines) == 1 or door is _manifest, f"not one sentence: {told!r}"  # a manifest's faults are listed by line
    assert max(map(len, lines)) < 600 or door is _concepts, f"long: {told!r}"
    assert "Traceback" not in told and '.py"' not in told and " object at 0x" not in told, told
    assert door is not recording or str(folder) not in told, f"tells where the file lies: {told}"


def recording(rng: np.random.Generator, folder: Path) -> str:
    name, content = media(rng)
    path = folder / name
    path.write_bytes(content)
    heard = load_recording(path if rng.random() < 0.7 else content)
    for waveform in (heard.waveform, heard.levelled):
        assert waveform.dtype == np.float32 and waveform.ndim == 1
        assert np.isfinite(waveform).all() and np.abs(waveform).max() <= 1
    assert MIN_DURATION_S <= len(heard.waveform) / SAMPLE_RATE_HZ == heard.duration_s <= MAX_DURATION_S + 1
    assert 0 <= heard.clipped_share <= 1 and heard.source_channels in (1, 2)
    if heard.channel_power is not None:
        assert np.isfinite(heard.channel_power).all() and abs(heard.channel_power.shape[1] - 100 * heard.duration_s) <= 1
    assert heard.name.isprintable() and heard.name.encode()
    assert all(warning.isprintable() for warning in warnings_about(heard, Transcript((), "en")))
    return DECODED


def _spoilt(rng: np.random.Generator, body: object) -> bytes:
    """JSON with one of its values replaced, or one of its keys, or damaged as bytes."""
    if rng.random() < 0.3:
        return damaged(rng, json.dumps(body).encode())
    body = json.loads(json.dumps(body))
    odd = ODD[rng.integers(len(ODD))]
    place, holder, key = body, None, None
    while isinstance(place, (dict, list)) and place and (holder is None or rng.random() < 0.8):
        keys = list(place) if isinstance(place, dict) else range(len(place))
        holder, key = place, keys[rng.integers(len(keys))]
        place = holder[key]
    if holder is None:
        body = odd
    elif isinstance(holder, dict) and rng.random() < 0.2:
        holder[["", "x", key.upper(), "\ud800", "__class__"][rng.integers(5)]] = holder.pop(key)
    else:
        holder[key] = odd
    text = json.dumps(body)
    return text.replace('"DEEP"', "[" * 5_000 + "]" * 5_000).replace('"HUGE"', "1" * 5_000).encode()


ODD = (
    None, True, 0, -1, 1e308, 10**30, 2**63, float("nan"), float("inf"), "", "x", "\x00", "\ud800", "a\nb", "x" * 5_000, [], {},
    [[]], {"a": 1}, ["x"], "DEEP", "HUGE", -0.0, 1e-320,
)  # fmt: skip


def _config(rng: np.random.Generator, folder: Path) -> str:
    (folder / "config.json").write_bytes(_spoilt(rng, json.loads((STUDENT / "config.json").read_text())))
    read_config(folder)
    return READ


@cache
def _tensors() -> bytes:
    return save({"distractors": np.ones((4, 8), np.float16), "weight": np.ones((3, 5), np.float32), "n": np.arange(3)})


def _weights(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "model.safetensors"
    path.write_bytes(damaged(rng, _tensors()))
    tensors = read_tensors(path, {"weight": (None, 5)}, remedy="give another")
    assert tensors["weight"].shape[1] == 5 and np.isfinite(tensors["weight"]).all()
    return READ


def _fits(rng: np.random.Generator, folder: Path) -> str:
    tensors, fits = _tensors(), (STUDENT / "fits.json").read_bytes()
    if rng.random() < 0.3:
        tensors = damaged(rng, tensors)
    else:
        fits = _spoilt(rng, json.loads(fits))
    (folder / "distractors.safetensors").write_bytes(tensors)
    (folder / "fits.json").write_bytes(fits)
    Calibration.load(folder)
    return READ


def _ctranslate2(rng: np.random.Generator, folder: Path) -> str:
    def string(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    array = string("encoder/w") + struct.pack("<BIIBI", 2, 3, 5, 0, 60) + np.ones(15, np.float32).tobytes()
    whole = struct.pack("<I", 6) + string("WhisperSpec") + struct.pack("<II", 3, 2) + 2 * array
    path = folder / "model.bin"
    path.write_bytes(damaged(rng, whole))
    assert all(isinstance(array, np.ndarray) for array in read_ctranslate2(path).values())
    return READ


IDENTITY = {"recipe": {"train": {"n_steps": 4, "seed": 0}}, "data": {"texts": ["a", "b"]}}


@cache
def _state(seed: int) -> bytes:
    """A run's state after two steps: as it is, or with one value replaced."""
    torch.manual_seed(0)
    trainee, rng = torch.nn.Linear(3, 2), np.random.default_rng(seed)
    state = {
        "identity": copy.deepcopy(IDENTITY), "sessions": [{"n_steps": 4, "date": "2026-01-01"}], "seconds": 1.0, "step": 2,
        "trained": dict(trainee.state_dict()), "objective": {},
        "optimizer": torch.optim.AdamW(trainee.parameters()).state_dict(),
        "best_score": 0.1, "best": {}, "random": torch.get_rng_state(), "cuda_random": None,
    }  # fmt: skip
    if seed:
        holder = state if rng.random() < 0.5 else state[["identity", "trained", "optimizer"][rng.integers(3)]]
        key = list(holder)[rng.integers(len(holder))]
        holder[key] = [None, -1, "x", [], {}, torch.zeros(2), 1.5, float("nan"), [1, 2]][rng.integers(9)]
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _run(rng: np.random.Generator, folder: Path) -> str:
    content = _state(int(rng.integers(1, 100))) if rng.random() < 0.5 else damaged(rng, _state(0))
    log = "".join(json.dumps({"step": step, "loss": 0.5}) + "\n" for step in range(3)).encode()
    (folder / "state.pt").write_bytes(content)
    (folder / "log.jsonl").write_bytes(damaged(rng, log) if rng.random() < 0.5 else log)
    trainee = torch.nn.Linear(3, 2)
    opened = Run(folder, IDENTITY)
    opened.log_entries()
    with torch.no_grad():
        opened.resume(trainee, torch.nn.Module(), torch.optim.AdamW(trainee.parameters()))
    opened.load_best()
    return READ


def _manifest(rng: np.random.Generator, folder: Path) -> str:
    (folder / "a.wav").write_bytes(wav(tone(SAMPLE_RATE_HZ)))
    name, content = media(rng) if rng.random() < 0.3 else ("b.wav", wav(tone(SAMPLE_RATE_HZ, 2, 500)))
    (folder / name).write_bytes(content)
    whole = f'path,text,group,split,start_s,end_s\na.wav,"a cough",1,train,0,0.9\n"{name}",fever,2,valid,,\n'
    path = folder / "manifest.csv"
    path.write_bytes(damaged(rng, whole.encode("utf-8", "surrogateescape")))
    for row in read_manifest(path):
        assert 0 <= row.start_s < row.end_s and row.text
    return READ


def _concepts(rng: np.random.Generator, folder: Path) -> str:
    whole = b"label,synonyms,code,category\nodd smell,strange smell|funny smell,,finding\nblue toes,,HP:0001063,\n"
    path, content = folder / "concepts.csv", damaged(rng, whole)
    path.write_bytes(content)
    bank, typed = ConceptBank.default(), content.decode("utf-8", "replace")
    concepts, _ = read_concepts(path, bank) if rng.random() < 0.7 else parse_concepts(typed, bank)
    assert all(concept.label for concept in concepts)
    return READ


def _analysis(rng: np.random.Generator, folder: Path) -> str:
    made = page_fixtures.hostile_analysis() if rng.random() < 0.5 else page_fixtures.analysis()
    path = folder / "analysis.json"
    path.write_bytes(_spoilt(rng, made.to_dict()))
    analysis = Analysis.from_dict(read_json(path, dict, error=DataError, remedy="write it anew"))
    assert Analysis.from_dict(analysis.to_dict()) == analysis
    return READ


DOORS: Mapping[Callable, str] = {
    _config: "a student's config.json",
    _weights: "safetensors",
    _fits: "a student's calibration",
    _ctranslate2: "a recogniser's model.bin",
    _run: "a run's state.pt and log",
    _manifest: "a manifest and its recordings",
    _concepts: "a table of concepts",
    _analysis: "an analysis as JSON",
}
