"""The expressions of `verify`: a few functions of a recorded run, compared and counted; nothing is executed.

An expression is parsed by Python's own `ast`, which runs nothing, and what it says is worked out here, node by node,
from a list of what is allowed. What is not on the list is refused, when a quiz is read.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Protocol

Value = bool | int | float | str

MOST_CHARACTERS = 500
MOST_NODES = 120
MOST_DEPTH = 24
LARGEST = 1_000_000

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "free_after": ("step",),
    "total_after": ("step",),
    "borrowed_after": ("step",),
    "waiting_after": ("step",),
    "least_free": ("step", "request"),
    "most_borrowed": ("step", "request"),
    "most_total": ("step", "request"),
    "opened": ("step", "request"),
    "closed": ("step", "request"),
    "events": ("kind", "step", "request", "connection"),
    "first": ("kind", "step", "request", "connection"),
    "last": ("kind", "step", "request", "connection"),
    "statements": ("text", "step", "request", "connection"),
    "status": ("request",),
    "connection_of": ("request",),
    "connections_of": ("request",),
    "closed_at": ("connection",),
    "step_of": ("event",),
    "result": ("step",),
}
"""Every function, with the names of its arguments in order; quizzes/README.md says what each returns."""


class Refused(ValueError):
    """An expression that is not allowed, or that makes no sense; one line."""


class Facts(Protocol):
    """A recorded run, as expressions ask about it."""

    def ask(self, function: str, arguments: Mapping[str, Value]) -> Value:
        """Return what a function of `PARAMETERS` says; raises `Refused` when the run has no such step or request."""


_COMPARE: Mapping[type[ast.cmpop], Callable[[int | float, int | float], bool]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[int | float, int | float], int | float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
}


def checked(text: str) -> str:
    """Return an expression as it is, if it is one.

    Raises:
        Refused: it holds something that is not allowed.
    """
    _parse(text)
    return text


def value(text: str, facts: Facts) -> Value:
    """Work out what an expression says of a run.

    Raises:
        Refused: it is not allowed, or asks for what the run does not have.
    """
    return _value(_parse(text), facts)


def asked(text: str, facts: Facts) -> list[tuple[str, Value]]:
    """Return the calls in an expression, as they stand there, each with what the run says to it."""
    calls = [node for node in ast.walk(_parse(text)) if isinstance(node, ast.Call)]
    return list({ast.unparse(call): _value(call, facts) for call in calls}.items())


def _parse(text: str) -> ast.expr:
    if len(text) > MOST_CHARACTERS:
        raise Refused(f"over {MOST_CHARACTERS} characters; split it over several questions or choices")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a wrong backslash, for instance: the expression is compared as it is
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refused("no expression; write one such as free_after(step=5) == 4") from None
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise Refused("too long an expression; split it over several questions or choices")
    for node, depth in _nodes(tree):
        if depth > MOST_DEPTH:
            raise Refused("nested too deeply; write it flat")
        _allow(node)
    return tree


def _nodes(node: ast.expr, depth: int = 0) -> Iterator[tuple[ast.expr, int]]:
    """Give the expressions below one, without recursion: how deep they go is what is being checked."""
    left = [(node, depth)]
    while left:
        current, depth = left.pop()
        yield current, depth
        left += [(child, depth + 1) for child in _children(current)]


def _children(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.Call():
            return [*node.args, *(keyword.value for keyword in node.keywords)]
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.BoolOp():
            return list(node.values)
        case ast.UnaryOp():
            return [node.operand]
        case ast.BinOp():
            return [node.left, node.right]
        case _:
            return []


def _allow(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=bool() | str()):
            return
        case ast.Constant(value=int() | float() as number):
            if not abs(number) <= LARGEST:
                raise Refused(f"a number over {LARGEST}; nothing in a run is that large")
        case ast.Call(func=ast.Name(id=name)):
            _allow_call(name, node)
        case ast.Call():
            raise Refused("calls something that is no function of the run; quizzes/README.md lists those")
        case ast.Compare(ops=operators):
            for each in operators:
                if not isinstance(each, (ast.Eq, ast.NotEq, *_COMPARE)):
                    raise Refused("a comparison that is not allowed; use == != < <= > >=")
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not() | ast.USub()):
            return
        case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC:
            return
        case ast.Name(id=name):
            raise Refused(f"`{name[:40]}` is no name here; use functions such as free_after(step=5)")
        case _:
            kind = type(node.op if isinstance(node, ast.BinOp | ast.UnaryOp) else node).__name__
            raise Refused(f"{kind} is not allowed; use functions of the run, comparisons, and, or, not, + - * // %")


def _allow_call(name: str, call: ast.Call) -> None:
    if name not in PARAMETERS:
        raise Refused(f"there is no function `{name[:40]}`; quizzes/README.md lists them")
    parameters = PARAMETERS[name]
    named = [keyword.arg for keyword in call.keywords]
    given = [*parameters[: len(call.args)], *named]
    if len(call.args) > len(parameters) or len(set(given)) < len(given) or not set(given) <= set(parameters):
        raise Refused(f"{name} takes {', '.join(parameters)}, each once")


def _value(node: ast.expr, facts: Facts) -> Value:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as constant):
            return constant
        case ast.Call(func=ast.Name(id=name)):
            arguments = dict(zip(PARAMETERS[name], (_value(each, facts) for each in node.args), strict=False))
            named = {keyword.arg: _value(keyword.value, facts) for keyword in node.keywords if keyword.arg}
            return facts.ask(name, arguments | named)
        case ast.BoolOp(op=ast.And()):
            return all(_truth(each, facts) for each in node.values)
        case ast.BoolOp():
            return any(_truth(each, facts) for each in node.values)
        case ast.UnaryOp(op=ast.Not()):
            return not _truth(node.operand, facts)
        case ast.UnaryOp():
            return -_number(node.operand, facts)
        case ast.BinOp():
            left, right = _number(node.left, facts), _number(node.right, facts)
            if isinstance(node.op, ast.FloorDiv | ast.Mod) and not right:
                raise Refused("divides by zero")
            return _ARITHMETIC[type(node.op)](left, right)
        case ast.Compare():
            return _compare(node, facts)
    raise Refused(f"{type(node).__name__} is not allowed")


def _compare(node: ast.Compare, facts: Facts) -> bool:
    sides = [node.left, *node.comparators]
    for operator, (left, right) in zip(node.ops, pairwise(sides), strict=True):
        if isinstance(operator, ast.Eq | ast.NotEq):
            one, other = _value(left, facts), _value(right, facts)
            if isinstance(one, str) != isinstance(other, str):
                raise Refused("compares a text with a number")
            holds = (one == other) == isinstance(operator, ast.Eq)
        else:
            holds = _COMPARE[type(operator)](_number(left, facts), _number(right, facts))
        if not holds:
            return False
    return True


def _truth(node: ast.expr, facts: Facts) -> bool:
    found = _value(node, facts)
    if not isinstance(found, bool):
        raise Refused(f"`{ast.unparse(node)[:60]}` is neither true nor false; compare it with something")
    return found


def _number(node: ast.expr, facts: Facts) -> int | float:
    found = _value(node, facts)
    if isinstance(found, str | bool):
        raise Refused(f"`{ast.unparse(node)[:60]}` is no number")
    return found
