"""One recording as two models hear it, analysed beforehand: the shipped student, and its encoder before the alignment."""

from dataclasses import dataclass
from pathlib import Path

from medalign.core.analysis import Analysis
from medalign.core.transcript import UNKNOWN_SPEAKER
from medalign.core.wording import as_name
from medalign.report.ear import doubts
from medalign.report.strip import strip_data
from medalign.ui.files import address
from medalign.ui.views.compare_view import side_by_side
from medalign.ui.views.markup import Markup, macros


@dataclass(frozen=True)
class Pair:
    """Two results of an example."""

    title: str  # of the example
    audio_path: Path
    peaks: bytes  # as `peaks_of` gives them
    aligned: Analysis
    unaligned: Analysis


@dataclass(frozen=True)
class Counts:
    """What of a result tells how well sound and words belong together."""

    n_heard: int  # of the concepts in the words, those that the sound has, too
    n_read: int
    n_to_check: int  # places to hear again

    @classmethod
    def of(cls, analysis: Analysis) -> "Counts":
        read = [concept.agreement for concept in analysis.concepts if concept.agreement != "student_only"]
        return cls(read.count("both"), len(read), len(doubts(analysis)))


def pair_heading(pair: Pair) -> Markup:
    """What the alignment adds, in one sentence."""
    return macros("comparison").pair_heading(pair.title, pair.aligned.recording.duration_s, _sides(pair))


def pair_sound(path: Path | None = None) -> Markup:
    """The player of a file that the browser may fetch; without one, a button that asks for it."""
    return macros("comparison").pair_sound(address(path) if path else None)


def pair_view(pair: Pair) -> Markup:
    """The same picture twice, and all concepts side by side."""
    speakers = dict.fromkeys(segment.speaker for segment in pair.aligned.transcript.segments)
    voices = [as_name(speaker) for speaker in speakers if speaker != UNKNOWN_SPEAKER]
    rows = side_by_side({"a": pair.aligned, "b": pair.unaligned})
    return macros("comparison").pair(_sides(pair), voices, rows)


def _sides(pair: Pair) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "what": what,
            "counts": Counts.of(analysis),
            "data": strip_data(pair.peaks, analysis.recording.duration_s, analysis, doubts(analysis)),
        }
        for name, what, analysis in (
            ("Aligned", "the model that this page uses", pair.aligned),
            ("Not aligned", "the same sound encoder, before it learnt from the language model", pair.unaligned),
        )
    ]
