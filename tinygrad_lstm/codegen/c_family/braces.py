"""The indentation of C text."""

from collections.abc import Iterable

__all__ = ["braced"]


def braced(lines: Iterable[str]) -> str:
    """Braces around ``lines``, each indented by the number of braces that are open there.

    >>> print(braced(["for (;;) {", "f();", "}"]))
    {
      for (;;) {
        f();
      }
    }
    <BLANKLINE>
    """
    text, depth = ["{"], 1
    for line in lines:
        depth -= line.startswith("}")
        text.append(line if line.startswith("#") else "  " * depth + line)
        depth += line.endswith("{")
    return "\n".join([*text, "}", ""])
