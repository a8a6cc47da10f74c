# SPDX-License-Identifier: Apache-2.0
"""The objects of the gateway's tour, as YAML."""
import textwrap


def gateway_yaml(port, host, certificate, key):
    pem = "".join(f"  {name}: |\n" + textwrap.indent(text.strip() + "\n", "    ")
                  for name, text in (("tls.crt", certificate), ("tls.key", key)))
    return f"""apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: fairlead}}
spec: {{controllerName: fairlead.io/gateway-controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: default}}
spec:
  gatewayClassName: fairlead
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  listeners:
  - {{name: https, protocol: HTTPS, port: {port}, hostname: {host}, tls: {{certificateRefs: [{{name: site}}]}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: site, namespace: default}}
type: kubernetes.io/tls
stringData:
{pem}"""


def service_yaml(name, *ports):
    """A Service with one endpoint for each port of this machine."""
    slices = "".join(f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{number}, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
""" for number, port in enumerate(ports))
    return f"""apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{ports: [{{name: http, port: 80}}]}}
{slices}"""


def services_yaml(blue, green, flaky):
    """blue, green, and mixed: one backend that works and one that always answers 503, with a policy that retries."""
    policy = """apiVersion: fairlead.io/v1alpha1
kind: BackendPolicy
metadata: {name: mixed, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: mixed}]
  retry: {attempts: 2, retryOn: [gateway-error]}
  loadBalancer: {type: RoundRobin}
"""
    return "---\n".join([service_yaml("blue", blue), service_yaml("green", green), service_yaml("mixed", blue, flaky),
                         policy])


def routes_yaml(host, blue=90, green=10):
    return f"""apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: shop, namespace: default}}
spec:
  parentRefs: [{{name: edge}}]
  hostnames: [{host}]
  rules:
  - backendRefs: [{{name: blue, port: 80, weight: {blue}}}, {{name: green, port: 80, weight: {green}}}]
  - matches: [{{headers: [{{name: x-canary, value: "yes"}}]}}]
    backendRefs: [{{name: green, port: 80}}]
  - matches: [{{path: {{value: /retry}}}}]
    backendRefs: [{{name: mixed, port: 80}}]
"""


KEYS = {"ada": "key-of-ada", "bob": "key-of-bob"}
LIMIT = 20  # requests of a consumer in a day


def api_yaml(host, redis):
    """/api for consumers with keys, limited in Redis; /colours from two backends; /stored from a cache."""
    consumers = "".join(f"""---
apiVersion: fairlead.io/v1alpha1
kind: Consumer
metadata: {{name: {name}, namespace: default}}
spec: {{credentials: [{{apiKey: {{key: {key}}}}}]}}
""" for name, key in KEYS.items())
    return f"""apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: api, namespace: default}}
spec:
  parentRefs: [{{name: edge}}]
  hostnames: [{host}]
  rules:
  - {{name: keyed, matches: [{{path: {{value: /api}}}}], backendRefs: [{{name: blue, port: 80}}]}}
  - {{name: colours, matches: [{{path: {{value: /colours}}}}]}}
  - {{name: stored, matches: [{{path: {{value: /stored}}}}], backendRefs: [{{name: blue, port: 80}}, {{name: green, port: 80}}]}}
---
apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: keyed, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: api, sectionName: keyed}}]
  authentication: {{methods: {{apiKey: {{hideCredentials: true}}}}}}
  rateLimits:
    store: Redis
    redis: {{addresses: ["127.0.0.1:{redis}"], onFailure: Closed, timeout: 5s}}
    limits: [{{name: daily, algorithm: FixedWindow, requests: {LIMIT}, per: Day}}]
---
apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: colours, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: api, sectionName: colours}}]
  aggregate:
    calls:
    - {{name: one, backendRef: {{name: blue, port: 80}}, path: /colour}}
    - {{name: other, backendRef: {{name: green, port: 80}}, path: /colour}}
---
apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: stored, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: api, sectionName: stored}}]
  cache: {{defaultTtl: 60s}}
{consumers}"""
