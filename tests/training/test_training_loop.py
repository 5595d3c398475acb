import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score
from torch import nn
from training_data import bright_quarters

from course_utils.data import batches
from course_utils.models import LeNet5
from course_utils.training import (
    Precision,
    TrainingDiverged,
    evaluate,
    top_k_accuracy,
    train_one_epoch,
)


def small_net():
    layers = nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout()
    return nn.Sequential(*layers, nn.Linear(900, 4))


@pytest.fixture(scope="module")
def data():
    return bright_quarters()


def test_one_epoch_is_the_five_steps(data):
    torch.manual_seed(0)
    ours, plain = LeNet5(4), LeNet5(4)
    plain.load_state_dict(ours.state_dict())
    loader = list(batches(data, batch_size=40))
    loss, accuracy = train_one_epoch(ours, loader, torch.optim.SGD(ours.parameters(), lr=0.1))
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    total = correct = 0
    for images, labels in loader:
        logits = plain(images)
        batch_loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        batch_loss.backward()
        optimizer.step()
        total += batch_loss.item() * len(labels)
        correct += (logits.argmax(1) == labels).sum().item()
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, b)
    assert loss == pytest.approx(total / 96)
    assert accuracy == pytest.approx(correct / 96)


def test_label_smoothing_is_that_of_the_definition(data):
    torch.manual_seed(0)
    model, share = LeNet5(4), 0.2
    loader = list(batches(data, batch_size=96))
    ((images, labels),) = loader
    log_probabilities = model(images).log_softmax(1)
    target = torch.full((96, 4), share / 4)
    target[torch.arange(96), labels] += 1 - share
    expected = -(target * log_probabilities).sum(1).mean().item()
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    loss, _ = train_one_epoch(model, loader, still, label_smoothing=share)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_schedule_moves_once_a_batch(data):
    model = LeNet5(4)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    halve = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    train_one_epoch(model, batches(data, batch_size=32), optimizer, scheduler=halve)
    assert optimizer.param_groups[0]["lr"] == 1 / 8


def test_a_loss_that_is_not_finite_stops_training_and_names_the_batch(data):
    model = LeNet5(4)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e20)
    with pytest.raises(TrainingDiverged, match="batch 2: .*learning rate ten times smaller") as e:
        train_one_epoch(model, batches(data, batch_size=8), optimizer)
    assert e.value.batch == 2


@pytest.mark.parametrize("batch_size", [7, 32, 500])
def test_evaluation_does_not_depend_on_the_batch_size(data, batch_size):
    torch.manual_seed(0)
    model = LeNet5(4)
    result = evaluate(model, batches(data, "test", batch_size=batch_size))
    logits = model(data.normalize(data.test.images)).detach()
    labels = data.test.labels
    assert result.correct == (logits.argmax(1) == labels).sum()
    assert result.total == 32
    assert result.accuracy == result.correct / 32
    assert result.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert f"{result.correct} of 32" in str(result)


def test_evaluation_changes_nothing(data):
    model = small_net()
    model.train()
    model[1].eval()  # a frozen batch norm inside a network in training mode
    first = evaluate(model, batches(data, "test"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert evaluate(model, batches(data, "test")) == first  # no dropout
    assert [m.training for m in model] == [True, False, True, True, True]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_the_mode_is_restored_after_an_error(data):
    model = LeNet5(4)
    model.train()
    with pytest.raises(RuntimeError):
        evaluate(model, [(torch.rand(2, 1, 9, 9), torch.zeros(2, dtype=torch.int64))])
    assert model.training


def test_an_empty_loader_is_an_error():
    model = LeNet5(4)
    with pytest.raises(ValueError, match="loader is empty"):
        evaluate(model, [])
    with pytest.raises(ValueError, match="loader is empty"):
        train_one_epoch(model, [], torch.optim.SGD(model.parameters()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_precision_learns(data, dtype, channels_last):
    torch.manual_seed(0)
    amp = Precision(torch.device("cpu"), dtype, channels_last)
    model = amp.place(nn.Sequential(nn.Conv2d(1, 4, 8, stride=8), nn.Flatten(), nn.Linear(64, 4)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    loader = batches(data, batch_size=16)
    losses = [train_one_epoch(model, loader, optimizer, amp=amp)[0] for _ in range(4)]
    assert losses[-1] < 0.5 * losses[0]
    assert amp.scaler.is_enabled() == (dtype == torch.float16)
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_top_k_of_the_docstring():
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    labels = torch.tensor([2, 2, 1])
    assert top_k_accuracy(logits, labels, 1) == 0
    assert top_k_accuracy(logits, labels, 2) == pytest.approx(2 / 3)  # a tie: 1 before 2
    assert top_k_accuracy(logits, labels, 3) == 1


@settings(max_examples=50, deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda classes: st.lists(
            st.tuples(st.permutations(range(classes)), st.integers(0, classes - 1)), min_size=1
        )
    )
)
def test_top_k_against_scikit_learn_without_ties(rows):
    logits = torch.tensor([row for row, _ in rows]).float()
    labels = torch.tensor([label for _, label in rows])
    classes = logits.shape[1]
    for k in range(1, classes + 1):
        ours = top_k_accuracy(logits, labels, k)
        if classes > 2 and k < classes:
            theirs = top_k_accuracy_score(labels, logits.numpy(), k=k, labels=range(classes))
            assert ours == pytest.approx(theirs)
    assert ours == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1), st.data())
def test_top_k_with_ties(rows, draw):
    logits = torch.tensor(rows).float()
    labels = torch.tensor([draw.draw(st.integers(0, 3)) for _ in rows])
    assert top_k_accuracy(logits, labels) == pytest.approx(
        (logits.argmax(1) == labels).float().mean().item()
    )
    # A stable sort keeps equal logits in the order of the classes.
    order = logits.sort(dim=1, descending=True, stable=True).indices
    for k in range(1, 5):
        inside = (order[:, :k] == labels[:, None]).any(1)
        assert top_k_accuracy(logits, labels, k) == pytest.approx(inside.float().mean().item())


@pytest.mark.parametrize(
    ("logits", "labels", "k", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), 1, "N > 0"),
        (torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), 1, r"\(2, 3\) and \(3,\)"),
        (torch.zeros(2, 3), torch.tensor([0, 1]), 4, "between 1 and the 3 classes, got 4"),
        (torch.zeros(2, 3), torch.tensor([0, 1]), 0, "got 0"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), 1, "labels must lie in 0..2"),
        (torch.full((2, 3), torch.nan), torch.tensor([0, 1]), 1, "NaN"),
    ],
)
def test_top_k_refuses_what_makes_no_sense(logits, labels, k, message):
    with pytest.raises(ValueError, match=message):
        top_k_accuracy(logits, labels, k)


def test_a_loss_that_is_not_finite_ends_the_epoch_soon():
    """On a GPU each look at the loss waits for it, so there is one look in 20 batches."""
    given = []

    def endless():
        while True:
            given.append(len(given))
            images = torch.full((2, 4), float("nan") if len(given) == 3 else 1.0)
            yield images, torch.zeros(2, dtype=torch.int64)
            assert len(given) < 100, "nobody has noticed"

    model = nn.Linear(4, 2)
    with pytest.raises(TrainingDiverged) as told:
        train_one_epoch(model, endless(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert len(given) <= 20
    assert told.value.batch == 3
