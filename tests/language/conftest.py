"""The random recipes of the parity tests are also those of the formatter's laws."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "parity"))
