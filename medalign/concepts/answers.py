"""Questions and their answers: what was asked about is there, or not, by what the other one says next.

"Any chest pain?" - "No, nothing like that." denies chest pain by the trigger "No"; "Yeah, a bit" confirms it. Asked and
not answered is "uncertain" with the question's words as trigger. Recognisers often write question and answer into one
segment, so everything here goes by sentences.
"""

from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Literal, cast

from medalign.concepts.bank import FILLERS
from medalign.concepts.context import Context, Place, find_cues, in_sentence, is_child_patient, presupposes
from medalign.concepts.tokens import PhraseTree, Token, data_rows, phrase_tokens, word_list, words_of

Mentioned = tuple[int, int, str, bool]  # tokens [start, end) of a sentence, concept id, is it a medicine

LOOK_AHEAD = 4  # sentences in which an answer, or an echo, is expected
ANSWER_WORDS = 16  # of a sentence that answers, as many as have to be heard
ECHO_WORDS = 5  # "My dad had a stroke." - "A stroke, OK.": a sentence this short repeats what was said
LEAD_IN = FILLERS | word_list("answers.lead_in")
AUXILIARIES = word_list("answers.auxiliaries")
SUBJECTS = words_of("you he she it there they the your that this these anyone anybody any i we his her")
WH_WORDS = words_of("what when where why how which who whereabouts what's how's where's when's who's")
REQUESTS = words_of("tell describe explain show point say rate give just talk please run go bring let")
STATEMENT = words_of("you've you're you'd i've i'm it's he's she's i we")  # "you've had a cough?" tells more than it asks
STATING_SUBJECTS = words_of("you he she it they there")
STATING_VERBS = words_of("are is was were have has had 's mentioned said feel felt take get got do did")
CHECKS = words_of("okay ok alright")  # "There is some swelling, okay?" asks nothing
# "Is your nose blocked?" asks; "is your headache worse?" takes the headache for granted.
ASKED_ABOUT = word_list("answers.asked_about")
BACKCHANNEL = word_list("answers.backchannel")

Verdict = Literal["no", "yes", "past", "unsure", "none"]


def _answers() -> PhraseTree[Verdict]:
    tree = PhraseTree[Verdict]()
    for row in data_rows("answers.csv"):
        for phrase in row["phrases"].split("|"):
            tree.add(phrase_tokens(phrase), cast(Verdict, row["verdict"]))
    return tree


ANSWERS = _answers()
SHORT_NO, SHORT_YES = words_of("no nope nah"), words_of("yes yeah yep yup")


@dataclass(frozen=True)
class Answer:
    verdict: Verdict
    trigger: tuple[int, int, int] | None = None
    sentence: int | None = None


def statuses(said: list[list[Token]], mentions: list[list[Mentioned]]) -> list[list[Context]]:
    """The context of every mention, a list a sentence.

    First by the triggers of its own sentence, then, for what is asked about, by the answer.
    """
    child_is_patient = is_child_patient(said)
    places = [[(start, end) for start, end, *_ in row] for row in mentions]
    plain = [
        in_sentence(said[n], n, places[n], [mention[3] for mention in row], child_is_patient) if row else []
        for n, row in enumerate(mentions)
    ]
    settled = [list(row) for row in plain]
    relatives: dict[str, tuple[int, Context]] = {}  # concept -> where a relative was last said to have it
    for number, row in enumerate(mentions):
        for index, (start, end, concept_id, _) in enumerate(row):
            context = plain[number][index]
            if context.status in ("negated", "hypothetical"):
                continue
            inside = _answer_inside(said[number], number, (start, end), places[number])
            if inside:
                settled[number][index] = replace(_settle(context, inside, (number, start, end)), answer=inside.trigger)
            elif is_asked(said[number], (start, end)):
                settled[number][index] = _Dialogue(said, mentions, plain).after_question(number, index)
            elif context.status == "present" and len(said[number]) <= ECHO_WORDS:
                said_at, earlier = relatives.get(concept_id, (-LOOK_AHEAD - 1, context))
                settled[number][index] = earlier if number - said_at <= LOOK_AHEAD else context
            if settled[number][index].status == "family":
                relatives[concept_id] = (number, settled[number][index])
    return settled


