"""K-NN of the course beside scikit-learn's brute force and FAISS's flat index.

    python benchmarks/knn.py [--images N] [--queries M] [--repeat R] [--quick]

All search the same images (the bundled sample of Fashion-MNIST, each image moved at random to make
more of them) in turn, in one process, with the same number of threads; the fastest of R runs
counts. A second table shows how our time grows, for these images and for random pixels, where no
image is far from being a neighbour. The tables go to benchmarks/RESULTS.md and the figure beside
it; `--quick` takes a minute and only prints. FAISS is optional: pip install faiss-cpu
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.ticker import LogLocator
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits
from torch import Tensor

from course_utils.data import load_data, pad_crop
from course_utils.lectures import store_part
from course_utils.models.knn import KNearestNeighbors
from course_utils.plots.style import LINES, MARKERS, Figure, new_figure
from course_utils.runtime import machine, project_root, write_whole

HAS_FAISS = importlib.util.find_spec("faiss") is not None
Search = Callable[[], np.ndarray]

K = 5
METRICS = {"cosine": "cosine", "l1": "manhattan"}
L1_SHARE = 20  # L1 has no matrix product: one query in 20 is enough to time it
FIGURE = "knn_scaling.png"
ALT = """Three panels with logarithmic axes: seconds of a search against the number of training
images, of pixels and of neighbours, for images and for random pixels; the table above holds the
same numbers."""


def more_images(images: Tensor, count: int, seed: int) -> Tensor:
    """Return ``count`` images: these over and over, each moved by up to 2 pixels."""
    positions = torch.arange(count) % len(images)
    return pad_crop(images[positions], 2, torch.Generator().manual_seed(seed))


def best_in_turns(searches: dict[str, Search], repeat: int) -> tuple[dict, dict]:
    """Return the fastest seconds of each search, which take turns, and what each returned."""
    seconds, found = dict.fromkeys(searches, float("inf")), {}
    for _ in range(repeat):
        for name, search in searches.items():
            start = time.perf_counter()
            found[name] = search()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds, found


def extra_memory(work: Callable[[], object]) -> str:
    """Return by how much memory rose at most during ``work``; only Linux can tell."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return "not measured here"

    def kibibytes(field: str) -> int:
        return int(re.search(rf"{field}:\s+(\d+)", status.read_text()).group(1))

    reset.write_text("5")  # the peak becomes the memory of now
    before = kibibytes("VmRSS")
    work()
    return f"{(kibibytes('VmHWM') - before) * 1024 / 1e6:.0f} MB"


def ours(train: Tensor, queries: Tensor, metric: str = "l2", k: int = K) -> Search:
    """Return the search of the course: indices (M, k)."""
    model = KNearestNeighbors(k, metric).fit(train, torch.zeros(len(train), dtype=torch.int64))
    return lambda: model.neighbors(queries)[1].numpy()


def scikit_learn(train: Tensor, queries: Tensor, metric: str = "euclidean") -> Search:
    """Return scikit-learn's search; what it needs before is not timed."""
    model = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=metric)
    model.fit(train.flatten(1).float().numpy())
    asked = queries.flatten(1).float().numpy()
    return lambda: model.kneighbors(asked, return_distance=False)


def faiss_flat(train: Tensor, queries: Tensor) -> Search:
    """Return FAISS's search; what it needs before is not timed."""
    import faiss  # optional

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatL2(train[0].numel())
    index.add(train.flatten(1).float().numpy())
    asked = queries.flatten(1).float().numpy()
    return lambda: index.search(asked, K)[1]


def disagreement(train: Tensor, queries: Tensor, exact: np.ndarray, other: np.ndarray) -> str:
    """Return in how many rows the neighbours differ: by ties, and by rounded distances."""
    rows = np.flatnonzero((exact != other).any(axis=1))
    rounded = 0
    for row in rows:
        query = queries[row].flatten().long()
        distances = [
            (train[torch.from_numpy(indices[row])].flatten(1).long() - query).square().sum(dim=1)
            for indices in (exact, other)
        ]
        rounded += not torch.equal(*distances)
    return f"{len(rows) - rounded:,} | {rounded:,}"


def against_peers(train: Tensor, queries: Tensor, repeat: int) -> list[str]:
    """Return the table of the L2 searches."""
    searches = {"ours": ours(train, queries)}
    memory = extra_memory(searches["ours"])
    searches["scikit-learn, brute force, float32"] = scikit_learn(train, queries)
    if HAS_FAISS:
        searches["FAISS, flat index, float32"] = faiss_flat(train, queries)
    seconds, found = best_in_turns(searches, repeat)
    lines = [
        "| L2 search | seconds | in times of ours | rows that differ: ties | rounding |",
        "|---|---|---|---|---|",
    ]
    for name, needed in seconds.items():
        differ = disagreement(train, queries, found["ours"], found[name])
        lines.append(f"| {name} | {needed:.2f} | {needed / seconds['ours']:.2f} | {differ} |")
    if not HAS_FAISS:
        lines.append("| FAISS, flat index | skipped: it is not installed | | | |")
    size = f"{len(queries):,} queries, {len(train):,} images of {train[0].numel():,} pixels"
    return [*lines, "", f"{size}, {K} neighbours. Extra memory of ours: {memory}."]


