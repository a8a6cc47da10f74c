# SPDX-License-Identifier: Apache-2.0
"""Kong's own file, served by the real gateway; and the same converted, which answers alike."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from backend import Backend
from collector import Collector
from objects import free_port, make_certificate
from observe import Metrics
from support import FAIRCTL, PROGRAM, Gateway, curl, eventually


def indented(text, width):
    return "".join(" " * width + line + "\n" for line in text.splitlines())


def ask(port, path="/", *arguments, host="a.example", scheme="http"):
    """(status, {field: value}, body) of one request."""
    out = curl("-k", "-D", "-", "--path-as-is", "-H", f"host: {host}", *arguments, f"{scheme}://127.0.0.1:{port}{path}")
    head, body = out.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    fields = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
    return int(lines[0].split()[1]), fields, body


def last(*backends):
    """(path, {field: value}) of the last request of each that had one."""
    out = []
    for backend in backends:
        for path, head, _ in backend.requests()[-1:]:
            rows = (line.split(":", 1) for line in head.decode().split("\r\n")[1:])
            out.append((path, {row[0].lower(): row[1].strip() for row in rows}))
    return out


class KongTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-kong-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.one, self.two, self.three = Backend("one"), Backend("two"), Backend("three")
        for backend in (self.one, self.two, self.three):
            self.addCleanup(backend.close)
        self.http, self.https, self.nobody = free_port(), free_port(), free_port()

    def file(self):
        certificate, key = make_certificate(self.folder, "a.example")
        return f"""_format_version: "3.0"
_transform: true
services:
- name: first
  url: http://127.0.0.1:{self.one.port}/base
  routes:
  - {{name: api, paths: [/api]}}
  - {{name: kept, paths: [/kept/], strip_path: false}}
  - {{name: purged, paths: [/purged], methods: [PURGE, REPORT]}}
  - {{name: numbers, paths: ['~/v(?<number>[0-9]+)/']}}
  - {{name: secure, paths: [/secure], protocols: [https], https_redirect_status_code: 301}}
  - {{name: strict, paths: [/strict], protocols: [https]}}
- name: second
  host: pool
  path: /
  routes:
  - {{name: posts, paths: [/], methods: [POST], hosts: [a.example]}}
  - {{name: other, hosts: ['*.b.example', 'c.*'], headers: {{x-kind: [One, two]}}}}
  - name: keyed
    paths: [/keyed]
    plugins:
    - name: key-auth
      config: {{key_names: [x-key], hide_credentials: true}}
    - name: acl
      config: {{allow: [gold]}}
    - name: rate-limiting
      config: {{hour: 3, policy: local}}
  - name: changed
    paths: [/changed]
    plugins:
    - name: request-transformer
      config: {{add: {{headers: ['x-add:yes'], querystring: ['q:1&#2 $(headers.none)']}}, remove: {{headers: [x-gone]}}}}
    - name: response-transformer
      config: {{add: {{headers: ['x-answer:changed']}}}}
    - name: cors
      config: {{origins: ['https://shop.example'], methods: [GET]}}
  - name: closed
    paths: [/closed]
    plugins:
    - name: ip-restriction
      config: {{deny: [127.0.0.0/8]}}
- name: nobody
  url: http://127.0.0.1:{self.nobody}/
  retries: 0
  routes: [{{name: gone, paths: [/gone]}}]
- name: Stored
  url: http://127.0.0.1:{self.one.port}/
  routes:
  - name: Cached
    paths: [/cached]
    plugins: [{{name: proxy-cache, config: {{strategy: memory}}}}]
routes:
- name: moved
  paths: [/moved]
  plugins: [{{name: redirect, config: {{status_code: 302, location: 'https://new.example/'}}}}]
- name: down
  paths: [/down]
  plugins: [{{name: request-termination, config: {{status_code: 503, message: Closed for today}}}}]
- name: small
  service: first
  paths: [/small]
- {{name: named, service: second, paths: [/named], snis: [named.example]}}
- {{name: unnamed, service: first, paths: [/named]}}
plugins:
- {{name: prometheus, config: {{status_code_metrics: true, latency_metrics: true, bandwidth_metrics: true}}}}
- {{name: request-size-limiting, route: small, config: {{allowed_payload_size: 10, size_unit: bytes}}}}
- {{name: rate-limiting, consumer: often, config: {{hour: 100}}}}
upstreams:
- name: pool
  host_header: pool.example
