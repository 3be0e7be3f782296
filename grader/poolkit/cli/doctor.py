"""`poolkit doctor`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from poolkit.cli import _target
from poolkit.course import Course
from poolkit.text import plain

if TYPE_CHECKING:
    from poolkit.doctor.finding import Finding

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}
_WIDTH = 78
_NAME = 18


@click.command()
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
@_target.course_option
@click.pass_context
def doctor_command(ctx: click.Context, style: str, course: Course) -> None:
    """Look at this machine for what the kit needs, and say what to do about what it lacks.

    ✓ is as it should be, ! works with something missing, ✗ does not work. It ends with a real check of a reference.

    Ends with 0 when the kit works here, 1 when it does not.
    """
    from poolkit.doctor.finding import as_json, healthy
    from poolkit.doctor.visit import visit

    findings: list[Finding] = []
    for finding in visit(course):
        findings.append(finding)
        if style == "text":
            click.echo("\n".join(_lines(finding)))
    click.echo(as_json(findings) if style == "json" else f"\n  {_sum(findings)}\n", nl=False)
    ctx.exit(0 if healthy(findings) else 1)


def _lines(finding: Finding) -> Iterator[str]:
    sign, colour = _SIGNS[finding.level.value]
    first, *rest = textwrap.wrap(plain(finding.found), _WIDTH - _NAME - 4, break_on_hyphens=False) or [""]
    yield f"  {click.style(sign, fg=colour)} {finding.name:<{_NAME}}{first}"
    yield from (f"    {'':{_NAME}}{line}" for line in rest)
    if finding.remedy:
        lines = textwrap.wrap(plain(finding.remedy), _WIDTH - _NAME - 6, break_on_hyphens=False)
        yield f"    {'':{_NAME}}{click.style('→', fg=colour)} {lines[0]}"
        yield from (f"    {'':{_NAME}}  {line}" for line in lines[1:])


def _sum(findings: list[Finding]) -> str:
    from poolkit.text import count

    levels = [finding.level.value for finding in findings]
    if problems := levels.count("problem"):
        return click.style(f"{count(problems, 'problem')}: mend the first ✗ first.", fg="red")
    if warnings := levels.count("warning"):
        return f"The kit works here; {count(warnings, 'thing')} could be better."
    return click.style("The kit works here.", fg="green")
