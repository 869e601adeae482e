"""Which tests there are: pyinferno, the oracle, has wheels up to Python 3.11 only."""

import sys

collect_ignore = ["test_inferno.py"] if sys.version_info >= (3, 12) else []
