# SPDX-License-Identifier: Apache-2.0
"""The demo's cluster as Kubernetes objects: what a user would get by `kubectl get -o yaml`."""
import dataclasses
import textwrap


@dataclasses.dataclass(frozen=True)
class Pod:
    name: str
    app: str
    address: str
    redirect: bool = False


@dataclasses.dataclass(frozen=True)
class Service:
    name: str
    address: str
    port: int
    target: int
    protocol: str = "TCP"


NODE = "demo-node"
NODE_ADDRESS = "192.0.2.1"
PODS = (
    Pod("web-1", "web", "10.244.0.11"),
    Pod("web-2", "web", "10.244.0.12"),
    Pod("web-3", "web", "10.244.0.13"),
    Pod("redis-1", "redis", "10.244.0.21", redirect=True),
    Pod("dns-1", "dns", "10.244.0.31"),
    Pod("shop", "shop", "10.244.0.101", redirect=True),
    Pod("shop-tcp", "shop", "10.244.0.103"),
    Pod("intruder", "intruder", "10.244.0.102"),
)
SERVICES = (
    Service("web", "10.96.0.10", 80, 8080),
    Service("redis", "10.96.0.20", 6379, 6379),
    Service("dns", "10.96.0.53", 53, 53, "UDP"),
)


def node_yaml():
    return textwrap.dedent(f"""\
        apiVersion: v1
        kind: Node
        metadata: {{name: {NODE}, labels: {{topology.kubernetes.io/zone: zone-a}}}}
        status: {{addresses: [{{type: InternalIP, address: {NODE_ADDRESS}}}]}}
        ---
        apiVersion: v1
        kind: Namespace
        metadata: {{name: default}}
        """)


def pod_yaml(pod):
    redirect = ', annotations: {fairlead.io/redirect: "true"}' if pod.redirect else ""
    return textwrap.dedent(f"""\
        apiVersion: v1
        kind: Pod
        metadata: {{name: {pod.name}, namespace: default, labels: {{app: {pod.app}}}{redirect}}}
        spec: {{nodeName: {NODE}, serviceAccountName: {pod.app}, containers: [{{name: {pod.app}}}]}}
        status: {{phase: Running, podIP: {pod.address}, podIPs: [{{ip: {pod.address}}}]}}
        """)


def service_yaml(service, without):
    endpoints = "".join(
        f"\n- {{addresses: [{pod.address}], conditions: {{ready: true}}, nodeName: {NODE}, "
        f"targetRef: {{kind: Pod, name: {pod.name}, namespace: default}}}}"
        for pod in PODS if pod.app == service.name and pod.name not in without)
    return textwrap.dedent(f"""\
        apiVersion: v1
        kind: Service
        metadata: {{name: {service.name}, namespace: default}}
        spec:
          clusterIP: {service.address}
          clusterIPs: [{service.address}]
          selector: {{app: {service.name}}}
          ports: [{{name: main, port: {service.port}, targetPort: {service.target}, protocol: {service.protocol}}}]
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata:
          name: {service.name}-1
          namespace: default
          labels: {{kubernetes.io/service-name: {service.name}}}
        addressType: IPv4
        ports: [{{name: main, port: {service.target}, protocol: {service.protocol}}}]
        endpoints:""") + endpoints + "\n"


def policy_yaml():
    return textwrap.dedent("""\
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: redis-for-shop-only, namespace: default}
        spec:
          podSelector: {matchLabels: {app: redis}}
          policyTypes: [Ingress]
          ingress:
          - from: [{podSelector: {matchLabels: {app: shop}}}]
            ports: [{protocol: TCP, port: 6379}]
        """)


def services_yaml(without=()):
    """All services; the pods named are left out of their endpoints."""
    return "---\n".join(service_yaml(service, without) for service in SERVICES)


def files():
    """File name -> contents of the configuration directory."""
    return {
        "node.yaml": node_yaml(),
        "pods.yaml": "---\n".join(pod_yaml(pod) for pod in PODS),
        "services.yaml": services_yaml(),
        "policy.yaml": policy_yaml(),
    }
