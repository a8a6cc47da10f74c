# SPDX-License-Identifier: Apache-2.0
"""Requests to backends that want the PROXY protocol: nginx, which says whom it was told of."""
import contextlib
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from objects import CLASS, Followed, free_port, gateway, http, make_certificate, route, service, to
from support import Wire, curl, eventually

CLIENTS = ("127.0.0.1", "127.0.0.2")
SAYS = "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port $connection $http_host"


def policy(spec):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: BackendPolicy
metadata: {{name: web, namespace: default}}
spec:
  targetRefs: [{{group: "", kind: Service, name: web}}]
{spec}"""


def backend_tls(certificate):
    pem = "".join(f"    {line}\n" for line in certificate.splitlines())
    return f"""apiVersion: v1
kind: ConfigMap
metadata: {{name: ca, namespace: default}}
data:
  ca.crt: |
{pem}---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: web, namespace: default}}
spec:
  targetRefs: [{{group: "", kind: Service, name: web}}]
  validation: {{hostname: a.example, caCertificateRefs: [{{group: "", kind: ConfigMap, name: ca}}]}}
"""


class Client(Wire):
    """Connected from one of our addresses."""

    def __init__(self, address, port):
        super().__init__(port, source=address)
        self.address = address

    def ask(self, path="/"):
        """(client's address and port, server's port, connection, Host) as the backend was told."""
        self.send(f"GET {path} HTTP/1.1\r\nhost: a.example\r\n\r\n".encode())
        status, _, body = self.answer()
        assert status == 200, (status, body)
        return body.decode().split(" ")


class ProxyProtocolTest(unittest.TestCase):
    def nginx(self, options="", more=""):
        """Its port, and its access log's path."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-nginx-"))
        self.addCleanup(shutil.rmtree, folder)
        self.certificate = make_certificate(folder, "a.example")[0]
        port = free_port()
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
            f"http {{ log_format told '$request_uri $proxy_protocol_addr.'; access_log {folder}/log told;\n"
            f"client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; "
            f"fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;\n"
            f"ssl_certificate {folder}/crt.pem; ssl_certificate_key {folder}/key.pem;\n"
            f"server {{ listen 127.0.0.1:{port} proxy_protocol {options}; location / {{ return 200 '{SAYS}'; }} {more} }} }}\n")
        nginx = subprocess.Popen(["/usr/sbin/nginx", "-c", folder / "nginx.conf", "-e", "stderr"], stderr=subprocess.DEVNULL)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.kill)
        return port, folder / "log"

    def serve(self, backend, version, *objects, more="", app_protocol="", rule=to("web")):
        self.port = free_port()
        served = Followed({"all.yaml": "---\n".join((
            CLASS, gateway(http(self.port)), route("web", rule),
            service("web", ("127.0.0.1", backend), app_protocol=app_protocol),
            policy(f"  proxyProtocol: {{version: {version}}}\n{more}"), *objects))})
        self.addCleanup(served.close)
        self.assertTrue(eventually(lambda: curl("-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{self.port}/")
                                   == b"200"), served.gateway.errors)
        return served

    def interleaved(self, rounds=6):
        """Two connections of each client, used in turn; each request is told as its own."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(address, self.port)) for address in CLIENTS * 2]
            backends = {}
            for _ in range(rounds):
                for client in clients:
                    address, port, server_port, connection, _ = client.ask()
                    self.assertEqual((address, int(port)), client.socket.getsockname())
                    self.assertEqual(int(server_port), self.port)
                    backends.setdefault(client, set()).add(connection)
            self.assertEqual(len(set().union(*backends.values())), len(clients), "none is shared")
            self.assertTrue(all(len(used) == 1 for used in backends.values()), "and each is used again")

    def test_each_client_is_told_over_kept_connections(self):
        backend, _ = self.nginx()
        for version in ("V1", "V2"):
            with self.subTest(version):
                self.serve(backend, version)
                self.interleaved()

    def test_tls_begins_behind_the_header(self):
        for options, app_protocol in (("ssl", ""), ("ssl", "https"), ("ssl http2", "kubernetes.io/h2c")):
            with self.subTest(options=options, app_protocol=app_protocol):
                backend, _ = self.nginx(options)
                self.serve(backend, "V2", backend_tls(self.certificate), app_protocol=app_protocol)
                self.interleaved(3)

    def test_http2_with_prior_knowledge(self):
        backend, _ = self.nginx("http2")
        self.serve(backend, "V2", app_protocol="kubernetes.io/h2c")
        self.interleaved(3)

    def test_connections_to_backends_end_with_their_client(self):
        backend, _ = self.nginx()
        self.serve(backend, "V1")
        with Client(CLIENTS[0], self.port) as client:
            client.ask()
            self.assertTrue(eventually(lambda: self.established(backend) == 1))
        self.assertTrue(eventually(lambda: self.established(backend) == 0))

    @staticmethod
    def established(port):
        """Connections to the port that stand."""
        found = subprocess.run(["ss", "-Htn", "state", "established", f"dport = :{port}"], capture_output=True, check=True)
        return len(found.stdout.splitlines())

    def test_mirrors_tell_of_the_client_too(self):
        backend, log = self.nginx()
        filters = "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}]"
        self.serve(backend, "V2", rule=to("web", more=filters))
        with Client(CLIENTS[1], self.port) as client:
            client.ask("/copied")
        self.assertTrue(eventually(lambda: log.read_text().count(f"/copied {CLIENTS[1]}.\n") == 2), log.read_text())

    def test_health_checks_are_nobodys(self):
        check = "  healthCheck: {active: {type: HTTP, interval: 50ms, http: {path: /probe}}}\n"
        for version in ("V1", "V2"):
            with self.subTest(version):
                backend, log = self.nginx()
                self.serve(backend, version, more=check)
                self.assertTrue(eventually(lambda: log.read_text().count("/probe -.\n") > 2), log.read_text())

    def test_a_change_of_version_needs_no_other_connection_of_the_client(self):
        backend, _ = self.nginx()
        served = self.serve(backend, "V1")
        with Client(CLIENTS[1], self.port) as client:
            first = client.ask()
            before = served.status()["changes"]
            text = (served.folder / "all.yaml").read_text()
            served.write("all.yaml", text.replace("version: V1", "version: V2"))
            served.await_changes(before)
            second = client.ask()
            self.assertEqual(first[:3], second[:3])
            self.assertNotEqual(first[3], second[3], "the old header's connection is not used again")

    def test_nothing_is_said_to_be_unserved(self):
        backend, _ = self.nginx()
        served = self.serve(backend, "V1")
        self.assertNotIn("PROXY", served.conditions())
        self.assertFalse([line for line in served.gateway.errors if "PROXY" in line])


if __name__ == "__main__":
    unittest.main(verbosity=2)
