"""In which sense a mention was said, if in any, whose it is, and what is done with a medicine: a small text model around it.

It sees the words before and after a mention with who speaks, and the mention between two marks. The network is the first
layers of the teacher all-MiniLM-L6-v2, tuned; the embeddings of words are the teacher's own, so they are not shipped again.
"""

import copy
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from medalign.core.analysis import Action, ModelInfo, Status
from medalign.core.assets import shipped
from medalign.core.errors import CheckpointError
from medalign.core.files import read_json, reading, write_tensors
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER
from medalign.core.weights import REVISION_LENGTH, is_revision, resolve, sha256_of
from medalign.models.device import choose_device, copy_to_cpu, run_in_batches
from medalign.models.pretrained import load_state, read_state

CHECKPOINT = "status-minilm"
REMEDY = "install MedAlign again"
# As they come out of the network; "family" is not among them: whose it is, is a question of its own.
STATUSES: tuple[Status, ...] = ("present", "negated", "resolved", "historical", "uncertain", "hypothetical")
OWNERS = ("patient", "other")
ACTIONS: tuple[Action, ...] = get_args(Action)
WORDS_BEFORE, WORDS_AFTER = 28, 34  # more of a conversation tells nothing about a mention
MAX_TOKENS = 160
CLS, SEP, PAD, MASK = 101, 102, 0, 103  # of BERT's vocabulary
SPEAKER_TOKEN = {DOCTOR: 1, PATIENT: 2, UNKNOWN_SPEAKER: 3}  # [unused0] and those after it: no text has them
MARKS = (4, 5)  # before and after the mention
N_OWN = 6  # embeddings that are learnt, those below it
BATCH = 64


@dataclass(frozen=True)
class MentionContext:
    """Words of a conversation around a mention, which is words [start, end)."""

    words: tuple[str, ...]
    speakers: tuple[str, ...]  # one a word
    breaks: frozenset[int]  # words that begin a segment
    start: int
    end: int

    def cut(self, before: int = WORDS_BEFORE, after: int = WORDS_AFTER) -> "MentionContext":
        """Fewer of the words around the mention; no more than tell anything by default."""
        first, last = max(0, self.start - before), min(len(self.words), self.end + after)
        breaks = frozenset(at - first for at in self.breaks if first <= at < last)
        return MentionContext(self.words[first:last], self.speakers[first:last], breaks, self.start - first, self.end - first)

    def without(self, places: Collection[int]) -> "MentionContext":
        """The same with some words hidden."""
        words = tuple("[MASK]" if at in places else word for at, word in enumerate(self.words))
        return MentionContext(words, self.speakers, self.breaks, self.start, self.end)


@dataclass(frozen=True)
class StatusConfig:
    """The network's measures, and the teacher whose embeddings it reads with."""

    teacher: str = "all-MiniLM-L6-v2"
    teacher_revision: str = ""
    n_layers: int = 6
    dim: int = 384
    n_heads: int = 12
    hidden_dim: int = 1536
    statuses: tuple[str, ...] = STATUSES
    owners: tuple[str, ...] = OWNERS
    actions: tuple[str, ...] = ACTIONS


# Logits: statuses, owners, actions, and whether it is a fact.
Heads = tuple[Float[Tensor, "n statuses"], Float[Tensor, "n owners"], Float[Tensor, "n actions"], Float[Tensor, "n 2"]]


@dataclass(frozen=True)
class StatusPrediction:
    """What the classifier makes of mentions: probabilities, a row each."""

    statuses: Float[np.ndarray, "n statuses"]
    other: Float[np.ndarray, " n"]  # that it is another person's
    actions: Float[np.ndarray, "n actions"]
    facts: Float[np.ndarray, " n"]  # that it tells anything of a person: no general talk, and the concept is meant

    def at(self, rows: Sequence[int]) -> "StatusPrediction":
        """Of some of the mentions."""
        chosen = np.array(rows, int)
        return StatusPrediction(*(values[chosen] for values in vars(self).values()))


