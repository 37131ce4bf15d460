"""A tiny run of the real recipe's parts: the loss falls on pairs, and only on pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from medalign.student import StudentConfig
from medalign.training.consultations import read_primock57
from medalign.training.dataset import Pair, Pairs, timed_transcript, window_pairs
from medalign.training.recipe import embed_pairs, without_shared_texts
from medalign.training.synthesis import SpokenUtterance, Take
from medalign.training.train import Objective, Targets, TrainConfig, batches, learning_rate, train

CONFIG = StudentConfig("tiny", "0", "teacher", "0", encoder_dim=16, embed_dim=12, model_dim=20, n_heads=2, n_layers=1)
TRAIN = TrainConfig(n_steps=60, batch_size=24, warmup_steps=5, validate_every=30, peak_lr=3e-3)


def toy_pairs(n: int = 96, seed: int = 0) -> tuple[Pairs, Targets]:
    """Stretches whose frames carry their text's embedding, noisily: what an encoder would give."""
    rng = np.random.default_rng(seed)
    text = rng.standard_normal((n, 12)).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    carrier = rng.standard_normal((12, 16))
    frames, pairs = [], []
    for i in range(n):
        n_frames = int(rng.integers(50, 120))
        frames.append((text[i] @ carrier + 0.3 * rng.standard_normal((n_frames, 16))).astype(np.float16))
        pairs.append(Pair(i, 0.0, n_frames / 50, f"text {i}", f"consultation {i % 4}"))
    concepts = torch.from_numpy(text[:6])
    mentioned = torch.from_numpy(text @ text[:6].T > 0.6)
    return Pairs(tuple(frames), tuple(pairs)), Targets(torch.from_numpy(text), torch.arange(n), concepts, mentioned)


def recall_at_1(head, pairs: Pairs, targets: Targets) -> float:
    similarity = embed_pairs(head, pairs) @ targets.text.numpy().T
    return float((similarity.argmax(1) == np.arange(len(similarity))).mean())


def run(tmp_path: Path, targets: Targets, pairs: Pairs, config: TrainConfig = TRAIN):
    return train(CONFIG, config, pairs, targets, lambda head: {"score": 0.0}, tmp_path)


def test_the_loss_falls_and_clips_find_their_texts(tmp_path):
    pairs, targets = toy_pairs()
    torch.manual_seed(0)
    head = train(CONFIG, TRAIN, pairs, targets, lambda h: {"score": recall_at_1(h, pairs, targets)}, tmp_path)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(log) == TRAIN.n_steps
    assert np.mean([e["contrastive"] for e in log[-10:]]) < 0.6 * np.mean([e["contrastive"] for e in log[:10]])
    assert np.mean([e["cka"] for e in log[-10:]]) < np.mean([e["cka"] for e in log[:10]])
    assert recall_at_1(head, pairs, targets) > 0.5


def test_with_shuffled_pairs_clips_do_not_find_their_texts(tmp_path):
    pairs, targets = toy_pairs()
    order = torch.randperm(len(targets.text), generator=torch.Generator().manual_seed(0))
    shuffled = Targets(targets.text[order], targets.text_id, targets.concepts, targets.mentioned[order])
    assert recall_at_1(run(tmp_path, shuffled, pairs), pairs, targets) < 0.2


def test_the_same_seed_gives_the_same_weights(tmp_path):
    pairs, targets = toy_pairs()
    short = TrainConfig(n_steps=6, batch_size=24, warmup_steps=2, validate_every=3)
    a, b = (run(tmp_path / name, targets, pairs, short).state_dict() for name in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_every_optimised_parameter_gets_a_gradient():
    from medalign.student import AlignmentHead, pad_stretches

    pairs, targets = toy_pairs()
    head, objective = AlignmentHead(CONFIG), Objective()
    parts = objective(head(*pad_stretches([pairs.stretch(i) for i in range(24)])), targets, torch.arange(24))
    sum(parts.values()).backward()
    without = [n for m in (head, objective) for n, p in m.named_parameters() if p.grad is None or not p.grad.any()]
    # A softmax over frames does not feel a constant: the pools' bias is idle by construction.
    assert set(without) <= {"pool_scores.bias"}


def test_the_learning_rate_is_a_pure_function_of_the_step():
    rates = [learning_rate(step, TRAIN) for step in range(TRAIN.n_steps)]
    assert rates[TRAIN.warmup_steps] == pytest.approx(TRAIN.peak_lr) and max(rates) == pytest.approx(TRAIN.peak_lr)
    assert rates[-1] < 0.05 * TRAIN.peak_lr
    assert rates == [learning_rate(step, TRAIN) for step in range(TRAIN.n_steps)]


def test_an_epoch_of_batches_is_disjoint_and_seeded():
    durations_s = np.random.default_rng(0).uniform(1, 10, 100)
    first = [next_batch for next_batch, _ in zip(batches(durations_s, 24, seed=1), range(4), strict=False)]
    again = [next_batch for next_batch, _ in zip(batches(durations_s, 24, seed=1), range(4), strict=False)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len(np.unique(np.concatenate(first))) == 96


def spoken(*texts: str) -> tuple[SpokenUtterance, ...]:
    return tuple(SpokenUtterance(4.0 * i, 4.0 * i + 3, "doctor", text) for i, text in enumerate(texts))


def test_windows_hold_the_words_under_them():
    utterances = spoken("good morning how are you", "i have a terrible headache", "since when did it start")
    pairs = window_pairs(Take("c", 1, "", {}, utterances), 0, window_s=4.0, hop_s=4.0, phase_s=0.0)
    assert [pair.text for pair in pairs] == ["good morning how are you", "i have a terrible headache"]
    words = timed_transcript(utterances).words
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in zip(words, words[1:], strict=False))


def test_texts_that_stand_in_validation_are_not_trained_on():
    def pairs(*texts):
        return Pairs((), tuple(Pair(0, 0.0, 1.0, text, "c") for text in texts))

    kept = without_shared_texts(pairs("Do you smoke?", "My knee hurts."), pairs("do you smoke?", "Any fever?"))
    assert [pair.text for pair in kept.pairs] == ["My knee hurts."]


def test_consultations_are_split_by_day_and_inaudible_rows_left_out(tmp_path):
    (tmp_path / "utterances.csv").write_text(
        "consultation_id,day,role,start_s,end_s,text,raw_text\n"
        "a,1,patient,5,6,Second.,x\na,1,doctor,1,2,First.,x\na,1,doctor,9,9,,<UNIN/>\nb,4,doctor,1,2,Held out.,x\n"
    )
    (train_day,) = read_primock57(tmp_path, (1, 2, 3))
    assert [u.text for u in train_day.utterances] == ["First.", "Second."]
    (held_out,) = read_primock57(tmp_path, (4,))
    assert held_out.consultation_id == "b"
