"""What alignment adds to heart sounds, arm by arm: PhysioNet/CinC 2016, nothing of a test fold seen by anything trained.

    python tests/body_sound_arms.py FOLDER --cache DIR --json assets/results/body-sounds-arms.json [--parts ...] [--seeds 3]

FOLDER has manifest.csv (path, subset, label) and the audio. Protocols: "folds", subsets a, b and e, 5 folds stratified by
subset and label, AUROC of each subset and their mean; "alike together", the same, but recordings that sound alike are in one
fold; "left out", all others train, one subset tests. Alignment, its standardisation, its targets and the probe see the training
part only. Students are evaluated after a fixed number of steps: no test clip chose anything. There are no identifiers of
persons, so a person may be on both sides of a fold, and intervals (bootstrap over recordings) are too narrow. A rerun does what
is missing in DIR; arms that are not in DIR stay in the file as they are.
"""

import argparse
import csv
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import torch
from scipy.signal import butter, find_peaks, resample_poly, sosfiltfilt
from sklearn.cluster import AgglomerativeClustering
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch import nn

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.provenance import PROVENANCE, provenance
from medalign.core.weights import Weights
from medalign.evaluation.linear_probe import LinearProbe
from medalign.models.adapters import AdapterConfig
from medalign.models.audio_encoder import Features, register_encoder
from medalign.models.encoders import FastWhisperAudioEncoder, SpectrogramAudioEncoder, load_audio_encoder
from medalign.models.frames import embedded
from medalign.models.head import STACK
from medalign.models.kernel_head import KernelHead
from medalign.models.readout import Readout, embed_readout
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.models.whisper_encoder import hidden_layers
from medalign.training.align import N_COMPONENTS, N_LANDMARKS
from medalign.training.checkpoint import Run
from medalign.training.data.augmentation import vary_body_sound
from medalign.training.data.pairs import Pair, Pairs, token_log_mel
from medalign.training.data.targets import centred, text_targets
from medalign.training.objective import LossWeights, Objective, StudentOutputs, Targets
from medalign.training.recipe import TrainConfig
from medalign.training.train import train

log = logging.getLogger(__name__)

SUBSETS, N_FOLDS = ("a", "b", "e"), 5
WORDINGS = {
    "normal": ("The heart sounds are normal.", "Auscultation of the heart is normal.", "Normal heart sounds."),
    "abnormal": ("The heart sounds are abnormal.", "Auscultation of the heart is abnormal.", "Abnormal heart sounds."),
}
ARMS = {
    "published loss": LossWeights.only(published=1.0),
    "debiased CKA": LossWeights.only(cka=1.0),
    "InfoNCE": LossWeights.only(contrastive=1.0),
    "CKA + InfoNCE": LossWeights.only(cka=1.0, contrastive=1.0),
}
OF_LEARNERS = ARMS | {
    "CKA + InfoNCE with masked reconstruction": LossWeights.only(cka=1.0, contrastive=1.0, reconstruction=0.1),
    "cross-entropy": LossWeights.only(concept=1.0),  # of a sigmoid for each label's text: supervision without reports
}
READOUTS = {  # by name, of Whisper tiny.en
    "as students hear (last layer, mean, padded to 30 s)": Readout(layers="last", statistics=("mean",), pad=True),
    "all layers, mean and sd": Readout(),
    "all layers, mean and sd, played 4 times as fast": Readout(speed=4.0),
}
BEST = "all layers, mean and sd, played 4 times as fast"
KERNEL = "likeness of layers 0-3 to the training part, played 4 times as fast"  # a kernel head before its alignment
N_RESAMPLES = 300
A_PERSON = 3  # recordings, about, in subsets a and b, by their publication
PIECE_S, N_VARIED = 5.0, 1  # clips are learnt in pieces, so that their length gives no subset away
EMBED_DIM = 384  # of the teacher
STEPS, BATCH = 160, 160  # of heads on a readout
MLP_LR, KERNEL_LR = 1e-3, 3e-3
BATCH_OF_PIECES = 32


