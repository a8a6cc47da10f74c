# SPDX-License-Identifier: Apache-2.0
"""The agent on a node made of namespaces: it takes the configuration of a small cluster, disturbs nothing that is no
service, answers signals, and what the lab made is gone afterwards."""
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts/demo"))
import lab as lab_module  # noqa: E402
import objects  # noqa: E402


class LabTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = lab_module.Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.lab.make_network()
        cls.lab.write_config()
        cls.lab.start_agent()
        cls.lab.start_servers()

    def test_the_agent_takes_the_configuration(self):
        self.assertIn("ready", self.lab.log("agent").split("\n"))

    def test_addresses_that_are_no_service_are_reached_as_without_the_agent(self):
        for pod in (pod for pod in objects.PODS if pod.app == "web"):
            status, output = self.lab.run("shop", "curl", "-sS", "--max-time", "10", f"http://{pod.address}:8080/")
            self.assertEqual((status, output), (0, pod.name))
        status, output = self.lab.run("shop", "dig", "@10.244.0.31", "+short", "a.example.test")
        self.assertEqual((status, output), (0, "192.0.2.80"))
        self.assertEqual(self.lab.run("shop", "redis-cli", "-h", "10.244.0.21", "ping"), (0, "PONG"))

    def test_maps_are_pinned_under_the_given_directory_only(self):
        self.assertTrue(any(self.lab.pins.iterdir()))

    def test_a_second_agent_for_the_same_pins_ends_and_says_why(self):
        command = self.lab.inside("node") + self.lab.agent_command()
        second = subprocess.run(command, capture_output=True, text=True, timeout=30)
        self.assertNotEqual(second.returncode, 0)
        self.assertTrue(second.stderr.strip())
        self.assertIsNone(self.lab.agent.poll())


class CloseTest(unittest.TestCase):
    def test_close_leaves_nothing(self):
        lab = lab_module.Lab()
        try:
            lab.make_network()
            lab.write_config()
            lab.start_agent()
            lab.start_servers()
            lab.agent.send_signal(signal.SIGTERM)
            self.assertEqual(lab.agent.wait(30), 0)
        finally:
            lab.close()
        for path in (lab.cgroup, lab.pins, lab.folder):
            self.assertFalse(path.exists(), path)
        self.assertNotIn(lab.name, subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout)


if __name__ == "__main__":
    unittest.main()
