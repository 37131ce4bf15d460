"""What a run in a folder is: everything that decides its result. A run that is resumed must be the one that began."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from medalign.core.errors import MedAlignError

MAX_SHOWN = 300  # characters of a value in a message
Identity = dict[str, Any]  # what JSON can hold


def check_same_run(
    stored: Identity,
    wanted: Identity,
    folder: Path,
    *,
    may_change: Collection[str] = (),
    names: Mapping[str, str] | None = None,
    error: type[MedAlignError],
) -> None:
    """Whether the run in a folder may go on as the wanted one.

    Args:
        may_change: dotted names of what may differ.
        names: what the user calls dotted names; others are shown as they are.

    Raises:
        error: they differ; every such field is named with its old and its new value.
    """
    old, new = flat(stored), flat(wanted)
    differ = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name) and name not in may_change]
    if differ:
        listed = "; ".join(f"{(names or {}).get(name, name)} {_shown(old, name)} -> {_shown(new, name)}" for name in differ)
        what = f"{folder} holds a run that differs from the one asked for"
        raise error(f"{what}: {listed}; give what it began with, or another --out")


def flat(identity: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted names and their values."""
    found: dict[str, Any] = {}
    for name, value in identity.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _shown(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "nothing"
    value = values[name]
    if isinstance(value, str) and (len(value) == 64 or len(value) > MAX_SHOWN):  # a digest, or a list of many
        return value[:12]
    return json.dumps(value, ensure_ascii=False)
