"""Writes a quiz as the YAML that `poolkit.quiz.load` reads."""

from __future__ import annotations

from typing import Any

import yaml

from poolkit.quiz.export._parts import number
from poolkit.quiz.model import Quiz


class _Dumper(yaml.SafeDumper):
    """Writes numbers without an exponent, which `poolkit.yamlfile` takes for text, and several lines as lines."""


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = number(value)
    return dumper.represent_scalar("tag:yaml.org,2002:float" if "." in text else "tag:yaml.org,2002:int", text)


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(float, _number)
_Dumper.add_representer(str, _string)


def as_yaml(quiz: Quiz) -> str:
    """Return a quiz's file, without the fields that say what holds anyway."""
    kept: dict[str, Any] = quiz.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    kept["questions"] = [{"id": made["id"], "type": made["type"], **made} for made in kept["questions"]]
    for made, question in zip(kept["questions"], quiz.questions, strict=True):
        if question.code is not None:
            # The default of `lang`, which says at a glance what the text is.
            made["code"] = {"lang": question.code.lang, **made["code"]}
    text: str = yaml.dump(kept, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
