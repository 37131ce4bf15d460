"""What a reader has to know of a recording before they rely on its result."""

from collections.abc import Iterator, Sequence

import numpy as np

from medalign.concepts.language import UNDETERMINED, is_english
from medalign.core.analysis import SoundEvent
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.transcript import Transcript
from medalign.core.wording import clock_range, count
from medalign.pipeline.heard_language import Stretches
from medalign.pipeline.invented_words import InventedWords
from medalign.pipeline.repetitions import Repetition

ROOM_HZ = 1000
ROOM_SHARE = 1e-3  # of the power above that, at least: speech and coughs have a hundred times as much
MAX_FRAMES = 2000  # that are looked at, however long the recording is
OVERDRIVEN = 0.01  # of the samples at full scale: speech 10 dB too loud, in any format


def warnings_about(
    recording: Recording,
    transcript: Transcript,
    repetitions: Sequence[Repetition] = (),
    invented: Sequence[InventedWords] = (),
    other_language: Stretches = (),
    events: Sequence[SoundEvent] = (),
) -> tuple[str, ...]:
    """One sentence or two for each thing that is wrong, in the order in which it matters.

    Args:
        repetitions, invented: what was cut from the transcript.
        other_language: parts of it that are probably not English.
        events: sounds that were heard beside the words.
    """
    warnings = []
    if not transcript.segments:
        warnings.append(f"No speech detected{_heard_instead(recording, events)}")
    if not is_english(transcript):
        named = f" ('{transcript.language}')" if transcript.language not in (None, "en", UNDETERMINED) else ""
        seen = f"This does not seem to be English{named}."
        if transcript.language == UNDETERMINED:
            seen = "This does not sound like English: the words that the recogniser wrote don't fit the sound."
        rest = "no concepts are shown, and the words and their fit should not be relied on."
        warnings.append(f"{seen} MedAlign knows English only: {rest}")
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


def _heard_instead(recording: Recording, events: Sequence[SoundEvent]) -> str:
    if not is_from_a_room(recording):
        return (
            f", and hardly a sound above {ROOM_HZ} Hz, as through a stethoscope. For a heart or a lung see the tab Body "
            "sounds, or `medalign listen`."
        )
    if not events:
        return ". Check the microphone or the file, and record again."
    heard = ", ".join(dict.fromkeys(event.label for event in events))
    return f", but heard: {heard}. For a heart, a lung or a cough by itself see the tab Body sounds, or `medalign listen`."


def is_from_a_room(recording: Recording) -> bool:
    """Whether there is sound as air carries it: through a chest and a stethoscope hardly any comes above `ROOM_HZ`.

    What a detector of coughs and breaths makes of such a recording means nothing: it has learnt from rooms.
    """
    waveform = recording.waveform
    n = 1024
    if len(waveform) < n:
        return True
    starts = np.linspace(0, len(waveform) - n, min(MAX_FRAMES, len(waveform) // n)).astype(int)
    power = np.square(np.abs(np.fft.rfft(waveform[starts[:, None] + np.arange(n)] * np.hanning(n)))).sum(0)
    return bool(power[round(ROOM_HZ * n / SAMPLE_RATE_HZ) :].sum() >= ROOM_SHARE * power.sum())


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
