"""Lecture 15: other right answers, and wrong ones with the hint that each should get."""

import math

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from course_utils.data.shifts import blur
from course_utils.inspection.distribution import energy, gaps_by_attribute
from course_utils.models.quantization import quantize
from course_utils.training.distillation import distillation_loss

# --- 15.1 ----------------------------------------------------------------------------------------


def gaps_with(
    *,
    whose=lambda labels, predicted: labels,
    rate=lambda right, part: right[part].float().mean() if part.any() else None,
    others=lambda part: ~part,
    gap=lambda first, second: first - second,
    nothing=0.0,
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def gaps(attributes, usual, labels, predicted):
        right, found = predicted == labels, []
        for values, wanted in zip(attributes.T, usual, strict=True):
            part = values == wanted[whose(labels, predicted)]
            both = rate(right, part), rate(right, others(part))
            is_empty = not part.any() or part.all()
            found.append(nothing if is_empty else float(gap(*both)))
        return torch.tensor(found)

    return gaps


def gaps_by_matrices(attributes, usual, labels, predicted):
    is_usual = (attributes == usual[:, labels].T).double()
    right = (predicted == labels).double()
    inside, outside = is_usual.sum(0), (1 - is_usual).sum(0)
    gap = right @ is_usual / inside - right @ (1 - is_usual) / outside
    return gap.nan_to_num(0.0) * (inside > 0) * (outside > 0)


# --- 15.2 ----------------------------------------------------------------------------------------


def blur_with(
    *,
    mode="reflect",
    weigh=lambda weights: weights / weights.sum(),
    widths=3,
    exponent=lambda x, sigma: -(x**2) / (2 * sigma**2),
    axes=(2, 3),
    first=lambda images: images,
):
    """Make an answer by adding shifted copies; the options are mistakes."""

    def blurred(images, sigma):
        reach = math.ceil(widths * sigma)
        weights = weigh(torch.exp(exponent(torch.arange(-reach, reach + 1.0), sigma)))
        result = first(images)
        for axis in axes:
            pads = (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach)
            wide, size = F.pad(result, pads, mode=mode), images.shape[axis]
            moved = [w * wide.narrow(axis, place, size) for place, w in enumerate(weights)]
            result = sum(moved)
        return result

    return blurred


def blur_in_groups(images, sigma):
    reach, channels = math.ceil(3 * sigma), images.shape[1]
    places = torch.arange(-reach, reach + 1)
    line = (-(places**2) / (2 * sigma**2)).softmax(0)
    kernel = torch.outer(line, line).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(images, (reach,) * 4, mode="reflect"), kernel, groups=channels)


def blur_by_torchvision(images, sigma):
    return gaussian_blur(images, 2 * math.ceil(3 * sigma) + 1, sigma)


# --- 15.3 ----------------------------------------------------------------------------------------


def energy_with(sign=-1, outer=True, inner=True, total=lambda x: x.logsumexp(dim=1)):
    """Make an answer; the options are mistakes."""

    def energy_of(logits, temperature):
        found = total(logits / temperature if inner else logits)
        return sign * (temperature if outer else 1) * found

    return energy_of


def energy_by_shifting(logits, temperature):
    largest = logits.amax(1)
    rest = ((logits - largest[:, None]) / temperature).exp().sum(1).log()
    return -largest - temperature * rest


def energy_by_softmax(logits, temperature):
    """Logit minus log-probability is the same for all classes."""
    scaled = logits / temperature
    return -temperature * (scaled - scaled.log_softmax(1))[:, 0]


# --- 15.4 ----------------------------------------------------------------------------------------


