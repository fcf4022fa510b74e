"""Pages written by hand whose tables are generated: between `<!-- table: NAME -->` and an end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_TABLE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(page: str, table: Callable[[str], Iterable[str]]) -> str:
    """A page with its tables as they should be.

    Args:
        page: Its path from the root of a checkout.
        table: From a table's name to its lines.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    return _TABLE.sub(lambda found: f"{found[1]}{_joined(table(found[2]))}\n{found[3]}", text)


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines)
