"""The status of each mention, from the rules and from the status classifier together.

The rules (`medalign.concepts.context`, `answers`) name the words that decide; the classifier reads better where people do not
speak in the order of a rule. It overrules them where it is sure enough, and never turns what they hold for a condition or a
plan into a fact. A medicine that somebody reacted to is an allergy.
"""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from medalign.concepts import ConceptBank, Mention
from medalign.concepts.bank import Category
from medalign.concepts.mentions import allergy_to, as_specific_as_said
from medalign.concepts.tokens import data_rows, split_word, words_of
from medalign.core.analysis import Action, Status
from medalign.core.transcript import Transcript
from medalign.models.status_classifier import ACTIONS, STATUSES, MentionContext, StatusClassifier, StatusPrediction
from medalign.pipeline.companions import CONTRADICTIONS, Said, is_question, settled, without_general_questions
from medalign.pipeline.measured import with_measured

ALLERGY = 0.9  # probability from which on a medicine is one that somebody reacted to, if words near it speak of that
ALLERGY_WORDS, NEAR = re.compile(r"allerg|react|intoleran|hives|rash|swell|swoll|anaphyla", re.IGNORECASE), 12
# Words that say of a complaint that it is over. That it lasted twenty minutes, or that a test looks normal, says no such thing.
OVER = re.compile(
    r"\b(gone|(went|go(es)?) away|went (after|within|on its own)|clear(s|ed|ing)?|"
    r"settl(ed|es|ing)|better|stop(s|ped)?|passed|wor(e|n) off|resolved|recovered|"
    r"subsided|eased|healed|finished|ended|no longer|any ?more|disappeared|vanished|dried up|broke|ago|before|"
    r"previous(ly)?|last (week|month|year|time|summer|autumn|winter|spring)|"
    r"((ok|okay|fine|alright|all right|well|nothing)\W*(now|since))|not since|back to normal|(is|was|'s|all) over)\b",
    re.IGNORECASE,
)
TODAY = re.compile(r"\b(today|now|this (morning|afternoon))\b", re.IGNORECASE)
OVER_BEFORE, OVER_AFTER = 12, 20  # words around a mention among which they are looked for
# Whoever is not the patient, and how far before a mention.
PERSONS = frozenset(
    phrase
    for row in data_rows("triggers.csv")
    for phrase in row["phrases"].split("|")
    if row["kind"] in ("family", "child", "third person") and " " not in phrase
) | words_of(
    "family anyone anybody someone somebody everyone everybody people them him his hers their them they who whose boss"
)
PERSON_BEFORE = 40
READ_BEFORE, READ_AFTER = 9, 11  # words around a mention that are read while those that decide are looked for
MASKED_BEFORE, MASKED_AFTER = 6, 8  # words around a mention among which those that decide are looked for
SHARE = 0.5  # a neighbour that decides half as much belongs to the trigger
PUNCTUATION = ".,?!;:"
# Words that mean nothing alone: hidden, they move the classifier at times, but shown they would explain nothing.
EMPTY_WORDS = words_of("a an the my your his her our their this that these those it its of to and is are be with for")
PLAIN = 0.2  # a statement whose words each decide less than this is a plain one
STARTED = 0.5  # a medicine as likely prescribed today is no mere plan
ACTION = 0.4  # an action less likely is not told
ACTIONS_OF: dict[Status, tuple[Action, ...]] = {
    "present": ("taking", "started", "changed", "reacted"),
    "negated": ("not_taking",),
    "resolved": ("stopped", "reacted"),
    "historical": ("stopped", "reacted"),
    "uncertain": ("asked", "taking", "advised"),
    "hypothetical": ("advised", "started", "changed", "stopped"),
    "family": ("taking", "stopped", "not_taking", "reacted"),
}
# Probabilities from which on the classifier overrules the rules, chosen on annotated consultations of development: the graver
# an error, the higher. A condition or a plan never becomes a fact.
AFFIRM, CHANGE = 0.96, 0.85  # to present; between two statuses of which neither is present
WITHDRAW: dict[Status, float] = {"negated": 0.7, "family": 0.5}  # of what rules hold for present
WITHDRAW_OTHERS = 0.75  # for another reason
FACT = 0.05  # a mention that is less likely to tell anything of a person is general talk, or means another thing


