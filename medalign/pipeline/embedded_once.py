"""What was embedded of one recording, so that nothing is embedded twice: an analysis needs its segments more than once, and who
changes a sentence waits for that sentence only."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float

Key = str | tuple[float, float]  # a text, or a stretch from start to end, s
K = TypeVar("K", str, tuple[float, float])


class EmbeddedOnce:
    """Embeddings by what they are of; some 1.5 KB each, and gone with the recording."""

    def __init__(self) -> None:
        self._rows: dict[Key, np.ndarray] = {}

    def rows(self, keys: Sequence[K], embed: Callable[[list[K]], Float[np.ndarray, "n d"]]) -> Float[np.ndarray, "k d"]:
        """One row for each of the `keys`, at least one, in their order; `embed` is asked for those that are new, each once."""
        if new := [key for key in dict.fromkeys(keys) if key not in self._rows]:
            self._rows.update(zip(new, embed(new), strict=True))
        return np.stack([self._rows[key] for key in keys])
