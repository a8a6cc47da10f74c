# SPDX-License-Identifier: Apache-2.0
"""Corner cases of Kong's routes and plugins, from its own file and from what that converts to."""

from kong_plugins_test import KongCase
from kong_test import ask


class KongCases(KongCase):
    def test_no_way_out_of_a_services_path(self):
        text = (f"services: [{{name: s, url: 'http://127.0.0.1:{self.one.port}/base'}}]\nroutes:\n- {{name: a, service: s, paths: [/a]}}\n"
                "- {name: b, service: s, paths: ['~/b[0-9]']}\n")

        def check(http):
            for path, sent in (("/a../x", "/base/x"), ("/a%2E%2e/x", "/base/x"), ("/a./x", "/base/x"), ("/a..", "/base"), ("/b1../x", "/base/x"),
                               ("/a.../x", "/base/.../x"), ("/a/../a/x", "/base/x")):
                self.assertEqual(ask(http, path)[0], 200, path)
                self.assertEqual(self.one.requests()[-1][0], sent, path)
        self.both(text, check)


if __name__ == "__main__":
    unittest.main()
