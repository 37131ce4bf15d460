"""Events for the audit log: what was done, with which models, and how it ended. No text, no address, no name."""

import logging
import secrets
from collections.abc import Generator, Iterator

import gradio as gr

from medalign.core.analysis import Analysis
from medalign.core.errors import FeedbackError
from medalign.feedback.records import AuditEvent, Outcome, salted_id
from medalign.feedback.store import FeedbackStore
from medalign.ui.update import PageUpdate

log = logging.getLogger(__name__)

SALT = secrets.token_bytes(32)  # drawn at the start, kept nowhere: no session can be tied to one of another start


def audited(
    store: FeedbackStore | None, event: str, request: gr.Request, updates: Iterator[PageUpdate]
) -> Generator[PageUpdate, None, None]:
    """The updates of a run as they come; when they end, however they end, one event tells how."""
    outcome: Outcome = "stopped"
    analysis = None
    try:
        for update in updates:
            if update.session:
                analysis = update.session.analysis or analysis
            outcome = update.outcome or outcome
            yield update
    finally:
        audit(store, event, request, "ok" if analysis else outcome, analysis)


def audit(
    store: FeedbackStore | None, event: str, request: gr.Request, outcome: Outcome = "ok", analysis: Analysis | None = None
) -> None:
    """Add an event, if there is a log to add it to. What was done stays done where the log can't take it: a full disk."""
    if store is None:
        return
    session = salted_id(request.session_hash or "", SALT)
    models, duration_s = (analysis.models, analysis.recording.duration_s) if analysis else (None, None)
    try:
        store.log(AuditEvent(event, session, outcome, models, duration_s=duration_s))
    except FeedbackError as error:
        log.warning("not in the audit log: %s, %s (%s)", event, outcome, error)
