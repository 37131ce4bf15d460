"""A tiny run of the real loop: the loss falls on pairs, and only on pairs; a stopped run goes on as if it had not stopped."""

import json
import os
import signal
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F

from medalign.core.errors import DataError, TrainingError
from medalign.core.weights import Weights
from medalign.models.adapters import AdapterConfig
from medalign.models.audio_encoder import AudioEncoder, Features
from medalign.models.head import STACK, AlignmentHead, HeadConfig, pad_stretches
from medalign.models.student import Student, StudentConfig
from medalign.training.align import embed_pairs
from medalign.training.checkpoint import Run
from medalign.training.data.batches import BatchLoader, ChunkBatches, LengthBatches
from medalign.training.data.manifest import Row
from medalign.training.data.pairs import N_MELS, Pair, Pairs, build_pairs
from medalign.training.objective import LossWeights, Objective, StudentOutputs, Targets
from medalign.training.recipe import TrainConfig
from medalign.training.train import Trainee, learning_rate, make_accelerator, train

HEAD = HeadConfig(encoder_dim=16, embed_dim=12, model_dim=20, n_heads=2, n_layers=1)
TRAIN = TrainConfig(n_steps=60, batch_size=24, validate_every=30, peak_lr=3e-3, bf16=False)
EVERYTHING = LossWeights(reconstruction=0.5, siglip=0.5, published=0.1)


def toy_student(seed: int = 0) -> Student:
    torch.manual_seed(seed)
    config = StudentConfig(
        encoder="toy", encoder_kind="toy", encoder_revision="0", teacher="toy", teacher_revision="0",
        head=HEAD, adapter=AdapterConfig("frozen"),
    )  # fmt: skip
    return Student(config, AlignmentHead(HEAD), torch.nn.Identity(), name="toy", revision="")


