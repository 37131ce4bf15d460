"""The longer pages of the manual, shown under a command's options by --help."""

SYNTHESIZE = """\
Synthesizes training speech from the text of consultations. Doctor and patient get different voices with rates and
pitches of their own; the validation voices are never used for training. The manifest has a row for every utterance and, for
training, for every 6 s window, with what was said and the concepts in it. Texts of the validation split are left out of
training. --practice 12 adds dialogues, written from templates, that mention every concept of the bank: most of them
never occur in the collections, and a concept without training speech is not recognised.

  medalign synthesize --data DATA --practice 12 --out runs/speech
  medalign train runs/speech/manifest.csv --out runs/student
"""

BATCH = """\
MANIFEST is a CSV file with a header, or JSON lines (.jsonl), with a row per recording. Other columns are ignored.

    audio     file, relative to the manifest
    id        names it in the results; no two rows may have one id (default: what stands in audio)

WHAT COMES OUT, in the folder --out
  rows/           one Parquet file per recording; together a table, pandas.read_parquet("OUT/rows"), with the columns id, path,
                  status, seconds, reason, sha256 (of the file), duration_s, asr, teacher, student (name and revision),
                  transcript, concepts and analysis (JSON, see `medalign schema`)
  rejected.csv    recordings that were set aside, and why: "rejected" can't be used as they are, "failed" met a fault, or
                  three workers died of them. --retry takes both once more, after you have corrected what is wrong
  It holds what was said in the recordings: keep it as safe as them.

RESUMING
  The same command goes on where it stopped or was killed: nothing that has a row is done again, and nothing is lost. MANIFEST
  may have grown. Other models, or another version of MedAlign, are refused by name.

WHERE IT RUNS
  On Ray Data (extra `batch`). Each worker loads the models, about 1.5 GB. Without --address, Ray is started for this run: it
  listens on the loopback address alone, sends no usage data, shows no dashboard, and its temporary folder is deleted.
  On a cluster, each machine needs this version of MedAlign, the recordings and --out under the same paths; the operator of
  the cluster decides who may reach it, and RAY_USAGE_STATS_ENABLED=0 has to be set there.
"""

TRAIN = """\
WHAT IT DOES
  The teacher, a frozen language model, embeds the text of each row. The student, an audio encoder with a small head, is
  trained to give the audio of the row the same embedding. Only the head is trained; --adapter trains parts of the encoder,
  too. The weights that are best on the validation rows become the checkpoint.

YOUR OWN DATA
  MANIFEST is a CSV file with a header. Only path and text are needed:

    path      audio file, relative to the manifest
    text      what is said in it, or what sounds it contains
    group     consultation or patient; never in both splits (default: the path)
    split     train or valid (default: about one group in five is valid)
    start_s   start and end of the segment in seconds
    end_s       (default: the whole file)
    labels    concepts in it, separated by spaces: identifiers of the bank, or words of your own

  Rows that can't be used (missing, silent, not finite, too short, in both splits) are listed by line before training.

OBJECTIVE
  The parts of --loss:
    contrastive       InfoNCE: each clip against all texts of the batch
    cka               1 - debiased CKA, the paper's idea; computed on the whole batch, never accumulated over chunks
    concept           sigmoid loss against the texts of the concepts in the row
    reconstruction    self-supervision: the log-mel of masked tokens is reconstructed
    siglip            in place of InfoNCE: an independent sigmoid loss for each pair of clip and text
    published         the loss of the paper's code, which does not depend on the pairing; for comparison only

BODY SOUNDS, from the reports that `medalign reports` writes
  Rows of equal metadata share one target, labels are told apart, the AUROC of the labels chooses the weights, and sounds are
  varied by gain, start, noise and 5 % of speed instead of being sent through rooms and telephones. For about a thousand
  recordings, a Whisper that hears them 4 times as fast (NAME@4x) stays as it is, and a head learns from how alike they are:
  medalign train REPORTS.csv --out runs/heart --encoder tiny.en@4x --renderings clean --lr 3e-3 --steps 160
  With many more, a compact encoder in the band of the sound (spectrogram-heart, -lung, -cough) learns from scratch:
  medalign train REPORTS.csv --out runs/heart --encoder spectrogram-heart --adapter full --encoder-lr 1e-3 --batch-size 48

STOPPING AND RESUMING
  Ctrl-C or SIGTERM finishes the step, saves the state and exits. The same command resumes the run; on a CPU, the result
  is identical to the bit to that of an uninterrupted run. A killed run resumes from its last saved state and repeats at
  most --save-every steps. A run resumes only with the same data, models and options; any difference is refused by name.
  --steps may grow; --save-every, --chunk-size, --device and --cache may differ.

WHAT COMES OUT
  config.json, model.safetensors (and encoder.safetensors with an adapter), README.md (the model card), training.json,
  log.jsonl (one line per step) and curves.html. Next: `medalign evaluate`, `medalign calibrate`, `medalign push`.

TRY IT, on the bundled examples, in about a minute on a laptop:
  medalign train assets/examples/manifest.csv --out runs/first --steps 60 --batch-size 24 --validate-every 20

SEVERAL GPUS
  accelerate launch -m medalign train MANIFEST --out OUT
  Embeddings are gathered before the losses, so N processes compute the same loss as one process.
"""

ADAPT = """\
WHAT IT LEARNS FROM
  Pairs of texts that mean the same. Each is told from the other pairs of its batch, none of which is about the same thing, and
  from a wrong text that looks like it:
    noted      a stretch of a consultation, and the statement of its note that surely comes from it; wrong: the statement with
               an error put in (negation, medicine, number, side, person, started or stopped)
    status     a mention as it was said, and its sense in a note's words; wrong: another sense of the same words
    synonyms   a wording of a concept, and its name; wrong: the likest other concept
    own        --pairs: a CSV file with the columns said, noted and, if you like, wrong
  Validation parts of the collections, the consultations that facts were annotated in, and a fifth of the concepts and
  synonyms are kept back: `medalign measure-teacher` measures on them.

WHAT COMES OUT
  A folder that `--teacher` takes wherever a teacher is named: the model, README.md (the card), training.json and log.jsonl;
  with low-rank updates also updates/, the same teacher in a few megabytes. The one that ships is called minilm-medical.
  A student hears in the space of the teacher that it was aligned with: align one anew, `medalign train --teacher FOLDER`.

STOPPING AND RESUMING
  As with `medalign train`: Ctrl-C saves the state, the same command goes on from there, and on a CPU the result is identical to
  that of an uninterrupted run. Any difference but more --steps and another --chunk-size is refused by name.

A CAUSAL LANGUAGE MODEL
  The hidden states of one layer (--teacher-layer) are averaged, as the teacher does; give a small --rank, --bf16 and a
  --chunk-size that your GPU holds.
"""