targets:
- {{upstream: pool, target: '127.0.0.1:{self.two.port}'}}
- {{upstream: pool, target: '127.0.0.1:{self.three.port}'}}
consumers:
- username: alice
  custom_id: "4711"
  keyauth_credentials: [{{key: key-of-alice}}]
  acls: [{{group: gold}}]
- username: bob
  keyauth_credentials: [{{key: key-of-bob}}]
- username: often
  keyauth_credentials: [{{key: key-of-often}}]
  acls: [{{group: gold}}]
certificates:
- cert: |
{indented(certificate, 4)}  key: |
{indented(key, 4)}  snis: [{{name: a.example}}]
"""

    def start(self, *texts, partial=False):
        path = self.folder / "kong.yaml"
        path.write_text("".join(texts))
        listen = ["--listen", f"127.0.0.1:{self.http}", "--listen", f"127.0.0.1:{self.https}"]
        self.gateway = Gateway("--config", path, *listen, *(["--allow-partial"] if partial else []), workers=2)
        self.addCleanup(self.gateway.close)
        return path

    def check_answers(self, http, https):
        """What Kong does with the file of above."""
        for path, sent in (("/api", "/base"), ("/api/", "/base/"), ("/apis/x", "/base/s/x"), ("/kept/x", "/base/kept/x"),
                           ("/v12/x", "/base/x")):
            self.assertEqual(ask(http, path)[0], 200, path)
            self.assertEqual(last(self.one)[0][0], sent)
        self.assertEqual(last(self.one)[0][1]["host"], f"127.0.0.1:{self.one.port}")
        for method, status in (("PURGE", 200), ("REPORT", 200), ("GET", 404), ("PURGES", 404)):
            self.assertEqual(ask(http, "/purged", "-X", method, "-H", "fairlead-method: PURGE")[0], status, method)
        status, fields, _ = ask(http, "/secure?a=b")
        self.assertEqual((status, fields["location"]), (301, "https://a.example/secure?a=b"))
        self.assertEqual(ask(https, "/secure", scheme="https")[0], 200)
        for name, backends in (("named.example", (b"two", b"three")), ("a.example", (b"one",))):
            found = curl("-k", "--connect-to", f"::127.0.0.1:{https}", "-H", "host: a.example",
                         "-H", "fairlead-tls-server-name: named.example", f"https://{name}/named")
            self.assertIn(found, backends, name)
        self.assertEqual(ask(https, "/named", scheme="https")[2], b"one", "an address is no name")
        self.assertIn(ask(http, "/named")[2], (b"two", b"three"), "without TLS names do not count")
        status, fields, body = ask(http, "/strict")
        self.assertEqual((status, json.loads(body)["message"]), (426, "Please use HTTPS protocol"))
        self.assertEqual((fields["upgrade"], fields["connection"]), ("TLS/1.2, HTTP/1.1", "upgrade"))
        # Two fields and a host go before one path, however long: Gateway API would have it otherwise.
        self.assertIn(ask(http, "/api/a", "-X", "POST", "-d", "x")[2], (b"two", b"three"))
        for host, kind, status in (("x.b.example", "one", 200), ("c.org", "TWO", 200), ("c.org", "three", 404),
                                   ("b.example", "one", 404)):
            self.assertEqual(ask(http, "/", "-H", f"x-kind: {kind}", host=host)[0], status, (host, kind))
        status, fields, body = ask(http, "/nowhere")
        self.assertEqual(status, 404)
        self.assertEqual(fields["content-type"], "application/json; charset=utf-8")
        said = json.loads(body)
        self.assertEqual(said["message"], "no Route matched with those values")
        self.assertTrue(said["request_id"])
        for path, more, status, message in (
                ("/keyed", (), 401, "No API key found in request"), ("/keyed", ("-H", "x-key: wrong"), 401, "Unauthorized"),
                ("/keyed", ("-H", "x-key: key-of-bob"), 403, "You cannot consume this service"),
                ("/closed", (), 403, "IP address not allowed: 127.0.0.1")):
            got, fields, body = ask(http, path, *more)
            said = json.loads(body)
            self.assertEqual((got, said["message"], said["request_id"]), (status, message, fields["x-kong-request-id"]))
            self.assertEqual(fields["content-type"], "application/json; charset=utf-8")
            self.assertEqual((fields["server"], fields.get("via")), ("kong/3.9.0", None))
            self.assertRegex(fields["x-kong-response-latency"], "^[0-9]+$")
            self.assertEqual(fields.get("www-authenticate"), "Key" if status == 401 else None)
        _, fields, _ = ask(http, "/api")
        self.assertEqual(fields["via"], "1.1 kong/3.9.0")
        for name in ("x-kong-upstream-latency", "x-kong-proxy-latency"):
            self.assertRegex(fields[name], "^[0-9]+$")
        self.assertEqual(last(self.one)[0][1]["x-kong-request-id"], fields["x-kong-request-id"])
        status, fields, _ = ask(http, "/changed", "-H", "x-gone: 1", "-H", "origin: https://shop.example")
        self.assertEqual((status, fields["x-answer"]), (200, "changed"))
        self.assertEqual(fields["access-control-allow-origin"], "https://shop.example")
        path, sent = next(one for one in last(self.two, self.three) if one[1].get("x-add") == "yes")
        self.assertEqual((path, sent.get("x-gone"), sent["host"]), ("/?q=1%26%232%20", None, "pool.example"))
        status, fields, _ = ask(http, "/moved")
        self.assertEqual((status, fields["location"]), (302, "https://new.example/"))
        status, _, body = ask(http, "/down")
        self.assertEqual((status, json.loads(body)["message"]), (503, "Closed for today"))
        self.assertEqual(ask(http, "/small", "-X", "PUT", "-d", "0123456789")[0], 200)
        status, _, body = ask(http, "/small", "-X", "PUT", "-d", "0123456789a")
        self.assertEqual((status, json.loads(body)["message"]), (413, "Request size limit exceeded"))
        status, _, body = ask(http, "/gone")
        self.assertEqual((status, json.loads(body)["message"]),
                         (502, "An invalid response was received from the upstream server"))
        for expected in ("Miss", "Hit"):
            self.assertEqual(ask(http, "/cached/head")[1]["x-cache-status"], expected)
        self.check_limits(http)

    def check_limits(self, http):
        left = []
        for _ in range(3):
            status, fields, _ = ask(http, "/keyed", "-H", "x-key: key-of-alice")
            self.assertEqual((status, fields["x-ratelimit-limit-hour"]), (200, "3"))
            left.append(fields["x-ratelimit-remaining-hour"])
        self.assertEqual(left, ["2", "1", "0"])
        status, fields, body = ask(http, "/keyed", "-H", "x-key: key-of-alice")
        self.assertEqual((status, json.loads(body)), (429, {"message": "API rate limit exceeded",
                                                            "request_id": fields["x-kong-request-id"]}))
        self.assertTrue(0 < int(fields["retry-after"]) <= 3600)
        status, fields, _ = ask(http, "/keyed", "-H", "x-key: key-of-often")
        self.assertEqual((status, fields["x-ratelimit-limit-hour"]), (200, "100"))

    def test_as_kong_does(self):
        self.start(self.file())
        self.check_answers(self.http, self.https)

    def test_metrics_by_kongs_names(self):
        self.start(self.file())
        for path in ("/cached/head", "/cached/head", "/keyed", "/nowhere"):
            ask(self.http, path)
        seen = Metrics(curl(f"http://{self.gateway.admin}/metrics").decode())
        place = {"service": "Stored", "route": "Cached", "workspace": "default"}
        for source in ("service", "kong"):  # the second from the cache
            self.assertEqual(seen.sum("kong_http_requests_total", code="200", source=source, consumer="", **place), 1)
        self.assertEqual(seen.sum("kong_http_requests_total", code="401", source="kong", route="keyed", service="second"), 1)
        self.assertEqual(seen.sum("kong_http_requests_total"), 3, "what no route is for is not counted")
        self.assertGreater(seen.sum("kong_bandwidth_bytes", direction="egress", **place), 0)
        self.assertEqual(seen.sum("kong_request_latency_ms_count", **place), 2)
        self.assertEqual(seen.sum("kong_kong_latency_ms_count", **place), 2)
        self.assertEqual(seen.sum("kong_upstream_latency_ms_count", **place), 1, "the other one came from the cache")
        self.assertEqual(seen.sum("kong_request_latency_ms_bucket", le="+Inf", **place), 2)
        text = curl(f"http://{self.gateway.admin}/metrics").decode()

        def bounds(name):
            return [re.search(r'le="([^"]*)"', line)[1].removesuffix(".0") for line in text.splitlines()
                    if line.startswith(f"{name}_bucket") and 'route="Cached"' in line]
        upstream = "25 50 80 100 250 400 700 1000 2000 5000 10000 30000 60000 +Inf".split()
        self.assertEqual(bounds("kong_request_latency_ms"), upstream)
        self.assertEqual(bounds("kong_upstream_latency_ms"), upstream)
        self.assertEqual(bounds("kong_kong_latency_ms"), "1 2 5 7 10 15 20 30 50 75 100 200 500 750 1000 3000 6000 +Inf".split())
        self.assertRegex(text, r'kong_node_info\{node_id="[0-9a-f-]{36}",version="3[.0-9]+"\} 1')
        self.assertEqual(seen.sum("kong_nginx_requests_total"), 4)
        self.assertEqual(seen.sum("kong_datastore_reachable"), 1)

    def test_metrics_by_consumer_and_of_targets(self):
        row = ('kong_http_requests_total{service="s",route="r",code="200",source="service",workspace="default",consumer="%s"} %d')
        self.start(f"""_format_version: "3.0"
