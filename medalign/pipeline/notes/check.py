"""A note held against a recording, statement by statement: its words, what is read from them, and the sound itself.

Words and sound are weighed apart, then together: a wrong transcript does not silently confirm a wrong note, and what the
recogniser lost can still be borne out by the sound.
"""

from dataclasses import replace

import numpy as np
from scipy.special import logit

from medalign.concepts import transcript_from_text
from medalign.concepts.language import is_english, is_written_in_english
from medalign.concepts.notes import read_note
from medalign.core.analysis import Analysis, Evidence
from medalign.core.errors import DataError
from medalign.core.note_check import ONLY_POSSIBLE, LeftOut, NoteCheck, NoteStatement, Support, Verdict
from medalign.pipeline.boosted_fit import BoostedFit
from medalign.pipeline.evidence import silent
from medalign.pipeline.fitted import NOT_CALIBRATED
from medalign.pipeline.listener import EncodedRecording, Listener
from medalign.pipeline.notes.fits import NoteFits
from medalign.pipeline.notes.held import LEAST, Held, hold_against
from medalign.pipeline.notes.left_out import left_out
from medalign.pipeline.notes.passages import Passages
from medalign.pipeline.notes.said import Said
from medalign.pipeline.notes.words import content

BY_SOUND_ALONE = 0.5  # probability from which on the sound bears out what the words do not: likelier than not
NOTHING = "nothing that was said bears it out"
BY_CHANCE = 0.05  # share of unrelated statements that fit as well, from which on the nearest words tell nothing
UNSAID: dict[str, str] = {  # sections whose statements need not be said aloud
    "examination": "what an examination shows need not be said aloud",
    "results": "what a test showed need not be said aloud",
    "assessment": "an opinion or a diagnosis need not be said aloud",
}
SUPPORTED: dict[Support, str] = {
    "both": "the words say so, and the sound bears them out",
    "words": "the words say so",
    "sound": "the sound fits, the words of the transcript do not: listen",
}
NO_SOUND = "The sound was not listened to: only the words of the transcript were compared."
NO_SPEECH = "Nothing is said in this recording, so nothing of the note can be checked."
NOT_ENGLISH = "The recording is not in English, so its words were not read; see what the sound bears out with care."


def both_features(words: np.ndarray, held: Held) -> np.ndarray:
    """(n, k) as `fits.BOTH` names them.

    Args:
        words: (n,) probabilities by the words.
    """
    odds = logit(np.clip(words, LEAST, 1 - LEAST))
    anywhere = np.array([comparison.value("words anywhere") for comparison in held.comparisons])
    return np.column_stack([odds, held.sound_features()[:, 0] * (1 - anywhere) * held.preferred])


def check_note(listener: Listener, analysis: Analysis, note: str, encoded: EncodedRecording | None = None) -> NoteCheck:
    """What the recording says of each statement of a note, and what the note lacks.

    Args:
        note: see `medalign.concepts.notes.read_note`.
        encoded: the recording, as `Listener.encode` gives it; without it the sound is not asked.

    Raises:
        DataError: the note is empty, too long or in another language.
        CheckpointError: nothing is fitted for notes with this student.
    """
    plain, clauses = read_note(note)
    written = transcript_from_text("\n".join(clause.plain for clause in clauses))
    if not is_written_in_english(written):
        raise DataError("the note seems not to be in English, and no other language can be checked; give an English note")
    fits, references = NoteFits.load(listener.fitted.folder, listener.teacher.embed_dim)
    warnings = [] if encoded is not None else [NO_SOUND]
    if not listener.fitted.is_own:  # the shipped student's fits say nothing of this one's sound
        encoded, warnings = None, [NO_SOUND, NOT_CALIBRATED]
    said = Said.from_analysis(analysis)
    windows, windows_s = voiced(encoded, references.shape[1])
    held = hold_against(clauses, said, windows, listener.teacher, references, listener.bank, windows_s)
    statements = _statements(held, fits, said.passages)
    has_speech = bool(said.stretches) or len(windows) > 0
    if not has_speech:
        warnings.append(NO_SPEECH)
    elif not is_english(analysis.transcript):
        warnings.append(NOT_ENGLISH)
    belongs = _belongs(held, fits) if has_speech else None
    if belongs is not None and belongs < fits.belongs.threshold:
        warnings.append(
            f"This note does not seem to belong to this recording: {sum(s.verdict == 'supported' for s in statements)} of "
            f"{len(statements)} statements are borne out, and the probability that they belong together is {belongs:.2f}."
        )
    missing: tuple[LeftOut, ...] = left_out(said, held.facts, " ".join(c.plain for c in clauses), listener.bank)
    return NoteCheck(analysis.recording, analysis.models, plain, statements, missing, belongs, tuple(warnings))


def voiced(encoded: EncodedRecording | None, dim: int) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """The student's embeddings (m, dim) of the windows with a voice in them, and their places."""
    if encoded is None:
        return np.zeros((0, dim), np.float32), []
    kept = np.flatnonzero(~silent(encoded.windows_s, encoded.speech_s))
    return encoded.audio[kept], [encoded.windows_s[i] for i in kept]


def probabilities(held: Held, fits: NoteFits) -> tuple[np.ndarray, np.ndarray]:
    """That each statement is borne out (n,): by the words alone, and by words and sound, where there is any."""
    by_words = fits.words.probability(held.word_features())
    if np.isnan(held.sound.cosine).all():
        return by_words, by_words
    if np.isnan(held.words.cosine).all():
        return by_words, fits.sound.probability(held.sound_features())
    return by_words, fits.both.probability(both_features(by_words, held))


