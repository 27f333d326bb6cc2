"""What the script of a page reads."""

import json
import re

import numpy as np


def data(page):
    """What the page's script reads."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)[1])


def main(page):
    return data(page)["views"][0]


def item(graph, name):
    (found,) = [x for x in graph["items"] if name in (x["name"], *x["names"]) and x["kind"] != "result"]
    return found


def arrays(graph, x, which="v"):
    """The value or gradient of an item at each of its steps."""
    return [
        np.array(graph["values"][n]["grid"], float).reshape(graph["values"][n]["shape"]) if n >= 0 else None
        for n in x[which]
    ]
