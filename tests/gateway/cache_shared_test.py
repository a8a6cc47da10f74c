# SPDX-License-Identifier: Apache-2.0
"""Section cache with `store: Redis`: two gateways, a real redis-server, and what becomes of them when Redis goes."""
import concurrent.futures
import re
import signal
import subprocess
import unittest

import redis_test
from backend import pattern
from cache_test import FRESH, Origin, policy
from callers import consumer
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from support import FAIRCTL, LIMIT, Wire, curl, eventually

Redis, cluster_port = redis_test.Redis, redis_test.RedisTest.cluster_port

TAGGED = FRESH + [("surrogate-key", "red blue")]


class SharedCacheTest(unittest.TestCase):
    def start(self, more="", redis_more="", gateways=2, workers=2, redis=None, documents=()):
        self.redis = redis or Redis(self)
        self.origin = Origin()
        self.addCleanup(self.origin.close)
        redis = f"addresses: [\"127.0.0.1:{self.redis.port}\"], timeout: 2s{redis_more}"
        section = policy(f"cache: {{store: Redis, redis: {{{redis}}}{more}}}")
        section = "---\n".join([section, *documents])
        self.gateways = []
        for _ in range(gateways):
            self.add_gateway(section, workers)
        for number in range(gateways):
            self.await_sync(number)
        return section

    def add_gateway(self, section, workers=2):
        port = free_port()
        followed = Followed({
            "gateway.yaml": CLASS + "---\n" + gateway(http(port)),
            "web.yaml": route("web", to("web")) + "---\n" + service("web", of(self.origin)),
            "policy.yaml": section,
        }, workers=workers)
        self.addCleanup(followed.close)
        self.gateways.append((port, followed))

    def get(self, number, path, *fields, method="GET"):
        """(status, fields, body) of one gateway's answer, on a connection of its own."""
        rows = "".join(f"{row}\r\n" for row in fields)
        with Wire(self.gateways[number][0]) as wire:
            wire.send(f"{method} {path} HTTP/1.1\r\nhost: a.example\r\n{rows}connection: close\r\n\r\n".encode())
            lines = wire.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            found = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:-2]}
            status = int(lines[0].split(" ")[1])
            body = b""
            if method != "HEAD" and status != 304:
                body = wire.buffer
                while got := wire.socket.recv(65536):
                    body += got
            return status, found, body

    def told(self, number, path, *fields, **options):
        """What Cache-Status says, without the time that is left."""
        return re.sub(r"; ttl=-?\d+", "", self.get(number, path, *fields, **options)[1]["cache-status"])

    def fetches(self, path):
        return len(self.origin.requests(path))

    def counted(self, number, result, family="cache_shared"):
        text = curl(f"http://{self.gateways[number][1].gateway.admin}/metrics").decode()
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines()
                   if line.startswith(f"fairlead_gateway_{family}_total{{") and f'result="{result}"' in line)

    def waiting(self, number):
        text = curl(f"http://{self.gateways[number][1].gateway.admin}/metrics").decode()
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines()
                   if line.startswith("fairlead_gateway_cache_shared_purges_waiting{"))

    def await_sync(self, number):
        """Until the gateway has read which purges there were: what comes before is not shared."""
        tries = iter(range(10_000))

        def synced():
            self.get(number, f"/warm/{number}/{next(tries)}")
            return self.counted(number, "miss") > 0
        self.assertTrue(eventually(synced))

    def stored(self, path, fields=FRESH, body=b"body", *asked):
        """Something that the first gateway has stored in Redis."""
        self.origin.answers[path] = (200, fields, body)
        before = self.counted(0, "stored", "cache_shared_writes")
        self.assertEqual(self.get(0, path, *asked)[0], 200)
        self.assertTrue(eventually(lambda: self.counted(0, "stored", "cache_shared_writes") > before))

    def purge(self, number, what, value):
        subprocess.run([FAIRCTL, "--socket", self.gateways[number][1].gateway.socket, "gateway", "purge", what, value],
                       capture_output=True, check=True)

    def values(self):
        """Keys of values in Redis: an index has none of a token."""
        out = self.redis.call("KEYS", "fairlead:cache:default/*").split(b"\r\n")
        return [line.decode() for line in out if line.startswith(b"fairlead:") and b"}:" in line]

    def test_the_second_gateway_serves_what_the_first_has_stored(self):
        self.start()
        self.stored("/a", FRESH + [("age", "30"), ("x-mine", "1")], pattern(90_000))
        status, fields, body = self.get(1, "/a")
        self.assertEqual((status, body, fields["x-mine"], fields["etag"]), (200, pattern(90_000), "1", '"v1"'))
        self.assertRegex(fields["cache-status"], r"^fairlead; hit; ttl=\d+; detail=shared$")
        self.assertTrue(30 <= int(fields["age"]) < 60, fields)
        for _ in range(5):
            self.assertEqual(self.told(1, "/a"), "fairlead; hit", "memory has it now")
        self.assertEqual(self.fetches("/a"), 1)
        self.assertEqual(self.counted(1, "hit"), 1)

    def test_head_conditions_and_ranges(self):
        self.start()
        for path in ("/head", "/condition", "/range"):
            self.stored(path, FRESH, b"0123456789")
        status, fields, _ = self.get(1, "/head", method="HEAD")
        self.assertEqual((status, fields["content-length"]), (200, "10"))
        self.assertEqual(self.get(1, "/condition", 'if-none-match: "v1"')[0], 304)
        self.assertEqual(self.get(1, "/range", "range: bytes=2-4")[2], b"234")
        self.assertEqual([self.fetches(path) for path in ("/head", "/condition", "/range")], [1, 1, 1])

    def test_vary(self):
        self.start()

        def say(head):
            german, gzip = "accept-language: de" in head, "accept-encoding: gzip" in head
            return 200, FRESH + [("vary", "Accept-Language, Accept-Encoding")], b"%d%d" % (german, gzip)
        self.origin.answers["/vary"] = say
        variants = ((), ("accept-language: de",), ("accept-encoding: gzip",), ("accept-language: de", "accept-encoding: gzip"))
        for number, fields in enumerate(variants):
            self.get(0, "/vary", *fields)
            self.assertTrue(eventually(lambda: self.counted(0, "stored", "cache_shared_writes") == number + 1))
        for fields, body in zip(variants, (b"00", b"10", b"01", b"11")):
            self.assertEqual(self.get(1, "/vary", *fields)[2], body)
        self.assertEqual(self.fetches("/vary"), 4)
        self.assertEqual(self.told(1, "/vary", "accept-language: fr"), "fairlead; fwd=vary-miss; stored")

    def test_clients_of_a_gateway_ask_redis_once(self):
        self.start()
        self.stored("/herd", FRESH, pattern(50_000))
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(lambda _: self.get(1, "/herd"), range(60)))
        self.assertEqual({(status, body) for status, _, body in answers}, {(200, pattern(50_000))})
        self.assertEqual((self.fetches("/herd"), self.counted(1, "hit")), (1, 1))

    def test_directives_of_requests(self):
        self.start(", honourRequestDirectives: true")
        self.stored("/directives")
        self.assertEqual(self.told(1, "/directives", "cache-control: no-cache"), "fairlead; fwd=uri-miss; stored")
        self.stored("/only")
        self.assertEqual(self.told(1, "/only", "cache-control: only-if-cached"), "fairlead; hit; detail=shared")
        self.assertEqual(self.get(1, "/nowhere", "cache-control: only-if-cached")[0], 504)
        self.assertEqual(self.fetches("/only"), 1)

    def test_what_is_for_one_caller_is_not_shared(self):
        self.start()
        self.origin.answers["/private"] = (200, [("cache-control", "private, max-age=60")], b"p")
        self.origin.answers["/authorized"] = (200, FRESH, b"p")
        self.origin.answers["/cookie"] = (200, FRESH + [("set-cookie", "a=b")], b"p")
        before = self.redis.call("KEYS", "*")
        for path in ("/private", "/authorized", "/cookie"):
            for number in (0, 1):
                self.assertNotIn("stored", self.told(number, path, "authorization: Basic YTpi"))
            self.assertEqual(self.fetches(path), 2)
        self.assertEqual(sorted(self.redis.call("KEYS", "*").split()), sorted(before.split()))
        self.stored("/public", [("cache-control", "public, max-age=60")], b"p", "authorization: Basic YTpi")
        self.assertEqual(self.told(1, "/public"), "fairlead; hit; detail=shared")

    def test_what_has_a_callers_own_key_stays_in_memory(self):
        self.start(", key: {consumer: true}", documents=(
            policy("authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}", "who"),
            consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}")))
        self.origin.answers["/mine"] = (200, FRESH, b"alice's")
        for number in (0, 1):
            self.assertEqual(self.told(number, "/mine", "apikey: k-alice"), "fairlead; fwd=uri-miss; stored")
            self.assertEqual(self.told(number, "/mine", "apikey: k-alice"), "fairlead; hit")
        self.assertEqual(self.fetches("/mine"), 2)
        self.assertEqual(self.values(), [])

    def test_purges_reach_the_other_gateway(self):
        self.start()
        for what, value in (("url", "http://a.example/p/url"), ("prefix", "http://a.example/p/pre"), ("tag", "blue")):
            with self.subTest(what=what):
                path = {"url": "/p/url", "prefix": "/p/prefix", "tag": "/p/tag"}[what]
                self.stored(path, TAGGED if what == "tag" else FRESH)
                self.assertEqual(self.told(1, path), "fairlead; hit; detail=shared")
                self.assertEqual(self.told(1, path), "fairlead; hit")
                self.purge(1, what, value)
                self.assertEqual(self.told(1, path), "fairlead; fwd=uri-miss; stored", "at once where it was purged")
                self.assertTrue(eventually(lambda: self.told(0, path) != "fairlead; hit"))
                self.assertTrue(eventually(lambda: self.waiting(1) == 0))

    def test_a_purge_at_a_gateway_that_nobody_asks(self):
        section = self.start()
        self.stored("/idle")
        self.add_gateway(section)
        self.purge(2, "url", "http://a.example/idle")
        self.assertTrue(eventually(lambda: self.told(0, "/idle") == "fairlead; fwd=uri-miss; stored"))

    def test_what_was_purged_is_not_found_in_redis(self):
        section = self.start()
        self.stored("/tagged", TAGGED)
        self.stored("/other", FRESH)
        self.purge(1, "tag", "red")  # which has neither in its memory
        self.assertTrue(eventually(lambda: self.waiting(1) == 0))
        self.add_gateway(section)
        self.await_sync(2)
        self.assertEqual(self.told(2, "/other"), "fairlead; hit; detail=shared")
        self.assertEqual(self.told(2, "/tagged"), "fairlead; fwd=uri-miss; stored")
        self.assertEqual(self.counted(2, "purged"), 1)

    def test_many_purges_are_read_in_pages(self):
        section = self.start(gateways=1)
        fresh = [("cache-control", "max-age=3600")]  # for as long as 330 programs may take to start
        self.stored("/first", fresh + [("surrogate-key", "t7")])
        self.stored("/kept", fresh + [("surrogate-key", "t")])
        socket = self.gateways[0][1].gateway.socket
        for number in range(330):
            curl("-d", "", "--unix-socket", socket, f"http://localhost/v1/gateway/purge?tag=t{number}")
        self.assertTrue(eventually(lambda: self.waiting(0) == 0))
        self.assertEqual(self.redis.call("ZCARD", "fairlead:cache:{journal}:purges"), b":330\r\n")
        self.add_gateway(section)
        self.await_sync(1)
        self.assertEqual(self.told(1, "/kept"), "fairlead; hit; detail=shared")
        self.assertEqual(self.told(1, "/first"), "fairlead; fwd=uri-miss; stored")

    def test_unsafe_methods_make_redis_forget(self):
        section = self.start()
        self.stored("/item")
        self.assertEqual(self.told(1, "/item", "content-length: 0", method="POST"), "fairlead; fwd=method")
        self.add_gateway(section)
        self.await_sync(2)
        self.assertTrue(eventually(self.invalidated))
        self.assertEqual(self.told(2, "/item"), "fairlead; fwd=uri-miss; stored")
        self.assertTrue(eventually(lambda: self.counted(2, "stored", "cache_shared_writes") > 0))
        self.assertEqual(self.told(1, "/item"), "fairlead; hit; detail=shared", "what came later is shared again")

    def invalidated(self):
        """Whether some URL's index knows that it was."""
        keys = self.redis.call("KEYS", "fairlead:cache:default/*}").split(b"\r\n")
        return any(b"$1\r\np\r\n" in self.redis.call("HGETALL", key.decode()) for key in keys if key.endswith(b"}"))

    def test_validation_and_stale_if_error(self):
        self.start(", staleIfError: 1h")
        self.stored("/etag", [("cache-control", "max-age=0"), ("etag", '"v1"')], b"old")
        self.origin.answers["/etag"] = lambda head: (304, [("cache-control", "max-age=60")], b"") \
            if 'if-none-match: "v1"' in head else (200, FRESH, b"new")
        status, fields, body = self.get(1, "/etag")
        self.assertEqual((status, body), (200, b"old"))
        self.assertIn("fwd=stale; fwd-status=304", fields["cache-status"])
        self.stored("/old", [("cache-control", "max-age=0")], b"old")
        self.origin.close()
        status, fields, body = self.get(1, "/old")
        self.assertEqual((status, body), (200, b"old"))
        self.assertRegex(fields["cache-status"], r"^fairlead; fwd=stale; fwd-status=50[234]; ttl=-?\d+$")
        self.assertGreaterEqual(self.counted(1, "stale"), 2)

    def test_bounds(self):
        self.start(redis_more=", maxObjectBytes: 4000")
        self.origin.answers["/long"] = (200, FRESH, pattern(4001))
        self.assertEqual(self.get(0, "/long")[2], pattern(4001))
        self.assertEqual(self.told(0, "/long"), "fairlead; hit")
        self.assertEqual(self.told(1, "/long"), "fairlead; fwd=uri-miss; stored")
        self.assertEqual(self.counted(0, "too_large", "cache_shared_writes"), 1)
        self.stored("/short", FRESH, pattern(3000))
        for key in self.values():
            self.assertTrue(0 < int(self.redis.call("TTL", key)[1:]) <= 60 + 60)

    def test_values_of_somebody_else(self):
        self.start()
        for number, value in enumerate(("x", "FLC", "\"FLC\\x01\"", "\"FLC\\x02aaaaaaaaaaaaaaaaaaaaaaa\"")):
            with self.subTest(value=value):
                path = f"/foreign/{number}"
                before = set(self.values())
                self.stored(path)
                key, = set(self.values()) - before
                self.assertEqual(self.redis.call("SET", key, value), b"+OK\r\n")
                self.assertEqual(self.told(1, path), "fairlead; fwd=uri-miss; stored")
                self.assertEqual(self.counted(1, "corrupt"), number + 1)
        before = set(self.values())
        self.stored("/list")
        key, = set(self.values()) - before
        self.redis.call("DEL", key)
        self.redis.call("LPUSH", key, "x")
        self.assertEqual(self.told(1, "/list"), "fairlead; fwd=uri-miss; stored")
        self.assertEqual(self.counted(1, "error"), 1)

    def test_another_ones_value_is_not_served(self):
        """As where somebody who may write to Redis copies values about."""
        self.start()
        self.stored("/mine", FRESH, b"mine")
        mine = self.values()
        self.stored("/yours", FRESH, b"yours")
        yours, = set(self.values()) - set(mine)
        mine, = set(mine)
        self.redis.call("RENAME", mine, yours)
        self.assertEqual(self.get(1, "/yours")[2], b"yours")
        self.assertEqual(self.counted(1, "corrupt"), 1)

    def test_killed_and_started_again(self):
        self.start()
        self.stored("/kept")
        self.redis.kill()
        for number in range(20):
            self.origin.answers[f"/away/{number}"] = (200, FRESH, b"away")
            self.assertEqual(self.told(0, f"/away/{number}"), "fairlead; fwd=uri-miss; stored")
            self.assertEqual(self.told(0, f"/away/{number}"), "fairlead; hit", "as in memory alone")
        self.assertEqual(self.told(0, "/kept"), "fairlead; hit")
        self.assertGreater(self.counted(0, "not_connected"), 0)
        self.redis.start()
        self.again()

    def again(self):
        """What one stores the other serves, sooner or later."""
        tries = iter(range(10_000))

        def shared():
            path = f"/again/{next(tries)}"
            self.origin.answers[path] = (200, FRESH, b"again")
            self.assertEqual(self.get(0, path)[0], 200)
            return eventually(lambda: self.get(1, path)[0] == 200) and self.fetches(path) == 1
        self.assertTrue(eventually(shared))

    def test_stopped_and_silent(self):
        """If each of the requests waited for the time-out, this would take longer than the suite may."""
        self.start()
        self.redis.process.send_signal(signal.SIGSTOP)
        for number in range(400):
            self.assertEqual(self.get(0, f"/silent/{number}")[0], 200)
        self.assertGreater(self.counted(0, "timeout"), 0)
        self.assertGreater(self.counted(0, "not_connected") + self.counted(0, "unsynced"), 0)
        self.redis.process.send_signal(signal.SIGCONT)
        self.again()

    def test_full(self):
        self.start()
        self.redis.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.redis.call("CONFIG", "SET", "maxmemory", "1")
        self.origin.answers["/full"] = (200, FRESH, b"full")
        self.assertEqual(self.told(0, "/full"), "fairlead; fwd=uri-miss; stored")
        self.assertTrue(eventually(lambda: self.counted(0, "failed", "cache_shared_writes") == 1))
        self.assertEqual(self.told(1, "/full"), "fairlead; fwd=uri-miss; stored")
        self.purge(0, "url", "http://a.example/full")
        self.assertTrue(eventually(lambda: self.waiting(0) == 0), "a purge needs no room")
        self.assertTrue(eventually(lambda: self.told(1, "/full") != "fairlead; hit"))
        self.redis.call("CONFIG", "SET", "maxmemory", "0")
        self.again()

    def test_scripts_and_data_flushed(self):
        self.start()
        self.stored("/flushed")
        self.assertEqual(self.redis.call("SCRIPT", "FLUSH"), b"+OK\r\n")
        self.assertEqual(self.told(1, "/flushed"), "fairlead; hit; detail=shared")
        self.assertEqual(self.redis.call("FLUSHALL"), b"+OK\r\n")
        self.assertEqual(self.told(1, "/flushed"), "fairlead; hit", "memory keeps what it has")
        self.again()

    def test_cluster(self):
        nodes = [Redis(self, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", port=cluster_port())
                 for _ in range(3)]
        subprocess.run(["redis-cli", "--cluster", "create", *[f"127.0.0.1:{one.port}" for one in nodes], "--cluster-yes"],
                       check=True, capture_output=True, timeout=LIMIT)
        self.assertTrue(eventually(lambda: all(b"cluster_state:ok" in one.call("CLUSTER", "INFO") for one in nodes)))
        self.start(redis_more=", cluster: true", redis=nodes[0])
        paths = [f"/spread/{number}" for number in range(12)]
        for path in paths:
            self.stored(path, TAGGED)
        self.assertEqual({self.told(1, path) for path in paths}, {"fairlead; hit; detail=shared"})
        self.assertTrue(all(one.call("DBSIZE") != b":0\r\n" for one in nodes), "over all nodes")
        self.purge(0, "tag", "blue")
        self.assertTrue(eventually(lambda: self.told(1, paths[0]) != "fairlead; hit"))
        self.assertTrue(eventually(lambda: self.told(1, paths[1]) == "fairlead; fwd=uri-miss; stored"))

    def test_a_purge_waits_for_redis(self):
        self.start()
        self.stored("/waits")
        self.assertEqual(self.told(1, "/waits"), "fairlead; hit; detail=shared")
        self.redis.kill()
        self.purge(0, "prefix", "http://a.example/waits")
        self.assertEqual(self.told(0, "/waits"), "fairlead; fwd=uri-miss; stored")
        self.assertEqual(self.waiting(0), 1)
        self.assertEqual(self.told(1, "/waits"), "fairlead; hit", "it cannot know")
        self.redis.start()
        self.assertTrue(eventually(lambda: self.told(1, "/waits") != "fairlead; hit"))
        self.assertEqual(self.waiting(0), 0)


if __name__ == "__main__":
    unittest.main()
