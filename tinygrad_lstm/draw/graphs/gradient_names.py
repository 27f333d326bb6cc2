"""What gradients are called in pictures: ``∂L/∂W_f``, by the names of the values that they are of."""

from collections.abc import Sequence

from tinygrad_lstm.autodiff.differentiated import derivative_of
from tinygrad_lstm.formula.names import named_values, weight_letters
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import Node, Tensor, name_of
from tinygrad_lstm.graph.variables import Tracer

__all__ = ["GradientNames"]


class GradientNames:
    """The names of the gradients among some results, and of those that a function leaves in ``.grad``.

    A weight has the letter that it has in formulas, any other value its name. What is differentiated is called by its
    name too. Without one it is ``L`` where ``backward`` is called on it or it is differentiated by weights, and ``y``
    elsewhere.

    Attributes:
        known: names of results: gradients, and what they are gradients of.
        used: the letters of weights in these names.
    """

    def __init__(self, results: Sequence[Tensor], keys: Sequence[str | None], state: Tracer | None) -> None:
        self.losses = list(state.losses) if state is not None else []
        derived = {g: found for g in results if (found := derivative_of(g)) is not None}
        ends = [*results, *self.losses, *(state.gradients.values() if state is not None else [])]
        order = topological([node for node in ends if node is not None]) if derived or self.losses else []
        self.letters = weight_letters(order, named_values(order))
        self.taken = {name for node in order if (name := name_of(node)) is not None}
        self.used: dict[Node, str] = {}
        self.known: dict[Tensor, str] = {}
        self._of: dict[Node, str] = {}
        given: dict[Node, str] = {y: key for y, key in zip(results, keys, strict=True) if key}
        for loss in dict.fromkeys(self.losses):
            self._of[loss] = name_of(loss) or given.get(loss) or "L"
        learned = any(x.variable is not None for _, x in derived.values())
        letter = "L" if learned or "y" in self.taken else "y"
        for y, _ in derived.values():
            if y is not None and y not in self._of:
                self._of[y] = name_of(y) or given.get(y) or letter
        for g, (y, x) in derived.items():
            if name := self._name(x):
                self.known[g] = f"∂{letter if y is None else self._of[y]}/∂{name}"
        several = len(set(self._of)) > len(set(self._of.values()))
        if not several:
            self.known |= {y: self._of[y] for y in results if y in self._of and y not in self.known}

    def by(self, leaf: Node) -> str:
        """The name of what ``backward`` leaves for a parameter."""
        names = {self._of[loss] for loss in self.losses}
        return f"∂{names.pop() if len(names) == 1 else 'L'}/∂{self._name(leaf) or 'parameter'}"

    def _name(self, x: Node) -> str:
        if x in self.letters:
            self.used[x] = self.letters[x]
        return self.letters.get(x) or name_of(x) or ""
