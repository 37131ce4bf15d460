"""Who said what: the speakers of transcripts against spoken takes, whose speakers are known."""

from collections.abc import Sequence

from medalign.core.errors import DataError
from medalign.core.transcript import Transcript
from medalign.evaluation.bootstrap import share
from medalign.evaluation.word_errors import ROLES, Outcome, word_outcomes
from medalign.training.data.synthesis import Take, timed_transcript


def measure_speakers(heard: Sequence[tuple[Take, Transcript]]) -> dict:
    """Shares with 95 % intervals over takes, all in all and of each take.

    Args:
        heard: takes and their transcripts, speakers named.

    Raises:
        DataError: a take has one voice for both roles.
    """
    takes, words, unknown = {}, list[Outcome](), list[bool]()
    of_words, of_segments = list[str](), list[str]()
    for take, transcript in heard:
        if len(take.voices) > 1 and len(set(take.voices.values())) == 1:
            raise DataError(f"{take.audio_path} has one voice for doctor and patient; speak it anew with two")
        found = word_outcomes(timed_transcript(take.utterances), transcript)
        not_named = [segment.speaker not in ROLES for segment in transcript.segments]
        words, of_words = words + found, of_words + [take.audio_path.stem] * len(found)
        unknown, of_segments = unknown + not_named, of_segments + [take.audio_path.stem] * len(not_named)
        takes[take.consultation_id] = {
            "voices": take.voices,
            "n_words": len(found),
            "role_right": found.count("right") / max(1, len(found)),
            "role_wrong": found.count("wrong") / max(1, len(found)),
            "n_segments": len(not_named),
            "segments_unknown": sum(not_named) / max(1, len(not_named)),
        }
    return {
        "n_takes": len(takes),
        "n_words": len(words),
        "role_right": share([outcome == "right" for outcome in words], of_words),
        "role_wrong": share([outcome == "wrong" for outcome in words], of_words),
        "n_segments": len(unknown),
        "segments_unknown": share(unknown, of_segments),
        "takes": takes,
    }
