"""A larger text model that learns the same heads first, and whose logits the status classifier then learns from.

Distillation: Hinton et al. 2015 (arXiv 1503.02531). The shipped classifier's tutor was all-mpnet-base-v2.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medalign.core.errors import CheckpointError
from medalign.core.files import reading
from medalign.core.weights import resolve
from medalign.models import status_classifier as model
from medalign.models.status_classifier import Heads, MentionContext, StatusClassifier

TEMPERATURE = 2.0
HARD, SOFT = 0.3, 0.7  # shares of the labels and of the tutor in the loss


class TutorNetwork(nn.Module):
    """A transformers text model and the status classifier's four heads on its states."""

    def __init__(self, text_model: nn.Module, dim: int):
        super().__init__()
        self.text_model, self.dropout = text_model, nn.Dropout(0.1)
        self.heads = nn.ModuleList(
            nn.Linear(2 * dim, n) for n in (len(model.STATUSES), len(model.OWNERS), len(model.ACTIONS), 2)
        )

    def forward(self, ids: Tensor, own_ids: Tensor) -> Heads:
        """
        Args:
            ids: (n, tokens) of the status classifier's vocabulary, which the marks are found by.
            own_ids: (n, tokens) the same tokens in the text model's own vocabulary.
        """
        hidden = self.text_model(input_ids=own_ids, attention_mask=(ids != model.PAD).long()).last_hidden_state
        status, owner, action, fact = (head(self.dropout(model.states_at_marks(hidden, ids))) for head in self.heads)
        return status, owner, action, fact


class Tutor:
    """Reads the rows of a status classifier, in its own vocabulary."""

    def __init__(self, name: str, classifier: StatusClassifier, *, device: str = "cpu"):
        """
        Args:
            name: of a text model with a WordPiece vocabulary: a folder or a name on the Hub.

        Raises:
            WeightsError: it can't be had.
            CheckpointError: its vocabulary lacks words of the classifier's.
        """
        from transformers import AutoModel, AutoTokenizer

        folder = resolve(name, weight_files=("model.safetensors",)).folder
        with reading(f"the text model '{name}' can't be read", remedy="choose another tutor"):
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            text_model = AutoModel.from_pretrained(folder, trust_remote_code=False)
        own = tokenizer.get_vocab()
        special = {
            model.CLS: tokenizer.cls_token,
            model.SEP: tokenizer.sep_token,
            model.PAD: tokenizer.pad_token,
            model.MASK: tokenizer.mask_token,
        }
        words = [special.get(at, word) for at, word in enumerate(classifier.vocabulary())]
        needed = [word for at, word in enumerate(words) if at < model.N_OWN or not word.startswith("[unused")]
        if lacking := [word for word in needed if word not in own]:
            difference = f"{len(lacking)} words of the status classifier's, '{lacking[0]}' first"
            raise CheckpointError(f"the vocabulary of '{name}' lacks {difference}; choose another tutor")
        unknown = own[tokenizer.unk_token]
        self._own_ids = torch.tensor([own.get(word, unknown) for word in words], device=device)
        self.network, self.device = TutorNetwork(text_model, text_model.config.hidden_size).to(device), device
        self._classifier = classifier

    def tokens(self, context: MentionContext) -> list[int]:
        return self._classifier.tokens(context)

    def logits(self, rows: Sequence[Sequence[int]]) -> Heads:
        ids = model.padded(rows).to(self.device)
        return self.network(ids, self._own_ids[ids])


def distillation_loss(logits: Heads, tutored: Heads, weights: Sequence[float], known: Sequence[Tensor]) -> Tensor:
    """Kullback-Leibler divergence from the tutor's softened probabilities, summed over heads.

    Args:
        tutored: the tutor's logits.
        weights: of each head.
        known: by head, the rows that count.
    """
    loss = logits[0].new_zeros(())
    for own, theirs, weight, rows in zip(logits, tutored, weights, known, strict=True):
        if len(rows):
            log_own = (own[rows].float() / TEMPERATURE).log_softmax(-1)
            wanted = (theirs[rows].float() / TEMPERATURE).softmax(-1)
            loss = loss + weight * TEMPERATURE**2 * F.kl_div(log_own, wanted, reduction="batchmean")
    return loss