@dataclass(frozen=True)
class _Dialogue:
    """Sentences, their mentions, and what the triggers of each sentence alone say of these."""

    said: list[list[Token]]
    mentions: list[list[Mentioned]]
    plain: list[list[Context]]

    def after_question(self, number: int, index: int) -> Context:
        """The context of a mention that is asked about in sentence `number`, with its answer."""
        answer = _find_answer(self.said, number)
        settled = self._as_answered(number, index, answer)
        if answer.sentence is None:
            return settled
        return replace(settled, answer=(answer.sentence, 0, min(len(self.said[answer.sentence]), ANSWER_WORDS)))

    def _as_answered(self, number: int, index: int, answer: Answer) -> Context:
        start, end, concept_id, _ = self.mentions[number][index]
        plain = self.plain[number][index]
        other = self._same_concept(number, answer, concept_id)
        if other and answer.verdict != "unsure":
            return other
        if answer.sentence is not None:  # "Fever, cough?" - "Yes, a cough": the answer leaves the fever open
            asked, named = ({mention[2] for mention in self.mentions[n]} for n in (number, answer.sentence))
            answer = Answer("none") if len(asked) > 1 and asked & named else answer
        if answer.verdict == "none":
            if relative := _relatives_answer(self.said, answer, plain):
                return relative
            if _is_statement(self.said[number]):
                return plain
        return _settle(plain, answer, _question_trigger(self.said[number], number, (start, end)))

    def _same_concept(self, asked: int, answer: Answer, concept_id: str) -> Context | None:
        """What the answer says of the concept that was asked about; without a yes or no, the sentences after it too."""
        ahead = [number for number in _ahead(self.said, asked) if not is_polar_question(self.said[number])]
        for number in [answer.trigger[0]] if answer.trigger else ahead:
            for mention, context in zip(self.mentions[number], self.plain[number], strict=True):
                if mention[2] == concept_id:
                    return context
        return None


def _relatives_answer(said: list[list[Token]], answer: Answer, asked: Context) -> Context | None:
    """ "Does anyone in the family have asthma?" - "My brother does.", or "My brother doesn't."."""
    if asked.status != "family" or answer.sentence is None:
        return None
    cues = find_cues(said[answer.sentence], [])
    if not any(cue.kind in ("family", "child") for cue in cues):
        return None
    denial = next((cue for cue in cues if cue.kind == "negated"), None)
    return Context("negated", (answer.sentence, denial.start, denial.end)) if denial else asked


def is_asked(sentence: list[Token], place: Place) -> bool:
    """Whether a sentence asks if the mention at `place` is there. "When did the cough start?" does not."""
    if not is_polar_question(sentence):
        return False
    return not presupposes(sentence, place) or sentence[place[0]].text in ASKED_ABOUT


def is_polar_question(sentence: list[Token]) -> bool:
    """Whether a sentence asks for yes or no; recognisers may leave out the question mark."""
    opening = _opening(sentence)
    if not opening:
        return False
    first, second, third = (*(token.text for token in opening[:3]), "", "")[:3]
    asks_what = first in WH_WORDS or (first in ("in", "at", "for", "on", "since", "to", "with") and second in WH_WORDS)
    if asks_what and not (first in ("how", "what") and second == "about"):
        return any(token.text == "any" for token in opening) and sentence[-1].pause == "?"
    if first in ("can", "could", "would", "will") and (second == "you" and third in REQUESTS):
        return False
    asks_any = first in ("any", "ever") or any(token.text == "any" for token in opening[:8])
    inverted = first in AUXILIARIES and (second in SUBJECTS or asks_any)
    by_mark = sentence[-1].pause == "?" and not (len(opening) > 4 and sentence[-1].text in CHECKS)
    return by_mark or inverted or first in ("how", "what") and second == "about"


