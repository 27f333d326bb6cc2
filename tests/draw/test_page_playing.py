"""The player of a page in a real browser: each press changes something, and says why."""

import re

import pytest

import tinygrad_lstm as tl
from tests.draw.browsing import choose, graph

pytestmark = pytest.mark.browser


def told(tab, presses):
    """What the player says at the beginning and after each press of n."""
    found = [tab.locator("#said").inner_text()]
    for _ in range(presses):
        tab.keyboard.press("n")
        found.append(tab.locator("#said").inner_text())
    return found


def test_each_step_back_says_the_rule(visit):
    with visit(tl.draw.page(lambda x: tl.sin(x**2), 1.0)) as tab:
        assert told(tab, 7) == [
            "At the beginning. Inputs and parameters have their values. Press Play, or n for one step.",
            "Forward 1 of 2: x² is 1",
            "Forward 2 of 2: sin(x²) is 0.8415",
            "Backward 1 of 3: the gradient of sin(x²) is 1: the way back begins here",
            "Backward 2 of 3: the gradient of x² = gradient of sin(x²) · cos(x²) = 0.5403",
            "Backward 3 of 3: the gradient of x = gradient of x² · 2·x = 1.081",
            "All is computed. Gradients are those of result.",
            "All is computed. Gradients are those of result.",
        ]
        assert "= gradient of x² · 2·x" in choose(tab, "x").inner_text()


def test_a_press_in_the_textbooks_picture_changes_it(visit, cell_page):
    with visit(cell_page) as tab:
        shown = "document.querySelector('#textbook').innerHTML"
        said, before = "", tab.evaluate(shown)
        presses = 0
        while True:
            tab.keyboard.press("n")
            said, after = tab.locator("#said").inner_text(), tab.evaluate(shown)
            if said.startswith("All"):
                break
            assert after != before, said
            assert tab.locator("#textbook .part.chosen").count() == 1, said
            assert "result" not in said.replace("(as a result)", "")
            before = after
            presses += 1
        assert presses == 10 + 13, "nine shapes and the joined vector; two states and an input more on the way back"
        tab.keyboard.press("p")
        tab.keyboard.press("Home")
        tab.locator("#progress").fill("2")
        assert re.sub(r"\s", "", tab.locator("#said").inner_text()).startswith("Forward2of10:ft=σ(")


def test_the_last_step_back_in_time_gets_no_gradient_of_a_next_one(visit, loop_page):
    with visit(loop_page) as tab:
        graph(tab)
        rules = []
        for t in (2, 1):
            tab.locator("#times input").fill(str(t))
            rules.append(re.sub(r"\s", "", choose(tab, "C_t").locator(".rule").inner_text()))
        assert rules[0].endswith("+gradientofCtofthelaststep")
        assert rules[1].endswith("+gradientofCt−1atthenextstep")


def test_without_gradients_the_page_says_why_and_has_no_column_for_them(visit):
    twice = tl.define_op("twice_in_a_browser", lambda x: x, lambda xp, x: x * 2)
    with visit(tl.draw.page(lambda x: twice(x), 3.0)) as tab:
        assert "There are no gradients: op 'twice_in_a_browser' has no gradient" in told(tab, 0)[0]
        assert "has no gradient" in choose(tab, "x").inner_text()
        tab.select_option("#view", "table")
        assert tab.locator("#table th[scope=col]").all_inner_texts() == ["Value", "Expression", "Type", "Now"]
        assert "has no gradient" in tab.locator("#table caption").inner_text()


def test_the_whole_graph_is_in_the_window_at_first(visit, loop_page):
    with visit(loop_page) as tab:
        window = tab.locator("#picture").bounding_box()
        for box in (node.bounding_box() for node in tab.locator("#picture .node").all()):
            assert window["x"] <= box["x"]
            assert box["x"] + box["width"] <= window["x"] + window["width"]
            assert window["y"] <= box["y"]
            assert box["y"] + box["height"] <= window["y"] + window["height"]
