"""Makes mutants: copies of a right solution with one small mistake in them, such as an `await` that was dropped.

The operators are the usual ones of mutation testing (R. A. DeMillo, R. J. Lipton, F. G. Sayward, "Hints on Test Data
Selection", 1978) and, besides, the mistakes that people make with pools: statements moved out of a `with`, a `try` or a
`finally`, a `finally` that became an `else`, a shield or a time limit that is gone. Edits are made on LibCST's tree, so
that a mutant differs from its original where it was changed and nowhere else.
"""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import libcst as cst
from libcst import matchers as m

_WIDTH = 120


@dataclass(frozen=True)
class Mutant:
    """A changed copy of a source.

    `name` tells it from all other mutants of its source: the operator, the function or method in which the change is,
    and what was changed to what. `code` is the whole changed source, `diff` the change as a unified diff.
    """

    name: str
    code: str
    diff: str


_Change = tuple[str, cst.CSTNode, cst.CSTNode]
"""An operator's name, a node, and what it becomes. Behind a colon the name may say what changes; else the lines do."""


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a source, in the order of its lines; none of them is the same program as another.

    Raises:
        libcst.ParserSyntaxError: it is no Python.
    """
    module = cst.parse_module(source)
    seen = {_meaning(source)}
    names: Counter[str] = Counter()
    found = []
    for scope, (operator, old, new) in _changes(module, "module"):
        changed = module.deep_replace(old, new)
        assert isinstance(changed, cst.Module)
        meaning = _meaning(changed.code)
        if meaning is None or meaning in seen:
            continue
        seen.add(meaning)
        mutant = _mutant(source, changed.code, operator, scope)
        names[mutant.name] += 1
        number = names[mutant.name]
        found.append(mutant if number == 1 else replace(mutant, name=f"{mutant.name} ({number})"))
    return found


def _meaning(source: str) -> str | None:
    """Return what tells two programs apart, comments and layout aside; None when it is no program."""
    try:
        tree = ast.parse(source)
        compile(tree, "mutant", "exec")
    except SyntaxError:
        return None
    return ast.dump(tree)


def _mutant(source: str, code: str, operator: str, scope: str) -> Mutant:
    lines = list(difflib.unified_diff(source.splitlines(), code.splitlines(), lineterm="", n=1))[2:]
    operator, _, what = operator.partition(": ")
    if not what:
        old, new = (" ".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
        what = f"{_cut(old)} -> {_cut(new)}"
    return Mutant(f"{operator} in {scope}: {what}", code, "\n".join(lines))


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def _changes(node: cst.CSTNode, scope: str) -> Iterator[tuple[str, _Change]]:
    """Give each change of a node and of what is in it, with the name of the scope that it is in."""
    if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
        scope = node.name.value if scope == "module" else f"{scope}.{node.name.value}"
    for operator in _OPERATORS:
        for change in operator(node):
            yield scope, change
    for child in node.children:
        yield from _changes(child, scope)


# --- expressions ---

_OTHER_OPERATORS: Mapping[type[cst.CSTNode], type[cst.CSTNode]] = {
    cst.LessThan: cst.LessThanEqual,
    cst.LessThanEqual: cst.LessThan,
    cst.GreaterThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.GreaterThan,
    cst.Equal: cst.NotEqual,
    cst.NotEqual: cst.Equal,
    cst.Is: cst.IsNot,
    cst.IsNot: cst.Is,
    cst.In: cst.NotIn,
    cst.NotIn: cst.In,
    cst.Add: cst.Subtract,
    cst.Subtract: cst.Add,
    cst.Multiply: cst.Add,
    cst.FloorDivide: cst.Multiply,
    cst.Modulo: cst.Add,
    cst.AddAssign: cst.SubtractAssign,
    cst.SubtractAssign: cst.AddAssign,
}
_COMPLEMENTED = m.Comparison(
    comparisons=[m.ComparisonTarget(operator=m.Equal() | m.NotEqual() | m.Is() | m.IsNot() | m.In() | m.NotIn())]
)
"""What `_operator` turns into its opposite."""
_OTHER_NAMES = {"True": "False", "False": "True", "BaseException": "Exception", "any": "all", "all": "any"}
_OTHER_METHODS = {"popleft": "pop", "appendleft": "append", "append": "appendleft", "put_nowait": "get_nowait"}
_WRAPPERS = m.Attribute(attr=m.Name("shield") | m.Name("wait_for"))


def _operator(node: cst.CSTNode) -> Iterator[_Change]:
    if not isinstance(node, (cst.ComparisonTarget, cst.BinaryOperation, cst.AugAssign)):
        return
    if other := _OTHER_OPERATORS.get(type(node.operator)):
        name = "comparison" if isinstance(node, cst.ComparisonTarget) else "arithmetic"
        yield name, node, node.with_changes(operator=other())


def _number(node: cst.CSTNode) -> Iterator[_Change]:
    if isinstance(node, cst.Integer):
        yield "number", node, cst.Integer(str(ast.literal_eval(node.value) + 1))
    elif isinstance(node, cst.Float):
        yield "number", node, cst.Float(str(ast.literal_eval(node.value) * 4 + 0.5))
    elif isinstance(node, cst.SimpleString) and node.raw_value.isdecimal():
        yield "number", node, node.with_changes(value=f"{node.quote}{int(node.raw_value) + 1}{node.quote}")


def _condition(node: cst.CSTNode) -> Iterator[_Change]:
    if isinstance(node, cst.BooleanOperation):
        other = cst.Or() if isinstance(node.operator, cst.And) else cst.And()
        yield "condition", node, node.with_changes(operator=other)
        yield "condition", node, _with_parentheses(node.left, node)
        yield "condition", node, _with_parentheses(node.right, node)
    elif isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        yield "condition", node, node.expression
    elif isinstance(node, (cst.If, cst.While, cst.IfExp)) and not m.matches(node.test, m.Name("True") | _COMPLEMENTED):
        negated = cst.UnaryOperation(cst.Not(), _in_parentheses(node.test))
        yield "condition", node, node.with_changes(test=negated)


def _with_parentheses(node: cst.BaseExpression, around: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[*around.lpar, *node.lpar], rpar=[*node.rpar, *around.rpar])


def _in_parentheses(node: cst.BaseExpression) -> cst.BaseExpression:
    if node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _name(node: cst.CSTNode) -> Iterator[_Change]:
    if isinstance(node, cst.Name) and node.value in _OTHER_NAMES:
        yield "name", node, node.with_changes(value=_OTHER_NAMES[node.value])
    elif isinstance(node, cst.Attribute) and node.attr.value in _OTHER_METHODS:
        yield "method", node, node.with_changes(attr=cst.Name(_OTHER_METHODS[node.attr.value]))


def _await(node: cst.CSTNode) -> Iterator[_Change]:
    if isinstance(node, cst.Await):
        yield "await dropped", node, node.expression


def _call(node: cst.CSTNode) -> Iterator[_Change]:
    if not isinstance(node, cst.Call):
        return
    plain = [arg for arg in node.args if arg.keyword is None and not arg.star]
    if m.matches(node.func, _WRAPPERS) and plain:
        yield "wrapper dropped", node, plain[0].value
    for arg in node.args:
        if arg.keyword is not None or arg.star:
            rest = [each for each in node.args if each is not arg]
            yield "argument dropped", node, node.with_changes(args=_commas(rest))
    if len(plain) > 1 and node.args[0] is plain[0] and node.args[1] is plain[1]:
        one, two = plain[0].value, plain[1].value
        if isinstance(one, (cst.Name, cst.Attribute)) and isinstance(two, (cst.Name, cst.Attribute)):
            first, second = plain[0].with_changes(value=two), plain[1].with_changes(value=one)
            yield "arguments swapped", node, node.with_changes(args=[first, second, *node.args[2:]])


def _commas(args: Sequence[cst.Arg]) -> list[cst.Arg]:
    """Return arguments without a comma behind the last."""
    return [*args[:-1], args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if args else []


# --- statements ---


def _blocks(node: cst.CSTNode) -> Iterator[_Change]:
    """Change the order of a block's statements, leave one out, or let one out of what is around it."""
    if isinstance(node, cst.IndentedBlock):
        for operator, body in _bodies(list(node.body)):
            yield operator, node, node.with_changes(body=body or [_line("pass")])
    elif isinstance(node, cst.Module):
        for operator, body in _bodies(list(node.body)):
            # Two names that are set once, one after the other: their order means nothing.
            if not operator.startswith("statements swapped"):
                yield operator, node, node.with_changes(body=body)


