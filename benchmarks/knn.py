"""K-NN of the course against scikit-learn's brute force: seconds, memory, predictions.

    python benchmarks/knn.py [--images N] [--queries M] [--repeat R]

Both classify the same Fashion-MNIST images (the bundled sample, moved at random to make more of
them), in turn, in one process, with the same number of threads. scikit-learn is timed with float32
and with float64 images and its faster time counts. The best of R runs is printed.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from course_utils.data import load_data, pad_crop
from course_utils.data.types import Split
from course_utils.knn import KNearestNeighbors

METRICS = {"l2": "euclidean", "cosine": "cosine", "l1": "manhattan"}
L1_SHARE = 20  # L1 has no matrix product: one query in 20 is enough to time it


def more_images(split: Split, count: int, seed: int) -> Split:
    """Return ``count`` images: the split over and over, each image moved by up to 2 pixels."""
    positions = torch.arange(count) % len(split)
    generator = torch.Generator().manual_seed(seed)
    return Split(pad_crop(split.images[positions], 2, generator), split.labels[positions])


def best_seconds(work: Callable[[], np.ndarray], repeat: int) -> tuple[float, np.ndarray]:
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


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


def compare(metric: str, train: Split, queries: torch.Tensor, repeat: int) -> str:
    """Return one row of the table."""
    ours = KNearestNeighbors(5, metric).fit(train.images, train.labels)
    our_seconds, our_labels = best_seconds(lambda: ours.predict(queries).numpy(), repeat)
    their_seconds = {}
    for dtype in (np.float32, np.float64):
        model = KNeighborsClassifier(5, algorithm="brute", metric=METRICS[metric])
        model.fit(train.images.flatten(1).numpy().astype(dtype), train.labels.numpy())
        asked = queries.flatten(1).numpy().astype(dtype)
        seconds, their_labels = best_seconds(lambda m=model, q=asked: m.predict(q), repeat)
        their_seconds[np.dtype(dtype).name] = seconds
    fastest = min(their_seconds, key=their_seconds.get)
    ratio = their_seconds[fastest] / our_seconds
    differ = int((our_labels != their_labels).sum())  # float64 is the reference
    return (
        f"| {metric} | {len(queries):,} | {our_seconds:.2f} | {their_seconds[fastest]:.2f} "
        f"({fastest}) | {ratio:.1f} | {differ} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=60_000, help="training images")
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    data = load_data("fashion_mnist", profile="quick", validation=0)
    train = more_images(data.train, options.images, seed=0)
    queries = more_images(data.test, options.queries, seed=1).images
    threads = torch.get_num_threads()

    print(f"{options.images:,} training images, {threads} threads, torch {torch.__version__}")
    for metric in METRICS:
        model = KNearestNeighbors(5, metric).fit(train.images, train.labels)
        asked = queries[: len(queries) // L1_SHARE] if metric == "l1" else queries
        memory = extra_memory(lambda m=model, q=asked: m.predict(q))
        print(f"extra memory of ours, {metric}, {len(asked):,} queries: {memory}")
    print()
    print("| metric | queries | ours (s) | scikit-learn (s) | times faster | predictions differ |")
    print("|---|---|---|---|---|---|")
    with threadpool_limits(threads):
        for metric in METRICS:
            count = len(queries) // L1_SHARE if metric == "l1" else len(queries)
            print(compare(metric, train, queries[:count], options.repeat), flush=True)


if __name__ == "__main__":
    main()
