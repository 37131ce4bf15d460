"""What the page shows of heart, lung and cough recordings, side by side."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.core.audio import Recording
from medalign.report.sound_picture import sound_picture
from medalign.ui.files import address
from medalign.ui.views.markup import Markup, macros

if TYPE_CHECKING:  # importing it would load the models' libraries before the page is up
    from medalign.pipeline.auscultation import BodySound
    from medalign.pipeline.sound_listener import Heard, Trust

_macros = macros("body_sound")


def intro(takes_recordings: bool) -> Markup:
    return _macros.intro(takes_recordings)


def sound_card(
    found: "BodySound",
    heard: "Heard | None",
    recording: Recording,
    sound: Path,
    band_hz: tuple[float, float],
    made: str,
) -> Markup:
    """
    Args:
        heard: what a student hears in it; None where none was asked.
        sound: the file that is played.
        made: of an example, made by arithmetic, what it has of its own and where; else empty.
    """
    picture = sound_picture(recording.waveform, band_hz)
    if found.pulse is not None:
        picture["beats"] = found.pulse.beats_s
    if heard is not None and heard.fits and heard.fits[-1].percentile is not None:
        picture["fit"] = [[start, end, percentile] for start, end, percentile in heard.fits[-1].windows]
    return _macros.card(found, heard, json.dumps(picture), address(sound), made)


def cards(shown: list[Markup], trust: "Trust | None") -> Markup:
    return _macros.cards(shown, trust)
