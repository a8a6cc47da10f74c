# SPDX-License-Identifier: Apache-2.0
"""What a serving gateway may not do any more. That it can still do its work is asked of every suite: none may be told
of a refused system call (support.Gateway.close)."""
import pathlib
import socket
import unittest

from backend import Backend
from support import PROGRAM, Gateway, curl

CAP_NET_BIND_SERVICE = 1 << 10


def status_of(pid, field):
    """A field of /proc/PID/status of every thread."""
    return {next(line.split(":", 1)[1].strip() for line in (task / "status").read_text().splitlines()
                 if line.startswith(field + ":"))
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def has_sanitizer():
    """Their runtime makes calls of its own, so such a build has no filter."""
    return b"__asan_init" in pathlib.Path(PROGRAM).read_bytes() or b"__tsan_init" in pathlib.Path(PROGRAM).read_bytes()


class ConfineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = Backend()
        cls.addClassCleanup(cls.backend.close)
        cls.gateway = Gateway("--listen", "127.0.0.1:0", "--to", cls.backend.url, workers=2)
        cls.addClassCleanup(cls.gateway.close)

    def test_every_thread_has_the_filter_and_no_new_privileges(self):
        curl(self.gateway.url + "/name")
        self.assertEqual(status_of(self.gateway.process.pid, "NoNewPrivs"), {"1"})
        self.assertEqual(status_of(self.gateway.process.pid, "Seccomp"), {"0" if has_sanitizer() else "2"})

    def test_no_thread_has_more_than_the_right_to_low_ports(self):
        for field in ("CapPrm", "CapEff"):
            for text in status_of(self.gateway.process.pid, field):
                self.assertEqual(int(text, 16) & ~CAP_NET_BIND_SERVICE, 0, field)

    def test_a_low_port_can_still_be_opened(self):
        free = next(port for port in range(1023, 600, -1) if self.is_free(port))
        low = Gateway("--listen", f"127.0.0.9:{free}", "--to", self.backend.url)
        self.addCleanup(low.close)
        self.assertEqual(low.port, free)
        self.assertEqual(curl(f"http://127.0.0.9:{free}/name"), b"backend")

    @staticmethod
    def is_free(port):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.9", port))
                return True
            except OSError:
                return False


if __name__ == "__main__":
    unittest.main()
