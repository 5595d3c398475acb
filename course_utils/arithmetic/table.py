"""The table that `trace` returns: one row a layer."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

HEAD = ("layer", "kind", "output", "parameters", "FLOPs", "sees (px)", "memory")
TEXT_COLUMNS = 2  # the first two are names, set to the left; the rest are numbers


@dataclass(frozen=True)
class Row:
    """One layer. `flops` and `bytes` are for one image.

    `receptive_field` is (height, width) in input pixels; None where it differs from place to
    place, as after adaptive pooling with unequal windows.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int = 0
    flops: int = 0
    receptive_field: tuple[int, int] | None = None

    @property
    def bytes(self) -> int:
        """Size of its output as float32."""
        return 4 * prod(self.output_shape)


@dataclass(frozen=True)
class Trace:
    """The rows of a traced network, with totals; prints as a table."""

    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        """Of all layers."""
        return sum(row.parameters for row in self.rows)

    @property
    def flops(self) -> int:
        """Of all layers, for one image."""
        return sum(row.flops for row in self.rows)

    @property
    def bytes(self) -> int:
        """Size of the outputs of all layers as float32, for one image."""
        return sum(row.bytes for row in self.rows)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the last layer."""
        return self.rows[-1].output_shape if self.rows else self.input_shape

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, which: int | str) -> Row:
        """A row by position or by name."""
        if not isinstance(which, str):
            return self.rows[which]
        for row in self.rows:
            if row.name == which:
                return row
        raise KeyError(f"no layer {which!r}; there are {', '.join(row.name for row in self)}")

    def __str__(self) -> str:
        lines = self._cells()
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        head, *body, total = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([head, rule, *body, rule, total])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body, total = self._cells()
        rows = [_html_row(head, "th"), *(_html_row(line, "td") for line in body)]
        return f"<table>{''.join(rows)}{_html_row(total, 'th')}</table>"

    def _cells(self) -> list[tuple[str, ...]]:
        entry = Row("input", "", self.input_shape, receptive_field=(1, 1))
        sums = f"{self.parameters:,}", scaled(self.flops), "", scaled(self.bytes, "B")
        return [HEAD, *map(_row_cells, (entry, *self.rows)), ("total", "", "", *sums)]


def scaled(number: int, unit: str = "") -> str:
    """A large number for reading. Below 1000 it stays exact; 0 is "–".

    Example:
        >>> scaled(705_600)
        '706 k'
        >>> scaled(61_100_840 * 4, "B")
        '244 MB'
    """
    if number == 0:
        return "–"
    power, value = 0, float(number)
    while value >= 999.5 and power < 4:
        power, value = power + 1, value / 1000
    return f"{value:.3g} {' kMGT'[power].strip()}{unit}".rstrip()


def _row_cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.kind,
        "×".join(map(str, row.output_shape)),
        f"{row.parameters:,}" if row.parameters else "–",
        scaled(row.flops),
        _field_text(row.receptive_field),
        scaled(row.bytes, "B"),
    )


def _field_text(field: tuple[int, int] | None) -> str:
    return "varies" if field is None else f"{field[0]}×{field[1]}"


def _aligned(line: tuple[str, ...], widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if column < TEXT_COLUMNS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]


def _html_row(line: tuple[str, ...], tag: str) -> str:
    cells = [
        f'<{tag} style="text-align: {"left" if column < TEXT_COLUMNS else "right"}">'
        f"{html.escape(cell)}</{tag}>"
        for column, cell in enumerate(line)
    ]
    return f"<tr>{''.join(cells)}</tr>"
