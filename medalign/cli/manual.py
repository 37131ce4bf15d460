"""The longer pages of the manual, shown under a command's options by --help."""

SYNTHESIZE = """\
Turns the text of consultations into speech to learn from. Doctor and patient get different voices, each with its own
rate and pitch; validation is spoken in a voice that training never hears. The manifest has a row for every utterance and,
for training, every 6 s window, with what was said and the concepts in it. Texts that stand in validation are left out of
training. --practice 12 adds dialogues, written from templates, that say every concept of the bank: collections say most
of them never, and unheard words stay unheard.

  medalign synthesize --data DATA --practice 12 --out runs/speech
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

  Rows that can't be used (missing, silent, not finite, too short, in both splits) are listed by line before training.

OBJECTIVE
  The parts of --loss:
    contrastive       InfoNCE: gives every clip a score of its own
    cka               1 - debiased CKA, the paper's idea; depends on the batch size, so it is never accumulated
    concept           sigmoid loss against the texts of the concepts in the row
    reconstruction    log-mel of hidden tokens: self-supervision
    siglip            in place of InfoNCE: each clip against each text, judged by itself
    published         the loss of the paper's code, which can't see the pairing; for comparison only

STOPPING AND GOING ON
  Ctrl-C or a SIGTERM finishes the step, saves, and leaves. The same command goes on from there, on a CPU bit for bit as
  if it had never stopped. A run that is killed goes on from its last state: only the step it was in is lost, or, where
  steps are quick and you save less often, at most --save-every steps. A run goes on only as what it began as: other data,
  models or options are refused by name. --steps may grow; --save-every, --chunk-size, --device and --cache may differ.

WHAT COMES OUT
  config.json, model.safetensors (and encoder.safetensors with an adapter), README.md (the model card), training.json,
  log.jsonl (a line a step) and curves.html. Next: `medalign evaluate`, `medalign calibrate`, `medalign push`.

TRY IT, on the bundled examples, in about a minute on a laptop:
  medalign train assets/examples/manifest.csv --out runs/first --steps 60 --batch-size 24 --validate-every 20

SEVERAL GPUS
  accelerate launch -m medalign train MANIFEST --out OUT
  Embeddings are gathered before the losses, so N processes compute one process's loss.
"""
