# SPDX-License-Identifier: Apache-2.0
"""The units, images and manifests of scripts/deploy: well formed, and of one mind with the programs about flags,
capabilities, paths and libraries. Usage: deploy_test.py AGENT FAIRCTL GATEWAY"""
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
GATEWAY, FAIRCTL, AGENT = (sys.argv.pop() for _ in range(3))
PROGRAMS = {os.path.basename(path): path for path in (AGENT, FAIRCTL, GATEWAY)}
BASE_PACKAGES = {"libc6", "libgcc-s1"}  # of debian:12-slim


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def is_sanitized(program):
    with open(program, "rb") as file:
        return re.search(rb"__[at]san_init", file.read()) is not None


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


def flags_of(program):
    return set(re.findall(r"(--[a-z-]+)", run(program, "--help").stdout))


def agent_flags():
    return flags_of(AGENT)


def verify(unit, program, name):
    """What systemd finds wrong with a unit, were the program installed."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(unit.replace("/usr/bin/" + os.path.basename(program), program))
        return run("systemd-analyze", "verify", "--man=no", path)


def kept_capabilities():
    """As agent/kernel/capabilities.cpp lists them, without CAP_."""
    source = read(ROOT, "agent", "kernel", "capabilities.cpp")
    return {name.upper() for name in re.findall(r'\{"cap_([a-z_]+)",', source)}


def package_of(library):
    """The Debian package of a library: dpkg knows it below /lib or below /usr/lib, which are one."""
    path = os.path.realpath(library)
    for name in (path, path.removeprefix("/usr")):
        found = run("dpkg", "-S", name)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise AssertionError(f"{library} is of no package")


def default_of(setting):
    return json.loads(read(ROOT, "docs", "reference", "settings.schema.json"))["properties"][setting].get("default")


def lost(given, read_back, where):
    """The places of what is missing in what was read back."""
    if isinstance(given, dict):
        return [path for key, value in given.items()
                for path in (lost(value, read_back[key], f"{where}.{key}") if key in read_back else [f"{where}.{key}"])]
    if isinstance(given, list):
        return [path for i, value in enumerate(given) for path in lost(value, read_back[i], f"{where}[{i}]")]
    return []


def lost_by_kubectl(name):
    """kubectl reads into its own types and drops what they do not have; no server is asked."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return []  # Debian 12 has none that may stand beside another; the shape is looked at all the same
    done = run(kubectl, "annotate", "--local", "-f", os.path.join(DEPLOY, name), "read=back", "-o", "yaml")
    if done.returncode != 0:
        return [done.stderr]
    given, read_back = (list(yaml.safe_load_all(text)) for text in (read(DEPLOY, name), done.stdout))
    return lost(given, read_back, name)


class UnitTest(unittest.TestCase):
    unit = read(DEPLOY, "fairlead-agent.service")

    def value(self, key):
        found = re.findall(rf"^{key}=(.*)$", self.unit, re.M)
        self.assertEqual(len(found), 1, key)
        return found[0]

    def test_systemd_takes_it(self):
        done = verify(self.unit, AGENT, "fairlead-agent.service")
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_systemd_complains_where_it_should(self):
        unit = self.unit.replace("Type=notify", "Typ=notify")
        self.assertRegex(verify(unit, AGENT, "fairlead-agent.service").stderr, "Unknown key (name )?'Typ'")

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
        self.assertEqual(lost_by_kubectl("daemonset.yaml"), [])


