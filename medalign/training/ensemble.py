"""Runs joined into one student: the mean of their embeddings, each run with its weight."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medalign.core.errors import DataError
from medalign.core.files import read_json
from medalign.models.head import HeadEnsemble
from medalign.models.student import Student
from medalign.training.checkpoint import LOG_FILE
from medalign.training.model_card import STORY_FILE, write_card


def join_runs(runs: Sequence[Path], out: Path, weights: Sequence[float] | None = None) -> Student:
    """Write a student whose members are the heads of `runs`, with its story and card; calibrate it afterwards.

    Members may differ in their seed, their data and their objective: what they share is the encoder and the space they
    speak, so that their embeddings can be averaged.

    Args:
        weights: of each run in the mean; all alike if not given.

    Raises:
        DataError: fewer than two runs, one given twice, runs that don't fit together, or weights that don't fit the runs.
    """
    if len(runs) < 2:
        raise DataError(f"{len(runs)} run(s) can't be joined; give two or more that differ in seed, data or objective")
    weights = tuple(weights or (1.0,) * len(runs))
    if len(weights) != len(runs) or min(weights) <= 0:
        raise DataError(f"{len(weights)} weights for {len(runs)} runs; give each run a weight above 0, separated by commas")
    students = [Student.from_pretrained(str(run)) for run in runs]
    first = students[0]
    for run, student in zip(runs, students, strict=True):
        if student.config != first.config or student.config.n_members > 1 or student.config.adapter.kind != "frozen":
            raise DataError(
                f"{run} can't be joined with {runs[0]}: give single runs on one frozen encoder, sizes and teacher alike"
            )
    if len({student.info.revision for student in students}) < len(students):
        raise DataError("two of these runs have the same weights; members of an ensemble differ in seed, data or objective")
    ensemble = HeadEnsemble(first.config.head, len(students), weights)
    for member, student in zip(ensemble.members, students, strict=True):
        member.load_state_dict(student.head.state_dict())
    ensemble.half().float()  # as it will be stored, so that what is measured now is what is loaded later
    config = replace(first.config, n_members=len(students), member_weights=weights)
    joined = Student(config, ensemble, first.encoder, name=out.name, revision="")
    joined.save_pretrained(out)
    members = []
    for run, weight in zip(runs, weights, strict=True):
        story = read_json(run / STORY_FILE, dict, error=DataError, remedy="give folders written by `medalign train`")
        members.append({"name": run.resolve().name, "weight": weight} | story)
        shutil.copy(run / LOG_FILE, out / f"log-{run.resolve().name}.jsonl")
    (out / STORY_FILE).write_text(json.dumps({"members": members}, indent=2) + "\n", encoding="utf-8")
    write_card(out)
    return joined
