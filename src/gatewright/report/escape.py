"""Text from a registry, a comment or a branch, made harmless for whatever will read it."""

from __future__ import annotations

import unicodedata


def terminal(text: str) -> str:
    """Nothing in it moves the cursor, changes colours or hides: such characters are shown as `\\x1b`, `\\u202e`."""
    return "".join(c if c == "\n" or not _obeyed(c) else c.encode("unicode_escape").decode() for c in text)


def _obeyed(character: str) -> bool:
    """Controls, and the invisible format characters that reorder or hide what stands around them."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