def verdicts_of(held: Held, fits: NoteFits) -> list[Verdict]:
    """The verdict on each statement."""
    by_words, together = probabilities(held, fits)
    return [_verdict(held, i, float(by_words[i]), float(together[i]), fits) for i in range(len(held.clauses))]


def _likely(held: Held, fits: NoteFits) -> float:
    """The probability from which on a statement counts as borne out."""
    if np.isnan(held.sound.cosine).all():
        return fits.words.threshold
    return fits.sound.threshold if np.isnan(held.words.cosine).all() else fits.both.threshold


def _verdict(held: Held, i: int, by_words: float, together: float, fits: NoteFits) -> Verdict:
    clause = held.clauses[i]
    if not clause.is_claim:
        return "not_checkable"
    comparison = held.comparisons[i]
    if comparison.is_plain or held.contradiction(i) and by_words < fits.contradicted_below:
        return "contradicted"
    if not comparison.lacking and by_words >= fits.words.threshold and together >= _likely(held, fits):
        return "supported"
    if _may_be_heard(held, i) and together >= max(_likely(held, fits), BY_SOUND_ALONE):
        return "supported"
    return "not_checkable" if clause.section in UNSAID else "not_found"


def _statements(held: Held, fits: NoteFits, passages: Passages) -> tuple[NoteStatement, ...]:
    by_words, together = probabilities(held, fits)
    by_sound = fits.sound.probability(held.sound_features())
    return tuple(
        _statement(held, i, float(by_words[i]), float(by_sound[i]), float(together[i]), fits, passages)
        for i in range(len(held.clauses))
    )


def _statement(
    held: Held, i: int, by_words: float, by_sound: float, together: float, fits: NoteFits, passages: Passages
) -> NoteStatement:
    clause, comparison, verdict = held.clauses[i], held.comparisons[i], _verdict(held, i, by_words, together, fits)
    if comparison.is_plain:  # the trees weigh it, the verdict does not
        together = min(together, fits.contradicted_below)
    elif verdict != "supported":
        together = min(together, _likely(held, fits))
    words_well, sound_well = _share(held.words.as_well[i]), _share(held.sound.as_well[i])
    nearest = tuple(Evidence(stretch.start_s, stretch.end_s, stretch.text) for stretch in held.best[i][:1])
    within_s = [(stretch.start_s, stretch.end_s) for stretch in held.best[i]]
    evidence: tuple[Evidence, ...] = ()
    support: Support | None = None
    if verdict == "contradicted":
        reason = held.contradiction(i) or ""
        evidence = (
            passages.deciding({}, comparison.against) or passages.deciding(content(clause.plain), (), within_s) or nearest
        )
    elif verdict == "supported":
        is_heard = sound_well is not None and by_sound >= fits.sound.threshold
        is_in_words = by_words >= fits.words.threshold and not comparison.lacking
        support = "sound" if not is_in_words else "both" if is_heard else "words"
        reason = SUPPORTED[support]
        evidence = passages.deciding(content(clause.plain), comparison.evidence, within_s) or nearest
        if comparison.is_only_possible:
            reason += f", {ONLY_POSSIBLE}"
        if support == "words" and sound_well is not None:
            reason += "; the sound does not bear it out clearly"
        if support == "sound":
            evidence = (Evidence(*held.windows_s[held.sound.place[i]]),)
    elif not clause.is_claim:
        reason = "it says nothing that could be true or false"
    else:
        reason = comparison.lacking or NOTHING
        if verdict == "not_checkable":
            reason += f"; {UNSAID[clause.section]}"
        elif not comparison.lacking:
            reason += _nearness(words_well)
        evidence = nearest
    return NoteStatement(
        clause.text, clause.label, clause.start, clause.end, verdict, round(together, 4),
        tuple(replace(e, start_s=round(e.start_s, 3), end_s=round(e.end_s, 3)) for e in evidence), reason, support,
        words_well, sound_well,
    )  # fmt: skip


def _may_be_heard(held: Held, i: int) -> bool:
    """Whether the sound can speak for what the words lack: a name, no number, side or condition, nor the opposite; and only
    where other words were not heard clearly."""
    comparison = held.comparisons[i]
    lacks_more = held.contradiction(i) or comparison.value("numbers absent") or not comparison.may_be_misheard
    if np.isnan(held.sound.cosine[i]) or lacks_more:
        return False
    return bool(held.preferred[i] and held.doubted[held.sound.place[i]])


def _nearness(words_well: float | None) -> str:
    """How much a statement and the nearest words have to do with each other, for a reader of the note."""
    if words_well is None:
        return ""
    return "; the nearest words are about something else" if words_well > BY_CHANCE else "; the nearest words come close to it"


def _belongs(held: Held, fits: NoteFits) -> float | None:
    if not held.is_enough:
        return None
    return round(float(fits.belongs.probability(belongs_features(held, fits.words))), 4)


def belongs_features(held: Held, by_words: BoostedFit) -> np.ndarray:
    """(k,) as `fits.BELONGS` names them. The better half counts by itself: a bad note of the right patient has one."""
    claims = np.array([clause.is_claim for clause in held.clauses])
    odds = logit(np.clip(by_words.probability(held.word_features()), LEAST, 1 - LEAST))[claims]
    standard = np.nan_to_num(held.words.standard)[claims]
    anywhere = np.array([comparison.value("words anywhere") for comparison in held.comparisons])[claims]
    half = max(1, len(odds) // 2)
    best = [np.sort(values)[-half:].mean() for values in (standard, odds, anywhere)]
    return np.array([standard.mean(), odds.mean(), anywhere.mean(), *best, np.log(1 + claims.sum())])


def _share(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
