"""What happens inside a network: its filters and the maps that its layers put out."""

from __future__ import annotations

from torch import Tensor, nn

from ..runtime.evaluation import evaluation_mode


def feature_maps(model: nn.Module, images: Tensor, layer: str) -> Tensor:
    """Return what a layer puts out for these images, float on the CPU, usually (N, C, H, W).

    The layer is read with a forward hook (a function that torch calls with a layer's output); the
    model and its mode are not changed.

    Args:
        model: the network.
        images: normalised float (N, C, H, W).
        layer: its name in ``model.named_modules()``, for example "features.0".

    Raises:
        ValueError: the model has no such layer, or does not use it for these images.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU())
        >>> feature_maps(net, torch.rand(2, 1, 32, 32), "1").shape
        torch.Size([2, 6, 28, 28])
    """
    outputs: list[Tensor] = []
    # Cloned, because a following nn.ReLU(inplace=True) writes into the output.
    hook = layer_called(model, layer).register_forward_hook(
        lambda *call: outputs.append(call[2].clone())
    )
    try:
        with evaluation_mode(model):
            model(images.to(next(model.parameters()).device))
    finally:
        hook.remove()
    if not outputs:
        raise ValueError(f"the model did not use its layer {layer!r} for these images")
    return outputs[0].float().cpu()


def layer_called(model: nn.Module, name: str) -> nn.Module:
    """Return the layer with this name in ``model.named_modules()``.

    Raises:
        ValueError: the model has no such layer.
    """
    layers = dict(model.named_modules())
    if name not in layers:
        names = ", ".join(name for name in layers if name)
        raise ValueError(f"the model has no layer {name!r}; its layers are: {names}")
    return layers[name]


def first_layer_filters(model: nn.Module) -> Tensor:
    """Return the weights of the first convolution, float32 (filters, channels, height, width).

    They are the only filters that see pixels.

    Raises:
        ValueError: there is no convolution.

    Example:
        >>> first_layer_filters(nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU())).shape
        torch.Size([6, 3, 5, 5])
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().float().cpu().clone()
    raise ValueError(f"{type(model).__name__} has no convolution")