def other_metrics(train: Tensor, queries: Tensor, repeat: int) -> list[str]:
    """Return the table of the other metrics, against scikit-learn only."""
    lines = ["| metric | queries | ours (s) | scikit-learn in times of ours |", "|---|---|---|---|"]
    for metric, name in METRICS.items():
        asked = queries[: len(queries) // L1_SHARE] if metric == "l1" else queries
        searches = {
            "ours": ours(train, asked, metric),
            "theirs": scikit_learn(train, asked, name),
        }
        seconds, _ = best_in_turns(searches, repeat)
        ratio = seconds["theirs"] / seconds["ours"]
        lines.append(f"| {metric} | {len(asked):,} | {seconds['ours']:.2f} | {ratio:.1f} |")
    return lines


def scaling(images: Tensor, train: int, queries: int, repeat: int) -> dict[str, dict]:
    """Return {what varies: {value: {kind of pixels: seconds}}}; the rest stays in the middle."""
    wide = torch.cat([more_images(images, train, seed).flatten(1) for seed in range(3)], dim=1)
    asked = torch.cat([more_images(images, queries, 9 + i).flatten(1) for i in range(3)], dim=1)
    generator = torch.Generator().manual_seed(0)
    noise, asked_noise = (
        torch.randint(256, x.shape, dtype=torch.uint8, generator=generator) for x in (wide, asked)
    )
    middle = {"training images": train // 2, "pixels": 1024, "neighbours": K}
    values = {
        "training images": [train // 8, train // 4, train // 2, train],
        "pixels": [256, 512, 1024, 2048, 3072],
        "neighbours": [1, 5, 20, 100],
    }
    found: dict[str, dict] = {}
    for name, choices in values.items():
        found[name] = {}
        for value in choices:
            count, pixels, k = (middle | {name: value}).values()
            searches = {
                "images": ours(wide[:count, :pixels], asked[:, :pixels], k=k),
                "random pixels": ours(noise[:count, :pixels], asked_noise[:, :pixels], k=k),
            }
            found[name][value], _ = best_in_turns(searches, repeat)
    return found


def scaling_table(found: dict[str, dict]) -> list[str]:
    lines = ["| what varies | | images (s) | random pixels (s) |", "|---|---|---|---|"]
    for name, rows in found.items():
        for value, seconds in rows.items():
            times = " | ".join(f"{needed:.2f}" for needed in seconds.values())
            lines.append(f"| {name} | {value:,} | {times} |")
    return lines


def scaling_figure(found: dict[str, dict]) -> Figure:
    figure, axes = new_figure(1, len(found), width=9, height=3, sharey=True)
    for axis, (name, rows) in zip(axes, found.items(), strict=True):
        for i, kind in enumerate(("images", "random pixels")):
            seconds = [row[kind] for row in rows.values()]
            axis.plot(list(rows), seconds, marker=MARKERS[i], linestyle=LINES[i], label=kind)
        axis.set(xscale="log", yscale="log", xlabel=f"number of {name}")
        axis.set_xticks(list(rows), [f"{value:,}" for value in rows], rotation=30)
        axis.minorticks_off()
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
    axes[0].set_ylabel("seconds")
    axes[0].legend()
    return figure.described(ALT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=60_000, help="training images")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="less of everything; only print")
    options = parser.parse_args()
    count, asked, few = options.images, options.queries, 2_500
    if options.quick:
        count, asked, few = 20_000, 2_500, 500
    data = load_data("fashion_mnist", profile="quick", validation=0)
    train = more_images(data.train.images, count, seed=0)
    queries = more_images(data.test.images, asked, seed=1)

    with threadpool_limits(torch.get_num_threads()):
        lines = against_peers(train, queries, options.repeat)
        print(*lines, sep="\n", flush=True)
        others = other_metrics(train, queries[:few], options.repeat)
        print("", *others, sep="\n", flush=True)
        found = scaling(data.train.images, count, few, options.repeat)
        table = [*scaling_table(found), "", f"{few:,} queries; where it does not vary: "]
        table[-1] += f"{count // 2:,} training images, 1,024 pixels, {K} neighbours."
        print("", *table, sep="\n", flush=True)
    if options.quick:
        return
    figure = scaling_figure(found)
    place = project_root() / "benchmarks"
    write_whole(place / FIGURE, figure.png())
    lines += ["", *others, "", *table, "", f"![{figure.alt_text}]({FIGURE})", ""]
    lines += [f"Measured with `python benchmarks/knn.py` on {machine(torch.device('cpu'))}."]
    store_part("benchmarks/RESULTS.md", "knn", lines)


if __name__ == "__main__":
    main()
