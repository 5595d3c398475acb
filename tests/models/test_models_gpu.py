"""Every network on a GPU: shapes, number types and memory formats, without a GPU.

torch's FakeTensorMode follows a computation on "cuda" without computing it, and refuses what a GPU
would refuse: two devices, wrong shapes, wrong number types. Backward needs a real device there; it
is tried on the strict one.
"""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from course_utils.models import (
    LeNet5,
    alexnet,
    densenet,
    efficientnet,
    googlenet,
    lab,
    resnet,
    senet,
    vgg,
    whitened,
)
from course_utils.training import Precision
from course_utils.training.recipe import make_optimizer

SMALL = {  # for images of 32 pixels
    "LeNet5": lambda num_classes: LeNet5(num_classes, in_channels=3),
    "SlimAlexNet": alexnet.SlimAlexNet,
    "slim_vgg": vgg.slim_vgg,
    "LabVGG": lab.LabVGG,
    "SevenLayerVGG": lab.SevenLayerVGG,
    "SmallResNet": resnet.SmallResNet,
    "SENet": lambda num_classes: resnet.SmallResNet(
        num_classes=num_classes, block=senet.SEBasicBlock
    ),
    "SmallGoogLeNet": googlenet.SmallGoogLeNet,
    "SmallDenseNet": densenet.SmallDenseNet,
    "slim_efficientnet": efficientnet.slim_efficientnet,
    "WhitenedNet": lambda num_classes: whitened.WhitenedNet(torch.rand(24, 3, 2, 2), num_classes),
}
LARGE = {  # for images of 224 pixels
    "AlexNet": alexnet.AlexNet,
    "VGG-11": vgg.VGG,
    "ResNet-18": resnet.ResNet,
    "GoogLeNet": googlenet.GoogLeNet,
    "DenseNet-121": densenet.DenseNet,
    "EfficientNet-B0": efficientnet.efficientnet,
}
PRECISIONS = {
    "float32": (torch.float32, False),
    "float32, channels_last": (torch.float32, True),
    "bfloat16, channels_last": (torch.bfloat16, True),
    "float16, channels_last": (torch.float16, True),
}


def one_step(name, precision):
    """Return the images, logits and loss of a training step, and the network."""
    make, pixels = (SMALL[name], 32) if name in SMALL else (LARGE[name], 224)
    with precision.device:
        model = make(num_classes=10)
    if precision.channels_last:  # a fake network cannot be moved, but its weights can
        for kernel in (p for p in model.parameters() if p.ndim == 4):
            kernel.data = kernel.data.contiguous(memory_format=torch.channels_last)
    optimizer = make_optimizer("sgd", model, 0.1, 1e-4)
    optimizer.param_groups[0]["fused"] = False  # a fake tensor cannot follow the fused step
    images = precision.place(torch.rand(4, 3, pixels, pixels))
    labels = torch.zeros(4, dtype=torch.int64, device=precision.device)
    with precision.autocast():
        logits = model.train()(images)
        logits = logits if isinstance(logits, torch.Tensor) else logits.logits
        loss = F.cross_entropy(logits, labels)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return images, logits, loss, model


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled, but CUDA is not available")
@pytest.mark.parametrize(
    ("name", "title"),
    [*product(SMALL, PRECISIONS), *product(LARGE, ["bfloat16, channels_last"])],
)
def test_a_training_step_on_a_gpu(monkeypatch, name, title):
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    gpu = torch.device("cuda", 0)
    dtype, channels_last = PRECISIONS[title]
    with FakeTensorMode():
        images, logits, loss, model = one_step(name, Precision(gpu, dtype, channels_last))
    assert logits.shape == (4, 10)
    assert (logits.dtype, loss.dtype) == (dtype, torch.float32)
    assert {t.device for t in (images, logits, loss, *model.parameters())} == {gpu}
    kernels = [p for p in model.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
    last = {k.is_contiguous(memory_format=torch.channels_last) for k in [images, *kernels]}
    assert last == {channels_last}


def test_a_network_left_on_the_cpu_is_refused():
    with FakeTensorMode(), pytest.raises(RuntimeError, match="device"):
        LeNet5()(torch.zeros(1, 1, 32, 32, device="cuda"))
