"""The command line: `python -m medalign COMMAND`, or `medalign COMMAND` once installed.

Exit status 0 on success, 2 on anything the user can act on, with one line on stderr that says what, where, expected and
what to do. Heavy imports stand inside the commands, so that `--help` answers at once.
"""

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from medalign import __version__
from medalign.analysis import DISCLAIMER
from medalign.errors import MedAlignError

DEFAULT_CACHE = Path("runs/cache")

SYNTHESIZE = """\
Turns the text of consultations into speech to learn from. Doctor and patient get different voices, each with its own
rate and pitch; validation is spoken in a voice that training never hears. The manifest has a row for every utterance and,
for training, every 6 s window, with three text targets: what was said, the sentence of the note that it supports, and the
concepts in it. Texts that stand in validation are left out of training.

  medalign synthesize --data DATA --out runs/speech
  medalign train runs/speech/manifest.csv --out runs/student
"""

TRAIN = """\
WHAT IT DOES
  The teacher, a frozen language model, reads the text of each row; the student, an audio encoder with a small head,
  hears its audio and learns to give the same embedding. Nothing else is learnt: the teacher stays as it is, and so does
  the encoder, unless --adapter says otherwise. The best weights on the validation rows become the checkpoint.

YOUR OWN DATA
  MANIFEST is a CSV file with a header. Only path and text are needed:

    path      audio file, relative to the manifest
    text      what is said or heard in it
    group     consultation or patient; never split between learning and validation (default: the path)
    split     train or valid (default: about one group in five is valid)
    start_s   start and end of the stretch in seconds
    end_s       (default: the whole file)
    labels    concepts in it, separated by spaces: identifiers of the bank, or words of your own
    note      a clinician's sentence about it, a second text target

  Rows that can't be used (missing, silent, too short, in both splits) are listed by line before anything is trained.

OBJECTIVE
  --loss contrastive=1,cka=1,concept=0.5 is the default. The parts:
    contrastive       InfoNCE: gives every clip a score of its own
    cka               1 - debiased CKA, the paper's idea; depends on the batch size, so it is never accumulated
    concept           sigmoid loss against the texts of the concepts in the row
    note              InfoNCE with the column note
    late_interaction  InfoNCE over word-by-word scores
    reconstruction    log-mel of hidden tokens: self-supervision
    keep_close        keeps a trained encoder near its start
    siglip, cosine    other ways to tie audio to text
    published         the loss of the paper's code, which can't see the pairing; for comparison only

STOPPING AND GOING ON
  Ctrl-C or a SIGTERM finishes the step, saves, and leaves. The same command goes on from there, on a CPU bit for bit as
  if it had never stopped. A run that is killed goes on from its last state and repeats at most --save-every steps.

WHAT COMES OUT
  config.json, model.safetensors (and encoder.safetensors with an adapter), README.md (the model card), training.json,
  log.jsonl (a line a step) and curves.html. Next: `medalign evaluate`, `medalign calibrate`, `medalign push`.

TRY IT, on the bundled examples, in about a minute on a laptop:
  medalign train assets/examples/manifest.csv --out runs/first --steps 60 --batch-size 24 --validate-every 20

SEVERAL GPUS
  accelerate launch -m medalign train MANIFEST --out OUT
  Embeddings are gathered before the losses, so N processes compute one process's loss.
"""


