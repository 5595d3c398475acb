"""Which training images can be among the nearest of a query: a lower bound for every L2 distance.

They buy the figure "not slower than FAISS" of benchmarks/RESULTS.md: 10,000 queries among 60,000
images take 0.6 of the time of FAISS's flat index with them, and 1.2 of it without.

An orthonormal basis of a few directions splits an image x into coordinates p and a rest of length
r. By the inequality of Cauchy and Schwarz a·b <= p_a·p_b + r_a r_b, and so

    |b|² - 2 a·b  >=  |b|² - 2 (p_a·p_b + r_a r_b),

which is one short matrix product. An image whose bound exceeds the k-th best score so far cannot
be a neighbour. Every basis gives a bound; the main directions of the training images, in which they
differ most, give a tight one. Of images of things, about one in two hundred remains; of random
pixels, all.

Rounding never loses a neighbour. Coordinates are computed in float64, and the rest is rounded up.
The product of 130 pairs of float32 numbers and the comparison are wrong by less than
135 · 2^-24 · (2 |a| |b| + |b|²), which is below 2^-16 · (|a|² + 2 |b|²): `SLACK` is more than that.
"""

import warnings
from functools import cache

import torch
from torch import Tensor

DIRECTIONS = 128
SAMPLE = 2048  # training images that the directions are taken from
SLACK = 2.0**-15  # of |a|² + |b|²
RARE = 32  # computing a pair alone takes as long as about so many in a matrix product


class Bounds:
    """From the main directions of ``images`` (N, C, H, W) or (N, D), uint8, on the CPU."""

    def __init__(self, images: Tensor) -> None:
        sample = less_128(images[:: -(-len(images) // SAMPLE)].flatten(1))
        sample -= sample.mean(dim=0)
        # The global random numbers belong to the caller.
        generator = torch.Generator().manual_seed(0)
        basis = torch.randn(sample.shape[1], DIRECTIONS, generator=generator)
        for _ in range(2):  # subspace iteration towards the largest singular vectors
            basis = torch.linalg.qr(sample.T @ (sample @ basis)).Q
        self.basis = torch.linalg.qr(basis.double()).Q

    def code(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates and rest (n, DIRECTIONS + 1), float32, and squared lengths (n,), float64."""
        pixels = less_128(images, torch.float64)
        coordinates = pixels @ self.basis
        lengths = pixels.square_().sum(dim=1)
        rest = (lengths - coordinates.square().sum(dim=1)).clamp_min_(0).add_(1e-9 * lengths)
        return torch.cat([coordinates, rest.sqrt_()[:, None]], dim=1).float(), lengths

    def pairs(
        self, queries: tuple[Tensor, Tensor], images: tuple[Tensor, Tensor], worst: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """Rows and columns of the pairs that may have a score below ``worst`` (m,), by row.

        ``queries`` and ``images``: what `code` returned. None: too many pairs to be of use.
        """
        limits = worst + SLACK * (queries[1] + images[1].max())
        # |b|² is one more coordinate, against 1: the product then needs no addition after it.
        a = torch.cat([-2 * queries[0], torch.ones(len(queries[0]), 1)], dim=1)
        b = torch.cat([images[0], images[1].float()[:, None]], dim=1)
        limits = limits.float()[:, None]
        # In parts: bounds that stay in the cache are compared at once, and need no fresh memory.
        parts = zip(a.split(256), limits.split(256), strict=True)
        possible = torch.cat([part @ b.T <= limit for part, limit in parts])
        if possible.count_nonzero() * RARE > 2 * possible.numel():
            return None
        rows, columns = possible.nonzero(as_tuple=True)
        return rows, columns


@cache
def has_sparse_products() -> bool:
    """Whether this torch computes single dot products of a matrix product; some builds do not."""
    try:
        one = torch.ones(1, 1)
        return dots_of_pairs(one, one, *torch.zeros(2, 1, dtype=torch.int64)).item() == 1
    except (NotImplementedError, RuntimeError):
        return False


def less_128(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return pixels less 128, from -128 to 127, of uint8 images."""
    return images.to(dtype).sub_(128)


def dots_of_pairs(queries: Tensor, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Exact dot products (P,), int64, of queries (m, D) and images (n, D), by row.

    Both are pixels less 128. As in `knn`, sums of 1,024 products are whole numbers that float32
    holds.
    """
    counts = torch.bincount(rows, minlength=len(queries))
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    total = torch.zeros(len(rows), dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch calls all sparse matrices a beta
        pattern = torch.sparse_csr_tensor(
            starts, columns, torch.zeros(len(rows)), (len(queries), len(images))
        )
        for a, b in zip(queries.split(1024, dim=1), images.split(1024, dim=1), strict=True):
            a, b = a.contiguous(), b.contiguous()
            products = torch.sparse.sampled_addmm(pattern, a, b.T, beta=0.0)
            total += products.values().to(torch.int64)
    return total
