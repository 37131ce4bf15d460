"""Commands for notes: check one against its recording; fit and measure the checking."""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli.observing import level_name, observer
from medalign.cli.options import Commands, answer, cache_option, check_output, json_option, model_options, tell, write_text
from medalign.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from medalign.pipeline.analyzer import Analyzer
    from medalign.pipeline.listener import Listener
    from medalign.pipeline.note_fits import NoteFits
    from medalign.training.data.consultations import Consultation
    from medalign.training.data.note_errors import ErrorMaker
    from medalign.training.fitting.note_cases import Heard
    from medalign.training.fitting.observation import Observation

REFERENCES = 600  # unrelated statements that each is compared with


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    check = commands.add_parser("check", help="check a clinical note against its recording, statement by statement")
    check.add_argument(
        "audio", metavar="AUDIO", help="the recording; or the JSON of `analyze`, if only the words are to be compared"
    )
    check.add_argument(
        "note", metavar="NOTE", type=Path, help="text, markdown, FHIR or the JSON of `analyze`; at most 100,000 characters"
    )
    check.add_argument(
        "--analysis", metavar="JSON", type=Path, help="of this recording, by `analyze --json`: it is not analysed again"
    )
    json_option(check, "verdicts and evidence")
    check.add_argument("--csv", metavar="OUT", type=Path, help="write a table here, for a spreadsheet")
    check.add_argument("--html", metavar="OUT", type=Path, help="write a page here: the note beside the recording")
    model_options(check, asr=True, teacher=True, student=True)
    check.set_defaults(command=_check)

    measure = commands.add_parser("note-check", help="fit and measure the checking of notes, on notes with errors put in")
    measure.add_argument("--data", type=Path, required=True, help="folder with primock57/, aci_bench/ and mts_dialog/")
    measure.add_argument("--fit", action="store_true", help="first fit on training notes; writes into the student's folder")
    measure.add_argument("--fit-speech", type=Path, help="spoken takes of some of these notes, needed to fit")
    measure.add_argument("--limit", type=int, default=110, help="notes to fit on, and to measure on, drawn by a seed")
    measure.add_argument("--speech", type=Path, help="spoken takes of validation notes: measured after recognition, too")
    measure.add_argument(
        "--snr-db", type=float, action="append", default=[], help="also in pink noise at this ratio; may be repeated"
    )
    measure.add_argument("--sample", type=Path, help="statements that readers judged: JSON rows with id")
    measure.add_argument("--reader", type=Path, action="append", default=[], help="a reader's verdicts: JSON, id to verdict")
    measure.add_argument("--json", metavar="OUT", type=Path, help="write the figures here")
    model_options(measure, student=True, asr=True)
    cache_option(measure)
    measure.set_defaults(command=_measure)


def _check(arguments: argparse.Namespace) -> None:
    from medalign.concepts.notes import read_note
    from medalign.core.analysis import Analysis
    from medalign.core.audio import load_recording
    from medalign.core.files import read_json
    from medalign.pipeline.analyzer import Analyzer
    from medalign.report.note_page import note_csv, note_html, note_lines
    from medalign.report.strip import peaks_of

    for path in (arguments.json, arguments.csv, arguments.html):
        check_output(path)
    note = _read_text(arguments.note)
    read_note(note)  # refused before any model is loaded
    is_analysis = str(arguments.audio).endswith(".json")
    remedy = "give what `medalign analyze --json` wrote"
    stored = arguments.analysis or (Path(arguments.audio) if is_analysis else None)
    analysis = Analysis.from_dict(read_json(stored, dict, error=DataError, remedy=remedy)) if stored else None
    recording = None if is_analysis else load_recording(arguments.audio)
    if recording and analysis and abs(recording.duration_s - analysis.recording.duration_s) > 0.1:
        raise DataError(
            f"{stored} is of a recording of {analysis.recording.duration_s:.1f} s, {arguments.audio} "
            f"has {recording.duration_s:.1f} s; give the analysis of this recording, or leave it out"
        )
    analyzer = Analyzer.default(
        asr=arguments.asr, teacher=arguments.teacher, student=arguments.student, device=arguments.device
    )
    check = analyzer.check_note(recording, note, analysis=analysis)
    if arguments.csv:
        write_text(note_csv(check), arguments.csv)
    if arguments.html:
        write_text(note_html(check, peaks_of(recording.waveform) if recording else b""), arguments.html)
    answer(check.to_dict(), arguments.json, note_lines(check))


