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
from medalign.core.errors import DataError
from medalign.evaluation.bootstrap import Statistic, paired_difference, with_interval
from medalign.evaluation.concept_detection import auroc
from medalign.models.teacher import Teacher
from medalign.pipeline.note_claims import statement_said
from medalign.training.adaptation.synonyms import kept_back_synonyms
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import ANNOTATIONS, OF_STATUS, Fact, FactNames, read_facts

N_AFTER = 2  # utterances after a fact's own that are read with it, up to the next long one: a question has its answer there
SHORT = 8  # words; an answer has no more
N_SYNONYMS = 1000  # of either kind, drawn by a seed
RESTATED = {"X, no X": ("{}", "no {}"), "reports X, denies X": ("reports {}", "denies {}")}  # affirmed and denied


@dataclass(frozen=True)
class Search:
    """Texts that are looked for among others; the right ones of each are known."""

    queries: tuple[str, ...]
    texts: tuple[str, ...]
    right: tuple[frozenset[int], ...]  # of each query, indices into `texts`
    among: tuple[range, ...]  # of each query, the texts that it is looked for in
    groups: tuple[str, ...]  # of each query, for intervals


@dataclass(frozen=True)
class Denials:
    """Words about a fact that is there or denied."""

    said: tuple[str, ...]
    names: tuple[str, ...]
    denied: tuple[bool, ...]
    groups: tuple[str, ...]


def measure_teachers(
    names: Sequence[str], consultations: Sequence[Consultation], annotations: Literal["develop", "report"]
) -> dict:
    """Figures of each teacher with 95 % intervals over consultations, and of each but the first its lead over the first.

    Raises:
        DataError: the data lack a consultation that facts were annotated in.
    """
    bank = ConceptBank.default()
    facts = read_facts(ANNOTATIONS / f"{annotations}.csv")
    by_id = {c.consultation_id: c for c in consultations}
    if missing := sorted({fact.consultation_id for fact in facts} - set(by_id)):
        raise DataError(f"the data lack consultation {missing[0]}; --data takes the folder with primock57/ and aci_bench/")
    searches = {"statement to utterance": statements(facts, by_id, bank)}
    if annotations == "report":  # of the training part, adapting has seen the sections
        searches["section to dialogue"] = sections(consultations)
    for what, of_whole in (("synonym to concept", False), ("synonym to concept kept back", True)):
        searches[what] = synonyms(bank, of_whole=of_whole)
    denials = denials_of(facts, by_id)
    told = [_teacher_statistics(Teacher(name), searches, denials) for name in names]
    figures: dict = {"annotations": annotations, "teachers": []}
    for name, (info, statistics) in zip(names, told, strict=True):
        own: dict = {"name": info.name, "revision": info.revision}
        for what, (groups, by_metric) in statistics.items():
            own[what] = {"n": len(groups), "n_groups": len(set(groups))}
            for metric, statistic in by_metric.items():
                own[what][metric] = with_interval(statistic, groups)
                if name != names[0]:
                    first = told[0][1][what][1][metric]
                    own[what][f"{metric}, lead"] = list(paired_difference(statistic, first, groups))
        figures["teachers"].append(own)
    return figures


def statements(facts: Sequence[Fact], by_id: dict[str, Consultation], bank: ConceptBank) -> Search:
    """Statements of notes that name an annotated fact in its sense, and the utterances that it stands in."""
    names = FactNames.default(bank)
    queries, right, among, groups, texts = [], [], [], [], list[str]()
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
                queries.append(clause.plain)
                right.append(frozenset(places))
                among.append(here)
                groups.append(key)
    return Search(tuple(queries), tuple(texts), tuple(right), tuple(among), tuple(groups))


def sections(consultations: Iterable[Consultation]) -> Search:
    """Each section of MTS-Dialog's validation part, and its dialogue among all of them; equal sections share theirs."""
    of_mts = [c for c in consultations if c.consultation_id.startswith("mts-valid-") and len(c.note.split()) >= 3]
    texts = tuple(" ".join(u.text for u in c.utterances) for c in of_mts)
    right = tuple(frozenset(i for i, other in enumerate(of_mts) if other.note == c.note) for c in of_mts)
    everywhere = (range(len(texts)),) * len(texts)
    return Search(tuple(c.note for c in of_mts), texts, right, everywhere, tuple(c.consultation_id for c in of_mts))


