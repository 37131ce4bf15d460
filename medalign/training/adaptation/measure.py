"""How well teachers read: what was said for a note's statement, whether it was denied, and which concept a wording means.

The truth of all three comes from elsewhere than from a teacher: facts that were annotated by reading, with the utterance that
they stand in; the sections of MTS-Dialog, each written for its dialogue; the concept bank's synonyms that no pair had.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medalign.concepts import ConceptBank
from medalign.concepts.notes import read_note
from medalign.evaluation.bootstrap import Statistic, paired_difference, with_interval
from medalign.evaluation.concept_detection import auroc
from medalign.models.teacher import Teacher
from medalign.pipeline.notes.claims import statement_said
from medalign.training.adaptation.synonyms import kept_back_synonyms
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import ANNOTATIONS, OF_STATUS, Fact, FactNames, annotated, read_facts

N_AFTER = 2  # utterances after a fact's own that are read with it, up to the next long one: a question has its answer there
SHORT = 8  # words; an answer has no more
N_SYNONYMS = 1000  # of either kind, drawn by a seed
RESTATED = {"X, no X": ("{}", "no {}"), "reports X, denies X": ("reports {}", "denies {}")}  # affirmed and denied


@dataclass(frozen=True)
class Query:
    """A text that some of the texts of a search are right for."""

    text: str
    right: frozenset[int]  # indices into the texts
    among: range  # the texts that it is looked for in
    group: str  # for intervals


@dataclass(frozen=True)
class Search:
    """Texts that are looked for among others."""

    texts: tuple[str, ...]
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class Denial:
    """Words about a fact that is there or denied."""

    said: str
    name: str
    is_denied: bool
    group: str


def measure_teachers(
    names: Sequence[str], consultations: Sequence[Consultation], annotations: Literal["develop", "report"]
) -> dict:
    """Figures of each teacher with 95 % intervals over consultations, and of each but the first its lead over the first.

    Raises:
        DataError: the data lack a consultation that facts were annotated in.
    """
    bank = ConceptBank.default()
    facts = read_facts(ANNOTATIONS / f"{annotations}.csv")
    by_id = annotated(facts, consultations)
    searches = {"statement to utterance": statements(facts, by_id, bank)}
    if annotations == "report":  # of the training part, adapting has seen the sections
        searches["section to dialogue"] = sections(consultations)
    for what, of_whole in (("synonym to concept", False), ("synonym to concept kept back", True)):
        searches[what] = synonyms(bank, of_whole=of_whole)
    denials = denials_of(facts, by_id)
    statistics_of = [_teacher_statistics(Teacher(name), searches, denials) for name in names]
    figures: dict = {"annotations": annotations, "teachers": []}
    for name, (info, statistics) in zip(names, statistics_of, strict=True):
        own: dict = {"name": info.name, "revision": info.revision}
        for what, (groups, by_metric) in statistics.items():
            own[what] = {"n": len(groups), "n_groups": len(set(groups))}
            for metric, statistic in by_metric.items():
                own[what][metric] = with_interval(statistic, groups)
                if name != names[0]:
                    first = statistics_of[0][1][what][1][metric]
                    own[what][f"{metric}, lead"] = list(paired_difference(statistic, first, groups))
        figures["teachers"].append(own)
    return figures


def statements(facts: Sequence[Fact], by_id: dict[str, Consultation], bank: ConceptBank) -> Search:
    """Statements of notes that name an annotated fact in its sense, and the utterances that it stands in."""
    names = FactNames.default(bank)
    queries, texts = list[Query](), list[str]()
    for key in sorted({fact.consultation_id for fact in facts}):
        consultation, of_one = by_id[key], [fact for fact in facts if fact.consultation_id == key]
        here = range(len(texts), len(texts) + len(consultation.utterances))
        texts += [u.text for u in consultation.utterances]
        for clause in read_note(consultation.note)[1] if consultation.note.strip() else ():
            claimed = {(fact.concept_id, OF_STATUS[fact.status]) for fact in statement_said(clause, bank).facts}
            places = {
                here[fact.utterance]
                for fact in of_one
                for concept_id, sense in claimed
                if concept_id in names.concept_ids(fact.name) and sense in fact.senses
            }
            if places:
                queries.append(Query(clause.plain, frozenset(places), here, key))
    return Search(tuple(texts), tuple(queries))


def sections(consultations: Iterable[Consultation]) -> Search:
    """Each section of MTS-Dialog's validation part, and its dialogue among all of them; equal sections share theirs."""
    of_mts = [c for c in consultations if c.consultation_id.startswith("mts-valid-") and len(c.note.split()) >= 3]
    everywhere = range(len(of_mts))
    right = [frozenset(i for i in everywhere if of_mts[i].note == c.note) for c in of_mts]
    queries = (Query(c.note, own, everywhere, c.consultation_id) for c, own in zip(of_mts, right, strict=True))
    return Search(tuple(" ".join(u.text for u in c.utterances) for c in of_mts), tuple(queries))