def revised(
    transcript: Transcript,
    mentions: Sequence[Mention],
    bank: ConceptBank,
    classifier: StatusClassifier | None = None,
    *,
    asked_for: Container[str] = (),
) -> tuple[Mention, ...]:
    """Mentions with the status that rules and classifier together give them, and the words that decide.

    What is no fact is left out: "ear infections are common in children", "a rash decision".

    Args:
        mentions: as the rules read them.
        classifier: the shipped one by default.
        asked_for: ids of concepts that a user wants to see wherever their words are said, fact or not.
    """
    if not mentions:
        return with_measured(transcript, (), bank)
    classifier = classifier or StatusClassifier.load()
    mentions = [replace(m, concept_id=m.said_id, said_id=None) if m.said_id else m for m in mentions]
    around = mention_contexts(transcript, mentions)
    predicted = classifier.predict(around)
    wanted = np.array([mention.concept_id in asked_for for mention in mentions])
    facts = np.flatnonzero((predicted.facts >= FACT) | wanted).tolist()
    mentions, around, predicted = [mentions[i] for i in facts], [around[i] for i in facts], predicted.at(facts)
    statuses = [combine(m.status, predicted, i) for i, m in enumerate(mentions)]
    categories = [bank[m.concept_id].category for m in mentions]
    statuses = [_if_over(m.status, s, p, c) for m, s, p, c in zip(mentions, statuses, around, categories, strict=True)]
    statuses = [_if_somebodys(m.status, s, p) for m, s, p in zip(mentions, statuses, around, strict=True)]
    statuses = settled(Said(mentions, around, predicted, bank), statuses)
    found = []
    for index, (mention, status) in enumerate(zip(mentions, statuses, strict=True)):
        own = as_status(predicted, index)
        if categories[index] != "measurement":  # which is there, whatever is denied beside it
            mention = replace(mention, rival=_rival(mention, status, own))
        if status != mention.status:  # elsewhere decided, no words near it explain the status
            trigger = _trigger(around[index], status, classifier) if own == status else None
            mention = replace(mention, status=status, trigger=trigger)
        if categories[index] == "medicine":
            mention = replace(mention, action=_action(status, predicted.actions[index]))
            if _is_allergy(around[index], float(predicted.actions[index, ACTIONS.index("reacted")])):
                mention = replace(mention, concept_id=allergy_to(mention.concept_id, bank))
        found.append(mention)
    return with_measured(transcript, without_general_questions(as_specific_as_said(found, bank), bank), bank)


def combine(by_rules: Status, predicted: StatusPrediction, index: int) -> Status:
    """One status of two."""
    own = as_status(predicted, index)
    is_plan = (by_rules, own) == ("hypothetical", "present")
    if own == by_rules or is_plan and predicted.actions[index, ACTIONS.index("started")] < STARTED:
        return by_rules
    probability = float(predicted.other[index] if own == "family" else predicted.statuses[index].max())
    needed = CHANGE
    if own == "present":
        needed = AFFIRM
    elif by_rules == "present":
        needed = WITHDRAW.get(own, WITHDRAW_OTHERS)
    return own if probability >= needed else by_rules


def _if_over(by_rules: Status, status: Status, context: MentionContext, category: Category) -> Status:
    """What the classifier holds for over, only where words near it say so: else what a patient tells of how it went ("it came
    on last night and lasted twenty minutes") would be no complaint any more. A test that was done is past, unless today."""
    if status != "resolved" or by_rules == "resolved":
        return status
    start, end = _said_of_it(context)
    near = " ".join(context.words[max(start, context.start - OVER_BEFORE) : min(end, context.end + OVER_AFTER)])
    if category == "procedure":
        return by_rules if TODAY.search(near) else "historical"
    return "resolved" if OVER.search(near) else by_rules


def _if_somebodys(by_rules: Status, status: Status, context: MentionContext) -> Status:
    """What the classifier holds for another person's, only where a person is named near it: "met for men for diabetes" tells of
    nobody else. Of 17 such mentions in dialogues of development, one had no such word: "I've been around dogs"."""
    if status != "family" or by_rules == "family":
        return status
    near = context.words[max(0, context.start - PERSON_BEFORE) : _said_of_it(context)[1]]
    return status if any(token in PERSONS for word in near for token in split_word(word)[0]) else by_rules


def _said_of_it(context: MentionContext) -> tuple[int, int]:
    """Words [start, end) of whoever mentions it, with the answer if it is asked: what the other asks next ("Have you had this
    before?") says nothing of it."""

    def turn_end(at: int) -> int:
        last = at
        while last < len(context.words) and context.speakers[last] == context.speakers[at]:
            last += 1
        return last

    start, end = context.start, turn_end(context.start)
    while start > 0 and context.speakers[start - 1] == context.speakers[context.start]:
        start -= 1
    return start, turn_end(end) if is_question(context) and end < len(context.words) else end


def _rival(mention: Mention, status: Status, own: Status) -> Status | None:
    """The reading that did not win, where one of rules and classifier finds a denial, and the other none.

    Answers that only the classifier takes for a denial are left out: it mostly is right. What is left is 2.9 places in 10
    minutes of the 15 annotated consultations of days 1-3, and 13 of the 31 that are annotated are wrong, of all mentions 12 %.

    Args:
        mention: as the rules read it.
        status: what was made of both.
        own: the classifier's.
    """
    pair = (mention.status, own)
    is_sure = pair == ("present", "negated") and mention.answer is not None
    if pair not in CONTRADICTIONS or is_sure or status not in pair:
        return None
    return pair[1] if status == pair[0] else pair[0]


