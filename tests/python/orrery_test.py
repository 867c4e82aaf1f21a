"""The Python module says what the command says, raises what it should, and lets go of the interpreter."""

import json
import os
import pathlib
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy

import orrery

COMMAND = os.environ["ORRERY_BINARY"]
SOURCE = pathlib.Path(os.environ["ORRERY_SOURCE_DIR"])
SMALL = {
    "model": "megatron-7.5b",
    "cluster": {"node": "dgx-a100", "nodes": 4},
    "parallel": {"tp": 4, "pp": 4},
    "schedule": "1f1b",
    "training": {"global_batch": 32, "micro_batch": 1},
}
STUDY = {
    **SMALL,
    "name": "small",
    "vary": {"parallel.tp": [1, 2, 4, 3], "schedule": ["1f1b", "gpipe"]},
    "objective": {"minimize": "step_time_s"},
}


def command(*arguments, status=0):
    """The JSON object that the command prints."""
    done = subprocess.run([COMMAND, *arguments, "--json"], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


class Run(unittest.TestCase):
    def test_equals_the_command_for_a_name_a_path_a_text_and_a_dict(self):
        expected = command("run", "quickstart")
        self.assertEqual(orrery.run("quickstart"), expected)
        path = SOURCE / "configs" / "quickstart.yaml"
        self.assertEqual(orrery.run(path), expected)
        self.assertEqual(orrery.run(str(path)), expected)
        with_its_name = {"name": expected["experiment"]}
        self.assertEqual(orrery.run(path.read_text(), set=with_its_name)["step_time_s"], expected["step_time_s"])
        self.assertEqual(orrery.run({"base": "quickstart", **with_its_name})["per_stage"], expected["per_stage"])

    def test_equals_the_command_under_every_engine(self):
        for engine in ["replay", "flow", "simgrid"]:
            with self.subTest(engine):
                try:
                    result = orrery.run(SMALL_FILE, engine=engine)
                except orrery.MissingCapability:
                    self.assertEqual(engine, "simgrid")
                    continue
                self.assertEqual(result, command("run", SMALL_FILE, "--engine", engine))

    def test_settings_of_every_type_are_those_of_the_command(self):
        expected = command(
            "run", SMALL_FILE, "--set", "parallel.tp=2", "--set", "schedule={name: interleaved-1f1b, vpp: 3}", "--no-fold"
        )
        sets = {"parallel.tp": numpy.int64(2), "schedule": {"name": "interleaved-1f1b", "vpp": 3}}
        self.assertEqual(orrery.run(SMALL_FILE, set=sets, fold=False), expected)
        written = ["parallel.tp=2", "schedule={name: interleaved-1f1b, vpp: 3}"]
        self.assertEqual(orrery.run(SMALL_FILE, set=written, fold=False), expected)

    def test_writes_the_reports(self):
        with tempfile.TemporaryDirectory() as folder:
            result = orrery.run(SMALL, out=pathlib.Path(folder) / "new")
            self.assertEqual(json.loads((pathlib.Path(folder) / "new/result.json").read_text()), result)
            self.assertEqual(sorted(os.listdir(folder + "/new")), ["report.html", "result.json", "trace.json.gz"])

    def test_a_plan_that_does_not_fit_is_simulated_and_says_so(self):
        done = orrery.simulate({**SMALL, "model": "gpt3-175b"})
        self.assertFalse(done.result["memory"]["fits"])
        self.assertIn("does not fit", done.too_large)


class Timeline(unittest.TestCase):
    def setUp(self):
        self.done = orrery.simulate(SMALL)
        self.timeline = self.done.timeline

    def word(self, column):
        return numpy.array(self.timeline["categories"][column])[self.timeline[column]]

    def test_has_one_entry_a_task_and_ends_with_the_step(self):
        tasks = self.done.result["simulation"]["tasks"]
        for name, array in self.timeline.items():
            if name != "categories":
                self.assertEqual(array.shape, (tasks,), name)
        self.assertEqual(self.timeline["end"].max(), self.done.result["step_time_s"])
        self.assertTrue((self.timeline["end"] >= self.timeline["start"]).all())

    def test_tasks_of_one_stream_do_not_overlap(self):
        on_first = (self.timeline["rank"] == 0) & (self.word("stream") == "compute")
        start, end = self.timeline["start"][on_first], self.timeline["end"][on_first]
        self.assertGreater(len(start), 100)
        self.assertTrue((start[1:] >= end[:-1] - 1e-12).all())

    def test_every_microbatch_passes_every_stage(self):
        forward = self.word("phase") == "forward"
        for stage in range(4):
            own = forward & (self.timeline["stage"] == stage) & (self.timeline["microbatch"] >= 0)
            self.assertEqual(set(self.timeline["microbatch"][own]), set(range(16)))

    def test_says_what_each_task_does(self):
        self.assertLessEqual({"kernel", "send-recv"}, set(self.word("kind")))
        sends = self.word("kind") == "send-recv"
        self.assertLessEqual(set(self.word("stream")[sends]), {"pp-send", "pp-recv"})
        # A micro-batch's activations in bf16, whole or the share of one of four tensor-parallel ranks.
        whole = 2048 * 4096 * 2
        self.assertIn([*set(self.timeline["bytes"][sends])], [[whole], [whole / 4]])


class Compare(unittest.TestCase):
    def test_equals_the_command(self):
        pair = ["configs/published/korthikanti-2022-175b-full.yaml", "configs/published/korthikanti-2022-175b-selective.yaml"]
        paths = [str(SOURCE / path) for path in pair]
        self.assertEqual(orrery.compare(paths), command("compare", *paths))

    def test_of_one_file_that_varies_equals_the_command(self):
        varied = {**SMALL, "vary": {"parallel.tp": [2, 4, 5]}}
        result = orrery.compare(varied)
        self.assertEqual(len(result["results"]), 2)
        self.assertEqual(len(result["refused"]), 1)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "varied.yaml"
            path.write_text(json.dumps(varied))
            self.assertEqual(result, command("compare", str(path)))


class Sweeps(unittest.TestCase):
    def test_points_are_what_each_alone_gives(self):
        done = orrery.sweep(STUDY, jobs=2)
        points = done.points
        self.assertEqual(list(points["id"]), list(range(8)))
        self.assertEqual(points["id"].dtype, numpy.int64)
        self.assertEqual([*points["status"]].count("illegal"), 2)
        ok = done.where(points["status"] == "ok")
        for tp, name, time in zip(ok["parallel.tp"], ok["schedule.name"], ok["step_time_s"]):
            self.assertEqual(time, orrery.run(SMALL, set={"parallel.tp": int(tp), "schedule.name": name})["step_time_s"])
        self.assertTrue(numpy.isnan(points["step_time_s"][points["status"] == "illegal"]).all())
        self.assertEqual(done.summary["best"][0]["step_time_s"], ok["step_time_s"].min())

    def test_equals_the_command_and_can_be_asked(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "study.yaml"
            path.write_text(json.dumps(STUDY))
            printed = command("sweep", str(path), "--out", folder + "/command")
            done = orrery.sweep(path, out=folder + "/module", charts=0)
            self.assertEqual(done.summary, printed)
            for name in ["points.csv", "study.json"]:
                self.assertEqual(
                    pathlib.Path(folder, "module", name).read_bytes(), pathlib.Path(folder, "command", name).read_bytes()
                )
            found = orrery.query(folder + "/module", "where status = 'ok' order by step_time_s", select="point.id, step_time_s")
            self.assertEqual(found["id"][0], printed["best"][0]["point"])
            again = orrery.sweep(path, out=folder + "/module", resume=True, charts=0)
            self.assertEqual(again.summary, printed)

    def test_best_leaves_the_rest_out(self):
        self.assertEqual(orrery.sweep(STUDY, best=1).summary["best"][0], orrery.sweep(STUDY).summary["best"][0])


class BareParts(unittest.TestCase):
    def test_schedule_equals_the_command(self):
        expected = command("schedule", "zb-h1", "--stages", "4", "--microbatches", "8", "--forward", "1,1,2,1")
        result = orrery.schedule("zb-h1", stages=4, microbatches=8, forward=[1, 1, 2, 1], timeline=True)
        arrays = result.pop("timeline")
        self.assertEqual(result, expected)
        self.assertEqual(len(arrays["start"]), expected["actions"])
        self.assertEqual(arrays["end"].max(), expected["makespan"])

    def test_1f1b_has_the_bubble_of_its_closed_form(self):
        for p, m in [(2, 4), (4, 8), (8, 8)]:
            self.assertAlmostEqual(orrery.schedule("1f1b", stages=p, microbatches=m)["bubble_ratio"], (p - 1) / (m + p - 1))

    def test_collective_equals_the_command(self):
        expected = command("collective", "all-reduce", "--bytes", "1GiB", "--ranks", "64", "--cluster", "dgx-h100")
        result = orrery.collective("all-reduce", bytes=1 << 30, ranks=64, cluster="dgx-h100")
        for answer in [expected, result]:
            answer.pop("simulation")
        self.assertEqual(result, expected)

    def test_lists_equal_the_command(self):
        for kind in ["models", "clusters", "schedules", "strategies", "calibrations", "software"]:
            self.assertEqual(orrery.list(kind), command("list", kind)[kind])


class Errors(unittest.TestCase):
    def test_a_mistake_in_a_file_has_its_place(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "wrong.yaml"
            path.write_text("model: megatron-7.5b\ncluster: {node: dgx-a100, nodes: 1}\nparallel:\n  tpp: 4\ntraining: {}\n")
            with self.assertRaises(orrery.InputError) as raised:
                orrery.run(path)
        error = raised.exception
        self.assertEqual((error.file, error.line, error.column, error.key), (str(path), 4, 3, "parallel.tpp"))
        self.assertIn("did you mean 'tp'", error.message)
        self.assertEqual(str(error), f"{path}:4:3: parallel.tpp: {error.message}")
        self.assertIsInstance(error, (ValueError, orrery.OrreryError))
        self.assertEqual(pickle.loads(pickle.dumps(error)).line, 4)

    def test_a_mistake_in_a_text_or_a_dict_names_the_key(self):
        for config in [{**SMALL, "modle": "x"}, "modle: x\n"]:
            with self.assertRaises(orrery.InputError) as raised:
                orrery.run(config)
            self.assertEqual((raised.exception.file, raised.exception.key), ("<config>", "modle"))

    def test_a_mistake_in_a_setting_names_it(self):
        with self.assertRaises(orrery.InputError) as raised:
            orrery.run(SMALL, set={"parallel.tpp": 3})
        self.assertEqual((raised.exception.key, raised.exception.file), ("parallel.tpp", "--set parallel.tpp=3"))

    def test_a_mistake_in_an_argument_names_it_as_python_does(self):
        with self.assertRaises(orrery.InputError) as raised:
            orrery.schedule("1f1b", stages=4)
        self.assertEqual(raised.exception.key, "microbatches")
        self.assertNotIn("--", str(raised.exception))
        with self.assertRaises(orrery.InputError) as raised:
            orrery.collective("all-reduce", bytes=1, ranks=8, cluster="dgx-h100", ranks_per_node=9)
        self.assertEqual(raised.exception.key, "ranks_per_node")
        with self.assertRaises(orrery.InputError) as raised:
            orrery.collective("all-reduce", bytes=1, ranks=0, cluster="dgx-h100")
        self.assertEqual(raised.exception.key, "ranks")
        with self.assertRaisesRegex(orrery.InputError, "did you mean 'models'"):
            orrery.list("modells")

    def test_what_cannot_run_says_why(self):
        with self.assertRaisesRegex(orrery.CannotRun, "micro-batch activations"):
            orrery.schedule("gpipe", stages=4, microbatches=8, memory_limit=2)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "stuck.csv"
            path.write_text("0B0,0F0\n1F0,1B0\n")
            with self.assertRaises(orrery.SimulationError) as raised:
                orrery.schedule(path)
            self.assertIsInstance(raised.exception, orrery.CannotRun)
            self.assertGreater(len(raised.exception.cycle), 0)

    def test_other_types_are_type_errors(self):
        with self.assertRaises(TypeError):
            orrery.run(7)
        with self.assertRaises(TypeError):
            orrery.run({**SMALL, "model": object()})


SLOW = {**SMALL, "model": "gpt3-175b", "cluster": {"node": "dgx-a100", "nodes": 64}, "fold": False}
SLOW["parallel"] = {"tp": 8, "pp": 16}
SLOW["training"] = {"global_batch": 1024, "micro_batch": 1}


class Interpreter(unittest.TestCase):
    def test_other_threads_run_meanwhile(self):
        stop = threading.Event()
        longest = 0.0

        def beat():
            nonlocal longest
            last = time.monotonic()
            while not stop.is_set():
                time.sleep(0.001)
                now = time.monotonic()
                longest, last = max(longest, now - last), now

        heart = threading.Thread(target=beat)
        heart.start()
        began = time.monotonic()
        orrery.run(SLOW)
        took = time.monotonic() - began
        stop.set()
        heart.join()
        self.assertLess(longest, took / 2)

    def test_threads_simulate_at_once_and_get_the_same(self):
        results = [None] * 8

        def work(i):
            results[i] = orrery.run(SMALL, set={"parallel.tp": [2, 4][i % 2]})

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i in range(8):
            self.assertEqual(results[i], results[i % 2])

    def interrupted(self, code):
        """Runs the code in a process of its own, interrupts it when it has said "now", returns what it printed after."""
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(child.stdout.readline(), "now\n")
        time.sleep(0.3)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        self.assertLess(time.monotonic() - began, 20)
        return child.returncode, out, err

    def test_control_c_ends_a_simulation(self):
        code = f"""
import orrery
print("now", flush=True)
try:
    for _ in range(1000): orrery.run({SLOW!r})
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
        status, out, err = self.interrupted(code)
        self.assertEqual((out, err), ("stopped\n", ""))
        self.assertIn(status, (0, 130))

    def test_control_c_ends_a_sweep_which_goes_on_later(self):
        with tempfile.TemporaryDirectory() as folder:
            study = {**STUDY, "vary": {"training.global_batch": {"from": 8, "to": 80000, "step": 8}}}
            call = f"orrery.sweep({study!r}, out={folder!r}, charts=0"
            code = f"""
import orrery
print("now", flush=True)
try:
    {call})
except KeyboardInterrupt:
    print("stopped", flush=True)
try:
    {call})
except orrery.InputError as error:
    print(error.file, flush=True)
"""
            _, out, err = self.interrupted(code)
            self.assertEqual(out, f"stopped\n{folder}/study.sqlite\n", err)


class Page(unittest.TestCase):
    def test_examples_of_docs_python_do_what_they_say(self):
        blocks = re.findall(r"^```python\n(.*?)^```", (SOURCE / "docs/python.md").read_text(), re.M | re.S)
        self.assertGreater(len(blocks), 3)
        with tempfile.TemporaryDirectory() as folder:
            before = os.getcwd()
            os.chdir(folder)
            try:
                for name in ["one.yaml", "two.yaml"]:
                    pathlib.Path(name).write_text(json.dumps(SMALL))
                known = {"numpy": numpy, "experiment": SMALL, "study": STUDY}
                for block in blocks:
                    with self.subTest(block):
                        exec(block, known)
            finally:
                os.chdir(before)


SMALL_FOLDER = tempfile.TemporaryDirectory()
SMALL_FILE = os.path.join(SMALL_FOLDER.name, "small.yaml")
pathlib.Path(SMALL_FILE).write_text(json.dumps(SMALL))

if __name__ == "__main__":
    unittest.main(verbosity=2)
