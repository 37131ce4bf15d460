"""Training of the status classifier: a grammar's examples, and labelled mentions of real conversations if they are at hand."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from medalign.concepts import ConceptBank
from medalign.core.files import read_json
from medalign.core.weights import resolve
from medalign.models.status_classifier import (
    ACTIONS,
    CHECKPOINT,
    STATUSES,
    StatusClassifier,
    StatusConfig,
    from_teacher,
)
from medalign.training.data.consultations import read_consultations
from medalign.training.recipe import StatusRecipe
from medalign.training.status.grammar import Example, Grammar
from medalign.training.status.labels import labelled_mentions

CHUNK = 64  # batches whose examples are sorted by length together
OWNER_WEIGHT, ACTION_WEIGHT = 0.5, 0.5


def train_status(
    recipe: StatusRecipe, out: Path, *, data: Path | None = None, start: Path | None = None, device: str = "cpu"
) -> dict:
    """Train, write weights to `out`, and return what it was trained on.

    Args:
        data: folder of conversations, as `read_consultations` takes it; without it, the grammar alone.
        start: a folder that an earlier session wrote, to go on from; by default the teacher's layers.
    """
    started = time.perf_counter()
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    bank = ConceptBank.default()
    talk: list[tuple[str, str]] = []
    labelled: dict[str, list[Example]] = {}
    if data:
        training = [c for c in read_consultations(data) if c.split == "train"]
        talk = [(u.role, u.text) for c in training for u in c.utterances]
        labelled = labelled_mentions(training)
    grammar = Grammar(bank, talk)
    examples = draw(grammar, recipe.n_examples, rng)
    examples += [grammar.as_heard(example, rng) for example in balanced(labelled, recipe.n_labelled, rng)]
    if start:
        classifier = StatusClassifier.load(start, device=device)
    else:
        teacher = resolve(StatusConfig.teacher, weight_files=("model.safetensors",))
        config = StatusConfig(teacher_revision=teacher.revision, n_layers=recipe.n_layers)
        classifier = StatusClassifier(from_teacher(config), config, device=device)
    losses = _fit(classifier, examples, recipe, rng)
    classifier.network.eval()
    classifier.save(out)
    earlier = read_json(start / "training.json", dict, remedy="train from the beginning")["sessions"] if start else []
    session = {
        "recipe": asdict(recipe),
        "n_templates": len(Grammar(bank).templates),
        "n_drawn": recipe.n_examples,
        "n_labelled": sum(map(len, labelled.values())),
        "loss_at_end": round(sum(losses[-50:]) / len(losses[-50:]), 4),
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    return {"sessions": [*earlier, session]}


def draw(grammar: Grammar, n_examples: int, rng: random.Random) -> list[Example]:
    """Examples from all constructions in turn."""
    examples: list[Example] = []
    while len(examples) < n_examples:
        for kind, template in rng.sample(grammar.templates, len(grammar.templates)):
            examples += grammar.draw(kind, template, rng)
    return examples[:n_examples]


def balanced(labelled: Mapping[str, Sequence[Example]], n_examples: int, rng: random.Random) -> list[Example]:
    """As many of each collection, each in turn: the largest is written, the smaller ones are spoken."""
    found: list[Example] = []
    for examples in labelled.values():
        wanted = n_examples // len(labelled)
        while wanted:
            found += rng.sample(examples, min(wanted, len(examples)))
            wanted -= min(wanted, len(examples))
    return found


def _fit(classifier: StatusClassifier, examples: list[Example], recipe: StatusRecipe, rng: random.Random) -> list[float]:
    """The loss of each step."""
    network = classifier.network.train()
    tuned = [p for p in network.parameters() if p.ndim > 1], [p for p in network.parameters() if p.ndim == 1]
    groups = [{"params": tuned[0], "weight_decay": 0.01}, {"params": tuned[1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    n_steps = len(examples) // recipe.batch
    n_warm = max(1, round(n_steps * recipe.warmup))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / n_warm, max(0.0, (n_steps - step) / max(1, n_steps - n_warm)))
    )
    losses = []
    for batch in tqdm(_batches(classifier, examples, recipe.batch, rng), total=n_steps, mininterval=20, desc=CHECKPOINT):
        with torch.autocast(classifier.device, dtype=torch.bfloat16):
            logits = classifier.logits([row for row, _ in batch])
        loss = _loss(logits, [example for _, example in batch], recipe.label_smoothing)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def _batches(
    classifier: StatusClassifier, examples: list[Example], size: int, rng: random.Random
) -> Iterator[list[tuple[list[int], Example]]]:
    """In random order, rows of similar length together."""
    rng.shuffle(examples)
    for at in range(0, len(examples), size * CHUNK):
        chunk = [(classifier.tokens(example.context), example) for example in examples[at : at + size * CHUNK]]
        chunk.sort(key=lambda pair: len(pair[0]))
        batches = [chunk[i : i + size] for i in range(0, len(chunk) - size + 1, size)]
        rng.shuffle(batches)
        yield from batches


def _loss(logits: tuple[Tensor, ...], examples: Sequence[Example], smoothing: float) -> Tensor:
    status, owner, action = (head.float() for head in logits)
    heads: list[tuple[Tensor, float, list[int | None]]] = [
        (status, 1.0, [STATUSES.index(e.status) for e in examples]),
        # What nobody has is nobody's: the owner of a denial is not learnt.
        (owner, OWNER_WEIGHT, [int(e.is_other) if e.status != "negated" else None for e in examples]),
        (action, ACTION_WEIGHT, [ACTIONS.index(e.action) if e.action else None for e in examples]),
    ]
    loss = torch.zeros((), device=status.device)
    for head, weight, wanted in heads:
        known = [i for i, label in enumerate(wanted) if label is not None]
        if known:
            labels = torch.tensor([wanted[i] for i in known], device=status.device)
            smoothed = smoothing if head is status else 0.0
            loss = loss + weight * F.cross_entropy(head[known], labels, label_smoothing=smoothed)
    return loss
