"""The one error of the training commands that the user can mend."""


class RefusalError(Exception):
    """A request that cannot be carried out as it stands.

    Args:
        message: what is wrong, in words of the configuration or the data.
        hint: what to change.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def disk_full(error: BaseException) -> bool:
    """Whether a file could not be written for want of room, or of the room that one may take."""
    text = str(error).lower()
    marks = ("no space left on device", "disk quota exceeded", "file too large")
    return any(mark in text for mark in marks)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the machine or of its GPU."""
    text = str(error).lower()
    marks = ("out of memory", "can't allocate memory", "cannot allocate memory")
    return isinstance(error, MemoryError) or any(mark in text for mark in marks)
