# SPDX-License-Identifier: Apache-2.0
"""fairlead-gateway with real backends in a folder of its own: nginx twice, a Python server that fails, a CA. No root.
close() ends all of it; what was kept is ended by its folder alone."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PREFIX = "fl-edge-"
HOST = "shop.example.test"
NGINX = """\
daemon off; pid nginx.pid; error_log stderr warn; worker_processes 1; events {{}}
http {{
  access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp;
  scgi_temp_path tmp; keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "{name}\\n"; }}
    location /colour {{ default_type application/json; return 200 '{{"colour": "{name}"}}'; }}
  }}
}}
"""
FLAKY = """\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def eventually(condition, limit=20.0):
    """The first true value of condition(), or its last one when the limit (seconds) has passed."""
    end = time.monotonic() + limit
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def started_at(pid):
    """When a process began, in ticks since the boot: tells it from a later one with its number. None: it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def free_ports(count):
    """Ports that nobody has at this moment, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class EdgeLab:
    def __init__(self, folder=None):
        """folder: of a lab that another process left; else a new one."""
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix=PREFIX))
        self.name = self.folder.name
        self.config = self.folder / "config"
        self.second = self.folder / "second"  # of another gateway, for limits that both share
        self.socket = self.folder / "gateway.sock"
        self.children = []
        if folder is None:
            self.config.mkdir()
            self.second.mkdir()
            self._note("tour", os.getpid())

    # ---- who is ours ----
    def _note(self, what, pid):
        with open(self.folder / "processes", "a") as file:
            file.write(json.dumps([what, pid, started_at(pid)]) + "\n")

    def noted(self):
        """[(what, pid)] of processes that still run."""
        try:
            rows = [json.loads(line) for line in (self.folder / "processes").read_text().splitlines()]
        except OSError:
            return []
        return [(what, pid) for what, pid, began in rows if began is not None and started_at(pid) == began]

    def given(self):
        return any(what == "tour" for what, _ in self.noted())

    def start(self, what, command, **options):
        log = open(self.folder / f"{what}.log", "ab")
        with log:
            child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stderr=log,
                                     stdout=options.pop("stdout", log), start_new_session=True, **options)
        self.children.append(child)
        self._note(what, child.pid)
        return child

    # ---- the parts ----
    def start_backends(self):
        """Gives whether all of them listen."""
        self.ports = dict(zip(("blue", "green", "flaky"), free_ports(3)))
        for name in ("blue", "green"):
            folder = self.folder / name
            folder.mkdir()
            (folder / "nginx.conf").write_text(NGINX.format(port=self.ports[name], name=name))
            self.start(name, [shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-e", "stderr", "-p", folder,
                              "-c", "nginx.conf"])
        self.start("flaky", [sys.executable, "-c", FLAKY, self.ports["flaky"]])
        return eventually(lambda: all(map(listens, self.ports.values())))

    def make_certificates(self):
        """A CA, and a certificate for HOST."""
        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *key, "-days", "30", "-subj", "/CN=demo CA", "-keyout", "ca.key", "-out", "ca.pem")
        openssl("req", "-x509", *key, "-days", "30", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}",
                "-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "site.key",
                "-out", "site.pem")

    def write(self, name, text, config=None):
        """Moves the file into place, as writers do that have readers."""
        other = self.folder / f"{name}.new"
        other.write_text(text)
        os.replace(other, (config or self.config) / name)

    def run_gateway(self, what, config, path):
        """Gives the admin address once it is ready."""
        out = self.folder / f"{what}.out"
        with open(out, "wb") as stdout:
            child = self.start(what, [ROOT / "build/bin/fairlead-gateway", "--config", config, "--socket", path, "--admin",
                                      "127.0.0.1:0"], stdout=stdout)
        if not eventually(lambda: "\nready\n" in out.read_text() or child.poll() is not None) or child.poll() is not None:
            raise RuntimeError("the gateway did not start: " + (self.folder / f"{what}.log").read_text())
        return re.search(r"^admin on (\S+)$", out.read_text(), re.MULTILINE)[1]

    def start_gateway(self):
        """Gives the seconds until it was ready."""
        began = time.monotonic()
        self.admin = self.run_gateway("gateway", self.config, self.socket)
        return time.monotonic() - began

    def start_second(self):
        self.run_gateway("second", self.second, self.folder / "second.sock")

    def start_redis(self):
        """Gives its port, or nothing where it does not listen."""
        port = free_ports(1)[0]
        self.start("redis", [shutil.which("redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir",
                             self.folder])
        return port if eventually(lambda: listens(port)) else None

    def ctl_command(self):
        return [str(ROOT / "build/bin/fairctl"), "--socket", str(self.socket), "gateway"]

    def ctl(self, *words):
        done = subprocess.run([*self.ctl_command(), *words], capture_output=True, text=True, timeout=30)
        return done.returncode, (done.stdout + done.stderr).rstrip("\n")

    # ---- the end ----
    def close(self):
        mine = [pid for what, pid in self.noted() if what != "tour"]
        for pid in mine:
            self._signal(pid, signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                pass
        running = lambda: [pid for what, pid in self.noted() if what != "tour"]  # noqa: E731
        if not eventually(lambda: not running(), 10):
            for pid in running():
                self._signal(pid, signal.SIGKILL)
            for child in self.children:
                child.wait()
            eventually(lambda: not running(), 10)
        if not running():
            shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _signal(pid, number):
        try:
            # Each leads a group of its own: what is killed takes its children along, as it cannot end them.
            (os.killpg if number == signal.SIGKILL else os.kill)(pid, number)
        except ProcessLookupError:
            pass

    def leftovers(self):
        left = [f"{what} ({pid})" for what, pid in self.noted() if what != "tour"]
        return left + ([str(self.folder)] if self.folder.exists() else [])
