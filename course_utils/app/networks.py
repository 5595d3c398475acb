"""The networks that the page asks, and when they say "I do not know".

A network gives each picture one of its classes, also a picture of something else. So a score is
computed from its logits, and below a threshold the answer is "I do not know". Which score, and
where the threshold lies, is measured:

- Garments: there are pictures of what it knows, the test images. 5 % of half of them lie below the
  threshold. The score is the logarithm of the sum of the exponentials of the logits, the energy
  with its sign turned (Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020). At
  the same 5 % it refuses more pictures without a garment than the largest probability does.
- ImageNet: no photograph with its classes is here. But pictures of nothing can be made: random
  colours. 95 % of them lie below the threshold. The score is the largest probability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..data import ImageData, Split, load_data
from ..inspection import energy
from ..models.pretrained import Pretrained, pretrained

REFUSED = 0.05  # the share of known pictures for which "I do not know" is accepted
NOTHING_SIDES = (2, 4, 8, 16, 32, 64, 128, 224)  # of the grids of random colours
THINGS_THRESHOLD = 0.22  # `nothing_threshold` gives it
BLOCK_PIXELS = 200_000  # that go through a network at once: more leave the processor's cache
MOST_CLASSES, NEIGHBOURS = 5, 6


@dataclass(frozen=True)
class Rule:
    """When a network says "I do not know": when its score lies below the threshold.

    Attributes:
        score: from logits (N, K) to float (N,).
        name: what people call the score.
        threshold: a number on the scale of the scores.
        reason: where the threshold comes from, in a sentence.
    """

    score: Callable[[Tensor], Tensor]
    name: str
    threshold: float
    reason: str

    def explained(self, score: float) -> str:
        """Return in two sentences why a picture with this score has an answer, or has none."""
        place = "not below" if score >= self.threshold else "below"
        return (
            f"Its {self.name} is {score:.2f}, {place} the threshold {self.threshold:.2f}. "
            + self.reason
        )


class Neighbour(NamedTuple):
    """A training image, its class, and the cosine between its features and the picture's."""

    image: Image.Image
    name: str
    similarity: float


@dataclass(frozen=True)
class Answer:
    """What a network says about one picture.

    Attributes:
        is_known: whether the score reaches the threshold.
        score: of the rule.
        classes: the most probable classes and their probabilities, the first one on top.
        neighbours: the training images that are most like it, if there are any here.
    """

    is_known: bool
    score: float
    classes: list[tuple[str, float]]
    neighbours: list[Neighbour]


class Asked:
    """A trained network, its rule, and the training images among which it looks for neighbours.

    Args:
        source: the network.
        about: what it knows, in a sentence.
        rule: when it does not answer.
        training: images of its classes and of its size, where they are here.
        examples: likewise, of which it was trained on none.
    """

    def __init__(
        self,
        source: Pretrained,
        about: str,
        rule: Rule,
        training: Split | None = None,
        examples: Split | None = None,
    ) -> None:
        self.source, self.about, self.rule = source, about, rule
        self.training, self.examples = training, examples
        self.gallery = None if training is None else run(source, training.images)[0]

    def answer(self, image: Image.Image) -> Answer:
        """Ask the network about a picture in RGB, of the network's size."""
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        features, logits = run(self.source, pixels[None])
        score = self.rule.score(logits).item()
        top = logits[0].softmax(0).topk(min(MOST_CLASSES, logits.shape[1]))
        names = [self.source.class_names[place] for place in top.indices.tolist()]
        return Answer(
            is_known=score >= self.rule.threshold,
            score=score,
            classes=list(zip(names, top.values.tolist(), strict=True)),
            neighbours=self._neighbours(features[0]),
        )

    def _neighbours(self, features: Tensor) -> list[Neighbour]:
        if self.training is None or self.gallery is None:
            return []
        top = (self.gallery @ features).topk(NEIGHBOURS)
        found = self.training.at(top.indices)
        names = [self.source.class_names[label] for label in found.labels.tolist()]
        return list(map(Neighbour, map(as_image, found.images), names, top.values.tolist()))


