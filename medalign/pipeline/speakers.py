"""Who says what: two voices told apart, and which of them is the doctor, both as a guess.

A stereo recording with a voice on each channel needs no guess about voices. Otherwise each sentence gets a voice vector,
and the vectors are parted into two groups, if they are two: one voice alone stays "unknown", and so does a sentence that
is too short or lies between the groups. Roles come from the words: doctors ask, patients tell.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalign.core.audio import POWER_FRAMES_PER_S, Recording
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER, Transcript, Word
from medalign.models.voice_encoder import VoiceEncoder

SPEAKERS = ("speaker 1", "speaker 2")
GAP_S = 0.35  # a pause this long may change the speaker
MIN_VOICE_S = 0.6  # shorter pieces tell no voice
ANCHOR_S = 1.2  # pieces from here on decide what the two voices are
MIN_ANCHORS = 4
SAME_VOICE = 0.78  # cosine of the groups' means: from here on it is one voice
MARGIN = 0.04  # cosine to one voice over the other below which a piece stays unknown
CHANNEL_DB = 6.0  # one channel this much louder than the other: that channel's speaker
N_ROUNDS = 20
_QUESTION_OPENERS = re.compile(
    r"^(?:(?:and|so|okay|ok|right|um|uh|well) )*"
    r"(?:do|does|did|have|has|are|is|were|was|any|what|when|where|how|which|who|why|can you|could you|would you|tell me)\b"
)
_DOCTOR = re.compile(
    r"\b(?:you|your|you're|you've|prescribe|prescription|let me|let's|we'll|we can|i'm going to|i'd like to|i'd suggest|"
    r"recommend|have a listen|take a look|how can i help|date of birth|any other)\b"
)
_PATIENT = re.compile(r"\b(?:i|i've|i'm|i had|i have|my|me|yeah|yes|no|doctor)\b")
ROLE_MARGIN = 0.15  # difference of the two speakers' scores below which no role is given


@dataclass(frozen=True)
class _Piece:
    """A sentence, or what lies between two pauses: said by one person."""

    segment: int
    first: int  # words [first, last) of the segment
    last: int
    start_s: float
    end_s: float


def name_speakers(transcript: Transcript, recording: Recording) -> Transcript:
    """The same words, cut where the voice changes, each segment with its speaker.

    Speakers are "doctor" and "patient" where the words tell, "speaker 1" and "speaker 2" where they don't, and "unknown".
    A transcript of one voice comes back as it is.
    """
    pieces = _pieces(transcript)
    if not pieces:
        return transcript
    if recording.channel_power is not None:
        voices = _by_channel(pieces, recording.channel_power)
    else:
        voices = _by_voice(pieces, recording.levelled)
    if len(set(voices.tolist()) - {-1}) < 2:
        return transcript
    return _cut(transcript, pieces, voices, _roles(transcript, pieces, voices))


def _pieces(transcript: Transcript) -> list[_Piece]:
    pieces = []
    for index, segment in enumerate(transcript.segments):
        first = 0
        for i, word in enumerate(segment.words):
            following = segment.words[i + 1] if i + 1 < len(segment.words) else None
            ends = following is None or word.text.endswith((".", "?", "!")) or following.start_s - word.end_s >= GAP_S
            if ends:
                pieces.append(_Piece(index, first, i + 1, segment.words[first].start_s, word.end_s))
                first = i + 1
    return pieces


def _by_channel(pieces: Sequence[_Piece], channel_power: np.ndarray) -> np.ndarray:
    """Which channel is the louder one in each piece, -1 where neither is by much; (n,)."""
    voices = []
    for piece in pieces:
        first = int(piece.start_s * POWER_FRAMES_PER_S)
        power = channel_power[:, first : max(first + 1, int(piece.end_s * POWER_FRAMES_PER_S))]
        left, right = power.mean(1) + 1e-10 if power.size else (1.0, 1.0)
        level_db = 10 * np.log10(left / right)
        voices.append(-1 if abs(level_db) < CHANNEL_DB else int(level_db < 0))
    return np.array(voices)


def _by_voice(pieces: Sequence[_Piece], waveform: np.ndarray) -> np.ndarray:
    """Which of two voices says each piece, -1 where it can't be told; all -1 if there is one voice only; (n,)."""
    durations_s = np.array([piece.end_s - piece.start_s for piece in pieces])
    voices = np.full(len(pieces), -1)
    audible = np.flatnonzero(durations_s >= MIN_VOICE_S)
    anchors = np.flatnonzero(durations_s[audible] >= ANCHOR_S)
    if len(anchors) < MIN_ANCHORS:
        return voices
    embeddings = VoiceEncoder.load().embed(waveform, [(pieces[i].start_s, pieces[i].end_s) for i in audible.tolist()])
    means = _two_means(embeddings[anchors], np.minimum(durations_s[audible][anchors], 4.0))
    if means[0] @ means[1] >= SAME_VOICE:
        return voices
    cosines = embeddings @ means.T
    voices[audible] = np.where(np.abs(cosines[:, 0] - cosines[:, 1]) >= MARGIN, cosines.argmax(1), -1)
    return voices


