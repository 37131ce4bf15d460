"""Where what is fitted for a student lies: calibration and distractors, detectors, and the bank as the teacher reads it.

A student that has just been trained has none of it: what its cosines mean is not known. Words are then read as with the shipped
one, the sound claims nothing, and whoever reads the result is told so.
"""

from dataclasses import dataclass
from pathlib import Path

from medalign.core.assets import shipped
from medalign.core.errors import CheckpointError
from medalign.core.weights import deciding_files, is_revision
from medalign.models.encoders import WhisperAudioEncoder
from medalign.models.student import DEFAULT_STUDENT, Student
from medalign.models.student_config import read_config
from medalign.models.transformers_encoder import TransformersAudioEncoder
from medalign.pipeline.calibration import DISTRACTORS_FILE, FITS_FILE

OF_SPEECH = frozenset([WhisperAudioEncoder.kind, TransformersAudioEncoder.kind])
CURE = "run `medalign calibrate --student {} --speech FOLDER`"
OF_EMBEDDINGS = ("mismatch", "misheard name", "fusion")  # fits that another student's embeddings would mislead
NOT_CALIBRATED = (
    "Nothing was fitted for this student yet, so the sound speaks for no concept here and marks no segment; "
    "`medalign calibrate` fits its probabilities."
)


@dataclass(frozen=True)
class Fitted:
    """Folders in which fits lie."""

    folder: Path  # calibration, distractors and concepts
    detectors: Path | None  # what was fitted on the encoder's own frames; None where nobody fitted any
    is_own: bool = True  # else they are the shipped student's


def fitted_for(student: Student) -> Fitted:
    """A student's own fits, or the shipped student's, where both speak the space of one teacher.

    Raises:
        CheckpointError: there are neither.
    """
    name, own, config = student.info.name, student.fitted_in, student.config
    if own is None:
        raise CheckpointError(f"student '{name}' lies in no folder, so nothing is fitted for it yet")
    if (own / FITS_FILE).exists() or (own / DISTRACTORS_FILE).exists():
        return Fitted(own, own)
    if config.encoder_kind not in OF_SPEECH:
        raise CheckpointError(
            f"student '{name}' is no student of speech: its encoder is of the kind '{config.encoder_kind}'; "
            "give another --student, or hear body sounds with `medalign listen` and `medalign probe`"
        )
    folder = shipped(DEFAULT_STUDENT)
    known = read_config(folder)
    if config.teacher_revision != known.teacher_revision:
        raise CheckpointError(
            f"nothing is fitted for student '{name}' yet, and nothing that ships was fitted in the space of its teacher "
            f"'{config.teacher}'; {CURE.format(own)}"
        )
    hears_alike = is_revision(known.encoder_revision, config.encoder_revision) and config.adapter.kind == "frozen"
    return Fitted(folder, folder if hears_alike else None, is_own=False)


def files_of(student: Student) -> dict[str, str]:
    """The SHA-256 of each of its files that decides what an analysis says; empty where it lies in no folder."""
    return deciding_files(student.fitted_in) if student.fitted_in else {}
