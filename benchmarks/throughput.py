"""Training throughput on 3 x 32 x 32 images: ours, a lab sheet's loop, Lightning and skorch.

    python benchmarks/throughput.py [--batches 10] [--rounds 3] [--quick] [--accuracy]

All train the same network with the same optimizer on the same random images, with random crops and
flips, and take turns in one process; the fastest round of each counts. "ours" is
`train_one_epoch` with `choose_precision`, `BatchLoader` and `fit`'s optimizer. "lab sheet" is the
loop that most courses show: torchvision's transforms image by image, a DataLoader, float32.
Lightning and skorch get the lab sheet's DataLoader and are optional: pip install lightning skorch

The share of the peak is the network's multiply-adds (forward and twice that backward) a second,
beside those of a matrix product of 2048 x 2048 in ours' number type, measured in the same rounds.
`--accuracy` instead trains LeNet-5 on the bundled images, ours and the lab sheet, with three seeds.
The table goes to benchmarks/RESULTS.md; `--quick` takes about a minute and only prints.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import statistics
import time
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from course_utils.arithmetic import count_flops
from course_utils.data import BatchLoader, load_data, standard_augmentation
from course_utils.data.types import ImageData, Split
from course_utils.lectures import store_part
from course_utils.models import LeNet5
from course_utils.models.resnet import SmallResNet
from course_utils.models.vgg import slim_vgg
from course_utils.runtime import machine
from course_utils.training import choose_precision, evaluate, train_one_epoch
from course_utils.training.recipe import make_optimizer

CPU = torch.device("cpu")
SHAPE = (3, 32, 32)
SEEDS = (0, 1, 2)
PEAK_SIZE = 2048

Training = Callable[[], object]  # one epoch

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "VGG-11": lambda: slim_vgg("vgg11", width=1.0),
    "ResNet-20": SmallResNet,
    "LeNet-5": lambda: LeNet5(in_channels=3),
}


class LabSheetDataset(Dataset):
    """The training images as a lab sheet has them: a picture, then torchvision's transforms."""

    def __init__(self, data: ImageData) -> None:
        arrays = data.train.images.permute(0, 2, 3, 1).numpy()
        self.arrays = arrays.squeeze(-1) if arrays.shape[-1] == 1 else arrays
        self.labels = data.train.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(data.image_shape[-1], padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(data.mean, data.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.labels[index]


def random_data(count: int) -> ImageData:
    """Return a data set of ``count`` random training images and next to nothing else."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, *SHAPE), dtype=torch.uint8, generator=generator)
    train = Split(images, torch.arange(count) % 10)
    rest, names = train.at([0]), tuple("0123456789")
    mean, std = (0.5,) * 3, (0.25,) * 3
    return ImageData("random", "Random", "Random pixels.", names, train, rest, rest, mean, std)


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)


def ours(
    model: nn.Module, data: ImageData, batch: int, seed: int = 0, device: torch.device = CPU
) -> Training:
    """Return an epoch of the course's training."""
    amp = choose_precision(device)
    model = amp.place(model)
    augment = standard_augmentation()
    loader = BatchLoader(data, batch_size=batch, augment=augment, seed=seed, device=device)
    optimizer = make_optimizer("sgd", model, learning_rate=0.01, weight_decay=0.0)
    return lambda: train_one_epoch(model, loader, optimizer, device=device, amp=amp)


def lab_sheet(
    model: nn.Module,
    data: ImageData,
    batch: int,
    device: torch.device = CPU,
    workers: int = 0,
) -> Training:
    """Return an epoch of the loop that most courses show; ``workers`` are the loader's."""
    model = model.to(device)
    loader = DataLoader(LabSheetDataset(data), batch_size=batch, shuffle=True, num_workers=workers)
    optimizer = sgd(model)

    def train() -> None:
        model.train()
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()

    return train


def with_lightning(model: nn.Module, data: ImageData, batch: int) -> Training:
    """Return an epoch of Lightning's Trainer with everything that reports or stores turned off."""
    import lightning  # optional

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple, _: int) -> torch.Tensor:
            images, labels = batch
            return F.cross_entropy(self.model(images), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return sgd(self.model)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    silent = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    module = Module()
    loader = DataLoader(LabSheetDataset(data), batch_size=batch, shuffle=True)

    def train() -> None:
        options = dict.fromkeys(silent, False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on workers and logging
            lightning.Trainer(accelerator="cpu", max_epochs=1, **options).fit(module, loader)

    return train


def with_skorch(model: nn.Module, data: ImageData, batch: int) -> Training:
    """Return an epoch of skorch."""
    import skorch  # optional

    net = skorch.NeuralNetClassifier(
        model,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__momentum=0.9,
        optimizer__nesterov=True,
        lr=0.01,
        max_epochs=1,
        batch_size=batch,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).initialize()
    dataset = LabSheetDataset(data)
    return lambda: net.partial_fit(dataset, y=None)


PEERS = {"Lightning": with_lightning, "skorch": with_skorch}


def ways() -> dict[str, Callable[..., Training]]:
    """Return the ways to train that can run here; the lab sheet is the second."""
    peers = {name: start for name, start in PEERS.items() if is_there(name)}
    return {"ours": ours, "lab sheet": lab_sheet, **peers}


def is_there(peer: str) -> bool:
    return importlib.util.find_spec(peer.lower()) is not None


def seconds_of(work: Training) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_flops(dtype: torch.dtype) -> float:
    """Return the FLOPs a second of a large matrix product, fastest of five."""
    a = torch.rand(PEAK_SIZE, PEAK_SIZE).to(dtype)
    return 2 * PEAK_SIZE**3 / min(seconds_of(lambda: a @ a) for _ in range(5))


def measure(name: str, batch: int, batches: int, rounds: int) -> list[str]:
    """Return the rows of one network."""
    make, data = NETWORKS[name], random_data(batch * batches)
    dtype, peak = choose_precision(CPU).dtype, 0.0
    trainings = {way: start(make(), data, batch) for way, start in ways().items()}
    short = random_data(2 * batch)
    for start in ways().values():
        start(make(), short, batch)()  # a warm-up: memory, threads, choices of algorithms
    seconds = dict.fromkeys(trainings, float("inf"))
    for _ in range(rounds):
        peak = max(peak, peak_flops(dtype))
        for way, train in trainings.items():
            seconds[way] = min(seconds[way], seconds_of(train))
    flops = 3 * count_flops(make(), SHAPE)
    rows = []
    for way, needed in seconds.items():
        rate, ratio = len(data.train) / needed, seconds["lab sheet"] / needed
        share = f"{rate * flops / peak:.0%}" if way == "ours" else ""
        rows.append(f"| {name} | {way} | {rate:,.0f} | {ratio:.2f} | {share} |")
    return rows


def throughput(options: argparse.Namespace) -> list[str]:
    """Return the table of images a second."""
    batch, batches, rounds = options.batch, options.batches, options.rounds
    if options.quick:
        batch, batches, rounds = 32, 2, 2
    head = "| network | training | images/s | in times of the lab sheet | of the peak |"
    lines = [head, "|---|---|---|---|---|"]
    print(*lines, sep="\n")
    for name in NETWORKS:
        rows = measure(name, batch, batches, rounds)
        print(*rows, sep="\n", flush=True)
        lines += rows
    missing = [name for name in PEERS if not is_there(name)]
    rates = {d: peak_flops(d) / 1e9 for d in (torch.float32, choose_precision(CPU).dtype)}
    said = ", ".join(f"{rate:,.0f} in {str(d).split('.')[1]}" for d, rate in rates.items())
    lines += ["", f"{batches} batches of {batch}. Ours: {choose_precision(CPU)}. "]
    lines[-1] += f"A matrix product makes so many GFLOPs a second: {said}."
    if missing:
        lines[-1] += f" Skipped, not installed: {', '.join(missing)}."
    return lines


def accuracy(epochs: int) -> list[str]:
    """Return the table of accuracies on test images after equal epochs."""
    data = load_data("fashion_mnist", profile="quick", validation=0)
    lines = ["| training | median accuracy | lowest | highest |", "|---|---|---|---|"]
    for way, start in list(ways().items())[:2]:
        scores = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            model = LeNet5(in_channels=data.image_shape[0])
            # The lab sheet's order comes from torch's own random numbers.
            train = start(model, data, 64, **({"seed": seed} if start is ours else {}))
            for _ in range(epochs):
                train()
            test = BatchLoader(data, "test", batch_size=500)
            scores.append(evaluate(model, test).accuracy)
        figures = (statistics.median(scores), min(scores), max(scores))
        lines.append(f"| {way} | {' | '.join(f'{x:.1%}' for x in figures)} |")
    size = f"{epochs} epochs, {len(data.train):,} images of Fashion-MNIST, crops and flips"
    return [*lines, "", f"LeNet-5 after {size}; {len(SEEDS)} seeds each."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="2 small batches; only print")
    parser.add_argument("--accuracy", action="store_true", help="accuracy instead of speed")
    parser.add_argument("--epochs", type=int, default=3, help="with --accuracy")
    options = parser.parse_args()
    part = "accuracy" if options.accuracy else "throughput"
    lines = accuracy(options.epochs) if options.accuracy else throughput(options)
    print(*lines[-5:] if options.accuracy else lines[-2:], sep="\n")
    if options.quick:
        return
    command = "python benchmarks/throughput.py" + " --accuracy" * options.accuracy
    lines += [f"Measured with `{command}` on {machine(CPU)}."]
    store_part("benchmarks/RESULTS.md", part, lines)


if __name__ == "__main__":
    main()