@dataclass(frozen=True)
class Learner:
    """An encoder over time with a student's head on it, and what of it learns."""

    encoder: str
    kind: str | None
    adapter: AdapterConfig
    encoder_lr: float
    n_steps: int = 100


LEARNERS = {
    "compact encoder": Learner("spectrogram-heart", None, AdapterConfig("full"), 1e-3, n_steps=140),
    "Whisper 4x, frozen": Learner("tiny.en", "whisper-remembering", AdapterConfig(), 0.0),
    "Whisper 4x, last 2 layers": Learner("tiny.en", "whisper-remembering", AdapterConfig("last-k"), 1e-4),
    "Whisper 4x, LoRA": Learner("tiny.en", "whisper-remembering", AdapterConfig("lora"), 1e-3),
}


@dataclass(frozen=True)
class Clips:
    paths: list[Path]
    subset: np.ndarray
    abnormal: np.ndarray  # bool

    @classmethod
    def read(cls, folder: Path) -> "Clips":
        with open(folder / "manifest.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        subset, abnormal = (np.array([row[name] for row in rows]) for name in ("subset", "label"))
        return cls([folder / row["path"] for row in rows], subset, abnormal == "abnormal")

    @cached_property
    def waveforms(self) -> list[np.ndarray]:
        read = (soundfile.read(path, dtype="float32") for path in self.paths)
        return [resample_poly(samples, SAMPLE_RATE_HZ // rate_hz, 1).astype(np.float32) for samples, rate_hz in read]

    @cached_property
    def findings(self) -> list[str]:
        """Measured from the sound alone."""
        return in_words(np.array([measure(w) for w in self.waveforms]))


def measure(waveform: np.ndarray) -> tuple[float, float, float]:
    """Beats a minute, how regular they are (the autocorrelation's peak), and the share of power at 120-500 Hz between beats."""
    low = waveform[::8].astype(np.float64)  # 2 kHz again
    sound = sosfiltfilt(butter(3, (25, 120), "bandpass", fs=2000, output="sos"), low)
    murmur = sosfiltfilt(butter(3, (120, 500), "bandpass", fs=2000, output="sos"), low)
    smooth = butter(2, 12, fs=2000, output="sos")
    loud, rough = (sosfiltfilt(smooth, np.abs(x))[::20] for x in (sound, murmur))  # 100 a second
    away = loud - loud.mean()
    similar = np.correlate(away, away, "full")[len(away) - 1 :] / max(1e-12, float(away @ away))
    peaks, _ = find_peaks(similar[33:150])  # 40-180 beats a minute
    lag = 33 + (int(peaks[similar[33:150][peaks].argmax()]) if len(peaks) else int(similar[33:150].argmax()))
    between = loud < np.median(loud)
    share = float(np.square(rough[between]).mean() / (np.square(rough).mean() + np.square(loud).mean() + 1e-12))
    return 6000 / lag, float(similar[lag]), share


def in_words(measured: np.ndarray) -> list[str]:
    """Thirds of each finding over all clips, as a sentence: what may be told without a label."""
    words = (("slow", "moderate", "fast"), ("irregular", "fairly regular", "regular"), ("quiet", "moderate", "loud"))
    thirds = np.stack([np.searchsorted(np.quantile(column, (1 / 3, 2 / 3)), column) for column in measured.T], 1)
    text = "The heart rate is {}, the rhythm is {}, and the sound between the beats is {}."
    return [text.format(*(w[i] for w, i in zip(words, row, strict=True))) for row in thirds]


def texts_of(clips: Clips, told: str, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Text and report_id of each clip: told is "label", "findings" (the label withheld) or "both"."""
    found = []
    findings = clips.findings if told != "label" else [""] * len(clips.abnormal)
    for finding, abnormal in zip(findings, clips.abnormal, strict=True):
        name = "abnormal" if abnormal else "normal"
        label = str(rng.choice(WORDINGS[name]))
        text = {"label": label, "findings": finding, "both": f"{label} {finding}"}[told]
        found.append((text, {"label": name, "findings": finding, "both": name + finding}[told]))
    return found


def splits(clips: Clips, readout: np.ndarray | None = None) -> dict[str, list[tuple[str, np.ndarray, np.ndarray]]]:
    """By protocol: name of the part, and the clips to learn from and to test on; by a readout, which recordings are alike."""
    kept = np.flatnonzero(np.isin(clips.subset, SUBSETS))
    strata = [f"{s}{y}" for s, y in zip(clips.subset[kept], clips.abnormal[kept], strict=True)]
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0).split(kept, strata)
    left = [(s, np.flatnonzero(clips.subset != s), np.flatnonzero(clips.subset == s)) for s in sorted(set(clips.subset))]
    found = {"folds": [(f"fold{i}", kept[a], kept[b]) for i, (a, b) in enumerate(folds)], "left out": left}
    if readout is not None:
        apart = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=0).split(kept, strata, alike(clips, readout)[kept])
        found["alike together"] = [(f"fold{i}", kept[a], kept[b]) for i, (a, b) in enumerate(apart)]
    return found


def alike(clips: Clips, readout: np.ndarray) -> np.ndarray:
    """A group for each clip: those of a subset that sound alike, as many as a person has recordings on average."""
    group = np.zeros(len(readout), int)
    for number, subset in enumerate(sorted(set(clips.subset))):
        rows = np.flatnonzero(clips.subset == subset)
        scaled = StandardScaler().fit_transform(readout[rows])
        main = PCA(min(60, len(rows) // 2), random_state=0).fit_transform(scaled)
        found = AgglomerativeClustering(max(1, len(rows) // A_PERSON), linkage="complete").fit_predict(main)
        group[rows] = number * len(readout) + found
    return group


def probe_scores(embeddings: np.ndarray, abnormal: np.ndarray, learn: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Of a ridge probe whose strength has the least leave-one-out error on the training part; in its standard deviations."""
    probe = LinearProbe.fit(embeddings[learn], abnormal[learn, None])
    return (probe.scores(embeddings[test])[:, 0] - probe.share[0]) / max(1e-9, probe.scores(embeddings[learn]).std())


def targets_of(texts: list[tuple[str, str]], abnormal: np.ndarray, teacher: Teacher, told: str) -> tuple[Targets, np.ndarray]:
    """The teacher's side of a training part, and the direction from normal to abnormal in its space."""
    pairs = [Pair(i, 0.0, 1.0, text, str(i), report_id=said) for i, (text, said) in enumerate(texts)]
    text, text_id = text_targets(pairs, teacher, None)
    labels = centred(teacher.encode(["normal heart sounds", "abnormal heart sounds"]))
    mentioned = np.stack([~abnormal, abnormal], 1)
    if told == "findings":  # the concept term would tell it
        mentioned = mentioned[:, :0]
    concepts = labels[: mentioned.shape[1]]
    targets = Targets(*(torch.from_numpy(x) for x in (text, text_id, concepts.astype(np.float32), mentioned)))
    direction = labels[1] - labels[0]
    if told != "findings":
        direction = text[abnormal].mean(0) - text[~abnormal].mean(0)
    return targets, direction


def reduced(x: np.ndarray, learn: np.ndarray) -> torch.Tensor:
    """The 256 principal components of the training part, whitened, of all clips."""
    scaler = StandardScaler().fit(x[learn])
    pca = PCA(256, whiten=True, svd_solver="randomized", random_state=0).fit(scaler.transform(x[learn]))
    return torch.from_numpy(pca.transform(scaler.transform(x)).astype(np.float32))


def aligned_readout(inputs: torch.Tensor, learn: np.ndarray, targets: Targets, loss: LossWeights, seed: int) -> np.ndarray:
    """Embeddings (n, d) of all clips by a small head on a frozen readout, trained on the training part."""
    torch.manual_seed(seed)
    head = nn.Sequential(
        nn.Dropout(0.3), nn.Linear(256, 256), nn.GELU(), nn.Dropout(0.3), nn.Linear(256, targets.text.shape[1])
    )
    return aligned(head, lambda x: nn.functional.normalize(head(x), dim=-1), inputs, learn, targets, loss, MLP_LR)


def kernel_head(readout: np.ndarray, learn: np.ndarray) -> tuple[KernelHead, torch.Tensor]:
    """Fitted to the training part; and what it hears in every clip."""
    statistics = torch.from_numpy(readout.reshape(len(readout), 5, -1)[:, :4])
    sizes = {"n_parts": 4, "n_landmarks": min(N_LANDMARKS, len(learn)), "n_components": N_COMPONENTS}
    head = KernelHead(4 * statistics.shape[2] // 2, EMBED_DIM, **sizes)
    head.fit(statistics[learn])
    with torch.inference_mode():
        return head, head.heard(statistics).clone()


def aligned_kernel(
    head: KernelHead, heard: torch.Tensor, learn: np.ndarray, targets: Targets, loss: LossWeights, seed: int
) -> np.ndarray:
    """Embeddings (n, d) of all clips by a `KernelHead`, whose linear map is trained on the training part."""
    torch.manual_seed(seed)
    head.project.reset_parameters()
    return aligned(head, head.placed, heard, learn, targets, loss, KERNEL_LR)


def aligned(
    head: nn.Module,
    place: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    learn: np.ndarray,
    targets: Targets,
    loss: LossWeights,
    lr: float,
) -> np.ndarray:
    objective, known = Objective(loss), inputs[learn]
    optimizer = torch.optim.AdamW([*head.train().parameters(), *objective.used_parameters()], lr=lr, weight_decay=0.05)
    rng = np.random.default_rng(torch.initial_seed())  # as the head's
    for _ in range(STEPS):
        batch = torch.from_numpy(rng.choice(len(learn), BATCH, replace=False))
        value, _ = objective(StudentOutputs(place(known[batch])), targets, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    head.eval()
    with torch.inference_mode():
        return place(inputs).numpy()


class Remembering:
    """Before a kind of encoder: every piece's log-mel is computed once for all runs."""

    known: dict[tuple[str, bytes], tuple[torch.Tensor, torch.Tensor]] = {}  # noqa: RUF012 - shared on purpose

    def features(self, waveforms):
        def one(waveform):
            key = self.kind, hashlib.sha1(waveform.tobytes()).digest()
            if key not in self.known:
                found = super(Remembering, self).features([waveform])
                self.known[key] = found.values[0], found.mask[0]
            return self.known[key]

        values, masks = zip(*map(one, waveforms), strict=True)
        pad = nn.utils.rnn.pad_sequence
        return Features(pad(values, True), pad(masks, True))


class RememberingCompact(Remembering, SpectrogramAudioEncoder):
    pass


@register_encoder
class RememberingWhisper(Remembering, FastWhisperAudioEncoder):
    """The third and the last layer, so that each adapter changes what the head hears; all rows of a batch at once."""

    kind = "whisper-remembering"

    def __init__(self, weights: Weights):
        super().__init__(weights)
        self.dim, self.n_parts = 2 * self.dim // self.n_parts, 1

    def forward(self, features: Features) -> torch.Tensor:
        layers = hidden_layers(self.model, features.values.mT)
        return torch.cat([layers[2], layers[-1]], 2)


def untrained_student(teacher: Teacher, name: str, seed: int) -> Student:
    learner, small = LEARNERS[name], {"model_dim": 96, "n_heads": 4, "n_layers": 1, "n_pools": 2}
    torch.manual_seed(seed)
    known = {"encoder_kind": learner.kind, "adapter": learner.adapter}
    student = Student.untrained(learner.encoder, teacher.info, teacher.embed_dim, **known, **small)
    if learner.adapter.kind == "full":
        student.encoder.__class__ = RememberingCompact
        for module in student.encoder.model.modules():  # the preset's weights are the same for all seeds
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return student


def pieces(waveform: np.ndarray) -> list[np.ndarray]:
    """The first and the last PIECE_S seconds, as float16 keeps them."""
    n = int(PIECE_S * SAMPLE_RATE_HZ)
    found = [waveform[:n]] if len(waveform) <= n else [waveform[:n], waveform[-n:]]
    return [piece.astype(np.float16) for piece in found]


class Learning:
    """Trains a head, and what an adapter leaves of its encoder, on a part of the clips; keeps what no part decides."""

    def __init__(self, clips: Clips, teacher: Teacher, folder: Path):
        self.clips, self.teacher, self.folder = clips, teacher, folder
        self.frames: dict[bytes, torch.Tensor] = {}  # of the frozen encoder
        self.mel: dict[tuple[bytes, float], np.ndarray] = {}
        self.pieces = []
        for i, waveform in enumerate(clips.waveforms):
            rng = np.random.default_rng([7, i])
            heard = [waveform, *(vary_body_sound(waveform, rng) for _ in range(N_VARIED))]
            self.pieces.append([piece for h in heard for piece in pieces(h)])

    @torch.inference_mode()
    def heard(self, student: Student, cut: list[np.ndarray]) -> Iterator[torch.Tensor]:
        """Frames of each piece."""
        for first in range(0, len(cut), BATCH_OF_PIECES):
            batch = cut[first : first + BATCH_OF_PIECES]
            keys = [hashlib.sha1(piece.tobytes()).digest() for piece in batch]
            if student.config.adapter.kind != "frozen" or any(key not in self.frames for key in keys):
                waveforms = [piece.astype(np.float32) for piece in batch]
                features = student.encoder.features(waveforms)
                with torch.autocast("cpu", torch.bfloat16):
                    hidden = student.encoder(features).float()
                found = [h[: student.encoder.n_frames_of(w)] for h, w in zip(hidden, waveforms, strict=True)]
                if student.config.adapter.kind != "frozen":
                    yield from found
                    continue
                self.frames |= dict(zip(keys, (h.half() for h in found), strict=True))
            yield from (self.frames[key].float() for key in keys)

    def token_mel(self, piece: np.ndarray, tokens_per_s: float) -> np.ndarray:
        key = hashlib.sha1(piece.tobytes()).digest(), tokens_per_s
        if key not in self.mel:
            self.mel[key] = token_log_mel(piece.astype(np.float32), tokens_per_s).astype(np.float16)
        return self.mel[key]

    def embeddings(
        self, name: str, learn: np.ndarray, test: np.ndarray, texts: list, targets: Targets, loss: LossWeights, seed: int
    ) -> np.ndarray:
        """Of all clips (n, d), after a learner's steps on `learn`; NaN for clips in neither part."""
        student, learner = untrained_student(self.teacher, name, seed), LEARNERS[name]
        rows = [(k, piece) for k, i in enumerate(learn) for piece in self.pieces[i]]
        tokens_per_s = student.encoder.frames_per_s / STACK
        if learner.adapter.kind == "frozen":
            frames = [f.numpy() for f in self.heard(student, [piece for _, piece in rows])]
        else:
            frames = [np.zeros((student.encoder.n_frames_of(piece), 1), np.float16) for _, piece in rows]
        mel = [self.token_mel(p, tokens_per_s) for _, p in rows] if loss.reconstruction else []
        pairs = Pairs(
            tuple(Pair(n, 0.0, len(p) / SAMPLE_RATE_HZ, texts[k][0], str(learn[k])) for n, (k, p) in enumerate(rows)),
            tuple(frames),
            tuple(mel),
            tuple(p for _, p in rows),
            student.encoder.frames_per_s,
        )
        index = torch.tensor([k for k, _ in rows])
        of_rows = Targets(targets.text[index], targets.text_id[index], targets.concepts, targets.mentioned[index])
        how = {"n_steps": learner.n_steps, "batch_size": BATCH_OF_PIECES, "save_every": learner.n_steps, "seed": seed}
        config = TrainConfig(**how, peak_lr=1e-3, encoder_lr=learner.encoder_lr, bf16=True, loss=loss)
        with TemporaryDirectory(dir=self.folder) as scratch:
            run = Run(Path(scratch), {"recipe": {"train": asdict(config)}})
            train(student, config, pairs, of_rows, lambda student: {"score": 0.0}, run)
        found = np.full((len(self.clips.waveforms), self.teacher.embed_dim), np.nan, np.float32)
        heard = [(i, piece) for i in (*learn, *test) for piece in pieces(self.clips.waveforms[i])]
        with torch.inference_mode():
            embedding = embedded(student.head, list(self.heard(student, [piece for _, piece in heard]))).numpy()
        clip = np.array([i for i, _ in heard])
        for i in (*learn, *test):
            found[i] = embedding[clip == i].mean(0)
        return found


def figures(scores: dict[int, float], clips: Clips, baselines: dict[str, dict[int, float]] | None = None) -> dict:
    """AUROC of each subset and their mean, with its interval; and lifts over baselines on the same clips, by their names."""
    index = np.array(sorted(scores))
    subset, truth = clips.subset[index], clips.abnormal[index]
    names, rng = sorted(set(subset)), np.random.default_rng(0)
    counts = np.ones((1 + N_RESAMPLES, len(index)))  # how often each recording is drawn; all of them once, then the resamples
    for row in counts[1:]:
        drawn = [rng.choice(np.flatnonzero(subset == s), (subset == s).sum()) for s in names]
        row[:] = np.bincount(np.concatenate(drawn), minlength=len(index))

    def by_subset(of: dict[int, float]) -> np.ndarray:
        values = np.array([of[i] for i in index])
        return np.stack([resampled_auroc(values[subset == s], truth[subset == s], counts[:, subset == s]) for s in names], 1)

    mine = by_subset(scores)
    found = {"n": len(index), "auroc": round(float(mine[0].mean()), 4), "auroc_95": _interval(mine[1:].mean(1))}
    for name, other in (baselines or {}).items():
        lift = (mine - by_subset(other)).mean(1)
        found |= {name: round(float(lift[0]), 4), f"{name}_95": _interval(lift[1:])}
    return found | {f"auroc {s}": round(float(a), 4) for s, a in zip(names, mine[0], strict=True)}


def resampled_auroc(values: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """AUROC of each row of counts (n_rows, n_clips), how often a clip is in it."""
    above = (values[truth][:, None] > values[~truth]) + 0.5 * (values[truth][:, None] == values[~truth])
    won = ((counts[:, truth] @ above) * counts[:, ~truth]).sum(1)
    return won / (counts[:, truth].sum(1) * counts[:, ~truth].sum(1))


def _interval(values: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in np.nanquantile(values, (0.025, 0.975))]


class Study:
    """Scores of every clip by every arm, kept in a folder; and the table made of them."""

    def __init__(self, clips: Clips, cache: Path):
        self.clips, self.cache = clips, cache
        cache.mkdir(parents=True, exist_ok=True)

        def best() -> np.ndarray:
            return embed_readout(load_audio_encoder("tiny.en"), clips.waveforms, READOUTS[BEST])

        self.best = self.once(f"readout {BEST}", best)
        self.splits = splits(clips, self.best)

    def once(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        path = self.cache / f"{name}.npy"
        if not path.is_file():
            np.save(path, compute())
            log.info("%s", name)
        return np.load(path)

    def scores(self, protocol: str, arm: str) -> tuple[dict[int, float], list[str]]:
        """By clip, over the parts of a protocol that are done, and their names."""
        found: dict[int, float] = {}
        parts = []
        for part, _, test in self.splits[protocol]:
            path = self.cache / f"{protocol} {part} {arm}.npy"
            if path.is_file():
                found |= dict(zip(test.tolist(), np.load(path).tolist(), strict=True))
                parts.append(part)
        return found, parts


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", default=";".join(["unaligned", "readout", "kernel", *LEARNERS]), help="of the arms")
    parser.add_argument("--losses", default=",".join(OF_LEARNERS))
    parser.add_argument("--cuts", type=int, help="of each protocol, the first so many")
    parser.add_argument("--protocols", default="folds,left out,alike together")
    parser.add_argument("--told", default="label,findings,both")
    return parser.parse_args()


def _head_arms(
    kind: str, align: Callable[..., np.ndarray], told: tuple[Targets, Targets], losses: dict[str, LossWeights], seed: int
) -> dict[str, Callable[[], np.ndarray]]:
    """A head aligned by each loss with the targets, and by one with those of other clips."""
    targets, shuffled = told
    arms: dict[str, Callable[[], np.ndarray]] = {f"{kind}, {n}": partial(align, targets, w, seed) for n, w in losses.items()}
    return arms | {f"{kind}, pairs shuffled": partial(align, shuffled, ARMS["CKA + InfoNCE"], seed)}


def _measured(
    study: Study,
    name: str,
    embed: Callable[[], np.ndarray],
    cut: tuple[np.ndarray, np.ndarray],
    direction: np.ndarray,
    best: np.ndarray,
) -> None:
    """Keep an arm's embeddings, and its scores: without a probe, with one, and with the readout's added."""
    learn, test = cut
    embedded = study.once(f"embeddings {name}", embed)
    study.once(f"{name}; zero-shot", partial(np.matmul, embedded[test], direction))
    probed = study.once(f"{name}; probe", partial(probe_scores, embedded, study.clips.abnormal, learn, test))
    study.once(f"{name}; probe + readout", partial(np.add, probed, best))


def main() -> None:
    arguments = _options()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    clips, parts = Clips.read(arguments.folder), arguments.parts.split(";")
    study, teacher = Study(clips, arguments.cache), Teacher("all-MiniLM-L6-v2")
    chosen = {p: s[: arguments.cuts] for p, s in study.splits.items() if p in arguments.protocols.split(",")}
    unaligned = readouts_of(study, teacher, parts)
    for protocol, cuts in chosen.items():
        for part, learn, test in cuts:
            for name, x in unaligned.items():
                study.once(f"{protocol} {part} unaligned {name}", partial(probe_scores, x, clips.abnormal, learn, test))
    of_learners = {name: loss for name, loss in OF_LEARNERS.items() if name in arguments.losses.split(",")}
    losses = {name: loss for name, loss in ARMS.items() if name in of_learners}
    learners = [name for name in LEARNERS if name in parts]
    learning = Learning(clips, teacher, arguments.cache)
    fitted: dict[tuple[str, str], tuple[KernelHead, torch.Tensor]] = {}
    jobs = product(range(arguments.seeds), arguments.told.split(","), chosen.items())
    for seed, told, (protocol, cuts) in jobs:
        rng = np.random.default_rng([seed, 1])
        texts = texts_of(clips, told, rng)
        for part, learn, test in cuts:
            said = [texts[i] for i in learn]
            targets, direction = targets_of(said, clips.abnormal[learn], teacher, told)
            order = torch.from_numpy(rng.permutation(len(learn)))
            shuffled = Targets(targets.text[order], targets.text_id[order], targets.concepts, targets.mentioned[order])
            arms: dict[str, Callable[[], np.ndarray]] = {}
            if "readout" in parts:
                align = partial(aligned_readout, reduced(study.best, learn), learn)
                arms |= _head_arms("readout head", align, (targets, shuffled), losses, seed)
            if "kernel" in parts:
                asked = ["normal heart sounds", "abnormal heart sounds"]
                head, heard = fitted[protocol, part] if (protocol, part) in fitted else kernel_head(study.best, learn)
                fitted[protocol, part] = head, heard
                head.keep_apart(torch.from_numpy(teacher.encode(sorted({text for text, _ in said}) + asked)))
                unlearnt = f"{protocol} {part} unaligned {KERNEL}"
                study.once(unlearnt, partial(probe_scores, head.carried(heard).numpy(), clips.abnormal, learn, test))
                align = partial(aligned_kernel, head, heard, learn)
                arms |= _head_arms("kernel head", align, (targets, shuffled), losses, seed)
            for name, (n, loss) in product(learners, of_learners.items()):
                if told != "findings" or not loss.concept:  # which would tell the label
                    arms[f"{name}, {n}"] = partial(learning.embeddings, name, learn, test, said, targets, loss, seed)
            best = study.once(
                f"{protocol} {part} unaligned {BEST}", partial(probe_scores, study.best, clips.abnormal, learn, test)
            )
            for name, embed in arms.items():
                _measured(study, f"{protocol} {part} {name}, {told} told, seed {seed}", embed, (learn, test), direction, best)
    if arguments.json:
        before = json.loads(arguments.json.read_text()) if arguments.json.is_file() else {}
        arguments.json.write_text(json.dumps(table(study, before), indent=1) + "\n")


def readouts_of(study: Study, teacher: Teacher, parts: list[str]) -> dict[str, np.ndarray]:
    """Features of all clips by encoders that know nothing of reports."""
    found = {BEST: study.best}
    if "unaligned" in parts:
        whisper, waveforms = load_audio_encoder("tiny.en"), study.clips.waveforms
        found = {n: study.once(f"readout {n}", partial(embed_readout, whisper, waveforms, r)) for n, r in READOUTS.items()}
        fresh = untrained_student(teacher, "compact encoder", 0).encoder
        cut = [np.concatenate(pieces(w)).astype(np.float32) for w in waveforms]
        found["compact encoder before training"] = study.once("readout compact", partial(embed_readout, fresh, cut))
        mel = [fresh.features([w]).values[0].numpy() for w in cut]
        found["log-mel, mean and sd"] = np.stack([np.concatenate([m.mean(0), m.std(0)]) for m in mel])
    return found


def mean_of_seeds(scores: dict[str, tuple[dict[int, float], list[str]]], arm: str) -> tuple[int, dict[int, float]]:
    """How many seeds of an arm there are, and the mean of their scores; empty unless several measured the same recordings."""
    seeds = [values for other, (values, _) in scores.items() if re.sub("seed .", "", other) == re.sub("seed .", "", arm)]
    if len(seeds) < 2 or any(values.keys() != seeds[0].keys() for values in seeds):
        return len(seeds), {}
    return len(seeds), {i: float(np.mean([values[i] for values in seeds])) for i in seeds[0]}


def table(study: Study, before: dict) -> dict:
    """Every arm that is complete, by protocol: each seed, and the mean score of the seeds as one student; and older ones."""
    origin = provenance()
    found: dict = {PROVENANCE: origin | {"command": "tests/body_sound_arms.py", "data": "PhysioNet/CinC 2016, 1,237 clips"}}
    for protocol, cuts in study.splits.items():
        start = f"{protocol} {cuts[0][0]} "
        arms = sorted(path.stem.removeprefix(start) for path in study.cache.glob(f"{start}*.npy"))
        scores = {arm: study.scores(protocol, arm) for arm in arms if study.scores(protocol, arm)[0]}
        named = {"lift": BEST, "lift_over_kernel": KERNEL}
        baselines = {lift: scores[f"unaligned {name}"][0] for lift, name in named.items() if f"unaligned {name}" in scores}
        older: dict = before.get(protocol, {})
        rows = {arm: {"commit": before[PROVENANCE]["commit"]} | row for arm, row in older.items()}

        def keep(arm: str, row: dict, older: dict = older, rows: dict = rows) -> None:
            """Unless it tells nothing new, or less: then the older row stays, with the commit that measured it."""
            was = older.get(arm, {"n": 0})
            if row["n"] >= was["n"] and any(was.get(name) != value for name, value in row.items()):
                rows[arm] = {"commit": origin["commit"]} | row

        for arm, (values, parts) in scores.items():
            over = {lift: b for lift, b in baselines.items() if b is not values}
            some = {} if len(parts) == len(cuts) else {"parts": f"{len(parts)} of {len(cuts)}: {', '.join(parts)}"}
            keep(arm, figures(values, study.clips, over) | some)
            n_seeds, mean = mean_of_seeds(scores, arm)
            if ", seed 0" in arm and mean:
                _, shuffled = mean_of_seeds(scores, arm.replace("CKA + InfoNCE,", "pairs shuffled,"))
                over = baselines | ({"lift_over_shuffled": shuffled} if shuffled not in ({}, mean) else {})
                row = figures(mean, study.clips, over) | {"n_seeds": n_seeds} | some
                keep(arm.replace("seed 0", "mean score of the seeds"), row)
        found[protocol] = dict(sorted(rows.items()))
    return found


if __name__ == "__main__":
    main()
