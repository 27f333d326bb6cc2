"""A page at work in a real browser: the player, folding, search, keys, themes, and what a screen reader finds."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.draw.browsing import choose, graph, node, numbers

pytestmark = pytest.mark.browser

HOSTILE = '"<img src=x onerror=alert(1)></script>'
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def wait_till_said(tab, start):
    # Not by `wait_for_function`, which the page's own policy forbids.
    tab.locator("#said", has_text=re.compile(f"^{start}")).wait_for()


def violations(tab):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(tab).response["violations"]
    return [
        (v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found if v["impact"] in ("serious", "critical")
    ]


def test_the_player_ends_with_the_values_and_gradients_of_the_interpreter(visit, cell, state, x, cell_page):
    h, c = cell(x, state)
    leaves = {"f_t": cell.gates(x, state).forget, "C_t": c, "h_t": h}
    source = tl.Parameter(x)
    for parameter in cell.parameters():
        parameter.grad = None
    again = cell(source, state)
    (again[0].sum() + again[1].sum()).backward()
    with visit(cell_page) as tab:
        graph(tab)
        tab.keyboard.press("Home")
        assert tab.locator("#said").inner_text().startswith("At the beginning.")
        choose(tab, "f_t")
        assert "Not computed yet." in tab.locator("#panel").inner_text()
        tab.keyboard.press("Escape")
        last = ""
        while not tab.locator("#said").inner_text().startswith("Backward 1 "):
            last = tab.locator("#said").inner_text()
            tab.keyboard.press("n")
        assert last.startswith("Forward")
        choose(tab, "h_t")
        np.testing.assert_allclose(numbers(tab, "v"), h.numpy().ravel(), rtol=1e-5)
        choose(tab, "x_t")
        assert numbers(tab, "g") == []
        tab.keyboard.press("End")
        for name, value in leaves.items():
            choose(tab, name)
            np.testing.assert_allclose(numbers(tab, "v"), value.numpy().ravel(), rtol=1e-5)
        choose(tab, "x_t")
        np.testing.assert_allclose(numbers(tab, "g"), source.grad.numpy().ravel(), rtol=1e-4)
        for parameter in cell.parameters():
            choose(tab, parameter.name)
            np.testing.assert_allclose(numbers(tab, "v"), parameter.leaf.numpy().ravel(), rtol=1e-5)
            np.testing.assert_allclose(numbers(tab, "g"), parameter.grad.numpy().ravel(), rtol=1e-4, atol=1e-7)


def test_the_player_runs_by_itself_and_stops_at_the_end(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        tab.select_option("#speed", "30")
        tab.click("#play")
        assert tab.locator("#play").inner_text() == "Stop"
        wait_till_said(tab, "Backward")
        wait_till_said(tab, "All is computed")
        assert tab.locator("#play").inner_text() == "Play"
        tab.keyboard.press("Home")
        tab.locator("body").press(" ")
        wait_till_said(tab, "Forward")
        tab.locator("body").press(" ")
        assert tab.locator("#play").inner_text() == "Play"


def test_one_step_fills_in_one_node(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        tab.keyboard.press("Home")
        empty = tab.locator("#picture .strip .empty").count()
        tab.click("#next")
        assert tab.locator("#picture .strip .empty").count() == empty - 1
        assert tab.locator("#picture .node.now").count() == 1
        tab.click("#back")
        assert tab.locator("#picture .strip .empty").count() == empty
        tab.locator("#progress").fill("5")
        assert tab.locator("#said").inner_text().startswith("Forward 5 of ")


def test_the_slider_goes_through_the_steps_of_a_loop(visit, loop, loop_page):
    lstm, sequence = loop
    cell, state = lstm.cells[0], lstm.cells[0].zeros(1)
    steps = []
    for t in range(3):
        state = cell(sequence[t], state)
        steps.append(state[0].numpy().ravel())
    outputs = tl.Parameter(sequence)
    result, (h, c) = lstm(outputs)
    (result.sum() + h.sum() + c.sum()).backward()
    with visit(loop_page) as tab:
        graph(tab)
        for t in (2, 0, 1):
            tab.locator("#times input").fill(str(t))
            assert tab.locator("#times output").inner_text() == f"t = {t} of 0 … 2"
            choose(tab, "h_t")
            np.testing.assert_allclose(numbers(tab, "v"), steps[t], rtol=1e-5)
            choose(tab, "x_t")
            np.testing.assert_allclose(numbers(tab, "g"), outputs.grad.numpy()[t].ravel(), rtol=1e-4)


def test_the_player_takes_the_slider_along_forwards_and_backwards(visit, loop_page):
    with visit(loop_page) as tab:
        graph(tab)
        tab.keyboard.press("Home")
        seen = []
        while not tab.locator("#said").inner_text().startswith("All"):
            tab.keyboard.press("n")
            now = tab.locator("#times input").input_value()
            if not seen or seen[-1] != now:
                seen.append(now)
        assert seen == ["0", "1", "2", "1", "0"]


def test_folding_by_header_by_key_and_in_the_panel(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        everything = tab.locator("#picture .node").count()
        tab.locator('#picture .header[aria-label="forget gate: fold"]').dispatch_event("click")
        fewer = tab.locator("#picture .node").count()
        assert fewer < everything
        folded = tab.locator('#picture .node.folded[aria-label^="forget gate, folded"]')
        assert folded.get_attribute("aria-expanded") == "false"
        folded.dispatch_event("click")
        assert tab.locator("#picture .node").count() == everything
        choose(tab, "f_t")
        tab.keyboard.press("f")
        assert tab.locator("#picture .node").count() == fewer
        tab.keyboard.press("u")
        assert tab.locator("#picture .node").count() == everything
        choose(tab, "f_t").get_by_role("button", name="forget gate").click()
        assert tab.locator("#picture .node").count() == fewer
        tab.locator("#fold").click()
        assert tab.locator("#fold").inner_text() == "Fold all"
        tab.locator("#fold").click()
        assert tab.locator("#picture .node.folded").count() >= 5


def frames(tab):
    """Where the nodes and the closed boxes are."""
    return tab.locator("#picture .node .frame").evaluate_all(
        "frames => frames.map((f) => { const { x, y, width, height } = f.getBoundingClientRect();"
        " return [x, y, x + width, y + height]; })"
    )


@pytest.mark.parametrize("turned", [False, True])
def test_nothing_overlaps_whatever_is_folded(visit, loop_page, turned):
    with visit(loop_page) as tab:
        graph(tab)
        if turned:
            tab.click("#turn")
        headers = tab.locator("#picture .header").evaluate_all("all => all.map((h) => h.getAttribute('aria-label'))")
        for name in headers:
            tab.keyboard.press("u")
            tab.locator(f'#picture .header[aria-label="{name}"]').first.dispatch_event("click")
            places = frames(tab)
            for k, (left, top, right, bottom) in enumerate(places):
                for other in places[:k]:
                    apart = other[2] <= left or right <= other[0] or other[3] <= top or bottom <= other[1]
                    assert apart, f"{name} folded"


def test_search_finds_opens_and_chooses(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        tab.click("#fold")
        tab.keyboard.press("/")
        tab.keyboard.type("forget.weight")
        assert tab.locator("#found button").count() >= 2
        assert re.fullmatch(r"\d+ found", tab.locator("#search-said").inner_text())
        tab.keyboard.press("Enter")
        assert "forget.weight" in tab.locator("#panel h2").inner_text()
        assert tab.locator("#picture .node.chosen").count() == 1
        assert tab.locator("#found").is_hidden()
        tab.keyboard.press("/")
        tab.locator("#search").fill("no such node")
        assert tab.locator("#search-said").inner_text() == "0 found"
        tab.keyboard.press("Escape")
        assert tab.locator("#search").input_value() == ""


def test_a_chosen_node_lights_what_it_depends_on_and_what_depends_on_it(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        choose(tab, "f_t")

        def marks(kind):
            labels = tab.locator(f"#picture .node.{kind}").evaluate_all(
                "n => n.map((x) => x.getAttribute('aria-label'))"
            )
            return {label.split(",")[0] for label in labels}

        assert {"x_t", "h_{t−1}", "forget.weight", "forget.bias", "concat"} <= marks("before")
        assert {"C_t", "h_t", "result h_t", "result C_t", "tanh"} <= marks("after")
        assert "o_t" not in marks("before") | marks("after")
        tab.keyboard.press("Escape")
        assert marks("before") == set()


def test_the_mouse_shows_what_it_is_over(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        node(tab, "o_t").hover()
        panel = tab.locator("#panel").inner_text()
        assert "σ([ht-1, xt] @ output.weight + output.bias)" in panel.replace("\n", "")
        assert "f32[1,4]" in panel
        assert "conftest.py, line" in panel
        assert "tl.draw.page(cell, x, state)" in panel


def test_by_the_keyboard_alone(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        for _ in range(30):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.dataset.item !== undefined"):
                break
        first = tab.evaluate("document.activeElement.getAttribute('aria-label')")
        tab.keyboard.press("ArrowRight")
        second = tab.evaluate("document.activeElement.getAttribute('aria-label')")
        assert first != second
        tab.keyboard.press("ArrowLeft")
        assert tab.evaluate("document.activeElement.dataset.item !== undefined")
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("Enter")
        assert tab.locator("#picture .node.chosen").count() == 1
        tab.keyboard.press("f")
        assert tab.evaluate("document.activeElement.dataset.item !== undefined")
        tab.keyboard.press("?")
        assert tab.locator("#help").is_visible()
        tab.keyboard.press("Escape")
        assert tab.locator("#help").is_hidden()


def test_moving_about(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        start = tab.get_attribute("#picture", "viewBox")
        box = tab.locator("#picture").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.mouse.move(*middle)
        tab.mouse.wheel(0, -300)
        zoomed = tab.get_attribute("#picture", "viewBox")
        assert float(zoomed.split()[2]) < float(start.split()[2])
        tab.mouse.down()
        tab.mouse.move(middle[0] + 80, middle[1] + 40, steps=4)
        tab.mouse.up()
        moved = tab.get_attribute("#picture", "viewBox")
        assert float(moved.split()[0]) < float(zoomed.split()[0])
        assert moved.split()[2:] == zoomed.split()[2:]
        assert tab.locator("#picture .node.chosen").count() == 0, "a drag is no click"
        tab.keyboard.press("0")
        tab.click("#nearer")
        tab.click("#farther")
        assert tab.get_attribute("#picture", "viewBox").split()[2] == start.split()[2]


def test_the_textbooks_picture_plays_too(visit, cell_page):
    with visit(cell_page) as tab:
        assert tab.locator("#textbook").is_visible()
        tab.keyboard.press("Home")
        assert tab.locator("#textbook .part.empty").count() > 5
        tab.keyboard.press("End")
        assert tab.locator("#textbook .part.empty").count() == 0
        assert tab.locator("#textbook .live .strip").count() > 10
        tab.locator('#textbook .part[aria-label^="f_t,"]').click()
        assert tab.locator("#panel h2").inner_text().replace("\n", "") == "ft"


def test_stages_and_the_table(visit):
    page = tl.draw.page(
        lambda x: tl.sin(x**2), 1.0, stages=[("after", tl.sin(tl.tensor(1.0))), ("unknown", tl.exp(tl.symbol("q")))]
    )
    with visit(page) as tab:
        assert tab.locator("#view option").all_inner_texts() == ["The graph", "after", "unknown", "A table"]
        tab.select_option("#view", "1")
        assert "1 operation" in tab.locator("#about").inner_text()
        tab.select_option("#view", "2")
        assert tab.locator("#play").is_disabled()
        assert "shows none" in tab.locator("#said").inner_text()
        tab.select_option("#view", "0")
        tab.select_option("#view", "table")
        tab.keyboard.press("End")
        rows = tab.locator("#table tbody tr").all_inner_texts()
        assert len(rows) == 5
        assert "sin(x²)" in rows[3]
        assert "0.8415" in rows[3]
        tab.keyboard.press("Home")
        assert "0.8415" not in tab.locator("#table tbody").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(visit, cell_page, scheme):
    def brightness(tab):
        colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    with visit(cell_page, color_scheme=scheme) as tab:
        first = brightness(tab)
        assert (first < 60) == (scheme == "dark")
        tab.click("#theme")
        assert (brightness(tab) < 60) == (scheme != "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_serious_violation(visit, cell_page, loop_page, scheme, options):
    with visit(cell_page, color_scheme=scheme, **options) as tab:
        assert violations(tab) == []
        tab.select_option("#view", "table")
        assert violations(tab) == []
        tab.evaluate("document.getElementById('ask').click()")
        assert violations(tab) == []
    with visit(loop_page, color_scheme=scheme, **options) as tab:
        choose(tab, "h_{t−1}")
        assert violations(tab) == []


def test_what_a_screen_reader_finds(visit, cell_page):
    with visit(cell_page) as tab:
        graph(tab)
        assert re.match(r"f_t, σ, f32\[1,4\], value 0\.\d+.*, gradient ", node(tab, "f_t").get_attribute("aria-label"))
        assert tab.locator("#said").get_attribute("role") == "status"
        assert tab.locator('[role="button"]:not([aria-label])').count() == 0
        for button in tab.locator("button:visible").all():
            assert button.get_attribute("aria-label") or button.inner_text().strip()


def test_it_fits_a_phone(visit, cell_page, loop_page):
    for page in (cell_page, loop_page):
        with visit(page, **PHONE) as tab:
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390
            assert tab.locator("#play").is_visible()
            for button in tab.locator("header button, #player button").all():
                box = button.bounding_box()
                assert box["height"] >= 24
                assert box["width"] >= 24
            tab.locator("#next").tap()
            tab.locator("#back").tap()


def test_hostile_names_stay_text(visit):
    with tl.scope(HOSTILE):
        page = tl.draw.page(lambda a: {HOSTILE: tl.tanh(a.named(HOSTILE))}, tl.ones(2), title=HOSTILE)
    with visit(page) as tab:
        assert tab.locator("img").count() == 0
        assert tab.locator("h1").inner_text() == HOSTILE
        tab.locator("#search").fill("onerror")
        tab.keyboard.press("Enter")
        assert HOSTILE in tab.locator("#panel").inner_text()
        tab.select_option("#view", "table")
        assert HOSTILE in tab.locator("#table").inner_text()


def test_empty_arrays_nans_and_loops_without_steps(visit):
    pages = [
        tl.draw.page(lambda x: x * 2.0, tl.zeros((0, 3))),
        tl.draw.page(tl.log, tl.tensor([-1.0, 0.0, 1.0])),
        tl.draw.page(lambda x: tl.scan(lambda c, e: (c + e, c), tl.tensor(0.0), x), tl.zeros(0)),
    ]
    for page in pages:
        with visit(page) as tab:
            tab.keyboard.press("Home")
            tab.keyboard.press("End")
            for item in tab.locator("#picture [data-item]").all():
                item.dispatch_event("click")
            assert tab.locator("#panel h2").is_visible()
