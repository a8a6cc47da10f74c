# SPDX-License-Identifier: Apache-2.0
"""What kubelet does: a Pod is a process in a network namespace of its own, and its lines are its log."""
import datetime
import http.server
import os
import pathlib
import ssl
import subprocess
import threading
import urllib.parse

from api import API, path_of

PORT = 10250
# Stands for CoreDNS: an empty answer to each question.
NAMES = """
import socket
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("0.0.0.0", 53))
while True:
    question, asker = here.recvfrom(512)
    here.sendto(question[:2] + bytes([0x81, 0x80]) + question[4:6] + bytes(6) + question[12:], asker)
"""


def run(*command) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class Pod:
    def __init__(self, netns: str, process: subprocess.Popen):
        self.netns, self.process = netns, process
        self.lines = []  # (time, text)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.process.stdout:
            self.lines.append((now(), line))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        run("ip", "netns", "del", self.netns)


class Kubelet:
    def __init__(self, work: pathlib.Path, echo: pathlib.Path):
        self.work, self.echo = work, echo
        self.pods = {}  # by (namespace, name)
        self.count = 0

    def start(self, one: dict, data_of) -> None:
        """data_of(kind, namespace, name): what it mounts, by file."""
        ns, name = one["metadata"]["namespace"], one["metadata"]["name"]
        self.count += 1
        netns, address = f"pod{self.count}", f"10.244.{self.count // 200 + 2}.{self.count % 200 + 1}"
        run("ip", "netns", "add", netns)
        run("ip", "link", "add", f"veth{self.count}", "type", "veth", "peer", "name", "eth0", "netns", netns)
        run("ip", "link", "set", f"veth{self.count}", "master", "pods", "up")
        for words in (f"address add {address}/16 dev eth0", "link set eth0 up", "link set lo up"):
            run("ip", "-n", netns, *words.split())
        container = one["spec"]["containers"][0]
        program = ["/usr/bin/python3", "-c", NAMES] if "coredns" in container["image"] else [self.echo]
        process = subprocess.Popen(
            ["ip", "netns", "exec", netns, *program], env=self.environment(one, netns, data_of), text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.pods[(ns, name)] = Pod(netns, process)
        conditions = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "ContainersReady", "Ready")]
        API.patch(path_of("Pod", ns, name) + "/status", {"status": {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "127.0.0.1",
            "conditions": conditions}})

    def environment(self, one: dict, netns: str, data_of) -> dict:
        """The container's, with paths below its mounts led to files here."""
        metadata, container = one["metadata"], one["spec"]["containers"][0]
        fields = {"metadata.name": metadata["name"], "metadata.namespace": metadata["namespace"]}
        out = {entry["name"]: entry.get("value") or fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
               for entry in container.get("env", [])}
        for volume in one["spec"].get("volumes", []):
            source = volume.get("secret") or volume["configMap"]
            data = data_of("Secret" if "secret" in volume else "ConfigMap", metadata["namespace"],
                           source.get("secretName") or source["name"])
            folder = self.work / "pods" / netns / volume["name"]
            folder.mkdir(parents=True)
            for item in source.get("items") or [{"key": key, "path": key} for key in data]:
                (folder / item["path"]).write_bytes(data[item["key"]])
            at = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == volume["name"])
            out = {name: value.replace(f"{at}/", f"{folder}/", 1) for name, value in out.items()}
        return {"PATH": os.environ["PATH"], **out}

    def stop(self, key: tuple) -> None:
        if key in self.pods:
            self.pods.pop(key).stop()

    def close(self) -> None:
        for key in list(self.pods):
            self.stop(key)

    def log_of(self, path: str) -> bytes | None:
        """/containerLogs/NAMESPACE/POD/CONTAINER?sinceTime=..."""
        url = urllib.parse.urlparse(path)
        pod = self.pods.get(tuple(url.path.split("/")[2:4]))
        since = urllib.parse.parse_qs(url.query).get("sinceTime", ["1970-01-01T00:00:00Z"])[0]
        begin = datetime.datetime.fromisoformat(since.replace("Z", "+00:00"))
        return None if pod is None else "".join(line for when, line in list(pod.lines) if when >= begin).encode()

    def serve(self) -> None:
        """To the API server, which others ask for logs."""
        kubelet = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                found = kubelet.log_of(self.path)
                self.send_response(404 if found is None else 200)
                self.end_headers()
                self.wfile.write(found or b"")

            def log_message(self, *_):
                pass

        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=node", "-days", "30", "-keyout",
            self.work / "kubelet.key", "-out", self.work / "kubelet.crt")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.work / "kubelet.crt", self.work / "kubelet.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