class GatewayTest(unittest.TestCase):
    unit = read(DEPLOY, "fairlead-gateway.service")
    deployment = next(one for one in yaml.safe_load_all(read(DEPLOY, "gateway.yaml")) if one["kind"] == "Deployment")
    service = next(one for one in yaml.safe_load_all(read(DEPLOY, "gateway.yaml")) if one["kind"] == "Service")
    pod = deployment["spec"]["template"]["spec"]
    gateway = pod["containers"][0]
    drain_seconds = int(re.search(r"--drain-seconds UINT=(\d+)", run(GATEWAY, "--help").stdout)[1])

    def test_systemd_takes_the_unit(self):
        done = verify(self.unit, GATEWAY, "fairlead-gateway.service")
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_the_unit_leaves_it_little(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "fairlead-gateway.service")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.unit)
            # In tenths, of what systemd counts as exposed; it is root without capabilities, in the host's network.
            done = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=40", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_unit_lets_it_write_where_it_has_to(self):
        of = dict(re.findall(r"^(\w+Directory)=(.*)$", self.unit, re.M))
        socket = re.search(r"--socket TEXT=(\S+)", run(GATEWAY, "--help").stdout)[1]
        self.assertEqual("/run/" + of["RuntimeDirectory"], os.path.dirname(socket))
        self.assertEqual(set(of), {"RuntimeDirectory", "StateDirectory", "LogsDirectory"})

    def test_flags_exist(self):
        unit = set(re.findall(r"(--[a-z-]+)", re.search(r"^ExecStart=(.*)$", self.unit, re.M)[1]))
        pod = {arg for arg in self.gateway["args"] if arg.startswith("--")}
        self.assertLessEqual(unit | pod, flags_of(GATEWAY))

    def test_kubernetes_types_have_every_field(self):
        self.assertEqual(lost_by_kubectl("gateway.yaml"), [])

    def test_pods_get_no_more_than_they_need(self):
        for pod in (self.pod, DaemonSetTest.pod):
            self.assertIs(pod["automountServiceAccountToken"], False)
        self.assertEqual(self.pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual(self.gateway["securityContext"], {
            "runAsNonRoot": True, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})

    def test_what_is_under_way_may_end(self):
        delay = int(self.gateway["args"][self.gateway["args"].index("--drain-delay") + 1])
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], delay + self.drain_seconds)
        probe = self.gateway["readinessProbe"]  # three failures are the default
        self.assertGreater(delay, probe["periodSeconds"] * probe.get("failureThreshold", 3))
        self.assertGreater(int(re.search(r"^TimeoutStopSec=(\d+)$", self.unit, re.M)[1]), self.drain_seconds)
        self.assertEqual(self.gateway["readinessProbe"]["httpGet"]["path"], "/readyz")

    def test_mounts_volumes_and_ports_belong_together(self):
        mounts = {mount["name"]: mount["mountPath"] for mount in self.gateway["volumeMounts"]}
        self.assertEqual(set(mounts), {volume["name"] for volume in self.pod["volumes"]})
        self.assertEqual(self.gateway["args"][self.gateway["args"].index("--config") + 1], mounts["config"])
        socket = re.search(r"--socket TEXT=(\S+)", run(GATEWAY, "--help").stdout)[1]
        self.assertEqual(os.path.dirname(socket), mounts["run"])
        ports = {port["name"] for port in self.gateway["ports"]}
        self.assertLessEqual({port["targetPort"] for port in self.service["spec"]["ports"]}, ports)
        labels = self.deployment["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(self.service["spec"]["selector"].items(), labels.items())


class ImageTest(unittest.TestCase):
    """Without a builder of images: the steps that can go wrong here, by what the files say."""

    def stages(self, name):
        return read(DEPLOY, name).split("FROM debian:12-slim")

    def test_libraries_are_in_the_image(self):
        for name in ("Containerfile", "Containerfile.gateway"):
            image = self.stages(name)[1]
            packages = set(re.search(r"--no-install-recommends((?:.|\\\n)*?) && ", image)[1].replace("\\", " ").split())
            for program in re.findall(r"/usr/bin/(fair[a-z-]+)", image):
                if is_sanitized(PROGRAMS[program]):
                    continue  # it links more, and is not what is shipped
                needed = re.findall(r"=> (/\S+)", run("ldd", PROGRAMS[program]).stdout)
                found = {package_of(path) for path in needed}
                self.assertLessEqual(found, packages | BASE_PACKAGES, (name, program))

    def test_what_is_copied_is_enough_to_configure_and_to_install(self):
        for name, programs in (("Containerfile", {"fairlead-agent", "fairctl"}),
                               ("Containerfile.gateway", {"fairlead-gateway", "fairctl"})):
            with tempfile.TemporaryDirectory() as folder, self.subTest(name=name):
                source, build, root = (os.path.join(folder, part) for part in ("src", "build", "root"))
                os.mkdir(source)
                for words in re.findall(r"^COPY (?!--from)(.*) \S+$", self.stages(name)[0], re.M):
                    for word in words.split():
                        os.symlink(os.path.join(ROOT, word), os.path.join(source, word))
                done = run("cmake", "-S", source, "-B", build, "-G", "Ninja", "-DFAIRLEAD_TESTS=OFF")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                os.makedirs(os.path.join(build, "bin"), exist_ok=True)
                for program in programs:
                    shutil.copy(PROGRAMS[program], os.path.join(build, "bin"))
                done = run("cmake", "--install", build, "--prefix", root)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual(set(os.listdir(os.path.join(root, "bin"))), programs)
                for page, words in (("man/man1/fairctl.1", ["manual"]), ("man/man1/fairctl-top.1", ["manual", "top"]),
                                    ("bash-completion/completions/fairctl", ["completion", "bash"]),
                                    ("zsh/vendor-completions/_fairctl", ["completion", "zsh"]),
                                    ("fish/vendor_completions.d/fairctl.fish", ["completion", "fish"])):
                    self.assertEqual(read(root, "share", page), run(FAIRCTL, *words).stdout, page)
                pages = set(os.listdir(os.path.join(root, "share", "man", "man1")))
                commands = re.findall(r"^  ([a-z]+)  +[a-z]", run(FAIRCTL, "--help").stdout.split("Options of every")[0], re.M)
                self.assertEqual(pages, {"fairctl.1", *(f"fairctl-{command}.1" for command in commands)})


if __name__ == "__main__":
    unittest.main()
