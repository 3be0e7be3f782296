"""What a quiz's file holds, as quizzes/README.md describes it. `poolkit.quiz.load` reads one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from poolkit.quiz import expression

VERSION = 1

QUIZ_ID = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
QUESTION_ID = r"^[a-z][a-z0-9]*([.-][a-z0-9]+)*$"
CHOICE_ID = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"

MOST_CHOICES = 9
"""Each is chosen with one digit; and the nearest right order of so many is found at once."""


class Strict(BaseModel):
    """Takes no unknown fields, and no text for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Credit(StrEnum):
    """How much an answer that is partly right earns; `poolkit.quiz.score` has the formulas."""

    NET_CORRECT = "net_correct"
    ALL_OR_NOTHING = "all_or_nothing"
    COVERAGE = "coverage"
    EACH_ANSWER = "each_answer"


# A file holds text, which a strict model would not take for a member.
CreditField = Annotated[Credit, Field(strict=False)]

Id = Annotated[str, Field(pattern=QUESTION_ID, max_length=80)]
ChoiceId = Annotated[str, Field(pattern=CHOICE_ID, max_length=40)]
Prose = Annotated[str, Field(min_length=1, max_length=4000)]
Verify = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(expression.checked)]
"""What a recorded run has to say; `poolkit.quiz.prove` asks it."""


class Code(Strict):
    """Code to read: its `text`, or a `file` below the quizzes' folder and the first and last of the `lines` to show."""

    lang: str = Field("python", pattern=r"^[a-z0-9+#-]{1,20}$")
    text: str | None = Field(None, min_length=1, max_length=20_000)
    file: str | None = Field(None, min_length=1)
    lines: list[Annotated[int, Field(ge=1)]] | None = Field(None, min_length=2, max_length=2)


class TraceStep(Strict):
    """A row of a recorded run: the scenario's name, and the step's number (from 1)."""

    scenario: str = Field(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", max_length=60)
    step: int = Field(ge=1)


class Choice(Strict):
    """One choice; `pin` keeps it first or last when choices are shuffled.

    `verify` is true of the run when the choice is right, and false when it is wrong.
    """

    id: ChoiceId
    text: str = Field(max_length=1000)
    correct: bool = False
    feedback: str = Field("", max_length=2000)
    misconception: str | None = None
    pin: Literal["first", "last"] | None = None
    verify: Verify | None = None


class Item(Strict):
    """One of the things to put in order."""

    id: ChoiceId
    text: str = Field(max_length=1000)


class WrongNumber(Strict):
    """A wrong answer that people give to a numeric question, and what to tell them."""

    answer: float
    feedback: Prose
    misconception: str | None = None


class Question(Strict):
    """What questions of every type have."""

    id: Id
    prompt: Prose
    code: Code | None = None
    hints: list[Prose] = Field(default_factory=list, max_length=9)
    explanation: str = Field("", max_length=4000)
    objective: str = Field("", pattern=r"^([a-z][a-z0-9]*([.-][a-z0-9]+)*)?$")
    difficulty: int | None = Field(None, ge=1, le=5)
    tags: list[Annotated[str, Field(pattern=QUIZ_ID)]] = Field(default_factory=list)
    points: int = Field(1, ge=1, le=100)
    trace: TraceStep | None = None
    verify: Verify | None = None


class Single(Question):
    """Choices of which one is right."""

    type: Literal["single"]
    choices: list[Choice] = Field(min_length=2, max_length=MOST_CHOICES)
    shuffle: bool | None = None


class Multi(Question):
    """Choices of which one or more are right, and not all."""

    type: Literal["multi"]
    choices: list[Choice] = Field(min_length=2, max_length=MOST_CHOICES)
    shuffle: bool | None = None
    credit: CreditField | None = None


class TrueFalse(Question):
    """A statement that is true or false; `feedback` and `misconception` are those of the wrong answer."""

    type: Literal["true_false"]
    answer: bool
    feedback: str = Field("", max_length=2000)
    misconception: str | None = None


class Order(Question):
    """Things to put in order. `before` lists pairs, the first before the second; any order that it allows is right."""

    type: Literal["order"]
    items: list[Item] = Field(min_length=2, max_length=MOST_CHOICES)
    before: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(min_length=1)
    feedback: str = Field("", max_length=2000)
    credit: CreditField | None = None


class Numeric(Question):
    """A number, right when it is off by no more than `tolerance`; `unit` is shown beside the place for it."""

    type: Literal["numeric"]
    answer: float
    tolerance: float = Field(0.0, ge=0)
    unit: str = Field("", max_length=40)
    feedback: str = Field("", max_length=2000)
    wrong: list[WrongNumber] = Field(default_factory=list)


AnyQuestion = Single | Multi | TrueFalse | Order | Numeric


class Defaults(Strict):
    """What holds for questions that say nothing else, and the share of the points that passes."""

    credit: CreditField = Credit.NET_CORRECT
    shuffle: bool = True
    pass_mark: float = Field(0.7, alias="pass", ge=0, le=1)


class Quiz(Strict):
    """One quiz. `exercise` is the id of the exercise that it belongs to."""

    poolkit_quiz: Literal[1]
    id: str = Field(pattern=QUIZ_ID, max_length=60)
    title: Prose
    exercise: str | None = None
    defaults: Defaults = Field(default_factory=lambda: Defaults.model_validate({}))
    questions: list[Annotated[AnyQuestion, Field(discriminator="type")]] = Field(min_length=1, max_length=200)

    def question(self, question_id: str) -> AnyQuestion:
        """Return a question by its id.

        Raises:
            KeyError: there is none.
        """
        for question in self.questions:
            if question.id == question_id:
                return question
        raise KeyError(question_id)

    def credit(self, question: AnyQuestion) -> Credit:
        """Return how an answer to a question earns: as it says, else as the quiz says."""
        own = question.credit if isinstance(question, Multi | Order) else None
        return own or self.defaults.credit

    def shuffles(self, question: AnyQuestion) -> bool:
        """Whether a question's choices are shown in another order each time."""
        own = question.shuffle if isinstance(question, Single | Multi) else None
        return self.defaults.shuffle if own is None else own


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a quiz's file (https://json-schema.org/draft/2020-12), for editors."""
    found = Quiz.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "A quiz of poolkit"}
