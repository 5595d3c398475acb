"""Blocks of VGG and ResNet in Keras, a callback, a new head. Used in lecture 13.

It imports Keras, which is an optional package, with the torch backend unless another one is chosen.
"""

from __future__ import annotations

import math
import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras reads it when it is imported

import keras

from ..withheld import asked_for


@asked_for("13.1")
def vgg_layers(x: Any, filters: int, convolutions: int) -> Any:
    """Return 3x3 convolutions with ReLU and a 2x2 max pool, called on a symbol.

    Simonyan and Zisserman, ICLR 2015. Used in lecture 13.

    Args:
        x: a symbol of shape (N, H, W, C).
        filters: output channels of each convolution.
        convolutions: how many of them.

    Example:
        >>> vgg_layers(keras.Input((8, 8, 3)), filters=16, convolutions=2).shape
        (None, 4, 4, 16)
    """
    options = dict(kernel_size=3, padding="same", activation="relu")
    for _ in range(convolutions):
        x = keras.layers.Conv2D(filters, **options)(x)
    return keras.layers.MaxPooling2D(pool_size=2)(x)


@asked_for("13.2")
def residual_bottleneck(x: Any, channels: int, stride: int) -> Any:
    """Return ResNet-50's block, as torchvision has it, called on a symbol.

    He, Zhang, Ren and Sun, CVPR 2016. Used in lecture 13.

    Args:
        x: a symbol of shape (N, H, W, C).
        channels: of the 3x3 convolution; the output has four times as many.
        stride: of the 3x3 convolution and of the shortcut.

    Example:
        >>> residual_bottleneck(keras.Input((8, 8, 16)), channels=8, stride=2).shape
        (None, 4, 4, 32)
    """
    relu, out = keras.layers.ReLU, _normed(x, channels, 1)
    out = keras.layers.ZeroPadding2D(1)(relu()(out))
    out = _normed(relu()(_normed(out, channels, 3, stride)), 4 * channels, 1)
    if stride != 1 or x.shape[-1] != 4 * channels:
        x = _normed(x, 4 * channels, 1, stride)
    return relu()(keras.layers.Add()([out, x]))


def _normed(x: Any, filters: int, size: int, stride: int = 1) -> Any:
    x = keras.layers.Conv2D(filters, size, strides=stride, use_bias=False)(x)
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


@asked_for("13.3")
class BestWeights(keras.callbacks.Callback):
    """Puts the weights of the epoch with the best ``val_accuracy`` back when training ends.

    Of several such epochs it is the first. Used in lecture 13.

    Example:
        >>> callback = BestWeights()
        >>> callback.on_train_begin()
        >>> callback.best
        -inf
    """

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin anew."""
        self.best, self.weights = -math.inf, None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep a copy of the weights if they are better than all before."""
        if logs["val_accuracy"] > self.best:
            self.best, self.weights = logs["val_accuracy"], self.model.get_weights()

    def on_train_end(self, logs: Any = None) -> None:
        """Put the best weights back."""
        if self.weights is not None:
            self.model.set_weights(self.weights)


@asked_for("13.4")
def with_new_head(backbone: Any, num_classes: int, tune: bool) -> Any:
    """Return a model of a trained backbone, average pooling and a new linear layer.

    Used in lecture 13.

    Args:
        backbone: a Keras model whose output has shape (N, H, W, C).
        num_classes: outputs of the new layer: logits.
        tune: whether the backbone learns, too. Its batch norm layers never do.

    Example:
        >>> inputs = keras.Input((8, 8, 3))
        >>> backbone = keras.Model(inputs, keras.layers.Conv2D(6, 3)(inputs))
        >>> len(with_new_head(backbone, 4, tune=False).trainable_weights)
        2
    """
    backbone.trainable = tune
    norm = keras.layers.BatchNormalization
    for frozen in [layer for layer in backbone.layers if isinstance(layer, norm)]:
        frozen.trainable = False
    images = keras.Input(backbone.input_shape[1:])
    features = keras.layers.GlobalAveragePooling2D()(backbone(images))
    return keras.Model(images, keras.layers.Dense(num_classes)(features))
