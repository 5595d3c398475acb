"""Lecture 03: other right answers, and wrong ones with the hint that each should get."""

import torch
from torch import nn
from torch.nn import functional as F

from course_utils.models.lenet import LeNet5
from course_utils.training.loop import evaluate, train_one_epoch


def side(size):
    return ((size - 4) // 2 - 4) // 2


# --- 03.1 ----------------------------------------------------------------------------------------


class Attributes(nn.Module):
    """Layers one by one as attributes, functions between them."""

    flat_side = staticmethod(side)

    def __init__(self, num_classes, in_channels, image_size):
        super().__init__()
        self.flat = 16 * self.flat_side(image_size) ** 2
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(self.flat, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))  # maximum and ReLU may change places
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).view(len(x), -1)
        return self.head(x)

    def head(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Lazy(Attributes):
    def __init__(self, num_classes, in_channels, image_size):
        super().__init__(num_classes, in_channels, image_size)
        self.fc1 = nn.LazyLinear(120)


class FixedSize(Attributes):
    flat_side = staticmethod(lambda size: 5)


class RoundedUp(Attributes):
    flat_side = staticmethod(lambda size: -(-(-(-(size - 4) // 2) - 4) // 2))


class NoHiddenReLU(Attributes):
    def head(self, x):
        return self.fc3(self.fc2(self.fc1(x)))


class WithSoftmax(Attributes):
    def head(self, x):
        return super().head(x).softmax(dim=1)


class WithLastReLU(Attributes):
    def head(self, x):
        return F.relu(super().head(x))


class AveragePool(Attributes):
    def forward(self, x):
        x = F.avg_pool2d(F.relu(self.conv1(x)), 2)
        return self.head(F.avg_pool2d(F.relu(self.conv2(x)), 2).flatten(1))


class NoConvReLU(Attributes):
    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 2)
        return self.head(F.max_pool2d(self.conv2(x), 2).flatten(1))


class Transposed(Attributes):
    def head(self, x):
        return super().head(x).T


class OneLayerShort(Attributes):
    def __init__(self, num_classes, in_channels, image_size):
        super().__init__(num_classes, in_channels, image_size)
        self.fc3 = None


class InAList(Attributes):
    def __init__(self, num_classes, in_channels, image_size):
        nn.Module.__init__(self)
        self.layers = [nn.Conv2d(in_channels, 6, 5), nn.Conv2d(6, 16, 5)]


class Padded(Attributes):
    def __init__(self, num_classes, in_channels, image_size):
        super().__init__(num_classes, in_channels, image_size)
        self.fc1 = nn.Linear(16 * (image_size // 4) ** 2, 120)


def sequential(num_classes, in_channels, image_size):
    """A function that builds the network is as good as a class."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * side(image_size) ** 2, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, num_classes),
    )


class Zeros(Attributes):
    def forward(self, x):
        return 0 * super().forward(x)


def with_a_lazy_layer(num_classes, in_channels, image_size):
    """The course's network, with the one layer replaced that knows the size of the images."""
    network = LeNet5(num_classes, in_channels)
    network.classifier[0] = nn.LazyLinear(120)
    return network


# --- 03.2 ----------------------------------------------------------------------------------------


def step_with(
    *,
    train=True,
    zero=True,
    backward_first=True,
    step=True,
    loss_of=F.cross_entropy,
    result=lambda loss, correct, labels: (loss.item(), correct.item()),
):
    """Make a training step; each option is a mistake or another way to write it."""

    def training_step(model, images, labels, optimizer):
        if train:
            model.train()
        logits = model(images)
        loss = loss_of(logits, labels)
        if zero:
            optimizer.zero_grad()
        if backward_first:
            loss.backward()
        if step:
            optimizer.step()
        if not backward_first:
            loss.backward()
        return result(loss, (logits.argmax(dim=1) == labels).sum(), labels)

    return training_step


def step_by_hand(model, images, labels, optimizer):
    """Gradients without .backward(), counted with Python numbers, cleared at the end too."""
    model.train()
    model.zero_grad(set_to_none=False)
    logits = model(images)
    loss = nn.CrossEntropyLoss()(logits, labels)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    optimizer.zero_grad()
    predicted = logits.detach().topk(1).indices[:, 0]
    return [float(loss.detach()), sum(int(a == b) for a, b in zip(predicted, labels, strict=True))]


def counted_after_the_step(model, images, labels, optimizer):
    loss, _ = step_with()(model, images, labels, optimizer)
    with torch.no_grad():
        return loss, int((model(images).argmax(dim=1) == labels).sum())


def step_of_the_course(model, images, labels, optimizer):
    loss, accuracy = train_one_epoch(model, [(images, labels)], optimizer)
    return loss, round(accuracy * len(labels))


# --- 03.3 ----------------------------------------------------------------------------------------


def evaluate_with(*, mode="eval", no_grad=True, restore=True, per_batch=False, result=None):
    """Make an evaluation; each option is a mistake."""

    def evaluate_model(model, batches):
        was_training = model.training
        getattr(model, mode)()
        loss, correct, total = 0.0, 0.0, 0
        with torch.set_grad_enabled(not no_grad):
            for images, labels in batches:
                logits = model(images)
                count = 1 if per_batch else len(labels)
                loss += F.cross_entropy(logits, labels).item() * count
                correct += (logits.argmax(1) == labels).float().mean().item() * count
                total += count
        if restore:
            model.train(was_training)
        return (result or (lambda loss, correct, total: (loss / total, correct / total)))(
            loss, correct, total
        )

    return evaluate_model


@torch.inference_mode()
def evaluate_all_at_once(model, batches):
    """One forward pass over all the images."""
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    before, _ = model.training, model.eval()
    logits = model(images)
    model.train(before)
    accuracy = (logits.argmax(dim=1) == labels).float().mean()
    return F.cross_entropy(logits, labels).item(), accuracy.item()


def evaluation_of_the_course(model, batches):
    result = evaluate(model, batches)
    return result.loss, result.accuracy


# --- 03.4 ----------------------------------------------------------------------------------------


def training_with(
    *, train=True, softmax=False, zero=True, step="each batch", numbers=True, weighted=True
):
    """Make a training loop; the options are the six mistakes of the loop in the task."""

    def repaired_training(model, batches, optimizer, epochs):
        model.train(train)
        losses = []
        for _ in range(epochs):
            total, count = 0.0, 0
            for images, labels in batches:
                if zero:
                    optimizer.zero_grad()
                logits = model(images)
                loss = F.cross_entropy(logits.softmax(dim=1) if softmax else logits, labels)
                if step == "before backward":
                    optimizer.step()
                loss.backward()
                if step == "each batch":
                    optimizer.step()
                weight = len(labels) if weighted else 1
                total += (loss.item() if numbers else loss) * weight
                count += weight
            if step == "each epoch":
                optimizer.step()
            losses.append(total / count)
        return losses

    return repaired_training


def cleared_before_the_step(model, batches, optimizer, epochs):
    model.train()
    losses = []
    for _ in range(epochs):
        total = 0.0
        for images, labels in batches:
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
            total += loss.item() * len(labels)
        losses.append(total / sum(len(labels) for _, labels in batches))
    return losses


def train_in_every_epoch(model, batches, optimizer, epochs):
    """Sums with reduction="sum", gradients cleared after each step."""
    losses = []
    optimizer.zero_grad(set_to_none=False)
    for _ in range(epochs):
        model.train()
        total, count = torch.zeros(()), 0
        for images, labels in batches:
            loss = F.cross_entropy(model(images), labels, reduction="sum")
            (loss / len(labels)).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            total, count = total + loss.detach(), count + len(labels)
        losses.append((total / count).item())
    return losses


ALL_SIX = dict(
    train=False, softmax=True, zero=False, step="each epoch", numbers=False, weighted=False
)


def only_the_last_loss(*arguments):
    return training_with()(*arguments)[-1]


def loop_of_the_course(model, batches, optimizer, epochs):
    return [train_one_epoch(model, batches, optimizer)[0] for _ in range(epochs)]


def same_loss_for_all(*arguments):
    losses = training_with()(*arguments)
    return losses[:1] * len(losses)


ANSWERS = {
    "03.1": dict(
        variants={"attributes": Attributes, "lazy layers": Lazy, "sequential": sequential},
        wrong={
            "400 inputs always": (FixedSize, "fits 32×32 images only"),
            "size rounded up": (RoundedUp, "pooling drops a remainder"),
            "padded convolutions": (Padded, "first linear layer.*follow the size"),
            "no ReLU in the middle": (NoHiddenReLU, "two linear layers .* missing"),
            "no ReLU after convolutions": (NoConvReLU, "after the convolutions the ReLU is"),
            "softmax at the end": (WithSoftmax, "leave the softmax out"),
            "ReLU at the end": (WithLastReLU, "no ReLU after it"),
            "average pooling": (AveragePool, "not with the average"),
            "transposed output": (Transposed, r"logits of shape \(N, num_classes\)"),
            "two linear layers": (OneLayerShort, "10 parameter tensors; your model has 8"),
            "layers in a list": (InAList, "plain Python list stay invisible"),
            "not a module": (lambda **_: "LeNet", "inherits from nn.Module"),
        },
        empty={"zeros": Zeros},
        adapters={
            "LeNet5": (lambda num_classes, in_channels, **_: LeNet5(num_classes, in_channels), 0),
            "LeNet5 with a lazy layer": (with_a_lazy_layer, 0),
        },
    ),
    "03.2": dict(
        variants={"zero_grad before backward": step_with(), "by hand": step_by_hand},
        wrong={
            "no zero_grad": (step_with(zero=False), "old gradients were added"),
            "no train": (step_with(train=False), r"call model\.train\(\)"),
            "no step": (step_with(step=False), "weights have not changed"),
            "step first": (step_with(backward_first=False), "weights have not changed"),
            "softmax twice": (
                step_with(loss_of=lambda x, y: F.cross_entropy(x.softmax(1), y)),
                "applied twice",
            ),
            "sum": (
                step_with(loss_of=lambda x, y: F.cross_entropy(x, y, reduction="sum")),
                "not the sum",
            ),
            "loss tensor": (
                step_with(result=lambda loss, correct, _: (loss, correct.item())),
                r"the loss is a tensor.*\.item\(\)",
            ),
            "count tensor": (
                step_with(result=lambda loss, correct, _: (loss.item(), correct)),
                "number of correct predictions is a tensor",
            ),
            "share": (
                step_with(result=lambda loss, c, labels: (loss.item(), c.item() / len(labels))),
                "not their share",
            ),
            "only the loss": (
                step_with(result=lambda loss, *_: loss.item()),
                "Return two numbers",
            ),
            "counted after the step": (counted_after_the_step, "from before the step"),
        },
        empty={"all right": lambda model, images, labels, optimizer: (0.0, len(labels))},
        adapters={"train_one_epoch": (step_of_the_course, 0)},
    ),
    "03.3": dict(
        variants={"a plain loop": evaluate_with(), "all at once": evaluate_all_at_once},
        wrong={
            "training mode": (evaluate_with(mode="train"), r"call model\.eval\(\)"),
            "gradients": (evaluate_with(no_grad=False), r"torch\.no_grad\(\)"),
            "left in eval": (evaluate_with(restore=False), "mode in which you found it"),
            "mean of means": (evaluate_with(per_batch=True), "not over batches"),
            "totals": (
                evaluate_with(result=lambda loss, correct, _: (loss, correct)),
                "divide by the number of images",
            ),
            "percent": (
                evaluate_with(result=lambda loss, c, total: (loss / total, 100 * c / total)),
                "from 0 to 1",
            ),
            "accuracy only": (
                evaluate_with(result=lambda loss, correct, total: correct / total),
                "return two numbers",
            ),
            "tensors": (
                evaluate_with(result=lambda a, b, n: (torch.tensor(a / n), b / n)),
                r"mean loss is a tensor.*\.item\(\)",
            ),
            "model not used": (lambda model, batches: (2.3, 0.1), "never called"),
        },
        empty={"all right": evaluate_with(result=lambda *_: (0.0, 1.0))},
        adapters={"evaluate": (evaluation_of_the_course, 0)},
    ),
    "03.4": dict(
        variants={"in order": training_with(), "another order": train_in_every_epoch},
        wrong={
            "nothing mended": (training_with(**ALL_SIX), "which call puts it into training mode"),
            "evaluation mode": (training_with(train=False), "which call puts it into training"),
            "softmax": (training_with(softmax=True), "logits or probabilities"),
            "no zero_grad": (training_with(zero=False), "who clears them"),
            "step first": (training_with(step="before backward"), "one backward and then one step"),
            "step outside": (training_with(step="each epoch"), "one backward and then one step"),
            "two mended": (
                training_with(**ALL_SIX | dict(train=True, softmax=False)),
                "clears them",
            ),
            "tensors": (training_with(numbers=False), "keep the graph"),
            "mean of means": (training_with(weighted=False), "weight each batch's mean"),
            "cleared too late": (cleared_before_the_step, "cleared between backward and step"),
            "no list": (only_the_last_loss, "list with one"),
            "nothing": (lambda *_: [0.0, 0.0], "never called"),
            "one loss for all": (same_loss_for_all, "the losses of all epochs are the same"),
        },
        empty={"the loop as it is handed out": training_with(**ALL_SIX)},
        adapters={"train_one_epoch": (loop_of_the_course, 0)},
    ),
}
