"""What `medalign evaluate` measured, as one page: a table of figures with intervals, and the curves behind them."""

from collections.abc import Iterator, Mapping
from html import escape

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined

from medalign.report.plotting import BLUE, GREY, VERMILION, framed

HEIGHT = 420
_ENVIRONMENT = Environment(
    loader=PackageLoader("medalign.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def evaluation_page(title: str, figures: Mapping[str, Mapping]) -> str:
    """HTML that needs nothing else.

    Args:
        figures: by task, of `medalign.evaluation.suite`.
    """
    rows = [(task, name, value) for task, of_task in figures.items() for name, value in _named(of_task)]
    return _ENVIRONMENT.get_template("figures.html").render(title=title, rows=rows, plots=[*_plots(figures)])


def ablation_page(title: str, arms: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The same of an ablation: for each figure, a bar an arm."""
    shown = next(iter(arms.values()))["mean"]
    plots = [(name.replace("_", " "), ablation_bars(arms, name)) for name in shown]
    return _ENVIRONMENT.get_template("figures.html").render(title=title, rows=[], plots=plots)


def ablation_bars(arms: Mapping[str, Mapping[str, Mapping[str, float]]], figure: str) -> go.Figure:
    """One bar an arm, the mean over its seeds, with their range; `arms` as `medalign ablate` writes them."""
    means = [arm["mean"][figure] for arm in arms.values()]
    seeds = [[of_one[figure] for name, of_one in arm.items() if name != "mean"] for arm in arms.values()]
    spread = {
        "type": "data", "symmetric": False, "color": GREY,
        "array": [max(of_arm) - mean for of_arm, mean in zip(seeds, means, strict=True)],
        "arrayminus": [mean - min(of_arm) for of_arm, mean in zip(seeds, means, strict=True)],
    }  # fmt: skip
    bars = go.Bar(x=means, y=[escape(name) for name in arms], orientation="h", marker_color=BLUE, error_x=spread)
    drawn = framed(go.Figure(bars), 120 + 36 * len(arms), margin={"l": 16, "r": 16, "t": 16, "b": 48})
    drawn.update_yaxes(autorange="reversed", automargin=True)
    return drawn.update_xaxes(title=figure.replace("_", " "))


def _named(figures: Mapping, before: str = "") -> Iterator[tuple[str, str]]:
    """Every figure by name; curves and maps are drawn instead."""
    for name, value in figures.items():
        label = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, list) and len(value) == 3 and not any(isinstance(part, list) for part in value):
            yield label, f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"
        elif isinstance(value, Mapping) and name != "map":
            yield from _named(value, f"{label}, ")
        elif not isinstance(value, list | Mapping):
            yield label, f"{value:.3f}" if isinstance(value, float) else str(value)


def _plots(figures: Mapping[str, Mapping]) -> Iterator[tuple[str, go.Figure]]:
    detection, calibration, alignment = (figures.get(task, {}) for task in ("detection", "calibration", "alignment"))
    if "roc" in detection:
        yield "ROC, all clips and concepts", _curve(detection["roc"], "False positive rate", "True positive rate", chance=True)
    if "precision_recall" in detection:
        yield "Precision and recall, all clips and concepts", _curve(detection["precision_recall"], "Recall", "Precision")
    if "reliability" in calibration:
        yield "Reliability", _reliability(calibration["reliability"])
    if "map" in alignment:
        yield "Audio and text in the shared space, two directions of most variance", _map(alignment["map"])


def _curve(points: list[list[float]], x: str, y: str, *, chance: bool = False) -> go.Figure:
    figure = go.Figure(go.Scatter(x=[p[0] for p in points], y=[p[1] for p in points], mode="lines", line_color=BLUE))
    return _unit(figure, x, y, diagonal=chance)


def _reliability(bins: list[Mapping]) -> go.Figure:
    right = [b["right"] for b in bins]
    spread = {
        "type": "data", "symmetric": False, "array": [high - value for value, _, high in right],
        "arrayminus": [value - low for value, low, _ in right],
    }  # fmt: skip
    words = [f"n = {b['n']}" for b in bins]
    given = [b["given"] for b in bins]
    marks = go.Scatter(x=given, y=[r[0] for r in right], error_y=spread, text=words, mode="lines+markers", line_color=BLUE)
    return _unit(go.Figure(marks), "Probability given", "Share that was right", diagonal=True)


def _map(places: Mapping[str, list[list[float]]]) -> go.Figure:
    figure = go.Figure()
    for name, colour, symbol in (("audio", BLUE, "circle"), ("text", VERMILION, "diamond")):
        x, y = zip(*places[name], strict=True)
        figure.add_trace(go.Scatter(name=name, x=x, y=y, mode="markers", marker={"color": colour, "symbol": symbol, "size": 6}))
    return framed(figure, HEIGHT, showlegend=True)


def _unit(figure: go.Figure, x: str, y: str, *, diagonal: bool) -> go.Figure:
    """Over shares from 0 to 1 on both axes."""
    if diagonal:
        figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_xaxes(title=x, range=[-0.02, 1.02])
    figure.update_yaxes(title=y, range=[-0.02, 1.02])
    return framed(figure, HEIGHT)
