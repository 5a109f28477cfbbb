"""A calculator for expressions of others: numbers, + - * / **, unary minus, parentheses; nothing is ever executed.

An expression is read by `ast`, and its nodes are computed one by one. Length, depth and the bits of every number on the
way are bounded before a step is done, so that every expression ends at once, if only with a reason.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

LONGEST, DEEPEST, MOST_BITS = 200, 40, 256
"""Characters of an expression, levels of its tree, bits of a whole number."""
LETTERS = frozenset("0123456789.eE+-*/() ")
"""That an expression may hold; `e` stands in numbers such as 1e6."""

OPERATORS: dict[type[ast.operator], Callable[..., int | float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


class CalculatorError(ValueError):
    """Why something was not computed."""


def calculate(expression: str) -> int | float:
    """The value of an expression, as Python has it.

    Raises `CalculatorError` for what is no expression or too much of one, a division by zero, a result that is no real
    number, or too large.

    >>> calculate("(347 + 268) / -5")
    -123.0
    """
    if not isinstance(expression, str):
        raise CalculatorError(f"expected an expression as text, got {type(expression).__name__}")
    if len(expression) > LONGEST:
        raise CalculatorError(f"{len(expression)} characters, at most {LONGEST} are computed")
    strange = sorted({letter for letter in expression if letter not in LETTERS})
    if strange:
        raise CalculatorError(f"{''.join(strange[:5])!r} is no part of a number, and none of + - * / ** ( )")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CalculatorError(f"{expression!r} is no expression") from error
    try:
        return _value(tree.body, 1)
    except ZeroDivisionError as error:
        raise CalculatorError("division by zero") from error
    except OverflowError as error:
        raise CalculatorError("the number is too large") from error


def shown(number: int | float) -> str:
    """A result as text; a whole number without a point, any other with at most 12 digits.

    >>> shown(615.0), shown(1 / 3)
    ('615', '0.333333333333')
    """
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        number = int(number)
    return str(number) if isinstance(number, int) else f"{number:.12g}"


def _value(node: ast.expr, depth: int) -> int | float:
    if depth > DEEPEST:
        raise CalculatorError(f"more than {DEEPEST} levels")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return _bounded(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, depth + 1)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = _value(node.left, depth + 1), _value(node.right, depth + 1)
        if isinstance(node.op, ast.Pow):
            _check_power(left, right)
        return _bounded(OPERATORS[type(node.op)](left, right))
    raise CalculatorError("only numbers, + - * / **, unary minus and parentheses are computed")


def _check_power(base: int | float, exponent: int | float) -> None:
    """Refuse a power before it is computed that would need too many bits."""
    if not isinstance(base, int) or not isinstance(exponent, int):
        return
    if exponent > 0 and (abs(base).bit_length() - 1) * exponent > MOST_BITS:
        raise CalculatorError("the number is too large")


def _bounded(number: object) -> int | float:
    """The number, if it is a real one of a bounded size."""
    if not isinstance(number, (int, float)):
        raise CalculatorError("the result is no real number")
    if (isinstance(number, int) and number.bit_length() > MOST_BITS) or not math.isfinite(number):
        raise CalculatorError("the number is too large")
    return number
