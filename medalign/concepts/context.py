"""In which sense a concept is mentioned, and which words say so: our own rules in the spirit of ConText (Harkema 2009).

A trigger ("no", "my mother", "years ago") reaches forward or backward inside its sentence, up to a number of words,
and on along a list ("no fever, cough or chills"). Words such as "but" or "I have" stop it. Some phrases look like a
trigger and are none ("not only", "no change in"). The phrases stand in `data/triggers.csv`.

Where several triggers reach a mention, the first of `PRECEDENCE` counts: what is only imagined is not denied, and what
a relative does not have is simply not there.

"hypothetical" covers what may come, what is advised and what is planned; "family" covers every other person than the
patient; "resolved" is a complaint that is over, where "historical" is one of the past. A mention in a question is settled
by its answer, see `answers`.
"""

from dataclasses import dataclass
from functools import cache

from medalign.concepts.bank import FILLERS, SKIPPABLE
from medalign.concepts.tokens import PhraseTree, Token, data_rows, phrase_tokens, word_list, words_of
from medalign.core.analysis import Status

PRECEDENCE: tuple[Status, ...] = ("hypothetical", "negated", "family", "resolved", "historical", "uncertain")
STATUS_OF = {"child": "family", "third person": "family", "advised": "hypothetical"}  # kind of trigger -> status
LIST_GAP = 4  # words between two items of a list under one trigger
OWNERS = words_of("my your his her our their the a")
# A clause of its own begins with one of these behind a comma or "and": "no chest pain, I get headaches". What is only put in,
# "no cough, I'd say, or fever", is none.
SUBJECTS = words_of("i you he she it we they everyone everybody somebody someone")
PUT_IN, PUT_IN_WORDS = words_of("think say know mean guess suppose believe reckon"), 4
BEING = words_of("'s is was are were has have had")
TAKEN_FOR_GRANTED = words_of("the this that these those your his her")
DENIALS = words_of("can't cannot couldn't not no don't doesn't haven't hasn't unable lost loss off")
NOT_OVER = word_list("context.not_over")  # "has not cleared up" ends nothing
IT = words_of("it it's its that that's they they've they're")  # "I had a rash, but it's gone": takes the mention up again
ONSET = words_of("started start began begun diagnosed since")  # "started two years ago" goes on today
THIRD_PERSON = words_of("he she him her his he'll she'll hers")
FIRST_PERSON = words_of("i i'm i've i'd i'll me my")


@dataclass(frozen=True)
class Context:
    """The sense of one mention. `trigger` and `answer` are (sentence, first token, token after the last)."""

    status: Status
    trigger: tuple[int, int, int] | None = None
    answer: tuple[int, int, int] | None = None  # where it is asked about: what the other one says to it


@dataclass(frozen=True, slots=True)
class Cue:
    """A trigger or stop phrase found at tokens [start, end)."""

    kind: str
    direction: str
    reach: int
    start: int
    end: int


Place = tuple[int, int]  # a mention's tokens [start, end) in its sentence


@cache
def _lexicon() -> PhraseTree[tuple[tuple[str, str, int], ...]]:
    """Phrase -> its (kind, direction, reach) triples; several kinds may share a phrase.

    What "I" stops, "and I" and "I get" stop, too.
    """
    by_phrase: dict[tuple[str, ...], tuple[tuple[str, str, int], ...]] = {}
    for row in data_rows("triggers.csv"):
        for phrase in row["phrases"].split("|"):
            keys = tuple(phrase_tokens(phrase))
            by_phrase[keys] = (*by_phrase.get(keys, ()), (row["kind"], row["direction"], int(row["reach"])))
    stops = {keys: [row for row in rows if row[0] == "stop"] for keys, rows in by_phrase.items()}
    for keys in filter(stops.__getitem__, by_phrase):
        inner = (keys[start:end] for start in range(len(keys)) for end in range(start + 1, len(keys) + 1))
        by_phrase[keys] += tuple(row for phrase in inner if phrase != keys for row in stops.get(phrase, ()))
    return PhraseTree(by_phrase)


def in_sentence(
    sentence: list[Token], number: int, places: list[Place], medicines: list[bool], child_is_patient: bool
) -> list[Context]:
    """The context of each mention of one sentence (given in order), by its triggers alone.

    `medicines` says which mentions are medicines: what is advised is a plan, whereas nobody advises a symptom.
    """
    cues = find_cues(sentence, places)
    reached: list[dict[str, Cue]] = [{} for _ in places]
    looked_ahead = set()  # where a trigger that reaches both ways has found its mentions ahead
    for cue in cues:
        if not _applies(sentence, cue, child_is_patient):
            continue
        kind = STATUS_OF.get(cue.kind, cue.kind)
        indices = [] if (cue.start, kind) in looked_ahead else _reach(sentence, cue, kind, cues, places)
        if indices and cue.direction == "forward":
            looked_ahead.add((cue.start, kind))
        for index in indices:
            if cue.kind == "advised" and not medicines[index]:
                continue
            nearest = reached[index].get(kind)
            if nearest is None or _distance(cue, places[index]) < _distance(nearest, places[index]):
                reached[index][kind] = cue
    contexts = []
    for by_kind in reached:
        status = next((kind for kind in PRECEDENCE if kind in by_kind), None)
        if status is None:
            contexts.append(Context("present"))
            continue
        cue = by_kind[status]  # a relative with the owner: "my mother"
        is_owned = cue.kind in ("family", "child") and cue.start > 0 and sentence[cue.start - 1].text in OWNERS
        contexts.append(Context(status, (number, cue.start - is_owned, cue.end)))
    return contexts


