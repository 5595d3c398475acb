import pytest

from course_utils.training import EpochRow, History


def row(epoch, loss, accuracy, seconds=1.0):
    return EpochRow(epoch, 1 / epoch, 0.5, loss, accuracy, 1e-3, seconds)


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first():
    history = History([row(1, 0.5, 0.8), row(2, 0.4, 0.9), row(3, 0.3, 0.9), row(4, 0.3, 0.9)])
    assert history.best.epoch == 3
    assert len(history) == 4


def test_columns():
    history = History([row(1, 0.5, 0.8), row(2, 0.4, 0.9)])
    assert history["validation_loss"] == [0.5, 0.4]
    assert history["train_loss"] == [1, 0.5]
    with pytest.raises(KeyError, match="no column 'loss': choose one of epoch, train_loss"):
        history["loss"]


def test_seconds_do_not_count_in_a_comparison():
    assert History([row(1, 0.5, 0.8, 1.0)]) == History([row(1, 0.5, 0.8, 9.0)])
    assert History([row(1, 0.5, 0.8)]) != History([row(1, 0.5, 0.81)])


def test_it_prints_as_a_table():
    history = History([row(1, 0.5, 0.8), row(2, 0.4, 0.75)], "LeNet-5", "interrupted in epoch 3")
    assert str(history).splitlines() == [
        "LeNet-5",
        "epoch  train loss  train accuracy  validation loss  validation accuracy  learning rate  "
        "seconds",
        "    1      1.0000           50.0%           0.5000                80.0%          0.001  "
        "    1.0",
        "    2      0.5000           50.0%           0.4000                75.0%          0.001  "
        "    1.0",
        "best epoch: 1",
        "stopped: interrupted in epoch 3",
    ]
    assert repr(history) == "History(2 epochs; best epoch: 1; stopped: interrupted in epoch 3)"


def test_it_shows_as_html():
    html = History([row(1, 0.5, 0.8), row(2, 0.4, 0.75)], "a <b>", "loss > 1")._repr_html_()
    assert html.count("<tr") == 3
    assert "<caption>a &lt;b&gt;</caption>" in html
    assert '<tr style="font-weight: bold"><td>1</td>' in html
    assert "<p>best epoch: 1; stopped: loss &gt; 1</p>" in html


def test_without_an_epoch_it_says_why():
    history = History(stopped="the loss was not finite in epoch 1")
    assert "no epoch was completed" in str(history)
    assert "<tbody></tbody>" in history._repr_html_()
    with pytest.raises(ValueError, match="no epoch was completed .the loss was not finite"):
        _ = history.best
