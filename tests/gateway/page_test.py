# SPDX-License-Identifier: Apache-2.0
"""The live page at the admin address, as headless Chromium shows it."""
import collections
import html
import http.server
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import unittest
import zlib

from backend import Backend
import objects
from objects import CLASS, Followed, free_port, gateway, of, route, service, to
from support import ROOT, curl, curl_status

PROGRAM = shutil.which("chromium")


def chromium(*arguments, tries=3):
    """Standard output of a browser without a profile, a network or a sandbox of its own. One that hangs at its start, as it
    may on a busy machine, is started anew."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            done = subprocess.run([PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                                   "--disable-dev-shm-usage", f"--user-data-dir={folder}", "--window-size=1300,1400", *arguments],
                                  capture_output=True, text=True, timeout=100,
                                  env={**os.environ, "HOME": folder, "LANG": "C.UTF-8"})
        except subprocess.TimeoutExpired:
            if tries == 1:
                raise
            return chromium(*arguments, tries=tries - 1)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


def pixels(path):
    """(width, height, rows of bytes, bytes per pixel) of a PNG of 8 bits without interlacing."""
    data = pathlib.Path(path).read_bytes()
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and colour in (2, 6)
    size = 3 if colour == 2 else 4
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += length + 12
    raw, rows, before = zlib.decompress(packed), [], bytearray(width * size)
    for y in range(height):
        begin = y * (width * size + 1)
        filter_type, row = raw[begin], bytearray(raw[begin + 1:begin + 1 + width * size])
        for x in range(len(row)):
            left = row[x - size] if x >= size else 0
            up, corner = before[x], before[x - size] if x >= size else 0
            if filter_type == 1:
                row[x] = (row[x] + left) & 255
            elif filter_type == 2:
                row[x] = (row[x] + up) & 255
            elif filter_type == 3:
                row[x] = (row[x] + (left + up) // 2) & 255
            elif filter_type == 4:
                guess = left + up - corner
                near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
                row[x] = (row[x] + near[2]) & 255
        rows.append(bytes(row))
        before = row
    return width, height, rows, size


def cells(dom, table):
    """Rows of a table as lists of texts."""
    body = re.search(rf'<table id="{table}">(.*?)</table>', dom, re.DOTALL)[1]
    return [[html.unescape(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.one, cls.two = Backend("one"), Backend("two")
        for backend in (cls.one, cls.two):
            cls.addClassCleanup(backend.close)
        cls.port = free_port()
        cls.followed = Followed({
            "gateway.yaml": "---\n".join([CLASS, gateway(objects.http(cls.port))]),
            "services.yaml": "---\n".join([service("one", of(cls.one)), service("two", of(cls.two))]),
            "routes.yaml": "---\n".join([route("shop", to(("one", 3), ("two", 1)), hostnames=["shop.example"]),
                                         route("missing", to("nobody"), hostnames=["missing.example"])])}, workers=2)
        cls.addClassCleanup(cls.followed.close)
        cls.url = f"http://{cls.followed.gateway.admin}/"
        for _ in range(40):
            curl_status("-H", "host: shop.example", f"http://127.0.0.1:{cls.port}/name")
        curl_status("-H", "host: missing.example", f"http://127.0.0.1:{cls.port}/a%3Cimg%20src=x%20onerror=alert(1)%3E")

    def dom(self, *arguments):
        return chromium("--virtual-time-budget=4000", *arguments, "--dump-dom", self.url)

    def test_it_shows_what_is_served_and_what_went_wrong(self):
        dom = self.dom()
        rows = cells(dom, "backends")
        self.assertEqual(rows[0][:3], ["cluster", "backend", "state"])
        shown = {row[0]: row for row in rows[1:]}
        live = json.loads(curl(self.url + "v1/gateway/live"))
        for cluster, backend in (("default/one:80", self.one), ("default/two:80", self.two)):
            counted = next(one for one in live["clusters"] if one["name"] == cluster)["backends"][0]
            self.assertEqual(shown[cluster][1:3], [f"127.0.0.1:{backend.port}", "available"])
            self.assertEqual(shown[cluster][5], str(counted["requests"]))
        routes = {row[1]: row for row in cells(dom, "routes")[1:]}
        self.assertEqual(routes["HTTPRoute default/shop"][2:],
                         ["shop.example", "/*", "", "default/one:80 75 %, default/two:80 25 %"])
        self.assertEqual(routes["HTTPRoute default/missing"][5], "(invalid: 500)")
        errors = cells(dom, "errors")[1:]
        self.assertEqual(errors[0][1:3] + errors[0][4:5], ["500", "NC", "HTTPRoute default/missing"])
        self.assertIn("missing.example", errors[0][3])
        state = re.search(r'<p id="state"[^>]*>(.*?)</p>', dom)[1]
        self.assertRegex(state, rf"configuration 1; HTTP 127\.0\.0\.1:{self.port}")
        self.assertIn("requests/s", dom)

    def test_the_histogram_has_a_bar_for_each_doubling(self):
        bars = re.findall(r'<rect class="bar"[^>]*height="([\d.]+)"[^>]*><title>below ([^:]*): (\d+)</title>', self.dom())
        live = json.loads(curl(self.url + "v1/gateway/live"))
        counts = [one["count"] for one in live["latency"]["buckets"] if one["count"]]
        self.assertEqual(sorted(int(count) for _, _, count in bars if int(count)), sorted(counts))
        self.assertGreaterEqual(sum(counts), 41)
        self.assertEqual(max(float(height) for height, _, _ in bars), 145)

    def test_what_clients_send_is_text(self):
        dom = self.dom()
        self.assertNotIn("<img", dom)
        self.assertIn("&lt;img", dom.replace("%3C", "&lt;"))

    def test_light_and_dark(self):
        """The screenshot's commonest colour is the page's background, and there is more than one colour on it."""
        backgrounds = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, scheme in (("dark", 0), ("light", 1)):
                path = pathlib.Path(folder, f"{name}.png")
                chromium("--virtual-time-budget=4000", f"--blink-settings=preferredColorScheme={scheme}",
                         f"--screenshot={path}", self.url)
                width, height, rows, size = pixels(path)
                self.assertEqual((width, height), (1300, 1400))
                seen = collections.Counter(row[x:x + 3] for row in rows[::4] for x in range(0, width * size, size * 2))
                backgrounds[name] = [sum(colour) for colour, _ in seen.most_common(2)]
                self.assertGreater(len(seen), 50)
                bar = bytes.fromhex("62a0ff" if name == "dark" else "1f6feb")
                self.assertGreater(seen[bar], 200, "no bar of the histogram is seen")
        self.assertLess(max(backgrounds["dark"]), 150)
        self.assertGreater(min(backgrounds["light"]), 700)

    def test_it_says_when_the_gateway_is_gone(self):
        """The page's script against a server that has only the page."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("index.html", "page.css", "page.js"):
                shutil.copy(ROOT / "gateway/page" / name, folder)

            class Handler(http.server.SimpleHTTPRequestHandler):
                def __init__(self, *words):
                    super().__init__(*words, directory=folder)

                def log_message(self, *words):
                    pass
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                dom = chromium("--virtual-time-budget=3000", "--dump-dom", f"http://127.0.0.1:{server.server_port}/")
                server.shutdown()
        self.assertIn("the gateway does not answer: status 404", dom)

    def test_it_is_whole_without_a_network(self):
        for name, kind in (("", "text/html"), ("page.css", "text/css"), ("page.js", "text/javascript")):
            head = curl("-D", "-", "-o", "/dev/null", self.url + name).decode().lower()
            self.assertIn(f"content-type: {kind}", head)
            self.assertEqual(curl(self.url + name).decode(), (ROOT / "gateway/page" / (name or "index.html")).read_text())
        text = "".join((ROOT / "gateway/page" / name).read_text() for name in ("index.html", "page.css", "page.js"))
        self.assertEqual(set(re.findall(r"https?://[^\s'\"]+", text)), {"http://www.w3.org/2000/svg"})


if __name__ == "__main__":
    unittest.main()
