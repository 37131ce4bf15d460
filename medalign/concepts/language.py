"""Is it English? Everything of this package knows English only, and should say so instead of finding something anyhow."""

from medalign.concepts.misheard import frequency
from medalign.concepts.tokens import split_word
from medalign.core.transcript import Transcript

MIN_WORDS = 12  # fewer say too little
# Share of words that an English dictionary has: at least 0.88 in 45 English consultations, at most 0.28 in sentences of
# five other languages, and 0.5 in real Spanish as an English-only recogniser spells it.
MIN_KNOWN = 0.7
FEW_WORDS, MIN_KNOWN_OF_FEW = 6, 0.4  # what is written: a few words of another language still show
UNDETERMINED = "und"  # the code of ISO 639-2 for a language that nobody could tell


def is_written_in_english(transcript: Transcript) -> bool:
    """Of a text that somebody wrote, which may be shorter."""
    return is_english(transcript) and _are_known(transcript, FEW_WORDS, MIN_KNOWN_OF_FEW)


def is_english(transcript: Transcript) -> bool:
    """By the recogniser's word for it, and by the words themselves: an English-only recogniser calls everything English."""
    return transcript.language in (None, "en") and _are_known(transcript, MIN_WORDS, MIN_KNOWN)


def _are_known(transcript: Transcript, n_words: int, share: float) -> bool:
    """Whether a dictionary has that share of the words, where they are so many."""
    words = [part for word in transcript.words for part in split_word(word.text)[0]]
    return len(words) < n_words or sum(frequency(word) > 0 for word in words) >= share * len(words)
