"""How well errors in notes are found: AUROC by kind of error, and what is told of right notes and of what they leave out."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from medalign.concepts import ConceptBank
from medalign.evaluation.bootstrap import paired_difference, share, with_interval
from medalign.pipeline.notes.check import belongs_features, probabilities, verdicts_of
from medalign.pipeline.notes.fits import WORDS, NoteFits
from medalign.pipeline.notes.held import Held
from medalign.pipeline.notes.left_out import left_out, weight_of_fact
from medalign.pipeline.notes.said import Fact, related
from medalign.pipeline.notes.tally import FEATURES
from medalign.training.data.note_errors import KINDS
from medalign.training.fitting.note_cases import ORIGINAL, Case, spoilt

CRITICAL = 0.8  # weight of a fact whose loss matters most: complaint, red flag, allergy, medicine
OURS = "words and sound"  # the score that counts, with an interval; the others stand beside it
HALF_WRONG = 0.5  # share of wrong statements in a bad note of the right patient
FIRST = 10  # of what is left out, so many are shown
PUBLISHED_INVENTED = 0.015  # share of generated sentences that are invented (npj Digital Medicine 2025, 12,999 sentences)
AGAINST = (  # features that alone say that facts differ, each counted as one
    "facts differ", "facts absent", "medicines absent", "status contradicted", "person contradicted", "action contradicted",
    "numbers absent", "number contradicted", "side contradicted", "relatives absent", "details differ", "certainty differs",
)  # fmt: skip


def measure_notes(
    cases: Sequence[Case],
    fits: NoteFits,
    bank: ConceptBank,
    others: Sequence[Case] = (),
    borne_out: Collection[tuple[str, str]] = (),
) -> dict:
    """
    Args:
        cases: of notes that nothing was fitted on.
        others: each note held against another consultation.
        borne_out: consultation and text of original statements that readers found said; of others nobody knows.
    """
    kinds = np.concatenate([np.array(case.kinds) for case in cases])
    groups = np.array([case.consultation_id for case in cases for _ in case.kinds])
    scores = _scores(cases, fits)
    original = kinds == ORIGINAL
    claims = np.concatenate([[clause.is_claim for clause in case.held.clauses] for case in cases])
    figures: dict = {"n_notes": len(cases), "n_statements": int(original.sum()), "auroc": {}}
    for kind in KINDS:
        rows = np.flatnonzero(claims & (original | (kinds == kind)))
        if (n := int((kinds == kind).sum())) < 5:
            continue
        of = {name: _statistic(score[rows], kinds[rows] == kind) for name, score in scores.items()}
        values = {name: [statistic(np.arange(len(rows)))] for name, statistic in of.items()}
        figures["auroc"][kind] = {"n": n, **values, OURS: with_interval(of[OURS], groups[rows])}
        if "words" in of:
            figures["auroc"][kind]["gain by sound"] = list(paired_difference(of[OURS], of["words"], groups[rows]))
    verdicts = np.concatenate([np.array(verdicts_of(case.held, fits)) for case in cases])
    if borne_out:
        figures["beside originals that readers found said"] = _measure_verified(cases, kinds, scores[OURS], groups, borne_out)
    figures["verdicts of originals"] = _shares(verdicts[original])
    figures["originals contradicted"] = share((verdicts == "contradicted")[original], groups[original])
    figures["verdicts of errors"] = {kind: _shares(verdicts[kinds == kind]) for kind in KINDS if (kinds == kind).sum() >= 5}
    figures["at the published rate"] = _at_the_published_rate(verdicts, original)
    figures["left out"] = measure_left_out(cases, bank)
    if others:
        figures["belongs"] = _measure_belonging(cases, others, fits)
    return figures


def _measure_verified(
    cases: Sequence[Case], kinds: np.ndarray, score: np.ndarray, groups: np.ndarray, borne_out: Collection[tuple[str, str]]
) -> dict:
    """The same AUROC where no original is itself an error: notes hold things that were never said."""
    said = np.array([(c.consultation_id, clause.text) in borne_out for c in cases for clause in c.held.clauses])
    said &= kinds == ORIGINAL
    figures: dict = {"n originals": int(said.sum())}
    for kind in KINDS:
        rows = np.flatnonzero(said | (kinds == kind))
        wrong = kinds[rows] == kind
        if said.any() and wrong.sum() >= 5:
            figures[kind] = with_interval(_statistic(score[rows], wrong), groups[rows])
    return figures


def _at_the_published_rate(verdicts: np.ndarray, original: np.ndarray) -> dict[str, float]:
    """How often a mark is right where as many statements are invented as published studies found."""
    marked = np.isin(verdicts, ["contradicted", "not_found"])
    caught, alarms = float(marked[~original].mean()), float(marked[original].mean())
    invented = PUBLISHED_INVENTED
    return {
        "share of wrong statements": invented, "wrong marked": caught, "right marked": alarms,
        "marked that are wrong": invented * caught / max(invented * caught + (1 - invented) * alarms, 1e-9),
    }  # fmt: skip


def _measure_belonging(cases: Sequence[Case], others: Sequence[Case], fits: NoteFits) -> dict[str, float]:
    """Whether a note is told apart from one of another consultation, and what is thought of bad notes of the right one."""

    def probability(held: Iterable[Held]) -> np.ndarray:
        return fits.belongs.probability(np.stack([belongs_features(one, fits.words) for one in held if one.is_enough]))

    own, other = probability(spoilt(case, 0.0, 0) for case in cases), probability(case.held for case in others)
    bad = probability(spoilt(case, HALF_WRONG, 1) for case in cases)
    is_own = np.arange(len(own) + len(other)) < len(own)
    doubted = fits.belongs.threshold
    return {
        "auroc": float(roc_auc_score(is_own, np.concatenate([own, other]))), "n": len(is_own),
        "own notes doubted": float((own < doubted).mean()), "other notes doubted": float((other < doubted).mean()),
        "own notes with half of it wrong doubted": float((bad < doubted).mean()),
    }  # fmt: skip


def _scores(cases: Sequence[Case], fits: NoteFits) -> dict[str, np.ndarray]:
    """How wrong each statement looks, by ours and by the baselines; the higher the worse."""
    both = [probabilities(case.held, fits) for case in cases]
    found = {OURS: 1 - np.concatenate([together for _, together in both])}
    if not all(np.isnan(case.held.sound.cosine).all() for case in cases):
        found["words"] = 1 - np.concatenate([words for words, _ in both])
        found["sound alone"] = 1 - np.concatenate([fits.sound.probability(case.held.sound_features()) for case in cases])
    compared = np.concatenate([np.stack([c.features for c in case.held.comparisons]) for case in cases])
    found["facts alone"] = compared[:, [FEATURES.index(name) for name in AGAINST]].sum(1)
    found["sentence embeddings"] = -np.concatenate([case.held.words.cosine for case in cases])
    found["word overlap"] = -compared[:, FEATURES.index("words in best stretches")]
    found["statement alone"] = 1 - fits.words.probability(_of_the_statement(cases))
    return found


def _of_the_statement(cases: Sequence[Case]) -> np.ndarray:
    """Features by the words, of which only those differ that need no recording; the others are as they are on average."""
    features = np.concatenate([case.held.word_features() for case in cases])
    alone = [WORDS.index(name) for name in ("log words", "negated", "examination", "assessment", "plan")]
    average = np.tile(features.mean(0), (len(features), 1))
    average[:, alone] = features[:, alone]
    return average


def measure_left_out(cases: Sequence[Case], bank: ConceptBank) -> dict:
    """Each critical fact of a note is taken out of it, with all that says the same; is it among the first that are shown?

    Which facts those are is MedAlign's own reading of the note; what is lost or overlooked in the recording counts as missed.
    """
    hits, groups = list[bool](), list[str]()
    for case in cases:
        own = [i for i, kind in enumerate(case.kinds) if kind == ORIGINAL]
        facts = {
            fact.concept_id: fact
            for i in own
            for fact in case.held.comparisons[i].facts
            if weight_of_fact(fact) >= CRITICAL and bank[fact.concept_id].category != "procedure"
        }
        for concept_id, _ in sorted(facts.items()):
            same = related(concept_id, bank)
            left = [i for i in own if not any(f.concept_id in same for f in case.held.comparisons[i].facts)]
            noted: list[Fact] = [f for i in left for f in case.held.comparisons[i].facts]
            shown = left_out(case.said, noted, " ".join(case.held.clauses[i].plain for i in left), bank)[:FIRST]
            hits.append(any(item.concept_id in same for item in shown))
            groups.append(case.consultation_id)
    return {"n": len(hits)} | ({"recall of critical facts among 10": share(hits, groups)} if hits else {})


def measure_readers(sample: Sequence[Mapping], readers: Sequence[Mapping[str, str]]) -> dict:
    """What readers say of original statements: how many of them the consultation bears out, and how far they agree.

    Args:
        sample: rows with `id`.
        readers: by id: supported, contradicted, never_said or not_checkable.
    """
    ids = [row["id"] for row in sample if all(row["id"] in reader for reader in readers)]
    figures: dict = {"n": len(ids), "readers": len(readers)}
    for name, prefix in (("all", ""), ("develop", "develop"), ("report", "report")):
        own = [i for i in ids if i.startswith(prefix)]
        figures[name] = {
            "n": len(own),
            **{
                verdict: [sum(reader[i] == verdict for i in own) / max(1, len(own)) for reader in readers]
                for verdict in ("supported", "contradicted", "never_said", "not_checkable")
            },
            "agree": sum(len({reader[i] for reader in readers}) == 1 for i in own) / max(1, len(own)),
            "both: never said or contradicted": sum(
                all(reader[i] in ("never_said", "contradicted") for reader in readers) for i in own
            ) / max(1, len(own)),
        }  # fmt: skip
    return figures


def _shares(verdicts: np.ndarray) -> dict[str, float]:
    return {name: float((verdicts == name).mean()) for name in ("supported", "contradicted", "not_found", "not_checkable")}


def _statistic(score: np.ndarray, wrong: np.ndarray) -> Callable[[np.ndarray], float]:
    def auroc(rows: np.ndarray) -> float:
        return float("nan") if len(set(wrong[rows])) < 2 else float(roc_auc_score(wrong[rows], score[rows]))

    return auroc
