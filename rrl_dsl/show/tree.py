"""A recipe's tree in box characters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Branch:
    """A node of a tree to be drawn.

    Attributes:
        label: What stands on the node's line.
        children: The nodes below it, in order.
    """

    label: str
    children: tuple[Branch, ...] = ()


def tree_lines(branch: Branch) -> list[str]:
    """The tree as lines of text, the root first.

    Args:
        branch: The root.

    Returns:
        One line a node, each child indented under its parent by `├─ ` or `└─ `.
    """
    lines = []
    # A stack and not recursion: a long chain of operators is a deep tree.
    waiting = [(branch, "", "")]
    while waiting:
        node, lead, below = waiting.pop()
        lines.append(lead + node.label)
        for place, child in enumerate(reversed(node.children)):
            corner, stem = ("└─ ", "   ") if place == 0 else ("├─ ", "│  ")
            waiting.append((child, below + corner, below + stem))
    return lines
