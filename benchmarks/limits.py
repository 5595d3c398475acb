"""What limits training here: a step's time by operation, beside the peaks of this processor.

    python benchmarks/limits.py [--isa AVX2] [--rounds 5] [--quick]

The first table profiles our training step. Convolutions and linear layers are compared with a
matrix product of 2048 x 2048 in the same number type. Batch norm, ReLU and pooling compute little
for each number they read, so they are compared with a plain copy of as many bytes: their inputs
and outputs, once forward and twice backward. "At both peaks" is a step that reaches them in each
of these layers and does nothing else. Beside it stands a lab sheet's step, without making its
images.

The second table changes one thing at a time in our step. `--isa AVX2` asks PyTorch's libraries to
do as on a processor without AVX-512 and without bfloat16. The tables go to benchmarks/RESULTS.md;
`--quick` takes some seconds and only prints.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import torch
from throughput import CPU, NETWORKS, SHAPE, peak_flops, seconds_of, sgd
from torch import nn
from torch.profiler import ProfilerActivity, profile
from training import bare_loop

from course_utils.arithmetic import count_flops
from course_utils.lectures import store_part
from course_utils.runtime import machine
from course_utils.training import choose_precision, train_one_epoch
from course_utils.training.precision import Precision
from course_utils.training.recipe import make_optimizer

BATCH = 128
Step = Callable[[], object]
GROUPS = {  # what an operation's name contains; the first that fits
    "convolutions": ("conv",),
    "linear layers": ("mm",),
    "batch norm": ("batch_norm",),
    "ReLU": ("relu", "threshold", "clamp_min"),
    "pooling": ("pool",),
    "optimizer": ("sgd", "foreach", "fused", "optimizer"),
}
COMPUTES = ("convolutions", "linear layers")
MOVES = {"batch norm": nn.BatchNorm2d, "ReLU": nn.ReLU, "pooling": (nn.MaxPool2d, nn.AvgPool2d)}


def with_instructions_of(isa: str) -> None:
    """Start this script again as on a processor of that kind: libraries read it when they load."""
    asked = {
        "ONEDNN_MAX_CPU_ISA": isa,
        "ATEN_CPU_CAPABILITY": isa.lower(),
        "MKL_ENABLE_INSTRUCTIONS": isa,
    }
    if os.environ.get("ONEDNN_MAX_CPU_ISA") != isa:
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | asked)


def our_step(
    model: nn.Module,
    batch: int = BATCH,
    amp: Precision | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> Step:
    """Return a step of the course's training, with what is given in place of its own choice."""
    amp = amp or choose_precision(CPU)
    model = amp.place(model)
    optimizer = optimizer or make_optimizer("sgd", model, learning_rate=0.01, weight_decay=0.0)
    loader = one_batch(batch)
    return lambda: train_one_epoch(model, loader, optimizer, device=CPU, amp=amp)


def lab_sheet_step(model: nn.Module) -> Step:
    """Return a step of the loop that most courses show, its images ready."""
    loader, optimizer = one_batch(BATCH), sgd(model)
    return lambda: bare_loop(model, loader, optimizer)


