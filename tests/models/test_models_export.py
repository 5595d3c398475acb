"""The course's networks leave PyTorch: another program computes the same logits."""

import pytest
import torch

from course_utils.models import LabVGG, LeNet5, SmallResNet
from course_utils.models.vit import VisionTransformer

FREE = {0: torch.export.Dim("batch", min=1, max=64)}
NETWORKS = {
    "LeNet-5": lambda: LeNet5(in_channels=3),
    "small VGG": lambda: LabVGG(channels=(8, 16)),
    "residual network": lambda: SmallResNet(1, width=8, stem_stride=2),
    "vision transformer": lambda: VisionTransformer(
        image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32
    ),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    """A network whose batch norm has statistics of its own, in evaluation mode."""
    torch.manual_seed(0)
    model = NETWORKS[request.param]().train()
    with torch.no_grad():
        model(torch.randn(16, 3, 32, 32))
    return model.eval()


@torch.no_grad()
def test_onnxruntime_gives_the_same_logits_for_a_batch_of_another_size(network):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    batch, other = torch.randn(2, 3, 32, 32), torch.randn(5, 3, 32, 32)
    exported = torch.onnx.export(network, (batch,), dynamic_shapes=(FREE,), verbose=False)
    content = exported.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: other.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), network(other), atol=1e-4, rtol=0)
