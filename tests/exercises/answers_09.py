"""Lecture 09: other right answers, and wrong ones with the hint that each should get."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.data import ImageData
from course_utils.inspection import (
    Predictions,
    expected_calibration_error,
    grad_cam,
    most_confident_mistakes,
    reliability,
)
from course_utils.training import top_k_accuracy

# --- 09.1 ----------------------------------------------------------------------------------------


def error_with(
    *,
    keep=lambda k: k,
    error=lambda hit: 1 - hit.float().mean().item(),
    order=lambda scores: scores.argsort(dim=1, descending=True, stable=True),
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def top_k_error(scores, labels, k):
        return error((order(scores)[:, : keep(k)] == labels[:, None]).any(1))

    return top_k_error


def top_k_by_rank(scores, labels, k):
    """In NumPy, and without sorting."""
    scores, labels = scores.numpy(), labels.numpy()
    own = scores[np.arange(len(labels)), labels][:, None]
    before = (np.arange(scores.shape[1]) < labels[:, None]) & (scores == own)
    return float(np.mean(((scores > own) | before).sum(1) >= k))


def top_k_of_any_order(scores, labels, k):
    """`topk` promises nothing of the order of equal scores."""
    return 1 - (scores.topk(k).indices == labels[:, None]).any(1).float().mean().item()


def top_k_tie_for(scores, labels, k):
    own = scores.gather(1, labels[:, None])
    return ((scores > own).sum(1) >= k).float().mean().item()


def upper_class_first(scores):
    return scores.shape[1] - 1 - scores.flip(1).argsort(dim=1, descending=True, stable=True)


# --- 09.2 ----------------------------------------------------------------------------------------


def pictures_with(
    undo=lambda x, mean, std: x * std + mean,
    finish=lambda x: x.clamp(0, 1),
    turn=lambda x: x.permute(0, 2, 3, 1),
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def to_pictures(images, mean, std):
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (mean, std))
        return turn(finish(undo(images, mean, std)))

    return to_pictures


def stretch(*dims):
    def undo(x, mean, std):
        low, high = x.amin(dims, keepdim=True), x.amax(dims, keepdim=True)
        return (x - low) / (high - low)

    return undo


def pictures_channels_last(images, mean, std):
    """Permute first: then the channels are the last axis, and broadcasting needs no reshaping."""
    pictures = images.permute(0, 2, 3, 1) * torch.tensor(std) + torch.tensor(mean)
    return torch.clip(pictures, 0, 1)


def as_it_lies(x):
    count, channels, height, width = x.shape
    return x.reshape(count, height, width, channels)


def pictures_of_the_course(images, mean, std):
    data = ImageData("", "", "", (), None, None, None, tuple(mean), tuple(std))
    return data.denormalize(images).permute(0, 2, 3, 1)


# --- 09.3 ----------------------------------------------------------------------------------------


def mistakes_with(
    *,
    which=lambda predicted, labels: predicted != labels,
    key=lambda p, labels: p.amax(1),
    descending=True,
    pick=lambda wrong, order, n: wrong[order][:n],
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def sure_mistakes(probabilities, labels, n):
        wrong = which(probabilities.argmax(1), labels).nonzero().flatten()
        confidence = key(probabilities, labels)[wrong]
        order = confidence.argsort(descending=descending, stable=True)
        return pick(wrong, order, n)

    return sure_mistakes


def mistakes_by_masking(probabilities, labels, n):
    """Right ones get a confidence of -1 and so the last places."""
    confidence, predicted = probabilities.max(1)
    wrong = predicted != labels
    confidence = torch.where(wrong, confidence, -1.0)
    return confidence.argsort(descending=True, stable=True)[: min(n, int(wrong.sum()))]


def mistakes_late_first(probabilities, labels, n):
    confidence, predicted = probabilities.max(1)
    wrong = (predicted != labels).nonzero().flatten().flip(0)
    return wrong[confidence[wrong].argsort(descending=True, stable=True)][:n]


def mistakes_of_any_order(probabilities, labels, n):
    """`topk` promises nothing of the order of equal confidences."""
    confidence, predicted = probabilities.max(1)
    wrong = (predicted != labels).nonzero().flatten()
    return wrong[confidence[wrong].topk(min(n, len(wrong))).indices]


def mistakes_of_the_course(probabilities, labels, n):
    return most_confident_mistakes(Predictions(probabilities, labels), n)


# --- 09.4 ----------------------------------------------------------------------------------------


def calibration_with(
    *,
    confidence=lambda p, labels: p.amax(1),
    inside=lambda c, low, high: (c > low) & (c <= high),
    gap=abs,
    add=lambda gaps, shares: sum(g * s for g, s in zip(gaps, shares, strict=True)),
    skip_empty=True,
    number=float,
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def calibration_error(probabilities, labels, bins):
        sure = confidence(probabilities, labels)
        correct = (probabilities.argmax(1) == labels).float()
        gaps, shares = [], []
        for b in range(bins):
            chosen = inside(sure, b / bins, (b + 1) / bins)
            if skip_empty and not chosen.any():
                continue
            gaps.append(gap(sure[chosen].mean() - correct[chosen].mean()))
            shares.append(chosen.float().mean())
        return number(add(gaps, shares))

    return calibration_error


def calibration_of_the_course(probabilities, labels, bins):
    confidence, predicted = probabilities.max(1)
    return expected_calibration_error(confidence, predicted == labels, bins)


def calibration_of_bins(probabilities, labels, bins):
    confidence, predicted = probabilities.max(1)
    return reliability(confidence, predicted == labels, bins).error


# --- 09.5 ----------------------------------------------------------------------------------------


def cam_with(
    *,
    target=lambda logits, classes: logits.gather(1, classes[:, None]).sum(),
    weigh=lambda gradient: gradient.mean((2, 3), keepdim=True),
    add=lambda maps: maps.sum(1),
    finish=F.relu,
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def class_maps(features, head, images, classes):
        maps = features(images)
        (gradient,) = torch.autograd.grad(target(head(maps), classes), maps)
        return finish(add(weigh(gradient) * maps))

    return class_maps


def cam_by_backward(features, head, images, classes):
    """One image after the other, with backward and retain_grad."""
    results = []
    for image, number in zip(images, classes, strict=True):
        maps = features(image[None])
        maps.retain_grad()
        head(maps)[0, number].backward()
        weights = maps.grad[0].mean(dim=(1, 2))
        results.append(torch.einsum("c,chw->hw", weights, maps[0]).clamp(min=0))
    return torch.stack(results).detach()


def cam_of_the_course(features, head, images, classes):
    return grad_cam(nn.Sequential(features, head), images, classes, "0")


def cam_of_zeros(features, head, images, classes):
    return torch.zeros_like(features(images)[:, 0])


def cross_entropy(logits, classes):
    return F.cross_entropy(logits, classes, reduction="sum")


ANSWERS = {
    "09.1": {
        "variants": {"rank in NumPy": top_k_by_rank},
        "wrong": {
            "accuracy": (error_with(error=lambda hit: hit.float().mean().item()), "the accuracy"),
            "percent": (
                error_with(error=lambda hit: 100 * (1 - hit.float().mean().item())),
                "not percent",
            ),
            "a count": (
                error_with(error=lambda hit: (~hit).sum().item()),
                "divide the number of errors|share|expected",
            ),
            "top-1": (error_with(keep=lambda k: 1), "top-1 error"),
            "one too many": (error_with(keep=lambda k: k + 1), "not k"),
            "ties count as right": (top_k_tie_for, "at a tie"),
            "ties to the higher class": (error_with(order=upper_class_first), "at a tie"),
            "topk": (top_k_of_any_order, "at a tie"),
            "a tensor": (error_with(error=lambda hit: 1 - hit.float().mean()), r"\.item\(\)"),
            "nothing": (lambda scores, labels, k: None, "expected"),
        },
        "empty": {},
        "adapters": {
            "the course's": (lambda scores, labels, k: 1 - top_k_accuracy(scores, labels, k), 0),
        },
    },
    "09.2": {
        "variants": {
            "by broadcasting": pictures_with(),
            "channels last first": pictures_channels_last,
            "moveaxis": pictures_with(turn=lambda x: torch.moveaxis(x, 1, -1)),
        },
        "wrong": {
            "in place": (
                pictures_with(undo=lambda x, mean, std: x.mul_(std).add_(mean)),
                "have changed",
            ),
            "no permute": (pictures_with(turn=lambda x: x), "channels come last"),
            "reshape": (pictures_with(turn=as_it_lies), "leave the numbers in their order"),
            "transposed": (
                pictures_with(turn=lambda x: x.permute(0, 3, 2, 1)),
                "height and width",
            ),
            "min-max": (pictures_with(undo=stretch(1, 2, 3)), "min-max"),
            "min-max by channel": (pictures_with(undo=stretch(2, 3)), "min-max"),
            "plus first": (
                pictures_with(undo=lambda x, mean, std: (x + mean) * std),
                "undo the last step first",
            ),
            "normalised twice": (
                pictures_with(undo=lambda x, mean, std: (x - mean) / std),
                "once more",
            ),
            "mean for std": (
                pictures_with(undo=lambda x, mean, std: x * mean + std),
                "mean and std changed",
            ),
            "no clamp": (pictures_with(finish=lambda x: x), "no colours"),
            "bytes": (pictures_with(finish=lambda x: 255 * x.clamp(0, 1)), "values"),
        },
        "empty": {"zeros": pictures_with(undo=lambda x, mean, std: 0 * x)},
        "adapters": {"the course's": (pictures_of_the_course, 0)},
    },
    "09.3": {
        "variants": {
            "by sorting the wrong ones": mistakes_with(),
            "by masking": mistakes_by_masking,
        },
        "wrong": {
            "all": (mistakes_with(which=lambda p, labels: p == p), "wrong ones only"),
            "the right ones": (mistakes_with(which=lambda p, labels: p == labels), "right ones"),
            "places": (mistakes_with(pick=lambda w, order, n: order[:n]), r"look up wrong\[order"),
            "least sure": (mistakes_with(descending=False), "descending=True"),
            "true class": (
                mistakes_with(
                    key=lambda p, labels: p.gather(1, labels[:, None])[:, 0], descending=False
                ),
                "true class",
            ),
            "unsorted": (mistakes_with(pick=lambda w, order, n: w[:n]), "sort them by confidence"),
            "all mistakes": (mistakes_with(pick=lambda w, order, n: w[order]), "only the first n"),
            "late first": (mistakes_late_first, "stable=True"),
            "topk": (mistakes_of_any_order, "of equally sure ones the earlier comes first"),
            "confidences": (lambda p, labels, n: p.amax(1)[:n], "not confidences"),
            "floats": (lambda *asked: mistakes_with()(*asked).float(), "int64"),
            "a list": (lambda p, labels, n: [0], "return a tensor"),
        },
        "empty": {
            "no positions": lambda p, labels, n: torch.tensor([], dtype=torch.int64),
            "the first": lambda p, labels, n: torch.arange(n),
        },
        "adapters": {"the course's": (mistakes_of_the_course, 0)},
    },
    "09.4": {
        "variants": {"a loop": calibration_with()},
        "wrong": {
            "signed": (calibration_with(gap=lambda g: g), "no sign"),
            "unweighted": (
                calibration_with(add=lambda gaps, shares: sum(gaps) / len(gaps)),
                "weigh each gap",
            ),
            "largest": (calibration_with(add=lambda gaps, shares: max(gaps)), "largest gap"),
            "true class": (
                calibration_with(confidence=lambda p, labels: p.gather(1, labels[:, None])[:, 0]),
                "not that of the true class",
            ),
            "upper bin": (
                calibration_with(
                    inside=lambda c, low, high: (c >= low) & ((c < high) | (high == 1))
                ),
                "lower bin",
            ),
            "empty bins": (calibration_with(skip_empty=False), "empty bins"),
            "squares": (calibration_with(gap=lambda g: g**2), "square nothing"),
            "a tensor": (calibration_with(number=torch.as_tensor), r"\.item\(\)"),
            "nothing": (lambda probabilities, labels, bins: None, "expected"),
        },
        "empty": {},
        "adapters": {
            "the course's": (calibration_of_the_course, 0),
            "its bins": (calibration_of_bins, 0),
        },
    },
    "09.5": {
        "variants": {"autograd.grad": cam_with(), "backward": cam_by_backward},
        "wrong": {
            "no relu": (cam_with(finish=lambda x: x), "ReLU is missing"),
            "predicted class": (
                cam_with(target=lambda logits, classes: logits.amax(1).sum()),
                "not of the predicted",
            ),
            "probability": (
                cam_with(target=lambda z, c: z.softmax(1).gather(1, c[:, None]).sum()),
                "not of the probability",
            ),
            "loss": (cam_with(target=cross_entropy), "not of the loss"),
            "all classes": (cam_with(target=lambda z, c: z.sum()), "one logit"),
            "no mean": (cam_with(weigh=lambda g: g), "one weight"),
            "sum of gradients": (
                cam_with(weigh=lambda g: g.sum((2, 3), keepdim=True)),
                "not the sum",
            ),
            "one weight for all images": (
                cam_with(weigh=lambda g: g.mean((0, 2, 3), keepdim=True)),
                "weights of its own",
            ),
            "relu of the weights": (
                cam_with(weigh=lambda g: g.mean((2, 3), keepdim=True).relu()),
                "keeps its sign",
            ),
            "no gradient": (cam_with(weigh=torch.ones_like), "gradient is missing"),
            "mean over the channels": (cam_with(add=lambda maps: maps.mean(1)), "not the mean"),
            "one axis too many": (cam_with(add=lambda m: m.sum(1, keepdim=True)), "shape should"),
        },
        "empty": {"zeros": cam_of_zeros},
        "adapters": {"the course's": (cam_of_the_course, 0)},
    },
}
