"""What lecture 15 asks: shortcuts, a corruption, energy, learning from a teacher, 8 bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...exercises.core import Case
from .core import Examiner, mistaken
from .tensors import normal


def whole(rng: Generator, below: int, *shape: int) -> Tensor:
    """Return random whole numbers from 0, int64."""
    return torch.from_numpy(rng.integers(0, below, shape))


class TensorExaminer(Examiner):
    """Asks for a tensor. ``mistakes``: hints, each with the options of ``made`` that lead there."""

    mistakes: dict[str, dict[str, Any]]

    made: Callable[..., Tensor]  # of a case, and of the options of a mistake

    def key(self, case: Case) -> Any:
        want = self.made(case)
        found = mistaken(self.mistakes, lambda mistake: self.made(case, **mistake), want)
        return {"want": want, "mistakes": found}


# --- 15.1 ----------------------------------------------------------------------------------------


class AskFindShortcut(TensorExaminer):
    """Tables of attributes, in some of which a part has no images."""

    id = "15.1"
    mistakes = {
        "the usual part comes first: its accuracy minus that of the others": {"sign": -1},
        "the value must be usual for the image's label, not for the predicted class": {
            "of": "predicted"
        },
        "subtract accuracies, not numbers of right answers: divide each by its images": {
            "counts": True
        },
        "the second accuracy is that of the images without the usual value, not of all": {
            "all_images": True
        },
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 8, 1, 2, 2)
        none = self._case(rng, 12, 2, 3, 2)
        none["attributes"][:, 0] = none["usual"].T[none["labels"]][:, 0]  # no image elsewhere
        yield none
        never = self._case(rng, 12, 2, 3, 2)
        never["attributes"][:, 1] = 5  # no image with the usual value
        yield never
        for _ in range(6):
            images, table, classes, values = (
                int(n) for n in rng.integers((15, 1, 2, 2), (40, 5, 5, 4))
            )
            yield self._case(rng, images, table, classes, values)

    def _case(self, rng: Generator, images: int, table: int, classes: int, values: int) -> Case:
        """A random case in which every attribute has a gap."""
        while True:
            labels = whole(rng, classes, images)
            other = whole(rng, classes, images)
            case = {
                "attributes": whole(rng, values, images, table),
                "usual": whole(rng, values, table, classes),
                "labels": labels,
                "predicted": torch.where(whole(rng, 10, images) < 6, labels, other),
            }
            if self.made(case).all():
                return case

    def made(
        self,
        case: Case,
        *,
        sign: int = 1,
        of: str = "labels",
        counts: bool = False,
        all_images: bool = False,
    ) -> Tensor:
        is_usual = case["attributes"] == case["usual"].T[case[of]]
        right = (case["labels"] == case["predicted"]).float()[:, None]
        others = torch.ones_like(is_usual) if all_images else ~is_usual
        sums = [(right * part).sum(0) for part in (is_usual, others)]
        sizes = [part.sum(0) for part in (is_usual, others)]
        if counts:
            return sums[0] - sums[1]
        is_empty = (is_usual.sum(0) == 0) | is_usual.all(0)
        return torch.where(is_empty, 0.0, sign * (sums[0] / sizes[0] - sums[1] / sizes[1]))


# --- 15.2 ----------------------------------------------------------------------------------------


class AskBlur(TensorExaminer):
    """Images of several shapes, the first with one bright pixel."""

    id = "15.2"
    mistakes = {
        'beyond the border the image is mirrored (mode="reflect"), not black': {"mode": "constant"},
        'the image is mirrored (mode="reflect"), its last pixel is not repeated': {
            "mode": "replicate"
        },
        "the weights must add up to 1: divide them by their sum": {"share": False},
        "the weights reach ceil(3 sigma) pixels to each side": {"widths": 1},
        "the exponent is -x² / (2 sigma²), with the square of sigma": {"power": 1},
        "the exponent is -x² / (2 sigma²): the 2 is missing": {"factor": 1},
        "blur along the rows and along the columns: yours goes along one of them": {
            "both": (True, False)
        },
        "blur along both axes: yours goes along one of them": {"both": (False, True)},
        "each channel is blurred on its own": {"mixed": True},
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        point = torch.full((1, 1, 9, 9), 0.5)
        point[0, 0, 1, int(rng.integers(3, 6))] = 1  # mirrored beyond the border
        yield {"images": point, "sigma": self._sigma(rng)}
        yield {"images": normal(rng, 1, 1, 8, 8), "sigma": 1.0}
        yield {"images": normal(rng, 2, 3, 9, 12), "sigma": 0.5}  # a wide image in colour
        for _ in range(5):
            count, channels, height, width = (
                int(n) for n in rng.integers((1, 1, 8, 8), (4, 4, 14, 14))
            )
            yield {"images": normal(rng, count, channels, height, width), "sigma": self._sigma(rng)}

    def _sigma(self, rng: Generator) -> float:
        return round(float(rng.uniform(0.4, 2.2)), 2)  # reaches less than 8 pixels far

    def made(
        self,
        case: Case,
        *,
        mode: str = "reflect",
        share: bool = True,
        widths: int = 3,
        power: int = 2,
        factor: int = 2,
        both: tuple[bool, bool] = (True, True),
        mixed: bool = False,
    ) -> Tensor:
        images, sigma = case["images"], case["sigma"]
        reach = math.ceil(widths * sigma)
        places = torch.arange(-reach, reach + 1)
        line = torch.exp(-(places**2) / (factor * sigma**power))
        line = line / line.sum() if share else line
        alone = (places == 0).float()
        rows, columns = (line if wanted else alone for wanted in both)
        kernel = rows[:, None] * columns
        flat = images.mean(1, keepdim=True).expand_as(images) if mixed else images
        flat = F.pad(flat.reshape(-1, 1, *images.shape[2:]), (reach,) * 4, mode=mode)
        return F.conv2d(flat, kernel[None, None]).reshape(images.shape)


# --- 15.3 ----------------------------------------------------------------------------------------


class AskEnergy(TensorExaminer):
    """Logits, some too large for exp."""

    id = "15.3"
    mistakes = {
        "a sure prediction has a low energy: the minus is missing": {"sign": 1},
        "the result is multiplied by the temperature": {"outer": False},
        "the logits are divided by the temperature": {"inner": False},
        "sum exp over the classes, do not take the mean": {"mean": True},
        "take the logsumexp of the logits, not their maximum": {"largest": True},
        "one energy for each image: sum over the classes, dim=1": {"dim": 0},
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"logits": normal(rng, 2, 3), "temperature": 1.0}
        yield {"logits": normal(rng, 3, 4, scale=1000.0), "temperature": 1.0}
        yield {"logits": normal(rng, 1, 10, scale=3.0), "temperature": 2.0}
        for _ in range(6):
            count, classes = (int(n) for n in rng.integers((2, 2), (6, 12)))
            temperature = round(float(rng.uniform(0.5, 5)), 2)
            yield {"logits": normal(rng, count, classes, scale=3.0), "temperature": temperature}

    def made(
        self,
        case: Case,
        *,
        sign: int = -1,
        outer: bool = True,
        inner: bool = True,
        mean: bool = False,
        largest: bool = False,
        dim: int = 1,
    ) -> Tensor:
        logits, temperature = case["logits"], case["temperature"]
        scaled = logits / temperature if inner else logits
        found = scaled.amax(dim) if largest else scaled.logsumexp(dim)
        found = found - math.log(logits.shape[dim]) if mean else found
        return sign * (temperature if outer else 1) * found


# --- 15.4 ----------------------------------------------------------------------------------------


def _soft(case: Case, *, swap: bool = False, entropy: bool = True, cool: str = "") -> Tensor:
    """The divergence of each image, float (N,); the options are mistakes."""
    by = {name: 1.0 if name == cool else case["temperature"] for name in ("student", "teacher")}
    log_q, log_p = (F.log_softmax(case[name] / by[name], dim=1) for name in by)
    if swap:
        log_p, log_q = log_q, log_p
    return (log_p.exp() * (log_p * entropy - log_q)).sum(dim=1)


class AskDistillation(Examiner):
    """Logits of students and teachers, at several temperatures and shares."""

    id = "15.4"
    mistakes: dict[str, Callable[[Case], Tensor]] = {
        "the soft part is multiplied by T², or its gradients would be too small": (
            lambda case: _total(case, square=0)
        ),
        "the soft part is multiplied by T², not by T": lambda case: _total(case, square=1),
        "KL(teacher, student): F.kl_div takes the student's log-probabilities first": (
            lambda case: _total(case, soft=_soft(case, swap=True))
        ),
        "sum over the classes, then take the mean over the images: reduction='batchmean'": (
            lambda case: _total(case, soft=_soft(case) / case["student"].shape[1])
        ),
        "share is that of the teacher; 1 - share goes to the labels": (
            lambda case: _total(case | {"share": 1 - case["share"]})
        ),
        "the part with the labels uses the student's logits as they are, without T": (
            lambda case: _total(case, hard_by=case["temperature"])
        ),
        "the teacher's logits are divided by T, too": (
            lambda case: _total(case, soft=_soft(case, cool="teacher"))
        ),
        "the student's logits are divided by T in the soft part, too": (
            lambda case: _total(case, soft=_soft(case, cool="student"))
        ),
        "yours is the cross-entropy with the teacher; KL also has the teacher's own logarithm": (
            lambda case: _total(case, soft=_soft(case, entropy=False))
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 1, 2, 1.0, 1.0)  # the teacher alone, T = 1
        yield self._case(rng, 3, 4, 2.0, 0.0)  # the labels alone
        for _ in range(8):
            count, classes = (int(n) for n in rng.integers((2, 3), (6, 9)))
            temperature, share = float(rng.uniform(1.5, 6)), float(rng.uniform(0.55, 0.95))
            yield self._case(rng, count, classes, round(temperature, 1), round(share, 2))

    def _case(
        self, rng: Generator, count: int, classes: int, temperature: float, share: float
    ) -> Case:
        return {
            "student": normal(rng, count, classes, scale=2.0),
            "teacher": normal(rng, count, classes, scale=3.0),
            "labels": whole(rng, classes, count),
            "temperature": temperature,
            "share": share,
        }

    def key(self, case: Case) -> Any:
        want = _total(case)
        found = mistaken(self.mistakes, lambda make: make(case).item(), want.item())
        return {"want": want.item(), "mistakes": found}


def _total(
    case: Case, *, soft: Tensor | None = None, square: int = 2, hard_by: float = 1.0
) -> Tensor:
    """The loss; the options are mistakes."""
    soft = (_soft(case) if soft is None else soft).mean()
    hard = F.cross_entropy(case["student"] / hard_by, case["labels"])
    share = case["share"]
    return (1 - share) * hard + share * case["temperature"] ** square * soft


# --- 15.5 ----------------------------------------------------------------------------------------


class AskQuantize(Examiner):
    """Tensors of several shapes; no number lies near the middle between two steps."""

    id = "15.5"

    def examples(self) -> Iterator[Case]:
        yield {"x": torch.tensor([-1.0, 0.0, 0.502, 1.27])}
        yield {"x": torch.zeros(3)}

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 4)
        yield self._case(rng, 3, 5, sign=-1)  # the largest number is negative
        yield self._case(rng, 2, 3, 3, 3)  # the weights of a convolution
        for _ in range(6):
            yield self._case(
                rng, *(int(n) for n in rng.integers(2, 6, 2)), sign=rng.choice([-1, 1])
            )

    def _case(self, rng: Generator, *shape: int, sign: int = 1) -> Case:
        numbers = torch.from_numpy(rng.integers(-100, 101, shape) + rng.uniform(-0.4, 0.4, shape))
        numbers.view(-1)[int(rng.integers(numbers.numel()))] = 127 * sign
        return {"x": (numbers * 10 ** rng.uniform(-3, 1)).float()}

    def key(self, case: Case) -> Any:
        x = case["x"].double()
        largest = x.abs().max().item()
        step = largest / 127 if largest else 1.0
        want = (x / step).round().to(torch.int8)
        if not largest:
            return {"want": want, "step": step, "steps": {}, "mistakes": {}}
        steps = {
            "the largest number becomes 127, not 128: divide max|x| by 127": largest / 128,
            "the range is symmetric: divide the largest absolute value, max|x|": x.max() / 127,
            "the range is symmetric, and there is no zero point: 0 stays 0": (
                (x.max() - x.min()) / 255
            ),
        }
        made = {
            "round to the nearest whole number: .to(torch.int8) alone cuts towards 0": (
                (x / step).trunc()
            ),
            "round to the nearest whole number, not down": (x / step).floor(),
        }
        made = {hint: numbers.to(torch.int8) for hint, numbers in made.items()}
        return {
            "want": want,
            "step": step,
            "steps": mistaken(steps, float, step),
            "mistakes": mistaken(made, lambda found: found, want),
        }


EXAMINERS = [AskFindShortcut(), AskBlur(), AskEnergy(), AskDistillation(), AskQuantize()]
