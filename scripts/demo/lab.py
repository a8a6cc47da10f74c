# SPDX-License-Identifier: Apache-2.0
"""A node in miniature: namespaces for the node and its pods, a cgroup, real servers, and the agent. The machine's own
addresses, routes, cgroups and pins are not touched; close() removes all of it."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import objects

ROOT = pathlib.Path(__file__).resolve().parents[2]
GATEWAY = "169.254.1.1"  # the pods' next hop: the node's end of every veth pair
NGINX = """\
daemon off; pid nginx.pid; error_log stderr warn; user root; worker_processes 1; events {{}}
http {{
  access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp;
  scgi_temp_path tmp;
  server {{ listen {address}:8080; location / {{ return 200 "{name}\\n"; }} }}
}}
"""


def cgroup2_mount():
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return pathlib.Path(line.split()[1])
    raise RuntimeError("no cgroup2 mount in /proc/mounts: mount -t cgroup2 none /sys/fs/cgroup")


def eventually(condition, limit=20.0):
    """The first true value of condition(), or its last one when the limit (seconds) has passed."""
    end = time.monotonic() + limit
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


class Lab:
    def __init__(self, name=None, folder=None):
        """folder: it is made by make_folder(), or stands already when another process left this lab."""
        self.name = name or f"fl-demo-{os.getpid()}"
        self.folder = folder or pathlib.Path(tempfile.mkdtemp(prefix=self.name + "-"))
        self.cgroup = cgroup2_mount() / self.name
        self.pins = pathlib.Path("/sys/fs/bpf") / self.name
        self.socket = self.folder / "agent.sock"
        self.config = self.folder / "config"
        self.processes = []
        self.agent = None

    # ---- namespaces ----
    def netns(self, pod):
        return f"{self.name}-{pod}"

    def _ip(self, ns, words):
        subprocess.run(["ip", "-n", self.netns(ns), *words.split()], check=True)

    def make_network(self):
        """The node's namespace routes; each pod hangs on it by a veth pair."""
        for ns in ("node", *(pod.name for pod in objects.PODS)):
            subprocess.run(["ip", "netns", "add", self.netns(ns)], check=True)
            self._ip(ns, "link set lo up")
        self._ip("node", f"address add {objects.NODE_ADDRESS}/32 dev lo")
        subprocess.run(self.inside("node") + ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True)
        for number, pod in enumerate(objects.PODS):
            device = f"pod{number}"
            self._ip("node", f"link add {device} type veth peer name eth0 netns {self.netns(pod.name)}")
            self._ip("node", f"address add {GATEWAY}/32 dev {device}")
            self._ip("node", f"link set {device} up")
            self._ip(pod.name, f"address add {pod.address}/32 dev eth0")
            self._ip(pod.name, "link set eth0 up")
            self._ip(pod.name, f"route add {GATEWAY} dev eth0 scope link")
            self._ip(pod.name, f"route add default via {GATEWAY} dev eth0")
            self._ip("node", f"route add {pod.address}/32 dev {device} src {objects.NODE_ADDRESS}")

    def inside(self, ns):
        """Words that put a command into a namespace. Not `ip netns exec`: that mounts another /sys, without bpffs."""
        return ["nsenter", f"--net=/run/netns/{self.netns(ns)}"]

    # ---- processes ----
    def pod_command(self, pod, argv):
        """The command inside the pod's namespace and cgroup."""
        group = self.cgroup / pod
        group.mkdir(parents=True, exist_ok=True)
        return self.inside(pod) + ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(group), *argv]

    def run(self, pod, *argv, limit=60):
        """Runs a client in a pod; gives status and output."""
        done = subprocess.run(self.pod_command(pod, argv), capture_output=True, text=True, timeout=limit,
                              stdin=subprocess.DEVNULL)
        return done.returncode, (done.stdout + done.stderr).strip()

    def start(self, name, command):
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   cwd=self.folder, start_new_session=True)
        log.close()
        self.processes.append(process)
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    # ---- servers ----
    def start_servers(self):
        for pod in objects.PODS:
            if command := getattr(self, f"_{pod.app}_command", lambda _: None)(pod):
                self.start(pod.name, self.pod_command(pod.name, command))
        waiting = [(pod, port) for pod, port in self._listeners() if not eventually(lambda: self._listens(pod, port))]
        if waiting:
            pod, port = waiting[0]
            raise RuntimeError(f"{pod} does not listen on {port}:\n{self.log(pod)}")

    def _listeners(self):
        port_of = {service.name: service.target for service in objects.SERVICES}
        return [(pod.name, port_of[pod.app]) for pod in objects.PODS if pod.app in port_of]

    def _listens(self, pod, port):
        sockets = subprocess.run(self.inside(pod) + ["ss", "-Hlntu", f"sport = :{port}"], capture_output=True)
        return bool(sockets.stdout)

    def _web_command(self, pod):
        folder = self.folder / pod.name
        (folder / "tmp").mkdir(parents=True)
        (folder / "nginx.conf").write_text(NGINX.format(address=pod.address, name=pod.name))
        return ["nginx", "-e", "stderr", "-p", str(folder), "-c", "nginx.conf"]

    def _redis_command(self, pod):
        return ["redis-server", "--port", "6379", "--bind", pod.address, "--protected-mode", "no", "--save", ""]

    def _dns_command(self, pod):
        return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                "--pid-file=", f"--listen-address={pod.address}", "--bind-interfaces",
                "--address=/example.test/192.0.2.80"]

    # ---- agent ----
    def write_config(self):
        self.config.mkdir()
        for name, text in objects.files().items():
            (self.config / name).write_text(text)

    def agent_command(self):
        return [str(ROOT / "build/bin/fairlead-agent"), "--config", str(self.config), "--cgroup", str(self.cgroup),
                "--pin-dir", str(self.pins), "--run-dir", str(self.folder), "--socket", str(self.socket),
                "--metrics", "127.0.0.1:9464", "--node", objects.NODE]

    def start_agent(self):
        """Seconds until it said ready."""
        begin = time.monotonic()
        self.cgroup.mkdir(exist_ok=True)
        self.agent = self.start("agent", self.inside("node") + self.agent_command())

        def ready():
            return "ready" in self.log("agent").split("\n") or self.agent.poll() is not None
        eventually(ready, 60)
        if "ready" not in self.log("agent").split("\n"):
            raise RuntimeError("fairlead-agent did not say ready:\n" + self.log("agent"))
        return time.monotonic() - begin

    def ctl_command(self, *words):
        return [str(ROOT / "build/bin/fairctl"), "--socket", str(self.socket), *words]

    def ctl(self, *words):
        done = subprocess.run(self.ctl_command(*words), capture_output=True, text=True, timeout=30)
        return done.returncode, (done.stdout + done.stderr).rstrip()

    # ---- end ----
    def _agent_pids(self):
        """By their command line: the lab may be one that another process left."""
        if self.agent:
            self.agent.poll()  # an ended child has a pid until it is waited for
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"/fairlead-agent") and str(self.pins).encode() in words:
                found.append(int(process.name))
        return found

    def _stop_processes(self):
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._agent_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            if eventually(lambda: not self._agent_pids(), 5):
                break
        if self.cgroup.exists():  # servers and clients, whatever they forked
            (self.cgroup / "cgroup.kill").write_text("1")
        for process in self.processes:
            process.wait()

    def close(self):
        self._stop_processes()
        if self.pins.exists():
            self.ctl("uninstall", "--pin-dir", str(self.pins), "--run-dir", str(self.folder))
        shutil.rmtree(self.pins, ignore_errors=True)  # what another version could not name
        for group in sorted(self.cgroup.rglob("*/")) + [self.cgroup]:
            if group.is_dir():
                eventually(lambda: self._remove_group(group), 5)
        for ns in ("node", *(pod.name for pod in objects.PODS)):
            subprocess.run(["ip", "netns", "delete", self.netns(ns)], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def leftovers(self):
        """What close() should have removed and is still there."""
        left = [str(path) for path in (self.cgroup, self.pins, self.folder) if path.exists()]
        left += [f"process {pid}" for pid in self._agent_pids()]
        names = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout.split()
        return left + [f"network namespace {name}" for name in names if name.startswith(self.name + "-")]

    @staticmethod
    def _remove_group(group):
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True
