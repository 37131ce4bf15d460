"""Commands for body sounds: public collections as tables, and linear probes of their labels."""

import argparse
from dataclasses import asdict
from pathlib import Path

from medalign.cli.options import Commands, answer, cache_option, check_output, field_options, fields_of, in_columns, json_option
from medalign.core.analysis import DISCLAIMER
from medalign.core.body_sounds import KINDS
from medalign.core.errors import MedAlignError
from medalign.core.provenance import PROVENANCE, provenance
from medalign.core.wording import fit_words, no_model_words, rate_words, trust_words, uncounted_words, unfamiliar_words
from medalign.training.recipe import ProbeConfig


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    sounds = commands.add_parser("sounds", help="a public collection of body sounds as a table of recordings and labels")
    sounds.add_argument("collection", metavar="SET", nargs="?", help="its name (default: lists those that are known)")
    sounds.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, help="the collection as it was published")
    sounds.add_argument("--out", type=Path, help="the table to write, for `reports`, `audit` and `probe`")
    sounds.set_defaults(command=_sounds)

    _add_listening(commands)
    _add_measuring(commands)


def _add_listening(commands: Commands) -> None:
    listen = commands.add_parser(
        "listen", help="one heart, lung or cough recording: can it be judged, and how does the heart beat"
    )
    listen.add_argument("audio", metavar="AUDIO", help="recording: wav, mp3, m4a, mp4, ogg, webm or flac")
    listen.add_argument("--kind", required=True, choices=KINDS, help="what it is; never guessed")
    listen.add_argument("--phrase", action="append", default=[], help="how well it fits, among other hearts; may be repeated")
    json_option(listen, "the findings")
    listen.set_defaults(command=_listen)

    references = commands.add_parser("references", help="the clips that a student of body sounds compares a recording with")
    references.add_argument(
        "table", metavar="TABLE", type=Path, help="table of `medalign reports`: rows that the student was not trained on"
    )
    references.add_argument("--student", required=True, help="checkpoint folder, which gets them")
    references.add_argument("--label", default="label", help="column of the label")
    references.add_argument("--place", required=True, help="where the clips are from, in words")
    references.add_argument("--trained-on", default="", help="what the student learnt from, in words")
    references.set_defaults(command=_references)


def _add_measuring(commands: Commands) -> None:
    audit = commands.add_parser("audit", help="confounders of the labels of a table of sounds, and its faults")
    audit.add_argument("table", metavar="TABLE", type=Path, help="table of `medalign sounds` or `medalign reports`")
    audit.add_argument("--label", default="label", help="column")
    audit.add_argument("--group", default="group", help="column of persons")
    json_option(audit, "the findings")
    audit.set_defaults(command=_audit)

    probe = commands.add_parser("probe", help="linear probes of a label on features of students and baselines")
    probe.add_argument("table", metavar="TABLE", type=Path, help="table of `medalign sounds` or `medalign reports`")
    probe.add_argument("--label", required=True, help="column; rows without a known value are left out")
    probe.add_argument("--student", action="append", default=[], help="checkpoint folder or name; may be repeated")
    probe.add_argument(
        "--baseline",
        type=lambda text: tuple(name.strip() for name in text.split(",") if name.strip()),
        default=("logmel", "unaligned", "best-unaligned"),
        metavar="NAME,...",
        help="some of logmel, unaligned, best-unaligned, opensmile (default: the first three)",
    )
    probe.add_argument(
        "--keep", action="append", default=[], type=_kept, metavar="COLUMN=A,B", help="only rows with these values"
    )
    field_options(probe, ProbeConfig)
    cache_option(probe)
    json_option(probe, "the figures")
    probe.set_defaults(command=_probe)


