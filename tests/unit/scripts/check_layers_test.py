# SPDX-License-Identifier: Apache-2.0
"""scripts/check-layers refuses each kind of wrong include, and nothing else."""
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[3] / "scripts/check-layers"
TABLE = """\
# comment
0 include/fairlead/abi
1 bpf
1 include/fairlead/base gateway/dataplane/base
2 include/fairlead/model
12 agent/kernel
13 agent/policy
13 agent/node
17 agent
17 gateway
"""


def run(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in {".ci/layers.txt": TABLE, **files}.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return subprocess.run([SCRIPT, root], capture_output=True, text=True)


class CheckLayers(unittest.TestCase):
    def refused(self, files, expected):
        result = run(files)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn(expected, result.stderr)

    def test_accepts_lower_own_and_library_includes(self):
        result = run({
            "include/fairlead/base/a.hpp": "#include <vector>\n",
            "gateway/dataplane/base/a.cpp": '#include "fairlead/base/a.hpp"\n',
            "agent/kernel/map.hpp": '#include <bpf/bpf.h>\n#include "bpf/lib/x.h"\n',
            "bpf/lib/x.h": "",
            "agent/main.cpp": '#include "agent/kernel/map.hpp"\n',
            "tests/live/x_test.cpp": '#include "agent/kernel/map.hpp"\n#include "support/netns.hpp"\n',
            "tests/support/netns.hpp": "",
        })
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_refuses_an_upward_include(self):
        self.refused({"include/fairlead/base/a.hpp": "#include <fairlead/model/m.hpp>\n",
                      "include/fairlead/model/m.hpp": ""}, "base/a.hpp:1: module include/fairlead/base (layer 1)")

    def test_refuses_a_sideways_include(self):
        self.refused({"agent/policy/a.hpp": '\n#include "agent/node/b.hpp"\n', "agent/node/b.hpp": ""},
                     "agent/policy/a.hpp:2: modules agent/policy and agent/node are both of layer 13")

    def test_refuses_agent_and_gateway_including_each_other(self):
        self.refused({"agent/a.cpp": '#include "gateway/dataplane/base/b.hpp"\n', "gateway/dataplane/base/b.hpp": ""},
                     "never include each other")

    def test_refuses_a_cycle(self):
        self.refused({"agent/node/a.hpp": '#include "b.hpp"\n', "agent/node/b.hpp": '#include "a.hpp"\n'},
                     "include cycle: agent/node/a.hpp -> agent/node/b.hpp -> agent/node/a.hpp")

    def test_refuses_a_source_under_include(self):
        self.refused({"include/fairlead/base/a.cpp": ""}, "include/ holds headers only")

    def test_refuses_a_file_in_no_module(self):
        self.refused({"include/fairlead/new/a.hpp": ""}, "belongs to no module")

    def test_refuses_tests_in_the_product_and_libbpf_elsewhere(self):
        self.refused({"agent/a.cpp": '#include "support/netns.hpp"\n', "tests/support/netns.hpp": ""}, "only tests")
        self.refused({"gateway/a.cpp": "#include <bpf/libbpf.h>\n"}, "libbpf belongs to")


if __name__ == "__main__":
    unittest.main()
