# SPDX-License-Identifier: Apache-2.0
"""What a gateway says of itself, read strictly: metrics, lines of a log."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from backend import Backend
from support import Gateway, Wire, curl, eventually

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)')


def labels_of(text):
    out, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match and match[1] not in out, text
        out[match[1]] = match[2]
        at = match.end()
    return out


class Metrics:
    """A scrape. Every line is either a comment of its family or a sample of the family before it."""

    def __init__(self, text, openmetrics=False):
        self.samples, self.types, self.units = {}, {}, {}
        lines = text.split("\n")
        assert lines.pop() == "", "the page ends with a line feed"
        if openmetrics:
            assert lines.pop() == "# EOF"
        family = None
        for line in lines:
            if line.startswith("# "):
                _, word, name, rest = line.split(" ", 3)
                assert word in ("HELP", "TYPE") or openmetrics and word == "UNIT", line
                if word == "UNIT":
                    assert name.endswith("_" + rest), line
                    self.units[name] = rest
                if word == "TYPE":
                    assert name not in self.types, line
                    self.types[name] = rest
                    family = name
                continue
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            base = name
            if self.types[family] == "histogram":
                base = re.sub(r"_(bucket|sum|count)$", "", name)
            if openmetrics and self.types[family] == "counter":
                assert name.endswith("_total"), line
                base = name.removesuffix("_total")
            assert base == family, line
            key = (name, tuple(sorted(labels_of(labels or "").items())))
            assert key not in self.samples, line
            self.samples[key] = float(value)

    def rows(self, name, **wanted):
        """[(labels, value)] of a metric, of those that have the labels."""
        return [(dict(labels), value) for (each, labels), value in self.samples.items()
                if each == name and wanted.items() <= dict(labels).items()]

    def sum(self, name, **wanted):
        return sum(value for _, value in self.rows(name, **wanted))

    def names(self):
        return {name for name, _ in self.samples}


def scrape(gateway):
    """The metrics, which Prometheus' own parser has taken, too."""
    text = curl(f"http://{gateway.admin}/metrics").decode()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return Metrics(text)


def scrape_openmetrics(gateway):
    text = curl("-H", "Accept: application/openmetrics-text; version=1.0.0", f"http://{gateway.admin}/metrics").decode()
    return Metrics(text, openmetrics=True)


class LogFile:
    """A file of lines, as the gateway writes it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def lines(self):
        text = self.path.read_text() if self.path.exists() else ""
        return text.split("\n")[:-1]  # what has no end yet is no line

    def await_lines(self, count):
        """The first `count` lines, once they are there, and no more."""
        assert eventually(lambda: len(self.lines()) >= count), self.lines()
        assert len(self.lines()) == count, self.lines()
        return self.lines()

    def await_rows(self, count):
        return [json.loads(line) for line in self.await_lines(count)]


def folder_of(test):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-observe-"))
    test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def started(test, backend, *arguments, **options):
    made = Gateway("--listen", "127.0.0.1:0", "--to", backend.url, *arguments, **options)
    test.addCleanup(made.close)
    return made


def backend_of(test, name="backend"):
    made = Backend(name)
    test.addCleanup(made.close)
    return made


def ask_many(port, count, path="/name"):
    """Statuses of so many requests, on one connection."""
    out = []
    with Wire(port) as wire:
        for _ in range(count):
            wire.send(f"GET {path} HTTP/1.1\r\nhost: a.example\r\n\r\n".encode())
            out.append(wire.answer()[0])
    return out
