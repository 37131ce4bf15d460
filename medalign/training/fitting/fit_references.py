"""Reference clips for a student of body sounds, from a table of recordings that it was not trained on."""

from pathlib import Path

import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import DataError
from medalign.core.tables import read_rows
from medalign.core.weights import sha256_of
from medalign.models.sound_references import SoundReferences, hear
from medalign.models.student import Student
from medalign.training.identity import CLIP_DIGITS, train_clips
from medalign.training.model_card import read_story


def fit_references(table: Path, student_name: str, label: str, place: str, trained_on: str = "") -> int:
    """Writes them into the student's folder; how many there are.

    Args:
        table: of `medalign reports`; its column `text` tells the reports as they were put for training.
        place, trained_on: where the clips are from, and those that the student learnt from, in words.

    Raises:
        DataError: no rows with a label, or rows that the student was trained on.
        AudioError: a recording can't be read.
        CheckpointError, WeightsError: no student under that name, or none in a folder that can be written.
    """
    student = Student.from_pretrained(student_name)
    folder = student.writable_folder()
    rows = [row for row in read_rows(table, ("path", "text", label), remedy="write it with `medalign reports`") if row[label]]
    if not rows:
        raise DataError(f"{table} has no row with a {label}; give the column that tells what a clip is")
    paths = [table.parent / row["path"] for row in rows]
    met = train_clips(read_story(folder))
    if n_met := sum(sha256_of(path)[:CLIP_DIGITS] in met for path in paths):
        raise DataError(f"the student was trained on {n_met} clips of {table}; give those of another place")
    waveforms = [load_recording(path).waveform for path in paths]
    texts = tuple(dict.fromkeys((row["text"].strip(), row[label]) for row in rows if row["text"].strip()))
    length_s = round(float(np.median([len(waveform) for waveform in waveforms])) / SAMPLE_RATE_HZ, 1)
    embeddings, familiar = hear(student, waveforms, length_s)
    labels = tuple(row[label] for row in rows)
    SoundReferences(embeddings, labels, texts, place, trained_on, length_s, familiar).save(folder)
    return len(rows)
