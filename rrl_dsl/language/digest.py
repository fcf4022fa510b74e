"""Numbers and names that depend on content alone, the same on every machine."""

from __future__ import annotations


def stable_id(text: str) -> int:
    """A number of 63 bits that depends on the text alone: the head of its SHA-256."""
    import hashlib

    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
