"""Status of mentions by other mentions: questions by answers, uncertain ones by certain ones, side effects by medicines."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medalign.concepts import ConceptBank, Mention
from medalign.concepts.tokens import data_rows
from medalign.core.analysis import Action, Status
from medalign.core.transcript import PATIENT, UNKNOWN_SPEAKER
from medalign.models.status_classifier import ACTIONS, STATUSES, MentionContext, StatusPrediction

ANSWERED, ANSWERED_WITHIN = 0.9, 2  # how sure an answer is that decides for its question, and segments to it
CONTRADICTIONS: tuple[tuple[Status, Status], ...] = (("present", "negated"), ("negated", "present"))
DOUBTFUL, CLEAR = 0.7, 0.85  # a status less sure than the first gives way to one of the same concept as sure as the second
POSSIBLE = 0.02  # a status that the classifier rules out in one place is not taken over from another
REGULAR_MEDICATION = "CUSTOM:regular-medication"  # "any tablets?": every medicine is a more specific one
NAMED_WITHIN = 3  # segments from a general question to what its answer names
ENDED: frozenset[Action] = frozenset(["stopped", "not_taking"])
PRESCRIBED: frozenset[Action] = frozenset(["started", "advised", "changed"])
PAST: frozenset[Status] = frozenset(["resolved", "historical"])
HARM, HARM_WITHIN = re.compile(r"(made|makes|gave|gives|giving|caused|brought)$", re.IGNORECASE), 5  # words before a complaint
NORMAL = frozenset(row["concept_id"] for row in data_rows("examination.csv") if row["kind"] == "normal")
OUTGROWN = re.compile(
    r"\b(used to|gr(o|e)wn? out|outgr(e|o)wn?|no longer|not any ?more|as a (kid|child|baby)|when (i|he|she) was)\b",
    re.IGNORECASE,
)
OUTGROWN_WITHIN = 10  # words around an allergy
NUMBER_WITHIN = 5  # words from what is measured to its value
# Before a mention: what somebody looks for and does not find is not there, "I can't hear any wheeze", "not able to feel a lump"
NOT_SENSED = re.compile(
    r"\b(can't|cannot|can not|couldn't|could not|don't|do not|didn't|did not|(not|wasn't|isn't|weren't|aren't) able to|"
    r"unable to)( really| actually)? (hear|see|feel|find|detect)( (any|a|an|the|much|obvious|of|definite|particular))*$"
)
PLAIN_NO = re.compile(r"(um|uh|er|erm|mm+|mhm|oh|well|yeah)?\W*(no|nope|nah|not really|never)\b", re.IGNORECASE)
# In a question: what its no would affirm, "not had any?", "has it gone?", "apart from that?"; in an answer: what takes it back.
NEGATIVE = re.compile(
    r"\b(no|not|never|without|nothing|stop(ped)?|quit|given up|gone|cleared|settled|better|over)\b|n['’]t\b|"
    r"\b(apart|other|else|except|besides)\b",
    re.IGNORECASE,
)
TAKEN_BACK = re.compile(r"\b(yes|yeah|but|just|only|maybe|occasionally|sometimes|a (bit|little)|stopped)\b", re.IGNORECASE)
ANSWER_WITHIN = 14  # words of an answer that are read for it
CHOICE_WITHIN, DECIDED_WITHIN, DOSE_WITHIN = 6, 14, 10  # words before a medicine, and after it
DOSED = re.compile(
    r"\d|\b(milligrams?|mg|micrograms?|grams?|tablets?|puffs?|pills?|drops?|once|twice|daily|a day)\b", re.IGNORECASE
)
# A doctor who decides, and what makes it a proposal after all. Of 64 medicines of the training consultations that rules hold
# for a plan, after these words readers hold 63 for prescribed.
DECIDES = re.compile(
    r"\b(i'm|i am|we're|we are|i'll|i will|we'll|let's|let me|i'd like to|i (also |just |do )*(wan na|wanna|want to))\b"
    r"[^.?!]{0,60}\b(start|prescrib(e|ing)|put|giv(e|ing)|order|switch|write|add)\b|"
    r"\b(go ahead and|gon ?na) (start|prescribe|put|give|order|switch|add|do)\b|"
    r"^((and|um|uh),? )*order\b|\bdragon,? order\b",
    re.IGNORECASE,
)
PROPOSES = re.compile(
    r"\b(if|can|could|either|might|may|consider|something like|such as|options?|talk about|discuss|would|not|try|instead)\b|"
    r"n't\b",
    re.IGNORECASE,
)
SENSED_WITHIN = 8  # words before a mention that are read for it


@dataclass(frozen=True)
class Said:
    """Mentions as the rules read them, the words around each, and what the classifier makes of them."""

    mentions: Sequence[Mention]
    contexts: Sequence[MentionContext]
    predicted: StatusPrediction
    bank: ConceptBank

    def probability(self, i: int, status: Status) -> float:
        """That mention `i` was said in this sense."""
        return float(self.predicted.other[i] if status == "family" else self.predicted.statuses[i, STATUSES.index(status)])

    def own(self, i: int) -> Status:
        """The likeliest."""
        return STATUSES[int(self.predicted.statuses[i].argmax())]

    def action(self, i: int) -> Action:
        return ACTIONS[int(self.predicted.actions[i].argmax())]

    def is_medicine(self, i: int) -> bool:
        return self.bank[self.mentions[i].concept_id].category == "medicine"


def settled(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """The statuses after all rules of this module."""
    for rule in RULES:
        statuses = rule(said, statuses)
    return list(statuses)


def _turned(statuses: Sequence[Status], before: Sequence[Status], after: Status, is_so: Callable[[int], bool]) -> list[Status]:
    """`after` in place of those statuses where it is so."""
    return [after if status in before and is_so(i) else status for i, status in enumerate(statuses)]


def as_answered(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """An answer that names what was asked about decides: "Any nausea or vomiting?" - "Nausea yes, vomiting no".

    So it does, however sure the classifier is of the question: one mark or "no" after several that were asked about together
    is easily read as the answer to another of them.
    """
    settled, mentions = list(statuses), said.mentions
    questions = [is_question(p) for p in said.contexts]
    for i, asked in enumerate(mentions):
        for j in range(i + 1, len(mentions)):
            distance = mentions[j].segment_index - asked.segment_index
            if distance > ANSWERED_WITHIN:
                break
            pair = (statuses[i], statuses[j])
            if not distance or mentions[j].concept_id != asked.concept_id or questions[i] and questions[j]:
                continue
            asks, answers = (p.speakers[p.start] for p in (said.contexts[i], said.contexts[j]))
            is_answer = questions[i] and not asks == answers != UNKNOWN_SPEAKER
            gives_way = is_answer or said.probability(i, pair[0]) < ANSWERED
            if pair in CONTRADICTIONS and gives_way and said.probability(j, pair[1]) >= ANSWERED:
                settled[i] = statuses[j]
            break
    return settled


def is_question(context: MentionContext) -> bool:
    """Whether a question mark stands behind the mention, or at it, before the speaker's turn is over."""
    end = next((at for at in range(context.end, len(context.words)) if at in context.breaks), len(context.words))
    return any("?" in word for word in context.words[context.end - 1 : end])


