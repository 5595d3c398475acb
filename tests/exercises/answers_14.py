"""Lecture 14: other right answers, and wrong ones with the hint that each should get."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.vision_transformer import EncoderBlock as TorchvisionBlock

from course_utils.models.patches import resize_positions, split_patches
from course_utils.models.vit import EncoderBlock, SelfAttention, VisionTransformer, attention

# --- 14.1 ----------------------------------------------------------------------------------------


def patches_with(order=(0, 2, 4, 1, 3, 5), finish=lambda x: x):
    """Make an answer; the options are mistakes."""

    def patches(images, size):
        count, channels, height, width = images.shape
        grid = images.view(count, channels, height // size, size, width // size, size)
        return finish(grid.permute(order).reshape(count, -1, channels * size**2))

    return patches


def patches_by_loops(images, size):
    rows, columns = (range(0, side, size) for side in images.shape[2:])
    made = [images[:, :, r : r + size, c : c + size].flatten(1) for r in rows for c in columns]
    return torch.stack(made, dim=1)


def patches_by_tensor_unfold(images, size):
    cut = images.unfold(2, size, size).unfold(3, size, size)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def patches_by_reshape(images, size):
    return images.reshape(len(images), -1, images.shape[1] * size**2)


def patches_as_unfold_has_them(images, size):
    return F.unfold(images, size, stride=size)


# --- 14.2 ----------------------------------------------------------------------------------------


def attention_with(
    *,
    divide=lambda q, k: q.shape[-1] ** 0.5,
    share=lambda scores: scores.softmax(-1),
    read=lambda weights, values: weights @ values,
    give=lambda output, weights: (output, weights),
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def attend(queries, keys, values):
        weights = share(queries @ keys.transpose(-2, -1) / divide(queries, keys))
        return give(read(weights, values), weights)

    return attend


def plain_softmax(scores):
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


def stable_softmax(scores):
    raised = (scores - scores.amax(-1, keepdim=True)).exp()
    return raised / raised.sum(-1, keepdim=True)


def attention_ready_made(queries, keys, values):
    weights = (queries @ keys.mT / queries.shape[-1] ** 0.5).softmax(-1)
    return F.scaled_dot_product_attention(queries, keys, values), weights


def read_mean(weights, values):
    return values.mean(-2, keepdim=True).expand(*weights.shape[:-1], values.shape[-1])


# --- 14.3 ----------------------------------------------------------------------------------------


def block_with(forward=None, *, eps=1e-6, activation=nn.GELU, dropouts=True, attend=True):
    """Make a class of blocks; the options are mistakes."""

    def right(self, x):
        x = x + self.self_attention(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))

    class Block(nn.Module):
        def __init__(self, dim, heads, mlp_dim):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(dim, eps=eps), nn.LayerNorm(dim, eps=eps)
            if attend:
                self.self_attention = SelfAttention(dim, heads)
            layers = [nn.Linear(dim, mlp_dim), activation(), nn.Dropout(0.0)]
            layers = layers if dropouts else layers[:2]
            self.mlp = nn.Sequential(*layers, nn.Linear(mlp_dim, dim))

        def forward(self, x):
            return (forward or right)(self, x)

    return Block


def no_first_addition(self, x):
    x = self.self_attention(self.ln_1(x))
    return x + self.mlp(self.ln_2(x))


def no_second_addition(self, x):
    return self.mlp(self.ln_2(x + self.self_attention(self.ln_1(x))))


def post_norm(self, x):
    x = self.ln_1(x + self.self_attention(x))
    return self.ln_2(x + self.mlp(x))


def normed_shortcut(self, x):
    x = self.ln_1(x)
    x = x + self.self_attention(x)
    x = self.ln_2(x)
    return x + self.mlp(x)


def side_by_side(self, x):
    return x + self.self_attention(self.ln_1(x)) + self.mlp(self.ln_2(x))


def one_norm_twice(self, x):
    x = x + self.self_attention(self.ln_1(x))
    return x + self.mlp(self.ln_1(x))


class BlockWithPyTorchsAttention(nn.Module):
    """The parameters of nn.MultiheadAttention have the same names."""

    def __init__(self, dim, heads, mlp_dim):
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(dim, eps=1e-6)
        layers = nn.Linear(dim, mlp_dim), nn.GELU(), nn.Identity(), nn.Linear(mlp_dim, dim)
        self.mlp = nn.Sequential(*layers)

    def forward(self, x):
        seen = self.ln_1(x)
        between = x + self.self_attention(seen, seen, seen, need_weights=False)[0]
        return between + self.mlp(self.ln_2(between))


class NoModule:
    """Is no network."""

    def __init__(self, *arguments):
        pass


def block_of_torchvision(dim, heads, mlp_dim):
    return TorchvisionBlock(heads, dim, mlp_dim, 0.0, 0.0)


# --- 14.4 ----------------------------------------------------------------------------------------


def positions_with(
    *,
    to_grid=lambda x, side: x.transpose(1, 2).reshape(1, x.shape[2], side, side),
    back=lambda x: x.flatten(2).transpose(1, 2),
    split=lambda x: (x[:, :1], x[:, 1:]),
    join=lambda token, patches: torch.cat([token, patches], dim=1),
    **options,
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def positions_for(positions, size):
        token, patches = split(positions)
        grid = to_grid(patches, round(patches.shape[1] ** 0.5))
        how = dict(mode="bicubic") | options
        return join(token, back(F.interpolate(grid, size=(size, size), **how)))

    return positions_for


def zeros_for_positions(positions, size):
    return positions.new_zeros(1, 1 + size**2, positions.shape[2])


# --- 14.5 ----------------------------------------------------------------------------------------


def costs_with(
    *,
    token=1,
    factor=2,
    products=2,
    positions=True,
    bias=1,
    norms=True,
    last=False,
    make=lambda *found: found,
):
    """Make an answer; the options are mistakes or other ways to write it."""

    def vit_costs(image_size, patch_size, channels, dim, layers, mlp_dim, classes):
        patches = (image_size // patch_size) ** 2
        tokens, read = patches + token, channels * patch_size**2
        linear = [(dim, 3 * dim), (dim, dim), (dim, mlp_dim), (mlp_dim, dim)]
        parameters = (read + bias) * dim + (dim + bias) * classes + norms * 2 * dim
        parameters += layers * (sum((i + bias) * o for i, o in linear) + norms * 4 * dim)
        parameters += token * dim + positions * tokens * dim
        block = tokens * sum(i * o for i, o in linear) + products * tokens**2 * dim
        head = dim * classes * (tokens if last else 1)
        return make(parameters, factor * (patches * read * dim + layers * block + head))

    return vit_costs


def costs_of_the_course(image_size, patch_size, channels, dim, layers, mlp_dim, classes):
    sizes = dict(image_size=image_size, patch_size=patch_size, num_layers=layers, num_heads=1)
    widths = dict(hidden_dim=dim, mlp_dim=mlp_dim, num_classes=classes, in_channels=channels)
    with torch.device("meta"):
        model = VisionTransformer(**sizes, **widths)
    return sum(p.numel() for p in model.parameters()), 0


ANSWERS = {
    "14.1": {
        "variants": {
            "loops": patches_by_loops,
            "Tensor.unfold": patches_by_tensor_unfold,
            "permute": patches_with(),
        },
        "wrong": {
            "reshape": (patches_by_reshape, "takes runs of pixels"),
            "channels last": (patches_with((0, 2, 4, 3, 5, 1)), "the channel comes first"),
            "columns before rows": (patches_with((0, 2, 4, 1, 5, 3)), "row comes before"),
            "column by column": (patches_with((0, 4, 2, 1, 3, 5)), "not column by column"),
            "axes swapped": (patches_as_unfold_has_them, "last two axes"),
            "flat": (patches_with(finish=lambda x: x.flatten(1)), "should have shape"),
        },
        "empty": {
            "zeros": lambda images, size: torch.zeros_like(patches_by_reshape(images, size)),
        },
        "adapters": {"the course's": (split_patches, 0)},
    },
    "14.2": {
        "variants": {
            "matmul": attention_with(),
            "a stable softmax": attention_with(share=stable_softmax),
            "a list": attention_with(give=lambda output, weights: [output, weights]),
        },
        "wrong": {
            "not divided": (attention_with(divide=lambda q, k: 1), "square root of d$"),
            "divided by d": (attention_with(divide=lambda q, k: q.shape[-1]), "not by d"),
            "root of the tokens": (
                attention_with(divide=lambda q, k: k.shape[-2] ** 0.5),
                "not of the tokens",
            ),
            "over the queries": (attention_with(share=lambda s: s.softmax(-2)), "over the keys"),
            "no softmax": (attention_with(share=lambda s: s), "shares by softmax"),
            "exp of large scores": (attention_with(share=plain_softmax), "weights should be"),
            "the mean": (attention_with(read=read_mean), "not a mean"),
            "transposed weights": (
                attention_with(read=lambda w, v: w.mT @ v),
                "nothing transposed|stops with",
            ),
            "swapped": (attention_with(give=lambda o, w: (w, o)), "the output comes first"),
            "the output alone": (attention_with(give=lambda o, w: o), "return two tensors"),
            "ready made": (attention_ready_made, "PyTorch's own"),
        },
        "empty": {"values": lambda q, k, v: (v, v)},
        "adapters": {"the course's": (attention, 0)},
    },
    "14.3": {
        "variants": {
            "no second dropout": block_with(),
            "PyTorch's attention": BlockWithPyTorchsAttention,
        },
        "wrong": {
            "no first addition": (block_with(no_first_addition), "first addition is missing"),
            "no second addition": (block_with(no_second_addition), "second addition is missing"),
            "post-norm": (block_with(post_norm), "before each part"),
            "normed shortcut": (block_with(normed_shortcut), "takes x itself"),
            "side by side": (block_with(side_by_side), "reads the result of the first"),
            "one norm twice": (block_with(one_norm_twice), "not self.ln_1"),
            "ReLU": (block_with(activation=nn.ReLU), "not ReLU"),
            "no activation": (block_with(activation=nn.Identity), "GELU, is missing"),
            "another epsilon": (block_with(eps=1e-5), "eps=1e-6"),
            "no dropout": (block_with(dropouts=False), "second Linear is layer number 3"),
            "no attention": (block_with(attend=False), "self.self_attention"),
            "no network": (NoModule, "inherits from nn.Module"),
            "no weights": (lambda *arguments: nn.Identity(), "has no parameters"),
        },
        "empty": {
            "only x": block_with(lambda self, x: x),
            "zeros": block_with(lambda self, x: 0 * x),
        },
        "adapters": {"the course's": (EncoderBlock, 0), "torchvision's": (block_of_torchvision, 7)},
    },
    "14.4": {
        "variants": {
            "transpose": positions_with(),
            "movedim": positions_with(
                to_grid=lambda x, side: x.reshape(1, side, side, -1).movedim(3, 1),
                back=lambda x: x.movedim(1, 3).flatten(1, 2),
            ),
        },
        "wrong": {
            "without the token": (
                positions_with(join=lambda token, patches: patches),
                "embedding is missing",
            ),
            "token last": (
                positions_with(
                    split=lambda x: (x[:, -1:], x[:, :-1]),
                    join=lambda token, patches: torch.cat([patches, token], dim=1),
                ),
                "number 0, not the last",
            ),
            "bilinear": (positions_with(mode="bilinear"), "not bilinear"),
            "nearest": (positions_with(mode="nearest"), "not the nearest"),
            "corners": (positions_with(align_corners=True), "align_corners=False"),
            "antialias": (positions_with(antialias=True), "without antialias"),
            "a reshape": (
                positions_with(to_grid=lambda x, side: x.reshape(1, -1, side, side)),
                "mixes the numbers",
            ),
            "swapped": (positions_with(back=lambda x: x.mT.flatten(2).mT), "are swapped"),
            "zero token": (
                positions_with(join=lambda t, p: torch.cat([0 * t, p], dim=1)),
                "stays as it is",
            ),
        },
        "empty": {"zeros": zeros_for_positions, "the same": lambda positions, size: positions},
        "adapters": {"the course's": (resize_positions, 0)},
    },
    "14.5": {
        "variants": {
            "a sum over layers": costs_with(),
            "a list": costs_with(make=lambda *found: list(found)),
        },
        "wrong": {
            "a tensor": (
                costs_with(make=lambda *found: (torch.tensor(found), found[1])),
                "got a tensor of shape",
            ),
            "no positions": (costs_with(positions=False), "position embeddings are missing"),
            "no token": (costs_with(token=0), "class token is missing"),
            "no biases": (costs_with(bias=0), "has a bias"),
            "no norms": (costs_with(norms=False), "layer norm has a weight"),
            "multiply-adds": (costs_with(factor=1), "counts as two"),
            "no attention": (costs_with(products=0), "attention itself is missing"),
            "one product": (costs_with(products=1), "two products"),
            "head for all": (costs_with(last=True), "class token alone"),
            "swapped": (costs_with(make=lambda p, f: (f, p)), "parameters: expected"),
            "parameters alone": (costs_with(make=lambda p, f: p), "return two whole numbers"),
        },
        "empty": {"zeros": lambda *sizes: (0, 0)},
        "adapters": {"the course's": (costs_of_the_course, 0)},
    },
}