def toy_pairs(n: int = 96, seed: int = 0) -> tuple[Pairs, Targets]:
    """Stretches whose frames carry their text's embedding, noisily: what an encoder would give."""
    rng = np.random.default_rng(seed)
    text = rng.standard_normal((n, 12)).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    carrier = rng.standard_normal((12, 16))
    frames, log_mel, pairs = [], [], []
    for i in range(n):
        n_frames = int(rng.integers(50, 120))
        frames.append((text[i] @ carrier + 0.3 * rng.standard_normal((n_frames, 16))).astype(np.float16))
        log_mel.append(np.tile(frames[-1][::STACK], (1, N_MELS // 16)))
        pairs.append(Pair(i, 0.0, n_frames / 50, f"text {i}", f"consultation {i % 4}"))
    targets = Targets(
        text=torch.from_numpy(text),
        text_id=torch.arange(n),
        concepts=torch.from_numpy(text[:6]),
        mentioned=torch.from_numpy(text @ text[:6].T > 0.6),
    )
    return Pairs(tuple(pairs), tuple(frames), tuple(log_mel)), targets


def recall_at_1(student: Student, pairs: Pairs, targets: Targets) -> float:
    similarity = embed_pairs(student, pairs) @ targets.text.numpy().T
    return float((similarity.argmax(1) == np.arange(len(similarity))).mean())


def run(folder: Path, config: TrainConfig = TRAIN, *, data=None, validate=lambda student: {"score": 0.0}) -> Student:
    pairs, targets = data or toy_pairs()
    student = toy_student(config.seed)
    train(student, config, pairs, targets, validate, Run(folder, {"recipe": {"train": asdict(config)}}))
    return student


def log_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_loss_falls_and_clips_find_their_texts(tmp_path):
    pairs, targets = toy_pairs()
    student = run(tmp_path, data=(pairs, targets), validate=lambda s: {"score": recall_at_1(s, pairs, targets)})
    log = log_of(tmp_path)
    assert [entry["step"] for entry in log] == list(range(TRAIN.n_steps))
    assert np.mean([e["contrastive"] for e in log[-10:]]) < 0.6 * np.mean([e["contrastive"] for e in log[:10]])
    assert np.mean([e["cka"] for e in log[-10:]]) < np.mean([e["cka"] for e in log[:10]])
    assert recall_at_1(student, pairs, targets) > 0.5


def test_with_shuffled_pairs_clips_do_not_find_their_texts(tmp_path):
    pairs, targets = toy_pairs()
    order = torch.randperm(len(targets.text), generator=torch.Generator().manual_seed(0))
    shuffled = replace(targets, text=targets.text[order], mentioned=targets.mentioned[order])
    assert recall_at_1(run(tmp_path, data=(pairs, shuffled)), pairs, targets) < 0.2


def test_every_part_of_the_objective_falls_when_all_are_trained_together(tmp_path):
    run(tmp_path, replace(TRAIN, loss=EVERYTHING))
    log = log_of(tmp_path)
    parts = set(log[0]) - {"step", "loss", "lr", "grad_norm"}
    assert parts == {"contrastive", "cka", "concept", "reconstruction", "siglip", "published"}
    for name in parts:
        assert np.mean([e[name] for e in log[-10:]]) < np.mean([e[name] for e in log[:10]]), name
    weights = {name: getattr(EVERYTHING, name) for name in parts}
    assert log[7]["loss"] == pytest.approx(sum(weights[name] * log[7][name] for name in parts), rel=1e-4)


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path):
    config = replace(TRAIN, n_steps=12, validate_every=4, save_every=5, loss=EVERYTHING)
    straight = run(tmp_path / "straight", config)

    calls = []

    def killed_in_step_seven(student):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("power cut")
        return {"score": 0.0}

    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "killed", config, validate=killed_in_step_seven)
    torch.manual_seed(99)  # another process starts with other random numbers
    resumed = run(tmp_path / "killed", config)
    for name, tensor in straight.head.state_dict().items():
        assert torch.equal(tensor, resumed.head.state_dict()[name]), name
    assert log_of(tmp_path / "killed") == log_of(tmp_path / "straight")


def test_a_signal_finishes_the_step_and_saves(tmp_path):
    config = replace(TRAIN, n_steps=12, validate_every=4, save_every=100)

    def stopped(student):
        os.kill(os.getpid(), signal.SIGTERM)
        return {"score": 0.0}

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", config, validate=stopped)
    assert len(log_of(tmp_path / "stopped")) == 4
    resumed, straight = run(tmp_path / "stopped", config), run(tmp_path / "straight", config)
    assert torch.equal(resumed.head.project.weight, straight.head.project.weight)


def test_a_folder_with_another_runs_state_is_refused(tmp_path):
    config = replace(TRAIN, n_steps=4, validate_every=2, save_every=2)
    run(tmp_path, config)
    with pytest.raises(TrainingError, match=r"asked for: --lr 0.003 -> 0.0001; --seed 0 -> 1; give"):
        run(tmp_path, replace(config, peak_lr=1e-4, seed=1))
    with pytest.raises(TrainingError, match=r"--steps, which may only grow, 4 -> 3"):
        run(tmp_path, replace(config, n_steps=3))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["trained"]["head.project.weight"] = torch.zeros(3, 3)
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match=r"another shape \(head.project.weight\)"):
        run(tmp_path, config)
    torch.save([1, 2], tmp_path / "list.pt")
    for damaged in (b"half", b"", (tmp_path / "list.pt").read_bytes(), (tmp_path / "state.pt").read_bytes()[:-999]):
        (tmp_path / "state.pt").write_bytes(damaged)
        with pytest.raises(TrainingError, match="not the state of a run"):
            run(tmp_path, config)


