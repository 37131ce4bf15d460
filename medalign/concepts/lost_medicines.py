"""Doses at which no medicine is found: the recogniser made other words of its name, "I take lives in a potent milligrams".

What such a name was is not guessed at here, see `misheard`; that a medicine was said there is certain enough to be heard again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from medalign.concepts.numbers import CARDINALS
from medalign.concepts.tokens import Token, sentences, word_list, words_of
from medalign.core.transcript import Transcript

STRENGTHS = words_of("mg mgs milligram milligrams milligramme milligrammes mcg micrograms microgram")
FORMS = words_of("tablet tablets capsule capsules puff puffs")  # "a tablet of ..."
DOSE_UNITS = STRENGTHS | FORMS | words_of("g gram grams ml mls millilitre millilitres milliliters unit units")
TAKES = words_of("take takes taking")
WHO = words_of("i he she we i'm you") | words_of("am is are was been now still only also just currently already to")
OFTEN = words_of("every once twice daily nightly")  # "I take ... every morning", "... twice a day"
DAYS = words_of("day morning night evening bedtime")
# What is taken and is no medicine, or is one that was named before.
OTHERWISE = word_list("lost_medicines.otherwise")
ASKED = words_of("medicine medicines medication medications tablet tablets pills taking")  # "Do you take any medicines?"
OWNERS = words_of("my his her the")  # "... for my heartburn"
BEFORE, AFTER = 24, 6  # words before and after a dose among which its medicine is looked for
NAMED, SHOWN = 6, 4  # words between "take" and "every morning", and before a dose, that may have been a name
OF_NOTHING = words_of("yours mine his hers theirs ours those these them it the that this course what")
EARLIER = 60  # words before a dose without a name, among which its medicine is looked for
NO_NAME = CARDINALS | word_list("lost_medicines.no_name")


@dataclass(frozen=True)
class LostMedicine:
    """A stretch in which a medicine was said, as far as one can tell, and none is written."""

    start_s: float
    end_s: float
    text: str  # as the transcript has it
    is_dose: bool  # else something is taken, regularly or for a complaint


def lost_medicines(transcript: Transcript, medicines: Sequence[tuple[float, float]]) -> tuple[LostMedicine, ...]:
    """Every dose, every "I take ... every morning", and every "... for my heartburn" that answers what is taken, without a
    medicine.

    Args:
        medicines: where one is found, or suggested, start and end in seconds.
    """
    said = [token for sentence in sentences(transcript) for token in sentence]
    taken = [any(start <= (token.start_s + token.end_s) / 2 <= end for start, end in medicines) for token in said]
    doses = [at for at in range(len(said)) if _is_dose(said, at)]
    places = [place for place in pairwise([-1, *doses]) if not _has_medicine(said, taken, doses, *place)]
    found = [(_begins(said, at), at + 1 + SHOWN * (said[at].text in FORMS), True) for _, at in places]
    found += [
        (*place, False)
        for at in range(1, len(said))
        if (place := _taken_regularly(said, taken, at) or _answered(said, taken, at))
    ]
    lost: list[LostMedicine] = []
    reached = 0
    for start, end, is_dose in sorted(found):
        if start >= reached:  # each word is in one of them
            first, last, reached = said[start], said[min(end, len(said)) - 1], end
            text = " ".join(word.text for word in transcript.words[first.word : last.word + 1]).strip(" .,;:!?")
            lost.append(LostMedicine(first.start_s, last.end_s, text, is_dose))
    return tuple(lost)


def amounts_in(texts: Sequence[str]) -> frozenset[int]:
    """Indices of the words that are a dose, number and unit: what stands there is no medicine's name, however it sounds.

    Args:
        texts: words, as the transcript has them.
    """
    plain = [text.strip(" .,;:!?").lower() for text in texts]
    found = {i for i, text in enumerate(plain) if any(c.isdigit() for c in text) or text in DOSE_UNITS}
    for i in range(len(plain) - 2, -1, -1):
        if plain[i] in CARDINALS and i + 1 in found:  # "twenty milligrams"; of "a ten a lol" it is part of the name
            found.add(i)
    return frozenset(found)


def _is_dose(said: Sequence[Token], at: int) -> bool:
    following = said[at + 1].text if at + 1 < len(said) else ""
    if said[at].text in STRENGTHS:
        return following != "per"  # "milligrams per decilitre" is a laboratory value
    of = said[at + 2].text if at + 2 < len(said) else ""
    return said[at].text in FORMS and following == "of" and of not in OF_NOTHING and not said[at].pause


def _has_medicine(said: Sequence[Token], taken: Sequence[bool], doses: Sequence[int], before: int, at: int) -> bool:
    """Whether a medicine is found between the dose before and this one, or right behind it; or none can have been named here,
    and one was before: "from fifty, then a hundred milligrams"."""
    first = max(before + 1, at - BEFORE)
    following = next((dose for dose in doses if dose > at), len(said))
    if any(taken[first:at]) or any(taken[at : min(following, at + 1 + AFTER)]):
        return True
    if said[at].text in FORMS:
        return False
    near = said[max(first, at - SHOWN) : at]
    may_be_name = any(token.text not in NO_NAME and not token.text[0].isdigit() for token in near)
    return not may_be_name and any(taken[max(0, at - EARLIER) : at])


def _begins(said: Sequence[Token], at: int) -> int:
    """Where the words before a dose begin that may have been a name: in its sentence, after "take"."""
    for first in range(at - 1, max(-1, at - NAMED - 1), -1):
        if said[first].text in TAKES or said[first].pause in (".", "?"):
            return first + 1
    return max(0, at - SHOWN)


def _taken_regularly(said: Sequence[Token], taken: Sequence[bool], at: int) -> tuple[int, int] | None:
    if said[at].text not in TAKES or said[at - 1].text not in WHO:
        return None
    for end in range(at + 1, min(at + 2 + NAMED, len(said))):
        text = said[end].text
        if taken[end] or text in OTHERWISE or text in STRENGTHS | FORMS:
            return None
        if text in OFTEN and DAYS & {token.text for token in said[end : end + 3]} and end > at + 1:
            return at + 1, end
        if said[end].pause in (".", "?"):
            return None
    return None


def _answered(said: Sequence[Token], taken: Sequence[bool], at: int) -> tuple[int, int] | None:
    """The words before "for my heartburn", which answer "Do you take any medicines?"."""
    if said[at].text != "for" or at + 1 == len(said) or said[at + 1].text not in OWNERS:
        return None
    first = next((n + 1 for n in range(at - 1, -1, -1) if said[n].pause in (".", "?")), 0)
    question = [token.text for token in said[max(0, first - NAMED) : first]]
    is_asked = first > 0 and said[first - 1].pause == "?" and ASKED & set(question) and not {"for", "allergic"} & set(question)
    names = [n for n in range(first, at) if said[n].text not in NO_NAME]
    if not is_asked or not names or at - first > NAMED or any(taken[first:at]) or OTHERWISE & {t.text for t in said[first:at]}:
        return None
    return first, at
