"""How much of what there is a run of the tests takes."""

from __future__ import annotations

import os

#: every way in which something can be done or fail, as a release asks for; else some of them each time
EVERY_WAY = os.environ.get("GATEWRIGHT_WAYS") == "all"
