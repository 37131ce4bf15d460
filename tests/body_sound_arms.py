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
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
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
from medalign.evaluation.linear_probe import LinearProbe
from medalign.models.adapters import AdapterConfig
from medalign.models.encoders import SpectrogramAudioEncoder, load_audio_encoder
from medalign.models.head import STACK, AlignmentHead, HeadConfig
from medalign.models.kernel_head import KernelHead
from medalign.models.readout import Readout, embed_readout
from medalign.models.student import Student
from medalign.models.student_config import StudentConfig
from medalign.models.teacher import Teacher
from medalign.training.align import N_COMPONENTS, N_LANDMARKS, embed_pairs
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
COMPACT = LossWeights()  # InfoNCE, debiased CKA and the texts of the labels
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
FRAME_STEPS = 250
COMPACT_STEPS, COMPACT_BATCH = 140, 32


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
    return aligned(head, lambda x: nn.functional.normalize(head(x), dim=-1), inputs, learn, targets, loss, seed, MLP_LR)


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
    return aligned(head, head.placed, heard, learn, targets, loss, seed, KERNEL_LR)


def aligned(
    head: nn.Module,
    place: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    learn: np.ndarray,
    targets: Targets,
    loss: LossWeights,
    seed: int,
    lr: float,
) -> np.ndarray:
    objective, known = Objective(loss), inputs[learn]
    optimizer = torch.optim.AdamW([*head.train().parameters(), *objective.used_parameters()], lr=lr, weight_decay=0.05)
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        batch = torch.from_numpy(rng.choice(len(learn), BATCH, replace=False))
        value, _ = objective(StudentOutputs(place(known[batch])), targets, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    head.eval()
    with torch.inference_mode():
        return place(inputs).numpy()


class RememberingEncoder(SpectrogramAudioEncoder):
    """The compact encoder, with every piece's log-mel computed once for all runs."""

    known: dict[bytes, tuple[torch.Tensor, torch.Tensor]] = {}  # noqa: RUF012 - shared on purpose

    def features(self, waveforms):
        def one(waveform):
            key = hashlib.sha1(waveform.tobytes()).digest()
            if key not in self.known:
                found = SpectrogramAudioEncoder.features(self, [waveform])
                self.known[key] = found.values[0], found.mask[0]
            return self.known[key]

        values, masks = zip(*map(one, waveforms), strict=True)
        pad = nn.utils.rnn.pad_sequence
        return replace(super().features([waveforms[0]]), values=pad(values, True), mask=pad(masks, True))


def untrained_student(teacher: Teacher, seed: int) -> Student:
    adapter, small = AdapterConfig("full"), {"model_dim": 96, "n_heads": 4, "n_layers": 1, "n_pools": 2}
    torch.manual_seed(seed)
    student = Student.untrained("spectrogram-heart", teacher.info, teacher.embed_dim, adapter=adapter, **small)
    student.encoder.__class__ = RememberingEncoder
    for module in student.encoder.model.modules():  # the preset's weights are the same for all seeds
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return student


def pieces(waveform: np.ndarray) -> list[np.ndarray]:
    """The first and the last PIECE_S seconds, as float16 keeps them."""
    n = int(PIECE_S * SAMPLE_RATE_HZ)
    found = [waveform[:n]] if len(waveform) <= n else [waveform[:n], waveform[-n:]]
    return [piece.astype(np.float16) for piece in found]


class Compact:
    """Trains the compact encoder on a part of the clips; keeps what does not depend on the part."""

    def __init__(self, clips: Clips, teacher: Teacher, folder: Path):
        self.clips, self.teacher, self.folder = clips, teacher, folder
        self.pieces = []
        for i, waveform in enumerate(clips.waveforms):
            rng = np.random.default_rng([7, i])
            heard = [waveform, *(vary_body_sound(waveform, rng) for _ in range(N_VARIED))]
            self.pieces.append([piece for h in heard for piece in pieces(h)])

    def embeddings(
        self, learn: np.ndarray, test: np.ndarray, texts: list, targets: Targets, loss: LossWeights, seed: int
    ) -> np.ndarray:
        """Of all clips (n, d), after COMPACT_STEPS steps on `learn`; NaN for clips in neither part."""
        student = untrained_student(self.teacher, seed)
        rows = [(k, piece) for k, i in enumerate(learn) for piece in self.pieces[i]]
        tokens_per_s = student.encoder.frames_per_s / STACK
        mel = [token_log_mel(p.astype(np.float32), tokens_per_s) for _, p in rows] if loss.reconstruction else []
        pairs = Pairs(
            tuple(Pair(n, 0.0, len(p) / SAMPLE_RATE_HZ, texts[k][0], str(learn[k])) for n, (k, p) in enumerate(rows)),
            tuple(np.zeros((student.encoder.n_frames_of(p), 1), np.float16) for _, p in rows),
            tuple(mel),
            tuple(p for _, p in rows),
            student.encoder.frames_per_s,
        )
        index = torch.tensor([k for k, _ in rows])
        of_rows = Targets(targets.text[index], targets.text_id[index], targets.concepts, targets.mentioned[index])
        how = {"n_steps": COMPACT_STEPS, "batch_size": COMPACT_BATCH, "save_every": COMPACT_STEPS, "seed": seed}
        config = TrainConfig(**how, peak_lr=1e-3, encoder_lr=1e-3, loss=loss)
        with TemporaryDirectory(dir=self.folder) as scratch:
            run = Run(Path(scratch), {"recipe": {"train": asdict(config)}})
            train(student, config, pairs, of_rows, lambda student: {"score": 0.0}, run)
        found = np.full((len(self.clips.waveforms), self.teacher.embed_dim), np.nan, np.float32)
        for i in (*learn, *test):
            found[i] = student.encode([p.astype(np.float32) for p in pieces(self.clips.waveforms[i])]).mean(0)
        return found


class OnFrames:
    """Trains a student's head on Whisper's frames over time, of the third and the last layer, played 4 times as fast."""

    def __init__(self, study: "Study", teacher: Teacher):
        encoder, readout, self.teacher = load_audio_encoder("tiny.en"), READOUTS[BEST], teacher

        @torch.inference_mode()
        def frames_of(waveform: np.ndarray) -> np.ndarray:
            layers = encoder.hidden_layers(readout.heard(waveform))
            return torch.cat([layers[2], layers[-1]], 1).numpy().astype(np.float16)

        def all_frames() -> np.ndarray:
            return np.concatenate([frames_of(w) for w in study.clips.waveforms])

        n_frames = [encoder.n_frames_of(readout.heard(w)) for w in study.clips.waveforms]
        self.frames = np.split(study.once("frames", all_frames), np.cumsum(n_frames)[:-1])
        self.frames_per_s = encoder.frames_per_s

    def embeddings(self, learn: np.ndarray, texts: list, targets: Targets, loss: LossWeights, seed: int) -> np.ndarray:
        """Of all clips (n, d), after FRAME_STEPS steps on `learn`."""
        size = {"model_dim": 96, "n_heads": 4, "n_layers": 1, "n_pools": 2, "dropout": 0.3}
        head = HeadConfig(encoder_dim=self.frames[0].shape[1], embed_dim=self.teacher.embed_dim, **size)
        torch.manual_seed(seed)
        named = {"encoder": "tiny.en", "encoder_revision": "", "teacher": "", "teacher_revision": ""}
        student = Student(StudentConfig(**named, head=head), AlignmentHead(head), nn.Identity(), name="", revision="")
        ends = [len(f) / self.frames_per_s for f in self.frames]
        pairs = tuple(Pair(i, 0.0, end, "", str(i)) for i, end in enumerate(ends))
        every = Pairs(pairs, tuple(self.frames), frames_per_s=self.frames_per_s)
        mine = Pairs(tuple(pairs[i] for i in learn), every.frames, frames_per_s=self.frames_per_s)
        config = TrainConfig(n_steps=FRAME_STEPS, batch_size=64, save_every=FRAME_STEPS, loss=loss, seed=seed)
        with TemporaryDirectory() as scratch:
            run = Run(Path(scratch), {"recipe": {"train": asdict(config)}})
            train(student, config, mine, targets, lambda student: {"score": 0.0}, run)
        return embed_pairs(student, every)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", default="slow,readout,kernel,frames,compact,shuffled,self-supervision", help="of the arms")
    parser.add_argument("--losses", default=",".join(ARMS), help="of the heads on a readout")
    parser.add_argument("--protocols", default="folds,left out,alike together")
    parser.add_argument("--told", default="label,findings,both")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    clips, parts = Clips.read(arguments.folder), arguments.parts.split(",")
    study, teacher = Study(clips, arguments.cache), Teacher("all-MiniLM-L6-v2")
    chosen = {p: s for p, s in study.splits.items() if p in arguments.protocols.split(",")}
    unaligned = readouts_of(study, teacher, parts)
    for protocol, cuts in chosen.items():
        for part, learn, test in cuts:
            for name, x in unaligned.items():
                study.once(f"{protocol} {part} unaligned {name}", partial(probe_scores, x, clips.abnormal, learn, test))
    losses = {name: loss for name, loss in ARMS.items() if name in arguments.losses.split(",")}
    compact = Compact(clips, teacher, arguments.cache) if "compact" in parts else None
    on_frames = OnFrames(study, teacher) if "frames" in parts else None
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
                x = reduced(study.best, learn)
                arms |= {f"readout head, {n}": partial(aligned_readout, x, learn, targets, w, seed) for n, w in losses.items()}
                loss = ARMS["CKA + InfoNCE"]
                arms["readout head, pairs shuffled"] = partial(aligned_readout, x, learn, shuffled, loss, seed)
            if "kernel" in parts:
                asked = ["normal heart sounds", "abnormal heart sounds"]
                head, heard = fitted[protocol, part] if (protocol, part) in fitted else kernel_head(study.best, learn)
                fitted[protocol, part] = head, heard
                head.keep_apart(torch.from_numpy(teacher.encode(sorted({text for text, _ in said}) + asked)))
                carried = head.carried(heard).numpy()
                unlearnt = f"{protocol} {part} unaligned {KERNEL}"
                study.once(unlearnt, partial(probe_scores, carried, clips.abnormal, learn, test))
                arms |= {f"kernel head, {n}": partial(aligned_kernel, head, heard, learn, targets, w, seed)
                         for n, w in losses.items()}  # fmt: skip
                arms["kernel head, pairs shuffled"] = partial(
                    aligned_kernel, head, heard, learn, shuffled, ARMS["CKA + InfoNCE"], seed
                )
            if on_frames is not None:
                loss = replace(LossWeights(), concept=0.0) if told == "findings" else LossWeights()
                arms["frames head"] = partial(on_frames.embeddings, learn, said, targets, loss, seed)
                if "shuffled" in parts:
                    arms["frames head, pairs shuffled"] = partial(on_frames.embeddings, learn, said, shuffled, loss, seed)
            if compact is not None:
                loss = replace(COMPACT, concept=0.0) if told == "findings" else COMPACT
                arms["compact encoder"] = partial(compact.embeddings, learn, test, said, targets, loss, seed)
                if "self-supervision" in parts:
                    also = replace(loss, reconstruction=0.1)
                    arm = partial(compact.embeddings, learn, test, said, targets, also, seed)
                    arms["compact encoder with masked reconstruction"] = arm
                if "shuffled" in parts:
                    arms["compact encoder, pairs shuffled"] = partial(
                        compact.embeddings, learn, test, said, shuffled, loss, seed
                    )
            best = study.once(
                f"{protocol} {part} unaligned {BEST}", partial(probe_scores, study.best, clips.abnormal, learn, test)
            )
            for name, embed in arms.items():
                full = f"{protocol} {part} {name}, {told} told, seed {seed}"
                embedded = study.once(f"embeddings {full}", embed)
                study.once(f"{full}; zero-shot", partial(np.matmul, embedded[test], direction))
                probed = study.once(f"{full}; probe", partial(probe_scores, embedded, clips.abnormal, learn, test))
                study.once(f"{full}; probe + readout", partial(np.add, probed, best))
    if arguments.json:
        before = json.loads(arguments.json.read_text()) if arguments.json.is_file() else {}
        arguments.json.write_text(json.dumps(table(study, before), indent=1) + "\n")


def readouts_of(study: Study, teacher: Teacher, parts: list[str]) -> dict[str, np.ndarray]:
    """Features of all clips by encoders that know nothing of reports."""
    found = {BEST: study.best}
    if "slow" in parts:
        whisper, waveforms = load_audio_encoder("tiny.en"), study.clips.waveforms
        found = {n: study.once(f"readout {n}", partial(embed_readout, whisper, waveforms, r)) for n, r in READOUTS.items()}
    if "compact" in parts:
        waveforms = study.clips.waveforms
        fresh, cut = untrained_student(teacher, 0).encoder, [np.concatenate(pieces(w)).astype(np.float32) for w in waveforms]
        found["compact encoder before training"] = study.once("readout compact", partial(embed_readout, fresh, cut))
        mel = [fresh.features([w]).values[0].numpy() for w in cut]
        found["log-mel, mean and sd"] = np.stack([np.concatenate([m.mean(0), m.std(0)]) for m in mel])
    return found


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
        rows = {
            arm: {"commit": before[PROVENANCE]["commit"]} | row
            for arm, row in before.get(protocol, {}).items()
        }  # fmt: skip
        for arm, (values, parts) in scores.items():
            over = {lift: b for lift, b in baselines.items() if b is not values}
            rows[arm] = {"commit": origin["commit"]} | figures(values, study.clips, over)
            if len(parts) < len(cuts):
                rows[arm]["parts"] = f"{len(parts)} of {len(cuts)}: {', '.join(parts)}"
            seeds = [scores[a][0] for a in arms if re.sub("seed .", "", a) == re.sub("seed .", "", arm)]
            if ", seed 0" in arm and len(seeds) > 1 and all(s.keys() == values.keys() for s in seeds):
                mean = {i: float(np.mean([s[i] for s in seeds])) for i in values}
                row = {"commit": origin["commit"]} | figures(mean, study.clips, baselines) | {"n_seeds": len(seeds)}
                rows[arm.replace("seed 0", "mean score of the seeds")] = row
        found[protocol] = dict(sorted(rows.items()))
    return found


if __name__ == "__main__":
    main()
