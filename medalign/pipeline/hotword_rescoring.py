"""Hot-word rescoring of the few seconds in question: does the recogniser find a name likelier than what it wrote?

With the likely names as hot words, it scores its own text and the same text with each name in place of the words that may be a
misheard form of it. Decoding again with hot words, tried first, did worse: a beam search seldom takes a hot word, and takes it
over silence, where a comparison with what stands there stays calm.
"""

from collections.abc import Callable, Sequence

import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.transcript import Transcript
from medalign.models.faster_whisper import FRAMES_PER_S
from medalign.models.transcription import Scorer

CHUNK_S, STEP_S = 30.0, 24.0  # so that the few seconds in question lie in one chunk, wherever they are
CONTEXT_S = 2.0  # on either side of the words in question
MARGIN_S = 0.2  # around the outermost words, which are never quite where they are said to be


class HotwordRescorer:
    """One recording and its transcript, rescored where it is asked for; each chunk is encoded once."""

    def __init__(
        self,
        scorer: Scorer,
        recording: Recording,
        transcript: Transcript,
        encoded: Callable[[float], np.ndarray | None] | None = None,
    ):
        """
        Args:
            encoded: what the recogniser's encoder has made already of the chunk that begins at that second; None if it has not.
        """
        self._encoded = encoded
        self.scorer, self.recording, self.words = scorer, recording, transcript.words
        self.asr_revision = scorer.info.revision
        self._chunks: dict[int, np.ndarray] = {}

    def log_likelihood_ratios(self, first: int, last: int, names: Sequence[str]) -> np.ndarray:
        """How much likelier each name is than the words [first, last] that stand there, (n_names,).

        Differences of log-likelihood (natural logarithm) of the words and their surroundings, with the names as hot words.
        Without them, a name that the recogniser never learnt to spell loses to anything.
        """
        words = self.words
        start_s, end_s = words[first].start_s - CONTEXT_S, words[last].end_s + CONTEXT_S
        inside = [i for i, w in enumerate(words) if first <= i <= last or (start_s <= w.start_s and w.end_s <= end_s)]
        sound = self._hidden_states(words[inside[0]].start_s - MARGIN_S, words[inside[-1]].end_s + MARGIN_S)
        before = [words[i].text for i in inside if i < first]
        after = [words[i].text for i in inside if i > last]
        old = [word.text for word in words[first : last + 1]]
        texts = [" ".join([*before, *middle, *after]) for middle in (old, *([name] for name in names))]
        scores = self.scorer.log_likelihoods(sound, texts, ", ".join(names))
        return scores[1:] - scores[0]

    def _hidden_states(self, start_s: float, end_s: float) -> np.ndarray:
        """Of a stretch of the recording, from the chunk whose middle is nearest to it."""
        start_s, end_s = max(0.0, start_s), min(end_s, self.recording.duration_s)
        chunk = max(0, round(((start_s + end_s) / 2 - CHUNK_S / 2) / STEP_S))
        if chunk not in self._chunks:
            begin = round(chunk * STEP_S * SAMPLE_RATE_HZ)
            waveform = self.recording.levelled[begin : begin + round(CHUNK_S * SAMPLE_RATE_HZ)]
            encoded = self._encoded(chunk * STEP_S) if self._encoded is not None else None
            if encoded is None or len(encoded) != round(CHUNK_S * FRAMES_PER_S):
                encoded = self.scorer.encode(waveform)
            self._chunks[chunk] = encoded
        offset_s = chunk * STEP_S
        first, last = round((start_s - offset_s) * FRAMES_PER_S), round((end_s - offset_s) * FRAMES_PER_S)
        return self._chunks[chunk][max(0, first) : last]
