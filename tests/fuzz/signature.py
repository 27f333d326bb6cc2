"""Which fault a shrunk program shows: failures of one signature are counted, and only the first are shown."""

import re

from tests.fuzz.program import Loop, Program, used, words

__all__ = ["signature"]

_CLASSES = {
    "view": "reshape transpose flip broadcast_to expand_dims squeeze ravel swapaxes diagonal",
    "join": "concatenate stack pad roll repeat tile diff tril triu",
    "sum": "sum mean logsumexp prod var std norm softmax log_softmax cumsum cumprod",
    "largest": "max min argmax argmin all any sort argsort",
    "gather": "take",
    "scatter": "scatter_add",
    "product": "outer einsum",
    "gradient": "gradients",
    "where": "where",
    "constant": "zeros ones zeros_like ones_like full arange",
    "function": "tanh sigmoid exp log sqrt sin cos tan softplus silu gelu erf expm1 log1p log2 rsqrt sinh cosh arctan "
    "arcsin arccos arcsinh arccosh arctanh cbrt elu log_sigmoid arctan2 hypot",
}
_CLASS = {op: name for name, ops in _CLASSES.items() for op in words(ops)}


def signature(kind: str, program: Program) -> str:
    """Such as ``raises IndexError: scan view``."""
    found: set[str] = set()
    for step in used(program.steps):
        if isinstance(step, Loop):
            found.add("scan")
            continue
        text = step.template
        found |= {_CLASS.get(op, "elementwise") for op in re.findall(r"tl\.(?!float|int|uint|bool|tensor)(\w+)", text)}
        found |= {"scatter"} if ".at[" in text else set()
        found |= {"assign"} if ".assign(" in text else {"cast"} if ".astype(" in text else set()
        found |= {"product"} if " @ " in text else set()
        found |= {"gather" if "np.array" in text else "view"} if re.search(r"\}\[", text) or ".T" in text else set()
        found |= {"elementwise"} if re.search(r"[\w})] ?[-+*/%&|^<>=]", text) else set()
        found |= {"function"} if " ** " in text else set()
    return f"{kind}: {' '.join(sorted(found))}"
