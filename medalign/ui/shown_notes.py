"""The notes that one reader has before them, and what they judged of them; in their own `gr.State`, never in the store."""

from dataclasses import dataclass, field

from medalign.core.analysis import Analysis
from medalign.core.errors import MedAlignError
from medalign.core.note_check import NoteCheck, NoteStatement


@dataclass(eq=False)  # Gradio hashes states: by identity
class ShownNotes:
    """One checked note, or two, in the order in which they stand there."""

    analysis: Analysis
    is_example: bool
    checks: tuple[NoteCheck, ...]
    receipt: str | None = None  # of what was judged, under this analysis
    keeps_words: bool = False  # as the receipt has it
    _subjects: dict[str, str] = field(default_factory=dict)  # statement -> its number; the store has the number only

    @classmethod
    def of(
        cls, analysis: Analysis, checks: tuple[NoteCheck, ...], before: "ShownNotes | None", *, is_example: bool
    ) -> "ShownNotes":
        """
        Args:
            before: what stood there; of the same analysis, its receipt goes on.
        """
        if before is None or before.analysis is not analysis:
            return cls(analysis, is_example, checks)
        return cls(analysis, is_example, checks, before.receipt, before.keeps_words, before._subjects)

    def statement(self, note: int, index: int) -> NoteStatement:
        """Raises MedAlignError if there is none."""
        if not (0 <= note < len(self.checks) and 0 <= index < len(self.checks[note].statements)):
            raise MedAlignError("the page sent a statement that is not there; check the note again")
        return self.checks[note].statements[index]

    def subject(self, statement: NoteStatement) -> str:
        """The number under which it is judged."""
        return self._subjects.setdefault(" ".join(statement.text.lower().split()), str(len(self._subjects) + 1))

    def pressed(self, judged: dict[str, bool]) -> dict[str, str]:
        """For note.js: "note index" -> which button is pressed.

        Args:
            judged: by subject, whether the verdict is right.
        """
        return {
            f"{note} {index}": "yes" if judged[subject] else "no"
            for note, check in enumerate(self.checks)
            for index, statement in enumerate(check.statements)
            if (subject := self.subject(statement)) in judged
        }
