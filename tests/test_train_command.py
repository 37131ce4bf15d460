"""One command, a CSV, and a checkpoint that loads: what a newcomer does first, on the bundled set.

Most runs train a head on a Whisper of random weights, a hundredth of the smallest: what is tested is the way, not the ears.
"""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile
from accelerate.state import AcceleratorState

from medalign.cli import main
from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.core.analysis import Analysis, ModelInfo
from medalign.core.assets import EXAMPLES
from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import CheckpointError
from medalign.core.examples import load_examples
from medalign.models.student import Student
from medalign.pipeline.fitted import NOT_CALIBRATED
from medalign.pipeline.listener import Listener
from medalign.pipeline.notes.check import check_note
from medalign.training.model_card import write_card

TINY = {"steps": 8, "batch-size": 12, "validate-every": 4, "renderings": "clean", "device": "cpu"}
MANIFEST = EXAMPLES / "manifest.csv"


@pytest.fixture(scope="module", autouse=True)
def small_bank():
    """The concepts of the examples: embedding the whole bank would take longer than all these runs."""
    whole = ConceptBank.default()
    said = {mention.concept_id for e in load_examples() for t in e.turns for mention in find_mentions_in_text(t.text, whole)}
    small = ConceptBank((concept for concept in whole.concepts if concept.concept_id in said), whole.blocked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConceptBank, "default", classmethod(lambda cls: small))
        yield


@pytest.fixture(scope="module")
def train(untrained_whisper, training_cache):
    """Runs `medalign train` and gives its exit code; options as in TINY."""

    def run(out, manifest=MANIFEST, *flags, **options):
        named = TINY | {"encoder": untrained_whisper, "cache": training_cache, "out": out}
        named |= {name.replace("_", "-"): value for name, value in options.items()}
        options = (str(part) for name, value in named.items() for part in (f"--{name}", value))
        return main(["train", str(manifest), *flags, *options])

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory, train):
    out = tmp_path_factory.mktemp("runs") / "first"
    assert train(out) == 0
    return out


def test_a_student_that_nothing_was_fitted_for_claims_nothing_and_names_the_cure(trained, cut):
    listener = Listener.default(student=str(trained), device="cpu")
    assert not listener.fitted.is_own and listener.fitted.detectors is None, "its encoder is another: so would be its events"
    assert not {"mismatch", "fusion", "misheard name"} & set(listener.calibration.fits)
    encoded = listener.encode(load_recording(cut("cough-and-wheeze", 0.0, 8.0)))
    assert len(encoded.speech_s) and not encoded.evidence.probabilities.any()
    assert listener.preview_concepts(encoded) == ()
    of_words = Analysis.from_dict(json.loads((EXAMPLES / "analyses" / "cough-and-wheeze.json").read_text(encoding="utf-8")))
    checked = check_note(listener, of_words, "Cough for three weeks.", encoded)
    assert checked.statements[0].verdict == "supported" and checked.statements[0].sound_fits_as_well is None
    assert NOT_CALIBRATED in checked.warnings
    with pytest.raises(CheckpointError, match=f"run `medalign calibrate --student {trained} --speech FOLDER`"):
        listener.find(encoded, "a cough")


@pytest.fixture(scope="module")
def second(trained, train):
    """The same but for its seed."""
    assert train(trained.parent / "second", seed=1) == 0
    return trained.parent / "second"


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def noise(seconds, seed=0):
    return np.random.default_rng(seed).standard_normal(seconds * SAMPLE_RATE_HZ).astype(np.float32) * 0.1


def changed_manifest(path, change):
    """The bundled manifest with `change` made to every row."""
    with open(MANIFEST, newline="") as source, open(path, "w", newline="") as target:
        rows = list(csv.DictReader(source))
        writer = csv.DictWriter(target, rows[0])
        writer.writeheader()
        writer.writerows(row | {"path": EXAMPLES / row["path"]} | change(row) for row in rows)
    return path


@pytest.mark.slow
def test_the_loss_falls_on_the_bundled_set(train, tmp_path):
    assert train(tmp_path / "out", encoder="tiny.en", steps=14, validate_every=7) == 0
    losses = [entry["loss"] for entry in log_of(tmp_path / "out")]
    assert len(losses) == 14
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])