def one_batch(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return random images, the same in each step, with labels."""
    return [(torch.randn(count, *SHAPE), torch.arange(count) % 10)]


def shares(step: Step, steps: int = 3) -> dict[str, float]:
    """Return which share of a step's time each group of operations takes, the rest as "rest"."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(steps):
            step()
    spent: defaultdict[str, float] = defaultdict(float)
    for event in found.key_averages():
        spent[group_of(event.key)] += event.self_cpu_time_total
    whole = sum(spent.values())
    return {name: spent[name] / whole for name in (*GROUPS, "rest")}


def group_of(operation: str) -> str:
    """Return the group of an operation of PyTorch's profiler.

    Example:
        >>> group_of("aten::convolution_backward"), group_of("aten::copy_")
        ('convolutions', 'rest')
    """
    names = ((name, part) for name, parts in GROUPS.items() for part in parts)
    return next((name for name, part in names if part in operation.lower()), "rest")


def copying_seconds(model: nn.Module, element: int, batch: int = BATCH) -> dict[str, float]:
    """Return how long copies take of what a step moves in each kind of layer that computes little.

    Args:
        model: that layers belong to.
        element: bytes of a number.
        batch: images in a step.
    """
    found: defaultdict[str, float] = defaultdict(float)

    def note(kind: str) -> Callable[..., None]:
        def hook(_: nn.Module, given: tuple, output: torch.Tensor) -> None:
            moved = element * batch * (given[0][0].numel() + output[0].numel())
            found[kind] += 3 * copy_seconds(moved // 2)

        return hook

    for kind, types in MOVES.items():
        for module in model.modules():
            if isinstance(module, types):
                module.register_forward_hook(note(kind))
    with torch.no_grad():
        model.eval()(torch.zeros(1, *SHAPE))
    return found


@cache
def copy_seconds(count: int) -> float:
    """Return the seconds of a copy of so many bytes, the fastest of some."""
    numbers, other = torch.zeros(2, count // 4)
    return min(seconds_of(lambda: other.copy_(numbers)) for _ in range(9))


def computed_flops(make: Callable[[], nn.Module]) -> dict[str, float]:
    """Return the FLOPs of a step, forward and twice that backward, in each kind of layer."""
    linear = sum(2 * m.weight.numel() for m in make().modules() if isinstance(m, nn.Linear))
    whole = count_flops(make(), SHAPE)
    return {"convolutions": 3 * BATCH * (whole - linear), "linear layers": 3 * BATCH * linear}


def fastest(steps: dict[str, Step], rounds: int) -> dict[str, float]:
    """Return the seconds of one step of each; they take turns, and the fastest counts."""
    seconds = dict.fromkeys(steps, float("inf"))
    for _ in range(1 + rounds):  # the first is a warm-up
        for name, step in steps.items():
            seconds[name] = min(seconds[name], seconds_of(step))
    return seconds


def by_operation(name: str, rounds: int, peak: float) -> list[str]:
    """Return the rows of one network: its operations, and how far a step is from the peaks."""
    make, dtype = NETWORKS[name], choose_precision(CPU).dtype
    steps = {"ours": our_step(make()), "lab sheet": lab_sheet_step(make())}
    seconds = fastest(steps, rounds)
    flops, copies = computed_flops(make), copying_seconds(make(), dtype.itemsize)
    rows = []
    for group, share in shares(steps["ours"]).items():
        spent, of_peak = share * seconds["ours"], ""
        if group in COMPUTES:
            of_peak = f"{flops[group] / spent / peak:.0%} of the product's"
        elif group in copies:
            of_peak = f"{copies[group] / spent:.0%} of the copy's"
        rows.append(f"| {name} | {group} | {1000 * spent:.1f} | {share:.0%} | {of_peak} |")
    limit = sum(flops.values()) / peak + sum(copies.values())
    for what, spent in (("our step", seconds["ours"]), ("at both peaks", limit),
                        ("lab sheet's step", seconds["lab sheet"])):  # fmt: skip
        ratio = f"lab sheet / this: {seconds['lab sheet'] / spent:.2f}"
        rows.append(f"| {name} | **{what}** | {1000 * spent:.1f} | | {ratio} |")
    return rows


def changed_steps(make: Callable[[], nn.Module]) -> Iterator[tuple[str, int, Step]]:
    """Yield what is changed in our step, its batch size, and the changed step."""
    yield "nothing", BATCH, our_step(make())
    for batch in (32, 512):
        yield f"batches of {batch}", batch, our_step(make(), batch)
    amp = choose_precision(CPU)
    layout = "contiguous" if amp.channels_last else "channels_last"
    other = replace(amp, channels_last=not amp.channels_last)
    yield layout, BATCH, our_step(make(), amp=other)
    for kind in ("foreach", "for loop"):
        model = make()
        options = dict(lr=0.01, momentum=0.9, nesterov=True, foreach=kind == "foreach")
        optimizer = torch.optim.SGD(model.parameters(), **options)
        yield f"optimizer: {kind}", BATCH, our_step(model, optimizer=optimizer)
    model = make()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = not module.inplace
    yield "ReLU in place, or not where it was", BATCH, our_step(model)


def what_pays(name: str, rounds: int) -> dict[str, float]:
    """Return the images a second of each changed step, in times of the unchanged one."""
    changes = list(changed_steps(NETWORKS[name]))
    seconds = fastest({what: step for what, _, step in changes}, rounds)
    rates = {what: batch / seconds[what] for what, batch, _ in changes}
    return {what: rate / rates["nothing"] for what, rate in rates.items()}


def tables(rounds: int) -> Iterator[str]:
    """Yield the lines of both tables."""
    dtype = choose_precision(CPU).dtype
    peak = peak_flops(dtype)
    yield "| network | operation | ms a step | share | reached |"
    yield "|---|---|--:|--:|---|"
    for name in NETWORKS:
        yield from by_operation(name, rounds, peak)
    gains = {name: what_pays(name, rounds) for name in NETWORKS}
    yield ""
    yield f"| changed in our step | {' | '.join(gains)} |"
    yield f"|---|{'--:|' * len(gains)}"
    for what in gains["VGG-11"]:
        yield f"| {what} | {' | '.join(f'{found[what]:.2f}' for found in gains.values())} |"
    yield ""
    yield (
        f"Batches of {BATCH}, {choose_precision(CPU)}; images a second in times of our step. A "
        f"matrix product makes {peak / 1e9:,.0f} GFLOPs a second."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isa", choices=("AVX2",), help="as on a processor that has no more")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round; only print")
    options = parser.parse_args()
    if options.isa:
        with_instructions_of(options.isa)
    lines = []
    for line in tables(1 if options.quick else options.rounds):
        print(line, flush=True)
        lines.append(line)
    if options.quick:
        return
    isa = f" --isa {options.isa}" if options.isa else ""
    lines.append(f"Measured with `python benchmarks/limits.py{isa}` on {machine(CPU)}.")
    store_part("benchmarks/RESULTS.md", f"limits, {options.isa}" if isa else "limits", lines)


if __name__ == "__main__":
    main()
