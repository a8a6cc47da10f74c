# SPDX-License-Identifier: Apache-2.0
"""Builds, from their Go modules, the API server, the conformance suite of Gateway API and the backend that it asks."""
import json
import os
import pathlib
import subprocess

GATEWAY_API = "v1.6.3"
KUBERNETES = "1.37.2"  # for k8s.io/kubernetes; its parts are modules of version 0.37.2
SERVER = """package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
"""


def go(folder: pathlib.Path, *arguments) -> str:
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    return subprocess.run(["go", *map(str, arguments)], cwd=folder, env=environment, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def module(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(f"module fairlead/{folder.name}\n")
    return folder


def build_server(folder: pathlib.Path, program: pathlib.Path) -> None:
    """Kubernetes' own go.mod takes its parts from its checkout; here they are the published ones."""
    at = json.loads(go(module(folder), "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"))["GoMod"]
    required = json.loads(subprocess.check_output(["go", "mod", "edit", "-json", at]))["Require"]
    parts = [one["Path"] for one in required if one["Path"].startswith("k8s.io/") and one["Version"] == "v0.0.0"]
    go(folder, "mod", "edit", f"-require=k8s.io/kubernetes@v{KUBERNETES}",
       *(f"-replace={part}={part}@v0{KUBERNETES.removeprefix('1')}" for part in parts))
    (folder / "main.go").write_text(SERVER)
    go(folder, "build", "-o", program, ".")


def build(folder: pathlib.Path) -> dict:
    """Paths of the programs, of the suite's sources, and of the CRDs. What is there is not built again."""
    programs = {name: folder / name for name in ("kube-apiserver", "suite", "echo")}
    if not programs["kube-apiserver"].exists():
        build_server(folder / "server", programs["kube-apiserver"])
    at = module(folder / "conformance")
    suite = "sigs.k8s.io/gateway-api/conformance"
    go(at, "get", f"sigs.k8s.io/gateway-api@{GATEWAY_API}", f"{suite}@{GATEWAY_API}")
    if not programs["suite"].exists():
        go(at, "build", "-o", programs["echo"], f"{suite}/echo-basic")
        go(at, "test", "-c", "-o", programs["suite"], suite)
    where = {name: pathlib.Path(go(at, "list", "-m", "-f", "{{.Dir}}", path).strip())
             for name, path in (("sources", suite), ("api", "sigs.k8s.io/gateway-api"))}
    found = programs | {"sources": where["sources"], "crds": where["api"] / "config/crd/experimental"}
    return {name: str(path) for name, path in found.items()}
