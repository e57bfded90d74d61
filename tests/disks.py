"""Real disks for tests: small ones that can be filled to the last byte."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A mounted file system of its own."""

    root: Path

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.root).free

    def fill(self, leave: int = 0) -> None:
        """Take all bytes but so many."""
        with (self.root / "filling").open("ab", buffering=0) as file:
            while (wanted := self.free - leave) > 0:
                with suppress(OSError):  # somebody else took some of it meanwhile
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), wanted)

    def make_room(self) -> None:
        """Give them back."""
        (self.root / "filling").unlink()

    def make_read_only(self) -> None:
        """Possible while nothing on it is open for writing."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.root)], check=True)


def unreadable_file() -> Path:
    """A file whose bytes the kernel answers with an input/output error, as those of a bad sector;
    skips the test where there is none."""
    secret = Path("/proc/sys/net/ipv6/conf/all/stable_secret")  # so as long as nobody has set it
    try:
        secret.read_bytes()
    except OSError as error:
        if error.errno == errno.EIO:
            return secret
    pytest.skip("nothing here fails as a bad sector does")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """A file system in memory, mounted at `folder`; skips the test where nobody may mount."""
    folder.mkdir()
    options = f"size={megabytes}m,mode=755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
