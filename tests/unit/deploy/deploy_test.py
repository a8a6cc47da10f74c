# SPDX-License-Identifier: Apache-2.0
"""The systemd unit and the DaemonSet of scripts/deploy: well formed, and of one mind with the agent about flags,
capabilities and paths. Usage: deploy_test.py AGENT"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
DEPLOY = os.path.join(ROOT, "scripts", "deploy")
AGENT = sys.argv.pop()


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


def agent_flags():
    return set(re.findall(r"(--[a-z-]+)", run(AGENT, "--help").stdout))


def kept_capabilities():
    """As agent/kernel/capabilities.cpp lists them, without CAP_."""
    source = read(ROOT, "agent", "kernel", "capabilities.cpp")
    return {name.upper() for name in re.findall(r'\{"cap_([a-z_]+)",', source)}


def default_of(setting):
    return json.loads(read(ROOT, "docs", "reference", "settings.schema.json"))["properties"][setting].get("default")


class UnitTest(unittest.TestCase):
    unit = read(DEPLOY, "fairlead-agent.service")

    def value(self, key):
        found = re.findall(rf"^{key}=(.*)$", self.unit, re.M)
        self.assertEqual(len(found), 1, key)
        return found[0]

    def test_systemd_takes_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "fairlead-agent.service")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.unit.replace("/usr/bin/fairlead-agent", AGENT))
            done = run("systemd-analyze", "verify", "--man=no", path)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_systemd_complains_where_it_should(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "fairlead-agent.service")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.unit.replace("/usr/bin/fairlead-agent", AGENT).replace("Type=notify", "Typ=notify"))
            self.assertRegex(run("systemd-analyze", "verify", "--man=no", path).stderr, "Unknown key (name )?'Typ'")

    def test_flags_exist(self):
        self.assertLessEqual(set(re.findall(r"(--[a-z-]+)", self.value("ExecStart"))), agent_flags())

    def test_capabilities_are_those_that_are_kept(self):
        listed = {name.removeprefix("CAP_") for name in self.value("CapabilityBoundingSet").split()}
        self.assertEqual(listed, kept_capabilities())

    def test_programs_outlive_the_unit(self):
        self.assertEqual(self.value("Type"), "notify")
        self.assertEqual(self.value("KillMode"), "process")
        self.assertEqual("/run/" + self.value("RuntimeDirectory"), default_of("run-dir"))


class DaemonSetTest(unittest.TestCase):
    text = read(DEPLOY, "daemonset.yaml")
    manifest = yaml.safe_load(text)
    pod = manifest["spec"]["template"]["spec"]
    agent = pod["containers"][0]

    def test_shape(self):
        self.assertEqual((self.manifest["apiVersion"], self.manifest["kind"]), ("apps/v1", "DaemonSet"))
        labels = self.manifest["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(self.manifest["spec"]["selector"]["matchLabels"].items(), labels.items())
        self.assertTrue(self.agent["image"] and self.agent["name"])

    def test_node_is_seen(self):
        self.assertTrue(self.pod["hostNetwork"])
        self.assertTrue(self.pod["hostPID"])

    def test_flags_exist_and_lead_to_mounts(self):
        args = self.agent["args"]
        flags = {arg for arg in args if arg.startswith("--")}
        self.assertLessEqual(flags, agent_flags())
        mounts = {mount["mountPath"] for mount in self.agent["volumeMounts"]}
        for flag in ("--config", "--cgroup"):
            self.assertIn(args[args.index(flag) + 1], mounts)
        for setting in ("pin-dir", "run-dir", "socket"):
            path = default_of(setting)
            self.assertTrue(any(path == mount or path.startswith(mount + "/") for mount in mounts), path)

    def test_mounts_and_volumes_belong_together(self):
        volumes = {volume["name"] for volume in self.pod["volumes"]}
        self.assertEqual({mount["name"] for mount in self.agent["volumeMounts"]}, volumes)
        paths = {volume["name"]: volume["hostPath"]["path"] for volume in self.pod["volumes"]}
        self.assertEqual((paths["bpffs"], paths["cgroup"]), ("/sys/fs/bpf", "/sys/fs/cgroup"))
        writable = {mount["name"] for mount in self.agent["volumeMounts"] if not mount.get("readOnly")}
        self.assertEqual(writable, {"bpffs", "run"})

    def test_capabilities_are_those_that_are_kept(self):
        capabilities = self.agent["securityContext"]["capabilities"]
        self.assertEqual(capabilities["drop"], ["ALL"])
        self.assertEqual(set(capabilities["add"]), kept_capabilities())

    def test_variables_are_defined(self):
        names = {variable["name"] for variable in self.agent["env"]}
        self.assertEqual(set(re.findall(r"\$\((\w+)\)", " ".join(self.agent["args"]))), names)

    def test_kubernetes_types_have_every_field(self):
        # kubectl reads into its own types and drops what they do not have; no server is asked.
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            return  # the shape above has been looked at all the same
        done = run(kubectl, "set", "image", "--local", "-f", os.path.join(DEPLOY, "daemonset.yaml"), "agent=other", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.lost(self.manifest, json.loads(done.stdout), ""), [])

    def lost(self, given, read_back, where):
        if isinstance(given, dict):
            return [path for key, value in given.items()
                    for path in (self.lost(value, read_back[key], f"{where}.{key}") if key in read_back else [f"{where}.{key}"])]
        if isinstance(given, list):
            return [path for i, value in enumerate(given) for path in self.lost(value, read_back[i], f"{where}[{i}]")]
        return []


if __name__ == "__main__":
    unittest.main()
