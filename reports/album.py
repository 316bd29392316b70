"""The pictures of one report: their bytes, and the links to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST_FILE_NAME = 100  # characters of a file's name; file systems take about 255


@dataclass(frozen=True)
class Album:
    """Collects pictures under names that stay inside of one folder."""

    folder: str  # its name, beside the Markdown file
    pictures: dict[str, bytes] = field(default_factory=dict)  # file name -> PNG

    def add(self, words: str, name: str, picture: bytes) -> str:
        """Keep a picture and give the link to it. `words` is Markdown; `name` may be any text, `.png` is added."""
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:LONGEST_FILE_NAME]
        file, again = f"{stem}.png", 2
        while file in self.pictures:
            file, again = f"{stem}_{again}.png", again + 1
        self.pictures[file] = picture
        return f"![{words}](<{self.folder}/{file}>)"
