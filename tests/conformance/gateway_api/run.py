# SPDX-License-Identifier: Apache-2.0
"""Gateway API's conformance suite against fairlead-gateway, without a cluster's nodes: a real etcd and API server, and this
program in the place of all else. It starts backends as kubelet does, makes Pods of Deployments and EndpointSlices of Services,
hands the objects to the gateway as files and writes the statuses back that the gateway gives. A Gateway that names no address
gets one of its own, as from a load balancer. In network and mount namespaces of its own: scripts/conformance starts it."""
import argparse
import base64
import http.client
import json
import pathlib
import queue
import re
import socket
import subprocess
import sys
import threading
import time

import yaml

from api import API, CONTROLLER, FAILURES, KINDS, PORT, TOKEN, key_of, log_failure, merge_status, path_of, watch
from kubelet import Kubelet, run
import kubelet as node

USABLE, UNUSABLE = "10.244.1.250", "192.0.2.1"  # of which the suite makes Gateways
PROFILES = ("GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS", "GATEWAY-TCP", "GATEWAY-UDP")
UNREAD = ("Pod", "Deployment")  # by the gateway
LIMIT_S = 1800


def is_established(crd: dict) -> bool:
    conditions = crd["status"].get("conditions") or ()
    return any((one["type"], one["status"]) == ("Established", "True") for one in conditions)


