# SPDX-License-Identifier: Apache-2.0
"""Limits that are counted in a real Redis: exact for four gateways, and what becomes of them when Redis does."""
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from backend import Backend
from limits_test import ask, policy, statuses
from objects import CLASS, Followed, free_port, gateway, http, make_certificate, of, route, service, to
from support import FAIRCTL, LIMIT, curl, eventually


class Redis:
    """A redis-server of our own; its port stays with it when it is started again."""

    def __init__(self, test, *arguments, port=None, tls_port=None, name="redis-server"):
        self.port, self.folder = port or free_port(), pathlib.Path(tempfile.mkdtemp(prefix="fl-redis-"))
        self.arguments, self.name, self.tls_port = arguments, name, tls_port
        test.addCleanup(shutil.rmtree, self.folder, True)
        test.addCleanup(self.kill)
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.name, *self.before(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder),
             *map(str, self.arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert eventually(lambda: self.call("PING").startswith(b"+PONG") or self.call("PING").startswith(b"-NOAUTH"))

    def before(self):
        return ()

    def call(self, *words):
        """The first bytes of the answer to one inline command; empty where there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 10) as peer:
                peer.sendall(" ".join(words).encode() + b"\r\n")
                return peer.recv(65536)
        except OSError:
            return b""

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class Configured(Redis):
    """Of a file: sentinels want one."""

    def __init__(self, test, text, *arguments, port=None):
        self.text = text
        super().__init__(test, *arguments, port=port)

    def before(self):
        path = self.folder / "redis.conf"
        path.write_text(self.text)
        return (str(path),)


def redis_policy(redis, limit="name: all, algorithm: FixedWindow, requests: 503, per: 744h", more="", name="limits"):
    address = f"addresses: [\"127.0.0.1:{redis.port}\"], " if redis else ""
    return policy(name, f"rateLimits: {{limits: [{{{limit}}}], store: Redis, redis: {{{address}timeout: 5s{more}}}}}")


class RedisTest(unittest.TestCase):
    def start(self, *policies, gateways=1, workers=1):
        self.backend = Backend("one")
        self.addCleanup(self.backend.close)
        self.gateways, self.ports = [], []
        for _ in range(gateways):
            port = free_port()
            self.ports.append(port)
            objects = "---\n".join([CLASS, gateway(http(port)), route("web", to("a")), service("a", of(self.backend))])
            followed = Followed({"base.yaml": objects, "policy.yaml": "---\n".join(policies)}, workers=workers)
            self.addCleanup(followed.close)
            self.gateways.append(followed)
        self.port = self.ports[0]

    def again(self, text):
        """All gateways take another policy."""
        for followed in self.gateways:
            before = followed.status()["changes"]
            followed.write("policy.yaml", text)
            followed.await_changes(before)

    def passes(self, tries):
        seen = [ask(self.port)[0] for _ in range(tries)]
        return seen.count(200)

    def test_exact_with_four_gateways_and_64_clients_of_each(self):
        redis = Redis(self)
        first = "name: {}, algorithm: {}, requests: 1009, per: 744h"
        self.start(redis_policy(redis), gateways=4)
        for algorithm in ("TokenBucket", "FixedWindow", "SlidingWindow"):
            with self.subTest(algorithm=algorithm):
                self.again(redis_policy(redis, first.format(algorithm.lower(), algorithm)))
                seen = statuses(self.ports, clients=256, each=6)
                self.assertEqual(seen, {200: 1009, 429: 256 * 6 - 1009})

    def test_several_limits_are_taken_together(self):
        redis = Redis(self)
        self.start(policy("limits", "rateLimits: {store: Redis, redis: {addresses: [\"127.0.0.1:%d\"], timeout: 5s}, limits: ["
                                    "{name: client, algorithm: SlidingWindow, requests: 40, per: 744h, key: [{type: Header, name: x-id}]},"
                                    "{name: bucket, requests: 1000, per: 744h},"
                                    "{name: all, algorithm: FixedWindow, requests: 100, per: Month, timeZone: Europe/Berlin, "
                                    "key: [{type: Route}]}]}" % redis.port), gateways=4)
        seen = statuses(self.ports, clients=64, each=8, fields=lambda client: [("x-id", f"c{client % 4}")])
        self.assertEqual(seen[200], 100, "four clients of 40 meet the limit of all")
        left = 0
        for client in range(4):
            status, fields, _ = ask(self.port, fields=[("x-id", f"c{client}")])
            self.assertEqual(status, 429)
            left += int(fields["ratelimit"].split('"client";r=')[1].split(";")[0])
            self.assertIn('"all";r=0;', fields["ratelimit"])
            self.assertIn('"bucket";r=900;', fields["ratelimit"])
        self.assertEqual(left, 60, "what one limit refuses takes nothing from the others")

    def test_quotas_survive_a_restart_of_the_gateway(self):
        redis = Redis(self)
        text = policy("limits", "rateLimits: {store: Redis, redis: {addresses: [\"localhost:%d\"], timeout: 5s}, quotas: "
                                "[{name: monthly, requests: 5, per: Month}]}" % redis.port)
        self.start(text)
        self.assertEqual(self.passes(3), 3)
        self.start(text)
        self.assertEqual(self.passes(5), 2)

    def left(self, port=None):
        """What a request of no cost is told: how much is left; None where nothing is."""
        fields = ask(port or self.port, fields=[("x-cost", "0")])[1]
        return int(fields["ratelimit"].split(";")[1].removeprefix("r=")) if "ratelimit" in fields else None

    def test_killed_and_started_again(self):
        redis = Redis(self)
        self.start(redis_policy(redis, more=", onFailure: Closed"))
        self.assertEqual(ask(self.port)[0], 200)
        redis.kill()
        for _ in range(5):
            status, fields, body = ask(self.port)
            self.assertEqual((status, fields["retry-after"]), (503, "1"))
            self.assertIn(b"Limits cannot be checked", body)
        redis.start()
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))
        self.assertEqual(ask(self.port)[1]["ratelimit"].split(";")[1], "r=501", "a new Redis counts anew, and all of it")

    def numbers(self, redis):
        """Of its metrics, by name and what tells parts apart: {("failures_total", "timeout"): 3.0}"""
        out = {}
        for line in curl(f"http://{self.gateways[0].gateway.admin}/metrics").decode().splitlines():
            found = re.match(r'fairlead_gateway_redis_(\w+)\{redis="127\.0\.0\.1:(\d+)",use="limits"(?:,\w+="([^"]*)")?\} (\S+)$', line)
            if found and int(found[2]) == redis.port:
                out[found[1], found[3]] = float(found[4])
        return out

    def await_log(self, pattern):
        errors = self.gateways[0].gateway.errors
        self.assertTrue(eventually(lambda: re.search(pattern, "\n".join(errors))), errors)

    def test_its_numbers_while_it_is_killed_and_started_again(self):
        redis = Redis(self)
        self.start(redis_policy(redis, more=", onFailure: Closed"), workers=2)
        self.assertEqual(statuses(self.ports, clients=16, each=5), {200: 80})
        seen = self.numbers(redis)
        clients = seen["clients", "exact"]
        self.assertIn(clients, (1, 2))
        self.assertEqual((seen["clients", "fallback"], seen["connections", None], seen["connects_total", None]), (0, clients, clients))
        self.assertEqual((seen["reconnects_total", None], seen["connections_lost_total", None]), (0, 0))
        self.assertEqual((seen["commands_total", None], seen["round_trip_seconds_count", None]), (80, 80))
        self.assertEqual(seen["round_trip_seconds_bucket", "+Inf"], 80)
        self.assertGreater(seen["round_trip_seconds_sum", None], 0)
        self.assertEqual({seen["failures_total", reason] for reason in ("timeout", "not_connected", "error")}, {0})

        redis.kill()
        self.assertEqual(ask(self.port)[0], 503)
        seen = self.numbers(redis)
        self.assertGreaterEqual(seen["clients", "fallback"], 1)
        self.assertEqual(seen["clients", "fallback"] + seen["clients", "exact"], clients)
        self.assertGreaterEqual(seen["connections_lost_total", None], 1)
        self.assertEqual(seen["failures_total", "not_connected"], 1)
        status = json.loads(curl(f"http://{self.gateways[0].gateway.admin}/v1/status"))["redis"]
        self.assertEqual([(one["redis"], one["use"]) for one in status], [(f"127.0.0.1:{redis.port}", "limits")])
        self.assertTrue(status[0]["failure"].startswith(f"127.0.0.1:{redis.port}: "), status)
        told = subprocess.run([FAIRCTL, "--socket", str(self.gateways[0].gateway.socket), "gateway", "status"], capture_output=True,
                              text=True, check=True).stdout
        self.assertRegex(told, rf"127\.0\.0\.1:{redis.port} +limits +fallback \d/\d")

        self.await_log(rf"redis 127\.0\.0\.1:{redis.port}, for limits: away for \d of \d workers, .*: 127\.0\.0\.1:{redis.port}: \w+")

        redis.start()
        self.assertTrue(eventually(lambda: statuses(self.ports, clients=8, each=1) == {200: 8}))
        self.assertTrue(eventually(lambda: self.numbers(redis)["clients", "fallback"] == 0))
        self.await_log(rf"redis 127\.0\.0\.1:{redis.port}, for limits: back after \d+ s")
        seen = self.numbers(redis)
        self.assertGreaterEqual(seen["reconnects_total", None], 1)
        self.assertGreater(seen["connects_total", None], clients)

        redis.process.send_signal(signal.SIGSTOP)
        self.again(redis_policy(redis, more=", onFailure: Closed").replace("timeout: 5s", "timeout: 20ms"))
        self.assertEqual(ask(self.port)[0], 503)
        after = self.numbers(redis)
        self.assertEqual(after["failures_total", "timeout"], 1)
        self.assertGreaterEqual(after["connects_total", None], seen["connects_total", None], "other settings go on counting")
        redis.process.send_signal(signal.SIGCONT)

    def test_each_mode_while_redis_is_away(self):
        redis = Redis(self)
        for mode, expected in (("Open", [200] * 8), ("Closed", [503] * 8), ("Local", [200, 200] + [429] * 6)):
            with self.subTest(mode=mode):
                self.start(redis_policy(redis, f"name: {mode.lower()}, algorithm: FixedWindow, requests: 8, per: 744h, costHeader: x-cost",
                                        f", onFailure: {mode}, gateways: 4"))
                self.assertEqual(self.passes(1), 1)
                self.assertEqual(self.left(), 7)
                redis.kill()
                self.assertEqual([ask(self.port)[0] for _ in range(8)], expected)
                redis.start()
                self.assertTrue(eventually(lambda: self.left() == 8), "exact again by itself, with a Redis that knows nothing")
                self.assertEqual(self.passes(12), 8)

    def test_stopped_and_silent(self):
        """If each of the requests waited for the time-out, this would take longer than the suite may."""
        redis = Redis(self)
        self.start(redis_policy(redis, more=", onFailure: Closed").replace("timeout: 5s", "timeout: 2s"), workers=2)
        self.assertEqual(statuses(self.ports, clients=8, each=2), {200: 16})
        redis.process.send_signal(signal.SIGSTOP)
        self.assertEqual(statuses(self.ports, clients=8, each=50), {503: 400})
        redis.process.send_signal(signal.SIGCONT)
        self.assertTrue(eventually(lambda: statuses(self.ports, clients=8, each=1) == {200: 8}))

    def test_full(self):
        redis = Redis(self)
        self.start(redis_policy(redis, more=", onFailure: Closed"))
        self.assertEqual(ask(self.port)[0], 200)
        redis.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis.call("CONFIG", "SET", "maxmemory", "1")
        self.assertEqual(ask(self.port)[0], 503)
        self.await_log(rf"redis 127\.0\.0\.1:{redis.port}, for limits: answers with errors, .*: 127\.0\.0\.1:{redis.port}: OOM \w+")
        redis.call("CONFIG", "SET", "maxmemory", "0")
        status, fields, _ = ask(self.port)
        self.assertEqual((status, fields["ratelimit"].split(";")[1]), (200, "r=501"), "nothing was counted meanwhile")

    def test_script_flushed(self):
        redis = Redis(self)
        self.start(redis_policy(redis, "name: a, algorithm: FixedWindow, requests: 100, per: 744h", ", onFailure: Closed"), gateways=2)
        self.assertEqual(self.passes(1), 1)
        for _ in range(5):
            self.assertEqual(redis.call("SCRIPT", "FLUSH"), b"+OK\r\n")
            self.assertEqual(statuses(self.ports, clients=8, each=2), {200: 16})
        self.assertEqual(self.passes(30), 19)

    def test_values_of_somebody_else(self):
        redis = Redis(self)
        self.start(redis_policy(redis, more=", onFailure: Closed"))
        self.assertEqual(ask(self.port)[0], 200)
        key = redis.call("KEYS", "*").split(b"\r\n")[2].decode()
        self.assertTrue(key.startswith("fairlead:default/limits:{"), key)
        redis.call("DEL", key)
        redis.call("LPUSH", key, "x")
        self.assertEqual(ask(self.port)[0], 503)
        redis.call("DEL", key)
        self.assertEqual(ask(self.port)[0], 200)

    def test_password_and_user(self):
        redis = Redis(self, "--requirepass", "hunter2")
        with socket.create_connection(("127.0.0.1", redis.port), LIMIT) as peer:
            peer.sendall(b"AUTH hunter2\r\nACL SETUSER limits on >open-sesame ~fairlead:* +@all\r\n")
            self.assertTrue(eventually(lambda: peer.recv(100).endswith(b"+OK\r\n")))
        secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: default}\nstringData: {password: %s}\n"
        more = ", onFailure: Closed, passwordSecretRef: {name: %s}%s"
        for name, password, user, status in (("root", "hunter2", "", 200), ("user", "open-sesame", ", username: limits", 200),
                                             ("wrong", "hunter3", "", 503)):
            with self.subTest(name=name):
                self.start(redis_policy(redis, more=more % (name, user)), secret % (name, password))
                self.assertEqual(ask(self.port)[0], status)
        self.start(redis_policy(redis, more=more % ("nowhere", "")))
        self.assertEqual(ask(self.port)[0], 500, "a policy is never half enforced")

    def test_password_in_a_file_that_changes(self):
        redis = Redis(self, "--requirepass", "hunter2-first")
        side = pathlib.Path(tempfile.mkdtemp(prefix="fl-side-"))
        self.addCleanup(shutil.rmtree, side)
        side.chmod(0o755)
        path = side / "password"
        self.start(redis_policy(redis, more=f", onFailure: Closed, passwordFile: {path}"), workers=2)
        followed = self.gateways[0]
        self.assertEqual(ask(self.port)[0], 503, "in force, without what its file would hold")
        self.assertTrue(any(f'passwordFile: found "{path}": No such file' in line for line in followed.gateway.errors))
        path.write_text("hunter2-first\n")
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))
        with socket.create_connection(("127.0.0.1", redis.port), LIMIT) as peer:
            peer.sendall(b"AUTH hunter2-first\r\nCONFIG SET requirepass hunter2-second\r\n")
            self.assertTrue(eventually(lambda: peer.recv(100).endswith(b"+OK\r\n")))
            before = followed.status()["changes"]
            path.write_text("hunter2-second\n")
            followed.await_changes(before)
            peer.sendall(b"CLIENT KILL TYPE normal\r\n")
            self.assertTrue(eventually(lambda: peer.recv(100).startswith(b":")))
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200), "by the new password: no old connection is left")
        path.unlink()
        self.assertTrue(eventually(lambda: f'{path}": No such file' in followed.conditions()))
        self.assertEqual(ask(self.port)[0], 200, "what was read last serves")
        shown = followed.conditions() + "".join(followed.gateway.errors)
        for where in ("/metrics", "/v1/status", "/v1/gateway/filters"):
            shown += curl(f"http://{followed.gateway.admin}{where}").decode()
        self.assertNotIn("hunter2", shown)

    def test_tls_with_certificates_in_files(self):
        side = pathlib.Path(tempfile.mkdtemp(prefix="fl-side-"))
        self.addCleanup(shutil.rmtree, side)
        side.chmod(0o755)
        for name in ("redis.example", "gateway.example", "other.example"):
            (side / name).mkdir()
            make_certificate(side / name, name)
            for file in (side / name).iterdir():
                file.chmod(0o644)
        tls_port = free_port()
        redis = Redis(self, "--tls-port", tls_port, "--tls-cert-file", side / "redis.example/crt.pem", "--tls-key-file",
                      side / "redis.example/key.pem", "--tls-ca-cert-file", side / "gateway.example/crt.pem")
        for name, whose in (("ca", "redis.example/crt.pem"), ("crt", "other.example/crt.pem"), ("key", "other.example/key.pem")):
            shutil.copy(side / whose, side / name)
        tls = f"tls: {{hostname: redis.example, caFile: {side}/ca, certificateFile: {side}/crt, keyFile: {side}/key}}"
        self.start(redis_policy(redis, more=f", onFailure: Closed, {tls}").replace(f":{redis.port}", f":{tls_port}"))
        self.assertEqual(ask(self.port)[0], 503, "who Redis does not know")
        shutil.copy(side / "gateway.example/crt.pem", side / "crt")
        errors = self.gateways[0].gateway.errors
        self.assertTrue(eventually(lambda: any("certificateFile: found" in line for line in errors)), "the key is another's")
        shutil.copy(side / "gateway.example/key.pem", side / "key")
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))
        (side / "ca").write_text("hunter2")
        self.assertTrue(eventually(lambda: any("caFile: found" in line for line in errors)))
        self.assertEqual(ask(self.port)[0], 200)
        self.assertFalse([line for line in errors if "hunter2" in line or "PRIVATE KEY" in line])

    def test_tls(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-redis-tls-"))
        self.addCleanup(shutil.rmtree, folder)
        certificate, _ = make_certificate(folder, "redis.example")
        tls_port = free_port()
        redis = Redis(self, "--tls-port", tls_port, "--tls-cert-file", folder / "crt.pem", "--tls-key-file", folder / "key.pem",
                      "--tls-ca-cert-file", folder / "crt.pem", "--tls-auth-clients", "no")
        rows = "".join(f"    {line}\n" for line in certificate.splitlines())
        secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: ca, namespace: default}\nstringData:\n  ca.crt: |\n" + rows
        for hostname, status in (("redis.example", 200), ("other.example", 503)):
            with self.subTest(hostname=hostname):
                self.start(redis_policy(redis, more=f", onFailure: Closed, tls: {{hostname: {hostname}, caSecretRef: {{name: ca}}}}")
                           .replace(f":{redis.port}", f":{tls_port}"), secret)
                self.assertEqual(ask(self.port)[0], status)

    def test_behind_a_service_whose_endpoints_change(self):
        def behind(*servers, name="redis", namespace="default"):
            return service(name, *[("127.0.0.1", one.port) for one in servers]).replace("namespace: default", f"namespace: {namespace}")

        def with_service(more="", where=""):
            return redis_policy(None, more=f", onFailure: Closed, backendRef: {{name: redis, port: 80{where}}}{more}")

        one, two = Redis(self), Redis(self)
        self.start(with_service(), gateways=2, workers=2)
        followed = self.gateways[0]
        gone = "Redis at Service default/redis:80 for policies of default: there is no such Service"
        self.assertTrue(any(gone in line for line in followed.gateway.errors), followed.gateway.errors)
        self.assertEqual(ask(self.port)[0], 503)
        for gateways in self.gateways:
            gateways.write("redis.yaml", behind(one))
        self.assertTrue(eventually(lambda: statuses(self.ports, clients=8, each=1) == {200: 8}))
        self.assertNotIn(gone, followed.conditions())
        self.assertIn(b":1\r\n", one.call("DBSIZE"))
        for gateways in self.gateways:
            gateways.write("redis.yaml", behind(two))
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200 and two.call("DBSIZE") == b":1\r\n"))
        one.kill()
        self.assertTrue(eventually(lambda: statuses(self.ports, clients=32, each=1) == {200: 32}), "nobody asks the old one")
        two.call("FLUSHALL")
        before = followed.status()["changes"]
        followed.write("redis.yaml", behind())
        followed.await_changes(before)
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 503), "no endpoint")
        self.assertIn("no endpoint is ready", followed.conditions())
        followed.write("redis.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: redis, namespace: default}\n"
                       f"spec: {{type: ExternalName, externalName: localhost, ports: [{{port: {two.port}}}]}}\n")
        followed.write("policy.yaml", with_service().replace("port: 80", f"port: {two.port}"))
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200), "by its name")

    def test_behind_a_service_of_another_namespace(self):
        redis = Redis(self)
        self.start(redis_policy(None, more=", onFailure: Closed, backendRef: {name: redis, namespace: stores, port: 80}"),
                   service("redis", ("127.0.0.1", redis.port)).replace("namespace: default", "namespace: stores"))
        self.assertEqual(ask(self.port)[0], 503, "not granted")
        grant = ("apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: redis, namespace: stores}\n"
                 "spec: {from: [{group: %s, kind: RequestPolicy, namespace: default}], to: [{group: \"\", kind: Service, name: redis}]}\n")
        followed = self.gateways[0]
        before = followed.status()["changes"]
        followed.write("grant.yaml", grant % "other.io")
        followed.await_changes(before)
        self.assertEqual(ask(self.port)[0], 503, "granted to another kind")
        followed.write("grant.yaml", grant % "fairlead.io")
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))
        followed.remove("grant.yaml")
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 503))

    def test_sentinel_and_a_failover(self):
        master = Redis(self)
        replicas = [Redis(self, "--replicaof", "127.0.0.1", master.port) for _ in range(2)]
        text = (f"sentinel monitor mymaster 127.0.0.1 {master.port} 2\nsentinel down-after-milliseconds mymaster 2000\n"
                "sentinel failover-timeout mymaster 4000\n")
        sentinels = [Configured(self, text, "--sentinel") for _ in range(3)]
        self.assertTrue(eventually(lambda: all(b"slaves=2,sentinels=3" in one.call("INFO", "sentinel") for one in sentinels)))
        addresses = ", ".join(f"\"127.0.0.1:{one.port}\"" for one in sentinels)
        self.start(redis_policy(None, "name: all, algorithm: FixedWindow, requests: 503, per: 744h, costHeader: x-cost",
                                f", onFailure: Closed, sentinel: {{master: mymaster, addresses: [{addresses}]}}"), gateways=2)
        self.assertEqual(statuses(self.ports, clients=4, each=5), {200: 20})
        key = master.call("KEYS", "*").split(b"\r\n")[2].decode()
        counted = master.call("GET", key)
        self.assertTrue(eventually(lambda: all(one.call("GET", key) == counted for one in replicas)), "replicas have caught up")
        master.kill()
        sentinels[0].kill()
        self.assertEqual(ask(self.port)[0], 503)
        unanswered = 0
        for port in self.ports:
            def passes(port=port):
                nonlocal unanswered
                passed = ask(port)[0] == 200
                unanswered += not passed
                return passed
            self.assertTrue(eventually(passes))
        # A master that is promoted ends its connections: what it had counted of those that got no answer stays counted.
        left = self.left()
        self.assertLessEqual(left, 503 - 20 - 2, "the new master goes on from the old one's count")
        self.assertGreaterEqual(left, 503 - 20 - 2 - unanswered)
        self.assertEqual(statuses(self.ports, clients=64, each=10), {200: left, 429: 640 - left})

    def test_sentinels_with_a_user_and_a_password_of_their_own(self):
        master = Redis(self, "--requirepass", "of-redis")
        text = (f"sentinel monitor mymaster 127.0.0.1 {master.port} 1\nsentinel auth-pass mymaster of-redis\n"
                "user default off\nuser fairlead on >of-sentinels allchannels +auth +hello +client|setname +ping +sentinel|get-master-addr-by-name\n")
        sentinel = Configured(self, text, "--sentinel")
        secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: default}\nstringData: {password: %s}\n"
        for password, status in (("of-sentinels", 200), ("wrong", 503)):
            with self.subTest(password=password):
                where = (f", onFailure: Closed, passwordSecretRef: {{name: redis}}, sentinel: {{master: mymaster, username: fairlead, "
                         f"passwordSecretRef: {{name: sentinels}}, addresses: [\"127.0.0.1:{sentinel.port}\"]}}")
                self.start(redis_policy(None, more=where), secret % ("redis", "of-redis"), secret % ("sentinels", password))
                self.assertEqual(ask(self.port)[0], status)

    def test_cluster(self):
        nodes = [Redis(self, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000",
                       port=self.cluster_port()) for _ in range(6)]
        subprocess.run(["redis-cli", "--cluster", "create", *[f"127.0.0.1:{one.port}" for one in nodes], "--cluster-replicas", "1",
                        "--cluster-yes"], check=True, capture_output=True, timeout=LIMIT)
        self.assertTrue(eventually(lambda: all(b"cluster_state:ok" in one.call("CLUSTER", "INFO") for one in nodes)))
        self.start(redis_policy(nodes[0], "name: a, algorithm: FixedWindow, requests: 20, per: 744h, key: [{type: Header, name: x-id}]",
                                ", onFailure: Closed, cluster: true"), gateways=2)
        seen = statuses(self.ports, clients=64, each=10, fields=lambda client: [("x-id", f"c{client % 16}")])
        self.assertEqual(seen, {200: 320, 429: 320}, "16 clients of 20, over all nodes")
        holding = [one for one in nodes if one.call("DBSIZE") != b":0\r\n" and b"role:master" in one.call("INFO", "replication")]
        self.assertEqual(len(holding), 3)
        replicas = [one for one in nodes if b"role:slave" in one.call("INFO", "replication")]
        self.assertTrue(eventually(lambda: all(b"master_link_status:up" in one.call("INFO", "replication") for one in replicas)))
        holding[0].kill()  # its replica, which has caught up, takes over
        self.assertTrue(eventually(lambda: {ask(port, fields=[("x-id", f"c{client}")])[0] for port in self.ports
                                            for client in range(16)} == {429}))

    @staticmethod
    def cluster_port():
        """With room for the bus at +10000."""
        while True:
            port = free_port()
            if port < 55000:
                return port


if __name__ == "__main__":
    unittest.main(verbosity=2)
