# SPDX-License-Identifier: Apache-2.0
"""One answer from several backends, with two workers."""
import gzip
import json
import threading
import unittest

from backend import Backend, holds
from change_test import example, policy
from objects import CLASS, Followed, free_port, gateway, http, of, route, service
from support import Wire, curl, eventually


def say(value, status=200, fields=(), text=None):
    """An answer of a backend as JSON."""
    def answer(conversation, method, path, head, body, framing):
        data = text if text is not None else json.dumps(value(path, body) if callable(value) else value).encode()
        conversation.send(status, data, [("content-type", "application/json"), *fields], method)
    return answer


def user(conversation, method, path, head, body, framing):
    text = f'{{"id": "{path.rpartition("/")[2]}", "name": "n", "team": 12345678901234567890123, "password": "p"}}'
    conversation.send(200, text.encode(), [("content-type", "application/json"), ("set-cookie", "a=b")], method)


def part(name, service_name, path, more=""):
    return f"{{name: {name}, backendRef: {{name: {service_name}, port: 80}}, path: \"{path}\"{', ' + more if more else ''}}}"


class AggregateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        names = ["users", "teams", "news", "odd"]
        cls.backends = {name: Backend(name) for name in names}
        for backend in cls.backends.values():
            cls.addClassCleanup(backend.close)
        cls.reset()
        sections = {
            "first": "mode: FirstOf, calls: [" + ", ".join([part("a", "odd", "/a"), part("b", "news", "/b"), part("c", "gone", "/c")]) + "]",
            "partial": "partial: Partial, calls: [" + ", ".join([part("a", "news", "/a"), part("b", "odd", "/b", "timeout: 300ms")]) + "]",
            "whole": "calls: [" + ", ".join([part("a", "news", "/a"), part("b", "odd", "/b", "timeout: 300ms")]) + "]",
            "flat": "merge: Flat, calls: [" + ", ".join([part("a", "news", "/a"), part("b", "odd", "/b")]) + "]",
            "sent": "calls: [" + part("a", "odd", "/{{ request.body.id }}", "method: POST, headers: [{name: x-v, value: \"{{ request.body.v }}\"}], "
                                      "json: {id: \"{{ request.body.id }}\", v: \"<{{ request.body.v }}>\"}") + "]",
            "four": "calls: [" + ", ".join(part(f"c{i}", name, "/x") for i, name in enumerate(["users", "teams", "news", "odd"])) + "]",
            "stream": "stream: true, partial: Partial, calls: [" + ", ".join([part("a", "news", "/a"), part("b", "odd", "/b"), part("c", "teams", "/c", "select: data")]) + "]",
            "bounded": "maxAnswerBytes: 1000, calls: [" + part("a", "odd", "/a") + "]",
        }
        cls.followed = Followed({
            "base.yaml": "---\n".join([
                CLASS, gateway(http(free_port())), *(service(name, of(cls.backends[name])) for name in names),
                service("gone", ("127.0.0.1", free_port())),
                *(route(name, f"{{matches: [{{path: {{value: /{name}}}}}]}}") for name in ["dashboard", "lost", "changed", "mapped", "stored", *sections])]),
            "policy.yaml": "---\n".join([
                example("aggregate"),
                policy("changed", f"aggregate: {{{sections['stream']}}}, transform: {{response: {{headers: {{set: [{{name: x-added, value: \"yes\"}}]}}}}}}"),
                policy("stored", f"aggregate: {{{sections['stream']}}}, cache: {{defaultTtl: 1h}}, compression: {{}}"),
                policy("mapped", f"aggregate: {{{sections['stream']}}}, transform: {{response: {{body: {{json: {{remove: [a]}}}}}}}}"),
                *(policy(name, f"aggregate: {{{text}}}") for name, text in sections.items())]),
            "lost.yaml": policy("lost", "aggregate: {calls: [" + part("a", "nowhere", "/") + "]}"),
        }, workers=2)
        cls.addClassCleanup(cls.followed.close)
        cls.url = cls.followed.gateway.url

    @classmethod
    def reset(cls):
        cls.backends["users"].answer = user
        cls.backends["teams"].answer = say(lambda path, body: {"data": {"path": path}, "more": 1})
        cls.backends["news"].answer = say([{"title": "t"}])
        cls.backends["odd"].answer = say({"odd": 1})

    def setUp(self):
        self.reset()

    def ask(self, path, *arguments, body=None):
        """(status, headers, body)."""
        more = [] if body is None else ["-H", "content-type: application/json", "--data-binary", "@-"]
        head, _, rest = curl("-i", "-g", "--path-as-is", *more, *arguments, self.url + path, input=body).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return int(lines[0].split(" ")[1]), fields, rest

    def test_the_example_of_the_page(self):
        status, fields, body = self.ask("/dashboard?id=a%2Fb", "-H", "authorization: Bearer t", "-H", "cookie: c=1")
        self.assertEqual((status, fields["content-type"], fields["x-complete"]), (200, "application/json", "true"))
        self.assertNotIn("set-cookie", fields)
        self.assertEqual(body, b'{"user":{"id":"a%2Fb","name":"n","team":12345678901234567890123},'
                               b'"team":{"path":"/teams/12345678901234567890123"},"news":[{"title":"t"}]}')
        path, head, _ = self.backends["users"].requests()[-1]
        self.assertEqual(path, "/users/a%2Fb")
        self.assertIn(b"authorization: Bearer t", head)
        self.assertIn(b"x-request-id: ", head)
        self.assertNotIn(b"cookie", head)
        self.assertNotIn(b"authorization", self.backends["news"].requests()[-1][1])

    def test_no_value_turns_a_path(self):
        before = len(self.backends["users"].requests())
        for value in ("..", "..%2F..", "", "%2e%2e%5C"):
            with self.subTest(value=value):
                status, _, body = self.ask(f"/dashboard?id={value}")
                self.assertEqual((status, json.loads(body)["status"]), (400, 400))
        self.assertEqual(len(self.backends["users"].requests()), before)

    def test_caches_are_told_what_answers_are_made_of(self):
        calls = {"tenants": part("a", "odd", "/a", "forwardHeaders: [x-tenant, authorization]"),
                 "headers": part("a", "odd", "/{{ request.header.x-path }}", 'query: [{name: q, value: "{{ request.header.x-q }}"}]'),
                 "address": part("a", "odd", "/{{ client.ip }}"), "plain": part("a", "odd", "/a"),
                 "lacking": part("a", "odd", "/a") + ", " + part("b", "teams", "/b", "required: false")}
        self.followed.write("cached.yaml", *(document for name, text in calls.items() for document in (
            route(name, f"{{matches: [{{path: {{value: /{name}}}}}]}}"),
            policy(name, f"aggregate: {{calls: [{text}]}}, cache: {{defaultTtl: 1h}}"))))
        self.addCleanup(self.followed.remove, "cached.yaml")
        self.backends["odd"].answer = lambda conversation, method, path, head, body, framing: conversation.send(
            200, json.dumps(head.decode().lower().split("\r\n")).encode(), [("content-type", "application/json"), *said], method)
        said = []

        def told(path, *lines):
            _, fields, body = self.ask(path, *(part for line in lines for part in ("-H", line)))
            return fields.get("vary"), fields.get("cache-control"), fields["cache-status"].partition(";")[2].split(";")[0].strip(), body

        self.assertTrue(eventually(lambda: self.ask("/lacking")[0] == 200))
        self.assertEqual(told("/tenants", "x-tenant: a")[:3], ("x-tenant", None, "fwd=uri-miss"))
        vary, _, how, body = told("/tenants", "x-tenant: b")
        self.assertEqual((vary, how), ("x-tenant", "fwd=vary-miss"))
        self.assertIn(b"x-tenant: b", body)
        self.assertEqual(told("/tenants", "x-tenant: a")[2], "hit")
        self.assertEqual(told("/headers", "x-path: one", "x-q: 1")[0], "x-path, x-q")
        self.assertIn(b"/two?q=1", told("/headers", "x-path: two", "x-q: 1")[3])
        for _ in range(2):
            self.assertEqual(told("/address")[:3], (None, "private", "fwd=uri-miss" if _ == 0 else "fwd=miss"))
        for control, wanted in (("no-store", "no-store"), ("private, max-age=9", "private"), ("no-cache", "no-store")):
            said[:] = [("cache-control", control)]
            self.assertEqual(told(f"/plain?{wanted}")[1], wanted)
        said.clear()
        self.backends["teams"].answer = say({}, 500)
        for _ in range(2):
            self.assertEqual(told("/lacking?again")[1], "no-store")
        self.reset()
        self.assertEqual(told("/lacking?again")[1], None)

    def test_bodies_go_into_calls(self):
        self.backends["odd"].answer = say(lambda path, body: json.loads(body))
        status, _, body = self.ask("/sent", body=b'{"id": 12345678901234567890123, "v": "a\\r\\nb\\"}"}')
        self.assertEqual(status, 200)
        path, head, sent = self.backends["odd"].requests()[-1]
        self.assertEqual(sent, b'{"id":12345678901234567890123,"v":"<a\\r\\nb\\"}>"}')
        self.assertIn(b"x-v: a  b\"}", head)
        self.assertEqual(path, "/12345678901234567890123")

    def test_what_fails_is_named_or_left_out(self):
        for answer in (say({}, 500), say({}, text=b"<a/>"), say({}, text=b'{"a":1,"a":2}'), say({}, text=b"[" * 1000),
                       say({}, fields=[("content-encoding", "gzip")], text=gzip.compress(b'"' + b"a" * 3_000_000 + b'"')),
                       lambda conversation, *_: conversation.peer.close()):
            self.backends["odd"].answer = answer
            status, _, body = self.ask("/whole")
            self.assertEqual((status, json.loads(body)["detail"]), (502, "call b has no good answer"))
            status, fields, body = self.ask("/partial")
            self.assertEqual((status, fields["x-complete"], body), (200, "false", b'{"a":[{"title":"t"}]}'))

    def test_late_calls(self):
        hold = threading.Event()
        self.addCleanup(hold.set)
        self.backends["odd"].answer = lambda *_: hold.wait(30)
        status, _, body = self.ask("/whole")
        self.assertEqual((status, json.loads(body)["detail"]), (504, "call b took too long"))
        self.assertEqual(self.ask("/partial")[2], b'{"a":[{"title":"t"}]}')

    def test_packed_answers_are_read(self):
        self.backends["odd"].answer = say({}, fields=[("content-encoding", "gzip")], text=gzip.compress(b'{"z":1e400}'))
        self.assertEqual(self.ask("/whole")[2], b'{"a":[{"title":"t"}],"b":{"z":1e400}}')

    def test_answers_are_bounded(self):
        self.backends["odd"].answer = say("a" * 2000)
        self.assertEqual(self.ask("/bounded")[0], 502)

    def test_flat(self):
        self.backends["news"].answer = say({"x": 1, "odd": 0})
        self.assertEqual(self.ask("/flat")[2], b'{"x":1,"odd":1}')

    def test_the_first_good_answer(self):
        self.backends["odd"].answer = say({}, 503)
        self.assertEqual(self.ask("/first")[2], b'[{"title":"t"}]')
        self.backends["news"].answer = say({}, 500)
        self.assertEqual(self.ask("/first")[0], 502)
        hold = threading.Event()
        self.addCleanup(hold.set)
        self.backends["odd"].answer = lambda *_: hold.wait(30)
        self.backends["news"].answer = say({"quick": True})
        self.assertEqual(self.ask("/first")[2], b'{"quick":true}')

    def hold(self, name):
        """The backend answers once the event is set."""
        release = threading.Event()
        self.addCleanup(release.set)

        def answer(conversation, method, *_):
            release.wait(30)
            conversation.send(200, b'{"data":1}', [("content-type", "application/json")], method)
        self.backends[name].answer = answer
        return release

    def test_what_stands_in_order_goes_out_first(self):
        release = self.hold("teams")
        with Wire(self.followed.gateway.port) as peer:
            peer.send(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
            head = peer.until(b"\r\n\r\n").lower()
            self.assertIn(b"transfer-encoding: chunked", head)
            self.assertIn(b"trailer: x-complete", head)
            self.assertNotIn(b"x-complete: ", head)
            peer.until(b'"odd":1}')  # while the last backend holds its answer
            self.assertFalse(release.is_set())
            release.set()
            self.assertIn(b',"c":1}\r\n0\r\nx-complete: true\r\n\r\n', peer.until(b"true\r\n\r\n"))
            peer.send(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")  # the connection serves on
            self.assertIn(b"200", peer.until(b"true\r\n\r\n"))

    def test_streams_are_what_whole_answers_are(self):
        whole = b'{"a":[{"title":"t"}],"b":{"odd":1},"c":{"path":"/c"}}'
        for version in ("--http1.0", "--http1.1", "--http2-prior-knowledge"):
            with self.subTest(version=version):
                self.assertEqual(curl("-g", version, self.url + "/stream"), whole)
        self.backends["odd"].answer = say({}, 500)
        status, fields, body = self.ask("/stream")
        self.assertEqual((status, fields["trailer"]), (200, "x-complete"))
        self.assertEqual(body, b'{"a":[{"title":"t"}],"c":{"path":"/c"}}x-complete: false\r\n')  # curl shows trailers, too
        for name in ("news", "teams"):
            self.backends[name].answer = say({}, 500)
        self.assertEqual(self.ask("/stream")[0], 502)

    def test_streams_pass_other_sections(self):
        release = self.hold("teams")
        with Wire(self.followed.gateway.port) as peer:
            peer.send(b"GET /changed HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertIn(b"x-added: yes", peer.until(b"\r\n\r\n").lower())
            peer.until(b'"odd":1}')
            release.set()
            peer.until(b"true\r\n\r\n")
        self.assertEqual(curl("-g", self.url + "/mapped"), b'{"b":{"odd":1},"c":1}')

    def test_streams_are_packed_and_stored(self):
        whole = b'{"a":[{"title":"t"}],"b":{"odd":1},"c":{"path":"/c"}}'
        for status, coded, trailer in ((b"fwd=uri-miss", True, b"x-complete: true\r\n"), (b"hit", False, b"")):
            head, _, body = curl("-i", "--compressed", self.url + "/stored").partition(b"\r\n\r\n")
            self.assertIn(status, head)
            self.assertEqual(b"content-encoding" in head.lower(), coded)  # what is known to be short is sent as it is
            self.assertEqual(body, whole + trailer)

    def test_streams_that_turn_out_partial_or_private_are_not_stored(self):
        private = [("content-type", "application/json"), ("cache-control", "private")]
        answers = {"partial": say({}, 500), "private": lambda conversation, *_: conversation.send(200, b'{"data": 1}', private)}
        for name, answer in answers.items():
            with self.subTest(name), Wire(self.followed.gateway.port) as peer:
                seen = threading.Event()

                def late(*call, answer=answer, seen=seen):
                    seen.wait(30)
                    answer(*call)

                self.backends["teams"].answer = late
                asked = f"GET /stored?{name} HTTP/1.1\r\nhost: a\r\n\r\n".encode()
                peer.send(asked)
                self.assertIn(b"fwd=uri-miss", peer.until(b'"odd":1}'))  # the head is out, and says nothing of it
                seen.set()
                self.assertIn(b"x-complete: " + (b"false" if name == "partial" else b"true"), peer.until(b"\r\n\r\n"))
                peer.send(asked)
                self.assertNotIn(b"; hit", peer.until(b"\r\n\r\n"))

    def test_a_client_that_goes_ends_the_stream(self):
        self.backends["teams"].answer, arrived, ended = holds()
        with Wire(self.followed.gateway.port) as peer:
            peer.send(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
            peer.until(b'"odd":1}')
            self.assertTrue(arrived.wait(30))
        self.assertTrue(ended.wait(30), "the call was given up with its request")

    def test_all_are_asked_at_once(self):
        """Each waits until all four have been asked: one after the other there would be no end."""
        barrier = threading.Barrier(4)

        def together(conversation, method, path, head, body, framing):
            barrier.wait(30)
            conversation.send(200, b"1", [("content-type", "application/json")], method)
        for backend in self.backends.values():
            backend.answer = together
        self.assertEqual(self.ask("/four")[2], b'{"c0":1,"c1":1,"c2":1,"c3":1}')

    def test_a_client_that_goes_takes_its_calls_along(self):
        self.backends["odd"].answer, arrived, ended = holds()
        with Wire(self.followed.gateway.port) as peer:
            peer.send(b"GET /four HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertTrue(arrived.wait(30))
        self.assertTrue(ended.wait(30), "the call was given up with its request")

    def test_many_at_a_time(self):
        seen = []

        def client():
            for _ in range(25):
                seen.append(self.ask("/four")[0])
        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(seen, [200] * 200)

    def test_a_service_that_is_not_there(self):
        self.assertEqual(self.ask("/lost")[0], 500)
        self.followed.write("lost.yaml", policy("lost", "aggregate: {calls: [" + part("a", "news", "/") + "]}"))
        self.assertTrue(eventually(lambda: self.ask("/lost")[0] == 200))


if __name__ == "__main__":
    unittest.main()
