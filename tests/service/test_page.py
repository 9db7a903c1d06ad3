"""What the page's files hold; `test_http.py` asks for them, `test_browser.py` uses them."""

from __future__ import annotations

import configparser
import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from anpr_stream.config.packaged import packaged
from anpr_stream.service import web_server
from anpr_stream.service.http import PAGE

SERVICE = Path(web_server.__file__).parent
FILES = sorted((SERVICE / "page").iterdir())


def test_each_file_is_served_and_installed() -> None:
    assert {path.name for path in FILES} == {name for name, _ in PAGE.values()}
    settings = configparser.ConfigParser()
    settings.read(SERVICE.parents[1] / "setup.cfg")
    patterns = settings["options.package_data"]["anpr_stream.service"].split(", ")
    for path in FILES:
        assert any(fnmatch(f"page/{path.name}", pattern) for pattern in patterns), path


def test_it_asks_for_nothing_that_is_not_described() -> None:
    document = json.loads((packaged("configs") / "openapi.json").read_text())
    described = {re.sub(r"{.*?}", "{}", path) for path in document["paths"]}
    scripts = "".join(path.read_text() for path in FILES if path.suffix == ".js")
    asked = {
        "/" + re.sub(r"\$\{.*\}", "{}", found[2]).split("?")[0]
        for found in re.finditer(r"""\bask\((["`])(.*?)\1""", scripts)
    }
    assert asked > {"/events", "/status", "/snapshots/{}"}
    assert asked <= described


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_needs_nothing_from_elsewhere_and_makes_no_html_of_texts(path: Path) -> None:
    text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|(?<!^)(?<! )//\w", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    # The browser would refuse these.
    assert not re.search(r"<style|<[^>]+ (style|on\w+)=|<script(?! type=\"module\" src=)", text)
