"""What a person should hear again, as one list: the same on the page, in the strip above it, and on paper.

Nothing is changed by it: the transcript stays as it is until a reader accepts a suggestion or edits it.
"""

from collections.abc import Sequence
from dataclasses import replace

from medalign.concepts.bank import is_allergy
from medalign.concepts.unusual_words import unclear_words
from medalign.core.analysis import Analysis, ConceptFinding, Correction, CriticalWord, Evidence, Measurement, Status
from medalign.core.explanation import written
from medalign.core.review import UNREVIEWED, Heard, Review
from medalign.core.transcript import Word
from medalign.core.wording import clock, mistake, right
from medalign.report.doubt import LOST_DOSE, LOST_NAME, OF_SEGMENTS, Doubt, Kind, rank
from medalign.report.misfits import windows_that_misfit
from medalign.report.not_understood import LOST, PERHAPS, UNUSUAL, critical_words, not_understood, without_medicine
from medalign.report.summary import (
    DOUBTS,
    REASONS,
    SENSES,
    Place,
    Row,
    is_doubtful,
    is_faint,
    odds,
    places_to_check,
)

READ_BOTH_WAYS = 0.42  # of such places on days 1-3 of PriMock57, 13 of 31 were wrong, see `medalign.pipeline.assertion`
UNUSUAL_WORD = "an unusual word, not heard clearly; a disease or a medicine may be meant"
UNCLEAR = "not heard clearly"
OTHER_READING: dict[str, Status] = {"denied": "negated", "present": "present"}
MAX_ALSO = 4  # places of the same, in a line


def doubts(analysis: Analysis, review: Review = UNREVIEWED, before: Analysis | None = None) -> tuple[Doubt, ...]:
    """Every place once, what would cost most first; a name that is misheard in the same way many times is one entry.

    Args:
        review: what a person judged: places that were found right are left out, and what hangs on a concept that was said.
        before: see `medalign.report.not_understood.without_medicine`.
    """
    found = [_misheard(i, c) for i, c in enumerate(analysis.corrections)]
    found += [_critical(w) for w in critical_words(analysis)]
    lost = without_medicine(analysis, before)
    found += [Doubt("medicine", m.start_s, m.end_s, m.text, LOST_DOSE if m.is_dose else LOST_NAME) for m in lost]
    found += [Doubt("name", w.start_s, w.end_s, _plain(w), UNUSUAL_WORD) for w in not_understood(analysis)]
    found += [*_said_both_ways(analysis), *_read_both_ways(analysis), *_unsure(analysis)]
    found += [*_places(analysis), *_only_heard(analysis)]
    taken = [(doubt.start_s, doubt.end_s) for doubt in found if doubt.kind != "only_heard"]
    found += [Doubt("unclear", w.start_s, w.end_s, _plain(w), UNCLEAR) for w in unclear_words(analysis.transcript, taken)]
    found = [doubt if doubt.suggestion else replace(doubt, heard=_heard_near(analysis, doubt)) for doubt in found]
    left = (doubt for doubt in found if not _is_settled(analysis, doubt, review))
    return _alike(sorted(left, key=lambda doubt: (rank(analysis, doubt), -_likely(doubt), doubt.start_s)))


def _alike(listed: Sequence[Doubt]) -> tuple[Doubt, ...]:
    """Names in doubt for the same reason in the same words, each of them once with its places."""
    entries: dict[object, list[Doubt]] = {}
    for n, doubt in enumerate(listed):
        is_name = doubt.kind in ("medicine", "name") and doubt.said and doubt.reason not in (LOST_DOSE, LOST_NAME)
        key = (doubt.kind, doubt.said.lower(), doubt.reason, doubt.suggestion, doubt.concept_id) if is_name else n
        entries.setdefault(key, []).append(doubt)
    return tuple(replace(first, also=tuple(sorted(rest, key=lambda d: d.start_s))) for first, *rest in entries.values())


def found_right(analysis: Analysis, doubt: Doubt) -> Heard:
    """What it says of a place that the words there are right: a name that only sounds like them was not said."""
    not_said = doubt.concept_id if doubt.kind == "only_heard" else None
    if doubt.correction is not None:
        not_said = analysis.corrections[doubt.correction].concept_id
    return Heard(doubt.kind, doubt.start_s, doubt.end_s, doubt.concept_id, not_said)


def _plain(word: Word) -> str:
    return word.text.strip(" .,;:!?")


def _is_settled(analysis: Analysis, doubt: Doubt, review: Review) -> bool:
    if any(_is_same(doubt, heard) for heard in review.heard):
        return True
    if doubt.correction is not None:
        return analysis.corrections[doubt.correction].concept_id in review.confirmed
    said = [c for c in analysis.concepts if c.concept_id in review.confirmed and (c.category == doubt.kind == "medicine")]
    return doubt.kind == "only_heard" and doubt.concept_id in review.confirmed or any(_is_at(doubt, c) for c in said)


def _is_same(doubt: Doubt, heard: Heard) -> bool:
    return (doubt.kind, doubt.concept_id) == (heard.kind, heard.concept_id) and heard.is_at(doubt.start_s, doubt.end_s)


