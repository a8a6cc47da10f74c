# SPDX-License-Identifier: Apache-2.0
"""The repository's Markdown pages, taken apart as far as the tests need it."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]


def pages():
    """Every Markdown file that is ours: none of a build folder."""
    found = [*ROOT.glob("*.md"), *(path for folder in ("docs", "tests", "vm-tests", "scripts", "agent", "bpf", "gateway")
                                   for path in (ROOT / folder).rglob("*.md"))]
    return sorted(found)


def without_code(text):
    """The text without blocks of code and code spans: a link in there is none."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]+`", "", text)


def spans(text):
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def command_lines(text):
    """Lines of code blocks, fenced or indented, without comments; lines that go on are joined."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"(?:^ {4}\S.*\n?)+", text, re.MULTILINE)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines()]


def anchors(text):
    """Names of the headings, as the usual hosts make them."""
    names = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", ""))
        names.add(plain.strip().replace(" ", "-"))
    return names | set(re.findall(r'<a id="([^"]+)">', text))
