"""The second tab: two models on the recording of the first, blind if wanted, and a vote."""

from collections.abc import Callable, Iterator

import gradio as gr

from medalign.core.audio import load_recording
from medalign.core.errors import FeedbackError, MedAlignError
from medalign.core.model_options import ModelOptions
from medalign.feedback.records import MAX_COMMENT, ShownComparison, ShownResult, Vote
from medalign.feedback.store import FeedbackStore
from medalign.report.comparison import BlindOrder, Candidate, candidates, parse_candidate
from medalign.ui.audit import audit
from medalign.ui.bridge import bridge, text_of
from medalign.ui.comparison_state import ComparisonState, Entry
from medalign.ui.engine import CandidateLoader, Engine
from medalign.ui.session import KEEP_S, Session
from medalign.ui.states import MODEL_QUEUE, PRESS, QUIET, guarded, streamed
from medalign.ui.views import status_view
from medalign.ui.views.compare_view import INTRO, contest_view
from medalign.ui.views.markup import text

LoadCandidate = Callable[[Candidate], tuple[Engine, int]]  # the engine, and the bytes of its weights
BUTTONS = {"left": ("a", "Left is better (a)"), "right": ("b", "Right is better (b)"), "tie": ("tie", "Tie (t)"),
           "both_bad": ("both_bad", "Neither is good (n)")}  # fmt: skip
OFF = '<p class="hint">Comparing is switched off on this server.</p>'


def compare_tab(load_candidate: LoadCandidate | None, store: FeedbackStore | None, session: gr.State, any_model: bool) -> None:
    """Build it inside the current tab, and wire it.

    Args:
        any_model: whether models beside the listed ones may be named; if not, Gradio refuses them on the server.
    """
    gr.HTML(INTRO + ("" if load_candidate else OFF), apply_default_css=False)
    if load_candidate is None:
        return
    contest = gr.State(None, time_to_live=KEEP_S)
    loader = load_candidate if isinstance(load_candidate, CandidateLoader) else CandidateLoader(load_candidate)
    choices = _choices(loader.in_use, any_model, can_be_blind=store is not None)
    start = gr.Button("Compare", variant="primary", elem_id="compare-go")
    parts = {name: gr.HTML(elem_id=f"compare-{name}", apply_default_css=False) for name in ("status", "alert")}
    parts |= {"view": gr.HTML(elem_id="contest", apply_default_css=False), "contest": contest}
    votes = _votes() if store is not None else {}
    out = [*parts.values(), *votes.values()]
    run = streamed(_run, loader, parts, votes)
    start.click(run, [session, *choices], out, **MODEL_QUEUE, **QUIET)
    if store is not None:
        _wire_votes(store, parts, votes, session)


def _choices(in_use: ModelOptions, any_model: bool, can_be_blind: bool) -> list[gr.components.Component]:
    """The two models, and whether their names are hidden."""
    names = [candidate.name for candidate in candidates(in_use)]
    with gr.Row():
        models = [
            gr.Dropdown(names, value=names[i], label=label, allow_custom_value=any_model, elem_id=f"candidate-{i}",
                        info="A name, or models such as: asr=base, student=FOLDER or Hub name" if any_model else None)
            for i, label in enumerate(("First model", "Second model"))
        ]  # fmt: skip
        return [*models, gr.Checkbox(value=can_be_blind, interactive=can_be_blind, label="Blind", elem_id="blind")]