class StatusNetwork(nn.Module):
    """Transformer layers as BERT has them, over given word embeddings; four heads on the states of both marks."""

    def __init__(self, config: StatusConfig):
        super().__init__()
        self.position = nn.Embedding(MAX_TOKENS, config.dim)
        self.own = nn.Embedding(N_OWN, config.dim)
        self.norm = nn.LayerNorm(config.dim, eps=1e-12)
        sizes = config.dim, config.n_heads, config.hidden_dim
        layer = nn.TransformerEncoderLayer(*sizes, 0.0, "gelu", layer_norm_eps=1e-12, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, config.n_layers, enable_nested_tensor=False)
        self.dropout = nn.Dropout(0.1)
        self.status = nn.Linear(2 * config.dim, len(config.statuses))
        self.owner = nn.Linear(2 * config.dim, len(config.owners))
        self.action = nn.Linear(2 * config.dim, len(config.actions))
        self.fact = nn.Linear(2 * config.dim, 2)

    def forward(self, ids: Int[Tensor, "n tokens"], words: Float[Tensor, "n tokens dim"]) -> Heads:
        """Logits of the four heads.

        Args:
            words: the teacher's embedding of each token.
        """
        is_own = (ids > PAD) & (ids < N_OWN)
        embedded = torch.where(is_own[..., None], self.own(ids.clamp(max=N_OWN - 1)), words)
        hidden = self.dropout(self.norm(embedded + self.position.weight[: ids.shape[1]]))
        hidden = self.layers(hidden, src_key_padding_mask=ids == PAD)
        marked = self.dropout(states_at_marks(hidden, ids))
        return self.status(marked), self.owner(marked), self.action(marked), self.fact(marked)


def states_at_marks(hidden: Float[Tensor, "n tokens dim"], ids: Int[Tensor, "n tokens"]) -> Float[Tensor, "n twice_dim"]:
    """The states of both marks, side by side."""
    rows = torch.arange(len(ids), device=ids.device)
    return torch.cat([hidden[rows, (ids == mark).int().argmax(1)] for mark in MARKS], 1)


def padded(rows: Sequence[Sequence[int]]) -> Int[Tensor, "n tokens"]:
    """Rows of token ids as one tensor."""
    ids = torch.full((len(rows), max(map(len, rows))), PAD)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids


