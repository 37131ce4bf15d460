"""Who says what: two voices told apart, and which of them is the doctor, both as a guess.

A stereo recording with a voice on each channel needs no guess about voices. Otherwise each sentence gets a voice vector,
and the vectors are parted into two groups, if they are two: one voice alone stays "unknown". Roles come from the words:
doctors ask, patients tell. Then voice, words and turns speak together, since a short "yes" tells little by its sound: a
question is followed by the other speaker, and what stays doubtful all the same is "unknown".
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
MIN_VOICE_S = 0.6  # shorter pieces are heard with the pauses beside them: times of short words are not exact
WIDER_S = 0.3  # at most so much of a pause
ANCHOR_S = 1.2  # pieces from here on decide what the two voices are
MIN_ANCHORS = 4
# Cosine of the groups' means: from here on it is one voice. One reader alone (LibriSpeech test-other, HiFiTTS: 11) has at
# least 0.82, clean and at 5 dB; of 45 pairs of readers all are below when clean, 0.91 at 5 dB.
SAME_VOICE = 0.80
MIN_SPREAD = 1 / 6  # of the distance between two voices: less would make a few pieces too sure
MAX_VOICE_LOG_ODDS = 6.0
BLUR_S = 0.4  # a piece as long as this is twice as uncertain, in variance
MIN_LOG_ODDS = 0.4  # a probability of 0.6: below, a piece stays unknown
CHANNEL_DB = 6.0  # one channel this much louder than the other: that channel's speaker
N_ROUNDS = 20
N_AXES = 3  # of the greatest spread: each side of one is a beginning
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
# Logistic regression on the 13,800 sentences of the training dialogues, log odds of the doctor: 0.78 of them right.
ASKS, OPENS, TO_YOU, OF_ME = 1.3, 0.3, 1.5, -1.2
# Log odds that the next piece is the other's, from the same sentences: 0.75 after a question, 0.43 after another sentence.
CHANGE_AFTER_QUESTION, CHANGE_AFTER_SENTENCE, CHANGE_INSIDE = 1.1, -0.26, -0.8


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
        names = _roles(transcript, pieces, voices)
    else:
        by_voice = _by_voice(pieces, recording.levelled)
        if by_voice is None:
            return transcript
        names = _roles(transcript, pieces, np.where(abs(by_voice) < MIN_LOG_ODDS, -1, by_voice > 0))
        log_odds = _posterior(by_voice + _by_words(transcript, pieces, names), _changes(transcript, pieces))
        voices = np.where(abs(log_odds) < MIN_LOG_ODDS, -1, log_odds > 0)
    if len(set(voices.tolist()) - {-1}) < 2:
        return transcript
    return _cut(transcript, pieces, voices, names)


def _pieces(transcript: Transcript) -> list[_Piece]:
    pieces = []
    for index, segment in enumerate(transcript.segments):
        first = 0
        for i, word in enumerate(segment.words):
            following = segment.words[i + 1] if i + 1 < len(segment.words) else None
            if following is None or word.text.endswith((".", "?", "!")) or following.start_s - word.end_s >= GAP_S:
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


def _by_voice(pieces: Sequence[_Piece], waveform: np.ndarray) -> np.ndarray | None:
    """Log odds that the second of two voices says each piece, (n,); None if there is one voice only."""
    durations_s = np.array([piece.end_s - piece.start_s for piece in pieces])
    anchors = np.flatnonzero(durations_s >= ANCHOR_S)
    if len(anchors) < MIN_ANCHORS:
        return None
    embeddings = VoiceEncoder.load().embed(waveform, _stretches(pieces))
    means = _two_means(embeddings[anchors], np.minimum(durations_s[anchors], 4.0))
    if means[0] @ means[1] >= SAME_VOICE:
        return None
    nearer = embeddings @ (means[1] - means[0])
    is_second = nearer[anchors] > 0
    if is_second.all() or not is_second.any():
        return None
    first, second = nearer[anchors][~is_second], nearer[anchors][is_second]
    distance = second.mean() - first.mean()
    spread = np.concatenate([first - first.mean(), second - second.mean()]).std()
    variance = max(spread, MIN_SPREAD * distance) ** 2 * (1 + BLUR_S / np.maximum(durations_s, 0.1))
    log_odds = (nearer - (first.mean() + second.mean()) / 2) * distance / variance
    return np.clip(log_odds, -MAX_VOICE_LOG_ODDS, MAX_VOICE_LOG_ODDS)


def _stretches(pieces: Sequence[_Piece]) -> list[tuple[float, float]]:
    """Where each piece is heard: a short one with some of the pauses beside it."""
    ends_s = [0.0, *(piece.end_s for piece in pieces)]
    starts_s = [*(piece.start_s for piece in pieces), float("inf")]
    stretches = []
    for i, piece in enumerate(pieces):
        start_s, end_s = piece.start_s, piece.end_s
        if end_s - start_s < MIN_VOICE_S:
            start_s = min(start_s, max(ends_s[i], start_s - WIDER_S))
            end_s = max(end_s, min(starts_s[i + 1], end_s + WIDER_S))
        stretches.append((start_s, end_s))
    return stretches


def _by_words(transcript: Transcript, pieces: Sequence[_Piece], names: tuple[str, str]) -> np.ndarray:
    """Log odds by what is said that the second of the two, so named, says each piece; zeros where neither has a role."""
    if DOCTOR not in names:
        return np.zeros(len(pieces))
    log_odds = []
    for piece in pieces:
        asks, opens, to_you, of_me = _cues(_text(transcript, piece))
        log_odds.append(ASKS * asks + OPENS * opens + TO_YOU * min(2, to_you) + OF_ME * min(2, of_me))
    return np.array(log_odds) * (1 if names[1] == DOCTOR else -1)


def _changes(transcript: Transcript, pieces: Sequence[_Piece]) -> np.ndarray:
    """Log odds that the speaker changes between each piece and the next, (n - 1,)."""
    last = [transcript.segments[piece.segment].words[piece.last - 1].text[-1:] for piece in pieces[:-1]]
    after = {"?": CHANGE_AFTER_QUESTION, ".": CHANGE_AFTER_SENTENCE, "!": CHANGE_AFTER_SENTENCE}
    return np.array([after.get(mark, CHANGE_INSIDE) for mark in last])


def _posterior(log_odds: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Log odds of each piece given all of them, by the forward-backward algorithm of a chain with two states, (n,)."""

    def passed(evidence: np.ndarray, between: np.ndarray) -> np.ndarray:
        """What the pieces before say of each piece."""
        message = np.zeros(len(evidence))
        for i, change in enumerate(between):
            known = evidence[i] + message[i]
            message[i + 1] = np.logaddexp(known, change) - np.logaddexp(known + change, 0.0)
        return message

    return log_odds + passed(log_odds, changes) + passed(log_odds[::-1], changes[::-1])[::-1]