class _Manual(argparse.RawDescriptionHelpFormatter):
    """Keeps the layout of the manual, and shows every default that says something."""

    def _get_help_string(self, action: argparse.Action) -> str:
        told = action.help or ""
        if action.default in (None, False, "", [], argparse.SUPPRESS) or "(default" in told:
            return told
        return f"{told} (default: %(default)s)".strip()


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, format="%(asctime)s %(message)s")
    try:
        arguments.command(arguments)
    except MedAlignError as error:
        print(f"medalign: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("medalign: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medalign", description=f"What was said in a consultation, and what it means. {DISCLAIMER}"
    )
    parser.add_argument("--version", action="version", version=f"medalign {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    analyze = commands.add_parser("analyze", help="transcript, concepts and alignment of one recording")
    analyze.add_argument("audio", metavar="AUDIO", help="wav, mp3, m4a, mp4, ogg, webm or flac; at most 60 minutes")
    analyze.add_argument("--json", metavar="OUT", type=Path, help="write the whole result here ('-' is standard output)")
    analyze.add_argument(
        "--concepts", metavar="CSV", type=Path, help="look for your own, too: columns label, synonyms (by |), code, category"
    )
    _model_options(analyze, asr=True, teacher=True, student=True)
    analyze.set_defaults(command=_analyze)

    skim = commands.add_parser("skim", help="concepts in the sound alone, without transcribing: quick, and less sure")
    skim.add_argument("audio", metavar="AUDIO")
    skim.add_argument("--json", metavar="OUT", type=Path, help="write the concepts here ('-' is standard output)")
    _model_options(skim, teacher=True, student=True)
    skim.set_defaults(command=_skim)

    search = commands.add_parser("search", help="where a recording sounds like a phrase, without transcribing")
    search.add_argument("audio", metavar="AUDIO")
    search.add_argument("phrase", metavar="PHRASE", help='any words, such as "trouble sleeping"')
    search.add_argument("--hits", type=int, default=5, help="places to give")
    search.add_argument("--json", metavar="OUT", type=Path, help="write the places here ('-' is standard output)")
    _model_options(search, teacher=True, student=True)
    search.set_defaults(command=_search)

    transcribe = commands.add_parser("transcribe", help="the transcript alone")
    transcribe.add_argument("audio", metavar="AUDIO")
    transcribe.add_argument("--json", metavar="OUT", type=Path, help="write segments and words here")
    _model_options(transcribe, asr=True)
    transcribe.set_defaults(command=_transcribe)

    synthesize = commands.add_parser(
        "synthesize", help="speak consultations and write a training manifest", formatter_class=_Manual, epilog=SYNTHESIZE
    )
    synthesize.add_argument("--data", type=Path, required=True, help="folder with primock57/, aci_bench/ or mts_dialog/")
    synthesize.add_argument("--out", type=Path, required=True, help="folder for audio and manifest.csv; keep it: reruns go on")
    synthesize.add_argument("--takes", type=int, default=1, help="renderings of each training consultation")
    synthesize.add_argument("--voices", type=_names, help="training voices, separated by commas")
    synthesize.add_argument("--valid-voices", type=_names, help="voices of validation, none of the training voices")
    synthesize.add_argument("--only", default="", help="consultations whose identifier starts so")
    synthesize.add_argument("--seed", type=int, default=0, help="draws voices, rates, pitches and pauses")
    synthesize.set_defaults(command=_synthesize)

    reports = commands.add_parser("reports", help="turn metadata of body sounds into short clinical reports, as a manifest")
    reports.add_argument("metadata", metavar="METADATA", type=Path, help="CSV with a column path, one row per recording")
    reports.add_argument("--kind", required=True, choices=("heart", "lung", "cough", "everyday"))
    reports.add_argument("--audio-root", type=Path, required=True, help="folder that the column path starts from")
    reports.add_argument("--out", type=Path, required=True, help="the manifest to write")
    reports.add_argument("--withhold", action="append", default=[], metavar="COLUMN", help="never tell it; may be repeated")
    reports.add_argument("--llm", help="folder or Hub name of a causal language model (default: templates)")
    reports.add_argument("--seed", type=int, default=0, help="draws the wordings")
    reports.set_defaults(command=_reports)

    train = commands.add_parser(
        "train", help="align a student with its teacher on a manifest", formatter_class=_Manual, epilog=TRAIN
    )
    _train_options(train)
    train.set_defaults(command=_train)

    calibrate = commands.add_parser("calibrate", help="fit the probabilities and the reference of a trained student")
    calibrate.add_argument("--speech", type=Path, required=True, help="folder written by `medalign synthesize`")
    calibrate.add_argument("--only", default="", help="validation consultations whose identifier starts so")
    _model_options(calibrate, student=True, asr=True)
    calibrate.set_defaults(command=_calibrate)

    evaluate = commands.add_parser("evaluate", help="figures of students on a manifest's validation rows, with intervals")
    evaluate.add_argument("manifest", metavar="MANIFEST", type=Path)
    evaluate.add_argument(
        "--student", action="append", help="checkpoint folder or Hub name; once per seed (default: the shipped one)"
    )
    evaluate.add_argument("--snr-db", type=float, help="add pink noise at this signal-to-noise ratio")
    evaluate.add_argument("--in-stream", action="store_true", help="cut from whole recordings, as an analysis does; faster")
    evaluate.add_argument("--only", default="", help="groups whose name starts so")
    evaluate.add_argument("--bf16", action="store_true", help="encode in half precision: faster, figures differ by a little")
    evaluate.add_argument("--json", metavar="OUT", type=Path, help="write the figures here")
    _cache_option(evaluate)
    evaluate.set_defaults(command=_evaluate)

    join = commands.add_parser("join", help="average runs that differ in their seed into one student")
    join.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="checkpoint folders of `medalign train`")
    join.add_argument("--out", type=Path, required=True, help="folder of the joined student")
    join.set_defaults(command=_join)

    ablate = commands.add_parser("ablate", help="train arms that differ in one thing, on a small budget, and compare them")
    ablate.add_argument("manifest", metavar="MANIFEST", type=Path)
    ablate.add_argument("--arms", choices=("objective", "encoder"), default="objective")
    ablate.add_argument("--arm", action="append", default=[], help="only this one of them; may be repeated")
    ablate.add_argument("--out", type=Path, required=True, help="folder of the runs; a rerun does what is missing")
    ablate.add_argument("--steps", type=int, default=150)
    ablate.add_argument("--batch-size", type=int, default=96)
    ablate.add_argument("--seeds", type=int, default=3)
    ablate.add_argument("--only", default="", help="groups whose name starts so")
    ablate.add_argument("--json", metavar="OUT", type=Path, help="write the figures here")
    _cache_option(ablate)
    ablate.set_defaults(command=_ablate)

    card = commands.add_parser("card", help="write a checkpoint's model card anew, from the files in its folder")
    card.add_argument("folder", metavar="FOLDER", type=Path)
    card.set_defaults(command=_card)

    push = commands.add_parser("push", help="publish a checkpoint folder on the Hugging Face Hub")
    push.add_argument("folder", metavar="FOLDER", type=Path)
    push.add_argument("repository", metavar="OWNER/NAME")
    push.add_argument("--public", action="store_true", help="visible to everybody (default: private)")
    push.set_defaults(command=_push)

    bench = commands.add_parser("bench", help="time, memory and word errors on the bundled examples")
    _model_options(bench, asr=True, teacher=True, student=True)
    bench.add_argument("--speech", type=Path, help="folder with manifest.csv (path, text): its word error rate is added")
    bench.add_argument("--json", metavar="OUT", type=Path, help="write the figures here")
    bench.set_defaults(command=_bench)
    for command in commands.choices.values():
        command.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
    return parser


