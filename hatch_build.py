"""Puts the course into the wheel, and only there: an editable install reads it where it lies in the checkout.

(As `force-include` in pyproject.toml it would be copied by an editable install too, to where labs may read.)
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COURSE = ("exercises", "solutions", "quizzes", "grader/suites")
VERSIONS = "constraints.txt"
"""What `poolkit doctor` compares the installed versions with."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling; see https://hatch.pypa.io/latest/plugins/build-hook/custom/."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the course's folders to a wheel that is not an editable one."""
        if version == "standard":
            build_data["force_include"].update({name: f"poolkit/_course/{name}" for name in COURSE})
            build_data["force_include"][VERSIONS] = f"poolkit/{VERSIONS}"
