"""Where files for import come from: an upload, a folder of the operator, a URL, the hub."""

from .given import Given, Source, gathered, parse_source

__all__ = ["Given", "Source", "gathered", "parse_source"]