def _model_options(
    command: argparse.ArgumentParser, *, asr: bool = False, teacher: bool = False, student: bool = False
) -> None:
    if asr:
        command.add_argument("--asr", default="tiny.en", help="faster-whisper size, folder or Hub name (default: tiny.en)")
    if teacher:
        command.add_argument("--teacher", default="all-MiniLM-L6-v2", help="text model: name, folder or Hub name")
    if student:
        command.add_argument("--student", default="default", help="checkpoint folder or Hub name (default: the shipped one)")
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def _train_options(train: argparse.ArgumentParser) -> None:
    train.add_argument("manifest", metavar="MANIFEST", type=Path, help="CSV with a row per stretch of audio; see below")
    train.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint; an unfinished run in it goes on")
    _cache_option(train)
    models = train.add_argument_group("models")
    models.add_argument("--encoder", default="tiny.en", help="Whisper size, or any audio model by folder or Hub name")
    models.add_argument("--teacher", default="all-MiniLM-L6-v2", help="sentence encoder or causal language model")
    models.add_argument("--teacher-layer", type=int, default=-1, help="hidden layer of a causal language model")
    models.add_argument(
        "--adapter", choices=("frozen", "lora", "last-k", "full"), default="frozen", help="what of the encoder learns"
    )
    models.add_argument("--rank", type=int, default=8, help="of LoRA")
    models.add_argument("--last-k", type=int, default=2, help="layers, for --adapter last-k")
    loss = train.add_argument_group("objective")
    loss.add_argument(
        "--loss", type=_weights, metavar="NAME=WEIGHT,...", help="weights of the parts, 0 if not named; see below"
    )
    run = train.add_argument_group("run")
    run.add_argument("--steps", type=int, default=1000, help="optimiser steps")
    run.add_argument("--batch-size", type=int, default=160, help="pairs; the losses depend on it")
    run.add_argument("--chunk-size", type=int, help="pairs that memory holds at once; same result, one more forward pass")
    run.add_argument("--lr", type=float, default=1e-3, help="peak learning rate of the head")
    run.add_argument("--encoder-lr", type=float, default=1e-4, help="peak learning rate of the adapter")
    run.add_argument("--validate-every", type=int, default=200, metavar="STEPS", help="the best one becomes the checkpoint")
    run.add_argument("--save-every", type=int, default=25, metavar="STEPS", help="how much a killed run has to do again")
    run.add_argument("--seed", type=int, default=0, help="of weights, batches and dropout")
    run.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, help="matrix products in bfloat16 (default: on a GPU only)"
    )
    run.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    augment = train.add_argument_group("data and augmentation")
    augment.add_argument(
        "--shared-texts", action="store_true", help="texts may stand in both splits, as reports written from labels do"
    )
    augment.add_argument(
        "--renderings", choices=("clean", "either", "both"), default="both", help="of each recording; either is drawn"
    )
    augment.add_argument(
        "--noise", type=Path, action="append", default=[], help="folder of noise clips with manifest.csv; may be repeated"
    )


