"""Feedback: what people say of results, stored without audio, names or addresses, and what can be learnt from it."""

from medalign.feedback.database import DEFAULT_STORE
from medalign.feedback.limits import RateLimit
from medalign.feedback.receipts import Receipt
from medalign.feedback.records import (
    AuditEvent,
    ConceptRating,
    RecordingRating,
    ShownComparison,
    ShownConcept,
    ShownResult,
    Vote,
    visit_id,
)
from medalign.feedback.store import FeedbackStore

__all__ = [
    "DEFAULT_STORE",
    "AuditEvent",
    "ConceptRating",
    "FeedbackStore",
    "RateLimit",
    "Receipt",
    "RecordingRating",
    "ShownComparison",
    "ShownConcept",
    "ShownResult",
    "Vote",
    "visit_id",
]