def _two_means(embeddings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spherical k-means with two groups, (2, d): the tightest groups of several beginnings, since an outlier misleads one."""
    from_mean = (embeddings - np.average(embeddings, axis=0, weights=weights)) * np.sqrt(weights)[:, None]
    sides = [embeddings @ axis for axis in np.linalg.svd(from_mean, full_matrices=False)[2][:N_AXES]]
    beginnings = [
        _unit(np.stack([embeddings[~above].mean(0), embeddings[above].mean(0)]))
        for above in (side > np.average(side, weights=weights) for side in sides)
        if above.any() and not above.all()
    ]
    found = [_settled(embeddings, weights, means) for means in (_least_alike(embeddings), *beginnings)]
    return max(found, key=lambda means: float(weights @ (embeddings @ means.T).max(1)))


def _least_alike(embeddings: np.ndarray) -> np.ndarray:
    """The two pieces that are least alike among well-supported ones, (2, d)."""
    similarity = embeddings @ embeddings.T
    # An outlier, a laugh or two voices at once, is unlike everything; a voice has others like it.
    support = np.sort(similarity, 1)[:, -min(4, len(similarity)) : -1].mean(1)
    kept = np.flatnonzero(support >= np.median(support) - 0.05)
    i, j = np.unravel_index(similarity[np.ix_(kept, kept)].argmin(), (len(kept), len(kept)))
    return embeddings[[kept[i], kept[j]]]


def _settled(embeddings: np.ndarray, weights: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Where the two means come to rest."""
    for _ in range(N_ROUNDS):
        nearest = (embeddings @ means.T).argmax(1)
        if len(set(nearest.tolist())) < 2:
            break
        means = _unit(np.stack([(embeddings * weights[:, None])[nearest == k].sum(0) for k in (0, 1)]))
    return means


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _roles(transcript: Transcript, pieces: Sequence[_Piece], voices: np.ndarray) -> tuple[str, str]:
    """The names of voice 0 and voice 1; roles if what they say differs enough, else numbers by first appearance."""
    scores = [_doctor_score([_text(transcript, p) for p, v in zip(pieces, voices, strict=True) if v == k]) for k in (0, 1)]
    if abs(scores[0] - scores[1]) >= ROLE_MARGIN:
        return (DOCTOR, PATIENT) if scores[0] > scores[1] else (PATIENT, DOCTOR)
    return SPEAKERS if next(v for v in voices if v >= 0) == 0 else SPEAKERS[::-1]


def _doctor_score(sentences: Sequence[str]) -> float:
    """Higher for who asks and says "you", lower for who tells and says "I"; about -1 to 1."""
    cues = np.array([_cues(sentence) for sentence in sentences]).reshape(-1, 4)
    asked = (cues[:, 0] + cues[:, 1] > 0).mean() if len(cues) else 0.0
    to_you, of_me = cues[:, 2].sum(), cues[:, 3].sum()
    return float(asked + (to_you - of_me) / max(1, to_you + of_me))


def _cues(sentence: str) -> tuple[int, int, int, int]:
    """Whether it ends and whether it begins as a question, and how often it speaks to you and of me."""
    text = sentence.lower().replace("’", "'")
    asks, opens = text.rstrip().endswith("?"), bool(_QUESTION_OPENERS.match(text))
    return asks, opens, len(_DOCTOR.findall(text)), len(_PATIENT.findall(text))


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
            end_s = max(w.end_s for w in words)
            # What the recogniser thought of the whole segment holds for each of its parts.
            segments.append(segment.with_words(words, start_s=words[0].start_s, end_s=end_s, speaker=name))
    return replace(transcript, segments=tuple(segments))