def checks(analysis: Analysis, listed: Sequence[Doubt]) -> dict[Row, int]:
    """Rows of the table of concepts that are no plain facts, numbers in doubt by what they are of, and medicines that are or
    may be lost, with their number in the list, which begins at 1."""
    numbers: dict[Row, int] = {}
    marked = ((LOST, (LOST_DOSE, LOST_NAME)), (PERHAPS, (DOUBTS["medicine"],)), (UNUSUAL, (UNUSUAL_WORD,)))
    for label, reasons in marked:
        if lost := next((n for n, doubt in enumerate(listed, start=1) if doubt.reason in reasons), None):
            numbers[label, None] = lost
    for m in analysis.measurements if listed else ():
        if m.concept_id is None and (n := next((n for n, doubt in enumerate(listed, start=1) if _is_number(doubt, m)), None)):
            numbers.setdefault((m.kind, None), n)
    for concept in analysis.concepts:
        if n := _about(analysis, concept, listed):
            numbers[concept.concept_id, concept.status] = n
    return numbers


def _about(analysis: Analysis, concept: ConceptFinding, listed: Sequence[Doubt]) -> int | None:
    """Its number in the list: of what is in doubt about itself; else of a number of it, or of a segment that it stands in."""
    is_contradicted = concept.is_contradicted and concept.status in ("present", "negated")
    is_read_both_ways = bool(concept.text_evidence) and all(place.rival for place in concept.text_evidence)
    is_suggested = _rests_on_suggestion(analysis.corrections, concept)
    numbered = list(enumerate(listed, start=1))
    if is_contradicted or is_read_both_ways or is_doubtful(concept) or is_suggested:
        for n, doubt in numbered:
            if doubt.concept_id == concept.concept_id or _suggests(analysis, doubt, concept):
                return n
    said = [m for m in analysis.measurements if m.concept_id == concept.concept_id]
    is_grave = concept.category == "medicine" or is_allergy(concept.concept_id, concept.label)
    for n, doubt in numbered:
        in_doubt = doubt.kind in OF_SEGMENTS and is_grave and _is_at(doubt, concept)
        if in_doubt or any(_is_number(doubt, m) for m in said):
            return n
    return None


def _suggests(analysis: Analysis, doubt: Doubt, concept: ConceptFinding) -> bool:
    """Whether it is the suggestion of a name at one of the concept's places."""
    return doubt.correction is not None and any(_is_at(place, concept) for place in doubt.places)


def _rests_on_suggestion(corrections: Sequence[Correction], concept: ConceptFinding) -> bool:
    """Whether one of its places has other words, which only sound like it: however sure it is elsewhere."""
    named = [c for c in corrections if c.concept_id == concept.concept_id]
    return any(c.meets(place.start_s, place.words_end_s) for c in named for place in concept.text_evidence)


def _likely(doubt: Doubt) -> float:
    """How likely it is a mistake; a dose with no name beside it, and a medicine that is taken and not taken, surely is one."""
    is_both = doubt.kind in ("contradiction", "negation") and (doubt.concept_id or "").startswith("DRUG:")
    return 1.0 if is_both or doubt.reason in (LOST_DOSE, LOST_NAME) else doubt.probability or 0.0


def _heard_near(analysis: Analysis, doubt: Doubt) -> str | None:
    """What the sound is like where a word was not made out; nothing where a window's concept has its words in that window."""
    if doubt.kind not in ("name", "unclear"):
        return None
    for c in analysis.concepts:
        for window in c.audio_evidence if c.text_evidence else ():
            is_here = window.start_s <= doubt.start_s and doubt.end_s <= window.end_s
            if is_here and not any(e.start_s < window.end_s and e.end_s > window.start_s for e in c.text_evidence):
                return c.label
    return None


def _is_number(doubt: Doubt, m: Measurement) -> bool:
    return doubt.kind == "number" and doubt.start_s < m.end_s and doubt.end_s > m.start_s


def _is_at(doubt: Doubt, concept: ConceptFinding) -> bool:
    return any(doubt.start_s < e.words_end_s and doubt.end_s > e.start_s for e in concept.text_evidence)


def _misheard(index: int, c: Correction) -> Doubt:
    kind: Kind = "medicine" if c.concept_id.startswith("DRUG:") else "name"
    reason = f"sounds like {c.name}"
    return Doubt(kind, c.start_s, c.end_s, c.said, reason, c.name, c.probability, correction=index)


def _is_suggested(corrections: Sequence[Correction], place: Evidence) -> bool:
    """Whether a name is suggested there already."""
    return any(c.meets(place.start_s, place.words_end_s) for c in corrections)


