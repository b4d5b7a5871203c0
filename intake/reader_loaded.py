"""What reader processes have loaded before the first mail."""

from __future__ import annotations

from store.kit.loading import loading

with loading():
    from intake import reader_process

__all__ = ["reader_process"]