class StatusClassifier:
    """The network with the teacher's vocabulary and embeddings."""

    def __init__(self, network: StatusNetwork, config: StatusConfig, *, revision: str = "untrained", device: str = "cpu"):
        """Raises WeightsError, CheckpointError: the teacher's files are missing, or are another release."""
        from transformers import PreTrainedTokenizerFast

        weights = resolve(config.teacher, weight_files=("model.safetensors",))
        if config.teacher_revision and not is_revision(config.teacher_revision, weights.revision):
            raise CheckpointError(
                f"the status classifier reads with '{config.teacher}' revision {config.teacher_revision}, "
                f"not {weights.revision}; {REMEDY}"
            )
        with reading(f"the vocabulary of '{config.teacher}' can't be read", remedy=REMEDY):
            fast = PreTrainedTokenizerFast(tokenizer_file=str(weights.folder / "tokenizer.json"))
            self._tokenizer = fast.backend_tokenizer
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
        state = read_state(weights.folder / "model.safetensors", remedy=REMEDY)
        token_type = state["embeddings.token_type_embeddings.weight"][0]  # the same for all: BERT adds it to each
        self._embeddings = (state["embeddings.word_embeddings.weight"].float() + token_type).to(device)
        self.network, self.config, self.device = network.to(device), config, device
        self.info = ModelInfo(CHECKPOINT, revision)
        self._pieces = lru_cache(50_000)(self._pieces_of)

    @classmethod
    def load(cls, folder: Path | None = None, *, device: str = "auto") -> "StatusClassifier":
        """The shipped one, or another that `medalign train-status` wrote.

        Raises:
            WeightsError, CheckpointError: files are missing, damaged or don't belong together.
        """
        return _loaded(folder or shipped(CHECKPOINT), choose_device(device))

    def save(self, folder: Path) -> None:
        """Weights in half precision, and the measures."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.half().contiguous().cpu() for name, tensor in self.network.state_dict().items()}
        write_tensors(state, folder / "model.safetensors")
        text = json.dumps(self.config.__dict__, indent=2) + "\n"
        (folder / "config.json").write_text(text, encoding="utf-8")

    def predict(self, contexts: Sequence[MentionContext]) -> StatusPrediction:
        """Probabilities for each context's mention; in batches of similar length."""
        rows = [self.tokens(context) for context in contexts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        widths = (len(self.config.statuses), len(self.config.owners), len(self.config.actions), 2)
        none = [np.zeros((0, width), np.float32) for width in widths]
        in_order = [rows[i] for i in order]
        batches = run_in_batches("the status classifier", in_order, BATCH, StatusClassifier._read, self, self._on_cpu)
        back = np.argsort(order)
        statuses, owners, actions, facts = (np.concatenate(part)[back] for part in zip(none, *batches, strict=True))
        return StatusPrediction(statuses, owners[:, 1], actions, facts[:, 1])

    @torch.inference_mode()
    def _read(self, rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Probabilities of each head."""
        return [head.float().softmax(-1).cpu().numpy() for head in self.logits(rows)]

    def _on_cpu(self) -> "StatusClassifier":
        other = copy.copy(self)
        other.network, other._embeddings, other.device = copy_to_cpu(self.network), self._embeddings.cpu(), "cpu"
        return other

    def logits(self, rows: Sequence[Sequence[int]]) -> Heads:
        """The heads' logits for rows of token ids."""
        ids = padded(rows).to(self.device)
        return self.network(ids, self._embeddings[ids])

    def tokens(self, context: MentionContext) -> list[int]:
        """[CLS], then each segment behind its speaker's token, the mention between its marks, [SEP]; cut around the mention."""
        context, ids, mark_at = context.cut(), [CLS], 1
        for at in range(len(context.words)):
            if at == 0 or at in context.breaks:
                ids.append(SPEAKER_TOKEN.get(context.speakers[at], SPEAKER_TOKEN[UNKNOWN_SPEAKER]))
            if at == context.start:
                mark_at = len(ids)
                ids.append(MARKS[0])
            ids += self._pieces(context.words[at])
            if at == context.end - 1:
                ids.append(MARKS[1])
        if (excess := len(ids) + 1 - MAX_TOKENS) > 0:  # words of many pieces: first from the end, then from the beginning
            behind = max(0, len(ids) - ids.index(MARKS[1]) - 1)
            ids = ids[: len(ids) - min(excess, behind)]
            if (excess := len(ids) + 1 - MAX_TOKENS) > 0:
                ids = [CLS, *ids[1 + min(excess, mark_at - 1) :]]
        return [*ids[: MAX_TOKENS - 1], SEP]

    def vocabulary(self) -> list[str]:
        """The token of each id."""
        by_id = {at: word for word, at in self._tokenizer.get_vocab().items()}
        return [by_id[at] for at in range(len(by_id))]

    def _pieces_of(self, word: str) -> list[int]:
        if word == "[MASK]":
            return [MASK]
        return self._tokenizer.encode(word.replace("’", "'"), add_special_tokens=False).ids


@cache
def _loaded(folder: Path, device: str) -> StatusClassifier:
    config = read_json(folder / "config.json", StatusConfig, remedy=REMEDY)
    if (config.statuses, config.owners, config.actions) != (STATUSES, OWNERS, ACTIONS):
        raise CheckpointError(f"{folder} tells other statuses apart than this MedAlign; {REMEDY}")
    network = StatusNetwork(config)
    state = {name: tensor.float() for name, tensor in read_state(folder / "model.safetensors", remedy=REMEDY).items()}
    load_state(network, state, str(folder), remedy=REMEDY)
    revision = sha256_of(folder / "model.safetensors")[:REVISION_LENGTH]
    return StatusClassifier(network.eval(), config, revision=revision, device=device)


PARTS = {  # of a layer, as PyTorch and as BERT name them
    "self_attn.out_proj": "attention.output.dense", "norm1": "attention.output.LayerNorm", "norm2": "output.LayerNorm",
    "linear1": "intermediate.dense", "linear2": "output.dense",
}  # fmt: skip


def from_teacher(config: StatusConfig) -> StatusNetwork:
    """A network to be trained: the teacher's first layers, heads at random."""
    weights = resolve(config.teacher, weight_files=("model.safetensors",))
    state = read_state(weights.folder / "model.safetensors", remedy=REMEDY)
    network = StatusNetwork(config)
    own = network.state_dict()
    own["position.weight"] = state["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    own["own.weight"] = state["embeddings.word_embeddings.weight"][:N_OWN]
    for end in ("weight", "bias"):
        own[f"norm.{end}"] = state[f"embeddings.LayerNorm.{end}"]
        for n in range(config.n_layers):
            theirs, ours = f"encoder.layer.{n}.", f"layers.layers.{n}."
            projections = [state[f"{theirs}attention.self.{part}.{end}"] for part in ("query", "key", "value")]
            own[f"{ours}self_attn.in_proj_{end}"] = torch.cat(projections)
            for name, part in PARTS.items():
                own[f"{ours}{name}.{end}"] = state[f"{theirs}{part}.{end}"]
    network.load_state_dict(own)
    return network
