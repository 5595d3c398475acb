import sys

import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn
from training_data import bright_quarters

from course_utils.data import Split, batches
from course_utils.inspection import (
    Predictions,
    accuracy_by_shift,
    confusion_matrix,
    feature_maps,
    first_layer_filters,
    footprint,
    label_predictor,
    most_confident_mistakes,
    predict,
    summary,
    wilson_interval,
)
from course_utils.models import LeNet5
from course_utils.runtime import Missing
from course_utils.training import evaluate


@pytest.fixture(scope="module")
def data():
    return bright_quarters()


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LeNet5(4)


def normed_net():
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout()
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 6 * 6, 5))


@pytest.mark.parametrize("batch_size", [5, 512])
def test_predict(data, model, batch_size):
    predictions = predict(model, data, batch_size=batch_size)
    logits = model(data.normalize(data.test.images)).detach()
    torch.testing.assert_close(predictions.probabilities, logits.softmax(1))
    assert torch.equal(predictions.predicted, logits.argmax(1))
    assert torch.equal(predictions.confidence, predictions.probabilities.max(1).values)
    assert torch.equal(predictions.labels, data.test.labels)
    assert predictions.accuracy == evaluate(model, batches(data, "test")).accuracy
    assert f"of 32 right, {predictions.accuracy:.1%}" in repr(predictions)
    assert len(predictions) == 32


def test_predict_takes_any_split_and_changes_nothing(data):
    net = nn.Sequential(nn.Conv2d(1, 2, 8), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(1250, 4))
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    few = data.train.at([3, 1])
    assert predict(net, data, few).labels.tolist() == [3, 1]
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [part.training for part in net] == [True, False, True, True]
    with pytest.raises(ValueError, match="split is empty"):
        predict(net, data, data.train.at([]))


def test_accuracy_by_shift_moves_a_quarter_of_the_images_to_each_corner(data):
    seen = []

    def first_class(images):
        seen.append(images)
        return torch.zeros(len(images), dtype=torch.int64)

    images = data.test.images
    split = data.test.at(range(8))
    assert accuracy_by_shift(first_class, split, [0, 2]) == {0: 2 / 8, 2: 2 / 8}
    assert torch.equal(seen[0], split.images)
    right_down, left_down, left_up, right_up = seen[1][:4]
    assert torch.equal(right_down[:, 2:, 2:], images[0][:, :-2, :-2])
    assert right_down[:, :2].sum() == right_down[:, :, :2].sum() == 0
    assert torch.equal(left_down[:, 2:, :-2], images[1][:, :-2, 2:])
    assert torch.equal(left_up[:, :-2, :-2], images[2][:, 2:, 2:])
    assert torch.equal(right_up[:, :-2, 2:], images[3][:, 2:, :-2])
    assert torch.equal(seen[1][4][:, 2:, 2:], images[4][:, :-2, :-2])


def test_accuracy_by_shift_of_a_network(data, model):
    by_shift = accuracy_by_shift(label_predictor(model, data), data.test)
    assert list(by_shift) == [0, 1, 2, 3, 4]
    assert by_shift[0] == predict(model, data).accuracy


@given(
    st.integers(2, 6).flatmap(
        lambda k: st.tuples(
            st.just(k),
            st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1),
        )
    )
)
def test_confusion_matrix_against_scikit_learn(case):
    classes, pairs = case
    true, predicted = torch.tensor(pairs).T
    ours = confusion_matrix(true, predicted, classes)
    theirs = sklearn.metrics.confusion_matrix(true, predicted, labels=range(classes))
    assert ours.tolist() == theirs.tolist()


def test_confusion_matrix_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([0, 1, 2]), 3)
    with pytest.raises(ValueError, match=r"lie in 0\.\.1"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([0, 2]), 2)
    assert confusion_matrix(torch.tensor([1]), torch.tensor([0]), 2).tolist() == [[0, 0], [1, 0]]


def test_most_confident_mistakes():
    sure = torch.tensor([0.9, 0.6, 0.8, 0.8, 0.99])
    labels = torch.tensor([1, 1, 1, 1, 0])  # the last is right
    predictions = Predictions(torch.stack([sure, 1 - sure], dim=1), labels)
    assert most_confident_mistakes(predictions).tolist() == [0, 2, 3, 1]
    assert most_confident_mistakes(predictions, 2).tolist() == [0, 2]
    assert most_confident_mistakes(Predictions(torch.eye(2), torch.tensor([0, 1]))).tolist() == []


