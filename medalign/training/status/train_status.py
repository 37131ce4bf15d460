"""Training of the status classifier: a grammar's examples, and labelled mentions of real conversations if they are at hand."""

import copy
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from medalign.concepts import ConceptBank
from medalign.core.errors import DataError
from medalign.core.files import read_json
from medalign.core.weights import resolve
from medalign.models.status_classifier import ACTIONS, CHECKPOINT, STATUSES, Heads, StatusClassifier, StatusConfig, from_teacher
from medalign.training.data.consultations import read_consultations
from medalign.training.data.written import WRITTEN, read_written
from medalign.training.recipe import StatusRecipe
from medalign.training.status.grammar import Example, Grammar
from medalign.training.status.labels import PAST, labelled_mentions, written_mentions
from medalign.training.status.tutor import HARD, SOFT, Tutor, distillation_loss

HEAD_WEIGHTS = (1.0, 0.5, 0.5, 0.3)  # statuses, owners, actions, facts
CHUNK = 64  # batches whose examples are sorted by length together


def train_status(recipe: StatusRecipe, out: Path, *, data: Path | None = None, device: str = "cpu") -> dict:
    """Train, write weights to `out`, and return what it was trained on.

    Args:
        data: folder of conversations, as `read_consultations` takes it; without it, the grammar and the written consultations.

    Raises:
        DataError: weights are to be kept, but none is named to go on from.
    """
    if recipe.keep and not recipe.start:
        raise DataError("--keep is a share of the classifier that one goes on from; name it with --start")
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
    labelled["written"] = written_mentions(read_written(WRITTEN))
    grammar = Grammar(bank, talk)
    examples = grammar.examples(recipe.n_examples, rng)
    examples += [grammar.as_heard(example, rng) for example in balanced(labelled, recipe.n_labelled, rng)]
    classifier = _untrained(recipe, device)
    tutor = None
    if recipe.tutor:
        tutor = Tutor(recipe.tutor, classifier, device=device)
        _fit(tutor, examples, replace(recipe, learning_rate=recipe.tutor_learning_rate), rng)
        tutor.network.eval()
    losses = _fit(classifier, examples, recipe, rng, tutor)
    if recipe.keep:
        before = StatusClassifier.load(Path(recipe.start), device=device).network.state_dict()
        after = classifier.network.state_dict()
        classifier.network.load_state_dict({name: torch.lerp(after[name], before[name], recipe.keep) for name in after})
    classifier.network.eval()
    classifier.save(out)
    session = {
        "recipe": asdict(recipe),
        "n_templates": len(Grammar(bank).templates),
        "n_drawn": recipe.n_examples,
        "n_labelled": sum(len(rows) for collection, rows in labelled.items() if collection != "written"),
        "n_written": len(labelled["written"]),
        "loss_at_end": round(sum(losses[-50:]) / len(losses[-50:]), 4),
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    path, remedy = Path(recipe.start) / "training.json", "give a folder of `medalign train-status`"
    before = read_json(path, dict, remedy=remedy)["sessions"] if recipe.start else []
    return {"sessions": [*before, session]}


def _untrained(recipe: StatusRecipe, device: str) -> StatusClassifier:
    if recipe.start:
        return copy.deepcopy(StatusClassifier.load(Path(recipe.start), device=device))
    teacher = resolve(StatusConfig.teacher, weight_files=("model.safetensors",))
    config = StatusConfig(teacher_revision=teacher.revision, n_layers=recipe.n_layers)
    return StatusClassifier(from_teacher(config), config, device=device)


def balanced(labelled: Mapping[str, Sequence[Example]], n_examples: int, rng: random.Random) -> list[Example]:
    """As many of each collection, each in turn: the largest is written, the smaller ones are spoken."""
    found: list[Example] = []
    for examples in labelled.values():
        wanted = n_examples // len(labelled)
        while wanted:
            found += rng.sample(examples, min(wanted, len(examples)))
            wanted -= min(wanted, len(examples))
    return found


def _fit(
    reader: StatusClassifier | Tutor,
    examples: list[Example],
    recipe: StatusRecipe,
    rng: random.Random,
    tutor: Tutor | None = None,
) -> list[float]:
    """The loss of each step; from the labels alone, or from them and a tutor."""
    network = reader.network.train()
    weights, biases = ([p for p in network.parameters() if (p.ndim > 1) == is_weight] for is_weight in (True, False))
    groups = [{"params": weights, "weight_decay": 0.01}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    n_steps = len(examples) // recipe.batch
    n_warm = max(1, round(n_steps * recipe.warmup))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / n_warm, max(0.0, (n_steps - step) / max(1, n_steps - n_warm)))
    )
    losses = []
    for batch in tqdm(_batches(reader, examples, recipe.batch, rng), total=n_steps, mininterval=20, desc=CHECKPOINT):
        rows, of_batch = [row for row, _ in batch], [example for _, example in batch]
        with torch.autocast(reader.device, dtype=torch.bfloat16):
            logits = reader.logits(rows)
            with torch.no_grad():
                tutored = tutor.logits(rows) if tutor else None
        loss = _loss(logits, of_batch, recipe.label_smoothing, tutored)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def _batches(
    reader: StatusClassifier | Tutor, examples: list[Example], size: int, rng: random.Random
) -> Iterator[list[tuple[list[int], Example]]]:
    """In random order, rows of similar length together."""
    rng.shuffle(examples)
    for at in range(0, len(examples), size * CHUNK):
        chunk = [(reader.tokens(example.context), example) for example in examples[at : at + size * CHUNK]]
        chunk.sort(key=lambda pair: len(pair[0]))
        batches = [chunk[i : i + size] for i in range(0, len(chunk) - size + 1, size)]
        rng.shuffle(batches)
        yield from batches


def _status_label(status: str, logits: Tensor) -> int:
    """Its number; of what is only known to be past, the likelier of the two ways to be so."""
    if status != PAST:
        return STATUSES.index(status)
    ways = [STATUSES.index("resolved"), STATUSES.index("historical")]
    return max(ways, key=lambda way: float(logits[way]))


def _loss(logits: Heads, examples: Sequence[Example], smoothing: float, tutored: Heads | None = None) -> Tensor:
    device = logits[0].device
    is_fact = [example.status in STATUSES or example.status == PAST for example in examples]
    rows = zip(examples, is_fact, logits[0].detach(), strict=True)
    labels: tuple[list[int | None], ...] = (
        [_status_label(example.status, of_one) if fact else None for example, fact, of_one in rows],
        # What nobody has is nobody's: the owner of a denial is not learnt.
        [int(e.is_other) if fact and e.status != "negated" else None for e, fact in zip(examples, is_fact, strict=True)],
        [ACTIONS.index(e.action) if e.action else None for e in examples],
        [int(fact) for fact in is_fact],
    )
    known = [torch.tensor([i for i, label in enumerate(wanted) if label is not None], device=device) for wanted in labels]
    loss = logits[0].new_zeros((), dtype=torch.float32)
    for head, weight, wanted, at in zip(logits, HEAD_WEIGHTS, labels, known, strict=True):
        if len(at):
            targets = torch.tensor([label for label in wanted if label is not None], device=device)
            smoothed = smoothing if head is logits[0] and tutored is None else 0.0
            loss = loss + weight * F.cross_entropy(head[at].float(), targets, label_smoothing=smoothed)
    if tutored is None:
        return loss
    return HARD * loss + SOFT * distillation_loss(logits, tutored, HEAD_WEIGHTS, known)
