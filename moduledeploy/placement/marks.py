"""Sets of slots as blocks of bits, so that "who lacks it" costs one machine word per 64 bases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

# Integers are immutable, so a write copies its block: it must be small. A difference walks the blocks: they must be few.
# 512 bits are 64 bytes to copy, and 20 steps for 10 000 bases.
BLOCK_BITS: Final = 512


@attrs.define(eq=False)
class Marks:
    """A set of small numbers that knows its difference from another without visiting what both contain."""

    _blocks: dict[int, int] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, slots: Iterable[int]) -> Marks:
        """The set of these."""
        marks = cls()
        for slot in slots:
            marks.add(slot)
        return marks

    def __contains__(self, slot: int) -> bool:
        return bool(self._blocks.get(slot // BLOCK_BITS, 0) >> slot % BLOCK_BITS & 1)

    def __iter__(self) -> Iterator[int]:
        return self.minus(Marks())

    def __len__(self) -> int:
        return sum(bits.bit_count() for bits in self._blocks.values())

    def add(self, slot: int) -> None:
        """Put it in; it may be in already."""
        block = slot // BLOCK_BITS
        self._blocks[block] = self._blocks.get(block, 0) | 1 << slot % BLOCK_BITS

    def discard(self, slot: int) -> None:
        """Take it out; it need not be in."""
        block = slot // BLOCK_BITS
        left = self._blocks.pop(block, 0) & ~(1 << slot % BLOCK_BITS)
        if left:
            self._blocks[block] = left

    def minus(self, other: Marks) -> Iterator[int]:
        """What is in this one and not in the other."""
        for block, difference in self._differences(other):
            rest = difference
            while rest:
                lowest = rest & -rest
                rest ^= lowest
                yield block * BLOCK_BITS + lowest.bit_length() - 1

    def count_minus(self, other: Marks) -> int:
        """How many are in this one and not in the other."""
        return sum(rest.bit_count() for _, rest in self._differences(other))

    def _differences(self, other: Marks) -> Iterator[tuple[int, int]]:
        for block, bits in self._blocks.items():
            yield block, bits & ~other._blocks.get(block, 0)
