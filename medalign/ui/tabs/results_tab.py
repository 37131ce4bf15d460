"""The third tab: what a team makes of the models (blind votes, agreement, change over time), and how far probabilities can
be trusted.

Each figure has its n and interval; nobody is named.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import gradio as gr

from medalign.core.weights import DEFAULT_STUDENT
from medalign.feedback.agreement import between_raters, concept_agreement, over_time
from medalign.feedback.model_names import short_model_names
from medalign.feedback.ranking import position_bias, ranking
from medalign.feedback.reliability import Reliability
from medalign.feedback.store import FeedbackStore
from medalign.report.comparison import SHIPPED, candidates
from medalign.report.study_figures import (
    agreement_figure,
    agreement_over_time_figure,
    ranking_figure,
    reliability_figure,
)
from medalign.ui.views.markup import macros
from medalign.ui.wiring import Changes, connect, html

OFF = '<h2>Team results</h2><p class="hint">Feedback is switched off on this server, so there is nothing to show.</p>'
INTRO = """<h2>Team results</h2><p class="hint">From all feedback on this server. Intervals are 95 %; few votes say little,
whoever leads. All of it as files, for training, too: <code>medalign feedback export</code>.</p>"""
LOADING = '<p class="hint">Reading what was stored …</p>'
MAX_ROWS = 40  # in the figure


class ResultsTab:
    """Built and wired inside the current tab; opening the tab shows the latest."""

    def __init__(self, store: FeedbackStore | None, tab: gr.Tab, reliability: Sequence[Reliability] = ()):
        """
        Args:
            reliability: of the models in use, where it was measured.
        """
        self._store, self._reliability = store, reliability
        html(INTRO if store is not None else OFF)
        self._loading = html(LOADING if store is not None or reliability else "")
        events = [tab.select]
        if store is not None:
            events.append(gr.Button("Show the latest", elem_id="results-refresh", size="sm").click)
        self._alert = html(elem_id="results-alert")
        sections = (
            *(("votes", "concepts", "weeks", "whole") if store is not None else ()),
            *(("reliability",) if reliability else ()),
        )
        self._places = {
            name: (
                html(elem_id=f"results-{name}"),
                *([gr.Plot(show_label=False, elem_id=f"results-{name}-plot")] if name != "whole" else []),
            )
            for name in sections
        }
        for event in events if sections else ():
            places = [place for places in self._places.values() for place in places]
            connect(event, self._latest, [], [*places, self._loading], self._alert)

    def _latest(self) -> Changes:
        sections: dict[str, tuple[object, ...]] = _from_people(self._store) if self._store is not None else {}
        if self._reliability:
            view = macros("team_results").reliability(self._reliability)
            sections["reliability"] = (view, reliability_figure(self._reliability))
        changed: Changes = {self._alert: "", self._loading: ""}
        for name, shown in sections.items():
            changed |= dict(zip(self._places[name], shown, strict=True))
        return changed


def names_of(models: Iterable[str]) -> dict[str, str]:
    """A name for each model: the one that it has in comparisons, or else what tells it from the others."""
    short = short_model_names(models)
    students = {SHIPPED.student: DEFAULT_STUDENT}  # as results name it
    compared: dict[tuple[str, ...], str] = {
        (c.asr, c.teacher, students.get(c.student, c.student)): c.name for c in candidates()
    }
    parts = {model: tuple(part.rsplit(" ", 1)[0] for part in model.split(" | ")) for model in short}
    n = Counter(parts.values())  # of several revisions, the short name tells which
    return {model: compared.get(parts[model], name) if n[parts[model]] == 1 else name for model, name in short.items()}


def _from_people(store: FeedbackStore) -> dict[str, tuple[object, ...]]:
    """Words by section, and the figure if it has one."""
    votes, ratings, recordings = store.table("votes"), store.table("ratings"), store.table("recordings")
    told = [
        (str(row.created_at)[:10], row.role if isinstance(row.role, str) else None, about, row.comment)
        for table, of in ((recordings, "the whole"), (ratings, "label"), (votes, "a vote"))
        for row, about in zip(table.itertuples(), table["label"] if of == "label" else [of] * len(table), strict=True)
        if row.comment
    ]
    marks = {name: recordings[name].dropna().astype(int).tolist() for name in ("transcript", "concepts", "useful")}
    is_edited = ratings["is_edited"].astype(bool)  # words of a person are not the model's
    n_edited, ratings = int(is_edited.sum()), ratings[~is_edited]
    ranked, by_concept, by_week = ranking(votes), concept_agreement(ratings), over_time(ratings)
    short = names_of([row.model for rows in (ranked, by_concept, by_week) for row in rows])
    ranked = tuple(replace(row, model=short[row.model]) for row in ranked)
    by_concept = tuple(replace(row, model=short[row.model]) for row in by_concept)
    by_week = tuple(replace(row, model=short[row.model]) for row in by_week)
    view = macros("team_results")
    return {
        "votes": (view.models(short) + view.votes(ranked, position_bias(votes)), ranking_figure(ranked)),
        "concepts": (
            view.concepts(by_concept, between_raters(ratings), n_edited),
            agreement_figure(by_concept[:MAX_ROWS]),
        ),
        "weeks": (view.weeks(by_week), agreement_over_time_figure(by_week)),
        "whole": (view.whole(marks, sorted(told, key=lambda row: row[0], reverse=True)[:MAX_ROWS], len(told)),),
    }
