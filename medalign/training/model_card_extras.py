"""The part of a model card about what is fitted beside a student, from the JSON files that its commands wrote."""

from pathlib import Path

from medalign.core.errors import DataError
from medalign.core.files import read_json
from medalign.core.provenance import without_provenance

FILES = """| `references.safetensors` | clips that a body sound is compared with, as embeddings, by `medalign references` |
| `sound_events.safetensors` | the detector of sound events, by `medalign sound-events`; absent if not trained |
| `spoken_language.safetensors` | English or another language, by `tests/heard_language.py`; absent if not fitted |
| `fits.json` | logistic fits by `calibrate`, `misheard-names`, `segment-quality`, `critical-words` and `fuse` |"""


def extras(folder: Path) -> str:
    """Tables of every figure file that is there; empty if none is."""
    writers = {
        "sound_events": _sound_events,
        "segment_quality": _segment_quality,
        "misheard_names": _misheard_names,
        "fusion": _fusion,
        "unseen_site": _unseen_site,
    }
    parts = [
        write(without_provenance(read_json(path, dict, error=DataError, remedy="write it anew")))
        for name, write in writers.items()
        if (path := folder / f"{name}.json").exists()
    ]
    return "\n\n".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _unseen_site(figures: dict) -> str:
    """Of `medalign probe` on recordings of a place that the student was not trained on."""
    rows = []
    for row in figures["rows"]:
        zero_shot = row.get("zero_shot_auroc")
        low, high = row["auroc_95"]
        rows.append(
            [row["source"], "-" if zero_shot is None else f"{zero_shot:.3f}", f"{row['auroc']:.3f} [{low:.3f}-{high:.3f}]"]
        )
    classes = ", ".join(f"{n} {name}" for name, n in figures["classes"].items())
    where = "; ".join(f"{column} {', '.join(values)}" for column, values in figures["keep"].items())
    return (
        f"### A place it was not trained on\n\n{where[:1].upper()}{where[1:]}: {classes}; "
        f"persons {figures['persons']}. Zero-shot compares with the texts of the labels and has seen no recording of that "
        "place; the probe is fitted on four fifths of them and measured on the rest, so it answers another question.\n\n"
        + _table(["features", "zero-shot AUROC", "linear probe AUROC [95 %]"], rows)
    )


def _sound_events(figures: dict) -> str:
    rows = [
        [label, str(f["n"]), *(f"{f[key]:.3f}" for key in ("auroc_against_speech", "auroc_against_other_sounds", "recall"))]
        + [f"{f['precision']:.3f}"]
        for label, f in figures["sound_events"].items()
    ]
    quiet = "; ".join(f"{f['all']:.2g} in {name} ({f['minutes']:.0f} min)" for name, f in figures["false_per_10_min"].items())
    return (
        "### Sound events\n\nReal sounds of people and clips not learnt from, mixed between and over the words of spoken "
        "consultations; an event is found if it overlaps.\n\n"
        + _table(["sound event", "n", "AUROC against speech", "against other sounds", "recall", "precision"], rows)
        + f"\n\nFalse detections in 10 minutes of speech without any: {quiet}."
    )


def _segment_quality(figures: dict) -> str:
    rows = []
    for level, f in figures.items():
        errors = f["transcription error"]
        rows.append(
            [
                level,
                *(
                    f"{f[kind]['auroc']:.4f} ({f[kind]['marked']:.0%})"
                    for kind in ("words of another consultation", "words from elsewhere in the same one")
                ),
                f"{f['right_segments_marked']:.1%}",
                f"{errors['auroc']:.3f}",
                *(
                    f"{errors[f'auroc of {what}']:.3f}"
                    for what in ("recogniser alone", "student alone", "recogniser and student")
                ),
            ]
        )
    head = [
        "",
        "words of another consultation (marked)",
        "words from elsewhere in the same one (marked)",
        "right ones marked",
        "word error rate over 0.4",
    ]
    compared = ["by the recogniser's log-probability and no-speech probability", "by the student", "by both"]
    return "### Segment quality\n\nAUROC of wrong segments against right ones, on consultations not fitted on.\n\n" + _table(
        [*head, *compared], rows
    )


def _misheard_names(figures: dict) -> str:
    rows = [
        [name, str(f["all"]["n_said"])]
        + [f"{f['all'][f'{what}_before']:.3f} → {f['all'][f'{what}_after']:.3f}" for what in ("recall", "precision")]
        + [f"{f['expected_calibration_error']:.3f}"]
        for name, f in figures.items()
    ]
    return "### Misheard medicines and diseases\n\n" + _table(
        ["", "names said", "recall before → after", "precision before → after", "calibration error"], rows
    )


def _fusion(figures: dict) -> str:
    rows = []
    for level, f in figures.items():
        for group in ("all", "common", "names"):
            figures_of = f[group]
            difference, low, high = figures_of["fused_minus_transcript_f1"]
            rows.append(
                [level, group, str(figures_of["n_said"])]
                + [f"{figures_of[way]['f1']:.3f}" for way in ("transcript", "corrected", "fused")]
                + [
                    f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]",
                    f"{f['expected_calibration_error']:.3f}" if group == "all" else "",
                ]
            )
    return (
        "### Fusion\n\nF1 of concepts per consultation, on consultations not fitted on; names are medicines and diseases.\n\n"
        + _table(
            ["", "concepts", "said", "transcript", "with corrections", "fused", "fused - transcript", "calibration error"], rows
        )
    )
