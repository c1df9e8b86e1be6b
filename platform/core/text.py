"""Text that came from outside."""


def storable(text: str) -> str:
    """The text without zero bytes and half characters, which no database takes."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
