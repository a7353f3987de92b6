"""`python -m gatewright` is the command line; as the Action, it first looks whether anything is asked at all.

What each look needs is imported when the one before it could not tell: most comments ask for nothing, and the command
line takes ten times as long to import as Python to start.
"""

import os
import sys

from gatewright.action.glance import asks_for_nothing, leave

_ACTS = sys.argv[1:] == ["action"]

if _ACTS and asks_for_nothing(os.environ):
    sys.exit(leave(os.environ))

from gatewright.comments import parse  # noqa: E402

if _ACTS and asks_for_nothing(os.environ, parse):
    sys.exit(leave(os.environ))

try:
    from gatewright.cli import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
