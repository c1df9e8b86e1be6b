"""Files on their way in: a request that says it is too large is not written to the disk."""

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

# Fields and boundaries around the files.
ROOM = 64 * 2**20


def is_too_large(content_length: int) -> bool:
    """Whether a request of so many bytes holds more than an import may."""
    return content_length > settings.IMPORT_MAX_BYTES + ROOM


class BoundedUpload(FileUploadHandler):
    """Before the handlers that keep files: drops every file of a request that is too large."""

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, *rest: Any, **named: Any
    ) -> None:
        self.too_large = is_too_large(content_length)

    def new_file(self, *args: Any, **named: Any) -> None:
        if self.too_large:
            raise StopUpload(connection_reset=False)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
