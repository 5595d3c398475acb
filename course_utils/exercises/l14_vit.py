"""Lecture 14: patches, attention, the block, positions for another grid, what a ViT costs."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .core import Case, Exercise, Verdict, describe, right, same_number, same_tensor, wrong
from .shared import BuildModule, close, field, fields, first_mistake

# --- 14.1 ----------------------------------------------------------------------------------------


class Patches(Exercise):
    """The answer: `patches(images, size)` → tensor (N, patches, C · size · size)."""

    id, points, title = "14.1", 4, "Patches"
    worth_a_look = ("split_patches",)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if same_tensor(result, want):
            return right()
        if hint := first_mistake(result, key["mistakes"], same=same_tensor):
            return wrong(hint)
        return wrong(f"the result should have shape {tuple(want.shape)}; it is {describe(result)}")


# --- 14.2 ----------------------------------------------------------------------------------------


class Attention(Exercise):
    """The answer: `attend(queries, keys, values)` → (output, weights)."""

    id, points, title = "14.2", 5, "Attention"
    worth_a_look = ("attention", "SelfAttention")
    ready_made = ("scaled_dot_product_attention", "multi_head_attention_forward")
    ready_made_hint = "PyTorch's own attention is what you write here: use matmul and softmax"

    def run(self, answer: Any, case: Case) -> Any:
        returned = answer(case["queries"], case["keys"], case["values"])
        if isinstance(returned, (tuple, list)) and len(returned) == 2:
            return {"output": returned[0], "weights": returned[1]}
        return {"returned": returned}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        output, weights = fields(result, "output", "weights")
        if output is None and weights is None:
            returned = describe(field(result, "returned"))
            return wrong(f"return two tensors, the output and the weights; yours is {returned}")
        if close(weights, key["output"]) and close(output, key["weights"]):
            return wrong("the output comes first, then the weights")
        if not close(weights, key["weights"]):
            hint = first_mistake(weights, key["mistakes"])
            shape = tuple(key["weights"].shape)
            return wrong(hint or f"the weights should be {shape}; they are {describe(weights)}")
        if close(output, key["output"]):
            return right()
        hint = first_mistake(output, key["mistaken_outputs"])
        return wrong(hint or "the weights are right; the output is the weighted sum of the values")


# --- 14.3 ----------------------------------------------------------------------------------------


class EncoderBlockExercise(BuildModule):
    """The answer: a class `Block(dim, heads, mlp_dim)`."""

    id, points, title = "14.3", 7, "The block"
    worth_a_look = ("EncoderBlock", "TransformerEncoderLayer")

    def output_hint(self, output: Any, want: Tensor) -> str:
        return (
            f"names and shapes are right, but the output is not: it should have shape "
            f"{tuple(want.shape)}, it is {describe(output)}. Compare forward with the formulas"
        )

    def state_hint(self, have: dict, want: dict) -> str:
        if "mlp.2.weight" in have and "mlp.3.weight" not in have:
            return "self.mlp has a Dropout after GELU, too: the second Linear is layer number 3"
        if not any(name.startswith("self_attention") for name in have):
            return "self.self_attention = SelfAttention(dim, heads) is missing"
        return super().state_hint(have, want)


# --- 14.4 ----------------------------------------------------------------------------------------


class ResizePositions(Exercise):
    """The answer: `positions_for(positions, size)` → tensor (1, 1 + size², D)."""

    id, points, title = "14.4", 5, "Positions for another grid"
    worth_a_look = ("resize_positions", "interpolate_embeddings")

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if close(result, want):
            return right()
        if hint := first_mistake(result, key["mistakes"]):
            return wrong(hint)
        if isinstance(result, Tensor) and result.shape == want.shape:
            if not close(result[:, 0], want[:, 0]):
                return wrong("the class token's embedding, number 0, stays as it is")
            return wrong("number 0 is right; the others are not the grid at the new size")
        return wrong(f"the result should have shape {tuple(want.shape)}; it is {describe(result)}")


# --- 14.5 ----------------------------------------------------------------------------------------


class Costs(Exercise):
    """The answer: `vit_costs(image_size, ...)` → (parameters, FLOPs)."""

    id, points, title = "14.5", 4, "What a vision transformer costs"
    worth_a_look = ("VisionTransformer", "count_flops", "FlopCounterMode", "small_vit")

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            return wrong(f"return two whole numbers, parameters and FLOPs; not {describe(result)}")
        for place, name in enumerate(("parameters", "flops")):
            want, got = key[name], result[place]
            if not same_number(got, want):
                hint = first_mistake(got, key[f"{name}_mistakes"], same=same_number)
                return wrong(hint or f"{name}: expected {want:,}, got {describe(got)}")
        return right()


EXERCISES = [
    Patches(),
    Attention(),
    EncoderBlockExercise(),
    ResizePositions(),
    Costs(),
]
