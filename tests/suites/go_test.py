# SPDX-License-Identifier: Apache-2.0
"""Go's own tests of net and net/http, alone and under the agent. Usage: go_test.py [--keep-output FOLDER] [--build FOLDER]"""
import os
import pathlib
import re
import subprocess
import sys

from compare import EMULATED, LIMIT, ROOT, Suite, run_all

GO = pathlib.Path("/usr/lib/go")  # Debian's golang-go; another toolchain may stand before it in PATH
BUILT = ROOT / "build/vm/suites"  # by vm-tests/run, for its guests
RESULT = re.compile(r"^\s*--- (PASS|FAIL|SKIP): (\S+)", re.MULTILINE)


class GoPackage(Suite):
    slow = ()  # tests that take minutes in an emulated machine

    def build(self):
        name = self.name.replace("/", "_") + ".test"
        self.cwd = GO.resolve() / "src" / self.name
        if EMULATED:
            self.program = BUILT / name
            return
        self.program = self.folder / name
        environment = dict(os.environ, GOCACHE=str(self.folder / "cache"), GOTOOLCHAIN="local", GOFLAGS="",
                           GO111MODULE="off", HOME=str(self.folder))
        environment.pop("GOROOT", None)
        subprocess.run([GO / "bin/go", "test", "-c", "-o", self.program, self.name], env=environment, check=True)

    def command(self, only):
        words = [str(self.program), "-test.short", "-test.v", f"-test.timeout={LIMIT * 3 // 4}s"]
        if EMULATED and self.slow and not only:
            listed = subprocess.run([self.program, "-test.list=^Test"], cwd=self.cwd, capture_output=True, text=True, check=True)
            only = {name for name in listed.stdout.split() if name.startswith("Test")} - set(self.slow)
        if only:
            words.append("-test.run=^(" + "|".join(sorted({test.split("/")[0] for test in only})) + ")$")
        return words

    def results(self, text):
        return {test: verdict for verdict, test in RESULT.findall(text)}


class Net(GoPackage):
    name = "net"
    slow = ("TestSplice",)  # 8 MiB in pieces; redirect_live_test splices on each kernel
    program = "net.test"
    at_least = 200


class NetHttp(GoPackage):
    name = "net/http"
    slow = ("TestOmitHTTP2Vet",)  # compiles
    program = "net_http.test"
    at_least = 600


if __name__ == "__main__":
    sys.exit(run_all([Net, NetHttp], __doc__))
