# SPDX-License-Identifier: Apache-2.0
"""The API server as the other parts of the cluster see it."""
import http.client
import json
import ssl
import sys
import threading
import time

TOKEN = "conformance"
PORT = 6443
CONTROLLER = "fairlead.io/gateway-controller"
GATEWAY = "/apis/gateway.networking.k8s.io/v1"
# kind: (path of its version, plural, of a namespace)
KINDS = {
    "Namespace": ("/api/v1", "namespaces", False),
    "Service": ("/api/v1", "services", True),
    "Secret": ("/api/v1", "secrets", True),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "Pod": ("/api/v1", "pods", True),
    "Deployment": ("/apis/apps/v1", "deployments", True),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices", True),
    "GatewayClass": (GATEWAY, "gatewayclasses", False),
    "Gateway": (GATEWAY, "gateways", True),
    "ListenerSet": (GATEWAY, "listenersets", True),
    "HTTPRoute": (GATEWAY, "httproutes", True),
    "GRPCRoute": (GATEWAY, "grpcroutes", True),
    "TLSRoute": (GATEWAY, "tlsroutes", True),
    "TCPRoute": (GATEWAY, "tcproutes", True),
    "UDPRoute": (GATEWAY, "udproutes", True),
    "ReferenceGrant": (GATEWAY, "referencegrants", True),
    "BackendTLSPolicy": (GATEWAY, "backendtlspolicies", True),
}
FAILURES = (OSError, http.client.HTTPException, ValueError, KeyError)


def log(*words) -> None:
    print(f"{time.monotonic():.2f}", *words, file=sys.stderr, flush=True)


def log_failure(what: str, error: Exception) -> None:
    """But of what has not begun, or has ended."""
    if not isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
        log(what, repr(error))


def path_of(kind: str, ns: str = "", name: str = "") -> str:
    version, plural, namespaced = KINDS[kind]
    where = f"{version}/namespaces/{ns}/{plural}" if namespaced and ns else f"{version}/{plural}"
    return f"{where}/{name}" if name else where


def key_of(one: dict) -> tuple:
    return one["metadata"].get("namespace", ""), one["metadata"]["name"]


class Api(threading.local):
    """A connection for each thread."""
    connection = None

    @staticmethod
    def open() -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", PORT, context=ssl._create_unverified_context())

    def ask(self, *request) -> tuple:
        """(status, answer) of method, path, perhaps a body and its type. A connection that was idle may be closed by now."""
        try:
            return self.ask_once(*request)
        except FAILURES:
            return self.ask_once(*request)

    def ask_once(self, method: str, path: str, body: dict | None = None, kind: str = "application/json") -> tuple:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        self.connection = self.connection or self.open()
        try:
            self.connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        except FAILURES:
            self.connection = None
            raise

    def must(self, method: str, path: str, body: dict | None = None, kind: str = "application/json") -> dict:
        """Whatever was meant is said in the log where it did not come about; what was there already is no fault."""
        status, answer = self.ask(method, path, body, kind)
        if status not in (200, 201, 202, 404, 409):
            log(method, path, status, answer.get("message"))
        return answer

    def patch(self, path: str, body: dict) -> dict:
        return self.must("PATCH", path, body, "application/merge-patch+json")


API = Api()


def watch(kind: str, take) -> None:
    """Calls take(kind, object, gone) for all that is there and for each change, for ever."""
    known = {}
    while True:
        try:
            _, answer = API.ask("GET", path_of(kind))
            fresh = {key_of(one): one for one in answer["items"]}
            for key in set(known) - set(fresh):
                take(kind, known[key], True)
            for one in fresh.values():
                take(kind, one, False)
            known = fresh
            connection = API.open()
            connection.request("GET", f"{path_of(kind)}?watch=true&resourceVersion={answer['metadata']['resourceVersion']}",
                               headers={"Authorization": f"Bearer {TOKEN}"})
            for line in connection.getresponse():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    break
                gone = event["type"] == "DELETED"
                known.pop(key_of(event["object"]), None)
                if not gone:
                    known[key_of(event["object"])] = event["object"]
                take(kind, event["object"], gone)
        except FAILURES as error:
            log_failure(f"watching {kind}", error)
            time.sleep(0.5)


# ---- Statuses, which others write to as well ----

def merge_conditions(present: list, before: list, wanted: list) -> list:
    """Ours, after what is there of types that were never ours; a CRD's defaults are nobody's."""
    types = {one["type"] for one in before + wanted}
    return [one for one in present if one["type"] not in types and one["reason"] != "Pending"] + wanted


def merge_status(present: dict, before: dict, wanted: dict) -> dict:
    out = {name: value for name, value in present.items() if name not in before} | wanted
    if "conditions" in wanted:
        out["conditions"] = merge_conditions(present.get("conditions", []), before.get("conditions", []), wanted["conditions"])
    if "listeners" in wanted:
        there, ours = ({one["name"]: one["conditions"] for one in status.get("listeners", [])} for status in (present, before))
        out["listeners"] = [one | {"conditions": merge_conditions(there.get(one["name"], []), ours.get(one["name"], []),
                                                                  one["conditions"])} for one in wanted["listeners"]]
    for listed in ("parents", "ancestors"):
        if listed in present or listed in wanted:
            others = [one for one in present.get(listed, []) if one["controllerName"] != CONTROLLER]
            out[listed] = others + wanted.get(listed, [])
    return out