def synonyms(bank: ConceptBank, *, of_whole: bool) -> Search:
    """Synonyms that adapting never has, and their concept's label among all labels.

    Args:
        of_whole: of concepts that were kept back with all their wordings.
    """
    kept = [(synonym, concept) for synonym, concept, is_whole in kept_back_synonyms(bank) if is_whole == of_whole]
    chosen = random.Random(0).sample(kept, min(N_SYNONYMS, len(kept)))
    texts = tuple(concept.label for concept in bank.concepts)
    return Search(
        tuple(synonym for synonym, _ in chosen),
        texts,
        tuple(frozenset([bank.column[concept.concept_id]]) for _, concept in chosen),
        (range(len(texts)),) * len(chosen),
        tuple(concept.concept_id for _, concept in chosen),
    )


def denials_of(facts: Iterable[Fact], by_id: dict[str, Consultation]) -> Denials:
    """The words about every fact that is plainly there or plainly denied."""
    chosen = [fact for fact in facts if fact.senses in ({"present"}, {"negated"}) and fact.kind != "measurement"]
    said = []
    for fact in chosen:
        utterances = by_id[fact.consultation_id].utterances[fact.utterance : fact.utterance + 1 + N_AFTER]
        words = [utterances[0].text]
        for following in utterances[1:]:
            words.append(following.text)
            if len(following.text.split()) > SHORT:
                break
        said.append(" ".join(words))
    return Denials(
        tuple(said),
        tuple(fact.name for fact in chosen),
        tuple(fact.senses == {"negated"} for fact in chosen),
        tuple(fact.consultation_id for fact in chosen),
    )


def _teacher_statistics(teacher: Teacher, searches: dict[str, Search], denials: Denials) -> tuple:
    """The teacher, and by task the groups of its rows and a statistic for each metric."""
    found = {}
    for what, search in searches.items():
        ranks = ranks_of(search, teacher)
        found[what] = (
            search.groups,
            {"recall@1": _mean(ranks <= 1), "recall@10": _mean(ranks <= 10), "mean reciprocal rank": _mean(1 / ranks)},
        )
    denied = np.array(denials.denied)
    said = teacher.encode(denials.said)
    for what, wordings in RESTATED.items():
        affirm, deny = (teacher.encode([wording.format(name) for name in denials.names]) for wording in wordings)
        yes, no = (said * affirm).sum(1), (said * deny).sum(1)
        right, wrong = np.where(denied, no, yes), np.where(denied, yes, no)
        found[f"denied or not: {what}"] = (
            denials.groups,
            {
                "AUROC of denied facts against others, by the difference": _auroc_of(no - yes, denied),
                "AUROC of right restatements against wrong ones": _auroc(right, wrong),
                "right above wrong": _mean(right > wrong),
            },
        )
    return teacher.info, found


def ranks_of(search: Search, teacher: Teacher) -> np.ndarray:
    """Rank (n,) of the best right text of each query, 1 is best; a tie counts against it."""
    queries, texts = teacher.encode(search.queries), teacher.encode(search.texts)
    ranks = np.zeros(len(queries), int)
    for i, (right, among) in enumerate(zip(search.right, search.among, strict=True)):
        cosines = texts[among.start : among.stop] @ queries[i]
        own = [at - among.start for at in right]
        others = np.delete(cosines, own)
        ranks[i] = 1 + (others >= cosines[own].max()).sum()
    return ranks


def _mean(values: np.ndarray) -> Statistic:
    return lambda rows: float(values[rows].mean())


def _auroc_of(scores: np.ndarray, truth: np.ndarray) -> Statistic:
    return lambda rows: auroc(scores[rows[truth[rows]]], scores[rows[~truth[rows]]])


def _auroc(right: np.ndarray, wrong: np.ndarray) -> Statistic:
    return lambda rows: auroc(right[rows], wrong[rows])
