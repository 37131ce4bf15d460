"""Numbers in plain words: a clinician reads "about 7 in 10 (likely)" and "1:05", never 0.6973 or 65.2 s.

Probabilities are calibrated, so a frequency is the honest reading: of the segments scored like this one on held-out
consultations, about that many in ten were right. Tenths are as fine as that calibration supports.
"""

from collections.abc import Sequence

from medalign.core.analysis import Action, ConceptFinding, Evidence

# Of a medicine: said beside its status.
ACTION_WORDS: dict[Action, str] = {
    "taking": "taking", "started": "started", "stopped": "stopped", "changed": "dose changed", "advised": "advised",
    "not_taking": "not taken", "asked": "asked about", "reacted": "reacted to",
}  # fmt: skip
TO_DO: dict[Action, str] = {"started": "to start", "stopped": "to stop", "changed": "dose to change"}  # if, or planned
LIKELY_FROM_TENTHS = 7
POSSIBLE_FROM_TENTHS = 4
RAREST_PERCENT = 0.1  # the result rounds percentiles to a tenth
FITS_FROM, FITS_LESS_FROM = 99.5, 90  # percentiles; what does not fit is below the first
UNCLEAR_BELOW = 0.5  # the recogniser itself gives the word less than even odds
LESS_CLEAR_BELOW = 0.8


def done_with(concept: ConceptFinding) -> str:
    """`taking`, `to start`, `perhaps to start`: of a medicine, where the words tell."""
    if concept.action is None:
        return ""
    if concept.status != "hypothetical":
        return ACTION_WORDS[concept.action]
    hangs_on_something = (concept.trigger or "").lower().startswith(("if", "unless"))
    return "perhaps " * hangs_on_something + TO_DO.get(concept.action, ACTION_WORDS[concept.action])


def clock(seconds: float) -> str:
    """Seconds as the player shows them: 0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def clock_range(start_s: float, end_s: float) -> str:
    return f"{clock(start_s)}–{clock(end_s)}"


def heard_at(evidence: Evidence) -> str:
    """`0:07` of words; `0:19–0:25` of a question with its answer, and of a stretch of sound."""
    if evidence.text and evidence.term_end_s is None:
        return clock(evidence.start_s)
    return clock_range(evidence.start_s, evidence.end_s)


def tenths(probability: float) -> int:
    """The probability in whole tenths, 0 to 10."""
    return max(0, min(10, round(probability * 10)))


def frequency(probability: float) -> str:
    """`about 7 in 10`; the ends are worded as bounds, since nothing here is certain."""
    if probability < 0.05:
        return "under 1 in 20"
    if probability >= 0.95:
        return "over 19 in 20"
    return f"about {tenths(probability)} in 10"


def mistake(probability: float) -> str:
    """`as it stands, wrong about 3 in 10 times`: of places marked like this one, so many were."""
    return f"as it stands, wrong {frequency(probability)} times"


def right(probability: float) -> str:
    """`right about 9 in 10 times`: of names suggested like this one, so many were."""
    return f"right {frequency(probability)} times"


def band(probability: float) -> str:
    """likely, possible or unlikely; decided on the rounded tenths so that word and number never contradict."""
    n = tenths(probability)
    if n >= LIKELY_FROM_TENTHS:
        return "likely"
    return "possible" if n >= POSSIBLE_FROM_TENTHS else "unlikely"


def likelihood(probability: float) -> str:
    """`about 7 in 10 (likely)`."""
    return f"{frequency(probability)} ({band(probability)})"


def fit(percentile: float | None) -> str:
    """How well sound and words fit, beside texts that have nothing to do with the recording.

    Args:
        percentile: the share of them that fit worse. Those of matching words crowd at 99.9.
    """
    if percentile is None:
        return "no words to compare"
    if percentile < 50:
        return "does not fit"
    return "fits well" if percentile >= FITS_FROM else "fits less well" if percentile >= FITS_LESS_FROM else "fits poorly"


def clarity(word_probability: float) -> str:
    """clear, less clear or unclear: how sure the recogniser was of a word. Not calibrated; clear words can be wrong."""
    if word_probability < UNCLEAR_BELOW:
        return "unclear"
    return "less clear" if word_probability < LESS_CLEAR_BELOW else "clear"


def as_name(speaker: str) -> str:
    """`Doctor`, `Mrs Invented`."""
    return speaker[:1].upper() + speaker[1:]


def remaining(seconds: float | None) -> str:
    """`about 20 s left`; empty where nobody knows."""
    if seconds is None:
        return ""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 90:
        return f"about {5 * round(seconds / 5)} s left"
    return f"about {round(seconds / 60)} min left"


def about(seconds: float) -> str:
    """`less than a minute`, `about 3 minutes`: how long somebody has to wait, no finer than anybody knows."""
    return "less than a minute" if seconds < 50 else f"about {count(max(1, round(seconds / 60)), 'minute')}"


READ_AS = " → "  # between the words that were written and the name that they are taken for: "Remipreal → ramipril"


def size(n_bytes: float) -> str:
    """`400 MB`."""
    return f"{n_bytes / 2**20:.0f} MB"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """`1 concept`, `3 concepts`."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def rate_words(rate_per_min: float | None) -> str:
    """Of a heart: "72 a minute", or that it is not sure."""
    return "not sure" if rate_per_min is None else f"{rate_per_min:.0f} a minute"


def uncounted_words() -> str:
    """Why a heart has no rate."""
    return "The beats keep no even pace to count them by: the pauses between them differ, or noise or movement hides it."


def no_model_words(kind: str) -> str:
    """Of kinds of body sounds that nothing judges, and why."""
    why = {"lung": "no collection at hand marks wheezes or crackles", "cough": "no label of the coughs at hand can be trusted"}
    return f"No model of {kind} sounds comes with MedAlign, since {why[kind]}: of what a {kind} sounds like, nothing is claimed"


def fit_words(percentile: float | None) -> str:
    """How well words fit a sound, among reference clips."""
    if percentile is None:
        return "not learnt: no better than any other words"
    return f"fits it better than {percentile:.0f} of 100 other hearts"


def unfamiliar_words(familiarity: float) -> str:
    """Why a heart is compared with no words.

    Args:
        familiarity: share of other hearts, none of them learnt from either, that are less like those learnt from.
    """
    others = "all other hearts" if familiarity < 0.5 else f"{100 - familiarity:.0f} of 100 other hearts"
    return (
        f"Not compared with words: it is less like the hearts learnt from than {others}. Noise, another recorder, or no heart?"
    )


def trust_words(auroc: Sequence[float] | None) -> str:
    """How far a student of body sounds can be relied on, at a place where it was not trained.

    Args:
        auroc: there, with its interval.
    """
    if auroc is None:
        return "How well it does at a place where it was not trained is not known."
    n = round(100 * auroc[0])
    return f"There, where it was not trained, it picks the abnormal one of two hearts {n} times in 100; 50 would be chance."
