# SPDX-License-Identifier: Apache-2.0
"""Python's own tests of sockets and of the protocols above, alone and under the agent.
Usage: python_test.py [--keep-output FOLDER]"""
import re
import sys

from compare import Suite, run_all

PYTHON = "/usr/bin/python3"  # Debian's, which libpython3.11-testsuite belongs to
MODULES = ("test_socket", "test_socketserver", "test_select", "test_poll", "test_epoll", "test_selectors", "test_httplib",
           "test_ftplib", "test_smtplib", "test_poplib", "test_wsgiref")
RESULT = re.compile(r"^(\w+) \((test\.[\w.]+)\)(?:\n[^\n]*)? \.\.\. (ok|FAIL|ERROR|skipped)", re.MULTILINE)
VERDICTS = {"ok": "PASS", "skipped": "SKIP"}


class Python(Suite):
    name = "python"
    program = "python3"
    at_least = 900

    def command(self, only):
        # Kinds of sockets that are none of ours, and that hang on machines which have them but no peer.
        words = [PYTHON, "-m", "test", "-j6", "-v", "-u", "network", "-i", "*VSOCK*", "-i", "*CAN*", "-i", "*TIPC*"]
        for test in sorted(only or ()):
            words += ["-m", test.split(".")[-1]]
        return words + list(MODULES)

    def results(self, text):
        return {f"{where}.{test}" if not where.endswith(test) else where: VERDICTS.get(verdict, "FAIL")
                for test, where, verdict in RESULT.findall(text)}


if __name__ == "__main__":
    sys.exit(run_all([Python], __doc__))
