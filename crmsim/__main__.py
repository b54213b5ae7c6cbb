"""`python -m crmsim` is the command `crmsim`."""

import sys

from .cli import main

sys.exit(main())