class ControlPlane:
    def __init__(self, work: pathlib.Path):
        self.work, self.processes = work, []

    def begin(self, server: str, crds: pathlib.Path) -> None:
        work = self.work
        run("openssl", "genrsa", "-out", work / "accounts.key", "2048")
        (work / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        self.start("etcd", "etcd", "--data-dir", work / "etcd", "--unsafe-no-fsync")
        self.start("apiserver", server, "--etcd-servers=http://127.0.0.1:2379", f"--secure-port={PORT}",
                   "--advertise-address=10.244.0.1", "--service-cluster-ip-range=10.96.0.0/16",
                   f"--cert-dir={work}/certificates", f"--token-auth-file={work}/tokens.csv",
                   "--authorization-mode=AlwaysAllow", "--endpoint-reconciler-type=none",
                   "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={work}/accounts.key",
                   f"--service-account-signing-key-file={work}/accounts.key", "--disable-admission-plugins=ServiceAccount")
        self.await_answer("/api/v1/namespaces/default", lambda _: True)
        self.install(crds)

    def start(self, name: str, *command) -> subprocess.Popen:
        with (self.work / f"{name}.log").open("wb") as out:
            self.processes.append(subprocess.Popen([str(word) for word in command], stdout=out, stderr=out))
        return self.processes[-1]

    def await_answer(self, path: str, good) -> None:
        while True:
            dead = next((process for process in self.processes if process.poll() is not None), None)
            if dead is not None:
                raise RuntimeError(f"{dead.args[0]} has ended; its log is in {self.work}")
            try:
                status, answer = API.ask("GET", path)
                if status == 200 and good(answer):
                    return
            except FAILURES:
                pass
            time.sleep(0.1)

    def install(self, crds: pathlib.Path) -> None:
        at = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for file in sorted(crds.glob("gateway*.yaml")):
            for one in yaml.load_all(file.read_text(), yaml.CSafeLoader):
                if one and one["kind"] == "CustomResourceDefinition":
                    API.must("POST", at, one)
                    self.await_answer(f"{at}/{one['metadata']['name']}", is_established)
        API.must("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}})
        API.patch("/api/v1/nodes/node/status", {"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                                                           "daemonEndpoints": {"kubeletEndpoint": {"Port": node.PORT}}}})
        API.must("POST", path_of("GatewayClass"), {
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "gateway-conformance"},
            "spec": {"controllerName": CONTROLLER}})

    def kubeconfig(self) -> pathlib.Path:
        cluster = {"server": f"https://127.0.0.1:{PORT}", "insecure-skip-tls-verify": True}
        (self.work / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it", "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": TOKEN}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]}))
        return self.work / "kubeconfig"

    def close(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait()


class Controllers:
    """All changes are looked at by one thread, one after the other."""

    def __init__(self, work: pathlib.Path, kubelet: Kubelet):
        self.work, self.kubelet = work, kubelet
        self.objects = {kind: {} for kind in KINDS}  # by (namespace, name)
        self.changes = queue.Queue()
        self.addresses = {}
        self.written = {}
        self.config = work / "config"
        self.config.mkdir()

    def follow(self) -> None:
        for kind in KINDS:
            threading.Thread(target=watch, args=(kind, lambda *change: self.changes.put(change)), daemon=True).start()
        threading.Thread(target=self.take_changes, daemon=True).start()
        threading.Thread(target=self.take_statuses, daemon=True).start()

    def take_changes(self) -> None:
        while True:
            kind, one, gone = self.changes.get()
            try:
                self.take(kind, one, gone)
            except (*FAILURES, subprocess.CalledProcessError) as error:
                log_failure(f"{kind} {key_of(one)}", error)

    def take(self, kind: str, one: dict, gone: bool) -> None:
        key = key_of(one)
        if gone:
            self.objects[kind].pop(key, None)
        else:
            self.objects[kind][key] = one
        if kind not in UNREAD:
            self.write(kind, one, gone)
        if kind == "Deployment":
            self.deploy(key, one, gone)
        elif kind == "Pod" and gone:
            self.kubelet.stop(key)
        elif kind in ("Pod", "Secret", "ConfigMap"):
            self.start_pods()
        elif kind == "Namespace" and one["metadata"].get("deletionTimestamp") and not gone:
            self.empty(one)
        if kind in ("Pod", "Service"):
            for of_service, service in list(self.objects["Service"].items()):
                if of_service[0] == key[0] and kind == "Pod" or of_service == key:
                    self.slice(of_service, service)
        if kind == "Service" and gone:
            API.must("DELETE", path_of("EndpointSlice", key[0], f"{key[1]}-pods"))

    def deploy(self, key: tuple, one: dict, gone: bool) -> None:
        template, prefix = one["spec"]["template"], f"{key[1]}-{one['metadata']['uid'][:5]}"
        for number in range(one["spec"].get("replicas", 1)):
            name = f"{prefix}-{number}"
            if gone:
                API.must("DELETE", path_of("Pod", key[0], name) + "?gracePeriodSeconds=0")
            elif (key[0], name) not in self.objects["Pod"]:
                API.must("POST", path_of("Pod", key[0]), {
                    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": template["metadata"]["labels"]},
                    "spec": template["spec"] | {"nodeName": "node"}})

    def start_pods(self) -> None:
        """Those for which everything is there that they mount."""
        for key, pod in self.objects["Pod"].items():
            mounted = [("Secret", one["secret"]["secretName"]) if "secret" in one else ("ConfigMap", one["configMap"]["name"])
                       for one in pod["spec"].get("volumes", [])]
            if key not in self.kubelet.pods and all((key[0], name) in self.objects[kind] for kind, name in mounted):
                self.kubelet.start(pod, self.data_of)

    def data_of(self, kind: str, ns: str, name: str) -> dict:
        data = self.objects[kind][(ns, name)].get("data", {})
        return {field: base64.b64decode(value) if kind == "Secret" else value.encode() for field, value in data.items()}

    def slice(self, key: tuple, service: dict) -> None:
        selector = service["spec"].get("selector", {})
        pods = [pod for of_pod, pod in self.objects["Pod"].items() if of_pod[0] == key[0] and selector and
                selector.items() <= pod["metadata"].get("labels", {}).items() and pod.get("status", {}).get("podIP")]
        if not pods:
            return
        ports = [{"name": port.get("name", ""), "port": port["targetPort"], "protocol": port["protocol"]}
                 | ({"appProtocol": port["appProtocol"]} if "appProtocol" in port else {}) for port in service["spec"]["ports"]]
        name = f"{key[1]}-pods"
        out = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": ports,
               "metadata": {"name": name, "labels": {"kubernetes.io/service-name": key[1]}},
               "endpoints": [{"addresses": [pod["status"]["podIP"]], "conditions": {"ready": True}, "targetRef": {
                   "kind": "Pod", "name": pod["metadata"]["name"], "namespace": key[0]}} for pod in pods]}
        if API.ask("PUT", path_of("EndpointSlice", key[0], name), out)[0] == 404:
            API.must("POST", path_of("EndpointSlice", key[0]), out)

    def empty(self, namespace: dict) -> None:
        name = namespace["metadata"]["name"]
        for kind, (_, _, namespaced) in KINDS.items():
            for one in API.must("GET", path_of(kind, name))["items"] if namespaced else ():
                API.must("DELETE", path_of(kind, name, one["metadata"]["name"]) + "?gracePeriodSeconds=0")
        API.must("PUT", path_of("Namespace", "", name) + "/finalize", namespace | {"spec": {"finalizers": []}})

    # ---- The gateway's controller ----

    def write(self, kind: str, one: dict, gone: bool) -> None:
        target = self.config / f"{kind}.{one['metadata']['uid']}.yaml"
        if gone:
            return target.unlink(missing_ok=True)
        out = {"apiVersion": KINDS[kind][0].split("/", 2)[2], "kind": kind} | one
        out.pop("status", None)
        if kind == "Gateway" and not any(address.get("value") for address in one["spec"].get("addresses", ())):
            out["spec"] = one["spec"] | {"addresses": [{"type": "IPAddress", "value": self.address_of(key_of(one))}]}
        fresh = self.work / "fresh"
        fresh.write_text(json.dumps(out))
        fresh.rename(target)

    def address_of(self, gateway: tuple) -> str:
        if gateway not in self.addresses:
            self.addresses[gateway] = f"10.244.1.{len(self.addresses) + 1}"
            run("ip", "address", "add", f"{self.addresses[gateway]}/16", "dev", "pods")
        return self.addresses[gateway]

    def statuses(self) -> list:
        connection = http.client.HTTPConnection("localhost")
        with socket.socket(socket.AF_UNIX) as connection.sock:
            connection.sock.connect(str(self.work / "gateway.sock"))
            connection.request("GET", "/v1/gateway/status?format=json")
            return json.loads(connection.getresponse().read())["items"]

    def take_statuses(self) -> None:
        while True:
            try:
                for one in self.statuses():
                    self.write_status(one["kind"], key_of(one), one["status"])
            except FAILURES as error:
                log_failure("statuses", error)
            time.sleep(0.1)

    def write_status(self, kind: str, key: tuple, wanted: dict) -> None:
        known = self.objects.get(kind, {}).get(key)
        if known is None:
            return
        mark = (kind, key, known["metadata"]["uid"])
        before = self.written.get(mark, {})
        if before == wanted:
            return
        status, current = API.ask("GET", path_of(kind, *key))
        if status != 200 or current["metadata"]["uid"] != mark[2]:
            return
        current["status"] = merge_status(current.get("status", {}), before, wanted)
        answer = API.must("PUT", path_of(kind, *key) + "/status", current)
        if answer.get("code") != 409:
            self.written[mark] = wanted


def make_network() -> None:
    run("mkdir", "-p", "/run/netns")
    run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    for words in ("link set lo up", "link add pods type bridge", "link set pods up", "address add 10.244.0.1/16 dev pods",
                  f"address add {USABLE}/16 dev pods"):
        run("ip", *words.split())


def run_suite(programs: dict, plane: ControlPlane, work: pathlib.Path, flags: list) -> tuple:
    (work / "options.yaml").write_text(json.dumps({
        "usableNetworkAddresses": [{"type": "IPAddress", "value": USABLE}],
        "unusableNetworkAddresses": [{"type": "IPAddress", "value": UNUSABLE}]}))
    done = subprocess.run([programs["suite"], "-test.v", "-test.run", "TestConformance$", "-cleanup-base-resources=false",
                           "-conformance-profiles", ",".join(PROFILES), f"-conformance-options-file={work}/options.yaml",
                           *flags],
                          cwd=programs["sources"], env={"KUBECONFIG": str(plane.kubeconfig())}, text=True, timeout=LIMIT_S,
                          capture_output=True, check=False)
    (work / "suite.log").write_text(done.stdout + done.stderr)
    found = re.findall(r"^    --- (\w+): TestConformance/(\w+) ", done.stdout, re.M)
    for outcome, name in found:
        if outcome == "FAIL":
            print(f"  FAILED: {name}")
    counts = [sum(outcome == one for outcome, _ in found) for one in ("PASS", "FAIL", "SKIP")]
    print(f"  {counts[2]} not run, as they are of features that the GatewayClass does not name")
    return counts[0], max(counts[1], int(done.returncode != 0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=json.loads, help="what programs.build() says, as JSON")
    parser.add_argument("work", type=pathlib.Path, help="an empty folder; logs are left there")
    parser.add_argument("gateway", type=pathlib.Path, help="the program")
    options, flags = parser.parse_known_args()
    make_network()
    kubelet = Kubelet(options.work, options.programs["echo"])
    plane = ControlPlane(options.work)
    try:
        plane.begin(options.programs["kube-apiserver"], pathlib.Path(options.programs["crds"]))
        kubelet.serve()
        controllers = Controllers(options.work, kubelet)
        plane.start("gateway", options.gateway, "--config", controllers.config, "--socket", options.work / "gateway.sock",
                    "--admin", "", "--workers", 2)
        controllers.follow()
        plane.await_answer(path_of("GatewayClass", "", "gateway-conformance"), lambda one: "supportedFeatures" in one["status"])
        passed, failed = run_suite(options.programs, plane, options.work, flags)
    finally:
        kubelet.close()
        plane.close()
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
