"""JSON, version 1, as quizzes/README.md describes it."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from poolkit.quiz.result import QuestionResult, Result

VERSION = 1


def render(result: Result) -> str:
    """Return one object; fields are only ever added within a version."""
    return json.dumps(document(result), indent=2, ensure_ascii=False) + "\n"


def document(result: Result) -> dict[str, Any]:
    """Return what that object holds."""
    return {
        "poolkit_quiz_result": VERSION,
        "quiz": result.quiz,
        "title": result.title,
        "passed": result.passed,
        "exit_code": result.exit_code,
        "score": rounded(result.score),
        "pass_mark": rounded(result.pass_mark),
        "points": rounded(result.points),
        "max_points": result.max_points,
        "seed": result.seed,
        "questions": [_question(question) for question in result.questions],
    }


def _question(question: QuestionResult) -> dict[str, Any]:
    return {
        "id": question.id,
        "outcome": question.outcome.value,
        "fraction": rounded(question.fraction),
        "points": rounded(question.points),
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


def rounded(value: Fraction) -> float:
    """Return points or a share of them as JSON has it."""
    return round(float(value), 6)
