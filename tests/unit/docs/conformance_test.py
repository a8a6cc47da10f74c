# SPDX-License-Identifier: Apache-2.0
"""The table of Gateway API's features: its tests exist, and GatewayClass's status names the features that have one."""
import re
import unittest

from pages import ROOT


def rows():
    """{feature: (level, shown by)}"""
    text = (ROOT / "docs/reference/gateway-conformance.md").read_text()
    found = re.findall(r"^\| (\w+) \| (Core|Extended) \| (.*) \|$", text, re.MULTILINE)
    assert len(found) == len(re.findall(r"^\| \w", text, re.MULTILINE)) - 1, "a row has another form"  # but the titles
    return {feature: (level, shown) for feature, level, shown in found}


def missing_tests(shown):
    """Names in a cell, `file` `name`..., that no test of the file has."""
    missing, text = [], None
    for span in re.findall(r"`([^`]+)`", shown):
        if "/" in span:
            file = ROOT / span
            text = file.read_text() if file.exists() else ""
        elif text is None or not re.search(rf"def {span}\(|TEST(?:_[FP])?\(\w+, {span}\)", text):
            missing.append(span)
    return missing if text is not None else [shown]


class ConformanceTest(unittest.TestCase):
    def test_tests_that_are_named_exist(self):
        for feature, (_, shown) in rows().items():
            with self.subTest(feature=feature):
                if not re.fullmatch(r"no(: .*)?", shown):
                    self.assertEqual(missing_tests(shown), [])

    def test_what_is_missing_is_found(self):
        self.assertEqual(missing_tests("`tests/gateway/conformance_test.py` `test_Nonsense`"), ["test_Nonsense"])
        self.assertEqual(missing_tests("`tests/nonsense.py` `test_x`"), ["test_x"])
        self.assertEqual(missing_tests("yes"), ["yes"])

    def test_the_status_names_what_has_a_test(self):
        source = (ROOT / "gateway/dataplane/config/gateway_features.cpp").read_text()
        named = re.findall(r'^    "(\w+)",$', source, re.MULTILINE)
        shown = sorted(feature for feature, (_, cell) in rows().items() if not cell.startswith("no"))
        self.assertEqual(named, shown)


if __name__ == "__main__":
    unittest.main()
