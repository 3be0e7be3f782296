"""What a test does without a tool that it needs: at home it skips; on CI, where each of them has to be, it fails."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(tool: str, remedy: str) -> NoReturn:
    """End the test, for want of a tool that somebody has to install."""
    said = f"{tool} is not installed; {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{said} (on CI no test is skipped for want of a tool)", pytrace=False)
    pytest.skip(said)
