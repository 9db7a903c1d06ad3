"""What the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("engines/*.md")]
PACKAGE = ROOT / "anpr_stream"
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
NAMED = re.compile(r"`([^`\s]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_file_and_class_named_to_contributors_exists(document: str) -> None:
    code = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    names = set(NAMED.findall((ROOT / document).read_text()))
    for path in (name for name in names if "/" in name or name.endswith(".py")):
        places = [*ROOT.glob(path), *PACKAGE.glob(path), *([] if "/" in path else PACKAGE.rglob(path))]
        assert places, path
    for name in (name for name in names if re.fullmatch(r"[A-Z][a-z]\w+", name)):
        assert re.search(rf"^(class )?{name}\b", code, re.MULTILINE), name


def test_the_changelog_has_one_list_a_section_and_no_line_twice() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    for section in re.split(r"^### \w+\n", text, flags=re.MULTILINE)[1:]:
        changes = re.split(r"\n\n## ", section.strip())[0].splitlines()
        assert all(change.startswith("- ") for change in changes), changes
        assert len(set(changes)) == len(changes)