def _two_means(embeddings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spherical k-means with two groups, (2, d), begun from the two pieces that are least alike among well-supported ones."""
    similarity = embeddings @ embeddings.T
    # An outlier, a laugh or two voices at once, is unlike everything; a voice has others like it.
    support = np.sort(similarity, 1)[:, -min(4, len(similarity)) : -1].mean(1)
    kept = np.flatnonzero(support >= np.median(support) - 0.05)
    i, j = np.unravel_index(similarity[np.ix_(kept, kept)].argmin(), (len(kept), len(kept)))
    means = embeddings[[kept[i], kept[j]]]
    for _ in range(N_ROUNDS):
        nearest = (embeddings @ means.T).argmax(1)
        if len(set(nearest.tolist())) < 2:
            break
        means = np.stack([(embeddings * weights[:, None])[nearest == k].sum(0) for k in (0, 1)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means


def _roles(transcript: Transcript, pieces: Sequence[_Piece], voices: np.ndarray) -> tuple[str, str]:
    """The names of voice 0 and voice 1; roles if what they say differs enough, else numbers by first appearance."""
    scores = [_doctor_score([_text(transcript, p) for p, v in zip(pieces, voices, strict=True) if v == k]) for k in (0, 1)]
    if abs(scores[0] - scores[1]) >= ROLE_MARGIN:
        return (DOCTOR, PATIENT) if scores[0] > scores[1] else (PATIENT, DOCTOR)
    return SPEAKERS if next(v for v in voices if v >= 0) == 0 else SPEAKERS[::-1]


def _doctor_score(sentences: Sequence[str]) -> float:
    """Higher for who asks and says "you", lower for who tells and says "I"; about -1 to 1."""
    lowered = [sentence.lower().replace("’", "'") for sentence in sentences]
    asked = np.mean([s.rstrip().endswith("?") or bool(_QUESTION_OPENERS.match(s)) for s in lowered]) if lowered else 0.0
    to_you, of_me = sum(len(_DOCTOR.findall(s)) for s in lowered), sum(len(_PATIENT.findall(s)) for s in lowered)
    return float(asked + (to_you - of_me) / max(1, to_you + of_me))


def _text(transcript: Transcript, piece: _Piece) -> str:
    return " ".join(word.text for word in transcript.segments[piece.segment].words[piece.first : piece.last])


def _cut(transcript: Transcript, pieces: Sequence[_Piece], voices: np.ndarray, names: tuple[str, str]) -> Transcript:
    segments = []
    for index, segment in enumerate(transcript.segments):
        runs: list[tuple[str, list[Word]]] = []
        for piece, voice in zip(pieces, voices, strict=True):
            if piece.segment != index:
                continue
            name = UNKNOWN_SPEAKER if voice < 0 else names[voice]
            if runs and runs[-1][0] == name:
                runs[-1][1].extend(segment.words[piece.first : piece.last])
            else:
                runs.append((name, list(segment.words[piece.first : piece.last])))
        for name, words in runs:
            text = " ".join(word.text for word in words)
            end_s = max(w.end_s for w in words)
            # What the recogniser thought of the whole segment holds for each of its parts.
            segments.append(
                replace(segment, start_s=words[0].start_s, end_s=end_s, text=text, words=tuple(words), speaker=name)
            )
    return replace(transcript, segments=tuple(segments))
