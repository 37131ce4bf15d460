"""One recording as two models hear it, analysed beforehand: the shipped student, and its encoder before the alignment."""

from dataclasses import dataclass
from pathlib import Path

from medalign.core.analysis import Analysis
from medalign.core.transcript import UNKNOWN_SPEAKER
from medalign.core.wording import as_name
from medalign.report.summary import is_suggested
from medalign.ui.files import address
from medalign.ui.views.compare_view import Counts, side_by_side, strip_of
from medalign.ui.views.markup import Markup, macros


@dataclass(frozen=True)
class Pair:
    """Two results of an example."""

    title: str  # of the example
    audio_path: Path
    peaks: bytes  # as `peaks_of` gives them
    aligned: Analysis
    unaligned: Analysis


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
    read = {c.label for c in pair.unaligned.concepts if c.text_evidence}
    unread = [c for c in pair.aligned.concepts if is_suggested(c) and c.label not in read]
    return macros("comparison").pair(_sides(pair), voices, rows, unread)


def _sides(pair: Pair) -> list[dict[str, object]]:
    both = (pair.aligned, pair.unaligned)
    described = (
        ("Trained ear", "the model that this page uses (aligned)"),
        ("Untrained", "the same ear before it learnt from the words (not aligned)"),
    )
    return [
        {
            "name": name,
            "what": what,
            "counts": Counts.of(analysis),
            "data": strip_of(pair.peaks, analysis),
        }
        for (name, what), analysis in zip(described, both, strict=True)
    ]