def synonyms(bank: ConceptBank, *, of_whole: bool) -> Search:
    """Synonyms that adapting never has, and their concept's label among all labels.

    Args:
        of_whole: of concepts that were kept back with all their wordings.
    """
    kept = [(synonym, concept.concept_id) for synonym, concept, is_whole in kept_back_synonyms(bank) if is_whole == of_whole]
    chosen = random.Random(0).sample(kept, min(N_SYNONYMS, len(kept)))
    texts = tuple(concept.label for concept in bank.concepts)
    return Search(texts, tuple(Query(text, frozenset([bank.column[c]]), range(len(texts)), c) for text, c in chosen))


def denials_of(facts: Iterable[Fact], by_id: dict[str, Consultation]) -> list[Denial]:
    """The words about every fact that is plainly there or plainly denied."""
    found = []
    for fact in facts:
        if fact.senses in ({"present"}, {"negated"}) and fact.kind != "measurement":
            first, *others = by_id[fact.consultation_id].utterances[fact.utterance : fact.utterance + 1 + N_AFTER]
            words = [first.text]
            for following in others:
                words.append(following.text)
                if len(following.text.split()) > SHORT:
                    break
            found.append(Denial(" ".join(words), fact.name, fact.senses == {"negated"}, fact.consultation_id))
    return found


def _teacher_statistics(teacher: Teacher, searches: dict[str, Search], denials: list[Denial]) -> tuple:
    """The teacher, and by task the groups of its rows and a statistic for each metric."""
    found: dict[str, tuple[list[str], dict[str, Statistic]]] = {}
    for what, search in searches.items():
        ranks = ranks_of(search, teacher)
        by_metric = {"recall@1": _mean(ranks <= 1), "recall@10": _mean(ranks <= 10), "mean reciprocal rank": _mean(1 / ranks)}
        found[what] = [query.group for query in search.queries], by_metric
    denied = np.array([one.is_denied for one in denials])
    said = teacher.encode([one.said for one in denials])
    for what, wordings in RESTATED.items():
        affirm, deny = (teacher.encode([wording.format(one.name) for one in denials]) for wording in wordings)
        yes, no = (said * affirm).sum(1), (said * deny).sum(1)
        right, wrong = np.where(denied, no, yes), np.where(denied, yes, no)
        by_metric = {
            "AUROC of denied facts against others, by the difference": _auroc_of(no - yes, denied),
            "AUROC of right restatements against wrong ones": _auroc(right, wrong),
            "right above wrong": _mean(right > wrong),
        }
        found[f"denied or not: {what}"] = [one.group for one in denials], by_metric
    return teacher.info, found


def ranks_of(search: Search, teacher: Teacher) -> np.ndarray:
    """Rank (n,) of the best right text of each query, 1 is best; a tie counts against it."""
    texts, wanted = teacher.encode(search.texts), teacher.encode([query.text for query in search.queries])
    ranks = np.zeros(len(wanted), int)
    for i, query in enumerate(search.queries):
        cosines = texts[query.among.start : query.among.stop] @ wanted[i]
        own = [at - query.among.start for at in query.right]
        ranks[i] = 1 + (np.delete(cosines, own) >= cosines[own].max()).sum()
    return ranks


def _mean(values: np.ndarray) -> Statistic:
    return lambda rows: float(values[rows].mean())


def _auroc_of(scores: np.ndarray, truth: np.ndarray) -> Statistic:
    return lambda rows: auroc(scores[rows[truth[rows]]], scores[rows[~truth[rows]]])


def _auroc(right: np.ndarray, wrong: np.ndarray) -> Statistic:
    return lambda rows: auroc(right[rows], wrong[rows])
