"""Runs that differ in their seed, joined into one student: the mean of their embeddings."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medalign.errors import DataError
from medalign.head import HeadEnsemble
from medalign.student import Student
from medalign.training.card import write_card
from medalign.training.checkpoint import LOG_FILE


def join_runs(runs: Sequence[Path], out: Path) -> Student:
    """Write a student whose members are the heads of `runs`, with its story and card; calibrate it afterwards.

    Raises:
        DataError: fewer than two runs, or they differ in more than their seed.
    """
    if len(runs) < 2:
        raise DataError(f"{len(runs)} run(s) can't be joined; give two or more that differ in their seed")
    students = [Student.from_pretrained(str(run)) for run in runs]
    first = students[0]
    for run, student in zip(runs, students, strict=True):
        if student.config != first.config or student.config.n_members > 1 or student.config.adapter.kind != "frozen":
            raise DataError(
                f"{run} can't be joined with {runs[0]}: give single runs on one frozen encoder, sizes and teacher alike"
            )
    stories = [json.loads((run / "training.json").read_text(encoding="utf-8")) for run in runs]
    seeds = [story["recipe"]["train"].pop("seed") for story in stories]
    if any(story["recipe"] != stories[0]["recipe"] for story in stories) or len(set(seeds)) < len(seeds):
        raise DataError("these runs differ in their recipe, or share a seed; an ensemble's members differ in the seed alone")
    ensemble = HeadEnsemble(first.config.head, len(students))
    for member, student in zip(ensemble.members, students, strict=True):
        member.load_state_dict(student.head.state_dict())
    config = replace(first.config, n_members=len(students))
    joined = Student(config, ensemble, first.encoder, name=out.name, revision="")
    joined.save_pretrained(out)
    for run, seed in zip(runs, seeds, strict=True):
        shutil.copy(run / LOG_FILE, out / f"log-seed{seed}.jsonl")
    story = stories[0] | {
        "members": [{"seed": seed, "validation": told["validation"]} for seed, told in zip(seeds, stories, strict=True)],
        "wall_time_s": sum(told["wall_time_s"] for told in stories),
    }
    del story["validation"]
    story["recipe"]["train"]["seed"] = seeds
    (out / "training.json").write_text(json.dumps(story, indent=2) + "\n", encoding="utf-8")
    write_card(out)
    return joined
