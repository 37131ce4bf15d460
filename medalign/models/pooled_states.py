"""A causal language model as sentence-transformers' trainer takes it. Imports that library, so it is imported when training."""

from collections.abc import Sequence
from typing import Any

from sentence_transformers.base.modules.input_module import InputModule
from torch import Tensor

from medalign.models.text_models import CausalLanguageModel

READ = ("input_ids", "attention_mask", "token_type_ids", "pooled_tokens")  # of what `preprocess` gives; the trainer adds more


class PooledStates(InputModule):
    """Text to the mean over the real tokens of one layer, as the teacher itself reads."""

    def __init__(self, model: CausalLanguageModel):
        super().__init__()
        self.transformer = model.transformer  # so that the trainer finds its parameters
        self._model = model

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        return self._model.tokens([(prompt or "") + text for text in inputs])

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        tokens = {name: features[name] for name in READ if name in features}
        return {**features, "sentence_embedding": self._model.pooled(tokens)}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("a tuned model is saved by CausalLanguageModel.save")  # never asked: nothing saves this
