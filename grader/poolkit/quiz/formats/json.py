"""JSON, version 1, as quizzes/README.md describes it."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from poolkit.quiz.result import QuestionResult, Result

VERSION = 1


def render(result: Result) -> str:
    """Return one object; fields are only ever added within a version."""
    found = {
        "poolkit_quiz_result": VERSION,
        "quiz": result.quiz,
        "title": result.title,
        "passed": result.passed,
        "exit_code": result.exit_code,
        "score": _number(result.score),
        "pass_mark": _number(result.pass_mark),
        "points": _number(result.points),
        "max_points": result.max_points,
        "seed": result.seed,
        "questions": [_question(question) for question in result.questions],
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _question(question: QuestionResult) -> dict[str, Any]:
    return {
        "id": question.id,
        "outcome": question.outcome.value,
        "fraction": _number(question.fraction),
        "points": _number(question.points),
        "max_points": question.max_points,
        "given": list(question.given),
        "key": list(question.key),
        "feedback": [
            {"about": each.about or None, "text": each.text, "misconception": each.misconception}
            for each in question.feedback
        ],
        "misconceptions": list(question.misconceptions),
        "explanation": question.explanation or None,
        "step": question.step or None,
        "hints": question.hints,
        "confidence": question.confidence,
    }


def _number(value: Fraction) -> float:
    return round(float(value), 6)
