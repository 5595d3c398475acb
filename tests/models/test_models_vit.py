"""The vision transformer is torchvision's: same names, same logits; its parts do what they say."""

import pytest
import torch
from reference_networks import close
from torch import nn
from torch.nn import functional as F
from torchvision.models.vision_transformer import VisionTransformer as Theirs

from course_utils.models import VisionTransformer, small_vit
from course_utils.models.patches import resize_positions, split_patches
from course_utils.models.vit import EncoderBlock, SelfAttention, attention

TINY = dict(image_size=32, patch_size=4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24)
BASE = dict(image_size=224, patch_size=16, num_layers=12, num_heads=12)  # the layout of ViT-B/16
WIDE = BASE | dict(hidden_dim=768, mlp_dim=3072)
NARROW = BASE | dict(hidden_dim=24, mlp_dim=48)


def pair(design):
    """Ours with the weights of torchvision's, all of them random."""
    torch.manual_seed(0)
    theirs = Theirs(**design, num_classes=7).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.2)
    ours = VisionTransformer(**design, num_classes=7).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def test_same_names_and_shapes():
    with torch.device("meta"):
        ours, theirs = VisionTransformer(**WIDE), Theirs(**WIDE)
    shapes = [{k: v.shape for k, v in model.state_dict().items()} for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert list(shapes[0]) == list(shapes[1])


@pytest.mark.parametrize("design", [TINY, NARROW], ids=["tiny", "the layout of ViT-B/16"])
@torch.no_grad()
def test_same_logits(design):
    ours, theirs = pair(design)
    images = torch.randn(2, 3, design["image_size"], design["image_size"])
    assert torch.allclose(ours(images), theirs(images), atol=1e-4)


@torch.no_grad()
def test_a_block_without_its_second_addition_is_noticed():
    ours, theirs = pair(TINY)
    block = ours.encoder.layers[0]
    block.forward = lambda x: block.mlp(block.ln_2(x + block.self_attention(block.ln_1(x))))
    images = torch.randn(2, 3, 32, 32)
    assert not close(ours(images), theirs(images))


@torch.no_grad()
def test_parts_agree_with_pytorch():
    torch.manual_seed(0)
    x = torch.randn(3, 2, 5, 4)
    read, weights = attention(x, x + 1, 2 * x)
    assert torch.allclose(read, F.scaled_dot_product_attention(x, x + 1, 2 * x), atol=1e-6)
    assert torch.allclose(weights.sum(-1), torch.ones(3, 2, 5))
    ours, theirs = SelfAttention(8, heads=2), nn.MultiheadAttention(8, 2, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    tokens = torch.randn(3, 5, 8)
    output, by_head = theirs(tokens, tokens, tokens, average_attn_weights=False)
    assert torch.allclose(ours(tokens), output, atol=1e-6)
    assert torch.allclose(ours.weights(tokens), by_head, atol=1e-6)


@torch.no_grad()
def test_a_linear_layer_on_patches_is_the_convolution():
    layer, images = nn.Conv2d(3, 6, 4, stride=4), torch.randn(2, 3, 8, 12)
    made = F.linear(split_patches(images, 4), layer.weight.flatten(1), layer.bias)
    assert torch.allclose(made, layer(images).flatten(2).mT, atol=1e-6)


@torch.no_grad()
def test_small_vit_and_its_attention():
    torch.manual_seed(0)
    model = small_vit(in_channels=1, num_classes=3).eval()
    assert sum(p.numel() for p in small_vit().parameters()) == 142_026
    images = torch.randn(2, 1, 32, 32)
    maps = model.attention_maps(images)
    assert maps.shape == (4, 2, 4, 65, 65)
    assert torch.allclose(maps.sum(-1), torch.ones(4, 2, 4, 65), atol=1e-5)
    first = model.encoder.layers[0]
    tokens = model.tokens(images) + model.encoder.pos_embedding
    assert torch.equal(maps[0], first.self_attention.weights(first.ln_1(tokens)))


@torch.no_grad()
def test_mean_pooling_has_the_same_parameters_and_other_logits():
    torch.manual_seed(0)
    first, second = small_vit(), small_vit(pool="mean")
    second.load_state_dict(first.state_dict())
    images = torch.randn(1, 3, 32, 32)
    assert not torch.allclose(first(images), second(images))


@torch.no_grad()
def test_positions_for_another_grid():
    positions = torch.randn(1, 17, 3)
    assert torch.allclose(resize_positions(positions, 4), positions, atol=1e-6)
    larger = resize_positions(positions, 6)
    assert torch.equal(larger[:, 0], positions[:, 0])
    grid = positions[:, 1:].mT.reshape(1, 3, 4, 4)
    want = F.interpolate(grid, (6, 6), mode="bicubic").flatten(2).mT
    assert torch.allclose(larger[:, 1:], want)


def test_impossible_designs_are_named():
    with pytest.raises(ValueError, match="do not fill"):
        small_vit(patch_size=5)
    with pytest.raises(ValueError, match="choose 'class' or 'mean'"):
        small_vit(pool="largest")
    with pytest.raises(ValueError, match="among 3 heads"):
        EncoderBlock(8, 3, 8)
