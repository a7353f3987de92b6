"""Whether a comment can concern the gate at all, told without reading its Markdown. Pure, and imports nothing."""

#: how much of the first line the reader of comments looks at for what only looks like a command
GLANCE = 120


def may_concern_us(body: str) -> bool:
    """False only where `comments.parse` surely finds nothing.

    That needs the command's own word somewhere, or on the first line letters that might be taken for it.
    """
    first = next((line for line in body.splitlines() if line.strip()), "")[: 2 * GLANCE]
    return "/gate" in body.lower() or "gate" in first.lower() or not first.isascii() or "&" in first