def _unsure(analysis: Analysis) -> list[Doubt]:
    """Concepts that are read in the words and may not have been said."""
    found = []
    for c in analysis.concepts:
        if not is_doubtful(c) or any(e.rival or _is_suggested(analysis.corrections, e) for e in c.text_evidence):
            continue
        kind: Kind = "medicine" if c.category == "medicine" else "unsure"
        place, sense = c.text_evidence[0], SENSES.get(c.status or "")
        reason = f"taken for {c.label}{f' ({sense})' if sense else ''}"
        found.append(
            Doubt(
                kind,
                place.start_s,
                place.end_s,
                place.text or "",
                reason,
                None,
                1 - odds(c),
                c.concept_id,
                taken=c.label,
                status=c.status,
            )  # fmt: skip
        )
    return found


def _critical(word: CriticalWord) -> Doubt:
    return Doubt(word.kind, word.start_s, word.end_s, word.text, DOUBTS[word.kind], word.alternative, word.probability)


def _said_both_ways(analysis: Analysis) -> list[Doubt]:
    """Concepts that are said to be there and said not to be; where one of both may be a misreading, that is listed instead."""
    places: dict[str, dict[str, Evidence]] = {}
    for concept in analysis.concepts:
        is_sure = not all(place.rival for place in concept.text_evidence)
        if concept.is_contradicted and concept.status in ("present", "negated") and is_sure:
            places.setdefault(concept.concept_id, {})[concept.status] = concept.text_evidence[0]
    labels = {concept.concept_id: concept.label for concept in analysis.concepts}
    return [
        Doubt(
            "contradiction", said["present"].start_s, said["present"].end_s, labels[concept_id],
            f"said to be there, and denied at {clock(said['negated'].start_s)}", concept_id=concept_id,
        )
        for concept_id, said in places.items() if len(said) == 2
    ]  # fmt: skip


def _read_both_ways(analysis: Analysis) -> list[Doubt]:
    """Mentions that one reading of the words takes for there and the other for denied: "I can't hear you; any wheezing?"."""
    found = []
    for c in analysis.concepts:
        other, taken = ("present", "denied") if c.status == "negated" else ("denied", "present")
        reason = f"{c.label} may be {other} here; it is taken for {taken}"
        for e in c.text_evidence:
            if e.rival and not any(w.start_s < e.end_s and w.end_s > e.start_s for w in analysis.critical_words):
                place = Doubt("negation", e.start_s, e.end_s, e.text or "", reason, None, READ_BOTH_WAYS, c.concept_id)
                found.append(replace(place, taken=taken, status=c.status, other=OTHER_READING[other]))
    return found


def _places(analysis: Analysis) -> list[Doubt]:
    """Segments that do not fit their sound, and speech for which nothing is written: one entry a gap."""
    merged: list[Place] = []
    for place in places_to_check(analysis.alignment):
        last = merged[-1] if merged else None
        if last and last.kind == place.kind == "missed_speech" and place.start_s <= last.end_s:
            merged[-1] = replace(last, end_s=max(last.end_s, place.end_s))
        else:
            merged.append(place)
    merged += windows_that_misfit(analysis.alignment, merged)
    # A name that was misheard there is why the sound does not fit: one place, one entry.
    misheard = [place for place in merged if any(c.meets(place.start_s, place.end_s) for c in analysis.corrections)]
    merged = [place for place in merged if place.kind != "mismatch" or place not in misheard]
    return [
        Doubt(place.kind, place.start_s, place.end_s, _words_between(analysis, place), REASONS[place.kind]) for place in merged
    ]


def sentence(doubt: Doubt) -> str:
    """`sounds like ramipril; right about 9 in 10 times`: the reason, and the one number."""
    also = f"; perhaps “{doubt.suggestion}”" if doubt.suggestion and doubt.correction is None else ""
    also += f"; the sound is like “{doubt.heard}” here" if doubt.heard else ""
    told = [doubt.reason + also, how_often(doubt)]
    if doubt.also:
        left = f" and {len(doubt.also) - MAX_ALSO} more" if len(doubt.also) > MAX_ALSO else ""
        told.append(f"also at {', '.join(clock(place.start_s) for place in doubt.also[:MAX_ALSO])}{left}")
    return "; ".join(filter(None, told))


def how_often(doubt: Doubt) -> str:
    """Of a suggested name, how often it is right: the number that the concept has elsewhere; of others, how often wrong."""
    if doubt.probability is None:
        return ""
    return mistake(doubt.probability) if doubt.correction is None else right(doubt.probability)


def _words_between(analysis: Analysis, place: Place) -> str:
    return "" if place.kind == "missed_speech" else analysis.transcript.text_between(place.start_s, place.end_s)


def _only_heard(analysis: Analysis) -> list[Doubt]:
    """Concepts in the sound for which there are no words, where the sound says when; not those that were only asked about."""
    heard = [c for c in analysis.concepts if c.agreement == "student_only" and c.audio_evidence and not is_faint(c)]
    found = []
    for c in heard:
        place = c.audio_evidence[0]
        if any(w.start_s < place.end_s and w.end_s > place.start_s for w in written(analysis.transcript, c.label)):
            continue
        reason = f"sounds like {c.label}, which is not in the words"
        found.append(Doubt("only_heard", place.start_s, place.end_s, "", reason, None, odds(c), c.concept_id))
    return found
