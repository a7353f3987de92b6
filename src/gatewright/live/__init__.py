"""Two versions in production: who sees which, when enough is known, and what the outcomes come to. Pure."""