services:
- {{name: s, host: pool, routes: [{{name: r, paths: [/], plugins: [{{name: key-auth, config: {{anonymous: nobody}}}}]}}]}}
- {{name: t, host: plain, routes: [{{name: q, paths: [/plain]}}]}}
upstreams:
- name: pool
  host_header: a.example
  healthchecks: {{active: {{type: tcp, healthy: {{interval: 0.05}}, unhealthy: {{interval: 0.05, tcp_failures: 1}}}}}}
  targets: [{{target: '127.0.0.1:{self.one.port}'}}, {{target: '127.0.0.1:{self.nobody}'}}]
- {{name: plain, host_header: a.example, targets: [{{target: '127.0.0.1:{self.two.port}'}}, {{target: 'gone.invalid:80'}}]}}
consumers:
- {{username: alice, keyauth_credentials: [{{key: key-of-alice}}]}}
- {{username: nobody}}
plugins: [{{name: prometheus, config: {{per_consumer: true, status_code_metrics: true, bandwidth_metrics: true, upstream_health_metrics: true}}}}]
""")

        def metrics():
            return curl(f"http://{self.gateway.admin}/metrics").decode()

        def health(upstream, target, address, state):
            return (f'kong_upstream_target_health{{upstream="{upstream}",target="{target}",address="{address}",state="{state}",'
                    'subsystem="http"}')
        dead, live, plain = (f"127.0.0.1:{port}" for port in (self.nobody, self.one.port, self.two.port))
        self.assertTrue(eventually(lambda: health("pool", dead, dead, "unhealthy") + " 1\n" in metrics()), metrics())
        for path in ("/", "/", "/"):
            self.assertEqual(ask(self.http, path, "-H", "apikey: key-of-alice")[0], 200)
        ask(self.http, "/")
        text = metrics()
        self.assertIn(row % ("alice", 3), text)
        self.assertIn(row % ("nobody", 1), text)
        self.assertIn('kong_bandwidth_bytes{service="s",route="r",direction="egress",workspace="default",consumer="alice"}', text)
        for line in (health("pool", dead, dead, "healthy") + " 0", health("pool", live, live, "healthy") + " 1",
                     health("pool", live, live, "healthchecks_off") + " 0", health("plain", plain, plain, "healthchecks_off") + " 1",
                     health("plain", "gone.invalid:80", "", "dns_error") + " 1"):
            self.assertIn(line + "\n", text)

    def test_opentelemetry_sends_spans_to_its_endpoint(self):
        collector = Collector()
        self.addCleanup(collector.close)
        self.start(f"_format_version: '3.0'\nservices:\n- {{name: first, url: 'http://127.0.0.1:{self.one.port}', routes: "
                   f"[{{paths: [/]}}]}}\nplugins: [{{name: opentelemetry, config: {{traces_endpoint: '{collector.url}', headers: "
                   "{x-key: a b}, resource_attributes: {service.name: shop, zone: z1}}}]\n")
        self.assertEqual(ask(self.http, "/name")[0], 200)
        self.assertTrue(eventually(lambda: len(collector.spans) == 2), collector.spans)  # of the request, and of its try
        self.assertEqual(collector.requests[0][1]["x-key"], "a b")
        resource = collector.spans[0]["resource"]
        self.assertEqual((resource["service.name"], resource["zone"]), ("shop", "z1"))

    def test_converted_answers_alike(self):
        path = self.folder / "kong.yaml"
        path.write_text(self.file())
        done = subprocess.run([PROGRAM, "convert", "kong", path, "--listen", f"127.0.0.1:{self.http}", "--listen",
                               f"127.0.0.1:{self.https}"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        objects = self.folder / "objects"
        objects.mkdir()
        (objects / "all.yaml").write_text(done.stdout)
        gateway = Gateway("--config", objects, workers=2)
        self.addCleanup(gateway.close)
        self.check_answers(self.http, self.https)

    def test_fairctl_converts_too(self):
        path = self.folder / "kong.yaml"
        text = self.file()
        path.write_text(text)
        ours, other = (subprocess.run([program, "convert", "kong", path], capture_output=True, text=True)
                       for program in (FAIRCTL, PROGRAM))
        self.assertEqual((ours.returncode, ours.stderr), (0, ""))
        self.assertEqual(ours.stdout, other.stdout)
        path.write_text(text + "vaults: [{name: aws, prefix: x}]\n")
        refused = subprocess.run([FAIRCTL, "convert", "kong", path], capture_output=True, text=True)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("vaults", refused.stderr)
        partly = subprocess.run([FAIRCTL, "convert", "--allow-partial", "kong", path], capture_output=True, text=True)
        self.assertEqual((partly.returncode, partly.stdout), (0, ours.stdout))
        self.assertEqual(subprocess.run([FAIRCTL, "convert", "tyk", path], capture_output=True).returncode, 2)

    def test_traces_are_no_objects_and_named(self):
        path = self.folder / "kong.yaml"
        traces = ("plugins: [{name: opentelemetry, config: {traces_endpoint: 'http://c:4318/v1/traces', sampling_rate: 0.25, "
                  "headers: {x-key: hush}}}]\n")
        path.write_text("_format_version: '3.0'\nservices: [{url: 'http://127.0.0.1:1', routes: [{paths: [/]}]}]\n" + traces)
        self.assertEqual(subprocess.run([PROGRAM, "check", path], capture_output=True).returncode, 0)
        for program in (FAIRCTL, PROGRAM):
            refused = subprocess.run([program, "convert", "kong", path], capture_output=True, text=True)
            self.assertEqual((refused.returncode, refused.stdout), (1, ""))
            self.assertRegex(refused.stderr, "kong.yaml:3:.*opentelemetry.*--otlp-endpoint http://c:4318/v1/traces "
                                             "--trace-sample 25.0, OTEL_EXPORTER_OTLP_HEADERS\n")
            self.assertNotIn("hush", refused.stderr)
            partly = subprocess.run([program, "convert", "--allow-partial", "kong", path], capture_output=True, text=True)
            self.assertEqual(partly.returncode, 0)
            self.assertIn("left out", partly.stderr)
            self.assertIn("HTTPRoute", partly.stdout)

    def test_what_is_not_served_is_named_before_anything_starts(self):
        path = self.folder / "kong.yaml"
        path.write_text(self.file() + "vaults: [{name: aws, prefix: x}]\n")
        line = str(path.read_text().count("\n"))
        listen = ["--listen", f"127.0.0.1:{self.http}"]
        gateway = Gateway("--config", path, *listen, ready=False)
        self.addCleanup(gateway.close)
        self.assertEqual(gateway.wait(), 1)
        self.assertTrue(eventually(lambda: any("--allow-partial" in text for text in gateway.errors)))
        self.assertTrue(any(f"kong.yaml:{line}:" in text and "vaults" in text for text in gateway.errors), gateway.errors)
        self.assertNotIn("ready", gateway.lines)
        checked = subprocess.run([PROGRAM, "check", path], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 1)
        self.assertIn(f"kong.yaml:{line}:", checked.stdout)
        self.start(path.read_text(), partial=True)
        self.assertEqual(ask(self.http, "/api/a")[0], 200)

    def test_a_change_is_followed_and_a_bad_one_leaves_what_was(self):
        def text(path, more=""):
            return (f"_format_version: '3.0'\nservices:\n- name: first\n  url: http://127.0.0.1:{self.one.port}\n"
                    f"  routes: [{{paths: ['{path}']}}]\n{more}")
        path = self.start(text("/old"))
        self.assertEqual(ask(self.http, "/old")[0], 200)
        path.write_text(text("/new"))
        self.assertTrue(eventually(lambda: ask(self.http, "/new")[0] == 200))
        self.assertEqual(ask(self.http, "/old")[0], 404)
        path.write_text(text("/bad", "nothing: here\n"))
        self.assertTrue(eventually(lambda: any("nothing" in line for line in self.gateway.errors)))
        self.assertEqual((ask(self.http, "/new")[0], ask(self.http, "/bad")[0]), (200, 404))
        self.assertNotIn("kong-", " ".join(os.listdir(self.gateway.folder)))


if __name__ == "__main__":
    unittest.main()
