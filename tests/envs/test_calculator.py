"""Laws of the calculator: as Python has it, or refused at once and in words."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twosome_envs.agent.calculator import LONGEST, MOST_BITS, CalculatorError, calculate, shown

NUMBERS = st.one_of(st.integers(0, 999), st.floats(0, 99, allow_subnormal=False).map(lambda x: round(x, 2)))
EXPRESSIONS = st.recursive(
    NUMBERS.map(str),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", " ** "]), inner).map("".join),
        inner.map("({})".format),
        inner.map("(-{})".format),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_the_result_is_pythons(expression):
    """Bit for bit and of the same type; only what Python cannot compute either, or what is too long, is refused."""
    try:
        found = calculate(expression)
    except CalculatorError:
        assert len(expression) > LONGEST or "**" in expression or not is_small(expression)
    else:
        expected = eval(expression)
        assert (found, type(found)) == (expected, type(expected))


def is_small(expression):
    """Whether Python has a result of a bounded size."""
    try:
        value = eval(expression)
    except (ZeroDivisionError, OverflowError):
        return False
    return math.isfinite(value) and (isinstance(value, float) or value.bit_length() <= MOST_BITS)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("(-2) ** 2", 4),
        ("2 ** -1", 0.5),
        ("7 / 2 / 2", 1.75),
        ("10 - 4 - 3", 3),
        (" 1e2 - .5 ", 99.5),
        ("2 ** 255 - 1 + 2 ** 255", 2**256 - 1),
        ("0 ** 999999", 0),
        ("1 ** 999999999", 1),
        ("(" * 99 + "1" + ")" * 99, 1),
    ],
)
def test_order_and_limits(expression, value):
    assert calculate(expression) == value


HOSTILE = {
    "9**9**9": "too large",
    "9**9**9**9**9": "too large",
    "(9**80)*(9**80)": "too large",
    "2**256": "too large",
    "(-1)**.5": "no real number",
    "9.5**9999": "too large",
    "1e999": "too large",
    "-1e999 + 1e999": "too large",
    "1/0": "division by zero",
    "0**-1": "division by zero",
    "1/(2-2.0)": "division by zero",
    "(" * 10**6 + "1" + ")" * 10**6: "2000001 characters",
    "-" * 150 + "1": "more than 40 levels",
    "1" * 199: "too large",
    "1" * 201: "201 characters, at most 200",
    "1+" * 90 + "1": "more than 40 levels",
    "": "no expression",
    "1 +": "no expression",
    "()": "only numbers",
    "1 // 2": "only numbers",
    "+5": "only numbers",
    "e": "only numbers",
    "1..e": "only numbers",
    "e(1)": "only numbers",
    "1 < 2": "'<' is no part of a number",
    "7 % 2": "'%' is no part",
    "x": "'x' is no part",
    "__import__('os')": "is no part",
    "1j": "'j' is no part",
    "0x10": "'x' is no part",
    "1_000": "'_' is no part",
    "True": "is no part",
    "'a' * 9": "is no part",
    "[1] * 9": "is no part",
    "1\n+1": "is no part",
    "1;2": "is no part",
    "\uff11 + \uff11": "is no part",
    "\u0663": "is no part",
    "1 \u2212 1": "is no part",
    "\0": "is no part",
    "007": "no expression",
}


@pytest.mark.parametrize("expression", HOSTILE, ids=lambda it: ascii(it)[:20])
def test_what_is_hostile_is_refused_at_once_and_in_words(expression):
    """A limit of the law and not of the machine: it would take hours, or gigabytes, to compute some of them."""
    before = time.process_time()
    with pytest.raises(CalculatorError, match=HOSTILE[expression]):
        calculate(expression)
    assert time.process_time() - before < 1.0


@pytest.mark.parametrize("given", [None, 3, b"1", ["1"]])
def test_what_is_no_text_is_refused(given):
    with pytest.raises(CalculatorError, match="expected an expression as text"):
        calculate(given)


def test_results_are_shown_shortly():
    assert [shown(it) for it in (3, 3.0, -0.5, 1 / 3, 1e300, 2**256)] == [
        "3",
        "3",
        "-0.5",
        "0.333333333333",
        "1e+300",
        str(2**256),
    ]
