# SPDX-License-Identifier: Apache-2.0
"""Links lead somewhere, files that are named in code spans exist, and tables have as many cells in each row."""
import re
import unittest

from pages import ROOT, anchors, pages, spans, without_code

FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "build" and path.name != ".git")


def broken_links(page, text):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            broken.append(target)
    return broken


def missing_files(page, text):
    """Code spans that begin with a folder of the repository, or with a dot and a slash."""
    missing = []
    for span in spans(text):
        first = span.split()[0]
        if not re.fullmatch(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*", first) or first.startswith("build/"):
            continue
        if not list(ROOT.glob(first.rstrip("/"))) and not list(page.parent.glob(first.rstrip("/"))):
            missing.append(span)
    return missing


def uneven_rows(text):
    """Rows of tables with another number of cells than the row above them: a `|` ends a cell, in a code span too."""
    uneven, cells = [], None
    for line in re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        above, cells = cells, len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        if above is not None and cells not in (None, above):
            uneven.append(line)
    return uneven


class LinksTest(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for page in pages():
            with self.subTest(page=page.relative_to(ROOT)):
                self.assertEqual(broken_links(page, page.read_text()), [])

    def test_files_that_are_named_exist(self):
        for page in pages():
            with self.subTest(page=page.relative_to(ROOT)):
                self.assertEqual(missing_files(page, page.read_text()), [])

    def test_rows_of_tables_have_as_many_cells(self):
        for page in pages():
            with self.subTest(page=page.relative_to(ROOT)):
                self.assertEqual(uneven_rows(page.read_text()), [])
        self.assertEqual(uneven_rows("| a |\n|---|\n| `b|c` |\n\n| `d\\|e` | f |\n|---|---|\n"), ["| `b|c` |"])

    def test_what_is_broken_is_found(self):
        text = "# A page\n[a](#a-page) [b](no.md) [c](README.md#nowhere) `[d](no.md)` `docs/no.md` [e](https://x.test/)\n"
        self.assertEqual(broken_links(ROOT / "x.md", text.replace("#a-page", "README.md")), ["no.md", "README.md#nowhere"])
        self.assertEqual(missing_files(ROOT / "x.md", text), ["docs/no.md"])

    def test_every_page_under_docs_is_linked_from_its_contents(self):
        contents = (ROOT / "docs/README.md").read_text()
        linked = {(ROOT / "docs" / target.partition("#")[0]).resolve() for target in re.findall(r"\]\(([^)\s]+)\)", contents)}
        missing = [str(page.relative_to(ROOT)) for page in pages()
                   if (ROOT / "docs") in page.parents and page.name != "README.md" and page not in linked]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
