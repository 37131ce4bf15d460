"""What is fitted to weigh a note's statements, and the unrelated ones that they are compared with; kept with a student."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from medalign.core.errors import CheckpointError
from medalign.core.files import read_json, read_tensors, write_tensors
from medalign.pipeline.boosted_fit import BoostedFit
from medalign.pipeline.logistic_fit import LogisticFit
from medalign.pipeline.notes.anchor import ANCHOR
from medalign.pipeline.notes.places import PLACES
from medalign.pipeline.notes.tally import FEATURES

FITS_FILE, REFERENCES_FILE = "note_fits.json", "note_references.safetensors"
REMEDY = "fit it again with `medalign note-check --fit`, or use the shipped student"
FITTING = ("cosine", "standard deviations above unrelated", "log share of unrelated that fit as well")
WORDS = (*FEATURES, *ANCHOR, *PLACES, *(f"words: {name}" for name in FITTING))
SOUND = tuple(f"sound: {name}" for name in FITTING[1:])
# The sound counts for what the words lack, since where they have all of a statement it fits the denial as well; and only where
# it prefers the statement to what would be wrong.
BOTH = ("words: log odds", "sound: standard deviations above unrelated, by the share that the words lack, if preferred")
_OF_A_NOTE = ("standard deviations above unrelated", "log odds", "words anywhere")
BELONGS = (*(f"mean {name}" for name in _OF_A_NOTE), *(f"better half: {name}" for name in _OF_A_NOTE), "log statements")


@dataclass(frozen=True)
class NoteFits:
    """Fits: that a recording bears a statement out, and that a note is of a recording; with their thresholds."""

    words: BoostedFit  # by the words; its threshold: supported from there
    sound: LogisticFit  # by the sound alone
    both: LogisticFit  # its threshold: supported from there, where the sound was heard
    belongs: LogisticFit  # its threshold: below it, the note seems to be of another recording
    contradicted_below: float  # a contradiction is told where the probability by the words lies below
    note_examples: int  # statements, right and wrong, that it was fitted on

    def save(self, folder: Path, references: np.ndarray) -> None:
        write_tensors({"references": references.astype(np.float16)}, folder / REFERENCES_FILE)
        (folder / FITS_FILE).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, embed_dim: int) -> tuple["NoteFits", np.ndarray]:
        """The fits, and the teacher's embeddings (r, d) of unrelated statements.

        Raises:
            CheckpointError: the student's folder has none, or they are of other features or of a teacher of another width.
        """
        if not (folder / FITS_FILE).exists():
            raise CheckpointError(f"nothing is fitted for checking notes with the student in {folder}; {REMEDY}")
        fits = read_json(folder / FITS_FILE, cls, remedy=REMEDY)
        for name, wanted in (("words", WORDS), ("sound", SOUND), ("both", BOTH), ("belongs", BELONGS)):
            if getattr(fits, name).features != wanted:
                raise CheckpointError(f"the fit '{name}' in {folder / FITS_FILE} was made for other features; {REMEDY}")
        references = read_tensors(folder / REFERENCES_FILE, {"references": (None, embed_dim)}, remedy=REMEDY)["references"]
        return fits, references.astype(np.float32)