def distillation_with(
    *,
    power=2,
    weights=lambda share: (1 - share, share),
    soft=lambda s, t: F.kl_div(s.log_softmax(1), t.softmax(1), reduction="batchmean"),
    warm=lambda student, teacher, temperature: (student / temperature, teacher / temperature),
    hard=lambda student, labels, temperature: F.cross_entropy(student, labels),
    give=lambda loss: loss,
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def teacher_loss(student, teacher, labels, temperature, share):
        of_labels, of_teacher = weights(share)
        softened = soft(*warm(student, teacher, temperature))
        return give(
            of_labels * hard(student, labels, temperature)
            + of_teacher * temperature**power * softened
        )

    return teacher_loss


def divergence_by_hand(student, teacher):
    p, q = teacher.softmax(1), student.softmax(1)
    return (p * (p / q).log()).sum(1).mean()


# --- 15.5 ----------------------------------------------------------------------------------------


def int8_with(
    *,
    largest=lambda x: x.abs().max(),
    levels=127,
    to_whole=torch.round,
    kind=torch.int8,
    give=lambda numbers, step: (numbers, step),
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def to_int8(x):
        step = (largest(x) / levels).item() or 1.0
        return give(to_whole(x / step).clamp(-128, 127).to(kind), step)

    return to_int8


def int8_with_a_zero_point(x):
    step = ((x.max() - x.min()) / 255).item() or 1.0
    return ((x - x.min()) / step - 128).round().to(torch.int8), step


def int8_by_numpy(x):
    values = x.numpy().astype(np.float64)
    step = np.abs(values).max() / 127 or 1.0
    return np.rint(values / step).astype(np.int8), step


ANSWERS = {
    "15.1": {
        "variants": {"a loop": gaps_with(), "matrices": gaps_by_matrices},
        "wrong": {
            "negative": (gaps_with(gap=lambda a, b: b - a), "usual part comes first"),
            "of the predicted class": (
                gaps_with(whose=lambda labels, predicted: predicted),
                "not for the predicted",
            ),
            "numbers": (gaps_with(rate=lambda right, part: (right & part).sum()), "not numbers"),
            "against all": (gaps_with(others=torch.ones_like), "not of all"),
            "nan": (gaps_with(nothing=math.nan), "not nan"),
            "one": (lambda a, u, labels, p: (labels == p).float().mean(), "should have shape"),
        },
        "empty": {"zeros": lambda a, u, labels, p: torch.zeros(a.shape[1])},
        "adapters": {"the course's": (gaps_by_attribute, 0)},
    },
    "15.2": {
        "variants": {
            "shifted copies": blur_with(),
            "groups": blur_in_groups,
            "torchvision": blur_by_torchvision,
        },
        "wrong": {
            "black border": (blur_with(mode="constant"), "not black"),
            "repeated border": (blur_with(mode="replicate"), "is not repeated"),
            "not divided": (blur_with(weigh=lambda weights: weights), "add up to 1"),
            "near": (blur_with(widths=1), "reach ceil"),
            "sigma alone": (
                blur_with(exponent=lambda x, sigma: -(x**2) / (2 * sigma)),
                "square of sigma",
            ),
            "no 2": (blur_with(exponent=lambda x, sigma: -(x**2) / sigma**2), "2 is missing"),
            "rows alone": (blur_with(axes=(3,)), "along one of them"),
            "columns alone": (blur_with(axes=(2,)), "along one of them"),
            "grey": (
                blur_with(first=lambda x: x.mean(1, keepdim=True).expand_as(x)),
                "on its own",
            ),
            "smaller": (lambda images, sigma: images[:, :, 1:-1, 1:-1], "should have shape"),
        },
        "empty": {"zeros": lambda images, sigma: torch.zeros_like(images)},
        "adapters": {"the course's": (blur, 0)},
    },
    "15.3": {
        "variants": {
            "logsumexp": energy_with(),
            "shifted": energy_by_shifting,
            "softmax": energy_by_softmax,
        },
        "wrong": {
            "no minus": (energy_with(sign=1), "minus is missing"),
            "no factor": (energy_with(outer=False), "multiplied by the temperature"),
            "not divided": (energy_with(inner=False), "divided by the temperature"),
            "overflow": (energy_with(total=lambda x: x.exp().sum(1).log()), "is infinite"),
            "maximum": (energy_with(total=lambda x: x.amax(1)), "not their maximum"),
            "mean": (
                energy_with(total=lambda x: x.logsumexp(1) - math.log(x.shape[1])),
                "do not take the mean",
            ),
            "over images": (energy_with(total=lambda x: x.logsumexp(0)), "one energy for each"),
        },
        "empty": {"zeros": lambda logits, temperature: torch.zeros(len(logits))},
        "adapters": {"the course's": (energy, 0)},
    },
    "15.4": {
        "variants": {
            "kl_div": distillation_with(),
            "by hand": distillation_with(soft=divergence_by_hand),
            "a Python number": distillation_with(give=lambda loss: loss.item()),
        },
        "wrong": {
            "no square": (distillation_with(power=0), "multiplied by T², or"),
            "no square, but T": (distillation_with(power=1), "not by T"),
            "other way round": (
                distillation_with(soft=lambda s, t: divergence_by_hand(t, s)),
                "student's log-probabilities first",
            ),
            "mean of all": (
                distillation_with(soft=lambda s, t: divergence_by_hand(s, t) / s.shape[1]),
                "batchmean",
            ),
            "shares swapped": (
                distillation_with(weights=lambda share: (share, 1 - share)),
                "goes to the labels",
            ),
            "warm labels": (
                distillation_with(hard=lambda s, labels, t: F.cross_entropy(s / t, labels)),
                "without T",
            ),
            "cool teacher": (
                distillation_with(warm=lambda s, t, temperature: (s / temperature, t)),
                "teacher's logits are divided",
            ),
            "cool student": (
                distillation_with(warm=lambda s, t, temperature: (s, t / temperature)),
                "student's logits are divided",
            ),
            "cross-entropy": (
                distillation_with(soft=lambda s, t: F.cross_entropy(s, t.softmax(1))),
                "KL also has",
            ),
            "one for each image": (
                distillation_with(
                    hard=lambda s, labels, t: F.cross_entropy(s, labels, reduction="none")
                ),
                "one number",
            ),
        },
        "empty": {"zero": lambda *arguments: torch.tensor(0.0)},
        "adapters": {"the course's": (distillation_loss, 0)},
    },
    "15.5": {
        "variants": {
            "abs max": int8_with(),
            "a step as tensor": int8_with(give=lambda n, s: [n, torch.tensor(s)]),
            "NumPy": int8_by_numpy,
        },
        "wrong": {
            "128 levels": (int8_with(levels=128), "becomes 127, not 128"),
            "largest": (int8_with(largest=lambda x: x.max()), "largest absolute value, max"),
            "zero point": (int8_with_a_zero_point, "no zero point"),
            "cut": (int8_with(to_whole=torch.trunc), "cuts towards 0"),
            "down": (int8_with(to_whole=torch.floor), "not down"),
            "another type": (int8_with(kind=torch.int32), "type is not"),
            "numbers alone": (int8_with(give=lambda n, s: n), "return two things"),
            "one over the step": (int8_with(give=lambda n, s: (n, 1 / s)), "the step should be"),
        },
        "empty": {"zeros": lambda x: (torch.zeros_like(x).to(torch.int8), 1.0)},
        "adapters": {"the course's": (quantize, 0)},
    },
}
