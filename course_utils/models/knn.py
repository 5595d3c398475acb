"""K-nearest-neighbour classification of images, in blocks, on any device.

What is guaranteed:

* **Exactness.** Between uint8 images every L1 distance, squared L2 distance and dot product is
  computed as a whole number, without rounding: neighbours and predictions are the same on every
  device, with any number of threads, at any matrix-product precision. Only the last square root
  (L2) and the quotient (cosine) are rounded. Floating-point images are compared in float64, or in
  float32 on a device that has no float64 (MPS).
* **Ties.** Of two training images at the same distance, the one with the lower index is nearer.
  Of two labels with the same number of votes, the smaller label wins, as in scikit-learn.
* **Memory.** Distances are computed for at most 8,192 queries and 2,048 training images at a time,
  so the extra memory does not grow with the size of the training set.

Large searches for L2 between uint8 images on the CPU go faster: most pairs of images are ruled out
by a lower bound of their distance (see `knn_bounds`). What is returned stays exactly the same.

The method: Cover and Hart, "Nearest neighbor pattern classification", IEEE Transactions on
Information Theory 13(1), 1967. Used in lectures 01, 03, 04, 05, 09, 12 and 15.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..withheld import asked_for
from .knn_bounds import RARE, Bounds, dots_of_pairs, has_sparse_products, less_128

METRICS = ("l2", "l1", "cosine")


@asked_for("01.1")
class KNearestNeighbors:
    """Predict the most frequent label among the ``k`` nearest training images.

    Used in lectures 01, 03, 04, 05, 09, 12 and 15.

    Args:
        k: how many neighbours vote.
        metric: ``"l2"`` (Euclidean), ``"l1"`` (sum of absolute differences) or ``"cosine"``
            (1 - cosine of the angle; an all-zero image is at distance 1 from every image).

    Raises:
        ValueError: ``k`` is less than 1, or the metric is unknown.

    Example:
        >>> known = torch.tensor([[0], [10], [200]], dtype=torch.uint8)
        >>> knn = KNearestNeighbors(k=1).fit(known, torch.tensor([4, 4, 7]))
        >>> knn.predict(torch.tensor([[3], [180]], dtype=torch.uint8))
        tensor([4, 7])
    """

    def __init__(self, k: int = 5, metric: str = "l2") -> None:
        if not isinstance(k, int) or k < 1:
            raise ValueError(f"k must be a whole number of at least 1, not {k!r}")
        if metric not in METRICS:
            raise ValueError(f"unknown metric {metric!r}: choose one of {', '.join(METRICS)}")
        self.k, self.metric = k, metric
        self.images: Tensor | None = None
        self.labels: Tensor | None = None

    def fit(self, images: Tensor, labels: Tensor) -> KNearestNeighbors:
        """Remember the training set; nothing is learned, and the images are not copied.

        Args:
            images: (N, C, H, W) or (N, D), uint8 or floating point. Distances will be computed
                where they are (CPU, GPU), wherever the queries come from.
            labels: (N,), integers from 0.

        Returns:
            The classifier itself.

        Raises:
            ValueError: they do not fit together.
        """
        _check_images(images)
        if labels.shape != images.shape[:1]:
            raise ValueError(
                f"{len(images)} images need {len(images)} labels in one dimension, "
                f"not a tensor of shape {tuple(labels.shape)}"
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise ValueError(f"labels must be integers, not {labels.dtype}")
        if self.k > len(images):
            raise ValueError(
                f"k={self.k} neighbours need at least {self.k} training images, not {len(images)}"
            )
        if labels.min() < 0:
            raise ValueError("labels must not be negative: number the classes from 0")
        self.images, self.labels = images, labels.to(images.device, torch.int64)
        return self

    def predict(self, images: Tensor) -> Tensor:
        """Labels (M,), int64, for ``images`` (M, C, H, W) or (M, D), on their device.

        Raises:
            ValueError: the images are unlike the training images.
            RuntimeError: there are no training images yet.
        """
        _, indices = self.neighbors(images)
        _, labels = self._known()
        return vote(labels[indices.to(labels.device)]).to(images.device)

    @torch.no_grad()
    def neighbors(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The ``k`` nearest training images of each query, nearest first.

        Args:
            images: (M, C, H, W) or (M, D), uint8 if the training images are uint8.

        Returns:
            Distances (M, k), float32, in the units of the images, and indices (M, k), int64, into
            the training set, on the device of ``images``. The first j columns are the j nearest
            neighbours.

        Raises:
            ValueError: the images are unlike the training images.
            RuntimeError: there are no training images yet.
        """
        known, _ = self._known()
        _check_queries(images, known)
        distances = torch.empty(len(images), self.k, device=images.device)
        indices = torch.empty(len(images), self.k, dtype=torch.int64, device=images.device)
        start = 0
        bounds = Bounds(known) if self._has_use_for_bounds(images, known) else None
        limit, elements = (8192, 2**23) if bounds else (1024, 2**22)
        for queries in _blocks(images, limit=limit, elements=elements):
            rows = slice(start, start + len(queries))
            queries = queries.to(known.device)
            if bounds:
                found = self._search_within(bounds, queries, known)
            else:
                found = self._search(queries, known)
            distances[rows], indices[rows] = found[0].to(images.device), found[1].to(images.device)
            start = rows.stop
        return distances, indices

    def _known(self) -> tuple[Tensor, Tensor]:
        if self.images is None or self.labels is None:
            raise RuntimeError("this classifier knows no training images yet: call fit first")
        return self.images, self.labels

    def _search(self, queries: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbours of one block (m, D): the best so far against one training block at a time."""
        blocks = _blocks(known, limit=2048, elements=2**23)
        first = next(blocks)
        best, indices = _smallest(_scores(queries, first, self.metric), self.k)
        start = len(first)
        for block in blocks:
            scores, columns = _smallest(_scores(queries, block, self.metric), self.k)
            best, indices = _merged(best, indices, scores, columns + start, self.k)
            start += len(block)
        return _distances(best, queries, self.metric), indices

    def _search_within(
        self, bounds: Bounds, queries: Tensor, known: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same as `_search` for L2, but computing distances only of pairs within the bounds."""
        codes, pixels = bounds.code(queries), less_128(queries)
        blocks = _blocks(known, limit=2048, elements=2**23)
        first = next(blocks)
        best, indices = _smallest(_scores(queries, first, "l2"), self.k)
        start, helps = len(first), True
        for block in blocks:
            pairs = None
            if helps and best.shape[1] == self.k:
                pairs = bounds.pairs(codes, bounds.code(block), best[:, -1])
                helps = pairs is not None  # if not, these images are not of the right kind
            if pairs is None:
                scores, columns = _smallest(_scores(queries, block, "l2"), self.k)
                best, indices = _merged(best, indices, scores, columns + start, self.k)
            else:
                for rows, scores, columns in _nearest_of_pairs(
                    queries, pixels, block, *pairs, self.k
                ):
                    best[rows], indices[rows] = _merged(
                        best[rows], indices[rows], scores, columns + start, self.k
                    )
            start += len(block)
        return _distances(best, queries, "l2"), indices

    def _has_use_for_bounds(self, images: Tensor, known: Tensor) -> bool:
        """Whether bounds can be exact, and their preparation is small beside the search."""
        return (
            self.metric == "l2"
            and known.dtype == torch.uint8
            and known.device.type == "cpu"
            and torch.get_float32_matmul_precision() == "highest"
            and 512 <= known.shape[1:].numel() <= 2**13
            and len(known) >= 2**14
            and len(images) >= 2**11
            and self.k <= 256
            and has_sparse_products()
        )


@asked_for("01.2")
def vote(neighbor_labels: Tensor) -> Tensor:
    """Return the most frequent label of each row; of equally frequent labels the smallest.

    Used in lecture 09.

    Args:
        neighbor_labels: (M, k), integers from 0.

    Returns:
        Labels (M,), int64.

    Example:
        >>> vote(torch.tensor([[2, 5, 5], [3, 1, 1], [3, 1, 0]]))
        tensor([5, 1, 0])
    """
    labels = neighbor_labels.to(torch.int64)
    if labels.numel() == 0:
        return labels.new_empty(len(labels))
    counts = labels.new_zeros(len(labels), int(labels.max()) + 1)
    counts.scatter_add_(1, labels, torch.ones_like(labels))
    return counts.argmax(dim=1)  # the first of several equal maxima, hence the smallest label


def _check_images(images: Tensor, allow_none: bool = False) -> None:
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images must be uint8 or floating point, not {images.dtype}")
    if images.ndim < 2 or images.shape[1:].numel() == 0:
        raise ValueError(
            "images must have the shape (N, C, H, W) or (N, D), "
            f"not {tuple(images.shape)}: use images[None] for a single image"
        )
    if len(images) == 0 and not allow_none:
        raise ValueError("there must be at least one training image")
    if images.is_floating_point() and not images.isfinite().all():
        raise ValueError("images contain NaN or infinity: remove or replace those pixels first")


def _check_queries(images: Tensor, known: Tensor) -> None:
    _check_images(images, allow_none=True)
    if images.shape[1:].numel() != known.shape[1:].numel():
        raise ValueError(
            f"images of shape {tuple(images.shape[1:])} cannot be compared with training images "
            f"of shape {tuple(known.shape[1:])}: give both the same size"
        )
    if (images.dtype == torch.uint8) != (known.dtype == torch.uint8):
        raise ValueError(
            f"{images.dtype} images cannot be compared with {known.dtype} "
            "training images: give both the same type and scale"
        )


def _blocks(images: Tensor, limit: int, elements: int) -> Iterator[Tensor]:
    """Consecutive rows (n, D): at most ``limit`` of them and about ``elements`` numbers."""
    rows = max(1, min(limit, elements // images.shape[1:].numel()))
    for start in range(0, len(images), rows):
        yield images[start : start + rows].flatten(1)


def _smallest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row in ascending order, and their columns; ties: lower column first.

    ``scores``: (m, n). Returns two tensors (m, min(k, n)).
    """
    columns = scores.shape[1]
    k = min(k, columns)
    values, chosen = scores.topk(min(k + 1, columns), largest=False)
    if k < columns:
        # topk promises nothing about which of several equal scores it takes as the last one.
        tied = values[:, k - 1] == values[:, k]
        if tied.any():
            rows, last = scores[tied], values[tied, k - 1 : k]
            below, equal = rows < last, rows == last
            wanted = k - below.sum(dim=1, keepdim=True)
            keep = below | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= wanted))
            chosen[tied, :k] = keep.nonzero()[:, 1].view(-1, k)
    chosen = chosen[:, :k].sort(dim=1).values
    values, order = scores.gather(1, chosen).sort(dim=1, stable=True)
    return values, chosen.gather(1, order)


def _merged(
    best: Tensor, indices: Tensor, scores: Tensor, columns: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """The k smallest scores of both and their indices; ``columns`` lie behind the ``indices``."""
    # Earlier blocks stand first, so position breaks ties just as the index would.
    values, places = _smallest(torch.cat([best, scores], dim=1), k)
    return values, torch.cat([indices, columns], dim=1).gather(1, places)


def _nearest_of_pairs(
    queries: Tensor, pixels: Tensor, images: Tensor, rows: Tensor, columns: Tensor, k: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Queries (their rows), the scores and the columns of their candidates among the images.

    Queries with many candidates are computed in full: a matrix product is faster for them.
    """
    counts = torch.bincount(rows, minlength=len(queries))
    many = counts * RARE > len(images)
    if many.any():
        full = many.nonzero().flatten()
        yield full, *_smallest(_scores(queries[full], images, "l2"), k)
        few = ~many[rows]
        rows, columns = rows[few], columns[few]
    if not len(rows):
        return
    others = less_128(images)
    lengths = others.square().sum(dim=1, dtype=torch.float64).to(torch.int64)
    scores = lengths[columns] - 2 * dots_of_pairs(pixels, others, rows, columns)
    asked, line, counts = rows.unique_consecutive(return_inverse=True, return_counts=True)
    place = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[line]
    size = (len(asked), int(counts.max()))
    table = torch.full(size, torch.iinfo(torch.int32).max, dtype=torch.int32)
    table[line, place] = scores.to(torch.int32)
    yield asked, table, torch.zeros(size, dtype=torch.int64).index_put_((line, place), columns)


def _scores(queries: Tensor, images: Tensor, metric: str) -> Tensor:
    """What orders the images (n, D) for each query (m, D) as their distance does: (m, n).

    L2: squared length of the image - 2 dot products; the squared length of the query is missing.
    Cosine: -(dot product of images of length 1); for bytes -(dot product)² / squared length.
    """
    if queries.dtype == torch.uint8:
        return _BYTES[metric](queries, images)
    real = _widest_float(queries.device)
    queries, images = queries.to(real), images.to(real)
    if metric == "l1":
        return torch.cdist(queries, images, p=1.0)
    if metric == "l2":
        return torch.addmm(images.square().sum(dim=1), queries, images.T, alpha=-2)
    return F.normalize(queries).neg_() @ F.normalize(images).T


@asked_for("01.1")
def _distances(scores: Tensor, queries: Tensor, metric: str) -> Tensor:
    """Distances (m, k), float32, from the scores (m, k) of the queries (m, D)."""
    exact = queries.dtype == torch.uint8
    real = _widest_float(queries.device)
    if metric == "l2":
        queries = less_128(queries, torch.int64) if exact else queries.to(real)
        scores = (scores + queries.square().sum(dim=1, keepdim=True)).clamp_min(0).to(real).sqrt()
    elif metric == "cosine" and exact:
        squared = queries.to(torch.int64).square().sum(dim=1, keepdim=True).clamp_min(1)
        scores = 1 - (-scores / squared).sqrt()
    elif metric == "cosine":
        scores = 1 + scores
    return scores.clamp_min(0).float()


@cache
def _widest_float(device: torch.device) -> torch.dtype:
    try:
        return torch.ones(1, dtype=torch.float64, device=device).dtype
    except (RuntimeError, TypeError):  # MPS
        return torch.float32


def _products_of_bytes(queries: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Exact dot products (m, n) of pixels - 128, and the squared lengths (n,) of the images.

    Pixels less 128 lie between -128 and 127. A sum of 1,024 of their products stays within
    1024 * 128**2 = 2**24, and float32 holds every integer up to there: however the matrix product
    orders its additions, no partial sum is rounded. The factors even fit bfloat16 and TF32.
    """
    whole = torch.int32 if queries.shape[1] < 2**14 else torch.int64
    parts = zip(queries.split(1024, dim=1), images.split(1024, dim=1), strict=True)
    dots, lengths = _products_of_few_bytes(*next(parts), whole)
    for part in parts:
        more_dots, more_lengths = _products_of_few_bytes(*part, whole)
        dots += more_dots
        lengths += more_lengths
    return dots, lengths


def _products_of_few_bytes(
    queries: Tensor, images: Tensor, whole: torch.dtype
) -> tuple[Tensor, Tensor]:
    queries, images = less_128(queries), less_128(images)
    return (queries @ images.T).to(whole), images.square_().sum(dim=1).to(whole)


def _l2_of_bytes(queries: Tensor, images: Tensor) -> Tensor:
    dots, lengths = _products_of_bytes(queries, images)
    return dots.mul_(-2).add_(lengths)


def _cosine_of_bytes(queries: Tensor, images: Tensor) -> Tensor:
    dots, lengths = _products_of_bytes(queries, images)
    # With a = a' + 128: a·b = a'·b' + 128 (sum a + sum b) - 128² D, and likewise for b·b.
    constant = 128**2 * queries.shape[1]
    queries_sum, images_sum = (128 * x.sum(dim=1).to(dots.dtype) for x in (queries, images))
    dots.add_(queries_sum[:, None]).add_(images_sum - constant)
    lengths = (lengths + 2 * images_sum - constant).clamp_min_(1)
    real = _widest_float(queries.device)
    return dots.to(real).square_().div_(-lengths.to(real))


def _l1_of_bytes(queries: Tensor, images: Tensor) -> Tensor:
    """Sums of absolute differences (m, n), int32; |a - b| = 2 max(a, b) - a - b.

    Sums of 128 maxima of at most 255 fit int16, which a processor adds many at a time.
    """
    queries_sum, images_sum = (x.sum(dim=1).to(torch.int32) for x in (queries, images))
    distances = -queries_sum[:, None] - images_sum
    queries, images = queries.to(torch.int16), images.T.to(torch.int16).contiguous()
    for a, rows in zip(queries.split(4), distances.split(4), strict=True):
        for pixels, others in zip(a.split(128, dim=1), images.split(128), strict=True):
            maxima = torch.maximum(pixels[:, :, None], others)
            rows.add_(maxima.sum(dim=1, dtype=torch.int16), alpha=2)
    return distances


_BYTES = {"l1": _l1_of_bytes, "l2": _l2_of_bytes, "cosine": _cosine_of_bytes}
