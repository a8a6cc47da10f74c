# SPDX-License-Identifier: Apache-2.0
"""Go's own tests of net and net/http, alone and under the agent. Usage: go_test.py [--keep-output FOLDER]"""
import os
import pathlib
import re
import subprocess
import sys

from compare import Suite, run_all

GO = pathlib.Path("/usr/lib/go")  # Debian's golang-go; another toolchain may stand before it in PATH
RESULT = re.compile(r"^\s*--- (PASS|FAIL|SKIP): (\S+)", re.MULTILINE)


class GoPackage(Suite):
    def build(self):
        self.program = self.folder / (self.name.replace("/", "_") + ".test")
        self.cwd = GO.resolve() / "src" / self.name
        environment = dict(os.environ, GOCACHE=str(self.folder / "cache"), GOTOOLCHAIN="local", GOFLAGS="",
                           GO111MODULE="off", HOME=str(self.folder))
        environment.pop("GOROOT", None)
        subprocess.run([GO / "bin/go", "test", "-c", "-o", self.program, self.name], env=environment, check=True)

    def command(self, only):
        words = [str(self.program), "-test.short", "-test.v", "-test.timeout=300s"]
        if only:
            words.append("-test.run=^(" + "|".join(sorted({test.split("/")[0] for test in only})) + ")$")
        return words

    def results(self, text):
        return {test: verdict for verdict, test in RESULT.findall(text)}


class Net(GoPackage):
    name = "net"
    program = "net.test"
    at_least = 200


class NetHttp(GoPackage):
    name = "net/http"
    program = "net_http.test"
    at_least = 600


if __name__ == "__main__":
    sys.exit(run_all([Net, NetHttp], __doc__))
