"""Receptive fields: which input pixels one output number depends on.

The recurrence is derived in Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional
Neural Networks", Distill 2019.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..withheld import asked_for
from .sizes import pad_widths


@dataclass(frozen=True)
class ReceptiveField:
    """Along one axis, in input pixels: output i sees pixels start + i·jump, `size` of them.

    `start` is negative when the first window begins in the padding.

    Example:
        >>> ReceptiveField().after(kernel_size=3, stride=2).after(kernel_size=3)
        ReceptiveField(size=7, jump=2, start=0)
        >>> ReceptiveField(size=7, jump=2, start=0).pixels(3)
        (6, 12)
    """

    size: int = 1
    jump: int = 1
    start: int = 0

    @asked_for("02.5")
    def after(
        self, kernel_size: int, stride: int = 1, padding: int | str = 0, dilation: int = 1
    ) -> ReceptiveField:
        """The field after one more layer: each kernel tap reaches one jump further."""
        before, _ = pad_widths(kernel_size, padding, dilation)
        return ReceptiveField(
            size=self.size + dilation * (kernel_size - 1) * self.jump,
            jump=self.jump * stride,
            start=self.start - before * self.jump,
        )

    def pixels(self, output: int) -> tuple[int, int]:
        """First and last input pixel that output number `output` (from 0) sees."""
        first = self.start + output * self.jump
        return first, first + self.size - 1


@asked_for("02.5")
def receptive_field(layers: Iterable[dict]) -> ReceptiveField:
    """The field along one axis of several layers, one after the other.

    Args:
        layers: dicts of `kernel_size`, and where they differ from 1, 0 and 1 `stride`, `padding`
            and `dilation`; the layer next to the image comes first.

    Example:
        >>> receptive_field([dict(kernel_size=3), dict(kernel_size=3)])
        ReceptiveField(size=5, jump=1, start=0)
    """
    field = ReceptiveField()
    for layer in layers:
        field = field.after(**layer)
    return field
