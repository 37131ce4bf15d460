"""The model card of a checkpoint, written from the files that its run left in the folder; no figure is typed by hand."""

import json
from pathlib import Path

from medalign.core.analysis import DISCLAIMER
from medalign.core.errors import DataError
from medalign.core.files import read_json
from medalign.core.provenance import without_provenance
from medalign.training.model_card_extras import FILES, extras

STORY_FILE = "training.json"


def write_card(folder: Path) -> None:
    """Write `folder`/README.md from training.json, and from the folder's other figures, credits.md and limits.md if there.

    Raises:
        DataError: the folder has no training.json.
    """
    story = _read(folder / STORY_FILE)
    if story is None:
        raise DataError(f"{folder} has no {STORY_FILE}; a card is written from the run of `medalign train`")
    parts = [_head(folder, story), _training(story), _figures(folder, story)]
    if fitted_beside := extras(folder):
        parts.append(fitted_beside)
    for extra in ("credits.md", "limits.md"):
        if (folder / extra).is_file():
            parts.append((folder / extra).read_text(encoding="utf-8").strip())
    (folder / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _read(path: Path) -> dict | None:
    return read_json(path, dict, error=DataError, remedy="remove it, and write it anew") if path.exists() else None


def _runs(story: dict) -> list[dict]:
    """The stories of the runs behind a checkpoint: its own, or those of an ensemble's members."""
    return story.get("members") or [story]


def _head(folder: Path, story: dict) -> str:
    run = _runs(story)[0]
    recipe = run["recipe"]
    return f"""---
language: en
license: apache-2.0
library_name: medalign
pipeline_tag: zero-shot-classification
tags: [medical, audio, alignment, research-only]
---

# {folder.resolve().name}

The encoder of **{recipe["encoder"]}** ({recipe["adapter"]["kind"]}) with a head that maps audio into the embedding space of
**{run["teacher"]}**, so that audio can be compared with text. {DISCLAIMER}

| file | holds |
|---|---|
| `config.json`, `model.safetensors` | sizes, names and revisions of encoder and teacher; the trained head |
| `encoder.safetensors` | what an adapter changed in the encoder; absent where it is frozen |
| `distractors.safetensors`, `concepts.safetensors` | texts to compare with, concept embeddings, by `medalign calibrate` |
{FILES}
| `training.json`, `log*.jsonl` | the run: recipe, data, versions, time; one line a step |
| `curves.html` | pictures of the log; absent where runs were joined |"""


def _training(story: dict) -> str:
    runs = _runs(story)
    groups: dict[str, list[dict]] = {}  # runs that differ in their seed alone
    for run in runs:
        train = {
            name: value for name, value in run["recipe"]["train"].items() if name not in ("seed", "save_every", "chunk_size")
        }
        groups.setdefault(json.dumps([run["recipe"] | {"train": train}, run["manifest_sha256"]]), []).append(run)
    alike = list(groups.values())
    commands = [_command(group, is_joined="members" in story, several=len(alike) > 1) for group in alike]
    lines = [line for group in alike for line in _lines(group, several=len(alike) > 1)]
    if "members" in story:
        weights = [run["weight"] for run in runs]
        names = " ".join(f"runs/{run['name']}" for run in runs)
        option = "" if len(set(weights)) == 1 else f" --weights {','.join(f'{w:g}' for w in weights)}"
        commands.append(f"medalign join {names} --out OUT{option}")
        counted = "alike" if not option else "weighted " + ", ".join(f"{w:g}" for w in weights)
        lines.append(f"An ensemble: the embeddings of {len(runs)} heads are averaged, {counted}; the encoder runs once.")
    return "\n".join(["## Training", "", "```bash", *commands, "```", "", *(f"- {line}" for line in lines)])


def _lines(group: list[dict], *, several: bool) -> list[str]:
    run = group[0]
    recipe, train = run["recipe"], run["recipe"]["train"]
    first, *resumed = run.get("sessions") or [run]  # a run of an earlier version had one session, and no list of them
    weights = ", ".join(f"{name} {weight:g}" for name, weight in train["loss"].items() if weight)
    seeds = ", ".join(str(other["recipe"]["train"]["seed"]) for other in group)
    whose = f"{', '.join(other['name'] for other in group)}: " if several else ""
    minutes = sum(other["wall_time_s"] for other in group) / 60
    return [
        f"{whose}Data: manifest with SHA-256 {run['manifest_sha256'][:12]}; {run['n_train_rows']} rows of "
        f"{run['n_train_groups']} groups to learn ({run['n_train_pairs']} pairs, degraded ones included), "
        f"{run['n_valid_rows']} rows of {run['n_valid_groups']} groups to choose by.",
        f"{whose}Objective: {weights}; {train['n_steps']} steps of {train['batch_size']} pairs, learning rate "
        f"{train['peak_lr']:g}, seed {seeds}. Renderings of each recording: {recipe['renderings']}; noise clips from "
        f"{len(recipe['noise'])} folders.",
        f"{whose}{first['date']}, {first['hardware']}, {minutes:.0f} minutes, speech and features from a cache not counted; "
        f"{_versions(first)}.",
        *(
            f"{whose}From step {later['first_step']} of {later['n_steps']} on: {later['date']}, {later['hardware']}; "
            f"{_versions(later)}."
            for later in resumed
        ),
    ]


def _versions(session: dict) -> str:
    versions = session["versions"]
    return f"torch {versions['torch']}, transformers {versions['transformers']}, Python {versions['python']}"


def _command(group: list[dict], *, is_joined: bool, several: bool) -> str:
    """What to type to train it again, every option that decides the outcome written out."""
    run = group[0]
    recipe, train = run["recipe"], run["recipe"]["train"]
    adapter = recipe["adapter"]
    loss = ",".join(f"{name}={weight:g}" for name, weight in train["loss"].items() if weight)
    options = [
        f"--encoder {recipe['encoder']} --teacher {recipe['teacher']} --adapter {adapter['kind']}"
        + {"lora": f" --rank {adapter['rank']}", "last-k": f" --last-k {adapter['last_k']}"}.get(adapter["kind"], ""),
        f"--loss {loss} --steps {train['n_steps']} --batch-size {train['batch_size']} --lr {train['peak_lr']:g}"
        + ("" if adapter["kind"] == "frozen" else f" --encoder-lr {train['encoder_lr']:g}"),
        " ".join([f"--renderings {recipe['renderings']}", *(f"--noise {name}" for name in recipe["noise"])])
        + f" --validate-every {train['validate_every']}"
        + (" --bf16" if train["bf16"] else "")
        + (" --shared-texts" if recipe["shared_texts"] else ""),
    ]
    manifest = f"MANIFEST-{run['manifest_sha256'][:12]}" if several else "MANIFEST"
    if not is_joined:
        return " \\\n  ".join([f"medalign train {manifest} --out OUT", *options]) + f" --seed {train['seed']}"
    return "\n".join(
        " \\\n  ".join([f"medalign train {manifest} --out runs/{other['name']}", *options])
        + f" --seed {other['recipe']['train']['seed']}"
        for other in group
    )


def _figures(folder: Path, story: dict) -> str:
    lines = ["## Figures", ""]
    tables = [table for path in folder.glob("evaluation*.json") if (table := _read(path))]
    tables.sort(key=lambda table: (table["heard"] != "in stream", table["noise_snr_db"] is not None))
    if not tables:
        figures = "; ".join(", ".join(f"{n} {value:.3f}" for n, value in run["validation"].items()) for run in _runs(story))
        return "\n".join([*lines, f"On the validation rows, which also chose the weights: {figures}. No intervals."])
    first = tables[0]
    lines += [
        "On validation utterances in a voice that training never heard, in stream (cut from whole recordings, as an analysis "
        "does) or alone (each as a recording of its own), for concepts with 5 or more mentions. In brackets the 95 % interval "
        f"by bootstrap over consultations, centred on the figure{_others(first['students'])}. "
        "These rows also chose the weights.",
        "",
        "| what | " + " | ".join(map(_conditions, tables)) + " |",
        "|---|" + "---|" * len(tables),
    ]
    rows = {
        "zero-shot AUROC": "auroc",
        "zero-shot mean average precision": "average_precision",
        "the same, cosines lowered by 0.3 of the distance to the clip's best": "average_precision_against_distractors",
        "its text among 500, recall@1": "recall@1",
        "its text among 500, recall@10": "recall@10",
        "linear probe, mean average precision": "probe_average_precision",
    }
    for label, key in rows.items():
        lines.append(f"| {label} | " + " | ".join(_cell(table["students"], key) for table in tables) + " |")
    lines.append(
        "| the same probe on the unaligned encoder's mean | "
        + " | ".join(f"{table['unaligned_encoder']['probe_average_precision']:.3f}" for table in tables)
        + " |"
    )
    teacher = "teacher on the true text, AUROC / average precision / the same against distractors"
    of_teacher = "{auroc:.3f} / {average_precision:.3f} / {average_precision_against_distractors:.3f}"
    lines.append(f"| {teacher} | " + " | ".join(of_teacher.format(**table["teacher_on_true_text"]) for table in tables) + " |")
    pairing = first["students"][0]["pairing"]
    lines += [
        "",
        f"Shuffling the pairs of a batch lowers debiased CKA in {pairing['n_positive']} of {pairing['n_batches']} batches, "
        f"by {pairing['mean']:.3f} on average; it changes the published code's loss by "
        f"{pairing['published_loss_largest']:.0e} at most.",
        "",
        "Another text under the same audio is recognised as wrong, by cosine, with AUROC "
        + "; ".join(map(_mismatch_cell, tables))
        + ".",
    ]
    if calibration := _read(folder / "calibration.json"):
        lines += ["", "Calibration, fitted and measured on the same windows:", "", "| what | figure |", "|---|---|"]
        lines += [f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in without_provenance(calibration).items()]
    return "\n".join(lines)


def _conditions(table: dict) -> str:
    """What a column was measured on."""
    return (
        f"{_noise(table)}, {table['heard']}: {table['n_utterances']} utterances of {table['n_groups']} consultations, "
        f"{table['n_concepts']} concepts"
    )


def _mismatch_cell(table: dict) -> str:
    auroc = table["students"][0]["mismatch"]
    return (
        f"{auroc['foreign_text_auroc']:.3f} for a text of another consultation and {auroc['same_consultation_auroc']:.3f} for "
        f"one of the same ({_noise(table)}, {table['heard']})"
    )


def _noise(table: dict) -> str:
    return "clean" if table["noise_snr_db"] is None else f"pink noise at {table['noise_snr_db']:g} dB"


def _others(students: list[dict]) -> str:
    names = ", ".join(student["name"] for student in students[1:])
    return f"; behind the semicolon the mean and range of {names}" if names else ""


def _cell(students: list[dict], key: str) -> str:
    """The first student is the folder's own; others, such as an ensemble's members, stand beside it."""
    first, *others = students
    cell = f"**{first[key]:.3f}**"
    if interval := first.get(f"{key}_95"):
        cell += f" [{interval[0]:.3f}-{interval[1]:.3f}]"
    if values := [student[key] for student in others]:
        cell += f"; {sum(values) / len(values):.3f} ({min(values):.3f}-{max(values):.3f})"
    return cell