def _read_text(path: Path) -> str:
    from medalign.concepts.notes import MAX_CHARACTERS
    from medalign.core.files import check_regular, reading

    remedy = "give a text file in UTF-8"
    check_regular(path, error=DataError, remedy=remedy)
    if path.stat().st_size > 40 * MAX_CHARACTERS:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes, too many for a note; give one consultation's note")
    with reading(f"{path} can't be read as text", error=DataError, remedy=remedy):
        return path.read_text(encoding="utf-8-sig")


def _measure(arguments: argparse.Namespace) -> None:
    from medalign.core.files import read_json
    from medalign.pipeline.note_fits import NoteFits
    from medalign.training.data.consultations import read_consultations
    from medalign.training.data.note_errors import ErrorMaker
    from medalign.training.fitting.note_cases import drawn, heard_aloud, heard_in_words
    from medalign.training.fitting.note_metrics import measure_readers

    check_output(arguments.json)
    analyzer, observe = observer(arguments)
    listener = analyzer.listener
    noted = [c for c in read_consultations(arguments.data) if c.note.strip()]
    if arguments.fit:
        _fit(arguments, analyzer, observe, [c for c in noted if c.split == "train"])
    fits, references = NoteFits.load(listener.fitted_in)
    in_turn = drawn([c for c in noted if c.split == "valid"])
    spoken = {path.name.split("-seed")[0] for path in arguments.speech.glob("*.json")} if arguments.speech else set()
    valid = [c for at, c in enumerate(in_turn) if at < arguments.limit or c.consultation_id in spoken]
    maker = ErrorMaker(valid, listener.bank)

    def measured(heard: list["Heard"]) -> dict:
        return measure_level(heard, maker, listener, fits, references)

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
    if arguments.sample and arguments.reader:
        rows = read_json(arguments.sample, list, error=DataError, remedy="give the sample's rows")
        readers = [read_json(path, dict, error=DataError, remedy="give id to verdict") for path in arguments.reader]
        figures["readers"] = measure_readers(rows, readers)
    tell(figures, arguments.json)


def measure_level(
    heard: "list[Heard]", maker: "ErrorMaker", listener: "Listener", fits: "NoteFits", references: "np.ndarray"
) -> dict:
    """The figures of one level of noise, or of human words."""
    from medalign.training.fitting.note_cases import cases, own_and_other
    from medalign.training.fitting.note_metrics import measure_notes

    started = time.perf_counter()
    of_own = list(cases(heard, maker, listener.teacher, references, listener.bank))
    seconds = (time.perf_counter() - started) / sum(len(case.kinds) for case in of_own)
    pairs = own_and_other(heard, maker, listener.teacher, references, listener.bank)
    return measure_notes(of_own, fits, listener.bank, pairs) | {"seconds a statement": round(seconds, 3)}


def _fit(
    arguments: argparse.Namespace,
    analyzer: "Analyzer",
    observe: Callable[..., Iterator["Observation"]],
    training: list["Consultation"],
) -> None:
    import random

    from medalign.training.data.note_errors import ErrorMaker
    from medalign.training.fitting.fit_note_check import fit_note_check, with_belongs
    from medalign.training.fitting.note_cases import cases, drawn, heard_aloud, heard_in_words, own_and_other

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
    fits = fit_note_check(list(cases(words, *models)), list(cases(aloud, *models)))
    with_belongs(fits, own_and_other(words, *models)).save(folder, references)