def test_a_malformed_state_or_log_is_one_sentence(tmp_path):
    config = replace(TRAIN, n_steps=2, validate_every=2, save_every=2)
    run(tmp_path, config)
    path, state = tmp_path / "state.pt", torch.load(tmp_path / "state.pt", weights_only=True)
    odd_values = {
        "step": "two",
        "sessions": {},
        "best": None,
        "random": [1],
        "optimizer": {},
        "objective": {"x": torch.ones(1)},
        "identity": {"seed": torch.ones(1)},
    }
    out_of_range = {"step": -5, "seconds": float("nan"), "sessions": ["x"], "best_score": float("nan")}
    for name, odd in [*odd_values.items(), *out_of_range.items(), ("step", 10**9), ("seconds", -1.0), ("sessions", [{"x": 1}])]:
        torch.save(state | {name: odd}, path)
        with pytest.raises(TrainingError, match="state.pt is not the state of a run .*; remove it to start anew") as refusal:
            run(tmp_path, config)
        assert "\n" not in str(refusal.value)
    for damaged in (b"", b"half" * 99, (tmp_path / "log.jsonl").read_bytes(), path.read_bytes()[:-99]):
        path.write_bytes(damaged)
        with pytest.raises(TrainingError, match="is not the state of a run .it is cut off, damaged or of another program"):
            run(tmp_path, config)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(TrainingError, match="state.pt is not a regular file"):
        run(tmp_path, config)
    path.unlink()
    torch.save(state, path)
    for odd in ("[1}", '{"loss": 1}', '{"step": []}'):
        (tmp_path / "log.jsonl").write_text(odd + "\n")
        with pytest.raises(TrainingError, match="log.jsonl is not the log of a run .*; remove it"):
            run(tmp_path, config)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["training.json", "state.pt", "log.jsonl", "model.safetensors"])
