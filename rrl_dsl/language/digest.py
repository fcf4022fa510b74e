"""Names and ids that are the same on every machine."""

from __future__ import annotations


def normal(text: str) -> str:
    """Returns a text in Unicode's normal form C, in which names and paths are compared.

    Some file systems store `é` as two code points, others as one.
    """
    import unicodedata

    return unicodedata.normalize("NFC", text)


def stable_id(text: str) -> int:
    """Returns an id of 63 bits: the first bits of the SHA-256 of the text in normal form C."""
    import hashlib

    digest = hashlib.sha256(normal(text).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
