"""course_utils.models.knn against scikit-learn, and against plain NumPy where ties decide."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from course_utils.data import load_data
from course_utils.models import knn, knn_bounds
from course_utils.models.knn import METRICS, KNearestNeighbors, vote
from course_utils.models.knn_bounds import has_sparse_products

SKLEARN_NAMES = {"l1": "manhattan", "l2": "euclidean", "cosine": "cosine"}


@pytest.fixture(scope="module")
def fashion():
    return load_data("fashion_mnist", profile="quick")


def random_bytes(seed, *shape, high=256):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, high, shape, dtype=torch.uint8, generator=generator)


def exact_order(images, queries, metric, k):
    """Neighbours by whole-number arithmetic in NumPy, ties to the lower index."""
    a = queries.flatten(1).numpy().astype(np.int64)[:, None]
    b = images.flatten(1).numpy().astype(np.int64)[None]
    if metric == "l1":
        score = np.abs(a - b).sum(-1)
    elif metric == "l2":
        score = ((a - b) ** 2).sum(-1)
    else:
        score = -((a * b).sum(-1) ** 2) / np.maximum((b * b).sum(-1), 1)
    return np.argsort(score, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 4, 5])
def test_predictions_are_scikit_learns(fashion, metric, k):
    train, queries = fashion.train.take(2000), fashion.test.images[:200]
    ours = KNearestNeighbors(k, metric).fit(train.images, train.labels).predict(queries)
    theirs = KNeighborsClassifier(k, algorithm="brute", metric=SKLEARN_NAMES[metric])
    theirs.fit(train.images.flatten(1).double().numpy(), train.labels.numpy())
    assert ours.dtype == torch.int64
    assert ours.tolist() == theirs.predict(queries.flatten(1).double().numpy()).tolist()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_distances_and_neighbours_are_scikit_learns(metric, dtype):
    images, queries = random_bytes(0, 2500, 3, 8, 8), random_bytes(1, 1100, 3, 8, 8)
    if dtype != torch.uint8:  # noise breaks the ties that steps of 1/255 would have
        images, queries = (x / 255 - 0.5 + 0.01 * torch.rand(x.shape) for x in (images, queries))
        images, queries = images.to(dtype), queries.to(dtype)
    model = KNearestNeighbors(7, metric).fit(images, torch.arange(2500) % 10)
    distances, indices = model.neighbors(queries)
    theirs = KNeighborsClassifier(7, algorithm="brute", metric=SKLEARN_NAMES[metric])
    theirs.fit(images.flatten(1).double().numpy(), np.arange(2500) % 10)
    wanted, order = theirs.kneighbors(queries.flatten(1).double().numpy())
    torch.testing.assert_close(distances.double(), torch.from_numpy(wanted), rtol=1e-6, atol=1e-6)
    assert distances.dtype == torch.float32
    # L1 between bytes has ties, in which the order is ours to define (tested below).
    if not (metric == "l1" and dtype == torch.uint8):
        assert indices.tolist() == order.tolist()


@settings(max_examples=60, deadline=None)
@given(
    metric=st.sampled_from(METRICS),
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5)),
    k=st.integers(1, 8),
    levels=st.sampled_from([1, 2, 3, 256]),
    seed=st.integers(0, 10_000),
    block=st.integers(1, 9),
    bounds=st.booleans(),
)
def test_ties_go_to_the_lower_index_and_blocks_change_nothing(
    metric, sizes, k, levels, seed, block, bounds
):
    count, queries_count, features = sizes
    images = random_bytes(seed, count, features, high=levels)
    queries = random_bytes(seed + 1, queries_count, features, high=levels)
    k = min(k, count)
    with pytest.MonkeyPatch.context() as patch:
        whole = knn._blocks
        patch.setattr(knn, "_blocks", lambda x, **_: whole(x, limit=block, elements=2**20))
        # As if the sizes were worth bounds, and every number of pairs small.
        use = bounds and metric == "l2"
        patch.setattr(KNearestNeighbors, "_has_use_for_bounds", lambda *_: use)
        for module in (knn, knn_bounds):
            patch.setattr(module, "RARE", 1)
        _, indices = (
            KNearestNeighbors(k, metric).fit(images, torch.zeros(count).long()).neighbors(queries)
        )
    assert indices.tolist() == exact_order(images, queries, metric, k).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), min_size=1, max_size=6))
def test_the_smallest_of_the_most_frequent_labels_wins(rows):
    wanted = [min(row, key=lambda label: (-row.count(label), label)) for row in rows]
    assert vote(torch.tensor(rows)).tolist() == wanted


@pytest.mark.parametrize("features", [784, 1024, 1025, 3072, 20_000])
def test_the_largest_byte_distances_are_exact(features):
    """Black, white and nearly white images: the sums are as large as they can get."""
    images = torch.full((3, features), 255, dtype=torch.uint8)
    images[1, 0] = 254
    images[2] = 0
    queries = torch.stack([torch.zeros(features, dtype=torch.uint8), images[0]])
    l1, nearest = KNearestNeighbors(3, "l1").fit(images, torch.arange(3)).neighbors(queries)
    assert nearest.tolist() == [[2, 1, 0], [0, 1, 2]]
    assert l1.tolist() == [[0, 255 * features - 1, 255 * features], [0, 1, 255 * features]]
    l2, nearest = KNearestNeighbors(3, "l2").fit(images, torch.arange(3)).neighbors(queries)
    assert nearest.tolist() == [[2, 1, 0], [0, 1, 2]]
    squared = [255**2 * (features - 1) + 254**2, 255**2 * features]
    wanted = torch.tensor([[0, *squared], [0, 1, squared[1]]], dtype=torch.float64).sqrt().float()
    assert l2.tolist() == wanted.tolist()


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_lower_matrix_precision_changes_nothing(precision):
    images, queries = random_bytes(2, 300, 1024), random_bytes(3, 20, 1024)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        distances, indices = KNearestNeighbors(5).fit(images, torch.arange(300)).neighbors(queries)
    finally:
        torch.set_float32_matmul_precision(before)
    assert indices.tolist() == exact_order(images, queries, "l2", 5).tolist()
    gaps = queries[0].double() - images[indices[0, 0]].double()
    assert distances[0, 0] == gaps.square().sum().sqrt().float()


def test_cosine_knows_direction_only():
    images = torch.tensor([[0, 0, 0], [1, 2, 3], [3, 0, 0]], dtype=torch.uint8)
    model = KNearestNeighbors(3, "cosine").fit(images, torch.arange(3))
    distances, indices = model.neighbors(torch.tensor([[80, 160, 240], [0, 0, 0]]).byte())
    assert indices.tolist() == [[1, 2, 0], [0, 1, 2]]  # an all-zero image is far from everything
    assert distances[0, 0] == 0
    assert distances[0, 2] == 1
    assert distances[1].tolist() == [1, 1, 1]


def test_the_nearest_neighbours_come_first_whatever_k_is(fashion):
    train, queries = fashion.train.take(500), fashion.validation.images[:20]
    few = KNearestNeighbors(3).fit(train.images, train.labels).neighbors(queries)[1]
    many = KNearestNeighbors(30).fit(train.images, train.labels).neighbors(queries)[1]
    assert torch.equal(many[:, :3], few)


def test_fit_keeps_the_images_without_copying_them():
    images = random_bytes(4, 10, 1, 4, 4)
    assert KNearestNeighbors(1).fit(images, torch.arange(10)).images is images


def test_memory_does_not_grow_with_the_training_set():
    """The largest tensor made on the way is one block, not queries x training images."""
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (tuple, list)) else [result]:
                if isinstance(tensor, torch.Tensor) and tensor._base is None:
                    largest = max(largest, tensor.numel() * tensor.element_size())
            return result

    images, queries = random_bytes(5, 9000, 8), random_bytes(6, 2100, 8)
    for metric in METRICS:
        model = KNearestNeighbors(5, metric).fit(images, torch.zeros(9000, dtype=torch.int64))
        with Watch():
            model.neighbors(queries)
    assert largest <= 1024 * 2048 * 8  # 17 MB; 9,000 x 2,100 float64 would be 151 MB


@pytest.mark.parametrize("features", [1024, 1500])
def test_bounds_change_the_time_only(fashion, features, monkeypatch):
    """Images that come twice, so that there are ties, and queries of any kind."""
    images = fashion.train.images[:4200].flatten(1).repeat(2, 1).repeat(1, 2)[:, :features]
    queries = torch.cat([images[:400] // 2 + 9, random_bytes(7, 20, features), images[:160]])
    model = KNearestNeighbors(5).fit(images, torch.zeros(len(images), dtype=torch.int64))
    compared = []
    original = knn.dots_of_pairs
    monkeypatch.setattr(knn, "dots_of_pairs", lambda *a: compared.append(len(a[2])) or original(*a))
    # As if the sizes were worth it.
    monkeypatch.setattr(KNearestNeighbors, "_has_use_for_bounds", lambda *_: True)
    state = torch.get_rng_state()
    distances, indices = model.neighbors(queries)
    assert torch.equal(torch.get_rng_state(), state)
    assert 0 < sum(compared) < 0.1 * len(images) * len(queries)
    monkeypatch.setattr(KNearestNeighbors, "_has_use_for_bounds", lambda *_: False)
    wanted, order = model.neighbors(queries)
    assert torch.equal(indices, order)
    assert torch.equal(distances, wanted)


def test_random_pixels_give_up_the_bounds(monkeypatch):
    images, queries = random_bytes(8, 2**14, 512), random_bytes(9, 2**11, 512)
    monkeypatch.setattr(knn, "dots_of_pairs", lambda *_: pytest.fail("pair by pair is slow here"))
    model = KNearestNeighbors(3).fit(images, torch.zeros(len(images), dtype=torch.int64))
    assert model.neighbors(queries)[1][:9].tolist() == (
        exact_order(images, queries[:9], "l2", 3).tolist()
    )


def test_gradients_are_not_recorded():
    images = torch.rand(6, 4, requires_grad=True)
    distances, _ = KNearestNeighbors(2).fit(images, torch.arange(6)).neighbors(images)
    assert not distances.requires_grad


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="this machine has no accelerator")
@pytest.mark.parametrize("metric", METRICS)
def test_an_accelerator_finds_the_same_neighbours(metric):
    images, queries = random_bytes(9, 3000, 784), random_bytes(10, 50, 784)
    device = torch.accelerator.current_accelerator()
    model = KNearestNeighbors(5, metric).fit(images.to(device), torch.arange(3000))
    _, indices = model.neighbors(queries)
    assert indices.tolist() == exact_order(images, queries, metric, 5).tolist()


def test_no_queries_give_no_predictions():
    model = KNearestNeighbors(2).fit(random_bytes(7, 5, 1, 4, 4), torch.arange(5))
    assert model.predict(random_bytes(8, 0, 1, 4, 4)).shape == (0,)
    assert model.neighbors(random_bytes(8, 0, 1, 4, 4))[1].shape == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(k=0), "at least 1"),
        (dict(k=2.5), "whole number"),
        (dict(metric="l3"), "choose one of l2, l1, cosine"),
    ],
)
def test_wrong_options_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        KNearestNeighbors(**arguments)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(3, 4), torch.zeros(2).long(), "3 images need 3 labels"),
        (torch.zeros(3, 4), torch.zeros(3), "must be integers"),
        (torch.zeros(3, 4), torch.tensor([0, 1, -1]), "not be negative"),
        (torch.zeros(3, 4).long(), torch.zeros(3).long(), "uint8 or floating point"),
        (torch.zeros(3), torch.zeros(3).long(), "shape"),
        (torch.zeros(0, 4), torch.zeros(0).long(), "at least one training image"),
        (torch.full((3, 4), torch.nan), torch.zeros(3).long(), "NaN or infinity"),
        (torch.zeros(1, 4), torch.zeros(1).long(), "k=2 neighbours"),
    ],
)
def test_unfit_training_data_is_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        KNearestNeighbors(2).fit(images, labels)


def test_unfit_queries_are_refused():
    model = KNearestNeighbors(1)
    with pytest.raises(RuntimeError, match="call fit first"):
        model.predict(torch.zeros(1, 4))
    model.fit(torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="same size"):
        model.predict(torch.zeros(1, 5))
    with pytest.raises(ValueError, match="same type and scale"):
        model.predict(torch.zeros(1, 4, dtype=torch.uint8))


def test_a_torch_without_sparse_products_goes_without_bounds(monkeypatch):
    def missing(*_, **__):
        raise RuntimeError("sampled_addmm: not compiled")

    has_sparse_products.cache_clear()
    assert has_sparse_products()
    monkeypatch.setattr(torch.sparse, "sampled_addmm", missing)
    has_sparse_products.cache_clear()
    assert not has_sparse_products()
    has_sparse_products.cache_clear()
