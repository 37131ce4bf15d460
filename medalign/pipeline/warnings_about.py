"""What a reader has to know of a recording before they rely on its result."""

from collections.abc import Iterator, Sequence

from medalign.concepts.language import UNDETERMINED, is_english
from medalign.core.audio import Recording
from medalign.core.transcript import Transcript
from medalign.core.wording import clock_range, count
from medalign.pipeline.heard_language import Stretches
from medalign.pipeline.invented_words import InventedWords
from medalign.pipeline.repetitions import Repetition

OVERDRIVEN = 0.01  # of the samples at full scale: speech 10 dB too loud, in any format


def warnings_about(
    recording: Recording,
    transcript: Transcript,
    repetitions: Sequence[Repetition] = (),
    invented: Sequence[InventedWords] = (),
    other_language: Stretches = (),
) -> tuple[str, ...]:
    """One sentence or two for each thing that is wrong, in the order in which it matters.

    Args:
        repetitions, invented: what was cut from the transcript.
        other_language: parts of it that are probably not English.
    """
    warnings = []
    if not transcript.segments:
        warnings.append("No speech detected. Check the microphone or the file, and record again.")
    if not is_english(transcript):
        named = f" ('{transcript.language}')" if transcript.language not in (None, "en", UNDETERMINED) else ""
        seen = f"This does not seem to be English{named}."
        if transcript.language == UNDETERMINED:
            seen = "This does not sound like English: the words that the recogniser wrote don't fit the sound."
        warnings.append(
            f"{seen} MedAlign knows English only: no concepts are shown, and the words and their fit should not be relied on."
        )
    if other_language:
        places = ", ".join(clock_range(*stretch) for stretch in other_language)
        warnings.append(
            f"Probably another language than English: {places}. MedAlign knows English only: no concepts are shown from "
            "there, and the words written there should not be relied on."
        )
    if invented:
        places = "; ".join(f"{cut.start_s:.1f} to {cut.end_s:.1f} s, {cut.sound} (“{cut.text}”)" for cut in invented)
        warnings.append(f"No words were taken where a sound is heard that is probably no speech: {places}. Listen there.")
    for cut in repetitions:
        warnings.append(
            f"From {cut.start_s:.1f} to {cut.end_s:.1f} s the recogniser wrote “{cut.phrase}” over and over, faster than "
            f"anybody speaks: {count(cut.n_cut, 'repetition was', 'repetitions were')} left out."
        )
    return (*warnings, *_warnings_of_the_sound(recording))


def _warnings_of_the_sound(recording: Recording) -> Iterator[str]:
    if recording.is_quiet:
        yield (
            "This recording is very quiet. It was made louder before it was listened to; faint words may be missing. Move the "
            "microphone closer, or raise its level."
        )
    if recording.clipped_share >= OVERDRIVEN:
        yield (
            f"This recording is overdriven: {recording.clipped_share:.0%} of it is cut off at full scale; words may be wrong. "
            "Lower the microphone's level."
        )
    if recording.is_inverted:
        yield "The stereo channels hold the same sound with opposite signs and would silence each other; one was turned over."
    if recording.channel_power is not None:
        yield "Stereo: each channel was taken for one speaker; words and concepts come from both mixed together."