def _action(status: Status, probabilities: np.ndarray) -> Action | None:
    """The likeliest of those that go with the status, if it is likely at all."""
    action = max(ACTIONS_OF[status], key=lambda one: probabilities[ACTIONS.index(one)])
    return action if probabilities[ACTIONS.index(action)] >= ACTION else None


def as_status(predicted: StatusPrediction, index: int) -> Status:
    """What the classifier alone says of a mention: another person's is "family", unless it is denied."""
    status = STATUSES[int(predicted.statuses[index].argmax())]
    return "family" if predicted.other[index] >= 0.5 and status != "negated" else status


def mention_contexts(transcript: Transcript, mentions: Sequence[Mention]) -> list[MentionContext]:
    """The words around each mention, with who says them."""
    return contexts_at(transcript, places_of(transcript, mentions))


def places_of(transcript: Transcript, mentions: Sequence[Mention]) -> list[tuple[int, int]]:
    """The words [start, end) of the transcript that each mention is."""
    middles_s = np.array([(word.start_s + word.end_s) / 2 for word in transcript.words])
    starts = _segment_starts(transcript)
    places = []
    for mention in mentions:
        first = starts[mention.segment_index]
        start, end = _place(middles_s[first:], mention)
        places.append((first + start, first + end))
    return places


def contexts_at(transcript: Transcript, places: Iterable[tuple[int, int]]) -> list[MentionContext]:
    """The words around those that are words [start, end) of the transcript, with who says them."""
    words = tuple(word.text for word in transcript.words)
    speakers = tuple(segment.speaker for segment in transcript.segments for _ in segment.words)
    starts = frozenset(_segment_starts(transcript))
    return [MentionContext(words, speakers, starts, start, end).cut() for start, end in places]


def _segment_starts(transcript: Transcript) -> list[int]:
    """The number of each segment's first word."""
    return [0, *accumulate(len(segment.words) for segment in transcript.segments)][: len(transcript.segments)]


def _place(middles_s: np.ndarray, mention: Mention) -> tuple[int, int]:
    """Words [start, end) of a mention, of those from the beginning of its segment on."""
    inside = (middles_s >= mention.start_s) & (middles_s <= mention.end_s)
    if not inside.any():  # a corrected name lies between the words that it replaces
        nearest = int(np.abs(middles_s - (mention.start_s + mention.end_s) / 2).argmin())
        return nearest, nearest + 1
    start = int(inside.argmax())
    end = start + 1
    while end < len(inside) and inside[end]:
        end += 1
    return start, end


def _trigger(context: MentionContext, status: Status, classifier: StatusClassifier) -> str | None:
    """The words without which the classifier would be least sure, or else those that alone make it surest; None where no word
    decides: of a statement, or of a status that the whole of the sentence gives."""
    if status == "present":
        return None
    near = context.cut(READ_BEFORE, READ_AFTER)
    if as_status(classifier.predict([near]), 0) == status:  # the same from fewer words, and so much faster
        context = near
    first, last = max(0, context.start - MASKED_BEFORE), min(len(context.words), context.end + MASKED_AFTER)
    candidates = [at for at in range(first, last) if not context.start <= at < context.end]
    if not candidates:
        return None

    def sure(contexts: list[MentionContext]) -> np.ndarray:
        predicted = classifier.predict(contexts)
        return predicted.other if status == "family" else predicted.statuses[:, STATUSES.index(status)]

    of_hidden = sure([context, *(context.without([at]) for at in candidates)])
    weights = of_hidden[0] - of_hidden[1:]
    if weights.max() < PLAIN:  # what one word says, another may say again: "My sister does"
        others = [[other for other in candidates if other != at] for at in candidates]
        of_shown = sure([context.without(candidates), *(context.without(hidden) for hidden in others)])
        weights = of_shown[1:] - of_shown[0]
    decides = dict(zip(candidates, weights.tolist(), strict=True))
    best = max(candidates, key=lambda at: (context.words[at].strip(PUNCTUATION).lower() not in EMPTY_WORDS, decides[at]))
    if decides[best] < PLAIN:
        return None
    start, end = best, best + 1
    while decides.get(start - 1, 0.0) > 0 and decides[start - 1] >= SHARE * decides[best]:
        start -= 1
    while decides.get(end, 0.0) > 0 and decides[end] >= SHARE * decides[best]:
        end += 1
    return " ".join(context.words[start:end]).strip(PUNCTUATION)


def _is_allergy(context: MentionContext, reacted: float) -> bool:
    near = context.words[max(0, context.start - NEAR) : context.end + NEAR]
    return reacted >= ALLERGY and any(ALLERGY_WORDS.search(word) for word in near)
