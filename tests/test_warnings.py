"""A reader is told what makes a recording's result less certain."""

import numpy as np
import pytest

from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.transcript import Segment, Transcript, Word
from medalign.pipeline.warnings_about import warnings_about

SAID = Transcript((Segment(0.0, 1.0, "My chest hurts.", (Word(0.0, 1.0, "hurts.", 0.9),)),), "en")
USUAL = np.full(SAMPLE_RATE_HZ, 0.1, np.float32)


@pytest.mark.parametrize(
    ("waveform", "facts", "says"),
    [
        (USUAL, {}, None),
        (USUAL, {"clipped_share": 0.002}, None),
        (USUAL, {"clipped_share": 0.31}, "overdriven: 31%"),
        (USUAL / 50, {}, "very quiet"),
        (USUAL, {"is_inverted": True}, "opposite signs"),
        (USUAL, {"channel_power": np.ones((2, 100))}, "each channel was taken for one speaker"),
    ],
)
def test_what_is_wrong_with_a_recording_is_told(waveform, facts, says):
    told = warnings_about(Recording("a.wav", waveform, SAMPLE_RATE_HZ, 1, **facts), SAID)
    assert (not told) if says is None else (len(told) == 1 and says in told[0])
