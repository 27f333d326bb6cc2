"""What the tests of pages share: small models, and a real browser."""

import os
import shutil
from contextlib import contextmanager

import pytest

import tinygrad_lstm as tl


@pytest.fixture(scope="module")
def cell():
    return tl.nn.LSTMCell(3, 4, key=tl.random.key(0))


@pytest.fixture(scope="module")
def lstm():
    return tl.nn.LSTM(3, 4, key=tl.random.key(0))


@pytest.fixture(scope="module")
def sequence():
    return tl.random.normal(tl.random.key(1), (5, 1, 3))


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'"
    )
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("there is no Chromium on the PATH; install it, or name yours in CHROMIUM")
    with playwright.sync_playwright() as running:
        # Chromium's own sandbox does not start for root, which a container's user often is.
        chromium = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, tmp_path):
    """Open a page; nothing may go to the console or to the network."""

    @contextmanager
    def visiting(page, **options):
        path = page.save(tmp_path / "page.html")
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        tab = context.new_page()
        said, asked = [], []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        yield tab
        context.close()
        assert said == []
        assert asked == [path.as_uri()]

    return visiting


@pytest.fixture(scope="module")
def state(cell):
    return type(cell.zeros(1))(*(tl.random.normal(tl.random.key(k), (1, 4)) for k in (2, 3)))


@pytest.fixture(scope="module")
def x():
    return tl.random.normal(tl.random.key(1), (1, 3))


@pytest.fixture(scope="module")
def cell_page(cell, state, x):
    return tl.draw.page(cell, x, state)


@pytest.fixture(scope="module")
def loop():
    return tl.nn.LSTM(3, 4, key=tl.random.key(0)), tl.random.normal(tl.random.key(1), (3, 1, 3))


@pytest.fixture(scope="module")
def loop_page(loop):
    return tl.draw.page(*loop)
