"""The third tab, for the team: what clinicians said of each model, and how far its probabilities can be trusted.

Each figure has its n and interval; nobody is named.
"""

from dataclasses import replace

import gradio as gr

from medalign.core.wording import count, frequency
from medalign.feedback.agreement import (
    ConceptAgreement,
    PeriodAgreement,
    RaterAgreement,
    between_raters,
    concept_agreement,
    over_time,
)
from medalign.feedback.model_names import short_model_names
from medalign.feedback.ranking import PositionBias, RankedModel, position_bias, ranking
from medalign.feedback.reliability import Reliability
from medalign.feedback.store import FeedbackStore
from medalign.report.study_figures import (
    agreement_figure,
    agreement_over_time_figure,
    ranking_figure,
    reliability_figure,
)
from medalign.ui.states import QUIET
from medalign.ui.views.markup import folded, table, text

OFF = '<h2>Team results</h2><p class="hint">Feedback is switched off on this server, so there is nothing from clinicians.</p>'
INTRO = """<h2>Team results</h2><p class="hint">From all feedback on this server. Intervals are 95 %; few votes say little,
whoever leads. “Download” and the training manifest come from the command line: <code>medalign feedback export</code>.</p>"""
MAX_ROWS = 40
MEASURED = """“About 7 in 10 like this were right” can be checked where the words are known: on recordings that nothing was
fitted on, how often was a concept right that was given this probability? On the dashed line it is right as often as told."""


def results_tab(store: FeedbackStore | None, tab: gr.Tab, reliability: tuple[Reliability, ...] = ()) -> None:
    """Build it inside the current tab, and wire it; opening the tab shows the latest.

    Args:
        reliability: of the models in use, where it was measured.
    """
    events = [tab.select]
    gr.HTML(INTRO if store is not None else OFF, apply_default_css=False)
    if store is not None:
        events.append(gr.Button("Show the latest", elem_id="results-refresh", size="sm").click)
    sections = (*(("votes", "concepts", "weeks") if store is not None else ()), *(("reliability",) if reliability else ()))
    parts = {}
    for name in sections:
        parts[f"{name}_view"] = gr.HTML(elem_id=f"results-{name}", apply_default_css=False)
        parts[f"{name}_plot"] = gr.Plot(show_label=False, elem_id=f"results-{name}-plot")

    def latest() -> dict:
        shown = _told_by_people(store) if store is not None else {}
        if reliability:
            shown["reliability"] = (_reliability(reliability), reliability_figure(reliability))
        return {
            parts[f"{name}_{kind}"]: value
            for name, pair in shown.items()
            for kind, value in zip(("view", "plot"), pair, strict=True)
        }

    if parts:
        for event in events:
            event(latest, None, list(parts.values()), **QUIET)


def _told_by_people(store: FeedbackStore) -> dict[str, tuple]:
    """Words and figure by section."""
    votes, ratings = store.table("votes"), store.table("ratings")
    ratings = ratings[~ratings["is_edited"].astype(bool)]  # words of a person are not the model's
    found = [ranking(votes), concept_agreement(ratings), over_time(ratings)]
    short = short_model_names(row.model for rows in found for row in rows)
    ranked, by_concept, by_week = (tuple(replace(row, model=short[row.model]) for row in rows) for rows in found)
    return {
        "votes": (_models(short) + _votes(ranked, position_bias(votes)), ranking_figure(ranked)),
        "concepts": (_concepts(by_concept, between_raters(ratings)), agreement_figure(by_concept[:MAX_ROWS])),
        "weeks": (_weeks(by_week), agreement_over_time_figure(by_week)),
    }


def _models(short: dict[str, str]) -> str:
    """What the short names stand for."""
    rows = [[text(name), text(full)] for full, name in short.items()]
    columns = ["Here", "Recogniser, teacher, student; each with its revision"]
    return folded("Models in full", table("Models", columns, rows)) if rows else ""


def _votes(ranked: tuple[RankedModel, ...], bias: PositionBias) -> str:
    heading = "<h3>Blind votes</h3>"
    if not ranked:
        return heading + '<p class="summary">No blind vote yet.</p>'
    rows = [
        [text(s.model), str(s.n), f"{s.wins} / {s.ties} / {s.losses}", str(s.both_bad), _share(s.win_rate, s.low, s.high),
         _number(s.strength, s.strength_low, s.strength_high), str(s.n_submissions)]
        for s in ranked
    ]  # fmt: skip
    columns = ["Model", "n", "Won / tie / lost", "Both bad", "Win rate", "Strength (Bradley-Terry)", "People"]
    told = "No decided vote, so nothing can be said about sides."
    if bias.share_left is not None:
        told = (
            f"A tie is half a win. The left side won {bias.left_wins} of {bias.left_wins + bias.right_wins} decided votes "
            f"({_share(bias.share_left, bias.low, bias.high)}; p = {bias.p_value:.2f}): "
            f"{'more than chance would' if bias.p_value < 0.05 else 'no sign of a bias for a side'}."
        )
    return heading + f'<p class="summary">{text(told)}</p>' + table("Ranking", columns, rows)


def _concepts(rows: tuple[ConceptAgreement, ...], raters: RaterAgreement) -> str:
    heading = "<h3>Agreement by concept</h3>"
    if not rows:
        return heading + '<p class="summary">No concept was judged yet.</p>'
    told = f"{count(raters.n_rows, 'row')} judged by two people or more"
    if raters.share is not None:
        told += f"; they agree in {100 * raters.share:.0f} % of {count(raters.n_pairs, 'pair')}"
        told += f" (Krippendorff's alpha {raters.alpha:.2f})" if raters.alpha is not None else ""
    cells = [
        [text(r.label), text(r.model), str(r.n), _share(r.share, r.low, r.high), str(r.n_wrong), str(r.n_wrong_status),
         str(r.n_missing), text(", ".join(f"{n} {severity}" for severity, n in r.by_severity))]
        for r in rows
    ]  # fmt: skip
    columns = ["Concept", "Model", "n", "Right", "Wrong", "Wrong status", "Missing", "Severity"]
    body = table("Agreement with clinicians", columns, cells)
    return heading + f'<p class="summary">{text(told)}.</p>' + (folded("All rows", body) if len(rows) > MAX_ROWS else body)


def _weeks(rows: tuple[PeriodAgreement, ...]) -> str:
    heading = "<h3>Over time</h3>"
    if not rows:
        return heading + '<p class="summary">Nothing yet.</p>'
    cells = [[text(r.start), text(r.model), str(r.n), _share(r.share, r.low, r.high)] for r in rows]
    return (
        heading
        + '<p class="summary">Share of judgements that found the model right, by week.</p>'
        + table("Agreement by week", ["Week from", "Model", "n", "Right"], cells)
    )


def _reliability(rows: tuple[Reliability, ...]) -> str:
    cells = [
        [text(row.condition), text(frequency(b.given)), str(b.n), _share(b.right, b.low, b.high)]
        for row in rows
        for b in row.bins
    ]
    errors = "; ".join(f"{row.condition}: {100 * row.calibration_error:.1f} points" for row in rows)
    return (
        "<h3>How far probabilities can be trusted</h3>"
        f'<p class="summary">{MEASURED} Expected calibration error: {text(errors)}.</p>'
        + folded("The same as a table", table("Given and right", ["Noise", "Given", "n", "Right"], cells))
    )


def _share(share: float | None, low: float | None, high: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} % ({100 * low:.0f}–{100 * high:.0f})"


def _number(value: float | None, low: float | None, high: float | None) -> str:
    return "–" if value is None else f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