def test_what_a_run_would_write_over_is_looked_at_before_its_first_step(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(TrainingError, match=f"{name} is not a regular file; take it out, or give another --out"):
        Run(tmp_path, {})


@pytest.mark.parametrize("place", ["file", "file/inside", "/proc/x", "/dev/null", "/proc/1/x"])
def test_a_folder_that_no_run_can_be_written_to_is_one_sentence(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="can't hold a run .*; give another --out"):
        Run(tmp_path / place, {})


def test_a_run_may_be_extended_and_saved_or_cut_into_chunks_otherwise(tmp_path):
    config = replace(TRAIN, n_steps=4, validate_every=2, save_every=2)
    run(tmp_path, config)
    longer = replace(config, n_steps=6, save_every=3, chunk_size=24)
    run(tmp_path, longer)
    assert [entry["step"] for entry in log_of(tmp_path)] == list(range(6))
    state = Run(tmp_path, {"recipe": {"train": asdict(longer)}})
    assert [(session["first_step"], session["n_steps"]) for session in state.sessions] == [(0, 4), (4, 6)]
    assert state.identity["recipe"]["train"]["n_steps"] == state.step == 6


def test_chunks_give_the_gradient_of_the_whole_batch(tmp_path):
    config = replace(TRAIN, n_steps=3, validate_every=3, loss=replace(EVERYTHING, published=0.0))
    whole = run(tmp_path / "whole", config)
    for size in (24, 7):
        chunked = run(tmp_path / f"chunks of {size}", replace(config, chunk_size=size))
        # Dropout draws chunk by chunk, so only a single chunk sees the very same numbers.
        if size == 24:
            for name, tensor in whole.head.state_dict().items():
                assert torch.allclose(tensor, chunked.head.state_dict()[name], atol=1e-6), name
    assert np.isfinite([entry["loss"] for entry in log_of(tmp_path / "chunks of 7")]).all()


UNDROPPED = replace(HEAD, dropout=0.0)  # every process, and every chunk, draws its own dropout
TOGETHER = replace(TRAIN, n_steps=6, validate_every=3, save_every=2, loss=EVERYTHING)
LIVE = replace(TOGETHER, loss=LossWeights(), encoder_lr=3e-3)
SHARED = {"a frozen encoder": TOGETHER, "a trained encoder": LIVE, "chunks of 5": replace(LIVE, chunk_size=5)}


class ToyEncoder(AudioEncoder):
    """One layer over 20 ms of waveform."""

    kind, dim, frames_per_s, chunk_s = "toy", 16, 50.0, 3.0

    def __init__(self):
        super().__init__(Weights(name="toy", revision="0", folder=Path()))
        self.model = torch.nn.Linear(320, 16, dtype=torch.float32)

    def features(self, waveforms):
        n_samples = int(self.chunk_s * 16_000)
        return Features(torch.stack([F.pad(torch.from_numpy(w), (0, n_samples - len(w))) for w in waveforms]))

    def forward(self, features):
        return self.model(features.values.view(len(features.values), -1, 320))


def train_undropped(folder: Path, config: TrainConfig, accelerator=None) -> Student:
    torch.manual_seed(0)
    live = config.loss == LIVE.loss
    pairs, targets = toy_pairs()
    pairs = replace(pairs, waveforms=tuple(np.repeat(f, 20, axis=1).reshape(-1) for f in pairs.frames))
    adapter = AdapterConfig("full" if live else "frozen")
    student = Student(
        replace(toy_student().config, head=UNDROPPED, adapter=adapter),
        AlignmentHead(UNDROPPED),
        ToyEncoder(),
        name="",
        revision="",
    )
    run = Run(folder, {"recipe": {"train": asdict(config)}})
    train(student, config, pairs, targets, lambda s: {"score": 0.0}, run, accelerator=accelerator)
    return student


def trained_state(student: Student) -> dict[str, torch.Tensor]:
    state = student.head.state_dict() | {f"encoder.{name}": p for name, p in student.encoder.state_dict().items()}
    del state["pool_scores.bias"]  # a softmax doesn't feel it, so Adam walks along rounding errors
    return state


def test_an_encoder_in_training_may_be_run_in_chunks(tmp_path):
    whole, chunked = (train_undropped(tmp_path / str(size), replace(LIVE, chunk_size=size)) for size in (None, 7))
    for name, tensor in trained_state(whole).items():
        assert torch.allclose(tensor, trained_state(chunked)[name], atol=1e-4), name


def test_a_loss_that_is_not_finite_stops_the_run_with_its_parts(tmp_path):
    pairs, targets = toy_pairs()
    targets.text[5] = torch.nan
    with pytest.raises(TrainingError, match=r"step \d+: the loss is nan \(contrastive"):
        run(tmp_path, data=(pairs, targets))


def test_pairs_too_alike_for_cka_are_told_so_and_not_blamed_on_the_learning_rate(tmp_path):
    pairs, targets = toy_pairs()
    one = targets.text[:1] + 1e-7 * torch.randn_like(targets.text)
    targets.text[:] = one
    with pytest.raises(
        TrainingError, match=r"cka (nan|inf|-inf), concept \S+\); its clips or its texts are too few, or too alike"
    ):
        run(tmp_path, data=(pairs, targets))


def test_a_batch_of_equal_texts_is_refused_before_the_first_step(tmp_path):
    pairs, targets = toy_pairs(n=24)
    for n_equal, weights, told in [
        (23, LossWeights(), r"23 of the 24 rows in the batch of step 0 have the same text, 'yes' \(consultation \d 0-\S+ s, "),
        (24, LossWeights.only(contrastive=1.0), "24 of the 24 rows"),
    ]:
        alike = tuple(replace(pair, text="yes") if i < n_equal else pair for i, pair in enumerate(pairs.pairs))
        text_id = torch.arange(24).clamp(min=n_equal - 1)
        with pytest.raises(DataError, match=told):
            data = replace(pairs, pairs=alike), replace(targets, text=targets.text[text_id], text_id=text_id)
            run(tmp_path / str(n_equal), replace(TRAIN, loss=weights), data=data)
        assert not (tmp_path / str(n_equal) / "log.jsonl").exists()
    text_id = torch.arange(24).clamp(min=21)  # two others: debiased CKA is defined
    run(tmp_path / "two others", replace(TRAIN, n_steps=2), data=(pairs, replace(targets, text_id=text_id)))


def test_a_recording_whose_frames_are_not_finite_is_named(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.full(32_000, 0.5), 16_000)
    student = Student(toy_student().config, AlignmentHead(HEAD), ToyEncoder(), name="", revision="")
    row = Row(tmp_path / "loud.wav", "text", "group", "train", 0.0, 2.0)
    assert len(build_pairs([row], student, tmp_path / "fine").frames[0]) == 100
    (kept,) = (tmp_path / "fine").iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:100], whole[:-100], b"x" * 200):
        kept.write_bytes(damaged)
        with pytest.raises(DataError, match=f"{kept.name} is no array of this cache .*; remove it, and it is computed anew"):
            build_pairs([row], student, tmp_path / "fine")
    student.encoder.model.bias.data.fill_(1e6)
    with pytest.raises(DataError, match=r"the encoder's frames of .*loud.wav are not finite in float16"):
        build_pairs([row], student, tmp_path / "broken")


