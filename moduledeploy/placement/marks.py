"""Sets of bases as blocks of bits, so that "who lacks it" costs one machine word per 64 bases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import attrs

# Bits per block. A block is copied by every write (integers are immutable), so it must be small; a comparison walks the
# blocks, so there must be few: 512 bits are one cache line pair to copy and 20 steps for 10 000 bases.
BLOCK_BITS: Final = 512


@attrs.frozen(eq=False)
class Mark:
    """The place of one base in every set of the pool."""

    block: int
    bit: int

    @classmethod
    def at(cls, slot: int) -> Mark:
        """The mark of the base with this slot number."""
        return cls(slot // BLOCK_BITS, 1 << slot % BLOCK_BITS)


@attrs.define(eq=False)
class Marks:
    """A set of slots. `blocks` may be written directly (`blocks[mark.block] |= mark.bit`) where a call is too slow."""

    blocks: defaultdict[int, int] = attrs.field(factory=lambda: defaultdict(int))

    def add(self, mark: Mark) -> None:
        """Put the base in; it may be in already."""
        self.blocks[mark.block] |= mark.bit

    def discard(self, mark: Mark) -> None:
        """Take the base out; it need not be in. An empty block is given up."""
        left = self.blocks.get(mark.block, 0) & ~mark.bit
        if left:
            self.blocks[mark.block] = left
        else:
            self.blocks.pop(mark.block, None)

    def has(self, mark: Mark) -> bool:
        """Whether the base is in."""
        return bool(self.blocks.get(mark.block, 0) & mark.bit)

    def minus(self, *others: Marks) -> Iterator[int]:
        """The slots that are in none of the others, ascending within a block."""
        for block, bits in self.blocks.items():
            rest = bits
            for other in others:
                rest &= ~other.blocks.get(block, 0)
            while rest:
                lowest = rest & -rest
                rest ^= lowest
                yield block * BLOCK_BITS + lowest.bit_length() - 1

    def count_minus(self, *others: Marks) -> int:
        """How many are in none of the others; no base is visited."""
        found = 0
        for block, bits in self.blocks.items():
            rest = bits
            for other in others:
                rest &= ~other.blocks.get(block, 0)
            found += rest.bit_count()
        return found

    def __len__(self) -> int:
        return sum(bits.bit_count() for bits in self.blocks.values())
