"""Measure training under several settings of OpenMP's threads, on a quiet and on a busy machine.

    python benchmarks/threads.py [--rounds 5] [--seconds 0.8]

A process for each setting trains three networks; the processes take turns, one at a time, and then
do the same beside a program that keeps one core busy. A ratio is that of a setting's rate to the
default's in the same round; the table in RESULTS.md has the median of the rounds. A setting is good
when it loses at most 5 % on a quiet machine and gains much on a busy one. In the last row a process
looks before each training at what other programs do, as the first cell of a lecture does. Run it
while nothing else runs: three minutes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if "--worker" in sys.argv:
    import torch  # noqa: F401 - before the course, whose own setting then comes too late

from course_utils.lectures import store_part
from course_utils.runtime import machine
from course_utils.runtime.threads import Load, threads_beside

if TYPE_CHECKING:
    from torch import nn

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "passive waiting": {"OMP_WAIT_POLICY": "passive"},
    "1,000 spins": {"GOMP_SPINCOUNT": "1000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "free cores only": {},
}
CHOOSES = "free cores only"
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "KMP_BLOCKTIME")
NETWORKS = ("LeNet-5", "VGG-11, a quarter", "ResNet-20")
CONDITIONS = ("quiet", "busy")
Rates = dict[tuple[str, str, str], list[float]]  # of (condition, network, setting), one a round


class Worker:
    """A process that trains under one setting whenever it is asked to."""

    def __init__(self, setting: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if k not in VARIABLES}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", setting],
            env=inherited | SETTINGS[setting],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def rate(self, network: str, seconds: float) -> float:
        """Return the images a second of a training of about so many seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{seconds} {network}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def work(setting: str) -> None:
    """Answer each line "seconds network" with a rate: the part that runs in a worker."""
    import torch

    from course_utils.models.lenet import LeNet5
    from course_utils.models.resnet import SmallResNet
    from course_utils.models.vgg import slim_vgg

    makers = (lambda: LeNet5(in_channels=3), lambda: slim_vgg(width=0.25), SmallResNet)
    trainings = {name: training(make()) for name, make in zip(NETWORKS, makers, strict=True)}
    for line in sys.stdin:
        seconds, name = line.rstrip("\n").split(" ", 1)
        if setting == CHOOSES:
            torch.set_num_threads(threads_beside(Load().of_others(), os.cpu_count() or 1))
        print(measured(trainings[name], float(seconds)), flush=True)


def training(model: nn.Module) -> Iterator[int]:
    """Yield the number of images after each step of a training without an end."""
    import torch

    from course_utils.training import choose_precision, train_one_epoch

    device = torch.device("cpu")
    amp = choose_precision(device, True)
    model = amp.place(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    batch = (torch.randn(128, 3, 32, 32), torch.randint(10, (128,)))
    while True:
        train_one_epoch(model, [batch], optimizer, device=device, amp=amp)
        yield len(batch[1])


def measured(steps: Iterator[int], seconds: float) -> float:
    """Return the images a second, after one step that does not count."""
    next(steps)
    images, start = 0, time.perf_counter()
    while images == 0 or time.perf_counter() - start < seconds:
        images += next(steps)
    return images / (time.perf_counter() - start)


@contextmanager
def condition(name: str) -> Iterator[None]:
    """Keep one core busy for a ``with`` block, unless the machine is to be quiet."""
    if name == "quiet":
        yield
        return
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def measure(workers: dict[str, Worker], rounds: int, seconds: float) -> Rates:
    """Let the workers take turns, in another order in each round."""
    rates: Rates = {}
    for name in CONDITIONS:
        with condition(name):
            for number, network in itertools.product(range(rounds), NETWORKS):
                settings = list(workers)
                first = number % len(settings)
                for setting in settings[first:] + settings[:first]:
                    rate = workers[setting].rate(network, seconds)
                    rates.setdefault((name, network, setting), []).append(rate)
                    print(f"{name}: {network}, {setting}: {rate:,.0f} images/s", file=sys.stderr)
    return rates


def table(rates: Rates) -> list[str]:
    """Return the rows: median images a second, and the median ratio to the default in brackets."""
    columns = [f"{network}, {name}" for network in NETWORKS for name in CONDITIONS]
    lines = [f"| setting | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for setting in SETTINGS:
        cells = []
        for network, name in itertools.product(NETWORKS, CONDITIONS):
            ours, default = (rates[name, network, s] for s in (setting, "default"))
            ratio = statistics.median(a / b for a, b in zip(ours, default, strict=True))
            cells.append(f"{statistics.median(ours):,.0f} ({ratio:.2f})")
        own = " (the course's)" if setting == CHOOSES else ""
        lines.append(f"| {setting}{own} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.8, help="of one training")
    parser.add_argument("--worker", choices=SETTINGS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return
    workers = {name: Worker(name) for name in SETTINGS}
    try:
        lines = table(measure(workers, options.rounds, options.seconds))
    finally:
        for worker in workers.values():
            worker.end()
    import torch

    note = (
        "Images a second (median of the rounds); in brackets the median of each round's ratio to "
        "the default, which need not be the quotient of the two medians. Training with batches of "
        "128."
    )
    lines += ["", note]
    on = machine(torch.device("cpu"))
    lines += [f"Measured with `python benchmarks/threads.py` on {on}."]
    print(*lines, sep="\n")
    store_part("benchmarks/RESULTS.md", "threads", lines)


if __name__ == "__main__":
    main()
