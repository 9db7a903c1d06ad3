"""The page in a real browser, before the real web server and store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anpr_stream.config.clips import ClipSettings
from anpr_stream.config.delivery import Http
from anpr_stream.service.http import News, web_application
from anpr_stream.service.web_server import WebServer
from anpr_stream.sources.clip_ring import ClipRing
from anpr_stream.sources.gst_mux import mux
from anpr_stream.types import ListHit, Moment
from tests.brokers import free_port
from tests.media import render
from tests.service.fakes import event
from tests.service.house import House
from tests.sources.test_gst_mux import tapped
from tests.store.pictures import PLATE, event_with_picture

DRIVER = shutil.which("chromedriver")
if DRIVER is None:
    pytest.skip("there is no browser that a test can steer", allow_module_level=True)

from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import TimeoutException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--lang=en-GB",
    "--window-size=1280,900",
)
HOSTILE = "<img src=x onerror=\"document.title='taken over'\">"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield found
    found.quit()


class Page:
    """What somebody sees and does."""

    def __init__(self, driver: webdriver.Chrome, port: int) -> None:
        self.driver = driver
        self.port = port
        self.open()

    def open(self) -> None:
        self.driver.get(f"http://127.0.0.1:{self.port}/")

    def wait(self, condition: Callable[[], Any]) -> Any:
        try:
            return WebDriverWait(self.driver, 30, 0.05).until(lambda driver: condition())
        except TimeoutException:
            raise AssertionError(self.text("body")) from None

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """All text, also of what is not in view, in one go: rows may change meanwhile."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].map((part) => part.innerText).join('\\n')"
        )
        return str(self.driver.execute_script(script, selector))

    def plates(self, which: str = "#live") -> list[str]:
        return self.text(f"{which} [data-field=text]").split("\n")

    def is_live(self) -> bool:
        return self.text("#state") == "live"

    def click(self, name: str) -> None:
        (button,) = [button for button in self.all("button") if button.text == name]
        button.click()

    def open_visit(self, text: str) -> None:
        self.wait(lambda: text in self.plates())
        self.all("#live li button")[self.plates().index(text)].send_keys(Keys.ENTER)
        self.wait(lambda: self.text("#visit-text") == text)

    def is_shown(self, picture: str) -> bool:
        script = (
            "const img = document.querySelector(arguments[0]); return !img.hidden && img.naturalWidth > 0"
        )
        return bool(self.driver.execute_script(script, picture))

    def errors(self) -> list[str]:
        """Return what the console holds but answers that were refused or broken off."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["source"] != "network"]


@contextmanager
def serving(house: House, port: int = 0, **change: Any) -> Iterator[int]:
    house.news = News()
    application = web_application(replace(house.site, news=house.news, **change))
    with WebServer(Http(port=port), application) as server:
        yield server.port
        house.news.end()


@contextmanager
def showing(driver: webdriver.Chrome, house: House, **change: Any) -> Iterator[Page]:
    with serving(house, **change) as port:
        page = Page(driver, port)
        page.wait(page.is_live)
        yield page
        assert page.errors() == []
        assert driver.title == "anpr-stream"


@pytest.fixture
def page(driver: webdriver.Chrome, house: House) -> Iterator[Page]:
    with showing(driver, house) as found:
        yield found


def at(second: int) -> Moment:
    return Moment(float(second), 1_700_000_000.0 + second)


def test_a_new_visit_comes_on_top_and_a_revision_changes_it_in_place(house: House, page: Page) -> None:
    assert sorted(page.plates()) == ["AB12CDE", "XY999"]
    unread = event_with_picture(visit_id="v3", revision=0, plate=None, reason="too_small", first_seen=at(60))
    house.record(unread)
    page.wait(lambda: page.plates()[0] == "unread")
    row = page.one("#live li")
    assert "too small" in row.text
    assert row.find_element(By.CSS_SELECTOR, "[data-field=direction]").text == "↓ approaching"
    page.wait(lambda: page.is_shown("#live li img"))
    house.record(event("v3", 1, "NEW123", lists=("staff",), first_seen=at(60)))
    page.wait(lambda: page.plates()[0] == "NEW123")
    assert (row.text.split("\n")[0], len(page.all("#live li"))) == ("NEW123", 3)
    assert "99 % sure" in row.text
    assert row.find_element(By.CSS_SELECTOR, "[data-action=allow]").text == "allow: staff"


def test_only_the_newest_visits_are_kept_and_pictures_go_with_their_rows(house: House, page: Page) -> None:
    page.wait(lambda: "AB12CDE" in page.plates())
    page.wait(lambda: page.all("#live img[src]:not([hidden])"))
    address = page.one("#live img[src]").get_attribute("src")
    house.record(
        *(event(f"n{number}", text=f"N{number}", first_seen=at(9 + number)) for number in range(201))
    )
    page.wait(lambda: page.plates()[0] == "N200" and len(page.all("#live li")) == 200)
    assert page.plates()[-1] == "N1"
    load = "const [address, done] = arguments; const img = new Image();"
    load += "img.onload = () => done('there'); img.onerror = () => done('gone'); img.src = address"
    assert page.driver.execute_async_script(load, address) == "gone"


def test_what_cameras_and_lists_are_called_stays_text(driver: webdriver.Chrome, house: House) -> None:
    camera = {"state": "waiting", "fps": 0.0, "last_event": None, "reason": HOSTILE}
    status = {"summary": HOSTILE, "faults": ["x"], "cameras": {HOSTILE: camera}, "lists": {HOSTILE: 1}}
    with showing(driver, house, status=lambda: status) as page:
        hit = ListHit(HOSTILE, HOSTILE, "EVIL1", 0.0, note=HOSTILE)
        house.record(
            event("evil", text="EVIL1", camera=HOSTILE, list_hits=(hit,), direction=HOSTILE, zones=(HOSTILE,))
        )
        page.wait(lambda: "EVIL1" in page.plates())
        page.wait(lambda: HOSTILE in page.text("#cameras"))
        page.open_visit("EVIL1")
        for part in ("#summary", "#cameras", "#live", "#facts"):
            assert HOSTILE in page.text(part)
        assert page.all("img[onerror]") == []


def test_search(house: House, page: Page) -> None:
    field = page.one("#search [name=text]")
    field.send_keys("Y9", Keys.ENTER)
    page.wait(lambda: page.plates("#found") == ["XY999"])
    assert page.text("#search-state") == "1 found"
    house.record(event("v3", text="WAIT1", first_seen=at(60)))
    assert not page.one("#live").is_displayed()
    field.clear()
    field.send_keys("AB1ZCDE")
    page.one("#search [name=fuzzy] [value='0.6']").click()
    page.click("Search")
    page.wait(lambda: page.plates("#found") == ["AB12CDE"])
    assert "0.3 away" in page.text("#found")
    field.send_keys(Keys.ESCAPE)
    page.wait(lambda: page.plates()[0] == "WAIT1")


def test_a_search_that_the_daemon_refuses_is_told_in_its_own_words(page: Page) -> None:
    page.one("#search [name=fuzzy] [value='1']").click()
    page.click("Search")
    page.wait(lambda: "fuzzy: a search by likeness needs a text" in page.text("#search-state"))
    assert page.one("#live").is_displayed()


def test_the_token_is_asked_for(driver: webdriver.Chrome, house: House) -> None:
    token = "Schlüssel für alle"
    with serving(house, tokens={"token": token}) as port:
        page = Page(driver, port)
        page.wait(lambda: page.one("#token").is_displayed())
        page.one("#token input").send_keys("wrong", Keys.ENTER)
        page.wait(lambda: page.text("#token [role=alert]") == "That was not the token.")
        page.one("#token input").send_keys(token, Keys.ENTER)
        page.wait(page.is_live)
        page.wait(lambda: page.all("#live img[src]:not([hidden])"))
        page.wait(lambda: page.text("#summary") == "fine")
        page.open()
        page.wait(page.is_live)
        assert not page.one("#token").is_displayed()
        assert page.errors() == []


def test_no_visit_is_lost_when_the_connection_is(driver: webdriver.Chrome, house: House) -> None:
    port = free_port()
    with showing(driver, house, port=port) as page:
        pass
    page.wait(lambda: page.text("#state").startswith("reconnecting"))
    house.record(event("meanwhile", text="GONE1", first_seen=at(60)))
    with serving(house, port=port):
        page.wait(lambda: page.plates()[0] == "GONE1")
        page.wait(page.is_live)
    assert page.errors() == []


def test_one_visit(page: Page) -> None:
    page.open_visit("AB12CDE")
    page.wait(lambda: page.is_shown("#frame img") and page.is_shown("#visit .crop img"))
    page.wait(lambda: page.one("#frame svg").is_displayed())
    assert page.one("#frame svg").get_dom_attribute("viewBox") == "0 0 320 180"
    left, top, right, bottom = PLATE
    box = [float(page.one("#frame rect").get_attribute(name) or "") for name in ("x", "y", "width", "height")]
    assert box == [left, top, right - left, bottom - top]
    assert page.text("#characters").split()[:6] == ["A", "90", "%", "B", "50", "%"]
    assert page.text("#candidates").split() == ["AB12CDE", "99", "%", "A812CDE", "1", "%"]
    assert "gate-1" in page.text("#facts")
    page.click("Close")
    assert page.all("#visit img[src]") == []


def test_a_clip_plays(house: House, page: Page, tmp_path: Path) -> None:
    ring = ClipRing("gate", ClipSettings(enabled=True))
    ring.begin(0.0)
    tapped(render(tmp_path / "camera.mkv", frames=30), ring)
    page.open_visit("AB12CDE")
    page.wait(lambda: page.is_shown("#frame img"))
    assert not page.one("#clip").is_displayed()
    page.click("Close")
    house.keep_clip("gate-1", mux(ring.cut(0.0, 9.0, 0.0)))
    page.open_visit("AB12CDE")
    page.wait(lambda: page.one("#clip").is_displayed())
    told = "const clip = document.getElementById('clip'); return [clip.readyState, clip.duration]"
    page.wait(lambda: page.driver.execute_script(told)[0] == 4)
    assert page.driver.execute_script(told)[1] == pytest.approx(3.0, abs=0.2)
    page.click("Close")
    assert page.all("#clip[src]") == []


def test_a_visit_that_is_shown_follows_its_events(house: House, page: Page) -> None:
    page.open_visit("XY999")
    house.record(event("v2", 1, text="XY998", zones=("ramp",)))
    page.wait(lambda: page.text("#visit-text") == "XY998" and "ramp" in page.text("#facts"))


def test_a_correction(page: Page) -> None:
    page.open_visit("XY999")
    assert not page.one("#correction [name=undo]").is_enabled()
    page.one("#correction [name=text]").send_keys("xy 998", Keys.ENTER)
    page.wait(lambda: page.text("#visit-text") == "XY998")
    assert page.text("#visit-line") == "corrected, read XY999, 99 % sure"
    page.open()
    page.wait(lambda: "XY998" in page.plates())
    page.open_visit("XY998")
    page.click("No plate")
    page.wait(lambda: page.text("#visit-text") == "no plate")
    page.click("Right as it is")
    page.wait(lambda: page.text("#visit-line") == "confirmed, 99 % sure")
    page.click("Take back")
    page.wait(lambda: page.text("#visit-line") == "99 % sure")
    assert page.text("#correction-state") == "taken back"
    page.one("#correction [name=text]").send_keys("???", Keys.ENTER)
    page.wait(lambda: "text" in page.text("#correction-state"))
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.wait(lambda: not page.one("#visit").is_displayed())
    assert "XY999" in page.plates()


def test_an_event_stream_is_taken_in_pieces_of_any_size(page: Page) -> None:
    stream = ": welcome\nid: 4\n\n: still here\n\nid: 5\nevent: visit\ndata: {\ndata:  }\n\n"
    stream += "event: visit\r\ndata: ü\r\nid: \0\r\n\r\nid: 8\rdata\r\rid: 9\ndata: not whole\n"
    parse = """
        const [pieces, done] = arguments;
        import("/daemon.js").then(({ EventStreamParser }) => {
          const parser = new EventStreamParser();
          const found = pieces.flatMap((piece) => [...parser.feed(piece)]);
          const told = found.map(({ type, data }) => [type, data]);
          done([told, parser.lastId]);
        });
    """
    for size in (1, 2, 7, len(stream)):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert page.driver.execute_async_script(parse, pieces) == [
            [["visit", "{\n }"], ["visit", "ü"], ["message", ""]],
            "8",
        ]
