"""What tests pickle: only classes that can be imported are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Invoice:
    name: str
    total: float
    lines: list[Any] = field(default_factory=list)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a = a
        self.b = b


class Meta:
    """A doctype's description as an object."""

    def __init__(self, name: str, table: str) -> None:
        self.name = name
        self.fields = [Field(table)]


class Field:
    def __init__(self, table: str) -> None:
        self.fieldtype = "Table"
        self.options = table