_Statements = list[cst.BaseStatement]


def _bodies(body: _Statements) -> Iterator[tuple[str, _Statements]]:
    for i, statement in enumerate(body):
        before, after = body[:i], body[i + 1 :]
        if _is_work(statement):
            yield f"statement dropped: {_head(statement)}", [*before, *after]
            if after and _is_work(after[0]):
                both = f"{_head(statement)} <-> {_head(after[0])}"
                yield f"statements swapped: {both}", [*before, after[0], statement, *after[1:]]
        for operator, instead in _let_out(statement):
            yield operator, [*before, *instead, *after]


def _head(statement: cst.BaseStatement) -> str:
    """Return a statement's first line, without its comment."""
    code = cst.Module([]).code_for_node(statement.with_changes(leading_lines=[]))
    return _cut(code.strip().splitlines()[0].split("  #")[0])


def _is_work(statement: cst.BaseStatement) -> bool:
    """Whether a statement does something when its turn comes; definitions, imports and docstrings are left alone."""
    if isinstance(statement, (cst.FunctionDef, cst.ClassDef)):
        return False
    if not isinstance(statement, cst.SimpleStatementLine):
        return True
    nothing = (cst.Import, cst.ImportFrom, cst.Pass, cst.Global, cst.Nonlocal)
    small = statement.body[0]
    return not isinstance(small, nothing) and not m.matches(small, m.Expr(m.SimpleString() | m.ConcatenatedString()))