def as_unanswered(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """A question that nothing follows stays open: "Any chest pain or palpitations?" at the end, or alone in a recording."""

    def is_open(i: int) -> bool:
        p = said.contexts[i]
        return said.mentions[i].status == "uncertain" and is_question(p) and not any(at >= p.end for at in p.breaks)

    return _turned(statuses, ["negated"], "uncertain", is_open)


def consistent(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """Where one mention of a concept is read with doubt, a sure one of the same concept decides for it, the nearest first.

    What the rules and the classifier agree on is not doubtful; and a medicine may be taken in one sentence and stopped in the
    next.
    """
    sure = [said.probability(i, status) for i, status in enumerate(statuses)]
    by_concept: dict[str, list[int]] = {}
    for i, mention in enumerate(said.mentions):
        by_concept.setdefault(mention.concept_id, []).append(i)
    settled = list(statuses)
    for of_one in by_concept.values():
        clear = [i for i in of_one if sure[i] >= CLEAR]
        for i in of_one:
            is_ended = said.action(i) in ENDED and statuses[i] in (*PAST, "negated")
            agreed = is_ended or said.own(i) == said.mentions[i].status != "present"
            if clear and sure[i] < DOUBTFUL and not agreed:
                nearest = statuses[min(clear, key=lambda other: abs(other - i))]
                settled[i] = statuses[i] if said.probability(i, nearest) < POSSIBLE else nearest
    return settled


def as_normal(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """What is found normal is there, unless rules find it denied: "your chest is clear" denies wheezes, not its being clear."""
    found = [mention.status == "present" and mention.concept_id in NORMAL for mention in said.mentions]
    return _turned(statuses, ["negated"], "present", found.__getitem__)


def as_looked_for(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """What was looked for and not found is denied, if it is not asked about: "I wasn't able to feel a lump"."""

    def is_denied(i: int) -> bool:
        p = said.contexts[i]
        first = max([0, p.start - SENSED_WITHIN, *(at for at in p.breaks if at <= p.start)])
        if not NOT_SENSED.search(" ".join(p.words[first : p.start]).lower().replace("’", "'")):
            return False
        end = next((at for at in range(p.end - 1, len(p.words)) if p.words[at][-1] in ".?!"), len(p.words) - 1)
        return not p.words[end].endswith("?")

    return _turned(statuses, ["present"], "negated", is_denied)


def as_denied(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """A plain no to a plain question denies: "Is the skin thick?" - "Mm, no, I don't think so", whatever the classifier reads.

    A question that denies ("you've not had any?") is left to the classifier.
    """

    def is_denied(i: int) -> bool:
        mention, p = said.mentions[i], said.contexts[i]
        if mention.status != "negated" or not mention.answer or not PLAIN_NO.match(mention.answer) or not is_question(p):
            return False
        first = max((at + 1 for at in range(p.start) if p.words[at][-1] in ".?!" or at + 1 in p.breaks), default=0)
        end = next((at for at in range(p.end - 1, len(p.words)) if p.words[at][-1] in ".?!"), len(p.words))
        answer = " ".join(p.words[end + 1 : end + 1 + ANSWER_WITHIN])
        return not (NEGATIVE.search(" ".join(p.words[first : end + 1])) or TAKEN_BACK.search(answer))

    return _turned(statuses, ["present"], "negated", is_denied)


def as_planned(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """Which medicines are given, and which only may be.

    One of two, or one that a patient says they will get, is not yet given: "either this or that". What a doctor decides to give
    with its dose is: "I'm going to start you on this, ten milligrams a day". What patients say that they take is, though it be
    told in the words of a plan: "I've been taking some".
    """
    settled = list(statuses)
    for i, p in enumerate(said.contexts):
        if not said.is_medicine(i):
            continue
        before = " ".join(p.words[max(0, p.start - DECIDED_WITHIN) : p.start]).replace("’", "'")
        is_patient, own, action = p.speakers[p.start] == PATIENT, said.own(i), said.action(i)
        if statuses[i] == "hypothetical":
            is_taken = is_patient and action in ("taking", "stopped") and said.probability(i, own) >= CLEAR
            last = re.split(r"[.?!] ", before)[-1]
            dosed = DOSED.search(" ".join(p.words[p.end : p.end + DOSE_WITHIN]))
            is_decided = action == "started" and dosed and DECIDES.search(last) and not PROPOSES.search(last)
            settled[i] = own if is_taken else "present" if is_decided else statuses[i]
        elif (statuses[i], action) == ("present", "started"):
            chooses = re.search(r"\beither\b[^.?!]*$", " ".join(before.split()[-CHOICE_WITHIN:]), re.IGNORECASE)
            is_choice = chooses and (before.endswith(" or") or " ".join(p.words[p.end : p.end + 2]).startswith("or "))
            earlier = [statuses[j] for j in range(i) if said.mentions[j].concept_id == said.mentions[i].concept_id]
            settled[i] = "hypothetical" if is_choice or is_patient and "hypothetical" in earlier else statuses[i]
    return settled


def as_measured(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """What was measured is there, whatever is denied beside it: "I can't hear a murmur, and your oxygen level is 96 %"."""

    def is_measured(i: int) -> bool:
        p, category = said.contexts[i], said.bank[said.mentions[i].concept_id].category
        has_number = any(c.isdigit() for word in p.words[p.end : p.end + NUMBER_WITHIN] for c in word)
        return category == "measurement" and has_number

    return _turned(statuses, ["negated"], "present", is_measured)


def with_harm_in_the_past(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """What a medicine did that is no longer taken is over, too: "I used to take a statin, but it made my legs ache"."""
    settled = list(statuses)
    for i, (mention, p) in enumerate(zip(said.mentions, said.contexts, strict=True)):
        before = p.words[max(0, p.start - HARM_WITHIN) : p.start]
        if statuses[i] != "present" or not any(HARM.match(word) for word in before):
            continue
        medicines = [j for j in range(i) if said.is_medicine(j)]
        is_near = medicines and mention.segment_index - said.mentions[medicines[-1]].segment_index <= ANSWERED_WITHIN
        if is_near and statuses[medicines[-1]] in PAST:
            settled[i] = statuses[medicines[-1]]
    return settled


def as_lasting(said: Said, statuses: Sequence[Status]) -> list[Status]:
    """An allergy lasts, whatever is over beside it: "I'm allergic to penicillin. I stopped smoking"; unless it was outgrown."""

    def lasts(i: int) -> bool:
        p, is_allergy = said.contexts[i], said.bank[said.mentions[i].concept_id].label.endswith("allergy")
        near = " ".join(p.words[max(0, p.start - OUTGROWN_WITHIN) : p.end + OUTGROWN_WITHIN])
        return is_allergy and not OUTGROWN.search(near)

    return _turned(statuses, [*PAST], "present", lasts)


RULES = (
    *(as_answered, as_unanswered, consistent, as_normal, as_looked_for, as_denied),
    *(as_planned, as_measured, with_harm_in_the_past, as_lasting),
)


def without_general_questions(mentions: Sequence[Mention], bank: ConceptBank) -> list[Mention]:
    """ "Any allergies?" - "Penicillin": the particular that the answer names is the fact, the general word is none.

    Nor is a plan to give something of a kind, where the medicine is named in the end: "you need an antibiotic".
    """

    def is_one_of(other: Mention, general_id: str) -> bool:
        if general_id == REGULAR_MEDICATION:
            return bank[other.concept_id].category == "medicine" and other.concept_id != general_id
        return general_id in bank[other.concept_id].broader

    def is_named(general: Mention) -> bool:
        if general.status == "negated":
            return False
        particulars = [other for other in mentions if is_one_of(other, general.concept_id)]
        if general.status == "hypothetical" and any(other.action in PRESCRIBED for other in particulars):
            return True
        asked = general.status == "uncertain"  # a differential has the general disease beside the particular one
        return any(
            asked != (other.status == general.status) and 0 < other.segment_index - general.segment_index <= NAMED_WITHIN
            for other in particulars
        )

    return [mention for mention in mentions if not is_named(mention)]