def _sounds(arguments: argparse.Namespace) -> None:
    from medalign.training.data.body_sounds import collections, write_table

    if arguments.collection is None:
        rows = [(name, one["kind"], one["licence"], one["home"]) for name, one in collections().items()]
        print("\n".join(in_columns([("set", "kind", "licence", "where"), *rows])))
        return
    if arguments.folder is None or arguments.out is None:
        raise MedAlignError("`medalign sounds SET FOLDER --out TABLE` needs all three; without any it lists the sets")
    check_output(arguments.out)
    counts = write_table(arguments.collection, arguments.folder, arguments.out)
    one = collections()[arguments.collection]
    print(f"{arguments.out}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    print(f"{one['title']}. Licence: {one['licence']}. Cite: {one['cite']}.\nPersons: {one['person']}. Split: {one['split']}.")
    print("\n".join(f"Beware: {trap}." for trap in one["traps"]))
    if one["layout_known"] != "files":
        print(f"How its files lie is known from: {one['layout_known']}. Check the table.")


def _listen(arguments: argparse.Namespace) -> None:
    from medalign.core.audio import load_recording
    from medalign.pipeline.auscultation import examine
    from medalign.pipeline.sound_listener import DEFAULT_PHRASES, SoundListener

    if arguments.phrase and arguments.kind != "heart":
        raise MedAlignError(f"no student of {arguments.kind} sounds comes along, so --phrase can't be answered; leave it out")
    recording = load_recording(arguments.audio)
    found = examine(recording, arguments.kind)
    heard = None
    if arguments.kind == "heart" and not found.faults:
        heard = SoundListener.default().hear(recording.waveform, arguments.phrase or DEFAULT_PHRASES)
    lines = [DISCLAIMER, f"{found.name}: {found.duration_s:.1f} s, {found.kind}", *found.faults]
    if found.pulse is not None:
        lines += [f"rate: {rate_words(found.pulse.rate_per_min)}", f"rhythm: {found.pulse.rhythm}"]
        lines += [uncounted_words()] * (found.pulse.rate_per_min is None)
    elif not found.faults:
        lines.append(f"{no_model_words(found.kind)}. Its quality was judged, and will do.")
    if heard is not None and heard.familiarity is not None and not heard.fits:
        lines.append(unfamiliar_words(heard.familiarity))
    elif heard is not None:
        lines += [f"{fit.phrase}: {fit_words(fit.percentile)}" for fit in heard.fits]
        trust = heard.trust
        lines.append("most like it: " + ", ".join(f"{n} {label}" for label, n in heard.nearest.items()) + " of the ten nearest")
        lines.append(f"Compared with {trust.n_references} hearts of {trust.place}. {trust_words(trust.auroc)}")
    body = {**asdict(found), "heard": asdict(heard) if heard else None, "disclaimer": DISCLAIMER}
    answer({PROVENANCE: provenance(), **body}, arguments.json, lines)


def _references(arguments: argparse.Namespace) -> None:
    from medalign.training.fitting.fit_references import fit_references

    n = fit_references(arguments.table, arguments.student, arguments.label, arguments.place, arguments.trained_on)
    print(f"{arguments.student}: {n} reference clips of {arguments.place}")


def _audit(arguments: argparse.Namespace) -> None:
    from medalign.training.fitting.sound_audit import audit_table

    found = audit_table(arguments.table, arguments.label, arguments.group)
    same, heard = found["equal_files"], found["equal_sounds"]
    rows = [
        ("rows, with a label", f"{found['n_rows']}, {found['n_labelled']}"),
        ("unreadable, silent", f"{len(found['unreadable'])}, {len(found['silent'])}"),
        ("persons", found["persons"]),
        *(
            (f"AUROC of {arguments.label} from {name} alone", _auroc(value))
            for name, value in found["auroc_of_label_from"].items()
        ),
        ("sets of equal files, of equal sounds", f"{same['n_sets']}, {heard['n_sets']}"),
        ("equal sounds with contradicting labels", str(heard["with_contradicting_labels"]["n_sets"])),
        ("equal sounds of several groups", str(heard["of_several_groups"]["n_sets"])),
        ("equal sounds in several splits", str(heard["in_several_splits"]["n_sets"])),
        ("groups in several splits", str(len(found["groups_in_several_splits"]))),
    ]
    answer({PROVENANCE: provenance(), **found}, arguments.json, in_columns(rows))


def _probe(arguments: argparse.Namespace) -> None:
    from medalign.training.fitting.sound_probe import probe_sounds

    config = fields_of(ProbeConfig, arguments, label=arguments.label)
    found = probe_sounds(arguments.table, config, arguments.student, arguments.baseline, arguments.cache, keep=arguments.keep)
    baselines = list(dict.fromkeys(name for row in found["rows"] for name in row["lift"]))
    table = [("source", "AUROC (95 %)", *found["subsets"], *(f"lift over {name}" for name in baselines), "told", "zero-shot")]
    for row in found["rows"]:
        low, high = row["auroc_95"]
        of_subsets = (_auroc(row["by_subset"][name]) for name in found["subsets"])
        lifts = (_lift(row["lift"].get(name)) for name in baselines)
        beside = row.get("told", "-"), _auroc(row.get("zero_shot_auroc"))
        table.append((row["source"], f"{row['auroc']:.3f} ({low:.3f} to {high:.3f})", *of_subsets, *lifts, *beside))
    lines = [
        f"{config.label}: {', '.join(f'{n} {name}' for name, n in found['classes'].items())}; {found['n_measured']} measured, "
        f"{found['n_trained_on']} that a student was trained on are only fitted on; persons {found['persons']}",
        *in_columns(table),
    ]
    answer({PROVENANCE: provenance(), **found}, arguments.json, lines)


def _kept(text: str) -> tuple[str, tuple[str, ...]]:
    column, equals, values = text.partition("=")
    if not equals or not values:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form COLUMN=A,B")
    return column, tuple(values.split(","))


def _auroc(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _lift(lift: tuple[float, float, float] | None) -> str:
    return "-" if lift is None else f"{lift[0]:+.3f} ({lift[1]:+.3f} to {lift[2]:+.3f})"
