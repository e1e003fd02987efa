"""Delivered files become batches of text, exactly as delivered, whatever their format and encoding.

`open_file` looks at a file's content, not at its extension. A file that cannot be read whole raises UnreadableFile, at opening or while its
batches are drawn; a row that cannot be read is a BrokenRow and leaves its neighbours alone.
"""

from ingestion.readers.model import BrokenRow, Finding, OpenedFile, UnreadableFile
from ingestion.readers.opening import open_file

__all__ = ["BrokenRow", "Finding", "OpenedFile", "UnreadableFile", "open_file"]
