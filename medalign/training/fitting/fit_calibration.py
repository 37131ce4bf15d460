"""Calibration: from scores on held-out consultations to probabilities, thresholds and the reference of a student.

Fitted on the validation consultations in the held-out voice, cut into the windows that an analysis uses: for the student
on their audio, for the teacher on what the recogniser made of them. The gold transcript serves as truth only.
"""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve

from medalign.concepts import ConceptBank, Mention, find_mentions
from medalign.core.provenance import PROVENANCE, provenance
from medalign.core.transcript import Transcript
from medalign.evaluation.calibration import expected_calibration_error
from medalign.models.concept_embeddings import save_concept_embeddings, stored_concept_embeddings
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.models.transcription import Transcriber
from medalign.pipeline.calibration import Calibration, heard_features
from medalign.pipeline.evidence import lowest_word_probability
from medalign.training.data.synthesis import Take, read_takes, timed_transcript
from medalign.training.fitting.transcripts import transcribed

log = logging.getLogger(__name__)

ALARM_RATE = 0.05  # of windows whose audio and text do match; what a reader may be sent to in vain
NEAR_S = 6.0  # a mention counts as really said if the truth holds the concept within one window of it


def calibrate_student(speech: Path, cache: Path, *, student_name: str, asr: str, only: str = "") -> dict[str, float]:
    """Write the reference and the concepts' embeddings into the student's folder; return how well the fits do.

    Args:
        speech: folder written by `synthesize`.
        cache: transcripts are kept here.
        only: validation consultations whose identifier starts so.

    Raises:
        DataError: no spoken validation consultation is found.
    """
    takes = read_takes(speech, "valid", only)
    student, bank = Student.from_pretrained(student_name), ConceptBank.default()
    teacher = Teacher(student.config.teacher)
    folder = student.writable_folder()
    concepts = stored_concept_embeddings(folder, teacher, bank.concepts)
    transcriber = Transcriber(asr)
    parts = [_observe(take, student, teacher, concepts, bank, transcriber, cache) for take in takes]
    audio = np.concatenate([part["audio"] for part in parts])
    text = np.concatenate([part["text"] for part in parts])
    truth = np.concatenate([part["truth"] for part in parts])
    cosines = audio @ concepts.T
    features = heard_features(cosines).reshape(-1, 2)
    heard_fit = LogisticRegression(C=1e3, max_iter=500).fit(features, truth.ravel())
    precision, recall, thresholds = precision_recall_curve(truth.ravel(), heard_fit.predict_proba(features)[:, 1])
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1[:-1].argmax())

    read_cosines = np.concatenate([part["mention_cosine"] for part in parts])
    certainty = np.concatenate([part["mention_certainty"] for part in parts])
    really_said = np.concatenate([part["mention_truth"] for part in parts])
    read_fit = LogisticRegression(C=1.0).fit(np.stack([read_cosines, certainty], 1), really_said)

    reference = Calibration(
        text=text,
        student_fit=np.array([*heard_fit.coef_[0], heard_fit.intercept_[0]]),
        teacher_fit=np.array([*read_fit.coef_[0], read_fit.intercept_[0]]),
        student_threshold=float(thresholds[best]),
        alarm_below_percentile=0.0,
    )
    percentiles = reference.percentile(audio, text)
    reference = replace(reference, alarm_below_percentile=float(np.percentile(percentiles, 100 * ALARM_RATE)))
    reference.save(folder)
    save_concept_embeddings(folder, teacher, bank.concepts, concepts)
    other = np.roll(text, len(text) // 2, axis=0)  # the words of another consultation over the same audio
    heard = reference.heard(cosines)
    figures = {
        PROVENANCE: provenance(),
        "n_windows": len(audio),
        "n_windows_with_concept": int(truth.any(1).sum()),
        "student_average_precision": float(average_precision_score(truth.ravel(), heard.ravel())),
        "student_expected_calibration_error": expected_calibration_error(heard.ravel(), truth.ravel()),
        "student_threshold": reference.student_threshold,
        "student_precision": float(precision[best]),
        "student_recall": float(recall[best]),
        "n_mentions_read": len(really_said),
        "share_of_mentions_really_said": float(really_said.mean()),
        "median_percentile_of_matching_text": float(np.median(percentiles)),
        "alarm_below_percentile": reference.alarm_below_percentile,
        "alarms_on_another_text": float((reference.percentile(audio, other) < reference.alarm_below_percentile).mean()),
    }
    (folder / "calibration.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def _observe(
    take: Take,
    student: Student,
    teacher: Teacher,
    concepts: np.ndarray,
    bank: ConceptBank,
    transcriber: Transcriber,
    cache: Path,
) -> dict[str, np.ndarray]:
    """Windows of one consultation: audio and true text embedded, concepts truly said, and what the transcript claims."""
    recording, transcript = transcribed(take, transcriber, cache)
    true_transcript = timed_transcript(take.utterances)
    said = find_mentions(true_transcript, bank)

    windows_s = student.windows(recording.duration_s)
    audio = student.embed(student.frames(recording.waveform), windows_s)
    truth = np.zeros((len(windows_s), len(bank.concepts)), bool)
    for mention in said:
        for i, (start_s, end_s) in enumerate(windows_s):
            # A mention lies in a window if more than half of it does.
            truth[i, bank.column[mention.concept_id]] |= start_s <= (mention.start_s + mention.end_s) / 2 < end_s
    texts = [true_transcript.text_between(*window_s) for window_s in windows_s]
    spoken = [i for i, text in enumerate(texts) if text]
    read = _read_transcript(transcript, said, windows_s, teacher, concepts, bank)
    log.info("%s: %d windows, %d mentions read", take.consultation_id, len(spoken), len(read["mention_truth"]))
    return {"audio": audio[spoken], "text": teacher.encode([texts[i] for i in spoken]), "truth": truth[spoken], **read}


def _read_transcript(
    transcript: Transcript,
    said: tuple[Mention, ...],
    windows_s: list[tuple[float, float]],
    teacher: Teacher,
    concepts: np.ndarray,
    bank: ConceptBank,
) -> dict[str, np.ndarray]:
    """What the teacher has to go by for each mention in the recogniser's transcript, and whether it was really said."""
    mentions = find_mentions(transcript, bank)
    middles_s = np.array([(start_s + end_s) / 2 for start_s, end_s in windows_s])
    around = [windows_s[np.abs(middles_s - (m.start_s + m.end_s) / 2).argmin()] for m in mentions]
    texts = teacher.encode([transcript.text_between(*window_s) for window_s in around])
    true_places = {(m.concept_id, (m.start_s + m.end_s) / 2) for m in said}
    return {
        "mention_cosine": (texts * concepts[[bank.column[m.concept_id] for m in mentions]]).sum(1),
        "mention_certainty": np.array([lowest_word_probability(transcript, m) for m in mentions]),
        "mention_truth": np.array(
            [
                any(c == m.concept_id and abs(at_s - (m.start_s + m.end_s) / 2) <= NEAR_S for c, at_s in true_places)
                for m in mentions
            ],
            bool,
        ),
    }
