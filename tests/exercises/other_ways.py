"""More right answers, as students write them: NumPy, loops, einsum, float64, other calls."""

import copy
import math
import random
import statistics
from collections import Counter

import numpy as np
import torch
from torch.nn import functional as F

from course_utils.models import KNearestNeighbors

# --- 01 ------------------------------------------------------------------------------------------


def distances_by_einsum(queries, images):
    lengths = [torch.einsum("nd,nd->n", x, x) for x in (queries, images)]
    products = torch.einsum("md,nd->mn", queries, images)
    return (lengths[0][:, None] + lengths[1] - 2 * products).clamp(0).sqrt()


def distances_in_float64(queries, images):
    return torch.linalg.norm(queries.double()[:, None] - images.double(), dim=2)


def vote_by_mode(distances, labels, k):
    return labels[distances.argsort(dim=1, stable=True)[:, :k]].mode(1).values


def vote_by_counter(distances, labels, k):
    """The counter keeps the order of what it counts, so the sorted labels settle ties."""
    near = labels[distances.sort(dim=1, stable=True).indices[:, :k]].tolist()
    return torch.tensor([Counter(sorted(row)).most_common(1)[0][0] for row in near])


def vote_by_repeated_minimum(distances, labels, k):
    distances, rows = distances.clone(), torch.arange(len(distances))
    votes = torch.zeros(len(distances), int(labels.max()) + 1)
    for _ in range(k):
        nearest = distances.argmin(1)
        votes[rows, labels[nearest]] += 1
        distances[rows, nearest] = float("inf")
    return votes.argmax(1)


def choose_by_slices(images, labels, ks, folds):
    accuracies = []
    for k in ks:
        hits = 0
        for fold in range(folds):
            asked = torch.zeros(len(labels), dtype=torch.bool)
            asked[fold::folds] = True
            knn = KNearestNeighbors(k).fit(images[~asked], labels[~asked])
            hits += int((knn.predict(images[asked]) == labels[asked]).sum())
        accuracies.append(np.float64(hits / len(labels)))
    return sorted(zip(ks, accuracies, strict=True), key=lambda t: (-t[1], t[0]))[0][0], accuracies


def best_by_argmax(scores, k):
    """Take out the best class k times: `argmax` gives the lowest of equal ones."""
    scores, rows = scores.clone(), torch.arange(len(scores))
    best = []
    for _ in range(k):
        best.append(scores.argmax(1))
        scores[rows, best[-1]] = -float("inf")
    return torch.stack(best, dim=1)


def best_by_python(scores, k):
    order = [sorted(range(len(row)), key=lambda c, row=row: -row[c]) for row in scores.tolist()]
    return torch.tensor(order)[:, :k]


def best_by_numpy(scores, k):
    return torch.from_numpy(np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :k])


def hits_with(best):
    return lambda scores, labels, k: (best(scores, k) == labels[:, None]).any(1)


def accuracy_with(best):
    return lambda *case: hits_with(best)(*case).double().mean().item()


def error_with(best):
    return lambda *case: np.mean(~hits_with(best)(*case).numpy())


# --- 02 ------------------------------------------------------------------------------------------


def size_by_floor(size, kernel_size, stride=1, padding=0, dilation=1):
    room = size + 2 * padding - dilation * (kernel_size - 1) - 1
    return max(0, math.floor(room / stride + 1))