def _cache_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help=f"features are kept here (default: {DEFAULT_CACHE})")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _weights(text: str) -> dict[str, float]:
    try:
        return {name.strip().replace("-", "_"): float(weight) for name, weight in (part.split("=") for part in text.split(","))}
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form contrastive=1,cka=1") from error


def _analyze(arguments: argparse.Namespace) -> None:
    from medalign.audio import load_recording
    from medalign.concepts import ConceptBank
    from medalign.concepts.custom import read_concepts

    _check_output(arguments.json)
    load_recording(arguments.audio)  # a bad file is refused before any model is loaded
    own = read_concepts(arguments.concepts, ConceptBank.default()) if arguments.concepts else ()
    analysis = _load_analyzer(arguments).analyze(arguments.audio, own)
    if arguments.json is not None:
        _write_json(analysis.to_dict(), arguments.json)
    if str(arguments.json) == "-":
        return
    print(_summary(analysis))


def _skim(arguments: argparse.Namespace) -> None:
    _check_output(arguments.json)
    rows = _load_listener(arguments).skim(arguments.audio)
    if arguments.json is not None:
        _write_json([asdict(row) for row in rows], arguments.json)
    if str(arguments.json) != "-":
        print(DISCLAIMER)
        for row in rows:
            places = ", ".join(_clock(e.start_s) for e in row.student.evidence) or "no clear place"
            print(f"{row.label:30} {row.student.probability:.2f}  {places}")


def _search(arguments: argparse.Namespace) -> None:
    _check_output(arguments.json)
    hits = _load_listener(arguments).search(arguments.audio, arguments.phrase, arguments.hits)
    if arguments.json is not None:
        _write_json([asdict(hit) for hit in hits], arguments.json)
    if str(arguments.json) != "-":
        for hit in hits:
            print(f"{_clock(hit.start_s)}-{_clock(hit.end_s)}  fits better than {hit.percentile:.0f} % of other texts")


def _load_listener(arguments: argparse.Namespace):
    from medalign.audio import load_recording
    from medalign.listener import Listener

    load_recording(arguments.audio)  # a bad file is refused before any model is loaded
    return Listener.default(teacher=arguments.teacher, student=arguments.student, device=arguments.device)


