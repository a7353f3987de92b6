"""The policy file: what must hold before a version may move, and who must agree."""