def test_the_folder_has_all_that_a_reader_needs(trained):
    losses = [entry["loss"] for entry in log_of(trained)]
    assert len(losses) == 8 and np.mean(losses[-3:]) < np.mean(losses[:3])
    story = json.loads((trained / "training.json").read_text())
    assert story["n_train_groups"] == 4 and story["n_valid_groups"] == 1
    assert story["recipe"]["train"]["n_steps"] == 8
    assert 0 <= story["validation"]["recall@1"] <= 1
    card = (trained / "README.md").read_text()
    assert "contrastive 1, cka 1, concept 0.5" in card and "8 steps of 12 pairs" in card
    assert "recall@1" in card and "Not a medical device" in card
    assert "--loss contrastive=1,cka=1,concept=0.5 --steps 8 --batch-size 12 --lr 0.001" in card and "--seed 0" in card
    assert "plotly" in (trained / "curves.html").read_text()


def test_the_checkpoint_loads_and_hears(trained):
    student = Student.from_pretrained(str(trained))
    embedded = student.encode([noise(2), noise(3)])
    assert embedded.shape == (2, student.config.head.embed_dim)
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_another_seed_gives_another_student_and_the_same_seed_the_same(trained, second, train, tmp_path):
    assert train(tmp_path / "again") == 0
    losses = [[entry["loss"] for entry in log_of(folder)] for folder in (trained, tmp_path / "again", second)]
    assert losses[0] == losses[1] != losses[2]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_is_not_resumed_on_other_data_and_its_provenance_is_never_rewritten(trained, train, tmp_path, capsys):
    out = shutil.copytree(trained, tmp_path / "out")
    before = contents(out)
    assert train(out) == 0  # the same command: finished, and left as it is
    other_texts = changed_manifest(tmp_path / "texts.csv", lambda row: {"text": f"{row['text']} Right?"})
    assert train(out, other_texts, renderings="both", teacher_layer=-1) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    for told in ('--renderings "clean" -> "both"', "data.texts", "manifest_sha256"):
        assert told in error
    assert "data.audio" not in error and "data.splits" not in error and str(out) in error
    assert contents(out) == before


def test_audio_belongs_to_the_identity_and_where_it_lies_does_not(trained, train, tmp_path, capsys):
    moved = shutil.copytree(EXAMPLES, tmp_path / "moved", ignore=shutil.ignore_patterns("analyses"))
    out = shutil.copytree(trained, tmp_path / "out")
    assert train(out, moved / "manifest.csv") == 0
    waveform, rate_hz = soundfile.read(moved / "chest-pain.flac")
    soundfile.write(moved / "chest-pain.flac", 0.5 * waveform, rate_hz)
    assert train(out, moved / "manifest.csv") == 2
    error = capsys.readouterr().err
    assert "data.audio" in error and "data.texts" not in error and "manifest_sha256" not in error


def test_a_longer_run_goes_on_and_its_card_says_since_when(trained, train, tmp_path):
    out = shutil.copytree(trained, tmp_path / "out")
    assert train(out, steps=10) == 0
    assert [entry["step"] for entry in log_of(out)] == list(range(10))
    story = json.loads((out / "training.json").read_text())
    assert [(s["first_step"], s["n_steps"]) for s in story["sessions"]] == [(0, 8), (8, 10)]
    card = (out / "README.md").read_text()
    assert "10 steps of 12 pairs" in card and "From step 8 of 10 on" in card


@pytest.mark.slow
def test_runs_join_into_one_student_with_their_weights(trained, second, tmp_path, capsys):
    joined = tmp_path / "joined"
    assert main(["join", str(trained), str(second), "--out", str(joined), "--weights", "1,0.5"]) == 0
    one, other = (Student.from_pretrained(str(run)).encode([noise(2)]) for run in (trained, second))
    mean = one + 0.5 * other
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    assert Student.from_pretrained(str(joined)).encode([noise(2)]) == pytest.approx(mean, abs=2e-3)  # stored in half precision
    members = json.loads((joined / "training.json").read_text())["members"]
    assert [(m["recipe"]["train"]["seed"], m["weight"]) for m in members] == [(0, 1.0), (1, 0.5)]
    assert (joined / "log-second.jsonl").read_text() == (second / "log.jsonl").read_text()
    card = (joined / "README.md").read_text()
    assert "2 heads are averaged, weighted 1, 0.5" in card
    assert f"medalign join runs/{trained.name} runs/second --out OUT --weights 1,0.5" in card and "--seed 1" in card
    refused = ["--out", str(tmp_path / "refused")]
    for runs, told in ([trained], "1 run"), ([trained, trained], "same weights"), ([trained, joined], "can't be joined"):
        assert main(["join", *map(str, runs), *refused]) == 2
        assert told in capsys.readouterr().err
    assert main(["join", str(trained), str(second), *refused, "--weights", "1"]) == 2
    assert "1 weights for 2 runs" in capsys.readouterr().err