@given(
    st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_wilson_interval_against_scipy(counts, confidence):
    correct, total = counts
    low, high = wilson_interval(correct, total, confidence)
    theirs = stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    assert (low, high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert 0 <= low <= correct / total <= high <= 1


def test_wilson_interval_by_hand():
    # 81 of 263: the example of Newcombe, "Two-sided confidence intervals ...", 1998
    assert wilson_interval(81, 263) == (
        pytest.approx(0.2553, abs=5e-5),
        pytest.approx(0.3662, abs=5e-5),
    )
    for impossible in ((5, 4), (-1, 4), (0, 0)):
        with pytest.raises(ValueError, match="is impossible"):
            wilson_interval(*impossible)
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson_interval(1, 2, confidence=95)


def test_feature_maps_are_the_output_of_the_layer():
    torch.manual_seed(0)
    net, images = normed_net().eval(), torch.rand(2, 3, 8, 8)
    normed = net[1](net[0](images)).detach()
    maps = feature_maps(net, images, "1")  # before the ReLU that works in place
    torch.testing.assert_close(maps, normed)
    assert maps.min() < 0
    assert feature_maps(net, images, "2").min() == 0


def test_feature_maps_change_nothing(data, model):
    model.train()
    maps = feature_maps(model, data.normalize(data.test.images[:2]), "features.3")
    assert maps.shape == (2, 16, 10, 10)
    assert not maps.requires_grad
    assert model.training
    assert not model.features[3]._forward_hooks


def test_feature_maps_name_the_layers_there_are(model):
    with pytest.raises(ValueError, match="no layer 'conv1'; its layers are: features, features.0"):
        feature_maps(model, torch.rand(1, 1, 32, 32), "conv1")
    model.unused = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="did not use its layer 'unused'"):
        feature_maps(model, torch.rand(1, 1, 32, 32), "unused")


def test_first_layer_filters(model):
    weights = first_layer_filters(model)
    assert torch.equal(weights, model.features[0].weight)
    weights.zero_()
    assert model.features[0].weight.abs().sum() > 0
    with pytest.raises(ValueError, match="Linear has no convolution"):
        first_layer_filters(nn.Linear(2, 2))


def test_footprint_by_hand(model):
    sizes = footprint(LeNet5(), (1, 32, 32))
    outputs = 2 * 6 * 28 * 28 + 6 * 14 * 14 + 2 * 16 * 10 * 10 + 16 * 5 * 5 + 2 * 120 + 2 * 84 + 10
    assert (sizes.parameters, sizes.trainable) == (61_706, 61_706)
    assert sizes.parameter_bytes == 4 * 61_706
    assert sizes.buffer_bytes == 0
    assert sizes.activation_bytes == 4 * outputs
    net = normed_net()
    net[0].requires_grad_(False)
    sizes = footprint(net, (3, 8, 8))
    assert sizes.parameters - sizes.trainable == 3 * 8 * 9 + 8
    assert sizes.buffer_bytes == 4 * (8 + 8) + 8  # mean, variance, and an int64 counter
    half = footprint(LeNet5().bfloat16(), (1, 32, 32))
    assert half.parameter_bytes == 2 * 61_706


@pytest.mark.parametrize("size", [(1, 32, 32), [1, 32, 32]])
def test_summary_prints_the_table_and_bytes(capsys, model, size):
    assert summary(LeNet5(), size) is None
    printed = capsys.readouterr().out
    assert "Conv2d-4           [-1, 16, 10, 10]           2,416" in printed
    assert "Total params: 61,706" in printed
    assert "Parameters in bytes: 246,824" in printed
    assert "Activations of one image in bytes: 58,408" in printed


def test_summary_changes_nothing(capsys):
    net = normed_net()
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random = torch.get_rng_state()
    summary(net, (3, 8, 8))
    assert torch.equal(torch.get_rng_state(), random)
    assert [part.training for part in net] == [True, False, True, True, True, True]
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(part._forward_hooks for part in net.modules())


def test_summary_of_one_layer(capsys):
    summary(nn.Conv2d(3, 6, 5), (3, 32, 32))
    assert "[-1, 6, 28, 28]             456" in capsys.readouterr().out


def test_inspection_works_on_labels_from_anywhere(data):
    """K-NN's predictions fit as well: only images go in and labels come out."""
    by_shift = accuracy_by_shift(lambda images: [0] * len(images), data.test, [0])
    assert by_shift == {0: 0.25}
    assert isinstance(data.test, Split)


def test_summary_says_what_to_install_where_torchsummary_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchsummary", None)
    with pytest.raises(Missing, match="pip install torchsummary"):
        summary(LeNet5(), (1, 32, 32))
