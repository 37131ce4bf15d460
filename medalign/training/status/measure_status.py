"""How often the status is right: by the rules, by the classifier alone, and by both as they are used."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medalign.concepts import ConceptBank, Mention, find_mentions, transcript_from_text
from medalign.core.tables import read_rows
from medalign.core.transcript import Transcript
from medalign.models.status_classifier import ACTIONS, StatusClassifier
from medalign.pipeline.assertion import as_status, mention_contexts, revised
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import OF_STATUS, Fact, FactNames, annotated
from medalign.training.fitting.fact_metrics import measure_rows, rows_of_mentions

Reader = Callable[[Transcript, Sequence[Mention]], tuple[Mention, ...]]
ANY_BUT_PRESENT = "not present"


def readers(classifier: StatusClassifier) -> dict[str, Reader]:
    """The three ways, by name: each gives mentions their statuses."""

    def alone(transcript: Transcript, mentions: Sequence[Mention]) -> tuple[Mention, ...]:
        predicted = classifier.predict(mention_contexts(transcript, mentions))
        return tuple(replace(m, status=as_status(predicted, i)) for i, m in enumerate(mentions))

    return {
        "rules": lambda _, mentions: tuple(mentions),
        "classifier": alone,
        "combined": lambda transcript, mentions: revised(transcript, mentions, ConceptBank.default(), classifier),
    }


def measure_cases(path: Path, bank: ConceptBank, classifier: StatusClassifier) -> dict:
    """Right statuses of a table of sentences and short dialogues, by way and kind, with what went wrong.

    Args:
        path: CSV with text (turns separated by " / " or " | "), concept (a label) and right_status or status (several are
            separated by blanks, or "not present"), and perhaps kind.
    """
    rows = read_rows(path, {"text", "concept"}, remedy="give a table of cases")
    figures: dict = {"n": len(rows)}
    for name, read in readers(classifier).items():
        by_kind: dict[str, list[bool]] = defaultdict(list)
        wrong = []
        for row in rows:
            wanted = row.get("right_status") or row["status"]
            found = _statuses(row, bank, read)
            is_right = _is_right(found, wanted)
            by_kind[row.get("kind") or "all"].append(is_right)
            if not is_right:
                wrong.append(f"{row['text']} [{row['concept']}]: {' '.join(found) or 'not found'}, not {wanted}")
        figures[name] = {
            "n_right": sum(map(sum, by_kind.values())),
            "by_kind": {kind: f"{sum(hits)}/{len(hits)}" for kind, hits in by_kind.items()},
            "wrong": wrong,
        }
    return figures


def counts_only(figures: Mapping) -> dict:
    """Figures with every list of errors as its length: what is reported names no errors of consultations held back."""
    found: dict = {}
    for key, value in figures.items():
        if key in ("wrong", "dangerous"):
            found[f"n_{key}"] = len(value)
        else:
            found[key] = counts_only(value) if isinstance(value, Mapping) else value
    return found


def _statuses(row: dict, bank: ConceptBank, read: Reader) -> list[str]:
    """Those of the concept; an unanswered question tells nothing beside an answer."""
    transcript = transcript_from_text(as_turns(row["text"]))
    mentions = read(transcript, find_mentions(transcript, bank))
    found = [m.status for m in mentions if bank[m.concept_id].label == row["concept"]]
    definite = [status for status in found if status in ("present", "negated")]
    return sorted({*definite} if definite else {*found})


def as_turns(text: str) -> str:
    """One turn a line."""
    return text.replace(" / ", "\n").replace(" | ", "\n")


def _is_right(found: Sequence[str], wanted: str) -> bool:
    if wanted == ANY_BUT_PRESENT:
        return "present" not in found
    return bool(found) and set(found) <= set(wanted.split())


def measure_annotated(
    facts: Sequence[Fact], consultations: Iterable[Consultation], bank: ConceptBank, classifier: StatusClassifier
) -> dict:
    """Rows and mentions of annotated consultations, by way.

    "dangerous" are rows that state what is denied, another person's, or only a condition or a plan.
    """
    names = FactNames.default(bank)
    said = {key: transcript_from_text(c.text) for key, c in annotated(facts, consultations).items()}
    figures: dict = {"actions": _measure_actions(facts, said, names, bank, classifier)}
    for name, read in readers(classifier).items():
        rows, dangerous = {}, []
        n_right = n_placed = 0
        for key, transcript in said.items():
            mentions = read(transcript, find_mentions(transcript, bank))
            rows[key] = rows_of_mentions(mentions, bank)
            of_one = [fact for fact in facts if fact.consultation_id == key]
            dangerous += [
                f"{key} {bank[c].label}" for c, sense in rows[key] if sense == "present" and _claimed(c, of_one, names)
            ]
            for mention in mentions:
                senses = {s for f in of_one if is_at(mention, f, names) for s in f.senses}
                n_placed += bool(senses)
                n_right += OF_STATUS[mention.status] in senses
        measured = measure_rows(facts, rows, names)
        keep = ("n_facts", "found_in_sense", "sense_of_found", "n_rows", "rows_right", "rows_with_right_concept")
        mentions_right = {"n_mentions_at_facts": n_placed, "mentions_right": n_right / max(1, n_placed)}
        figures[name] = {**{key: measured[key] for key in keep}, **mentions_right, "dangerous": dangerous}
    return figures


def _measure_actions(
    facts: Sequence[Fact], said: Mapping[str, Transcript], names: FactNames, bank: ConceptBank, classifier: StatusClassifier
) -> dict:
    """What the classifier says is done with the medicines that were found where they are annotated."""
    n_right, wrong = 0, []
    for key, transcript in said.items():
        of_one = [fact for fact in facts if fact.consultation_id == key and fact.action]
        mentions = find_mentions(transcript, bank)
        actions = classifier.predict(mention_contexts(transcript, mentions)).actions.argmax(1) if mentions else ()
        for mention, action in zip(mentions, actions, strict=True):
            wanted = {fact.action for fact in of_one if is_at(mention, fact, names)}
            if wanted and ACTIONS[action] in wanted:
                n_right += 1
            elif wanted:
                wrong.append(f"{key} {bank[mention.concept_id].label}: {ACTIONS[action]}, not {' or '.join(sorted(wanted))}")
    return {"n": n_right + len(wrong), "n_right": n_right, "wrong": wrong}


def is_at(mention: Mention, fact: Fact, names: FactNames) -> bool:
    """Whether it is a mention of what the fact says, in the utterance in which it says so."""
    return mention.segment_index == fact.utterance and mention.concept_id in names.concept_ids(fact.name)


def _claimed(concept_id: str, facts: Iterable[Fact], names: FactNames) -> bool:
    """Whether facts speak of the concept, and all of them deny it, or tell it of others, or as a condition or a plan."""
    senses = [fact.senses for fact in facts if concept_id in names.concept_ids(fact.name)]
    return bool(senses) and all(own <= {"negated", "family", "hypothetical"} for own in senses)