def convolve_by_taps(image, weight, bias, stride=1, padding=0):
    """One product for each place in the kernel, with float64."""
    padded = F.pad(image, (padding,) * 4).double()
    size = weight.shape[-1]
    rows, columns = ((n - size) // stride * stride + 1 for n in padded.shape[1:])
    output = bias.double()[:, None, None]
    for y in range(size):
        for x in range(size):
            taken = padded[:, y : y + rows : stride, x : x + columns : stride]
            output = output + torch.einsum("oc,chw->ohw", weight[:, :, y, x].double(), taken)
    return output


def pool_by_lists(image, kernel_size, stride, padding=0):
    padded = F.pad(image, (padding,) * 4, value=image.min().item())
    rows, columns = (range(0, n - kernel_size + 1, stride) for n in padded.shape[1:])
    windows = [
        [padded[:, y : y + kernel_size, x : x + kernel_size].flatten(1).max(1)[0] for x in columns]
        for y in rows
    ]
    return np.array([[w.numpy() for w in row] for row in windows]).transpose(2, 0, 1)


# --- 03 to 06 ------------------------------------------------------------------------------------


def step_with_autograd(model, images, labels, optimizer):
    model.train()
    logits = model(images)
    loss = F.nll_loss(F.log_softmax(logits, dim=1), labels)
    parameters = list(model.parameters())
    for parameter, new in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = new
    optimizer.step()
    return float(loss.detach()), np.sum(logits.argmax(1).numpy() == labels.numpy())


def evaluate_one_by_one(model, batches):
    mode, losses, hits = model.training, [], []
    model.eval()
    with torch.inference_mode():
        for images, labels in batches:
            for image, label in zip(images, labels, strict=True):
                logits = model(image[None])
                losses.append(F.cross_entropy(logits, label[None]).item())
                hits.append(logits.argmax() == label)
    model.train(mode)
    return np.mean(losses), float(np.mean(hits))


def train_and_add_tensors(model, batches, optimizer, epochs):
    losses = []
    for _ in range(epochs):
        model.train()
        total, count = torch.zeros(()), sum(len(labels) for _, labels in batches)
        for images, labels in batches:
            loss = F.cross_entropy(model(images), labels, reduction="sum")
            optimizer.zero_grad(set_to_none=False)
            (loss / len(labels)).backward()
            optimizer.step()
            total += loss.detach()
        losses.append((total / count).item())
    return tuple(losses)


def norm_by_matrix(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    place = torch.arange(x.shape[1])
    near = ((place[:, None] - place).abs() <= size // 2).float()
    return x * (k + alpha / size * torch.einsum("ij,njhw->nihw", near, x**2)).pow(-beta)


def drop_by_numpy(x, probability, training):
    if not training or probability == 0:
        return x.clone()
    if probability == 1:
        return x * 0
    kept = torch.from_numpy(np.random.default_rng().random(tuple(x.shape)) > probability)
    return torch.where(kept, x / (1 - probability), 0.0)


def augment_by_random(images, padding=4):
    """Mirror, then pad and cut, with Python's own random numbers."""
    made = []
    for image in images:
        image = image.flip(2) if random.random() < 0.5 else image
        top, left = (random.randint(0, 2 * padding) for _ in range(2))
        padded = F.pad(image, (padding,) * 4)
        made.append(padded[:, top : top + image.shape[1], left : left + image.shape[2]])
    return torch.stack(made)


def rate_by_table(step, steps, warm_up, peak):
    """All rates of the run, of which one is taken."""
    rising = np.arange(1, warm_up + 1) / max(1, warm_up)
    falling = 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, steps - warm_up + 1))
    return (peak * np.concatenate([rising, falling]))[step]


def mix_one_by_one(images, labels, partners, shares, num_classes):
    mixed, soft = torch.empty_like(images), np.zeros((len(labels), num_classes))
    for i, (partner, share) in enumerate(zip(partners.tolist(), shares.tolist(), strict=True)):
        mixed[i] = share * images[i] + (1 - share) * images[partner]
        soft[i, labels[i]] += share
        soft[i, labels[partner]] += 1 - share
    return [mixed, soft]


@torch.no_grad()
def average_by_load(average, model, decay):
    old, new = average.state_dict(), model.state_dict()
    average.load_state_dict(
        {
            name: torch.lerp(value, old[name], decay) if value.is_floating_point() else value
            for name, value in new.items()
        }
    )
    return average


def diagnose_by_sums(record):
    """Without `zero_grad`, what is in ``.grad`` is the sum of all gradients so far."""
    if record["model_device"] != record["images_device"]:
        return ("device",)
    gradients, true = np.array(record["gradient"]), np.array(record["true_gradient"])
    means, is_zero = np.array(record["running_mean"]), not np.any(gradients)
    signs = {
        "train": np.ptp(means[:-1]) == 0,
        "backward": is_zero,
        "zero_grad": np.allclose(gradients, true.cumsum(), atol=1e-3),
        "step": not is_zero and np.allclose(*record["weight"][:2]),
        "eval": not np.allclose(*means[-2:]),
        "no_grad": record["evaluation_graph"],
    }
    return tuple(call for call, holds in signs.items() if holds)


# --- 07 to 09 ------------------------------------------------------------------------------------


class Changed:
    """Positions in their order, and a transform of its own."""

    def __init__(self, dataset, positions, transform):
        self.dataset, self.positions, self.transform = dataset, sorted(positions), transform

    def __len__(self):
        return len(self.positions)

    def __getitem__(self, index):
        image, label = self.dataset[self.positions[index]]
        return self.transform(image), label


def split_in_order(dataset, count, train_transform, validation_transform, seed):
    order = random.Random(seed).sample(range(len(dataset)), len(dataset))
    dataset = copy.copy(dataset)
    dataset.transform = None
    train = Changed(dataset, order[count:], train_transform)
    return train, Changed(dataset, order[:count], validation_transform)


def draw_by_numpy(labels, per_class, seed):
    generator, names = np.random.default_rng(seed), labels.numpy()
    drawn = [
        generator.choice(np.flatnonzero(names == name), per_class, replace=False)
        for name in np.unique(names)
    ]
    return torch.from_numpy(np.sort(np.concatenate(drawn)))


def means_by_products(features, labels, new_features):
    names = labels.unique()
    belongs = (labels == names[:, None]).float()
    points = belongs @ features / belongs.sum(1, keepdim=True)
    squares = (points**2).sum(1) - 2 * new_features @ points.T
    return names[squares.argmin(1)]


def norms_by_numpy(model, images, labels):
    model.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    weights = {name: p.grad.numpy() for name, p in model.named_parameters() if p.dim() >= 2}
    return {name: np.sqrt((grad**2).sum()) for name, grad in weights.items()}


def shortcut_by_pooling(x, out_channels, stride=1):
    zeros = torch.zeros(len(x), out_channels - x.shape[1], *x.shape[2:])
    return F.avg_pool2d(torch.cat([x, zeros], 1), 1, stride)


def pictures_by_numpy(images, mean, std):
    return np.clip(images.numpy().transpose(0, 2, 3, 1) * np.array(std) + np.array(mean), 0, 1)


def mistakes_by_python(probabilities, labels, n):
    sure, predicted = probabilities.max(1)
    wrong = [i for i in range(len(labels)) if predicted[i] != labels[i]]
    return torch.tensor(sorted(wrong, key=lambda i: -sure[i])[:n], dtype=torch.long)


def calibration_by(place):
    """Make an answer from what gives the number of the bin of each confidence."""

    def calibration_error(probabilities, labels, bins):
        sure, predicted = probabilities.max(1)
        which, right = place(sure, bins), (predicted == labels).float()
        inside = [which == b for b in range(bins)]
        return sum(abs(float((sure[i] - right[i]).sum())) for i in inside) / len(labels)

    return calibration_error


# --- 10 to 12 ------------------------------------------------------------------------------------


def statistics_by_welford(batches):
    """Means and squared differences of the batches, put together one after the other."""
    count, mean, spread = 0, 0, 0
    for batch in batches:
        values = batch.numpy().transpose(1, 0, 2, 3).reshape(batch.shape[1], -1) / 255
        new = values.shape[1]
        step = values.mean(1) - mean
        spread = spread + new * values.var(1) + step**2 * count * new / (count + new)
        count, mean = count + new, mean + step * new / (count + new)
    return mean, np.sqrt(spread / count)


def prune_with(middle):
    def should_prune(values, finished):
        there = [other[len(values) - 1] for other in finished]
        return len(there) >= 5 and max(values) < middle(there)

    return should_prune


def groups_by_one_large_weight(x, weight, groups):
    """All other weights are 0."""
    count, read = weight.shape[0] // groups, weight.shape[1]
    full = torch.zeros(len(weight), x.shape[1], *weight.shape[2:])
    for g in range(groups):
        own = slice(g * count, (g + 1) * count)
        full[own, g * read : (g + 1) * read] = weight[own]
    return F.conv2d(x, full, padding="same")


def scaled_by_numpy(factor, alpha, beta, gamma):
    bases = np.array([alpha, beta, gamma])
    powers = bases ** (np.log(factor) / (np.log(bases) @ [1, 2, 2]))
    return powers.tolist()


MORE_VARIANTS = {
    "01.1": {"einsum": distances_by_einsum, "float64": distances_in_float64},
    "01.2": {
        "mode": vote_by_mode,
        "counter": vote_by_counter,
        "the nearest, again and again": vote_by_repeated_minimum,
    },
    "01.3": {"slices": choose_by_slices},
    "01.4": {
        "argmax": accuracy_with(best_by_argmax),
        "Python": accuracy_with(best_by_python),
        "NumPy": accuracy_with(best_by_numpy),
    },
    "02.1": {"floor": size_by_floor},
    "02.2": {"taps": convolve_by_taps},
    "02.3": {"lists": pool_by_lists},
    "03.2": {"autograd.grad": step_with_autograd},
    "03.3": {"one by one": evaluate_one_by_one},
    "03.4": {"tensors": train_and_add_tensors},
    "04.2": {"a matrix": norm_by_matrix},
    "06.2": {"a table": rate_by_table},
    "06.3": {"NumPy": drop_by_numpy},
    "06.4": {"random": augment_by_random},
    "06.5": {"one by one": mix_one_by_one},
    "06.6": {"load_state_dict": average_by_load},
    "06.7": {"sums": diagnose_by_sums},
    "07.3": {"NumPy": draw_by_numpy},
    "07.4": {"products": means_by_products},
    "07.5": {"in order": split_in_order},
    "08.1": {"NumPy": norms_by_numpy},
    "08.2": {"pooling": shortcut_by_pooling},
    "09.1": {
        "argmax": error_with(best_by_argmax),
        "Python": error_with(best_by_python),
        "NumPy": error_with(best_by_numpy),
    },
    "09.2": {"NumPy": pictures_by_numpy},
    "09.3": {"Python": mistakes_by_python},
    "09.4": {
        "ceil": calibration_by(lambda sure, bins: (sure * bins).ceil() - 1),
        "bucketize": calibration_by(
            lambda sure, bins: torch.bucketize(sure, torch.linspace(0, 1, bins + 1)) - 1
        ),
        "digitize": calibration_by(
            lambda sure, bins: np.digitize(sure, np.linspace(0, 1, bins + 1), right=True) - 1
        ),
    },
    "10.3": {"means put together": statistics_by_welford},
    "10.5": {
        "NumPy": prune_with(np.median),
        "statistics": prune_with(statistics.median),
        "quantile": prune_with(lambda there: torch.tensor(there).quantile(0.5).item()),
    },
    "12.1": {"one large weight": groups_by_one_large_weight},
    "12.4": {
        "NumPy": scaled_by_numpy,
        "an array": lambda **case: np.array(scaled_by_numpy(**case)),
    },
    "12.5": {
        "matrix products": lambda maps, weight, classes: (
            weight[classes][:, None] @ maps.flatten(2)
        ).reshape(len(maps), *maps.shape[2:]),
    },
}
