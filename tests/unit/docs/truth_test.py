# SPDX-License-Identifier: Apache-2.0
"""What the documents say of options, settings, annotations, capabilities, counters, programs, maps and layers is what
the programs and sources say. Usage: truth_test.py AGENT FAIRCTL GATEWAY"""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

from pages import ROOT, command_lines, pages, spans

GATEWAY = sys.argv.pop()
FAIRCTL = sys.argv.pop()
AGENT = sys.argv.pop()


def read(path):
    return (ROOT / path).read_text()


def help_of(*words):
    return subprocess.run([*words, "--help"], capture_output=True, text=True, check=True).stdout


def options(text):
    return set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", text, re.IGNORECASE))


AGENT_HELP = help_of(AGENT)
GATEWAY_HELP = help_of(GATEWAY) + help_of(GATEWAY, "check")
COMMANDS = re.findall(r"^  ([a-z]+)  +[a-z]", help_of(FAIRCTL).split("Options of every")[0], re.MULTILINE)
FAIRCTL_OPTIONS = {name: options(help_of(FAIRCTL, name)) for name in COMMANDS}
ACTIONS = re.findall(r"^  ([a-z-]+)  +[a-z]", help_of(FAIRCTL, "gateway").split("Options of every")[0], re.MULTILINE)
FAIRCTL_OPTIONS["gateway"] = FAIRCTL_OPTIONS["gateway"].union(*(options(help_of(FAIRCTL, "gateway", one)) for one in ACTIONS))
SCRIPTS = {"scripts/quickstart", "scripts/setup", "scripts/build", "scripts/test", "scripts/bench", "scripts/lint",
           "vm-tests/run"}


def wrong_words(line):
    """Options and commands in a line of a code block that its program does not have."""
    try:
        words = shlex.split(line.split(" | ")[0].split(" >")[0].replace("[", " ").replace("]", " "))
    except ValueError:
        return []
    if not words:
        return []
    program = words[0].rsplit("/", 1)[-1]
    given = {word.split("=")[0] for word in words[1:] if re.match(r"--?[a-zA-Z]", word)}
    if program == "fairlead-agent":
        return sorted(given - options(AGENT_HELP))
    if program == "fairlead-gateway":
        return sorted(given - options(GATEWAY_HELP))
    if program == "fairctl":
        command = next((word for word in words[1:] if word in COMMANDS), None)
        known = FAIRCTL_OPTIONS[command] if command else options(help_of(FAIRCTL)) | {"COMMAND"}
        return sorted(given - known) + ([] if command or given or "COMMAND" in words else [line])
    if words[0] in SCRIPTS:
        return sorted(given - options(help_of(str(ROOT / words[0]))))
    return []


class CommandsTest(unittest.TestCase):
    def test_options_in_commands_exist(self):
        for page in pages():
            text = page.read_text()
            for line in [*command_lines(text), *(span for span in spans(text) if " " in span)]:
                with self.subTest(page=page.relative_to(ROOT), line=line):
                    self.assertEqual(wrong_words(line), [])

    def test_options_named_alone_exist(self):
        known = options(AGENT_HELP).union(options(GATEWAY_HELP), *FAIRCTL_OPTIONS.values())
        known |= set().union(*(options(help_of(str(ROOT / script))) for script in SCRIPTS))
        known |= {"--gtest_filter", "--privileged", "--cgroupns", "--network", "--pid"}  # of other programs
        for page in pages():
            for span in spans(page.read_text()):
                if span.startswith("--"):
                    with self.subTest(page=page.relative_to(ROOT), option=span):
                        self.assertIn(re.split(r"[ =]", span)[0], known)

    def test_what_is_wrong_is_found(self):
        self.assertEqual(wrong_words("fairlead-agent --config x --nonsense y"), ["--nonsense"])
        self.assertEqual(wrong_words("fairctl top --once --nonsense"), ["--nonsense"])
        self.assertEqual(wrong_words("fairctl nonsense"), ["fairctl nonsense"])
        self.assertEqual(wrong_words("scripts/quickstart --nonsense"), ["--nonsense"])


