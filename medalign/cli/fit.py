"""Commands that fit what a student is shipped with: probabilities, misheard names, segment quality, fusion, sound events."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli import options
from medalign.cli.observing import level_name, observer
from medalign.training.recipe import DetectorConfig

if TYPE_CHECKING:
    from medalign.training.fitting.fit_misheard_names import Observed


def add_commands(commands: options.Commands) -> None:
    """Add them to the subparsers of the command line."""
    calibrate = commands.add_parser("calibrate", help="fit the probabilities and distractors of a trained student")
    calibrate.add_argument("--speech", type=Path, required=True, help="folder written by `medalign synthesize`")
    calibrate.add_argument("--only", default="", help="validation consultations whose identifier starts with this")
    options.model_options(calibrate, student=True, asr=True)
    options.cache_option(calibrate)
    calibrate.set_defaults(command=_calibrate)

    misheard = commands.add_parser("misheard-names", help="fit and measure the correction of misheard medicines and diseases")
    misheard.add_argument("--speech", type=Path, action="append", required=True, help="spoken validation takes to measure on")
    misheard.add_argument("--fit", type=Path, action="append", default=[], help="others to fit on first, in another voice")
    misheard.add_argument(
        "--only", default="", metavar="PREFIX", help="measure on consultations whose identifier starts with this"
    )
    misheard.add_argument(
        "--fit-only", action="append", default=[], metavar="PREFIX", help="and fit on those; may be repeated (default: all)"
    )
    options.figures_option(misheard)
    options.model_options(misheard, student=True, asr=True)
    options.cache_option(misheard)
    misheard.set_defaults(command=_misheard_names)

    _observing(
        commands, "segment-quality", "fit and measure the marks on segments whose sound and text don't match", _segment_quality
    )
    _observing(commands, "critical-words", "fit and measure the marks on negations, numbers and medicines", _critical_words)
    fuse = _observing(commands, "fuse", "fit and measure one probability per concept from transcript and sound", _fuse)
    fuse.add_argument("--html", metavar="OUT", type=Path, help="write a reliability diagram here")

    sound_events = commands.add_parser(
        "sound-events", help="train and measure the detector of coughs, sneezes, heavy breathing and crying"
    )
    sound_events.add_argument("--speech", type=Path, required=True, help="folder written by `medalign synthesize`")
    sound_events.add_argument("--body-sounds", type=Path, required=True, help="folder with coswara/, covid19_cough/ and esc10/")
    sound_events.add_argument(
        "--quiet", type=Path, action="append", default=[], help="real speech with a manifest.csv, to count false events in"
    )
    options.field_options(sound_events, DetectorConfig)
    options.figures_option(sound_events)
    options.model_options(sound_events, student=True)
    options.cache_option(sound_events)
    sound_events.set_defaults(command=_sound_events)


def _observing(
    commands: options.Commands, name: str, what: str, run: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    """A command that fits and measures on spoken takes."""
    command = commands.add_parser(name, help=what)
    command.add_argument("--speech", type=Path, required=True, help="folder written by `medalign synthesize`")
    command.add_argument("--fit", metavar="PREFIX", help="refit first, on consultations whose identifier starts with this")
    command.add_argument(
        "--only", required=True, metavar="PREFIX", help="measure on consultations whose identifier starts with this"
    )
    options.noise_option(command)
    options.figures_option(command)
    options.model_options(command, student=True, asr=True)
    options.cache_option(command)
    command.set_defaults(command=run)
    return command


def _calibrate(arguments: argparse.Namespace) -> None:
    from medalign.training.fitting.fit_calibration import calibrate_student

    figures = calibrate_student(
        arguments.speech, arguments.cache, student_name=arguments.student, asr=arguments.asr, only=arguments.only
    )
    print(json.dumps(figures, indent=2))


def _misheard_names(arguments: argparse.Namespace) -> None:
    from medalign.training.fitting.fit_misheard_names import fit_misheard_names, measure_misheard_names, observe_names

    analyzer, observed = observer(arguments)
    calibration = analyzer.listener.calibration

    def names(folders: list[Path], only: str | tuple[str, ...]) -> list["Observed"]:
        return [o for folder in folders for o in observe_names(observed(only, speech=folder), analyzer.listener.bank)]

    if arguments.fit:
        calibration = fit_misheard_names(names(arguments.fit, tuple(arguments.fit_only) or ""), calibration)
        calibration.save(analyzer.listener.student.writable_folder())
    calibration.check_fitted("misheard name", "--fit FOLDER")
    options.tell(measure_misheard_names(names(arguments.speech, arguments.only), calibration), arguments.json)


def _segment_quality(arguments: argparse.Namespace) -> None:
    from medalign.training.fitting.fit_segment_quality import check_observations, fit_segment_quality, measure_segment_quality

    analyzer, observed = observer(arguments)
    listener, levels = analyzer.listener, (None, *arguments.snr_db)
    calibration, fitted_on = listener.calibration, []
    if arguments.fit:
        fitted_on = [c for level in levels for c in check_observations(observed(arguments.fit, level), listener)]
        calibration = fit_segment_quality(fitted_on, calibration)
        calibration.save(listener.student.writable_folder())
    calibration.check_fitted("transcription error", "--fit PREFIX")
    figures = {
        level_name(level): measure_segment_quality(
            calibration, check_observations(observed(arguments.only, level), listener), fitted_on
        )
        for level in levels
    }
    options.tell(figures, arguments.json)


def _critical_words(arguments: argparse.Namespace) -> None:
    from medalign.models.transcription import load_transcriber
    from medalign.pipeline.listener import Listener
    from medalign.training.data.synthesis import read_takes
    from medalign.training.fitting import fit_critical_words as critical

    listener = Listener.default(student=arguments.student, device=arguments.device)
    transcriber, calibration = load_transcriber(arguments.asr), listener.calibration
    calibration.check_fitted("misheard name, shortlist", "misheard-names --fit FOLDER")

    def observed(only: str) -> dict[str, list[critical.ObservedWords]]:
        takes, levels = read_takes(arguments.speech, "valid", only), (None, *arguments.snr_db)
        given = takes, transcriber, arguments.cache, listener
        return {level_name(level): list(critical.observe_critical_words(*given, snr_db=level)) for level in levels}

    if arguments.fit:
        folder = listener.student.writable_folder()  # better to find out before the work than after
        calibration = critical.fit_critical_words(sum(observed(arguments.fit).values(), []), calibration)
        calibration.save(folder)
    calibration.check_fitted("critical medicine", "--fit PREFIX")
    measured = {level: critical.measure_critical_words(calibration, words) for level, words in observed(arguments.only).items()}
    options.tell(measured, arguments.json)


def _fuse(arguments: argparse.Namespace) -> None:
    from medalign.feedback.reliability import read_reliability
    from medalign.report.study_figures import reliability_figure
    from medalign.training.fitting.fit_fusion import collect_candidates, fit_fusion, joined, measure_fusion

    options.check_output(arguments.html)
    analyzer, observed = observer(arguments, corrections=True)
    calibration, bank, levels = analyzer.listener.calibration, analyzer.listener.bank, (None, *arguments.snr_db)
    if arguments.fit:
        fit = fit_fusion(joined([collect_candidates(observed(arguments.fit, level), bank) for level in levels]))
        calibration = calibration.with_fit("fusion", fit)
        calibration.save(analyzer.listener.student.writable_folder())
    calibration.check_fitted("fusion", "--fit PREFIX")
    figures = {
        level_name(level): measure_fusion(calibration.fits["fusion"], collect_candidates(observed(arguments.only, level), bank))
        for level in levels
    }
    if arguments.html:
        reliability_figure(read_reliability(figures)).write_html(arguments.html, include_plotlyjs="directory")
    options.tell(figures, arguments.json)


def _sound_events(arguments: argparse.Namespace) -> None:
    from medalign.models.device import choose_device
    from medalign.models.student import Student
    from medalign.training.fitting.fit_sound_events import fit_sound_events

    student = Student.from_pretrained(arguments.student, device=choose_device(arguments.device))
    speech, sounds, config = arguments.speech, arguments.body_sounds, options.fields_of(DetectorConfig, arguments)
    figures = fit_sound_events(speech, sounds, student, arguments.cache, quiet=arguments.quiet, config=config)
    options.tell(figures, arguments.json)
