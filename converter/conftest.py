"""Makes the package importable from the checkout, so that `pytest converter` needs no install."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))
