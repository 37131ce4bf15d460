"""What ratings say about models: how often clinicians found one right, by concept, over time, and among themselves.

Conventions: ratings are a data frame as `medalign.feedback` stores it, an empty one gives empty results. A person's later
word on the same row replaces the earlier one. Intervals are 95 % (Wilson 1927).

Source of alpha: Krippendorff 1980.
"""

from dataclasses import dataclass

import pandas as pd

from medalign.feedback.ranking import wilson

MODELS = ("asr", "teacher", "student")
ROW = ["result_id", "concept_id", "label", "status"]  # what a verdict is about


@dataclass(frozen=True)
class ModelAgreement:
    """How often clinicians found one model right."""

    model: str
    n: int
    n_correct: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class ConceptAgreement(ModelAgreement):
    """The same about one concept."""

    concept_id: str
    label: str
    n_wrong: int
    n_wrong_status: int
    n_missing: int
    by_severity: tuple[tuple[str, int], ...]  # errors whose severity was said


@dataclass(frozen=True)
class PeriodAgreement(ModelAgreement):
    """The same in one stretch of time."""

    start: str  # first day of the period, ISO


@dataclass(frozen=True)
class RaterAgreement:
    """How far clinicians agree with each other about the same rows of the same results."""

    n_rows: int  # rated by two people or more
    n_pairs: int  # of verdicts on one row
    share: float | None  # of the pairs that agree
    alpha: float | None  # Krippendorff's, nominal: 1 full agreement, 0 chance; None if all verdicts are the same


def concept_agreement(ratings: pd.DataFrame) -> tuple[ConceptAgreement, ...]:
    """Per model (recogniser, teacher and student) and concept, the most rated first."""
    ratings = _latest(ratings)
    # Somebody who misses a concept may have named one that the bank lacks.
    named = ratings["concept_id"].fillna("").mask(lambda ids: ids == "", ratings["label"])
    rows = []
    for (model, concept_id), group in ratings.groupby([_model(ratings), named]):
        errors = group.loc[(group["verdict"] != "correct") & group["severity"].fillna("").ne(""), "severity"]
        wrong, wrong_status, missing = (int((group["verdict"] == v).sum()) for v in ("wrong", "wrong_status", "missing"))
        by_severity = tuple((name, int(n)) for name, n in errors.value_counts().sort_index().items())
        named_as = group["label"].iloc[-1]
        rows.append(ConceptAgreement(*_share(model, group), concept_id, named_as, wrong, wrong_status, missing, by_severity))
    return tuple(sorted(rows, key=lambda row: (row.model, -row.n, row.label)))


def over_time(ratings: pd.DataFrame) -> tuple[PeriodAgreement, ...]:
    """Per model and week, from Monday, in order of time; weeks without a rating are left out."""
    ratings = _latest(ratings)
    at = pd.to_datetime(ratings["created_at"], utc=True, format="ISO8601").dt.tz_localize(None).dt.to_period("W")
    return tuple(
        PeriodAgreement(*_share(model, group), period.start_time.date().isoformat())
        for (model, period), group in ratings.groupby([_model(ratings), at])
    )


def between_raters(ratings: pd.DataFrame) -> RaterAgreement:
    """Whether people agree with each other, over the rows that at least two of them rated."""
    from nltk.metrics.agreement import AnnotationTask  # takes two seconds

    ratings = _latest(ratings).assign(row=lambda table: table.groupby(ROW, dropna=False).ngroup())
    shared = ratings[ratings.groupby("row")["submission_id"].transform("size") > 1]
    if shared.empty:
        return RaterAgreement(0, 0, None, None)
    counts = shared.groupby(["row", "verdict"]).size().unstack(fill_value=0).to_numpy()  # (n_rows, n_verdicts)
    of_row = counts.sum(1)
    n_pairs, n_agreeing = (int((n * (n - 1) / 2).sum()) for n in (of_row, counts))
    alpha = None
    if counts.shape[1] > 1:
        alpha = AnnotationTask(list(shared[["submission_id", "row", "verdict"]].itertuples(index=False))).alpha()
    return RaterAgreement(len(counts), n_pairs, n_agreeing / n_pairs, alpha)


def _latest(ratings: pd.DataFrame) -> pd.DataFrame:
    """Each person's last word on each row."""
    ratings = ratings.sort_values("created_at", kind="stable", ignore_index=True)
    return ratings.drop_duplicates(["submission_id", *ROW], keep="last")


def _model(ratings: pd.DataFrame) -> pd.Series:
    """`tiny.en 1a5afae06a4d | ...` for each rating, as votes name them."""
    names = [ratings[role].astype(str) + " " + ratings[f"{role}_revision"].astype(str) for role in MODELS]
    return names[0].str.cat(names[1:], sep=" | ")


def _share(model: str, group: pd.DataFrame) -> tuple[str, int, int, float, float, float]:
    """The fields of `ModelAgreement`."""
    n, n_correct = len(group), int((group["verdict"] == "correct").sum())
    return (model, n, n_correct, n_correct / n, *wilson(n_correct, n))
