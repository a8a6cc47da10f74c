# SPDX-License-Identifier: Apache-2.0
""".ci/failures says what failed in the log of a step, and nothing else."""
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[3] / ".ci/failures"
LOG = """  1/4 Test #1: A.b ....   Passed    0.13 sec
not of a failure
      Start 2: C.d
2/4 Test #2: C.d ...***Failed  0.02 sec
said by C.d
      Start 3: E.f
3/4 Test #3: E.f ...***Timeout  300.02 sec
{long}
4/4 Test #4: G.h ...Subprocess aborted***Exception:   0.32 sec
said by G.h
25% tests passed, 3 tests failed out of 4
FAILED: scripts/check-layers
[  FAILED  ] Suite.Test (3 ms)
6.1 (6.1.0-56-amd64): 98 passed, 1 failed
6.12 (6.12.1-amd64): 99 passed, 0 failed
kong: 12 executions, status 77
jwt: 100000 executions, status 0
25 passed, 0 failed
"""


def failures(log):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(log)
        file.flush()
        return subprocess.run([SCRIPT, "step", file.name], capture_output=True, text=True, check=True).stdout.splitlines()


class FailuresTest(unittest.TestCase):
    def test_what_failed_is_said(self):
        said = failures(LOG.format(long="\n".join(f"line {i}" for i in range(200))))
        self.assertEqual(said[0], "=== failed in step")
        for line in ("said by C.d", "said by G.h", "line 0", "line 199", "FAILED: scripts/check-layers", "[  FAILED  ] Suite.Test (3 ms)",
                     "6.1 (6.1.0-56-amd64): 98 passed, 1 failed", "kong: 12 executions, status 77"):
            self.assertIn(line, said)
        for line in ("not of a failure", "line 100", "6.12 (6.12.1-amd64): 99 passed, 0 failed",
                     "jwt: 100000 executions, status 0", "25 passed, 0 failed"):
            self.assertNotIn(line, said)

    def test_no_more_than_a_record_keeps(self):
        many = "".join(f"{i}/99 Test #{i}: A.b ...***Failed  0.02 sec\nsaid by {i}\n" for i in range(1, 99))
        said = failures(many)
        self.assertEqual(sum(line.startswith("said by") for line in said), 8)
        self.assertEqual(sum("***Failed" in line for line in said), 98)


if __name__ == "__main__":
    unittest.main()
