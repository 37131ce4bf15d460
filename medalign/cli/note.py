"""The command that fits and measures the checking of notes; `check` is a module of its own."""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli.observing import level_name, observer
from medalign.cli.options import Commands, cache_option, figures_option, model_options, noise_option, tell
from medalign.core.errors import DataError

if TYPE_CHECKING:
    from medalign.pipeline.analyzer import Analyzer
    from medalign.training.data.consultations import Consultation
    from medalign.training.fitting.note_cases import Heard
    from medalign.training.fitting.observation import Observation

ANOTHER = 110  # notes held against another consultation, to learn what belongs together
REFERENCES = 600  # unrelated statements that each is compared with


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    measure = commands.add_parser("note-check", help="fit and measure the checking of notes, on notes with errors put in")
    measure.add_argument("--data", type=Path, required=True, help="folder with primock57/, aci_bench/ and mts_dialog/")
    measure.add_argument("--fit", action="store_true", help="first fit on training notes; writes into the student's folder")
    measure.add_argument("--fit-speech", type=Path, help="spoken takes of some of these notes, needed to fit")
    measure.add_argument("--limit", type=int, default=110, help="notes to fit on, and to measure on, drawn by a seed")
    measure.add_argument("--speech", type=Path, help="spoken takes of validation notes: measured after recognition, too")
    noise_option(measure)
    measure.add_argument("--sample", type=Path, help="statements that readers judged: JSON rows with id")
    measure.add_argument("--reader", type=Path, action="append", default=[], help="a reader's verdicts: JSON, id to verdict")
    figures_option(measure)
    model_options(measure, student=True, asr=True)
    cache_option(measure)
    measure.set_defaults(command=_measure)


def _measure(arguments: argparse.Namespace) -> None:
    from medalign.pipeline.notes.fits import NoteFits
    from medalign.training.data.consultations import read_consultations
    from medalign.training.data.note_errors import ErrorMaker
    from medalign.training.fitting.note_cases import cases, drawn, heard_aloud, heard_in_words, of_another
    from medalign.training.fitting.note_metrics import measure_notes, measure_readers

    analyzer, observe = observer(arguments)
    listener = analyzer.listener
    noted = [c for c in read_consultations(arguments.data) if c.note.strip()]
    if arguments.fit:
        _fit(arguments, analyzer, observe, [c for c in noted if c.split == "train"])
    fits, references = NoteFits.load(listener.fitted.folder, listener.teacher.embed_dim)
    in_turn = drawn([c for c in noted if c.split == "valid"])
    spoken = {path.name.split("-seed")[0] for path in arguments.speech.glob("*.json")} if arguments.speech else set()
    valid = [c for at, c in enumerate(in_turn) if at < arguments.limit or c.consultation_id in spoken]
    models = ErrorMaker(valid, listener.bank), listener.teacher, references, listener.bank

    def measured(heard: list["Heard"]) -> dict:
        """The figures of one level of noise, or of human words."""
        started = time.perf_counter()
        of_own = list(cases(heard, *models))
        seconds = (time.perf_counter() - started) / sum(len(case.kinds) for case in of_own)
        others = of_another(heard, *models)
        return measure_notes(of_own, fits, listener.bank, others, borne_out) | {"seconds a statement": round(seconds, 3)}

    rows, readers = _readings(arguments)
    borne_out = {
        (row["consultation_id"], row["statement"])
        for row in rows
        if all(reader.get(row["id"]) == "supported" for reader in readers)
    }
    figures: dict = {"fitted on": fits.note_examples}
    words = list(heard_in_words(valid, listener.bank, arguments.cache, listener.teacher.embed_dim))
    figures["human words"] = measured(words)
    if arguments.speech:
        for snr_db in (None, *arguments.snr_db):
            observations = list(observe("", snr_db, split="valid"))
            heard = list(heard_aloud(observations, listener))
            names = {one.consultation_id for one in heard}
            figures[level_name(snr_db)] = measured(heard)
            if snr_db is None:
                figures["human words, spoken notes"] = measured([one for one in words if one.consultation_id in names])
    if readers:
        figures["readers"] = measure_readers(rows, readers)
    tell(figures, arguments.json)


def _readings(arguments: argparse.Namespace) -> tuple[list[dict], list[dict[str, str]]]:
    """The statements that readers judged, and each reader's verdicts; none where they are not given."""
    from medalign.core.files import read_json

    if not (arguments.sample and arguments.reader):
        return [], []
    rows = read_json(arguments.sample, list, error=DataError, remedy="give the sample's rows")
    return rows, [read_json(path, dict, error=DataError, remedy="give id to verdict") for path in arguments.reader]


def _fit(
    arguments: argparse.Namespace,
    analyzer: "Analyzer",
    observe: Callable[..., Iterator["Observation"]],
    training: list["Consultation"],
) -> None:
    import random

    from medalign.training.data.note_errors import ErrorMaker
    from medalign.training.fitting.fit_note_check import fit_note_check
    from medalign.training.fitting.note_cases import cases, drawn, heard_aloud, heard_in_words, of_another

    if arguments.fit_speech is None:
        raise DataError("fitting needs spoken takes of training notes; give --fit-speech FOLDER")
    listener = analyzer.listener
    folder = listener.student.writable_folder()
    chosen = drawn(training)[: arguments.limit]
    maker = ErrorMaker(chosen, listener.bank)
    pool = [clause.plain for c in chosen for clause in maker.clauses(c.consultation_id) if len(clause.plain.split()) >= 3]
    references = listener.teacher.encode(random.Random(0).sample(pool, min(REFERENCES, len(pool))))
    words = list(heard_in_words(chosen, listener.bank, arguments.cache, listener.teacher.embed_dim))
    aloud = list(heard_aloud(observe("", split="train", speech=arguments.fit_speech), listener))
    models = maker, listener.teacher, references, listener.bank
    others = of_another(words[:ANOTHER], *models)
    fits = fit_note_check(list(cases(words, *models)), list(cases(aloud, *models)), others)
    fits.save(folder, references)
