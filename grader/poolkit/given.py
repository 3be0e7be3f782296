"""What the course has given to a workspace: a digest of each file, so that one that the learner changed is known."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

NAME = "given.json"
VERSION = 1


class Given(BaseModel):
    """SHA-256 digests by exercise id and file name. Of a database, what it was before anybody used it.

    `texts` are the other files, such as copies of quizzes, by their paths in the workspace.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    poolkit_given: int = Field(default=VERSION, ge=1, le=VERSION)
    exercises: dict[str, dict[str, str]] = Field(default_factory=dict)
    texts: dict[str, str] = Field(default_factory=dict)

    def text(self) -> str:
        """Return what is written in the file."""
        return self.model_dump_json(indent=2) + "\n"


def load(path: Path) -> Given | None:
    """Return what was given, or None when nobody wrote it down, or not in a way that can be read."""
    try:
        return Given.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file in a folder."""
    return {path.name: found for path in sorted(folder.iterdir()) if (found := digest(path)) is not None}


def digest(path: Path) -> str | None:
    """Return a file's digest, None when there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(data: bytes) -> str:
    """Return the digest of a file with this content."""
    return hashlib.sha256(data).hexdigest()
