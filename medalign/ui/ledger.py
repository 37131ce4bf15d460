"""What readers judge of their results: kept in the feedback store, or with the session where there is none."""

from dataclasses import dataclass
from typing import TypedDict

from medalign.core.analysis import Analysis
from medalign.core.review import SAME_S, Added, Judged, first_s
from medalign.feedback.receipts import code_of, hash_of
from medalign.feedback.records import ConceptRating, RecordingRating, Role, ShownResult
from medalign.feedback.store import FeedbackStore
from medalign.report.summary import SENSES
from medalign.ui.own_code import OwnCode
from medalign.ui.session import Session

Rating = ConceptRating | RecordingRating
UNSTORED = ""  # stands for a receipt in the order of what was done


class Terms(TypedDict):
    """Who rates, as far as they say, and whether words that they marked may be kept: as the store takes both."""

    role: Role | None
    keep_span: bool


@dataclass(frozen=True)
class Ledger:
    """Ratings of the results of all sessions; without a store they go with their session."""

    store: FeedbackStore | None

    def rate(self, session: Session, rating: Rating, terms: Terms, own: OwnCode) -> str:
        """Keep a rating; the address at which it is stored, under the reader's own code, `UNSTORED` without a store."""
        if self.store is None:
            assert isinstance(rating, ConceptRating), "nothing else is asked for without a store"
            session.ratings.append(rating)
            code = UNSTORED
        else:
            code = self._receipt(self.store, session, _version(session, rating), terms, own)
            if isinstance(rating, RecordingRating):
                self.store.rate_recording(code, rating)
            else:
                self.store.rate(code, rating)
        session.order.append(code)
        return code

    def amend(self, session: Session, code: str, rating: ConceptRating) -> None:
        """A rating of a row, again, with more details."""
        assert self.store is not None, "no details are asked for without a store"
        self.store.rate(code, rating)
        session.order.append(code)

    def all(self, session: Session) -> list[Rating]:
        """What is kept of its result, of every version."""
        if self.store is None:
            return list(session.ratings)
        return [rating for code in session.receipts for rating in self.store.ratings(code)]

    def newest(self, session: Session) -> tuple[str, Rating] | None:
        """What `undo` would take back, and the code under which it is stored; None if there is nothing."""
        for code in dict.fromkeys(done for done in reversed(session.order) if done is not None):
            kept = session.ratings if self.store is None else self.store.ratings(code)
            if kept:
                return code, kept[-1]
        return None

    def pressed(self, session: Session) -> dict[str, str]:
        """The last verdict on each row, and on each single mention, of the result as it is now; by `key_of`."""
        rows = {(c.concept_id, c.status): c for c in session.result.concepts}
        found: dict[str, str] = {}
        for rating in self.all(session):
            if isinstance(rating, ConceptRating) and rating.verdict != "missing" and rating.concept_id:
                row = rows.get((rating.concept_id, rating.status))
                if row is None:
                    continue
                places = [e.start_s for e in row.text_evidence] if rating.of_mention else [first_s(row) or 0.0]
                if any(abs(place - (rating.start_s or 0.0)) < SAME_S for place in places):
                    found[key_of(rating)] = rating.verdict
        return found

    def judged(self, session: Session) -> tuple[Judged, ...]:
        """What all of them say of rows, the last of each."""
        judged: dict[tuple[str, float | None], Judged] = {}
        for r in self.all(session):
            if not isinstance(r, ConceptRating) or r.verdict == "missing" or not r.concept_id:
                continue
            right = {"wrong": None, "wrong_status": r.right_status}.get(r.verdict, r.status)
            is_confirmed = r.verdict == "correct" and r.status is None
            said = Judged(r.concept_id, r.status, r.start_s, right, is_confirmed, r.of_mention)
            judged[key_of(r), r.start_s] = said
        return tuple(judged.values())

    def added(self, session: Session) -> tuple[Added, ...]:
        """What was said to be missing, in the order in which it was."""
        missing = [r for r in self.all(session) if isinstance(r, ConceptRating) and r.verdict == "missing"]
        return tuple(dict.fromkeys(Added(_with_status(r), r.start_s, r.end_s) for r in missing if r.label))

    def rows(self, session: Session) -> dict[str, tuple[str, ConceptRating]]:
        """Ratings of rows and mentions that are stored, the last first: by `key_of`, with the code of each."""
        found: dict[str, tuple[str, ConceptRating]] = {}
        for code in dict.fromkeys(done for done in reversed(session.order) if done):
            for rating in reversed(self.store.ratings(code)) if self.store is not None else ():
                if isinstance(rating, ConceptRating) and rating.verdict != "missing":
                    found.setdefault(key_of(rating), (code, rating))
        return found

    def take_back(self, session: Session, concept_id: str, status: str | None, start_s: float | None = None) -> int:
        """Delete what was said of one row, or of its mention that begins at `start_s`; how many ratings that were."""
        if self.store is None:
            gone = concept_id, status, start_s
            kept = [r for r in session.ratings if (r.concept_id, r.status, r.start_s if r.of_mention else None) != gone]
            n_by_code = {UNSTORED: len(session.ratings) - len(kept)}
            session.ratings = kept
        else:
            n_by_code = {code: self.store.take_back(code, concept_id, status, start_s) for code in session.receipts}
        for code, n in n_by_code.items():
            for _ in range(n):
                session.forget_last(code)
        return sum(n_by_code.values())

    def undo(self, session: Session) -> bool:
        """Take back the last rating; False if there is none."""
        while (code := next((done for done in reversed(session.order) if done is not None), None)) is not None:
            session.forget_last(code)
            if self.store is not None and self.store.undo(code) is not None:
                return True
            if self.store is None and session.ratings:
                session.ratings.pop()
                return True
        return False

    def withdraw(self, session: Session | None, code: str, own: OwnCode) -> int:
        """Delete everything under a receipt, whose ever it is; how many ratings and votes that were."""
        assert self.store is not None, "there are no receipts without a store"
        n, gone = self.store.withdraw(code), hash_of(code_of(code))
        own.known(self.store)
        for kept in [kept for kept in session.receipts if hash_of(code_of(kept)) == gone] if session else []:
            assert session is not None
            session.receipts.remove(kept)
            session.rated.pop(kept, None)
            session.order = [done for done in session.order if done != kept]
        return n

    def _receipt(self, store: FeedbackStore, session: Session, version: Analysis, terms: Terms, own: OwnCode) -> str:
        """The receipt of this version; its first rating opens it."""
        for code in session.receipts:
            if session.rated[code] is version:
                store.amend(code, **terms)
                return code
        shown = store.register(ShownResult.of(version, is_example=session.is_example))
        code = store.open(shown, code=own.known(store), **terms).code
        own.opened(code)
        session.receipts.append(code)
        session.rated[code] = version
        return code


def _with_status(rating: ConceptRating) -> str:
    """`locking, denied`: what was missed, with the status that the reader gave."""
    status = rating.right_status
    return f"{rating.label}, {SENSES[status]}" if status in SENSES and status else f"{rating.label}"


def key_of(rating: ConceptRating) -> str:
    """`concept|status` of a row; of one mention, with the second in which it begins: as the page names what is rated."""
    return f"{rating.concept_id}|{rating.status or ''}" + (f"|{rating.start_s:.2f}" if rating.of_mention else "")


def _version(session: Session, rating: Rating) -> Analysis:
    """The result that is rated: what the models made, also after words were put right; but a row that rests on words of the
    reader's own is no model's, and is rated as the reader has it."""
    if session.original is None:
        return session.result
    if isinstance(rating, ConceptRating) and rating.verdict != "missing":
        key = rating.concept_id, rating.status
        row = next((c for c in session.result.concepts if (c.concept_id, c.status) == key), None)
        return session.original if row in session.original.concepts else session.result
    return session.original
