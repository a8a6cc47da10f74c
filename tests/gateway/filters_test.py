# SPDX-License-Identifier: Apache-2.0
"""What sections of policies count, hold, and would say: metrics, `fairctl gateway filters` and `fairctl gateway why`."""
import json
import socket
import struct
import subprocess
import unittest

from backend import Backend
from callers import consumer
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from observe import LogFile, folder_of, scrape
from support import FAIRCTL, LIMIT, Wire, curl_status, eventually

ROUTE = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: %s}"


def policy(name, spec, target=ROUTE % "web"):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: {name}, namespace: default}}
spec: {{targetRefs: [{target}], {spec}}}
"""


KEYS = "authentication: {methods: {apiKey: {headers: [apikey]}}}"
ALICE = consumer("alice", "{groups: [gold], credentials: [{apiKey: {key: k-alice, name: laptop}}]}")


class Filters(unittest.TestCase):
    def start(self, *documents, workers=2, arguments=()):
        self.backend = Backend("one")
        self.addCleanup(self.backend.close)
        self.port = free_port()
        objects = "---\n".join([CLASS, gateway(http(self.port)), route("web", to("a")), service("a", of(self.backend))])
        self.followed = Followed({"base.yaml": objects, "more.yaml": "---\n".join(documents)}, workers=workers,
                                 arguments=arguments)
        self.addCleanup(self.followed.close)
        self.gateway = self.followed.gateway

    def get(self, path="/name", *arguments):
        return int(curl_status(*arguments, f"http://127.0.0.1:{self.port}{path}"))

    def counted(self, name, **labels):
        return scrape(self.gateway).sum(f"fairlead_gateway_{name}_total", **labels)

    def ask(self, *words):
        done = subprocess.run([FAIRCTL, "--socket", str(self.gateway.socket), "gateway", *words], capture_output=True,
                              text=True, timeout=LIMIT)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def why(self, *words):
        """{filter: (verdict, status, why)} and the whole answer."""
        answer = json.loads(self.ask("why", *words, "-o", "json"))
        rows = {row["filter"]: (row["verdict"], row.get("status"), row.get("why", "")) for row in answer["policies"]}
        return rows, answer


class Counted(Filters):
    def test_authentication_by_result_and_reason(self):
        self.start(policy("auth", KEYS + ", access: {rules: [{action: Allow, groups: [silver]}]}"), ALICE)
        self.assertEqual([self.get("/name", *more) for more in ((), ("-H", "apikey: no"), ("-H", "apikey: no"),
                                                                ("-H", "apikey: k-alice"))], [401, 401, 401, 403])
        seen = scrape(self.gateway)
        place = {"policy": "RequestPolicy default/auth", "section": "authentication"}
        for result, count in (("accepted", 1), ("no_credential", 1), ("refused", 2)):
            self.assertEqual(seen.sum("fairlead_gateway_authentications_total", result=result, **place), count, result)
        self.assertEqual(seen.rows("fairlead_gateway_authentication_failures_total"),
                         [({"method": "apiKey", "reason": "unknown", **place}, 2)])
        for section, outcome, count in (("authentication", "passed", 1), ("authentication", "refused", 3),
                                        ("access", "refused", 1)):
            self.assertEqual(seen.sum("fairlead_gateway_filter_requests_total", section=section, outcome=outcome), count)

    def test_limits_places_and_faults(self):
        self.start(policy("limits", "rateLimits: {limits: [{name: few, algorithm: FixedWindow, requests: 3, per: Month, key: "
                                    "[{type: ClientIP}]}, {name: many, requests: 1000, per: Second, key: "
                                    "[{type: ClientIP}]}]}, fault: {abort: {percent: 100, status: 418}}"))
        self.assertEqual([self.get() for _ in range(5)], [418] * 3 + [429] * 2)
        seen = scrape(self.gateway)
        for limit, verdict, count in (("few", "admitted", 3), ("few", "refused", 2), ("many", "admitted", 3),
                                      ("many", "refused", 0)):
            self.assertEqual(seen.sum("fairlead_gateway_rate_limit_requests_total", limit=limit, verdict=verdict), count)
        self.assertEqual(seen.sum("fairlead_gateway_faults_total", kind="abort"), 3)
        self.assertGreater(seen.sum("fairlead_gateway_rate_limit_bytes"), 0)

    def test_counts_outlive_a_change_of_the_policy(self):
        text = policy("limits", "rateLimits: {limits: [{name: few, requests: %d, per: Second, key: [{type: ClientIP}]}]}")
        self.start(text % 1000)
        self.get()
        before = self.followed.status()["changes"]
        self.followed.write("more.yaml", text % 2000)
        self.followed.await_changes(before)
        self.get()
        self.assertEqual(self.counted("rate_limit_requests", limit="few", verdict="admitted"), 2)

    def test_redis_away(self):
        limit = "{name: all, requests: 10, per: Minute, key: [{type: ClientIP}]}"
        redis = f"redis: {{addresses: ['127.0.0.1:{free_port()}'], timeout: 50ms, onFailure: %s}}"
        self.start(policy("limits", f"rateLimits: {{limits: [{limit}], store: Redis, {redis % 'Closed'}}}"))
        self.assertEqual(self.get(), 503)
        self.assertEqual(self.counted("rate_limit_store_failures", reason="not_connected"), 1)
        self.assertEqual(self.counted("rate_limit_fallbacks", to="closed"), 1)
        self.assertEqual(self.counted("filter_requests", section="rateLimits", outcome="failed"), 1)

    def test_cache_and_compression(self):
        self.start(policy("cache", "cache: {defaultTtl: 60s}, compression: {minLength: 0, contentTypes: ['application/*', 'text/*']}"))
        for _ in range(3):
            self.assertEqual(self.get("/bytes/5000"), 200)
        seen = scrape(self.gateway)
        self.assertEqual(seen.sum("fairlead_gateway_cache_requests_total", result="uri_miss"), 1)
        self.assertEqual(seen.sum("fairlead_gateway_cache_requests_total", result="hit"), 2)
        self.assertEqual(seen.sum("fairlead_gateway_cache_responses_total", result="storable"), 1)
        self.assertEqual(seen.sum("fairlead_gateway_cache_keys"), 1)
        self.assertGreater(seen.sum("fairlead_gateway_cache_bytes"), 5000)
        self.assertEqual(seen.sum("fairlead_gateway_filter_requests_total", section="cache", outcome="answered"), 2)

    def test_a_body_that_is_too_large_for_its_filter_is_refused_there(self):
        self.start(policy("v", "validation: {maxBodyBytes: 10, body: {schema: {type: object}}}"))
        self.assertEqual(self.get("/echo", "-H", "content-type: application/json", "-d", '{"a": "0123456789"}'), 413)
        self.assertEqual(self.get("/echo", "-H", "content-type: application/json", "-d", "[1]"), 400)
        seen = scrape(self.gateway)
        self.assertEqual(seen.sum("fairlead_gateway_filter_requests_total", outcome="refused"), 2)
        self.assertEqual(seen.sum("fairlead_gateway_validation_failures_total", part="body"), 1)

    def test_content_types_that_differ_are_refused_where_filters_read(self):
        json_type, other = ("-H", "content-type: application/json"), ("-H", "content-type: text/plain")
        form = ("-H", "content-type: application/x-www-form-urlencoded")
        sections = [("validation: {body: {contentTypes: [application/json, text/plain], schema: {type: object}}}", json_type),
                    ("transform: {request: {body: {json: {remove: [password]}}}}", json_type),
                    ("transform: {request: {body: {fields: {remove: [password]}}}}", form),
                    ("correlation: {header: x-id}", json_type)]
        self.start(policy("p", sections[0][0]))
        for section, own in sections:
            before = self.followed.status()["changes"]
            self.followed.write("more.yaml", policy("p", section + ", fault: {delay: {percent: 0, duration: 1s}}"))
            self.followed.await_changes(before)
            for types, wanted in ((own + other, 400), (other + own, 400), (own + own, 200)):
                with self.subTest(section=section, types=types):
                    seen, counted = len(self.backend.requests()), self.counted("response_flags", flag="DPE")
                    self.assertEqual(self.get("/echo", *types, "-d", '{"a": 1}'), wanted)
                    self.assertEqual(len(self.backend.requests()) - seen, wanted == 200)
                    self.assertEqual(self.counted("response_flags", flag="DPE") - counted, wanted == 400)
        self.followed.remove("more.yaml")
        self.assertTrue(eventually(lambda: self.get("/echo", *json_type, *other, "-d", "{}") == 200))

    def test_who_goes_while_a_filter_waits_has_abandoned(self):
        self.start(policy("slow", "fault: {delay: {percent: 100, duration: 60s}}"))
        with Wire(self.port) as wire:
            wire.send(b"GET /name HTTP/1.1\r\nhost: a.example\r\n\r\n")
            self.assertTrue(eventually(lambda: self.counted("faults", kind="delay") == 1))
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # the close is an RST
        self.assertTrue(eventually(lambda: self.counted("filter_requests", section="fault", outcome="abandoned") == 1))

    def test_credentials_are_not_logged_wherever_they_stand(self):
        log = LogFile(folder_of(self) / "access.log")
        methods = "apiKey: {query: [tk], headers: [x-our-key]}, jwt: {from: {query: [my_token]}}"
        self.start(policy("auth", f"authentication: {{methods: {{{methods}}}}}"), ALICE, arguments=(
            "--access-log", f"template:{log.path}", "--access-log-template", "%REQ(:PATH)% %REQ(X-OUR-KEY)%"))
        for path, *more in (("/name?tk=k-alice&a=1",), ("/name?tk=hush-wrong",), ("/name?a=1&my%5Ftoken=hush.to.ken",),
                            ("/none?tk=hush-other",), ("/name", "-H", "x-our-key: k-alice")):
            self.get(path, *more)
        log.await_lines(5)
        text = "\n".join(log.lines())
        for secret in ("hush", "k-alice"):
            self.assertNotIn(secret, text)
        self.assertIn("/name?tk=[redacted]&a=1", text)

    def test_fairctl_shows_them(self):
        self.start(policy("auth", KEYS), ALICE)
        self.get()
        self.get("/name", "-H", "apikey: k-alice")
        rows = self.ask("filters").splitlines()
        self.assertRegex(rows[0], "^POLICY +SECTION +PASSED +ANSWERED +REFUSED +FAILED +DETAILS")
        self.assertRegex(rows[1], r"RequestPolicy default/auth +authentication +1 +0 +1 +0 +authentications: accepted 1, "
                                  r"no_credential 1")
        (section,) = json.loads(self.ask("filters", "-o", "json"))["sections"]
        self.assertEqual(section["requests"], {"passed": 1, "refused": 1})


class Why(Filters):
    def test_each_filter_says_what_it_would_do(self):
        limit = "{name: few, algorithm: FixedWindow, requests: 1, per: Month, key: [{type: Consumer}]}"
        self.start(policy("all", "addresses: {deny: [10.0.0.0/8]}, " + KEYS + ", access: {rules: [{action: Allow, methods: [GET]}]}, "
                                 f"rateLimits: {{limits: [{limit}]}}, concurrency: {{requests: 7, key: [{{type: Consumer}}]}}, "
                                 "cache: {defaultTtl: 60s}"), ALICE)
        url, key = "http://a.example/name", ("-H", "apikey: k-alice")
        rows, answer = self.why("GET", url)
        self.assertEqual(rows["authentication"], ("answers", 401, "no credential"))
        self.assertEqual(rows["access"], ("not reached", None, ""))
        self.assertEqual((answer["status"], answer["result"]), (401, "401: a policy answers"))
        rows, answer = self.why("GET", url, *key)
        self.assertEqual(rows["addresses"], ("passes", None, ""))
        self.assertEqual(rows["authentication"], ("passes", None, "consumer alice, credential alice/laptop"))
        self.assertEqual(rows["rateLimits"], ("passes", None, "few: 1 of 1 left now"))
        self.assertEqual(rows["concurrency"], ("passes", None, "0 of 7 places are taken now"))
        self.assertEqual(rows["cache"], ("passes", None, "nothing is stored"))
        self.assertIsNone(answer["status"])
        self.assertEqual(self.why("POST", url, *key)[0]["access"][:2], ("answers", 403))
        self.assertEqual(self.why("GET", url, *key, "--client", "10.1.2.3")[0]["addresses"][:2], ("answers", 403))
        # Asking takes nothing, and counts nothing.
        self.assertEqual(scrape(self.gateway).rows("fairlead_gateway_filter_requests_total"), [])
        self.assertEqual(self.get("/name", "-H", "host: a.example", *key), 200)
        rows, answer = self.why("GET", url, *key)
        self.assertEqual(rows["rateLimits"], ("answers", 429, "few: 0 of 1 left now"))
        text = self.ask("why", "GET", url, *key)
        self.assertIn("rateLimits answers 429: few: 0 of 1 left now; by RequestPolicy default/all (rule)", text)

    def test_a_consumers_own_policy_counts_for_him(self):
        self.start(policy("auth", KEYS + ", rateLimits: {limits: [{name: all, requests: 9, per: Hour, key: "
                                         "[{type: Consumer}]}]}"), ALICE,
                   policy("his", "rateLimits: {limits: [{name: his, requests: 90, per: Hour, key: [{type: Consumer}]}]}",
                          "{group: fairlead.io, kind: Consumer, name: alice}"))
        _, answer = self.why("GET", "http://a.example/", "-H", "apikey: k-alice")
        (row,) = [row for row in answer["policies"] if row["filter"] == "rateLimits"]
        self.assertEqual((row["level"], row["policy"], row["why"]),
                         ("consumer", "RequestPolicy default/his", "his: 90 of 90 left now"))

    def test_what_cannot_be_told_says_what_decides(self):
        limit = "{name: all, requests: 10, per: Minute, key: [{type: ClientIP}]}"
        at = f"127.0.0.1:{free_port()}"
        slow = subprocess.run(["openssl", "passwd", "-6", "secret"], capture_output=True, text=True, check=True).stdout.strip()
        self.start(policy("all", "authentication: {methods: {basic: {}}}, externalAuth: {protocol: HTTP, http: {}, backendRef: "
                                 f"{{name: a, port: 80}}}}, rateLimits: {{limits: [{limit}], store: Redis, redis: {{addresses: ['{at}'], "
                                 "onFailure: Open}}, fault: {abort: {percent: 5, status: 503}}, validation: {body: {schema: {}}}"),
                   consumer("bob", f"{{credentials: [{{basic: {{username: bob, passwordHash: '{slow}'}}}}]}}"))
        rows, _ = self.why("POST", "http://a.example/", "-H", "authorization: Basic Ym9iOnNlY3JldA==", "-H",
                           "content-type: application/json", "-H", "content-length: 5")
        self.assertEqual({name: row[0] for name, row in rows.items()}, dict.fromkeys(rows, "depends"))
        self.assertIn("basic: the credential is checked beside the request", rows["authentication"][2])
        self.assertIn("a is asked by HTTP", rows["externalAuth"][2])
        self.assertEqual(rows["rateLimits"][2], f"Redis at {at} decides on all; without an answer it passes")
        self.assertEqual(rows["fault"][2], "5 % get 503")
        self.assertIn("the whole body decides", rows["validation"][2])
        self.assertEqual(self.backend.requests(), [])


class Consumers(Filters):
    def test_logs_say_who_called(self):
        log = LogFile(folder_of(self) / "access.log")
        self.start(policy("auth", KEYS), ALICE, arguments=("--access-log", f"json:{log.path}"))
        self.get("/name", "-H", "apikey: k-alice")
        self.get()
        rows = log.await_rows(2)
        self.assertEqual([(row["consumer"], row["credential"]) for row in rows], [("alice", "alice/laptop"), (None, None)])
        self.assertNotIn("k-alice", json.dumps(rows))

    def test_text_formats_have_operators_and_the_remote_user(self):
        for words, line in ((("common:%s",), r"^127\.0\.0\.1 - alice \["),
                            (("template:%s", "--access-log-template", "%CONSUMER_NAME% %CREDENTIAL_ID%"), "^alice alice/laptop$")):
            with self.subTest(words=words):
                path = folder_of(self) / "access.log"
                self.start(policy("auth", KEYS), ALICE, arguments=("--access-log", words[0] % path, *words[1:]))
                self.get("/name", "-H", "apikey: k-alice")
                self.assertTrue(eventually(lambda: path.exists() and path.read_text()))
                self.assertRegex(path.read_text(), line)


if __name__ == "__main__":
    unittest.main()
