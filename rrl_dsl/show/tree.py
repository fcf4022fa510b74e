"""A tree drawn with box characters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Branch:
    """A node of a tree.

    Attributes:
        label: The text of the node.
        children: The nodes below it, in order.
    """

    label: str
    children: tuple[Branch, ...] = ()


def tree_lines(branch: Branch) -> list[str]:
    """Returns the tree as lines of text.

    Args:
        branch: The root.

    Returns:
        A line for every node, the root first; children follow their parent, with `├─ ` or `└─ `.
    """
    lines = []
    # a stack instead of recursion, because a long chain of operators is a deep tree
    waiting = [(branch, "", "")]
    while waiting:
        node, lead, below = waiting.pop()
        lines.append(lead + node.label)
        for place, child in enumerate(reversed(node.children)):
            corner, stem = ("└─ ", "   ") if place == 0 else ("├─ ", "│  ")
            waiting.append((child, below + corner, below + stem))
    return lines
