"""The size of an analyzer: bytes of its models' weights, to compare with their quality."""

from dataclasses import dataclass

from medalign.core.weights import INDEX_ENDING, n_bytes
from medalign.models.low_rank import FACTORS, read_updates, updates_folder
from medalign.models.student import ENCODER_FILE
from medalign.models.student_config import HEAD_FILE
from medalign.models.transcription import ASR_FILES
from medalign.pipeline.analyzer import Analyzer

TEACHER_FILES = ("model.safetensors", "pytorch_model.bin", f"model{INDEX_ENDING}")


@dataclass(frozen=True)
class Footprint:
    """Bytes of weight files, as they are stored. In memory it is more or less by the precision that a model runs in."""

    asr: int
    teacher: int
    student: int  # its encoder, and what was trained

    @property
    def total(self) -> int:
        """Each model holds its own weights: the encoder counts even where it is the recogniser's own file."""
        return self.asr + self.teacher + self.student


def footprint(analyzer: Analyzer) -> Footprint:
    """Sizes of the files that the three models were read from; nothing is loaded.

    Raises:
        WeightsError: a file has gone since.
    """
    student = analyzer.listener.student
    # An unaligned student's head is drawn by lot and lies in no file.
    trained = [student.folder / file for file in (HEAD_FILE, ENCODER_FILE)] if student.folder else []
    return Footprint(
        asr=n_bytes(analyzer.transcriber.info.name, weight_files=ASR_FILES),
        teacher=teacher_bytes(analyzer.listener.teacher.info.name),
        student=n_bytes(student.encoder.name, weight_files=student.encoder.weight_files)
        + sum(file.stat().st_size for file in trained if file.is_file()),
    )


def teacher_bytes(name: str) -> int:
    """Of a teacher's weights; of one that is kept as updates, with those that they change. Errors as `footprint`."""
    folder = updates_folder(name)
    if folder is None:
        return n_bytes(name, weight_files=TEACHER_FILES)
    updates, _ = read_updates(folder)
    return n_bytes(updates.base, weight_files=TEACHER_FILES) + (folder / FACTORS).stat().st_size