def find_cues(sentence: list[Token], places: list[Place]) -> list[Cue]:
    """Triggers and stops, longest phrase first at each word; words of a mention are no trigger ("can't sleep")."""
    tree = _lexicon()
    texts = [token.text for token in sentence]
    taken = {at for start, end in places for at in range(start, end)}
    cues = []
    at = 0
    while at < len(texts):
        limit = next((n for n in range(at, len(texts)) if sentence[n].pause or n + 1 in taken), len(texts) - 1) + 1
        match = tree.longest(texts, at, limit) if at not in taken else None
        if match is None:
            at += 1
            continue
        # "No, I have a cough": a "no" of its own answers something and denies nothing that follows.
        if not (match[0] - at == 1 and texts[at] == "no" and sentence[at].pause):
            cues += [Cue(kind, direction, reach, at, match[0]) for kind, direction, reach in match[1]]
        at = match[0]
    return cues


def is_child_patient(said: list[list[Token]]) -> bool:
    """Whether a parent speaks for a child: "he" and "she" outnumber "I". Then "my son" is the patient, no relative."""
    texts = [token.text for sentence in said for token in sentence]
    return sum(text in THIRD_PERSON for text in texts) >= sum(text in FIRST_PERSON for text in texts)


def _applies(sentence: list[Token], cue: Cue, child_is_patient: bool) -> bool:
    """Whether a cue is a trigger here. "My son" is one where an adult is the patient, "as a child" never."""
    if cue.kind in ("child", "third person") and child_is_patient:
        return False
    if cue.kind == "child":
        return cue.start > 0 and sentence[cue.start - 1].text in OWNERS - {"a", "the"}
    if cue.kind == "resolved" and any(token.text in NOT_OVER for token in sentence[max(0, cue.start - 2) : cue.start]):
        return False
    return cue.kind not in ("stop", "pseudo")


def _reach(sentence: list[Token], cue: Cue, kind: str, cues: list[Cue], places: list[Place]) -> list[int]:
    """Which mentions a trigger reaches, going from item to item of a list."""
    if kind == "historical" and any(token.text in ONSET for token in sentence[max(0, cue.start - 8) : cue.start]):
        return []
    forward = cue.direction == "forward"
    indices = range(len(places)) if forward else reversed(range(len(places)))
    edge, gap = (cue.end if forward else cue.start), cue.reach
    found: list[int] = []
    for index in indices:
        start, end = places[index]
        if (forward and start < cue.end) or (not forward and end > cue.start):
            continue
        between = (edge, start) if forward else (end, edge)
        if kind == "negated" and sentence[start].text in DENIALS:
            break  # "no pain and can't sleep": the wording has its own negation
        n_between = sum(token.text not in SKIPPABLE for token in sentence[between[0] : between[1]])
        if n_between > gap or _stopped(sentence, kind, between, cues, is_list=bool(found)):
            break
        if kind == "negated" and forward and any(_begins_clause(sentence, at, start) for at in range(edge, start + 1)):
            break
        found.append(index)
        edge, gap = (end if forward else start), max(LIST_GAP, cue.reach if kind != "negated" else 0)
    return found


def _stopped(sentence: list[Token], kind: str, between: tuple[int, int], cues: list[Cue], is_list: bool) -> bool:
    """Whether the words between trigger and mention end the trigger's reach."""
    for cue in cues:
        if cue.kind == "stop" and cue.direction in ("all", kind) and between[0] <= cue.start < between[1]:
            takes_up = cue.end < len(sentence) and sentence[cue.end].text in IT
            if not (kind == "resolved" and takes_up):
                return True
    # "No fever, the cough is worse": a new clause, not a list.
    is_parted = 0 < between[0] < between[1] and sentence[between[0] - 1].pause != ""
    return is_list and kind == "negated" and is_parted and sentence[between[0]].text in OWNERS - {"a"}


def _begins_clause(sentence: list[Token], at: int, mention: int) -> bool:
    """Whether somebody is said to do or to have something from token `at` on, up to the mention that begins at `mention`."""
    following = sentence[at + 1].text if at + 1 < len(sentence) else ""
    is_subject = sentence[at].text.partition("'")[0] in SUBJECTS or sentence[at].text == "there" and following in BEING
    before = next((token for token in reversed(sentence[:at]) if token.text not in FILLERS or token.pause), None)
    if not is_subject or before is None or not (before.pause or before.text == "and"):
        return False
    end = next((n + 1 for n in range(at, mention) if sentence[n].pause), mention + 1)
    return end > mention or end - at > PUT_IN_WORDS or not any(token.text in PUT_IN for token in sentence[at:end])


def _distance(cue: Cue, place: Place) -> int:
    return place[0] - cue.end if cue.end <= place[0] else cue.start - place[1]


def presupposes(sentence: list[Token], place: Place) -> bool:
    """Whether the article takes the mention for granted: "does the headache come and go?"."""
    said = " ".join(token.text for token in sentence[max(0, place[0] - 5) : place[0]])
    if any(phrase in said for phrase in ("apart from", "other than", "except for", "aside from", "because of")):
        return True
    telling = (token.text for token in reversed(sentence[: place[0]]) if token.text not in SKIPPABLE - TAKEN_FOR_GRANTED)
    return next(telling, "") in TAKEN_FOR_GRANTED