def _load_analyzer(arguments: argparse.Namespace):
    from medalign.analyzer import Analyzer

    return Analyzer.default(asr=arguments.asr, teacher=arguments.teacher, student=arguments.student, device=arguments.device)


def _summary(analysis) -> str:
    """A few lines for a terminal; the JSON has everything."""
    lines = [DISCLAIMER, f"{analysis.recording.name}: {analysis.recording.duration_s:.1f} s", ""]
    lines += [f"[{_clock(s.start_s)}] {s.text}" for s in analysis.transcript.segments] or ["No speech detected."]
    lines.append("")
    for row in analysis.concepts:
        evidence = (row.teacher or row.student).evidence[0]
        status = f"{row.status} ({row.trigger})" if row.trigger else row.status or "heard only"
        lines.append(
            f"{row.label:<28} {row.code:<12} {status:<28} {row.agreement:<13} {_clock(evidence.start_s)} {evidence.text or ''}"
        )
    alarms = [window for window in analysis.alignment.windows if window.alarm]
    if alarms:
        places = ", ".join(_clock(window.start_s) for window in alarms)
        lines += ["", f"Listen again, the audio does not fit the transcript: {places}"]
    lines += ["", *analysis.warnings, f"{analysis.timings_s.total:.1f} s"]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _transcribe(arguments: argparse.Namespace) -> None:
    from medalign.audio import load_recording
    from medalign.listener import choose_device
    from medalign.transcription import Transcriber

    _check_output(arguments.json)
    recording = load_recording(arguments.audio)
    transcript = Transcriber(arguments.asr, device=choose_device(arguments.device)).transcribe(recording)
    if arguments.json is not None:
        body = {"language": transcript.language, "text": transcript.text, **asdict(transcript), "disclaimer": DISCLAIMER}
        _write_json(body, arguments.json)
    if str(arguments.json) != "-":
        print("\n".join(f"[{_clock(s.start_s)}] {s.text}" for s in transcript.segments) or "No speech detected.")


def _synthesize(arguments: argparse.Namespace) -> None:
    from medalign.training.consultations import read_consultations
    from medalign.training.synthesis import HELD_OUT_VOICE, TRAIN_VOICES, synthesize

    consultations = [c for c in read_consultations(arguments.data) if c.consultation_id.startswith(arguments.only)]
    if not consultations:
        raise MedAlignError(f"no consultation in {arguments.data} starts with '{arguments.only}'; check --only")
    rows = synthesize(
        consultations,
        arguments.out,
        n_takes=arguments.takes,
        train_voices=arguments.voices or TRAIN_VOICES,
        valid_voices=arguments.valid_voices or (HELD_OUT_VOICE,),
        seed=arguments.seed,
    )
    print(f"{arguments.out / 'manifest.csv'}: {len(rows)} rows of {len(consultations)} consultations")


def _reports(arguments: argparse.Namespace) -> None:
    from medalign.training.reports import write_reports

    _check_output(arguments.out)
    statuses = write_reports(
        arguments.metadata,
        arguments.kind,
        arguments.audio_root,
        arguments.out,
        withhold=arguments.withhold,
        llm=arguments.llm,
        seed=arguments.seed,
    )
    print(f"{arguments.out}: " + ", ".join(f"{n} {status}" for status, n in sorted(statuses.items())))