@torch.no_grad()
def run(source: Pretrained, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return features (N, D) of length 1 and logits (N, K) of images (N, 3, size, size), uint8."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (source.mean, source.std))
    model: Any = source.model  # it has these three parts
    features, logits = [], []
    for block in images.split(max(1, BLOCK_PIXELS // source.image_size**2)):
        maps = model.features((block.float() / 255 - mean) / std)
        features.append(model.avgpool(maps).flatten(1))
        logits.append(model.classifier(features[-1]))
    return F.normalize(torch.cat(features)), torch.cat(logits)


def free_energy(logits: Tensor) -> Tensor:
    """Return the negative energy of each row of logits (N, K): large where one is large."""
    return -energy(logits)


def largest_probability(logits: Tensor) -> Tensor:
    """Return the probability of the most probable class for each row of logits (N, K)."""
    return logits.softmax(dim=1).amax(dim=1)


def garments(source: Pretrained | None = None) -> Asked:
    """Return the course's network for garments, or another one for classes of `fashion_photos`.

    Raises:
        RuntimeError: the bundled files are damaged.
        ValueError: the network has a class that `fashion_photos` does not have.
    """
    source = _fast(source or pretrained("bundled"))
    data = load_data("fashion_photos", profile="quick").only(source.class_names)
    about = f"{len(source.class_names)} kinds of garments: {', '.join(source.class_names)}"
    return Asked(source, about, known_rule(source, data), data.train, data.test)


def things() -> Asked:
    """Return the network for the 1,000 classes of ImageNet.

    Raises:
        RuntimeError: its package is missing or damaged; the message says how to get it.
    """
    source = _fast(pretrained("imagenet"))
    reason = (
        "The threshold was chosen so that 95% of 800 pictures of nothing, only random colours, lie "
        "below."
    )
    rule = Rule(largest_probability, "largest probability", THINGS_THRESHOLD, reason)
    return Asked(source, "1,000 kinds of animals, things and places, from ImageNet", rule)


def known_rule(source: Pretrained, data: ImageData) -> Rule:
    """Choose the threshold below which 5 % of half the test images lie; the others check it.

    No validation images: the bundled network was trained on most of those, and a network is surer
    of what it has seen.
    """
    scores = free_energy(run(source, data.test.images)[1])
    chosen, others = scores[::2], scores[1::2]
    threshold = chosen.quantile(REFUSED).item()
    refused = (others < threshold).float().mean().item()
    reason = (
        f"The threshold was chosen so that {REFUSED:.0%} of {len(chosen)} pictures of these "
        f"classes lie below; of {len(others)} others, {refused:.0%} do."
    )
    return Rule(free_energy, "energy score", threshold, reason)


def nothing_threshold(source: Pretrained, count: int = 100) -> float:
    """Return the largest probability below which 95 % of pictures of nothing lie.

    It takes a minute: so `THINGS_THRESHOLD` is stored. count: pictures of each of eight kinds.
    """
    scores = largest_probability(run(source, pictures_of_nothing(source.image_size, count))[1])
    return scores.quantile(1 - REFUSED).item()


def pictures_of_nothing(size: int, count: int) -> Tensor:
    """Return uint8 pictures (8 · count, 3, size, size): grids of random colours, made smooth."""
    draw = torch.Generator().manual_seed(0)
    pictures = []
    for side in NOTHING_SIDES:
        grids = torch.randint(0, 256, (count, 3, side, side), generator=draw).float()
        pictures.append(F.interpolate(grids, size=(size, size), mode="bicubic", antialias=True))
    return torch.cat(pictures).round().clamp(0, 255).to(torch.uint8)


def as_image(image: Tensor) -> Image.Image:
    """Return a uint8 image (3, H, W) as Pillow has it."""
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def _fast(source: Pretrained) -> Pretrained:
    """The same network, its weights laid in memory as a processor reads them fastest."""
    source.model.to(memory_format=torch.channels_last)
    return source
