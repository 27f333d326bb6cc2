"""Sums, products and powers, simplified while they are written down: ``x·2·x`` becomes ``2·x²``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_lstm.formula.notation import Notation

__all__ = ["ATOM", "COMPARISON", "POWER", "PRODUCT", "SUM", "Algebra", "Expression", "weight_of"]

# How tightly the operation of an expression binds; a looser one needs parentheses inside a tighter one.
COMPARISON, SUM, PRODUCT, POWER, ATOM = range(5)


@dataclass(slots=True)
class Expression:
    """One node as text, with its factors and terms, so that a product or a sum can merge with it."""

    text: str
    level: int = ATOM
    weight: int = 1
    """How many operations it holds. Factors are written in the order of their weight."""
    single: bool = False
    """Whether its value is a scalar, not an array."""
    coefficient: float | int = 1
    factors: "dict[str, tuple[Expression, int]]" = field(default_factory=dict)
    """The factors of a product, by the text of their base: the base and its exponent."""
    terms: "list[Expression]" = field(default_factory=list)
    """The terms of a sum."""
    value: float | int | bool | None = None
    """Of a number."""

    def product(self) -> "tuple[float | int, dict[str, tuple[Expression, int]]]":
        """The coefficient and the factors; an expression that is no product is its own only factor."""
        if self.value is not None:
            return self.value, {}
        return (self.coefficient, self.factors) if self.factors else (1, {self.text: (self, 1)})


def weight_of(inputs: Sequence[Expression]) -> int:
    """The weight of an expression that one operation builds from ``inputs``."""
    return 1 + sum(x.weight for x in inputs)


def _raised_number(number: float | int, exponent: int) -> float | int:
    try:
        return number**exponent
    except OverflowError:
        return math.inf


@dataclass(frozen=True)
class Algebra:
    """Builds expressions from expressions, by the rules of algebra and in one notation."""

    notation: Notation

    def inside(self, x: Expression, level: int) -> str:
        """The text of ``x`` as an operand, in parentheses where ``x`` binds less tightly than ``level``."""
        return self.notation.brackets(x.text) if x.level < level else x.text

    def constant(self, value: Any) -> Expression:
        """The expression of a number; a negative one starts with the notation's minus."""
        if isinstance(value, bool) or not value < 0:
            return Expression(self.notation.number(value), ATOM, 0, True, value=value)
        return Expression(self.notation.minus + self.notation.number(-value), PRODUCT, 0, True, value=value)

    def product(self, parts: Sequence[tuple[Expression, int]], sign: int = 1) -> Expression:
        """The product of ``parts``, each an expression and its integer exponent, and of ``sign``."""
        coefficient: float | int = sign
        factors: dict[str, tuple[Expression, int]] = {}
        for part, exponent in parts:
            number, inner = part.product()
            if number == 0 and exponent < 0:
                return Expression(self.notation.quotient(self.constant(coefficient).text, "0", True), PRODUCT)
            coefficient = coefficient * _raised_number(number, exponent)
            for key, (base, times) in inner.items():
                factors[key] = base, factors.get(key, (base, 0))[1] + times * exponent
        return self._from_factors(coefficient, {k: v for k, v in factors.items() if v[1] != 0})

    def _from_factors(self, coefficient: float | int, factors: dict[str, tuple[Expression, int]]) -> Expression:
        """The product of a number and of factors, those with negative exponents below a fraction bar."""
        if not factors or coefficient == 0:
            return self.constant(coefficient)
        ordered = sorted(factors.values(), key=lambda f: f[0].weight)
        if coefficient == 1 and len(ordered) == 1 and ordered[0][1] == 1:
            return ordered[0][0]
        upper = [(base, n) for base, n in ordered if n > 0]
        lower = [(base, -n) for base, n in ordered if n < 0]
        magnitude = abs(coefficient)
        alone = self.notation.bars and bool(lower)
        above = self._factors(upper, alone and magnitude == 1)
        below = self._factors(lower, alone)
        if magnitude != 1 or not above:
            above.insert(0, (self.notation.number(magnitude), True))
        shown = self.notation.product(above)
        if below:
            shown = self.notation.quotient(shown, self.notation.product(below), len(below) == 1)
        power = coefficient == 1 and len(ordered) == 1 and not below
        weight = len(ordered) + sum(base.weight for base, _ in ordered)
        shown = f"{self.notation.minus}{shown}" if coefficient < 0 else shown
        single = all(base.single for base, _ in ordered)
        return Expression(shown, POWER if power else PRODUCT, weight, single, coefficient, dict(factors))

    def _factors(self, factors: list[tuple[Expression, int]], bar: bool) -> list[tuple[str, bool]]:
        """The text of each factor, and whether it is a scalar; one factor alone at a ``bar`` needs no parentheses."""
        if bar and len(factors) == 1 and factors[0][1] == 1:
            return [(factors[0][0].text, True)]
        return [(self._raised(base, n), base.single) for base, n in factors]

    def _raised(self, factor: Expression, times: int) -> str:
        if times == 1:
            return self.inside(factor, POWER)
        return self.notation.power(self.inside(factor, ATOM), str(times), True)

    def sum(self, parts: Sequence[tuple[Expression, int]]) -> Expression:
        """The sum of ``parts``, each an expression and its sign; terms with equal factors become one term."""
        merged: dict[tuple[tuple[str, int], ...], list[Any]] = {}
        for part, sign in parts:
            scale, inner = part.product()
            only, power = next(iter(inner.values()), (part, 0))
            # −(a + b) becomes −a − b in another sum.
            spread = only.terms if len(inner) == 1 and power == 1 and abs(scale) == 1 else []
            for term in spread or [part]:
                number, factors = term.product()
                key = tuple(sorted((k, n) for k, (_, n) in factors.items()))
                merged.setdefault(key, [0, factors])[0] += sign * number * (scale if spread else 1)
        terms = [self._from_factors(number, factors) for number, factors in merged.values() if number != 0]
        if len(terms) <= 1:
            return terms[0] if terms else self.constant(0)
        first = next((t for t in terms if not t.text.startswith(self.notation.minus)), terms[0])
        terms = [first, *[t for t in terms if t is not first]]
        return Expression(
            " ".join(self._signed(terms)), SUM, weight_of(terms), all(t.single for t in terms), terms=terms
        )

    def lines(self, x: Expression) -> list[str]:
        """The text of ``x`` in lines: one for each term of a sum, with its sign in front."""
        return self._signed(x.terms) if x.terms else [x.text]

    def _signed(self, terms: Sequence[Expression]) -> list[str]:
        minus = self.notation.minus
        rest = [
            f"{minus} {t.text[len(minus) :]}" if t.text.startswith(minus) else f"+ {self.inside(t, SUM)}"
            for t in terms[1:]
        ]
        return [self.inside(terms[0], SUM), *rest]

    def power(self, base: Expression, exponent: Expression) -> Expression:
        """``base`` to the power of ``exponent``."""
        value = exponent.value
        if value is not None and float(value).is_integer() and abs(value) < 100:
            return self.product([(base, int(value))])
        shown = self.notation.power(self.inside(base, ATOM), self.inside(exponent, ATOM), False)
        return Expression(shown, POWER, weight_of([base, exponent]), base.single)
