"""Numbers and names that depend on content alone, the same on every machine."""

from __future__ import annotations


def normal(text: str) -> str:
    """A text in Unicode's normal form C, in which names and paths are compared.

    Some systems write the two letters of `é` that others write as one.
    """
    import unicodedata

    return unicodedata.normalize("NFC", text)


def stable_id(text: str) -> int:
    """A number of 63 bits that depends on the text alone: the head of the SHA-256 of its NFC."""
    import hashlib

    digest = hashlib.sha256(normal(text).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
