"""What attention costs."""

from __future__ import annotations

from collections.abc import Mapping

from .style import Figure, new_figure, series


def time_by_tokens(milliseconds: Mapping[int, float], title: str = "") -> Figure:
    """Time of attention against the number of tokens, beside a quadratic line; both axes are logs.

    Lecture 14.

    Args:
        milliseconds: tokens -> time. The quadratic line begins at the first of them.
        title: what was timed.

    Example:
        >>> from course_utils import plots
        >>> print(plots.time_by_tokens({256: 1.0, 512: 5.0}, "4 heads").alt_text)
        4 heads. Time of attention: 1 ms with 256 tokens, 5 ms with 512. Quadratic: 4 ms with 512.
    """
    tokens = list(milliseconds)
    first, last = tokens[0], tokens[-1]
    squared = {count: milliseconds[first] * (count / first) ** 2 for count in tokens}
    figure, axes = new_figure(width=6.5, height=3)
    for index, (name, times) in enumerate({"measured": milliseconds, "quadratic": squared}.items()):
        axes.loglog(tokens, list(times.values()), label=name, ms=5, **series(index))
    axes.set_xticks(tokens, [f"{count:,}" for count in tokens])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="tokens (log scale)", ylabel="milliseconds (log scale)", title=title)
    axes.grid(color="0.9")
    axes.legend()
    return figure.described(
        f"{title}. Time of attention: {milliseconds[first]:.3g} ms with {first:,} tokens, "
        f"{milliseconds[last]:.3g} ms with {last:,}. "
        f"Quadratic: {squared[last]:.3g} ms with {last:,}."
    )