def _opening(sentence: list[Token]) -> list[Token]:
    return list(dropwhile(lambda token: token.text in LEAD_IN, sentence))


def _is_statement(sentence: list[Token]) -> bool:
    """ "So you've had diarrhoea?": a question by its tone only."""
    texts = [token.text for token in _opening(sentence)]
    if not texts or texts[0] in AUXILIARIES:
        return False
    pairs = zip(texts, texts[1:], strict=False)
    return texts[0] in STATEMENT or any(a in STATING_SUBJECTS and b in STATING_VERBS for a, b in pairs)


def _find_answer(said: list[list[Token]], asked: int) -> Answer:
    """The answer to the question `asked`; a yes after several questions belongs to the last of them."""
    other_question = False
    for number in _ahead(said, asked):
        sentence = said[number]
        answer = _as_answer(sentence, number)
        if answer and sentence[-1].pause != "?":
            return Answer("none") if answer.verdict == "yes" and other_question else answer
        if all(token.text in BACKCHANNEL for token in sentence):
            continue
        if not is_polar_question(sentence):
            if sentence[0].segment == said[asked][-1].segment:
                continue  # the asker goes on talking: "Any strokes? I know you're young."
            return Answer("none", None, number)
        other_question = other_question or len(sentence) > 2
    return Answer("none")


def _ahead(said: list[list[Token]], asked: int) -> range:
    """The sentences in which an answer is expected."""
    return range(asked + 1, min(asked + 1 + LOOK_AHEAD, len(said)))


def _as_answer(sentence: list[Token], number: int) -> Answer | None:
    texts = [token.text for token in sentence]
    for start, text in enumerate(texts):
        if match := ANSWERS.longest(texts, start):
            return Answer(match[1], (number, start, match[0]), number)
        if text not in LEAD_IN:
            break
    return None


def denies(sentence: list[Token]) -> bool:
    """Whether a sentence begins with a no, as an answer does."""
    answer = _as_answer(sentence, 0)
    return answer is not None and answer.verdict == "no"


def _answer_inside(sentence: list[Token], number: int, place: Place, places: list[Place]) -> Answer | None:
    """ "Chest pain, no." and "any chest pain no any fever yes": the short answer right behind the mention."""
    limit = min((start for start, _ in places if start >= place[1]), default=len(sentence))
    for at in range(place[1], min(limit, place[1] + 3)):
        token = sentence[at]
        stands_alone = bool(token.pause) or at + 1 == len(sentence) or sentence[at + 1].text in AUXILIARIES
        set_off = bool(sentence[at - 1].pause) or is_polar_question(sentence)
        if token.text in SHORT_NO | SHORT_YES and stands_alone and set_off and token.pause != "?":
            return Answer("no" if token.text in SHORT_NO else "yes", (number, at, at + 1), number)
    return None


def _settle(context: Context, answer: Answer, question: tuple[int, int, int]) -> Context:
    if answer.verdict == "no":
        return Context("negated", answer.trigger)
    if answer.verdict == "past":
        return Context("historical", answer.trigger)
    if answer.verdict == "yes":
        return context if context.status in ("family", "historical") else Context("present", answer.trigger)
    return Context("uncertain", answer.trigger if answer.verdict == "unsure" else question)


def _question_trigger(sentence: list[Token], number: int, place: Place) -> tuple[int, int, int]:
    """The words that make it a question: "any", else its opening ("do you"), else the mention itself."""
    for at in range(place[0] - 1, -1, -1):
        if sentence[at].text == "any":
            return (number, at, at + 1)
    start = len(sentence) - len(_opening(sentence))
    end = min(start + 2, place[0])
    return (number, start, end) if end > start else (number, *place)
