"""Calibration: from scores on held-out consultations to probabilities, thresholds and the distractors of a student.

Fitted on the validation consultations in the held-out voice, cut into the windows that an analysis uses: for the student on
their audio, for the teacher on what an analysis reads in the recogniser's transcript. What was said serves as truth only.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from medalign.concepts import ConceptBank, find_mentions
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.provenance import PROVENANCE, provenance
from medalign.evaluation.calibration import expected_calibration_error
from medalign.models.concept_embeddings import save_concept_embeddings, stored_concept_embeddings
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.models.transcription import load_transcriber
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.calibration import FITS_FILE, Calibration, concept_features
from medalign.pipeline.evidence import lowest_word_probability
from medalign.pipeline.listener import Listener
from medalign.training.data.pairs import recording_frames
from medalign.training.data.synthesis import Take, read_takes, timed_transcript
from medalign.training.fitting.logistic import fit_logistic, threshold_of_best_f1
from medalign.training.fitting.observation import Observation, observe

log = logging.getLogger(__name__)

LOW_RATE = 0.05  # of windows whose audio and text do match; what a reader may be sent to in vain
NEAR_S = 6.0  # a mention counts as really said if the truth holds the concept within one window of it


@dataclass(frozen=True)
class _Windows:
    """Spoken windows of held-out consultations."""

    audio: np.ndarray  # (n, d) the student's embeddings
    text: np.ndarray  # (n, d) the teacher's, of what was said
    truth: np.ndarray  # (n, k) bool: the concept is mentioned in it


def calibrate_student(speech: Path, cache: Path, *, student_name: str, asr: str, only: str = "") -> dict[str, object]:
    """Write the calibration and the concepts' embeddings into the student's folder; return how well the fits do.

    Fits of other commands are dropped: they were made for other probabilities. A student that has been calibrated before
    keeps the concepts that it reports from sound alone: a bank that grew doesn't mean that training has said more. Without
    `fits.json` they are the whole bank.

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
    windows = _windows(takes, student, teacher, bank, cache)
    before = Calibration.load(folder).concepts if (folder / FITS_FILE).is_file() else bank.column.keys()
    fitted_on = frozenset(before & bank.column.keys())
    columns = [bank.column[concept_id] for concept_id in sorted(fitted_on)]
    said, embeddings = windows.truth[:, columns], concepts[columns]
    features, truth = concept_features(windows.audio @ embeddings.T).reshape(-1, 2), said.ravel()
    fit = fit_logistic("concept in audio", features, truth, inverse_regularisation=1e3)
    fit = replace(fit, threshold=threshold_of_best_f1(fit.probability(features), truth))
    calibration = Calibration(windows.text, 0.0, {"concept in audio": fit}, fitted_on)
    percentiles = calibration.percentile(windows.audio, windows.text)
    calibration = replace(calibration, low_percentile=float(np.percentile(percentiles, 100 * LOW_RATE)))
    save_concept_embeddings(folder, teacher, bank.concepts, concepts)

    analyzer = Analyzer(load_transcriber(asr), Listener(teacher, student, calibration, bank))
    read = [_mentions_read(observation, bank) for observation in observe(takes, analyzer, cache)]
    features, really_said = np.concatenate([f for f, _ in read]), np.concatenate([t for _, t in read])
    calibration = calibration.with_fit("mention in text", fit_logistic("mention in text", features, really_said))
    calibration.save(folder)

    figures: dict[str, object] = {
        PROVENANCE: provenance(),
        "n_concepts": len(columns),
        **_figures(calibration, windows, embeddings, said),
        "n_mentions_read": len(really_said),
        "share_of_mentions_really_said": float(really_said.mean()),
        "median_percentile_of_matching_text": float(np.median(percentiles)),
    }
    (folder / "calibration.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def _windows(takes: Sequence[Take], student: Student, teacher: Teacher, bank: ConceptBank, cache: Path) -> _Windows:
    audio, texts, truth = [], [], []
    for take in takes:
        transcript = timed_transcript(take.utterances)
        windows_s = student.windows(len(take.waveform()) / SAMPLE_RATE_HZ)
        spoken = [window_s for window_s in windows_s if transcript.text_between(*window_s)]
        audio.append(student.embed(torch.from_numpy(recording_frames(take.audio_path, student, cache)), spoken))
        texts += [transcript.text_between(*window_s) for window_s in spoken]
        said = np.zeros((len(spoken), len(bank)), bool)
        for mention in find_mentions(transcript, bank):
            for i, (start_s, end_s) in enumerate(spoken):
                # A mention lies in a window if more than half of it does.
                said[i, bank.column[mention.concept_id]] |= start_s <= (mention.start_s + mention.end_s) / 2 < end_s
        truth.append(said)
        log.info("%s: %d windows", take.consultation_id, len(spoken))
    return _Windows(np.concatenate(audio), teacher.encode(texts), np.concatenate(truth))


def _mentions_read(observation: Observation, bank: ConceptBank) -> tuple[np.ndarray, np.ndarray]:
    """What the teacher has to go by for each mention, (m, 2), and whether it was really said, (m,)."""
    annotated, audio = observation.annotated, observation.encoded.evidence
    features = np.array(
        [
            (
                annotated.evidence.cosines[audio.window_around(m), bank.column[m.concept_id]],
                lowest_word_probability(annotated.transcript, m),
            )
            for m in annotated.mentions
        ]
    ).reshape(-1, 2)
    said = [(m.concept_id, (m.start_s + m.end_s) / 2) for m in find_mentions(observation.truth, bank)]
    read = [(m.concept_id, (m.start_s + m.end_s) / 2) for m in annotated.mentions]
    really = [any(name == other and abs(at_s - there_s) <= NEAR_S for other, there_s in said) for name, at_s in read]
    return features, np.array(really, bool)


def _figures(calibration: Calibration, windows: _Windows, concepts: np.ndarray, said: np.ndarray) -> dict[str, float]:
    probabilities, truth = calibration.concept_probability(windows.audio @ concepts.T).ravel(), said.ravel()
    threshold = calibration.fits["concept in audio"].threshold
    found = probabilities >= threshold
    other = np.roll(windows.text, len(windows.text) // 2, axis=0)  # the words of another consultation over the same audio
    return {
        "n_windows": len(windows.audio),
        "n_windows_with_concept": int(said.any(1).sum()),
        "student_average_precision": float(average_precision_score(truth, probabilities)),
        "student_expected_calibration_error": expected_calibration_error(probabilities, truth),
        "student_threshold": threshold,
        "student_precision": float((found & truth).sum() / found.sum()),
        "student_recall": float((found & truth).sum() / truth.sum()),
        "low_percentile": calibration.low_percentile,
        "low_on_another_text": float((calibration.percentile(windows.audio, other) < calibration.low_percentile).mean()),
    }
