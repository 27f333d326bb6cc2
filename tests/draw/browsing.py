"""What a reader does with a page in a browser."""


def graph(tab):
    """The main graph, with all scopes open, and all computed."""
    tab.select_option("#view", "0")
    tab.keyboard.press("u")
    tab.keyboard.press("End")


def node(tab, name):
    return tab.locator(f'#picture [data-item][aria-label^="{name},"]').first


def choose(tab, name):
    """Choose a node with the mouse, and give what the panel shows of it."""
    node(tab, name).dispatch_event("click")
    return tab.locator("#panel")


def numbers(tab, which):
    cells = tab.locator(f'#panel .heat[data-which="{which}"] td')
    return [float(x) for x in cells.evaluate_all("cells => cells.map((cell) => cell.dataset.value)")]
