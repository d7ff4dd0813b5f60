"""The system's browser, without a window, for tests that look at the report page in it."""

import shutil
import time

import pytest


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no system browser: install Debian's chromium and chromium-driver to test the page in one")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--force-prefers-reduced-motion",  # no smooth scrolling below a click
        "--window-size=1200,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def load(browser, page, fragment=""):
    """Open a page anew, at `#fragment`, and wait until it has drawn everything."""
    browser.get("about:blank")
    browser.get(page.as_uri() + fragment)
    until(lambda: value(browser, "document.documentElement.dataset.ready") == "yes")


def until(condition, seconds=60):
    stop = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < stop, "the page did not get there"
        time.sleep(0.1)


def value(browser, expression):
    return browser.execute_script(f"return {expression}")


def choose(browser, select, option):
    browser.find_element("css selector", f"#{select} option[value='{option}']").click()


def traces(browser, figure, what="t => t.name"):
    """Return `what` of every trace of a figure that has a name in its legend."""
    shown = f"document.getElementById('{figure}').data.filter(t => t.name && t.showlegend !== false)"
    return value(browser, f"{shown}.map({what})")


def downloads(browser):
    """Press every download button and return the CSV of each by the name of its figure."""
    browser.execute_script(
        "window.saved = {}; URL.createObjectURL = (blob) => { window.blob = blob; return '#'; };"
        "HTMLAnchorElement.prototype.click = function () {"
        " const name = this.download; window.blob.text().then((text) => { saved[name] = text; }); };"
        "for (const button of document.querySelectorAll('button.download')) button.click();"
    )
    buttons = len(browser.find_elements("css selector", "button.download"))
    until(lambda: len(value(browser, "Object.keys(saved)")) == buttons)
    return value(browser, "saved")


def narrow_width(browser, width=360):
    """Return how wide the page is on a screen of this width."""
    size = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        until(lambda: value(browser, "window.innerWidth") == width)
        return value(browser, "document.documentElement.scrollWidth")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def check_schemes_and_narrow_screen(browser):
    """The button changes to dark and back, and nothing has to be scrolled sideways on a phone."""
    for colour in ("rgb(23, 24, 27)", "rgb(255, 255, 255)"):
        browser.find_element("id", "scheme").click()
        assert value(browser, "getComputedStyle(document.body).backgroundColor") == colour
    assert narrow_width(browser) <= 360