class ExamplesTest(unittest.TestCase):
    def test_objects_shown_are_taken_without_a_remark(self):
        for page in pages():
            for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)):
                if "apiVersion" not in block:
                    continue
                with self.subTest(page=page.relative_to(ROOT), block=number), tempfile.TemporaryDirectory() as folder:
                    pathlib.Path(folder, "example.yaml").write_text(block)
                    of_gateway = re.search(r"apiVersion: (fairlead\.io|gateway\.networking\.k8s\.io)/"
                                           r"|kind: RequestAuthentication|action: CUSTOM", block)
                    done = subprocess.run([GATEWAY if of_gateway else AGENT, "check", folder], capture_output=True, text=True)
                    self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
                    # Of the example itself: alone it lacks what it refers to, which has no line.
                    self.assertNotRegex(done.stdout, r"(?m)^.+:\d+:\d+: warning")

    def test_files_of_kong_and_of_settings_shown_are_taken_without_a_remark(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as empty:
            file = pathlib.Path(folder, "example.yaml")
            for page, command in (("docs/operate/from-kong.md", [GATEWAY, "check", file]),
                                  ("docs/reference/settings.md", [AGENT, "check", empty, "--settings", file])):
                with self.subTest(page=page):
                    file.write_text(re.search(r"^```yaml\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)[1])
                    done = subprocess.run(command, capture_output=True, text=True)
                    self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
                    self.assertRegex(done.stdout, r"^[^\n]*, 0 refused\n$")

    def test_what_the_containerfile_copies_exists(self):
        text = read("scripts/deploy/Containerfile")
        copied = [word for words in re.findall(r"^COPY ((?!--).*) \S+$", text, re.MULTILINE) for word in words.split()]
        self.assertEqual([word for word in copied if not (ROOT / word).exists()], [])
        needed = set(re.findall(r"add_subdirectory\((\w+)\)", read("CMakeLists.txt"))) - {"tests"}
        self.assertLessEqual(needed | {"CMakeLists.txt", "CMakePresets.json", "include", "scripts"}, set(copied))

    def test_libraries_that_are_listed_are_those_that_are_linked(self):
        linked = set()
        for program in (AGENT, FAIRCTL):
            if re.search(rb"__[at]san_init", pathlib.Path(program).read_bytes()):
                return  # it links more, and is not what is shipped
            for path in re.findall(r"=> (/\S+)", subprocess.run(["ldd", program], capture_output=True, text=True).stdout):
                owner = subprocess.run(["dpkg", "-S", *{path, os.path.realpath(path)}], capture_output=True, text=True).stdout
                linked.add(owner.partition(":")[0])
        linked -= {"libc6", "libgcc-s1"}  # everywhere, and with libstdc++6
        image = re.search(r"no-install-recommends (.*?)&&", read("scripts/deploy/Containerfile").replace("\\\n", " "))[1]
        page = re.search(r"^Needed to run: `(.*?)`", read("docs/operate/install.md"), re.MULTILINE | re.DOTALL)[1]
        self.assertEqual((set(image.split()), set(page.split())), (linked, linked))


class SettingsTest(unittest.TestCase):
    properties = json.loads(read("docs/reference/settings.schema.json"))["properties"]

    def test_the_page_is_made_from_the_schema(self):
        made = subprocess.run([ROOT / "scripts/settings-reference"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(read("docs/reference/settings.md"), made)

    def test_defaults_are_those_of_the_help(self):
        helped = re.sub(r"\n {20,}", " ", AGENT_HELP)
        for name, one in self.properties.items():
            with self.subTest(setting=name):
                said = re.search(rf"--{name} .*?\(default: ([^)]*)\)", helped)[1]
                if "default" in one:
                    self.assertEqual(said, str(one["default"]))


class SourcesTest(unittest.TestCase):
    def test_annotations_are_those_that_are_read(self):
        read_ones = set()
        for file in [*(ROOT / "agent").rglob("*.cpp"), *(ROOT / "gateway").rglob("*.cpp")]:
            read_ones |= set(re.findall(r'"(fairlead\.io/(?!gateway-controller)[a-z-]+)"', file.read_text()))
        named = set()
        for page in pages():
            named |= set(re.findall(r"fairlead\.io/(?!v\d|gateway-controller)[a-z-]+", page.read_text()))
        self.assertEqual(named, read_ones)
        self.assertEqual(set(re.findall(r"^\| `(fairlead\.io/[a-z-]+)`", read("docs/reference/objects.md"), re.M)), read_ones)

    def test_capabilities_are_those_that_are_kept(self):
        kept = dict(re.findall(r'\{"(cap_[a-z_]+)",\s*"([^"]+)"\}', read("agent/kernel/capabilities.cpp")))
        for page in ("README.md", "docs/operate/agent.md"):
            self.assertEqual(set(re.findall(r"^\| `(cap_[a-z_]+)` \|", read(page), re.M)), set(kept), page)

    def test_every_counter_has_a_metric_and_every_value_of_it_a_page(self):
        header = re.search(r"enum fl_counter \{(.*?)\};", read("include/fairlead/abi/metric.h"), re.DOTALL)[1]
        kinds = re.findall(r'\{(FL_C_\w+), "(\w+)", (?:nullptr|"(\w+)"), (?:nullptr|"(\w+)")', read("agent/telemetry/counters.cpp"))
        self.assertEqual(set(re.findall(r"^\s*(FL_C_\w+)", header, re.M)), {kind[0] for kind in kinds})
        rows = set(re.findall(r"^\| `(\w+)`(?: `(\w+)`)?", read("docs/operate/troubleshooting.md"), re.M))
        for _, metric, _, value in kinds:
            with self.subTest(metric=metric, value=value):
                self.assertIn((metric, value), rows)

    def test_every_reason_is_explained(self):
        names = re.findall(r'^    \{"(\w+)", "[^"]+"\},$', read("agent/telemetry/counters.cpp"), re.M)
        self.assertGreater(len(names), 10)
        rows = set(re.findall(r"^\| `(\w+)` \|", read("docs/operate/troubleshooting.md"), re.M))
        self.assertEqual(set(names) - {"none"} - rows, set())

    def test_every_response_flag_is_explained(self):
        names = re.findall(r'^    \{"([A-Z]+)", "\w+", "', read("gateway/dataplane/telemetry/response_flags.cpp"), re.M)
        self.assertGreater(len(names), 10)
        page = read("docs/operate/gateway.md").split("## What clients see")[1].split("\n## ")[0]
        cells = re.findall(r"^\| [^|]+ \| ([^|]+) \|", page, re.M)
        self.assertEqual(set(re.findall(r"`([A-Z]+)`", "".join(cells))), set(names))

    def test_metrics_of_the_gateway_are_those_that_it_has(self):
        families = {name for file in (ROOT / "gateway").rglob("*.cpp")
                    for name in re.findall(r'"(fairlead_gateway_\w+)"', file.read_text())}
        self.assertGreater(len(families), 100)
        for page in pages():
            named = {name.removesuffix("_total") for name in re.findall(r"\b(fairlead_gateway_\w+)\b(?!\*)", page.read_text())}
            with self.subTest(page=page.relative_to(ROOT)):
                self.assertEqual(named - families, set())
                if page.name == "observe.md":
                    self.assertEqual(families - named, set())

    def test_kinds_of_objects_are_those_that_are_read(self):
        kinds = set(re.findall(r'^    \{"(\w+)", "[\w.]*", model::Kind', read("gateway/dataplane/config/parse.cpp"), re.M))
        self.assertEqual(set(re.findall(r"^## (\w+)", read("docs/reference/objects.md"), re.M)) - {"Annotations", "What"}, kinds)

    def test_programs_named_in_the_architecture_exist_and_all_are_named(self):
        files = {path.name for path in (ROOT / "bpf/programs").glob("*.bpf.c")}
        self.assertEqual(set(re.findall(r"`(\w+\.bpf\.c)`", read("ARCHITECTURE.md"))), files - {"license.bpf.c"})

    def test_every_bench_program_is_run_by_the_script(self):
        files = {path.stem.removesuffix("_bench") for path in (ROOT / "tests/bench").glob("*_bench.*")}
        self.assertEqual(set(re.findall(r"^  (\w+)  +\w", help_of(str(ROOT / "scripts/bench")).split("programs:")[1], re.M)), files)

    def test_maps_and_programs_named_exist(self):
        sources = "".join(path.read_text() for folder in ("bpf", "include/fairlead/abi") for path in (ROOT / folder).rglob("*.[ch]"))
        known = set(re.findall(r"\b(fl_\w+)", sources))
        for page in pages():
            for name in re.findall(r"\b(fl_[a-z_0-9]+)\b", page.read_text()):
                with self.subTest(page=page.relative_to(ROOT), name=name):
                    self.assertTrue(name in known or name.removesuffix("_of") in known or name.endswith("_"), name)

    def test_maps_are_those_that_are_declared_with_their_sizes(self):
        source = re.sub(r"\\\n", " ", read("bpf/lib/maps.h"))
        sizes = {name: "grows" for name in re.findall(r"^FL_TABLE(?:_HASH|_ARRAY)?\((fl_\w+),", source, re.M)}
        sizes |= {name: "a socket each" for name in re.findall(r"^FL_STORAGE\((fl_\w+),", source, re.M)}
        counters = re.search(r"FL_COUNTERS = (\d+)", read("include/fairlead/abi/metric.h"))[1]
        for body, name in re.findall(r"^struct \{\n((?:\t.*\n)+)\} (fl_\w+) SEC", source, re.M):
            size = re.search(r"max_entries, (.*)\);", body)
            if size:
                number = eval(size[1].replace("FL_COUNTERS", counters), {})  # sums and shifts of numbers
                ring = "RINGBUF" in body
                sizes[name] = f"{number >> 20} MiB" if ring and number >= 1 << 20 else f"{number >> 10} KiB" if ring else str(number)
        self.assertGreater(len(sizes), 20)
        self.assertEqual(dict(re.findall(r"^\| `(fl_\w+)` \| ([^|]+) \|", read("docs/reference/maps.md"), re.M)), sizes)

    def test_layers_are_those_that_are_enforced(self):
        enforced = {}
        for line in read(".ci/layers.txt").splitlines():
            if line and not line.startswith("#"):
                number, path, *_ = line.split()
                enforced.setdefault(number, []).append(path.removeprefix("include/fairlead/"))
        rows = re.findall(r"^\| (\d+) \| (.*) \|$", read("ARCHITECTURE.md"), re.M)
        self.assertEqual({number: re.findall(r"`([\w/]*\w)`", row) for number, row in rows}, enforced)


if __name__ == "__main__":
    unittest.main()
