"""Short names of models in tables of results."""

from collections.abc import Iterable
from itertools import zip_longest


def short_model_names(models: Iterable[str]) -> dict[str, str]:
    """A short name for each of `asr revision | teacher revision | student revision`: only what tells it from the others.

    Revisions are named where a name has several. One model alone is named in full, without its revisions.
    """
    split = {model: [tuple(part.rsplit(" ", 1)) for part in model.split(" | ")] for model in dict.fromkeys(models)}
    columns = list(zip_longest(*split.values()))
    differing = [i for i, column in enumerate(columns) if len(set(column)) > 1] or range(len(columns))
    short = {}
    for model, parts in split.items():
        names = []
        for i in differing:
            if i < len(parts):
                name = parts[i][0]
                has_several = len({part for part in columns[i] if part and part[0] == name}) > 1
                names.append(" ".join(parts[i]) if has_several else name)
        short[model] = ", ".join(names)
    return short
