"""Are bounds decided rightly? Figures just inside and just outside of each."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("table", os.path.join(os.path.dirname(os.path.abspath(__file__)), "table"))
spec = importlib.util.spec_from_loader("table", loader)
table = importlib.util.module_from_spec(spec)
loader.exec_module(table)


def figure(name, ours, floor=None, library=None, unit="ms"):
    return {"id": name, "what": "what", "unit": unit, "n": 1, "floor": floor, "ours": ours, "library": library}


def all_reached():
    figures = [figure(f"P1.used.{kind}", 2.4, 1, 5) for kind in ("median", "p99")]
    figures += [figure(f"P1.new.{kind}", 3.9, 1, 5) for kind in ("median", "p99")]
    figures += [figure("P2.cpu", 2.9, 1, 8), figure("P3.wake-ups", 0), figure("P3.cpu", 0)]
    figures += [figure("P4.idle", 6144, None, 20480.1), figure("P4.link", 8, unit="KiB"), figure("P4.cached", 6000, None, 20000)]
    figures += [figure(f"P5.{entries}.{objects}", 14) for entries in (10, 10000) for objects in (10, 10000)]
    figures += [figure(f"P6.{name}", 1, None, 3, "s") for name in table.SCENARIOS]
    figures += [figure(f"P7.{callers}", 1) for callers in (1, 10, 100, 1000)]
    figures += [figure("P8.first", 1.04, None, 1), figure("P8.cached", 1, None, 1), figure("P8.restart", 0.2, None, 1)]
    return {entry["id"]: entry for entry in figures}


class Bounds(unittest.TestCase):
    def not_reached(self, changed):
        figures = {**all_reached(), **{entry["id"]: entry for entry in changed}}
        judged = table.judge(figures, table.ROWS)
        return [(name, verdict.bound) for name, _, verdict in judged if verdict and not table.reached(verdict)]

    def test_all_are_reached(self):
        self.assertEqual(self.not_reached([]), [])

    def test_each_can_be_missed(self):
        cases = [
            (figure("P1.used.median", 2.6, 1, 6), "at most 2.5 x floor"),
            (figure("P1.used.median", 2.4, 1, 4.7), "at most 0.5 x library"),
            (figure("P1.used.p99", 2.51, 1, 6), "at most 2.5 x floor"),
            (figure("P1.new.median", 4.1, 1, 6), "at most 4 x floor"),
            (figure("P1.new.p99", 4.1, 1, 6), "at most 4 x floor"),
            (figure("P2.cpu", 3.1, 1, 8), "at most 3 x floor"),
            (figure("P2.cpu", 2.9, 1, 7), "at most 0.4 x library"),
            (figure("P3.wake-ups", 1), "none"),
            (figure("P3.cpu", 0.01), "none"),
            (figure("P4.idle", 6145, None, 30000, "KiB"), "at most 6,144 KiB"),
            (figure("P4.idle", 6000, None, 19999), "at most 0.3 x library"),
            (figure("P4.link", 8.1, unit="KiB"), "at most 8 KiB"),
            (figure("P4.cached", 6001, None, 20000), "at most 0.3 x library"),
            (figure("P5.10000.10", 15.1), "at most 15 ms"),
            (figure("P8.first", 1.06, None, 1), "at most 1.05 x library"),
            (figure("P8.cached", 1.01, None, 1), "at most 1 x library"),
            (figure("P8.restart", 0.21, None, 1), "at most 0.2 x library"),
            (figure("P6.vanish", 3.4, None, 3, "s"), "connected, at most 1.1 x library + 0.05 s"),
            (figure("P6.vanish", None, None, 3, "s"), "connected, at most 1.1 x library + 0.05 s"),
            (figure("P6.vanish", None, None, None, "s"), "connected, at most 1.1 x library + 0.05 s"),
        ]
        for changed, bound in cases:
            with self.subTest(changed["id"], bound=bound):
                self.assertEqual(self.not_reached([changed]), [(changed["id"], bound)])

    def test_growth_is_judged_against_the_cheapest_with_fewer(self):
        flat = "flat: at most 20 % more than with fewer"
        self.assertEqual(self.not_reached([figure("P7.1000", 1.21)]), [("P7.flat", flat)])
        self.assertEqual(self.not_reached([figure("P7.1000", 1.19)]), [])
        self.assertEqual(self.not_reached([figure("P7.1", 5)]), [], "it may become cheaper")
        self.assertEqual(self.not_reached([figure("P7.10", 0.8)]), [("P7.flat", flat)])
        self.assertEqual(self.not_reached([figure("P5.10.10", 11)]), [("P5.flat", flat)])

    def test_the_sum_is_of_scenarios_where_both_connect(self):
        slow = [figure(f"P6.{name}", 1.6, None, 3, "s") for name in table.SCENARIOS]
        self.assertEqual(self.not_reached(slow), [("P6.total", "in all, where both connect: at most 0.5 x library")])
        alone = [figure("P6.vanish", 100, None, None, "s")]
        self.assertEqual(self.not_reached(alone), [], "the library has no link there")

    def test_what_is_not_measured_is_not_reached(self):
        for name in all_reached():
            with self.subTest(name):
                figures = all_reached()
                del figures[name]
                self.assertTrue([one for one, _, verdict in table.judge(figures, table.ROWS)
                                 if verdict and not table.reached(verdict) and one == name])
        self.assertEqual(self.not_reached([figure("P2.cpu", 2.9, 1, None)]), [("P2.cpu", "at most 0.4 x library")])


class Held(unittest.TestCase):
    def test_what_is_held_is_a_bound(self):
        judged = {(name, verdict.bound) for name, _, verdict in table.judge(all_reached(), table.ROWS) if verdict}
        self.assertLessEqual(set(table.HELD), judged)
        self.assertTrue(all(limit > 1 for limit in table.HELD.values()))

    def test_no_more_of_a_bound_is_used_than_is_held(self):
        for (name, bound), limit in table.HELD.items():
            with self.subTest(name, bound=bound):
                self.assertTrue(table.held(name, table.Verdict(bound, limit)))
                self.assertFalse(table.held(name, table.Verdict(bound, limit + 0.01)))
                self.assertFalse(table.held(name, table.Verdict(bound, None)), "it was not measured")
        self.assertFalse(table.held("P3.cpu", table.Verdict("none", 1.01)), "a bound that is reached is held itself")


class Program(unittest.TestCase):
    def run_it(self, figures, *words):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "figures")
            with open(file, "w", encoding="utf-8") as lines:
                lines.writelines(json.dumps(entry) + "\n" for entry in figures)
            answer = os.path.join(folder, "answer.json")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = table.main([*words, "--json", answer, file])
            with open(answer, encoding="utf-8") as lines:
                return status, out.getvalue(), json.load(lines)

    def test_status_table_and_json_say_the_same(self):
        status, text, entries = self.run_it(all_reached().values())
        self.assertEqual(status, 0)
        self.assertNotIn("NOT", text)
        self.assertFalse([entry["id"] for entry in entries if entry["reached"] is False])
        status, text, entries = self.run_it([figure("P3.wake-ups", 7, None, 20000, ""), figure("P3.cpu", 0)], "--rows", "P3")
        self.assertEqual(status, 1)
        self.assertIn("| P3.wake-ups | what | 1 | - | - | 7.00 | 20,000 | - | 0.00 x | NOT REACHED: none |", text)
        self.assertIn("1 of 2 bounds are reached.", text)
        self.assertEqual([(entry["id"], entry["reached"]) for entry in entries], [("P3.wake-ups", False), ("P3.cpu", True)])

    def test_a_bound_that_is_missed_and_held_is_told_and_no_failure(self):
        figures = {**all_reached(), "P8.cached": figure("P8.cached", 1.02, None, 1)}
        status, text, _ = self.run_it(figures.values())
        self.assertEqual(status, 0)
        self.assertIn("NOT REACHED: at most 1 x library", text)
        self.assertIn("held: P8.cached, at most 1 x library: 1.02 of it, 1.07 is held", text)
        figures["P8.cached"] = figure("P8.cached", 1.08, None, 1)
        status, text, _ = self.run_it(figures.values())
        self.assertEqual(status, 1)
        self.assertIn("WORSE: P8.cached, at most 1 x library: 1.08 of it, 1.07 is held", text)

    def test_a_figure_without_a_bound_is_told_and_not_judged(self):
        status, text, _ = self.run_it([figure("P3.wake-ups", 0), figure("P3.cpu", 0), figure("P3.more", 5)], "--rows", "P3")
        self.assertEqual(status, 0)
        self.assertIn("| P3.more | what | 1 | - | - | 5.00 ms | - | - | - | not judged |", text)

    def test_the_relay_is_told_and_not_judged(self):
        entry = {**figure("P3.more", 5), "relay": 2}
        status, text, entries = self.run_it([figure("P3.wake-ups", 0), figure("P3.cpu", 0), entry], "--rows", "P3")
        self.assertEqual(status, 0)
        self.assertIn("| P3.more | what | 1 | - | 2.00 ms | 5.00 ms | - | - | - | not judged |", text)
        self.assertIn(2, [entry.get("relay") for entry in entries])

    def test_nothing_measured_is_told_without_a_plot(self):
        with tempfile.TemporaryDirectory() as folder:
            plot = os.path.join(folder, "plot.svg")
            status, text, _ = self.run_it([figure("P8.first", 1)], "--rows", "P8", "--svg", plot)
            self.assertEqual(status, 1)
            self.assertIn("0 of 3 bounds are reached.", text)
            self.assertFalse(os.path.exists(plot))


if __name__ == "__main__":
    unittest.main()
