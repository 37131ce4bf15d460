"""The browser's own audio player, over the decoded recording: what is heard is what was analysed, second for second.

Not gr.Audio: its native player brings a label, a toolbar and its own idea of the position, and it takes the file the
user gave, whose seconds need not be ours.
"""

from urllib.parse import quote

import gradio as gr
import numpy as np
from gradio import processing_utils

from medalign.audio import SAMPLE_RATE_HZ


def player(place: gr.HTML, waveform: np.ndarray) -> str:
    """Put the recording into Gradio's temporary folder, to be deleted with the uploads, and show it in `place`."""
    pcm = (np.clip(waveform, -1.0, 1.0) * 32767).astype(np.int16)  # 16 bit: every browser plays it
    path = processing_utils.save_audio_to_cache(pcm, SAMPLE_RATE_HZ, "wav", place.GRADIO_CACHE)
    place.temp_files.add(path)  # what `delete_cache` looks through
    # Relative, so that it also holds behind a proxy that serves the page under a path.
    return f'<audio controls preload="metadata" aria-label="Recording" src="gradio_api/file={quote(path)}"></audio>'
