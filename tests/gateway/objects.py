# SPDX-License-Identifier: Apache-2.0
"""Gateway API objects as YAML, and a folder of them that a gateway follows."""
import atexit
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from support import Gateway, curl, eventually

CLASS = """apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: fairlead}
spec: {controllerName: fairlead.io/gateway-controller}
"""


HELD = contextlib.ExitStack()
atexit.register(HELD.close)


def free_port(address="127.0.0.1"):
    """A port that nobody is given by the kernel while this program runs: configuration has to name one. A socket that
    does not listen holds it, which is in the way of nobody who listens there with SO_REUSEADDR."""
    held = HELD.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        held.setsockopt(socket.SOL_SOCKET, option, 1)
    held.bind((address, 0))
    return held.getsockname()[1]


def gateway(*listeners, name="edge", address="127.0.0.1"):
    """A Gateway; listeners as YAML in flow style."""
    addresses = f"  addresses: [{{type: IPAddress, value: \"{address}\"}}]\n" if address else ""
    rows = "".join(f"  - {row}\n" for row in listeners)
    return f"""apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: default}}
spec:
  gatewayClassName: fairlead
{addresses}  listeners:
{rows}"""


def http(port, name="http", hostname=""):
    host = f", hostname: \"{hostname}\"" if hostname else ""
    return f"{{name: {name}, protocol: HTTP, port: {port}{host}}}"


def https(port, name, hostname, secret):
    return (f"{{name: {name}, protocol: HTTPS, port: {port}, hostname: \"{hostname}\", "
            f"tls: {{certificateRefs: [{{name: {secret}}}]}}}}")


def route(name, *rules, hostnames=(), kind="HTTPRoute", gateway_name="edge"):
    """A route; rules as YAML in flow style."""
    rows = "".join(f"  - {row}\n" for row in rules)
    names = f"  hostnames: {json.dumps(list(hostnames))}\n" if hostnames else ""
    return f"""apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: default}}
spec:
  parentRefs: [{{name: {gateway_name}}}]
{names}  rules:
{rows}"""


def to(*services, more=""):
    """A rule that leads to services: names, or (name, weight)."""
    refs = []
    for service in services:
        name, weight = service if isinstance(service, tuple) else (service, 1)
        refs.append(f"{{name: {name}, port: 80, weight: {weight}}}")
    return f"{{backendRefs: [{', '.join(refs)}]{', ' + more if more else ''}}}"


def service(name, *endpoints, app_protocol=""):
    """A Service of port 80 and its slice; endpoints: (address, port), all of one port."""
    protocol = f", appProtocol: {app_protocol}" if app_protocol else ""
    out = f"""apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{ports: [{{name: http, port: 80{protocol}}}]}}
"""
    for number, (address, port) in enumerate(endpoints):
        out += f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{number}, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: ["{address}"]}}]
"""
    return out


def of(backend):
    return (backend.address, backend.port)


def secret(name, certificate, key):
    rows = "".join(f"  {field}: |\n" + "".join(f"    {line}\n" for line in text.splitlines())
                   for field, text in (("tls.crt", certificate), ("tls.key", key)))
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: default}}\ntype: kubernetes.io/tls\n" \
           f"stringData:\n{rows}"


def make_certificate(folder, *names):
    """(certificate, key) as PEM, signed by itself."""
    subject = ",".join(f"URI:{name}" if "://" in name else f"DNS:{name}" for name in names)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "30", "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={subject}", "-keyout", folder / "key.pem",
                    "-out", folder / "crt.pem"], check=True, capture_output=True)
    return (folder / "crt.pem").read_text(), (folder / "key.pem").read_text()


class Objects:
    """A folder of objects."""

    def __init__(self, files):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-objects-"))
        for name, text in files.items():
            self.write(name, text)

    def write(self, name, *documents):
        """Moves the file into place, as writers do that have readers."""
        other = self.folder / f".{name}.new"
        other.write_text("---\n".join(documents))
        os.replace(other, self.folder / name)

    def remove(self, name):
        (self.folder / name).unlink()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Followed(Objects):
    """A gateway that follows them."""

    def __init__(self, files, workers=1, path=None, arguments=(), **options):
        super().__init__(files)
        self.gateway = Gateway("--config", path or self.folder, *arguments, workers=workers, **options)

    def status(self):
        return json.loads(curl(f"http://{self.gateway.admin}/v1/status"))["configuration"]

    def conditions(self):
        return curl(f"http://{self.gateway.admin}/v1/gateway/status").decode()

    def await_changes(self, before):
        """Until something has changed after `before`, a count of status()."""
        assert eventually(lambda: self.status()["changes"] > before), self.gateway.errors
        return self.status()["changes"]

    def close(self):
        self.gateway.close()
        super().close()