@pytest.mark.parametrize("adapter", ["lora", "last-k"])
def test_an_encoder_can_be_trained_too(adapter, untrained_whisper, train, tmp_path):
    out = tmp_path / adapter
    assert train(out, steps=2, batch_size=8, adapter=adapter, rank=4, last_k=1) == 0
    assert (out / "encoder.safetensors").is_file()
    frozen, tuned = Student.untrained(str(untrained_whisper), ModelInfo("teacher", "0"), 12), Student.from_pretrained(str(out))
    assert not np.allclose(frozen.frames(noise(2)).numpy(), tuned.frames(noise(2)).numpy(), atol=1e-4)


@pytest.fixture
def another_precision():
    """Accelerate keeps one precision for the whole process."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


def test_an_encoder_can_be_trained_in_half_precision(another_precision, train, tmp_path):
    out = tmp_path / "out"
    assert train(out, MANIFEST, "--bf16", steps=1, batch_size=8, adapter="last-k", last_k=1) == 0
    assert np.isfinite(log_of(out)[0]["loss"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"batch_size": 200}, "56 training pairs don't fill a batch of 200"),
        ({"batch_size": 3}, "at least 4"),
        ({"encoder": "nowhere/at-all"}, "nowhere/at-all"),
        ({"noise": "no-such-folder"}, "no-such-folder"),
    ],
)
def test_what_can_not_work_ends_with_one_line(options, told, train, tmp_path, capsys):
    assert train(tmp_path / "out", **options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("medalign: ") and told in error


@pytest.mark.parametrize(("loss", "told"), [("cka=1,magic=2", "there is no part magic"), ("cka", "is not of the form")])
def test_a_loss_that_there_is_not_is_refused(loss, told, train, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        train(tmp_path / "out", loss=loss)
    assert told in capsys.readouterr().err


def test_too_few_rows_to_choose_by_are_named(train, tmp_path, capsys):
    with open(MANIFEST, newline="") as source:
        rows = list(csv.DictReader(source))
    first = next(row for row in rows if row["split"] == "valid")
    few = changed_manifest(
        tmp_path / "few.csv", lambda row: {} if row["split"] == "train" else {"start_s": 0, "end_s": 9, "text": "a"}
    )
    assert train(tmp_path / "out", few) == 2
    assert f"1 stretch(es) of audio in split valid ({first['path']} 0-9 s): at least 4" in capsys.readouterr().err


def test_validation_texts_that_are_all_equal_choose_nothing(train, tmp_path, capsys):
    alike = changed_manifest(tmp_path / "alike.csv", lambda row: {} if row["split"] == "train" else {"text": "It HURTS."})
    assert train(tmp_path / "out", alike) == 2
    assert "in split valid have the same text, 'It HURTS.'" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_card_is_written_from_the_figures_in_the_folder(trained, tmp_path):
    folder = tmp_path / "student"
    shutil.copytree(trained, folder)
    student = {"name": "first",
               "auroc": 0.9, "auroc_95": [0.88, 0.92], "average_precision": 0.5, "average_precision_95": [0.4, 0.6],
               "average_precision_against_distractors": 0.55,
               "recall@1": 0.3, "recall@1_95": [0.2, 0.4], "recall@10": 0.6, "recall@10_95": [0.5, 0.7],
               "probe_average_precision": 0.55,
               "mismatch": {"foreign_text_auroc": 0.99, "same_consultation_auroc": 0.97},
               "pairing": {"n_batches": 100, "n_positive": 100, "mean": 0.4, "published_loss_largest": 1e-7}}  # fmt: skip
    figures = {"heard": "alone", "noise_snr_db": 5.0, "n_utterances": 10, "n_groups": 3, "n_concepts": 4,
               "students": [student, student],
               "unaligned_encoder": {"probe_average_precision": 0.25},
               "teacher_on_true_text": {"auroc": 0.99, "average_precision": 0.8,
                                        "average_precision_against_distractors": 0.85}}  # fmt: skip
    (folder / "evaluation.json").write_text(json.dumps(figures))
    write_card(folder)
    card = (folder / "README.md").read_text()
    assert "| pink noise at 5 dB, alone: 10 utterances of 3 consultations, 4 concepts |" in card
    assert "| zero-shot AUROC | **0.900** [0.880-0.920]; 0.900 (0.900-0.900) |" in card
    assert "| the same probe on the unaligned encoder's mean | 0.250 |" in card and "100 of 100 batches" in card
