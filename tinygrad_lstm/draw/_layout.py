"""The child process that lays a graph out: DOT on standard input, the picture on standard output.

:mod:`tinygrad_lstm.draw.render` runs this file by its path, in isolated mode. Nothing of ``tinygrad_lstm`` is
imported, so the child starts in hundredths of a second. It can be killed at any moment, which a layout in
the caller's process cannot: Graphviz holds the interpreter lock, and with it Ctrl-C, until it is done.
"""

import importlib
import signal
import sys

__all__ = ["NO_PYGRAPHVIZ", "main"]

NO_PYGRAPHVIZ = 3
"""Exit status that says: pygraphviz cannot be imported here."""


def main(folder: str, format: str, engine: str, limit: str, *settings: str) -> int:
    """Lay out the graph on standard input and write the picture; return the exit status.

    ``folder`` is where the caller found pygraphviz, ``limit`` after how many seconds the process ends itself,
    ``settings`` are arguments of ``dot``, such as ``-Gdpi=300``.
    Standard error gets one line with the size of the graph, then whatever Graphviz has to say.
    """
    if sys.platform != "win32":
        # The caller kills this process; these two hold when the caller is gone, or Ctrl-C arrives here first.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, float(limit))
    sys.path.append(folder)
    try:
        pygraphviz = importlib.import_module("pygraphviz")
    except ImportError as error:
        print(error, file=sys.stderr)
        return NO_PYGRAPHVIZ
    # `string=` and not the positional argument: that one takes text that does not parse for a file's name.
    graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
    size = f"{graph.number_of_nodes()} nodes and {graph.number_of_edges()} edges"
    print(size, file=sys.stderr, flush=True)
    sys.stdout.buffer.write(graph.draw(format=format, prog=engine, args=" ".join(settings)))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
