"""Tables in Markdown: a figure's median, how far it strayed, and whether it keeps its promise."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """What several runs measured."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    def shown(self, digits: int = 1) -> str:
        low, high = min(self.values), max(self.values)
        if len(self.values) == 1:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def kept(is_kept: bool) -> str:
    return "yes" if is_kept else "**no**"


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], notes: str = "") -> None:
    """Prints a table that reads well as plain text, too."""
    print(f"\n### {title}\n")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |")
    if notes:
        print(f"\n{notes}")
    print(flush=True)