def _run(loader: CandidateLoader, parts, votes, held: Session | None, a: str, b: str, hidden: bool) -> Iterator[dict]:
    """Both models on the recording, one after the other; without votes, nothing can be blind."""
    status = parts["status"]
    yield {parts["contest"]: None, parts["alert"]: "", parts["view"]: "", **_locked(votes), status: "Preparing the models."}
    try:
        held = _held(held)
        specifications = [parse_candidate(name or "", loader.in_use) for name in (a, b)]
        if specifications[0] == specifications[1]:
            raise MedAlignError("both models are the same; choose two different ones")
        recording, entries = load_recording(held.path), []
        for i, specification in enumerate(specifications):
            yield {status: f"Analysing with the {('first', 'second')[i]} model."}
            engine, n_bytes = loader(specification)
            entries.append(Entry(specification, engine.analyze(recording, held.own), n_bytes))
    except MedAlignError as error:
        yield {parts["alert"]: status_view.alert(str(error)), status: ""}
        return
    blind = hidden is True and bool(votes)
    # Without blindness the order stays as chosen; with it, by lot.
    contest = ComparisonState(*entries, blind=blind, order=BlindOrder.draw() if blind else BlindOrder("a", 0))
    ready = "Look at both sides; then vote." if votes and not contest.comparison.are_equal else "Finished."
    yield {parts["contest"]: contest, parts["view"]: contest_view(contest), status: ready}


def _wire_votes(store: FeedbackStore, parts: dict, votes: dict, session: gr.State) -> None:
    contest = parts["contest"]
    # One person's votes stay together, so that the bootstrap knows them as one person's.
    parts = {**parts, **votes, "receipt": gr.State(None)}

    def look(held: ComparisonState | None, event: gr.EventData):
        if held is None:
            return {}
        held.look(text_of(event, "side", 10))
        return {votes[key]: gr.update(interactive=held.is_ready) for key in BUTTONS}

    # One after the other: the answer to the first look must not arrive last and lock what the second has opened.
    looked = guarded(parts["alert"], look)
    bridge("seen").sent(looked, [contest], [parts["alert"], *votes.values()], concurrency_limit=1, **PRESS)
    for key in BUTTONS:
        cast = guarded(parts["alert"], _cast, store, parts, key)
        votes[key].click(cast, [contest, session, votes["why"], parts["receipt"]], list(parts.values()), **QUIET)


def _votes() -> dict[str, gr.components.Component]:
    with gr.Column(elem_id="votes"):
        with gr.Row():
            votes = {key: gr.Button(label, interactive=False, elem_id=f"vote-{name}") for key, (name, label) in BUTTONS.items()}
        votes["why"] = gr.Textbox(label="Why (optional)", max_length=MAX_COMMENT, elem_id="vote-why")
    return votes


def _locked(votes: dict) -> dict:
    return {votes[key]: gr.update(interactive=False) for key in BUTTONS if votes}


def _held(held: Session | None) -> Session:
    if held is None:
        raise MedAlignError("there is no recording yet; analyse one, or an example, in the first tab")
    return held


def _cast(
    store: FeedbackStore, parts: dict, pressed: str, held: ComparisonState | None, session: Session | None,
    why: str, code: str | None,
    request: gr.Request,
) -> dict:  # fmt: skip
    """Store the vote with the order shown and both results' scores; then show who was who."""
    if held is None:
        raise MedAlignError("there is nothing to vote on; compare two models first")
    choice, visit = held.choice(pressed), request.session_hash
    if held.comparison_id is None:
        is_example = session is not None and session.is_example
        shown = {side: ShownResult.of(entry.analysis, is_example=is_example) for side, entry in held.entries.items()}
        ids = {side: store.register(result, visit=visit) for side, result in shown.items()}
        comparison = ShownComparison(ids["a"], ids["b"], held.order.left, held.blind, held.order.seed)
        held.comparison_id = store.register_comparison(comparison, visit=visit)
    code = _unless_withdrawn(store, code)
    held.receipt = store.vote(held.comparison_id, Vote(choice, why or ""), code=code, visit=visit).code
    audit(store, "vote", request)
    told = f"Vote stored. To take it back later, keep this code: <code>{text(held.receipt)}</code>"
    return {
        parts["view"]: contest_view(held), parts["alert"]: "", parts["status"]: told, parts["receipt"]: held.receipt,
        **_locked(parts),
    }  # fmt: skip


def _unless_withdrawn(store: FeedbackStore, code: str | None) -> str | None:
    if code is None:
        return None
    try:
        store.ratings(code)
    except FeedbackError:
        return None
    return code
