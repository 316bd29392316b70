"""A store that lies behind a URL: its files are worked on in a local folder, and come and go through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INSTALL = "pip install 'paddle-tensorflow-parity[cluster]'"

REMEDY = "Check the connection, the credentials and their rights; then give the same command again: it goes on."


PART = ".part"  # at the end of a temporary name


class RemoteError(OSError):
    """A URL that cannot be read or written at the moment; the message says which, why, and what to do."""


def is_url(where: str) -> bool:
    """Whether this names a store behind a URL, and no folder.

    >>> is_url("s3://bucket/runs"), is_url("runs")
    (True, False)
    """
    return "://" in where


@dataclass(frozen=True)
class RemoteFolder:
    """A folder behind a URL, and the local one that mirrors it.

    Every file is written under a temporary name and renamed. Nothing locks the URL: one command at a time may write to
    it.

    Attributes:
        url: "s3://bucket/runs", "gs://...", "file:///...": any that fsspec and its installed plugins know.
        system: fsspec's file system.
        path: of the folder in `system`.
        local: the folder that mirrors it.
    """

    url: str
    system: Any
    path: str
    local: Path

    @classmethod
    def open(cls, url: str, local: Path, *, make: bool = True) -> RemoteFolder:
        """Connect.

        Args:
            url: of the folder.
            local: an empty folder.
            make: whether to make the folder where it does not exist; if not, one that is not there is refused.

        Raises:
            RemoteError: fsspec or its plugin for the URL is not installed, or the folder cannot be made, or is not
                there.
        """
        try:
            import fsspec
        except ImportError as error:
            raise RemoteError(
                f"{url}: expected fsspec, which is optional, found: {error}. Install it: {INSTALL}"
            ) from None
        try:
            system, path = fsspec.core.url_to_fs(url)
            if make:
                system.makedirs(path, exist_ok=True)
                for leftover in system.glob(f"{path}/.*{PART}"):  # of a killed process: one at a time writes
                    system.rm_file(leftover)
            there = make or system.exists(path)
        except Exception as error:  # each plugin has exceptions of its own
            raise RemoteError(
                f"{url}: expected a folder that can be written to, found: {_text(error)}. Check the URL and its "
                "credentials, and that fsspec's plugin for it is installed (s3fs, gcsfs)."
            ) from None
        if not there:
            raise RemoteError(f"{url}: expected the folder of `parity train --out`, found none. Check --out.")
        return cls(url, system, path.rstrip("/"), local)

    def pull(self, names: Iterable[str]) -> None:
        """Bring those of these files that exist to the local folder; local ones that do not exist there are removed.

        Args:
            names: of files.

        Raises:
            RemoteError: one cannot be read.
        """
        for name in names:
            target = self.local / name
            try:
                if self.system.exists(f"{self.path}/{name}"):
                    self.system.get_file(f"{self.path}/{name}", str(target))
                else:
                    target.unlink(missing_ok=True)
            except Exception as error:
                raise RemoteError(f"{self.url}/{name}: it cannot be read: {_text(error)}. {REMEDY}") from None

    def names(self) -> list[str]:
        """The names of the files there.

        Raises:
            RemoteError: they cannot be listed.
        """
        try:
            return sorted(entry.rpartition("/")[2] for entry in self.system.ls(self.path, detail=False))
        except Exception as error:
            raise RemoteError(f"{self.url}: its files cannot be listed: {_text(error)}. {REMEDY}") from None

    def push(self, names: Iterable[str]) -> None:
        """Bring local files there; those that do not exist here are removed there.

        Args:
            names: of files, in the order in which they are written.

        Raises:
            RemoteError: one cannot be written; the earlier one stays.
        """
        for name in names:
            source, target = self.local / name, f"{self.path}/{name}"
            temporary = f"{self.path}/.{name}.{os.getpid()}{PART}"
            try:
                if source.exists():
                    self.system.put_file(str(source), temporary)
                    self.system.mv(temporary, target)
                elif self.system.exists(target):
                    self.system.rm_file(target)
            except Exception as error:
                raise RemoteError(f"{self.url}/{name}: it cannot be written: {_text(error)}. {REMEDY}") from None


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
