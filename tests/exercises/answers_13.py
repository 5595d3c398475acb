"""Lecture 13: other right answers, and wrong ones with the hint that each should get."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from keras import layers

from course_utils.models import keras_networks

# --- 13.1 ----------------------------------------------------------------------------------------


def vgg_with(*, count=0, between=None, pool=layers.MaxPooling2D, pool_each=False, **options):
    """Make a block; the options are mistakes or other ways to write it."""
    options = dict(kernel_size=3, padding="same", activation="relu") | options

    def vgg_block(x, filters, convolutions):
        for place in range(convolutions + count):
            is_last = place == convolutions - 1
            chosen = options if is_last or not between else options | between
            x = layers.Conv2D(filters, **chosen)(x)
            x = pool()(x) if pool_each and not is_last else x
        return pool()(x) if pool else x

    return vgg_block


def vgg_by_layers(x, filters, convolutions):
    block = keras.Sequential()
    for _ in range(convolutions):
        block.add(layers.Conv2D(filters, (3, 3), padding="same"))
        block.add(layers.ReLU())
    block.add(layers.MaxPool2D((2, 2), strides=2))
    return block(x)


def vgg_with_norm(x, filters, convolutions):
    return layers.BatchNormalization()(vgg_with()(x, filters, convolutions))


# --- 13.2 ----------------------------------------------------------------------------------------


def bottleneck_with(
    *,
    strided=1,
    padding="zeros",
    bias=False,
    projection="needed",
    between=layers.ReLU,
    end=lambda out, x: layers.ReLU()(layers.Add()([out, x])),
    epsilon=1e-5,
):
    """Make a block; the options are mistakes or other ways to write it."""

    def normed(x, filters, size, stride=1):
        if size == 3 and padding == "zeros":
            x = layers.ZeroPadding2D(1)(x)
        around = "same" if size == 3 and padding == "same" else "valid"
        x = layers.Conv2D(filters, size, strides=stride, padding=around, use_bias=bias)(x)
        return layers.BatchNormalization(epsilon=epsilon)(x)

    def bottleneck(x, channels, stride):
        steps = [stride if place == strided else 1 for place in range(3)]
        fits = stride == 1 and x.shape[-1] == 4 * channels
        shortcut = x
        if projection == "always" or (projection != "never" and not fits):
            shortcut = layers.Conv2D(4 * channels, 1, strides=stride, use_bias=bias)(x)
            if projection != "bare":
                shortcut = layers.BatchNormalization(epsilon=epsilon)(shortcut)
        out = between()(normed(x, channels, 1, steps[0]))
        out = between()(normed(out, channels, 3, steps[1]))
        return end(normed(out, 4 * channels, 1, steps[2]), shortcut)

    return bottleneck


def relu(x):
    return layers.ReLU()(x)


# --- 13.3 ----------------------------------------------------------------------------------------


def keep_with(
    *,
    better=lambda new, old: new > old,
    start=float("-inf"),
    name="val_accuracy",
    take=lambda model: model.get_weights(),
    put=lambda model, kept: model.set_weights(kept),
    anew=True,
):
    """Make a class of callbacks; the options are mistakes or other ways to write it."""

    class Keep(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.best, self.kept = start, None

        def on_train_begin(self, logs=None):
            if anew:
                self.best, self.kept = start, None

        def on_epoch_end(self, epoch, logs=None):
            if better(logs[name], self.best):
                self.best, self.kept = logs[name], take(self.model)

        def on_train_end(self, logs=None):
            if self.kept is not None:
                put(self.model, self.kept)

    return Keep


class KeepAll(keras.callbacks.Callback):
    """Keep the weights of all epochs, and choose at the end."""

    def on_train_begin(self, logs=None):
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((logs["val_accuracy"], -epoch, self.model.get_weights()))

    def on_train_end(self, logs=None):
        self.model.set_weights(max(self.epochs, key=lambda one: one[:2])[2])


def trainable_copies(model):
    return [variable.numpy().copy() for variable in model.trainable_weights]


def put_trainable(model, kept):
    for variable, value in zip(model.trainable_weights, kept, strict=True):
        variable.assign(value)


def put_nothing(model, kept):
    pass


# --- 13.4 ----------------------------------------------------------------------------------------


def freeze_rightly(backbone, tune):
    backbone.trainable = tune
    for layer in backbone.layers:
        layer.trainable = tune and not isinstance(layer, layers.BatchNormalization)


def freeze_norm_first(backbone, tune):
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    backbone.trainable = tune


def freeze_all(backbone, tune):
    backbone.trainable = False


def head_with(
    *,
    freeze=freeze_rightly,
    pool=layers.GlobalAveragePooling2D,
    activation=None,
    after=lambda model: model,
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def new_head(backbone, num_classes, tune):
        freeze(backbone, tune)
        inputs = keras.Input(backbone.input_shape[1:])
        outputs = layers.Dense(num_classes, activation=activation)(pool()(backbone(inputs)))
        return after(keras.Model(inputs, outputs))

    return new_head


def head_in_sequence(backbone, num_classes, tune):
    freeze_rightly(backbone, tune)
    pool = layers.GlobalAveragePooling2D()
    return keras.Sequential(
        [keras.Input(backbone.input_shape[1:]), backbone, pool, layers.Dense(num_classes)]
    )


def head_on_its_output(backbone, num_classes, tune):
    freeze_rightly(backbone, tune)
    x = layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, layers.Dense(num_classes)(x))


def freeze_whole(model):
    model.trainable = False
    return model


ANSWERS = {
    "13.1": dict(
        variants={"a loop": vgg_with(), "a Sequential inside": vgg_by_layers},
        wrong={
            "no ReLU": (vgg_with(activation=None), "ReLU follows each"),
            "one ReLU": (vgg_with(between=dict(activation=None)), "not only the last"),
            "no pool": (vgg_with(pool=None), "pool is missing"),
            "a pool each": (vgg_with(pool_each=True), "pool comes once"),
            "average": (vgg_with(pool=lambda: layers.AveragePooling2D(2)), "not average"),
            "stride 1": (vgg_with(pool=lambda: layers.MaxPooling2D(2, 1)), "has stride 2"),
            "pool pads": (vgg_with(pool=lambda: layers.MaxPooling2D(padding="same")), "odd size"),
            "valid": (vgg_with(padding="valid"), "keep the size"),
            "one too many": (vgg_with(count=1), "has 3 of them"),
            "no bias": (vgg_with(use_bias=False), "have a bias"),
            "batch norm": (vgg_with_norm, "no batch norm"),
            "5×5": (vgg_with(kernel_size=5), "kernel 3×3"),
            "nothing": (lambda x, filters, convolutions: None, "return the symbol"),
        },
        empty={"the input": lambda x, filters, convolutions: x},
        adapters={"the course's": (keras_networks.vgg_layers, 0)},
    ),
    "13.2": dict(
        variants={
            "by options": bottleneck_with(),
            # The last 1×1 reads single pixels: skipping them before or after gives the same.
            "stride in the last": bottleneck_with(strided=2),
        },
        wrong={
            "same": (bottleneck_with(padding="same"), "on one side only"),
            "biases": (bottleneck_with(bias=True), "use_bias=False"),
            "never a projection": (bottleneck_with(projection="never"), "cannot be added"),
            "always a projection": (bottleneck_with(projection="always"), "fits as it is"),
            "a projection without batch norm": (bottleneck_with(projection="bare"), "that of the"),
            "stride in the first": (bottleneck_with(strided=0), "would skip pixels"),
            "two ReLUs": (
                bottleneck_with(end=lambda out, x: relu(layers.Add()([relu(out), x]))),
                "no ReLU on the branch",
            ),
            "no last ReLU": (
                bottleneck_with(end=lambda out, x: layers.Add()([out, x])),
                "one more ReLU",
            ),
            "ReLU first": (
                bottleneck_with(end=lambda out, x: layers.Add()([relu(out), x])),
                "add first",
            ),
            "no ReLU between": (bottleneck_with(between=layers.Identity), "each batch norm but"),
            "epsilon": (bottleneck_with(epsilon=1e-3), "default is 1e-3"),
            "nothing": (lambda x, channels, stride: None, "return the symbol"),
        },
        empty={"the input": lambda x, channels, stride: x},
        adapters={"the course's": (keras_networks.residual_bottleneck, 0)},
    ),
    "13.3": dict(
        variants={"by options": keep_with(), "all epochs": KeepAll},
        wrong={
            "not put back": (keep_with(put=put_nothing), "last epoch"),
            "no copy": (
                keep_with(
                    take=lambda model: list(model.weights),
                    put=lambda model, kept: [
                        a.assign(b) for a, b in zip(model.weights, kept, strict=True)
                    ],
                ),
                "last epoch",
            ),
            "the last of equal ones": (keep_with(better=lambda a, b: a >= b), "the first counts"),
            "the smallest": (
                keep_with(better=lambda a, b: a < b, start=float("inf")),
                "not the smallest",
            ),
            "training accuracy": (keep_with(name="accuracy"), "last epoch|training images"),
            "val_loss": (
                keep_with(name="val_loss", better=lambda a, b: a < b, start=float("inf")),
                "not val_loss|last epoch|first counts|smallest|epoch",
            ),
            "trainable only": (
                keep_with(take=trainable_copies, put=put_trainable),
                "no trainable weights",
            ),
            "starts at 0": (keep_with(start=0.0), "can be 0"),
            "never anew": (keep_with(anew=False), "begins anew"),
            "no callback": (object, "inherits from"),
        },
        empty={"a callback that does nothing": keras.callbacks.TerminateOnNaN},
        adapters={"the course's": (keras_networks.BestWeights, 0)},
    ),
    "13.4": dict(
        variants={
            "by options": head_with(),
            "a Sequential": head_in_sequence,
            "on the backbone's output": head_on_its_output,
        },
        wrong={
            "not frozen": (head_with(freeze=lambda backbone, tune: None), "can still learn"),
            "always frozen": (head_with(freeze=freeze_all), "convolutions of the backbone should"),
            "batch norm first": (head_with(freeze=freeze_norm_first), "after it"),
            "the head too": (head_with(after=freeze_whole), "new layer cannot learn"),
            "softmax": (head_with(activation="softmax"), "no softmax"),
            "ReLU": (head_with(activation="relu"), "no ReLU"),
            "maximum": (head_with(pool=layers.GlobalMaxPooling2D), "not the maximum"),
            "flat": (head_with(pool=layers.Flatten), "average over rows"),
            "nothing": (lambda backbone, num_classes, tune: None, "return a keras.Model"),
        },
        empty={"the backbone": lambda backbone, num_classes, tune: backbone},
        adapters={"the course's": (keras_networks.with_new_head, 0)},
    ),
}
