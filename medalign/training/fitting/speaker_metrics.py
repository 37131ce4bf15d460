"""Who said what: the speakers of transcripts against spoken takes, whose speakers are known."""

from collections import Counter
from collections.abc import Sequence

from medalign.core.errors import DataError
from medalign.core.transcript import Transcript
from medalign.evaluation.bootstrap import share
from medalign.evaluation.speaker_errors import ROLES, Outcome, word_outcomes
from medalign.training.data.synthesis import Take, timed_transcript


def measure_speakers(heard: Sequence[tuple[Take, Transcript]]) -> dict:
    """Shares with 95 % intervals over takes, all in all and of each take.

    Args:
        heard: takes and their transcripts, speakers named.

    Raises:
        DataError: a take has one voice for both roles.
    """
    words: list[tuple[str, Outcome]] = []
    segments: list[tuple[str, bool]] = []
    takes = {}
    for take, transcript in heard:
        if len(take.voices) > 1 and len(set(take.voices.values())) == 1:
            raise DataError(f"{take.audio_path} has one voice for doctor and patient; speak it anew with two")
        found = word_outcomes(timed_transcript(take.utterances), transcript)
        unknown = [segment.speaker not in ROLES for segment in transcript.segments]
        words += [(take.audio_path.stem, outcome) for outcome in found]
        segments += [(take.audio_path.stem, is_unknown) for is_unknown in unknown]
        counts = Counter(found)
        takes[take.consultation_id] = {
            "voices": take.voices,
            "n_words": len(found),
            "role_right": counts["right"] / max(1, len(found)),
            "role_wrong": counts["wrong"] / max(1, len(found)),
            "n_segments": len(unknown),
            "segments_unknown": sum(unknown) / max(1, len(unknown)),
        }
    return {
        "n_takes": len(takes),
        "n_words": len(words),
        "role_right": share([outcome == "right" for _, outcome in words], [name for name, _ in words]),
        "role_wrong": share([outcome == "wrong" for _, outcome in words], [name for name, _ in words]),
        "n_segments": len(segments),
        "segments_unknown": share([is_unknown for _, is_unknown in segments], [name for name, _ in segments]),
        "takes": takes,
    }
