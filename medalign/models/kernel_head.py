"""A head for few recordings on a frozen encoder: how alike a sound is to landmarks, and a linear map of that.

With a thousand recordings, a network on the frames learns them by heart. Here a sound is the mean and spread over time of each
part of the frames (a layer), its likeness to recordings of the training part is a Gaussian kernel, and all that is learnt is
linear in the kernel's principal components. These are carried along, in directions of the teacher's space in which hardly any
text of the training part lies: so alignment loses nothing of what was heard, and a probe finds it there.

Source: Williams and Seeger 2000, Using the Nystroem method to speed up kernel machines; Schoelkopf et al. 1998, kernel PCA.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

Frames = Float[Tensor, "batch frames encoder_dim"]
Mask = Bool[Tensor, "batch frames"]
Statistics = Float[Tensor, "batch parts width"]
Components = Float[Tensor, "batch components"]
Embeddings = Float[Tensor, "batch embed_dim"]
CLIPPED = 6.0  # standard deviations
SPANNED = 1e-6  # of the largest eigenvalue: a smaller one is rounding, and what it is divided by would outweigh all others
DROPOUT = 0.3  # of components, in training


class KernelHead(nn.Module):
    """Frames of a stretch to one unit vector in the teacher's space; `fit` it and `keep_apart` texts before it is trained."""

    def __init__(self, encoder_dim: int, embed_dim: int, *, n_parts: int, n_landmarks: int, n_components: int):
        super().__init__()
        width = 2 * encoder_dim // n_parts
        self.n_parts = n_parts
        self.mean = nn.Buffer(torch.zeros(n_parts, width))
        self.sd = nn.Buffer(torch.ones(n_parts, width))
        self.landmarks = nn.Buffer(torch.zeros(n_parts, n_landmarks, width))
        self.distance = nn.Buffer(torch.ones(n_parts))  # squared, between two landmarks, the median
        self.likeness = nn.Buffer(torch.zeros(n_landmarks))  # to each landmark, on average
        self.components = nn.Buffer(torch.zeros(n_landmarks, n_components))
        self.carriers = nn.Buffer(torch.zeros(n_components, embed_dim))  # orthonormal
        self.project = nn.Linear(n_components, embed_dim)

    def statistics(self, hidden_states: Frames, mask: Mask) -> Statistics:
        """Mean and standard deviation over the frames that hold sound, of each part."""
        is_sound = mask[..., None].to(hidden_states.dtype)
        n = is_sound.sum(1)
        mean = (hidden_states * is_sound).sum(1) / n
        spread = (((hidden_states - mean[:, None]) * is_sound).square().sum(1) / n).sqrt()
        return torch.cat([x.unflatten(1, (self.n_parts, -1)) for x in (mean, spread)], 2)

    def forward(self, hidden_states: Frames, mask: Mask) -> Embeddings:
        return self.embed(self.statistics(hidden_states, mask))

    def embed(self, statistics: Statistics) -> Embeddings:
        return self.placed(self.heard(statistics))

    def placed(self, heard: Components) -> Embeddings:
        """In training without what is carried along, which no loss is about."""
        aligned = F.normalize(self.project(F.dropout(heard, DROPOUT, self.training)), dim=-1)
        return aligned if self.training else F.normalize(aligned + self.carried(heard), dim=-1)

    def carried(self, heard: Components) -> Embeddings:
        return F.normalize(heard, dim=-1) @ self.carriers

    def heard(self, statistics: Statistics) -> Components:
        """The kernel's principal components, of mean square 1 over all of them."""
        return (self._kernel(statistics) - self.likeness) @ self.components

    def familiarity(self, hidden_states: Frames, mask: Mask) -> Float[Tensor, " batch"]:
        """Likeness to that landmark which is most like the sound, at most 1: little for what was never learnt from."""
        return self._kernel(self.statistics(hidden_states, mask)).amax(1)

    def _kernel(self, statistics: Statistics) -> Float[Tensor, "batch landmarks"]:
        squared = torch.cdist(self._standardised(statistics), self.landmarks).square()  # (parts, batch, landmarks)
        return torch.exp(-squared / self.distance[:, None, None]).mean(0)

    def _standardised(self, statistics: Tensor) -> Tensor:
        return ((statistics.transpose(0, 1) - self.mean[:, None]) / self.sd[:, None]).clamp(-CLIPPED, CLIPPED)

    @torch.no_grad()
    def fit(self, statistics: Float[Tensor, "clips parts width"]) -> None:
        """Take landmarks from the training part. Raises ValueError: it has fewer clips than that."""
        n_landmarks, n_components = self.components.shape
        if len(statistics) < n_landmarks:
            raise ValueError(f"{len(statistics)} clips are too few for {n_landmarks} landmarks")
        self.mean.copy_(statistics.mean(0))
        self.sd.copy_(statistics.std(0).clamp(min=1e-6))
        drawn = torch.randperm(len(statistics), generator=torch.Generator().manual_seed(0))[:n_landmarks]
        self.landmarks.copy_(self._standardised(statistics[drawn]))
        squared = torch.cdist(self.landmarks, self.landmarks).square()
        self.distance.copy_(squared.flatten(1).median(1).values)
        kernel = torch.exp(-squared / self.distance[:, None, None]).mean(0).double()
        self.likeness.copy_(kernel.mean(0))
        centred = kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
        values, vectors = (part.flip(-1)[..., :n_components] for part in torch.linalg.eigh(centred))
        scale = (n_components * n_landmarks / values.sum()).sqrt()
        spanned = values > SPANNED * values[0]  # never all of as many as there are landmarks, whose mean was taken off
        self.components.copy_(torch.where(spanned, vectors * scale / values.clamp(min=1e-30).sqrt(), 0.0))

    @torch.no_grad()
    def keep_apart(self, texts: Float[Tensor, "texts embed_dim"]) -> None:
        """Carry what is heard in the directions in which the texts of the training part lie least."""
        self.carriers.copy_(torch.linalg.svd(texts.double())[2][-len(self.carriers) :])