def test_collapsed_embeddings_stop_the_run(tmp_path):
    with pytest.raises(TrainingError, match="collapsed, their effective rank is 1.2"):
        run(tmp_path, validate=lambda student: {"score": 0.0, "effective_rank": 1.2})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: TrainConfig(batch_size=3), "at least 4"),
        (lambda: LossWeights.only(reconstruction=1.0), "ties audio to text"),
        (lambda: LossWeights(cka=-1.0), "weight of cka"),
        (lambda: LengthBatches(np.ones(10), 24, 0), "10 training pairs don't fill a batch of 24"),
    ],
)
def test_what_can_not_be_trained_is_refused_before_it_starts(make, told):
    with pytest.raises((DataError, TrainingError), match=told):
        make()


@pytest.mark.parametrize("weights", [LossWeights(), EVERYTHING, LossWeights.only(siglip=1.0)], ids=["default", "all", "siglip"])
def test_every_optimised_parameter_gets_a_gradient(weights):
    (pairs, targets), student = toy_pairs(), toy_student()
    config = replace(TRAIN, loss=weights)
    loader = BatchLoader(student, config, pairs, make_accelerator(config, "cpu"))
    trainee, objective = Trainee(student, weights), Objective(weights)
    loss, _ = objective(StudentOutputs(**trainee(loader.batch(0))), targets, torch.from_numpy(loader.indices(0)))
    loss.backward()
    trained = {n: p for n, p in trainee.named_parameters() if p.requires_grad}
    trained |= {f"objective {i}": p for i, p in enumerate(objective.used_parameters())}
    without = {name for name, p in trained.items() if p.grad is None or not p.grad.any()}
    # A softmax over frames does not feel a constant: the pools' bias is idle by construction.
    assert without <= {"head.pool_scores.bias"}
    assert all(p.grad is None for p in trainee.parameters() if not p.requires_grad)


def test_the_learning_rate_is_a_pure_function_of_the_step():
    rates = [learning_rate(step, TRAIN, TRAIN.peak_lr) for step in range(TRAIN.n_steps)]
    assert rates[TRAIN.warmup_steps] == pytest.approx(TRAIN.peak_lr) and max(rates) == pytest.approx(TRAIN.peak_lr)
    assert rates[-1] < 0.05 * TRAIN.peak_lr
    assert rates[7] == learning_rate(7, TRAIN, TRAIN.peak_lr)


def test_batches_come_in_few_lengths_since_kernels_are_kept_by_shape():
    shapes = [pad_stretches([torch.zeros(n, 3), torch.zeros(1, 3)]) for n in range(1, 751)]  # up to 15 s
    assert len({frames.shape[1] for frames, _ in shapes}) < 20
    for n, (frames, mask) in enumerate(shapes, start=1):
        assert n <= frames.shape[1] and frames.shape[1] % STACK == 0 and mask.sum(1).tolist() == [n, 1]


def test_batches_are_a_pure_function_of_the_step_and_an_epoch_is_disjoint():
    durations_s = np.random.default_rng(0).uniform(1, 10, 100)
    one, other = (LengthBatches(durations_s, 24, seed=1) for _ in range(2))
    epoch = [one.at(step) for step in range(4)]
    assert len(np.unique(np.concatenate(epoch))) == 96
    assert np.array_equal(other.at(3), epoch[3]) and np.array_equal(one.at(0), epoch[0])
    assert not np.array_equal(one.at(4), epoch[0])


def test_chunk_batches_keep_chunks_together_and_leave_out_what_crosses_an_edge():
    pairs = [Pair(0, start_s, start_s + 4, "text", "c") for start_s in np.arange(0, 100, 5.0)]
    pairs.append(Pair(0, 20.0, 33.0, "crosses the end of its chunk", "c"))
    source = ChunkBatches.of(pairs, 30.0, batch_size=8, seed=0)
    batch = source.at(3)
    assert len(batch) == 8 and np.array_equal(batch, ChunkBatches.of(pairs, 30.0, 8, 0).at(3))
    assert 20 not in np.concatenate(list(source.chunks.values()))
    assert len({pairs[i].start_s // 24 for i in batch}) <= 3
