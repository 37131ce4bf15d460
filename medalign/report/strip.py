"""The recording on one axis, as data for the page's picture: the words above it, what the sound says below it.

Concepts that the words have and concepts that the sound has are found independently; where both show the same at the same time,
they bear each other out.
"""

import base64
from collections.abc import Sequence

import numpy as np

from medalign.core.analysis import Analysis, ConceptFinding, Evidence, Measurement
from medalign.core.transcript import UNKNOWN_SPEAKER
from medalign.report.doubt import Doubt
from medalign.report.summary import is_faint, rests_on_suggestion

N_PEAKS = 1000  # columns of the waveform, however long it is
FITS = ("well", "poorly")  # of windows; the places without words are neither


def peaks_of(waveform: np.ndarray) -> bytes:
    """The loudest sample of each of `N_PEAKS` columns, a byte each, on a scale on which quiet speech is still seen.

    Args:
        waveform: (n_samples,) float32.
    """
    edges = np.linspace(0, len(waveform), N_PEAKS + 1).astype(int)[:-1]
    if len(waveform) < N_PEAKS:
        return bytes(N_PEAKS)
    loudest = np.maximum.reduceat(np.abs(waveform), edges)
    return np.clip(255 * np.sqrt(loudest / max(float(loudest.max()), 0.05)), 0, 255).astype(np.uint8).tobytes()


def strip_data(peaks: bytes, duration_s: float, analysis: Analysis | None, doubts: Sequence[Doubt]) -> dict:
    """Small enough to stand in the page: times in tenths of a second, no word of the transcript but names of concepts.

    Args:
        analysis: None while it is not finished; then there is only the waveform.
        doubts: in the order of the list, which numbers them.
    """
    data = {"s": round(duration_s, 2), "peaks": base64.b64encode(peaks).decode()}
    if analysis is None:
        return data
    shown = [concept for concept in analysis.concepts if not is_faint(concept)]
    return data | {
        "voices": _voices(analysis),
        "said": [mark for concept in shown for mark in _said(concept, analysis.measurements)],
        "heard": _heard(shown),
        "fit": [[_t(w.start_s), _t(w.end_s), _fit(w.percentile, w.is_mismatch)] for w in analysis.alignment.windows],
        "ear": [[_t(p.start_s), _t(p.end_s), n, d.reason] for n, d in enumerate(doubts, start=1) for p in d.places],
        "events": [[_t(e.start_s), _t(e.end_s), e.label] for e in analysis.sound_events],
    }


def _t(seconds: float) -> float:
    return round(seconds, 1)


def _voices(analysis: Analysis) -> list[list]:
    """Who speaks when: start, end, and which speaker, counted in the order in which they begin; -1 is nobody known."""
    segments = analysis.transcript.segments
    speakers = list(dict.fromkeys(segment.speaker for segment in segments if segment.speaker != UNKNOWN_SPEAKER))
    number = {speaker: i for i, speaker in enumerate(speakers)} | {UNKNOWN_SPEAKER: -1}
    return [[_t(segment.start_s), _t(segment.end_s), number[segment.speaker], segment.speaker] for segment in segments]


def _said(concept: ConceptFinding, measurements: Sequence[Measurement]) -> list[list]:
    """Mentions: start, end, name, status, whether the sound has the concept, too, and whether the name is only suggested for
    words that were misheard.

    What was measured is there by its value, if nobody names it: "39 °C" and not "body temperature" beside "fever".
    """

    def name(e: Evidence) -> str:
        is_number = concept.category == "measurement" and not any(character.isalpha() for character in e.text or "")
        values = (m.amount for m in measurements if is_number and m.start_s < e.end_s and m.end_s > e.start_s)
        return next(values, concept.label)

    return [
        [
            _t(e.start_s), _t(e.end_s), name(e), concept.status or "", int(concept.agreement == "both"),
            int(rests_on_suggestion(e)),
        ]
        for e in concept.text_evidence
    ]  # fmt: skip


def _heard(concepts: Sequence[ConceptFinding]) -> list[list]:
    """Where the sound has a concept, stretches that overlap as one: start, end, name, whether the words have it, too, and the
    status that these give it there.

    The sound does not tell a status, so all rows of a concept are one here. Of several statuses in one stretch one is shown:
    present before any other, and denied only where nothing else is said.
    """
    places: dict[str, list[Evidence]] = {}
    said_as: dict[str, list[tuple[Evidence, str]]] = {}
    for concept in concepts:
        said_as.setdefault(concept.label, []).extend((e, concept.status or "") for e in concept.text_evidence)
        if concept.agreement != "teacher_only":
            places.setdefault(concept.label, []).extend(concept.audio_evidence)
    said = {concept.label for concept in concepts if concept.agreement == "both"}

    def status(name: str, e: Evidence) -> str:
        here = [status for place, status in said_as[name] if place.start_s < e.end_s and place.words_end_s > e.start_s]
        return min(here, key=lambda status: (status == "negated", status != "present"), default="")

    return [
        [_t(e.start_s), _t(e.end_s), name, int(name in said), status(name, e)] for name in places for e in _joined(places[name])
    ]


def _joined(places: Sequence[Evidence]) -> list[Evidence]:
    stretches: list[Evidence] = []
    for e in sorted(places, key=lambda e: e.start_s):
        if stretches and e.start_s <= stretches[-1].end_s:
            stretches[-1] = Evidence(stretches[-1].start_s, max(e.end_s, stretches[-1].end_s))
        else:
            stretches.append(e)
    return stretches


def _fit(percentile: float | None, is_mismatch: bool) -> int:
    """How well the words fit the sound of a window: 3 well, 1 or 2 less, 0 not, -1 no words there."""
    if is_mismatch:
        return 0
    if percentile is None:
        return -1
    return 3 if percentile >= 99 else 2 if percentile >= 90 else 1