def _let_out(statement: cst.BaseStatement) -> Iterator[tuple[str, _Statements]]:
    """Give what may stand in the place of a `with`, a `try` or a loop."""
    if isinstance(statement, cst.With):
        body = _body(statement)
        if all(item.asname is None for item in statement.items):
            yield f"with dropped: {_head(statement)}", body
        if len(body) > 1:
            yield f"moved behind a with: {_head(body[-1])}", [_with_body(statement, body[:-1]), body[-1]]
            yield f"moved before a with: {_head(body[0])}", [body[0], _with_body(statement, body[1:])]
        if len(statement.items) > 1:
            for item in statement.items:
                rest = [each for each in statement.items if each is not item]
                last = rest[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
                yield "with dropped", [statement.with_changes(items=[*rest[:-1], last])]
    elif isinstance(statement, cst.Try):
        yield from _let_out_of_try(statement)
    elif isinstance(statement, cst.While):
        yield f"once only: {_head(statement)}", [cst.If(statement.test, statement.body)]
    elif isinstance(statement, cst.For):
        yield f"first only: {_head(statement)}", [_with_body(statement, [*_body(statement), _line("break")])]


def _let_out_of_try(statement: cst.Try) -> Iterator[tuple[str, _Statements]]:
    body = _body(statement)
    if len(body) > 1:
        yield f"moved behind a try: {_head(body[-1])}", [_with_body(statement, body[:-1]), body[-1]]
        yield f"moved before a try: {_head(body[0])}", [body[0], _with_body(statement, body[1:])]
    for handler in statement.handlers:
        rest = [each for each in statement.handlers if each is not handler]
        if rest or statement.finalbody:
            yield "except dropped", [statement.with_changes(handlers=rest, orelse=statement.orelse if rest else None)]
        else:
            yield "except dropped", body
    if statement.finalbody is not None:
        final = list(cst.ensure_type(statement.finalbody.body, cst.IndentedBlock).body)
        if statement.handlers and statement.orelse is None:
            without = statement.with_changes(finalbody=None, orelse=cst.Else(statement.finalbody.body))
            yield f"finally to else: {_head(final[0])}", [without]
        elif not statement.handlers:
            yield f"finally to else: {_head(final[0])}", [*body, *final]
        if len(final) > 1:
            shorter = statement.finalbody.with_changes(body=cst.IndentedBlock(final[:-1]))
            yield f"moved behind a finally: {_head(final[-1])}", [statement.with_changes(finalbody=shorter), final[-1]]


def _body(statement: cst.With | cst.Try | cst.For) -> _Statements:
    block = statement.body
    return list(block.body) if isinstance(block, cst.IndentedBlock) else []


def _with_body(statement: cst.With | cst.Try | cst.For, body: _Statements) -> cst.BaseStatement:
    return statement.with_changes(body=cst.IndentedBlock(body))


def _line(text: str) -> cst.SimpleStatementLine:
    return cst.ensure_type(cst.parse_statement(text), cst.SimpleStatementLine)


def _function(node: cst.CSTNode) -> Iterator[_Change]:
    """Let a function return early, or return nothing."""
    if isinstance(node, cst.FunctionDef) and isinstance(node.body, cst.IndentedBlock):
        body = list(node.body.body)
        for i in range(1, len(body)):
            if _is_work(body[i]) and not m.matches(body[i], m.SimpleStatementLine([m.Return()])):
                yield (
                    f"returns early: before {_head(body[i])}",
                    node.body,
                    node.body.with_changes(body=[*body[:i], _line("return")]),
                )
    elif isinstance(node, cst.Return) and node.value is not None:
        yield "returns nothing", node, node.with_changes(value=cst.Name("None"))


def _handler(node: cst.CSTNode) -> Iterator[_Change]:
    if isinstance(node, cst.ExceptHandler) and node.type is not None:
        for wider in ("Exception", "BaseException"):
            if not m.matches(node.type, m.Name("BaseException") | m.Name(wider)):
                yield "except wider", node, node.with_changes(type=cst.Name(wider))


_OPERATORS: Sequence[Callable[[cst.CSTNode], Iterator[_Change]]] = (
    *(_operator, _number, _condition, _name, _await, _call),
    *(_blocks, _function, _handler),
)
