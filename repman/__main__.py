"""``python -m repman`` is the command ``repman``."""

from __future__ import annotations

import sys

from repman.cli import main

if __name__ == "__main__":
    sys.exit(main())
