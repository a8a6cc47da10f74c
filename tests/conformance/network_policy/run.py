# SPDX-License-Identifier: Apache-2.0
"""The cases of cyclonus on a node in miniature (scripts/demo/lab.py): fairlead-agent reads what each step has, every pod asks
every other on every port, by its own address or its service's. Usage: run.py CASES pod|service. Ends with `N passed, N failed`.

A pod that asks itself is left out: cyclonus' model closes that too, Kubernetes says that no policy can."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts/demo"))
import lab as demo
import objects

PORTS = [(number, protocol) for number in (80, 81) for protocol in ("TCP", "UDP")]
LIMIT_S = 30


class Pod:
    app = ""  # the lab starts nothing for it

    def __init__(self, key: str, address: str):
        self.key, self.name, self.address = key, key.replace("/", "-"), address
        self.service = address.replace("10.244.", "10.96.")


def metadata(name: str, namespace: str, labels: dict) -> dict:
    return {"name": name, "namespace": namespace, "labels": labels}


def objects_of_pod(pod: dict, service: str) -> list:
    namespace, name, key = pod["Namespace"], pod["Name"], "kubernetes.io/service-name"
    containers = [{"name": f"cont-{number}-{protocol.lower()}", "image": "any", "ports": [
        {"name": f"serve-{number}-{protocol.lower()}", "containerPort": number, "protocol": protocol}]} for number, protocol in PORTS]
    ports = [{"name": f"{protocol.lower()}-{number}", "port": number, "protocol": protocol} for number, protocol in PORTS]
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata(name, namespace, pod["Labels"]),
         "spec": {"nodeName": objects.NODE, "serviceAccountName": "default", "containers": containers},
         "status": {"phase": "Running", "podIP": pod["Address"], "podIPs": [{"ip": pod["Address"]}]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata(name, namespace, {}),
         "spec": {"clusterIP": service, "clusterIPs": [service], "selector": pod["Labels"], "ports": ports}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata(name, namespace, {key: name}),
         "addressType": "IPv4", "ports": ports, "endpoints": [{"addresses": [pod["Address"]], "conditions": {"ready": True}}]}]


def text_of(step: dict, pods: dict, mark: str) -> str:
    """A List; the service `mark` shows when it is in force."""
    items = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": objects.NODE},
              "status": {"addresses": [{"type": "InternalIP", "address": objects.NODE_ADDRESS}]}},
             {"apiVersion": "v1", "kind": "Service", "metadata": metadata(mark, "marks", {}),
              "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 1}]}}]
    items += [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
              for name, labels in step["Namespaces"].items()]
    for pod in step["Pods"]:
        items += objects_of_pod(pod, pods[f"{pod['Namespace']}/{pod['Name']}"].service)
    items += [policy | {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"} for policy in step["Policies"] or []]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


class Node:
    def __init__(self, pods: dict, by_service: bool):
        self.pods, self.by_service = pods, by_service
        objects.PODS = list(pods.values())
        self.lab = demo.Lab(name=f"fl-policies-{os.getpid()}")
        self.workers = {}

    def start(self, step: dict) -> None:
        self.lab.make_network()
        self.lab.config.mkdir()
        self.put(text_of(step, self.pods, "start"))
        self.lab.start_agent()
        program = pathlib.Path(__file__).with_name("pod.py")
        for key, pod in self.pods.items():
            command = self.lab.pod_command(pod.name, [sys.executable, "-B", str(program), pod.address, "80", "81"])
            self.workers[key] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if self.workers[key].stdout.readline() != "up\n":
                raise RuntimeError(f"{key} did not start")

    def put(self, text: str) -> None:
        (self.lab.folder / "next").write_text(text)
        os.replace(self.lab.folder / "next", self.lab.config / "all.json")

    def apply(self, step: dict, mark: str) -> None:
        self.put(text_of(step, self.pods, mark))
        if not demo.eventually(lambda: f'"{mark}"' in self.lab.ctl("services", "-o", "json")[1], LIMIT_S):
            raise RuntimeError(f"{mark} did not come into force:\n" + self.lab.log("agent")[-2000:])

    def ask(self, questions: list) -> list:
        """What became of each."""
        by_pod = {}
        for question in questions:
            by_pod.setdefault(question["From"], []).append(question)
        for key, asked in by_pod.items():
            lines = [(one["Protocol"], self.address(one["To"]), one["Port"]) for one in asked]
            self.workers[key].stdin.write(json.dumps(lines) + "\n")
            self.workers[key].stdin.flush()
        return [(question, answer) for key, asked in by_pod.items()
                for question, answer in zip(asked, json.loads(self.workers[key].stdout.readline()))]

    def address(self, key: str) -> str:
        return self.pods[key].service if self.by_service else self.pods[key].address

    def close(self) -> None:
        self.lab.close()
        for worker in self.workers.values():
            worker.communicate()


def main() -> int:
    cases = json.loads(pathlib.Path(sys.argv[1]).read_text())
    pods = {key: Pod(key, pod["Address"]) for case in cases for step in case["Steps"] for pod in step["Pods"]
            for key in [f"{pod['Namespace']}/{pod['Name']}"]}
    node = Node(pods, sys.argv[2] == "service")
    passed = failed = 0
    try:
        node.start(cases[0]["Steps"][0])
        for number, case in enumerate(cases):
            for index, step in enumerate(case["Steps"]):
                node.apply(step, f"step-{number}-{index}")
                others = [one for one in step["Questions"] if one["From"] != one["To"]]
                wrong = [(one, answer) for one, answer in node.ask(others) if (answer == "ok") != one["Allowed"]]
                passed += len(others) - len(wrong)
                failed += len(wrong)
                if wrong:
                    print(f"  FAILED: {case['Name']}, step {index}: {len(wrong)} of {len(others)}, such as {wrong[0]}")
    finally:
        node.close()
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