def _train(arguments: argparse.Namespace) -> None:
    import torch

    from medalign.adapters import AdapterConfig
    from medalign.training.objective import LossWeights
    from medalign.training.recipe import Recipe, align
    from medalign.training.train import TrainConfig

    try:
        loss = LossWeights() if arguments.loss is None else LossWeights.only(**arguments.loss)
    except TypeError as error:
        raise MedAlignError(f"--loss names an unknown part ({error}); see `medalign train --help`") from error
    config = TrainConfig(
        n_steps=arguments.steps,
        batch_size=arguments.batch_size,
        chunk_size=arguments.chunk_size,
        peak_lr=arguments.lr,
        encoder_lr=arguments.encoder_lr,
        warmup_steps=min(100, arguments.steps // 10),
        validate_every=arguments.validate_every,
        save_every=arguments.save_every,
        loss=loss,
        bf16=arguments.device != "cpu" and torch.cuda.is_available() if arguments.bf16 is None else arguments.bf16,
        seed=arguments.seed,
    )
    recipe = Recipe(
        train=config,
        encoder=arguments.encoder,
        teacher=arguments.teacher,
        teacher_layer=arguments.teacher_layer,
        adapter=AdapterConfig(arguments.adapter, rank=arguments.rank, last_k=arguments.last_k),
        renderings=arguments.renderings,
        shared_texts=arguments.shared_texts,
        noise=tuple(map(str, arguments.noise)),
    )
    figures = align(arguments.manifest, recipe, arguments.out, arguments.cache, device=arguments.device)
    print(json.dumps(figures, indent=2))


def _calibrate(arguments: argparse.Namespace) -> None:
    from medalign.training.calibration import calibrate_student

    figures = calibrate_student(arguments.speech, student_name=arguments.student, asr=arguments.asr, only=arguments.only)
    print(json.dumps(figures, indent=2))


def _evaluate(arguments: argparse.Namespace) -> None:
    from medalign.training.evaluate import evaluate_students

    _check_output(arguments.json)
    figures = evaluate_students(
        arguments.manifest,
        arguments.student or ["default"],
        arguments.cache,
        only=arguments.only,
        in_stream=arguments.in_stream,
        snr_db=arguments.snr_db,
        bf16=arguments.bf16,
    )
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        _write_json(figures, arguments.json)


def _join(arguments: argparse.Namespace) -> None:
    from medalign.training.ensemble import join_runs

    join_runs(arguments.runs, arguments.out)


def _ablate(arguments: argparse.Namespace) -> None:
    from medalign.training.ablation import ENCODER_ARMS, OBJECTIVE_ARMS, run_ablation
    from medalign.training.train import TrainConfig

    _check_output(arguments.json)
    arms = {"objective": OBJECTIVE_ARMS, "encoder": ENCODER_ARMS}[arguments.arms]
    if unknown := [name for name in arguments.arm if name not in arms]:
        raise MedAlignError(f"unknown arm '{unknown[0]}'; the arms are: {', '.join(arms)}")
    config = TrainConfig(
        n_steps=arguments.steps,
        batch_size=arguments.batch_size,
        warmup_steps=arguments.steps // 10,
        validate_every=arguments.steps,
        save_every=arguments.steps,
    )
    figures = run_ablation(
        arguments.manifest,
        {name: arms[name] for name in arguments.arm or arms},
        arguments.out,
        arguments.cache,
        config=config,
        seeds=range(arguments.seeds),
        only=arguments.only,
    )
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        _write_json(figures, arguments.json)


def _card(arguments: argparse.Namespace) -> None:
    from medalign.training.card import write_card

    write_card(arguments.folder)
    print(arguments.folder / "README.md")


def _push(arguments: argparse.Namespace) -> None:
    from medalign.student import Student

    print(Student.from_pretrained(str(arguments.folder)).push_to_hub(arguments.repository, private=not arguments.public))


def _bench(arguments: argparse.Namespace) -> None:
    from medalign.benchmark import benchmark

    _check_output(arguments.json)
    figures = benchmark(_load_analyzer(arguments), arguments.speech)
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        _write_json(figures, arguments.json)


def _check_output(path: Path | None) -> None:
    """Better to find out before minutes of work than after."""
    if path is None or str(path) == "-":
        return
    folder = path.absolute().parent
    try:
        exists = folder.is_dir()
    except OSError as error:
        raise MedAlignError(f"can't write {path} ({error.strerror}); choose another place") from error
    if not exists:
        raise MedAlignError(f"can't write {path}: the folder {folder} does not exist; create it first")


def _write_json(body: dict | list, path: Path) -> None:
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MedAlignError(f"can't write {path} ({error.strerror}); choose another place") from error


if __name__ == "__main__":
    sys.exit(main())
