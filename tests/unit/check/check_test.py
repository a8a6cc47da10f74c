# SPDX-License-Identifier: Apache-2.0
"""`fairlead-agent check DIR` and `fairctl check DIR`: exit codes, messages, warnings, JSON; both say the same, and neither
needs rights or a kernel."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = [sys.argv[1], sys.argv[2]]
GOOD = """apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
"""
RULE = """apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  subsets: [{name: v1}]
"""


def run(program, *words, **options):
    return subprocess.run([program, "check", *words], capture_output=True, text=True, timeout=60, **options)


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def both(self, *words):
        """What both programs say: (status, stdout, stderr without the program's name)."""
        said = set()
        for program in PROGRAMS:
            ended = run(program, *words)
            name = pathlib.Path(program).name
            said.add((ended.returncode, ended.stdout, ended.stderr.replace(name + ": ", "")))
        self.assertEqual(len(said), 1, said)
        return said.pop()

    def test_good_objects(self):
        self.write("a.yaml", GOOD)
        self.write("b.json", json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))
        self.assertEqual(self.both(self.folder), (0, f"{self.folder}: 2 documents in 2 files, 0 refused\n", ""))

    def test_a_single_file(self):
        self.write("a.yaml", GOOD)
        self.write("b.yaml", "[")
        path = self.folder / "a.yaml"
        self.assertEqual(self.both(path), (0, f"{path}: 1 documents in 1 files, 0 refused\n", ""))

    def test_an_error_says_file_line_field_found_and_expected(self):
        self.write("a.yaml", GOOD + "---\n" + GOOD.replace("name: web", "name: api").replace("port: 80", "port: http"))
        status, output, _ = self.both(self.folder)
        self.assertEqual(status, 1)
        self.assertEqual(output.splitlines(), [
            f'{self.folder}/a.yaml:9:45: error: Service shop/api: spec.ports[0].port: found "http", expected a number from 1 '
            'to 65535',
            f"{self.folder}: 2 documents in 1 files, 1 refused"])

    def test_a_file_that_is_no_yaml(self):
        self.write("a.yaml", GOOD)
        self.write("b.yaml", "kind: [\n")
        status, output, _ = self.both(self.folder)
        self.assertEqual(status, 1)
        self.assertRegex(output, rf"^{self.folder}/b.yaml:2:1: error: ")
        self.assertIn("1 refused", output)

    def test_an_object_given_twice(self):
        self.write("a.yaml", GOOD)
        self.write("b.yaml", GOOD)
        status, output, _ = self.both(self.folder)
        self.assertEqual(status, 1)
        self.assertIn(f"{self.folder}/b.yaml:1:1: error: Service shop/web: found a second definition, expected one only: "
                      f"the first is in {self.folder}/a.yaml:1", output)

    def test_a_field_that_is_not_served_is_a_warning(self):
        self.write("a.yaml", GOOD)
        self.write("rule.yaml", RULE)
        status, output, _ = self.both(self.folder)
        self.assertEqual(status, 0)
        self.assertEqual(output.splitlines()[0], f"{self.folder}/rule.yaml:6:12: warning: DestinationRule shop/web: "
                         "spec.subsets: understood, but not served: it has no effect")

    def test_what_shows_only_when_objects_meet(self):
        rule = ("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: %s, namespace: shop}\n"
                "spec: {host: %s, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n")
        self.write("a.yaml", "---\n".join([
            GOOD, GOOD.replace("name: web", "name: zeb"), rule % ("a", "web"), rule % ("b", "web"), rule % ("c", "nobody"),
            rule % ("d", "web.shop"), rule % ("e", "web.other.svc.cluster.local")]))
        status, output, _ = self.both(self.folder)
        self.assertEqual((status, output.splitlines()), (0, [
            "warning: DestinationRule shop/b: host web.shop.svc.cluster.local: DestinationRule shop/a is for it too, and in "
            "force: this one is not",
            "warning: DestinationRule shop/c: host nobody.shop.svc.cluster.local is no Service that is known: the rule is in "
            "force for nobody",
            "warning: DestinationRule shop/d: host web.shop is no Service's name, expected NAME, or "
            "NAME.NAMESPACE.svc.cluster.local: the rule is in force for nobody",
            "warning: DestinationRule shop/e: host web.other.svc.cluster.local is of another namespace, expected shop or a rule "
            "in istio-system: the rule is not in force",
            "warning: Service shop/zeb: 10.96.0.1:80 belongs to shop/web already: not served for this one",
            f"{self.folder}: 7 documents in 1 files, 0 refused"]))

    def test_settings_bear_upon_it(self):
        self.write("a.yaml", """apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a, namespace: shop}
spec: {action: DENY, rules: [{from: [{source: {principals: [corp.example/ns/shop/sa/c]}}]}]}
""")
        said = ("warning: AuthorizationPolicy shop/a: principal corp.example/ns/shop/sa/c is of another trust domain than "
                "cluster.local and its aliases: no workload has it, and it matches nobody")
        end = f"{self.folder}: 1 documents in 1 files, 0 refused"
        self.assertEqual(self.both(self.folder)[1].splitlines(), [said, end])
        for flags in (["--trust-domain", "corp.example"], ["--trust-domain-aliases", "old.example,corp.example"]):
            self.assertEqual(run(PROGRAMS[0], self.folder, *flags).stdout.splitlines(), [end])
        for flags in (["--trust-domain", "a/b"], ["--trust-domain-aliases", "a,,b"], ["--root-namespace", ""]):
            ended = run(PROGRAMS[0], self.folder, *flags)
            self.assertEqual(ended.returncode, 1)
            self.assertRegex(ended.stderr, "--[a-z-]+: found .*, expected")

    def test_json(self):
        self.write("a.yaml", GOOD.replace("port: 80", "port: 0"))
        self.write("rule.yaml", RULE)
        status, output, _ = self.both(self.folder, "-o", "json")
        self.assertEqual(status, 1)
        said = json.loads(output)
        self.assertEqual((said["files"], said["documents"], said["refused"]), (2, 2, 1))
        self.assertEqual(said["diagnostics"][0], {
            "severity": "error", "file": f"{self.folder}/a.yaml", "line": 4, "column": 45, "object": "Service shop/web",
            "field": "spec.ports[0].port", "found": "0", "expected": "a number from 1 to 65535"})
        self.assertEqual([d["severity"] for d in said["diagnostics"]], ["error", "warning", "warning"])  # its rule has no service

    def test_json_holds_whatever_a_file_holds(self):
        (self.folder / "a.json").write_bytes(GOOD.encode().replace(b"web", b'"\\u0001\xc3"'))
        status, output, _ = self.both(self.folder, "-o", "json")
        self.assertEqual(status, 1)
        self.assertEqual(json.loads(output)["refused"], 1)

    def test_a_directory_that_is_not_there(self):
        status, output, errors = self.both(self.folder / "nowhere")
        self.assertEqual((status, output), (1, ""))
        self.assertIn("found nothing that can be read, expected a directory or a file", errors)

    def test_an_empty_directory_is_right(self):
        self.assertEqual(self.both(self.folder), (0, f"{self.folder}: 0 documents in 0 files, 0 refused\n", ""))

    def test_settings_that_say_nothing_are_the_defaults(self):
        (self.folder / "objects").mkdir()
        for text in (b"", b"\n", b"# redirect: off\n  # end-tcp: on\r\n", b"\xef\xbb\xbf# none", b"---\n", b"---\n# none\n"):
            (self.folder / "settings").write_bytes(text)
            ended = subprocess.run([PROGRAMS[0], "--settings", self.folder / "settings", "check",
                                    self.folder / "objects"], capture_output=True, text=True)
            self.assertEqual((ended.returncode, ended.stderr), (0, ""), text)

    def test_settings_are_one_document(self):
        (self.folder / "objects").mkdir()
        for text, fault in (("node: a\n---\nnode: b\n", ":2: found a second document, expected one"),
                            ("# ours\nnode: a\n...\n---\n# theirs\npolicy: off\n", ":4: found a second document, expected one"),
                            ("node: a\n---\n[", ":4: cannot be read as YAML"),
                            ("---\n---\nnodes: a\n", ":3: nodes: found an unknown setting"),
                            ("---\nnode: a\n...\n", ""), ("node: a\n---\n", ""), ("---\n---\nnode: a\n---\n# end\n", "")):
            (self.folder / "settings").write_text(text)
            ended = subprocess.run([PROGRAMS[0], "--settings", self.folder / "settings", "check",
                                    self.folder / "objects"], capture_output=True, text=True)
            self.assertEqual(ended.returncode, 1 if fault else 0, text)
            self.assertIn(f"{self.folder}/settings{fault}" if fault else "", ended.stderr)

    def test_a_wrong_command_line_gives_2(self):
        for words in (["--bogus"], ["check"], ["check", "a", "b"], ["frobnicate"], ["uninstall", "more"]):
            ended = subprocess.run([PROGRAMS[0], *words], capture_output=True, text=True)
            self.assertEqual(ended.returncode, 2, words)
            self.assertNotEqual(ended.stderr, "", words)
        for words in (["--bogus"], ["check", "--bogus"], ["convert"], ["--workers", "many"], ["frobnicate"]):
            ended = subprocess.run([PROGRAMS[1], *words], capture_output=True, text=True)
            self.assertEqual(ended.returncode, 2, words)
            self.assertNotEqual(ended.stderr, "", words)
        for program in PROGRAMS:
            for words in (["--help"], ["--version"]):
                self.assertEqual(subprocess.run([program, *words], capture_output=True).returncode, 0, words)

    # Found by settings_fuzz: libfyaml reads some of these for ever.
    def test_directives_in_the_settings_file_are_refused(self):
        for text in (b"%27l\x91\x8c\x9a", b"node: a\n%YAML", b"node: a\r%\0", b"\xef\xbb\xbf%27l"):
            (self.folder / "settings").write_bytes(text)
            ended = subprocess.run([PROGRAMS[0], "--settings", self.folder / "settings", "--config", "/nowhere"],
                                   capture_output=True, text=True, timeout=60)
            self.assertEqual(ended.returncode, 1)
            self.assertIn("found a line that begins with '%', expected no directives", ended.stderr)

    def test_wrong_words(self):
        for program in PROGRAMS:
            self.assertNotIn(run(program).returncode, (0, 1), program)
            self.assertNotIn(run(program, self.folder, "-o", "xml").returncode, (0, 1), program)

    def test_neither_rights_nor_kernel_are_needed(self):
        self.write("a.yaml", GOOD)
        os.chmod(self.folder, 0o755)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for program in PROGRAMS:
            # Through a descriptor: the folder that the program stands in may be closed to others.
            with open(program, "rb") as binary:
                ended = run(f"/proc/self/fd/{binary.fileno()}", self.folder, pass_fds=[binary.fileno()], **nobody)
            self.assertEqual(ended.returncode, 0, ended.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
