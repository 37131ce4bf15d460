"""Doses at which no medicine is found: the recogniser made other words of its name, "I take lives in a potent milligrams".

What such a name was is not guessed at here, see `misheard`; that a medicine was said there is certain enough to be heard again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from medalign.concepts.numbers import CARDINALS, STRENGTHS
from medalign.concepts.tokens import Token, sentences, word_list, words_of
from medalign.core.transcript import Transcript

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
SUBJECTS = words_of("i he she we you they it i'm i've it's")  # of another clause: "and I go to the gym for my back"
BEFORE, AFTER = 24, 6  # words before and after a dose among which its medicine is looked for
NAMED, SHOWN = 6, 4  # words between "take" and "every morning", and before a dose, that may have been a name
OF_NOTHING = words_of("yours mine his hers theirs ours those these them it the that this course what")
EARLIER = 60  # words before a dose without a name, among which its medicine is looked for
NO_NAME = CARDINALS | DAYS | words_of("today tonight tomorrow") | word_list("lost_medicines.no_name")
SAID_AGAIN = 2  # words of a lost name by which it is known where it is said again


@dataclass(frozen=True)
class LostMedicine:
    """A stretch in which a medicine was said, as far as one can tell, and none is written."""

    start_s: float
    end_s: float
    text: str  # as the transcript has it
    is_dose: bool  # else something is taken, regularly or for a complaint


def lost_medicines(
    transcript: Transcript, medicines: Sequence[tuple[float, float]], complaints: Sequence[tuple[float, float]] = ()
) -> tuple[LostMedicine, ...]:
    """Every dose, every "I take ... every morning", and every "... for my heartburn" among what is taken, without a medicine;
    and wherever the words of such a place are said again.

    Args:
        medicines: where one is found, or suggested, start and end in seconds.
        complaints: where a symptom or a disease is found: "... for diabetes".
    """
    said = [token for sentence in sentences(transcript) for token in sentence]
    taken, complains = _inside(said, medicines), _inside(said, complaints)
    doses = [at for at in range(len(said)) if _is_dose(said, at)]
    places = [place for place in pairwise([-1, *doses]) if not _has_medicine(said, taken, doses, *place)]
    found = [(_begins(said, at), at + 1 + SHOWN * (said[at].text in FORMS), True) for _, at in places]
    found += [
        (*place, False)
        for at in range(1, len(said))
        if (place := _taken_regularly(said, taken, at) or _taken_for(said, taken, complains, at))
    ]
    found += [(*place, False) for place in _said_again(said, taken, found)]
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
    behind = range(at, min(following, at + 1 + AFTER))
    end = next((n + 1 for n in behind if said[n].pause or said[n].text == "and"), behind.stop)  # then something else is named
    if any(taken[first:at]) or any(taken[at:end]):
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


def _taken_for(said: Sequence[Token], taken: Sequence[bool], complains: Sequence[bool], at: int) -> tuple[int, int] | None:
    """The words before "for my heartburn" or "for diabetes", where somebody tells what they take or answers what it is."""
    if said[at].text != "for" or at + 1 == len(said) or not (said[at + 1].text in OWNERS or complains[at + 1]):
        return None
    start = next((n + 1 for n in range(at - 1, -1, -1) if said[n].pause in (".", "?")), 0)
    first = next((n + 1 for n in range(at - 1, start - 1, -1) if said[n].pause or said[n].text in ("and", *TAKES)), start)
    question = [token.text for token in said[max(0, start - NAMED) : start]]
    is_asked = start > 0 and said[start - 1].pause == "?" and ASKED & set(question) and not {"for", "allergic"} & set(question)
    is_told = any(said[n].text in TAKES and said[n - 1].text in WHO for n in range(max(start + 1, first - BEFORE), first))
    texts = [token.text for token in said[first:at]]
    is_name = len(texts) <= NAMED and not NO_NAME.issuperset(texts)
    if not (is_asked or is_told and not SUBJECTS & set(texts)) or not is_name or any(taken[first:at]) or OTHERWISE & set(texts):
        return None
    return first, at


def _said_again(said: Sequence[Token], taken: Sequence[bool], places: Sequence[tuple[int, int, bool]]) -> list[tuple[int, int]]:
    """Where the words that stand for a lost name are said without its dose: "stop the lies in April"."""
    texts = [token.text for token in said]
    found = []
    for start, end, _ in places:
        words = [n for n in range(start, end) if texts[n] not in NO_NAME | DOSE_UNITS and not texts[n][0].isdigit()]
        name = texts[words[0] : words[-1] + 1] if words else []
        again = range(len(said) - len(name) + 1) if len(words) >= SAID_AGAIN else range(0)
        found += [
            (n, n + len(name))
            for n in again
            if texts[n : n + len(name)] == name and not any(taken[n : n + len(name)]) and not start <= n < end
        ]
    return found


def _inside(said: Sequence[Token], places: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each word stands at one of them."""
    return [any(start <= (token.start_s + token.end_s) / 2 <= end for start, end in places) for token in said]
