"""The model card of an adapted teacher, written from the files in its folder; no figure is typed by hand."""

from pathlib import Path

from medalign.core.analysis import DISCLAIMER
from medalign.core.errors import DataError
from medalign.core.files import read_json
from medalign.models.low_rank import updates_folder
from medalign.training.model_card import STORY_FILE

CARD = """---
language: en
license: apache-2.0
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [medical, sentence-similarity, research-only]
---

# {name}

**{teacher}**, adapted to consultations and their notes, as the text model of MedAlign: `Teacher("{name}"{layer})`. {disclaimer}

A student maps audio into the space of the teacher that it was aligned with: for this one, align one anew
(`medalign train --teacher`), and fit again what is fitted beside it.

| file | holds |
|---|---|
{files}

## Training

```bash
{command}
```

- {pairs}. Each is told from the others of its batch, and from a wrong one that looks like it.
- Changed: {tuned}. {n_steps} steps of {batch_size} pairs, learning rate {peak_lr:g}, seed {seed}.
- {sessions}; {minutes:.0f} minutes.
- Held back: the collections' validation parts (of PriMock57, day 4), the consultations of `assets/annotations/develop.csv`,
  a fifth of the bank's concepts, and a fifth of the other concepts' synonyms.
{own}
## Data

PriMock57 (Papadopoulos Korfiatis et al., ACL 2022), ACI-Bench (Yim et al., Scientific Data 2023) and MTS-Dialog (Ben Abacha et
al., EACL 2023), all CC BY 4.0, role-played or written, none of real patients; HPO and ICD-10-CM by the concept bank. None of
their text is in this folder.

## Limits

English. `medalign measure-teacher` measures it beside the general teacher. It can be wrong in any sentence.
"""
WHOLE = """| `model.safetensors` and beside it | the model, loaded without its training's packages |
| `updates/` | the same teacher as updates of a few megabytes: `Teacher("{name}/updates")`; absent if all weights changed |
| `training.json`, `log.jsonl` | the run: recipe, digests of the pairs, versions, time; one line a step |
| `state.pt` | what a resumed run needs; may be removed |"""
APART = """| `updates.json`, `updates.safetensors` | the model that is updated, and what is added to its weights |
| `training.json` | the run: recipe, digests of the pairs, versions, time |"""
OF_KIND = {
    "noted": "of what was said and what a note says of it, found by the general teacher and by words in common",
    "status": "of a mention and its sense in a note's words",
    "synonyms": "of a concept's wordings",
    "own": "of one's own",
}
OWN = "- Pairs of one's own may hold what patients said: consider that before you pass this folder on.\n"
TUNED = {
    "lora": "low-rank updates of rank {rank} on all linear layers, added into the weights",
    "full": "all weights but the embeddings of words",
}


def is_teacher(folder: Path) -> bool:
    """Whether `medalign adapt` wrote the folder."""
    path = folder / STORY_FILE
    return path.is_file() and "n_pairs" in read_json(path, dict, error=DataError, remedy="remove it, and write it anew")


def write_teacher_card(folder: Path) -> None:
    """Write `folder`/README.md from its training.json.

    Raises:
        DataError: there is none.
    """
    story = read_json(folder / STORY_FILE, dict, error=DataError, remedy="run `medalign adapt` again")
    recipe = story["recipe"]
    train = recipe["train"]
    pairs = [f"{n} {OF_KIND[kind]} (share {recipe[kind]:g})" for kind, n in story["n_pairs"].items() if n and recipe[kind]]
    text = CARD.format(
        name=folder.resolve().name,
        teacher=story["teacher"],
        layer="" if recipe["teacher_layer"] == -1 else f", layer={recipe['teacher_layer']}",
        disclaimer=DISCLAIMER,
        files=(APART if updates_folder(str(folder)) else WHOLE).format(name=folder.resolve().name),
        command=_command(recipe),
        pairs="Pairs: " + "; ".join(pairs),
        tuned=TUNED[recipe["tuned"]].format(**recipe),
        **{name: train[name] for name in ("n_steps", "batch_size", "peak_lr", "seed")},
        sessions="; ".join(map(_session, story["sessions"])),
        minutes=story["wall_time_s"] / 60,
        own=OWN if story["n_pairs"].get("own") else "",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _session(session: dict) -> str:
    where = f"{session['date']}, {session['hardware']}, torch {session['versions']['torch']}"
    return f"From step {session['first_step']} on: {where}"


def _command(recipe: dict) -> str:
    """What to type to train it again, every option that decides the outcome written out."""
    train = recipe["train"]
    layer = "" if recipe["teacher_layer"] == -1 else f" --teacher-layer {recipe['teacher_layer']}"
    return " \\\n  ".join(
        [
            f"medalign adapt --data DATA --out OUT --teacher {recipe['teacher']}{layer}",
            f"--tuned {recipe['tuned']} --rank {recipe['rank']} --steps {train['n_steps']} --batch-size {train['batch_size']}",
            f"--lr {train['peak_lr']:g} --seed {train['seed']}" + (" --bf16" if train["bf16"] else ""),
            " ".join(f"--{kind} {recipe[kind]:g}" for kind in OF_KIND),
        ]
    )
