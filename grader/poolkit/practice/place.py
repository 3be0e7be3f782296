"""Where practice is kept: with the user, not with a workspace, since what somebody remembers goes along with them."""

from __future__ import annotations

from pathlib import Path


def place() -> Path:
    """Return the folder of the deck and of what checks have noted."""
    import platformdirs

    return platformdirs.user_data_path("poolkit") / "practice"
