"""Who takes part: worker processes of the peers, the aelectra binary, and cold starts of either."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROWS = {
    "sdpa": "PyTorch sdpa f32",
    "compile": "torch.compile f32",
    "bf16": "PyTorch bf16",
    "onnx": "ONNX Runtime f32",
    "onnx-int8": "ONNX Runtime int8 dynamic",
    "openvino": "OpenVINO f32",
    "openvino-bf16": "OpenVINO bf16",
    "openvino-int8": "OpenVINO int8 (nncf)",
}
BASE_ROW = ROWS["sdpa"]
F32_ROWS = [ROWS["sdpa"], ROWS["compile"], ROWS["onnx"], ROWS["openvino"]]
BF16_ROWS = [ROWS["bf16"], ROWS["openvino-bf16"]]
INT8_ROWS = [ROWS["onnx-int8"], ROWS["openvino-int8"]]
# What keeps each contestant from instructions beyond a set. ONNX Runtime has no such switch, and torch.compile
# generates code for the processor it finds.
LIMITS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "AELECTRA_SIMD": "avx2",
    }
}
LIMITED_VARIANTS = ["sdpa"]


def peer_row(variant: str) -> str:
    return ROWS[variant]


def aelectra_row(mode: str) -> str:
    return f"aelectra {mode}".strip()


class Failure(Exception):
    """A contestant that could not start or broke down; its row says why."""


def environment(threads: int) -> dict[str, str]:
    """One setting for every thread pool that a contestant may have."""
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return {**os.environ, **{name: str(threads) for name in pools}, "TOKENIZERS_PARALLELISM": "false"}


def last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "no message"


def summary(milliseconds: list[float], **more) -> dict:
    return {
        "median_ms": statistics.median(milliseconds),
        "min_ms": min(milliseconds),
        "repetitions": len(milliseconds),
        **more,
    }


class Worker:
    """A peer in a process of its own, warm, idle between its turns."""

    def __init__(self, workload: str, variant: str, paths: dict[str, Path], threads: int, warmup: int):
        self.errors = tempfile.TemporaryFile("w+")
        command = [sys.executable, str(HERE / "peer_worker.py"), "--workload", workload, "--variant", variant]
        command += ["--models", str(paths["models"]), "--lengths", str(paths["lengths"])]
        command += ["--threads", str(threads), "--warmup", str(warmup)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(threads),
        )
        self.ready = self.answer()
        self.expected_ms = min(self.ready["warmup_ms"])

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise Failure(last_line(self.errors.read()))
        document = json.loads(line)
        if not document["finite"]:
            raise Failure("result is not finite")
        return document

    def run(self, seconds: float, at_least: int) -> dict:
        repetitions = max(at_least, round(seconds * 1e3 / self.expected_ms))
        try:
            self.process.stdin.write(f"{repetitions}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # answer() finds out why
        document = self.answer()
        more = {key: document[key] for key in ("cpu_seconds", "peak_rss_bytes")}
        return summary(document["ms"], **more)

    def details(self) -> dict:
        keys = ("rss_after_import_bytes", "logits", "warmup_ms")
        return {key: self.ready[key] for key in keys if key in self.ready}

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def children() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_CHILDREN)


class AelectraCommand:
    """`aelectra bench … --json`: a new process each turn, which warms up by itself and reports its own median."""

    def __init__(self, command: list[str], threads: int):
        self.command, self.threads = command, threads
        self.expected_ms: float | None = None

    def run(self, seconds: float, at_least: int) -> dict:
        # The first turn is short and finds out how long one repetition takes.
        steps = at_least if self.expected_ms is None else max(at_least, round(seconds * 1e3 / self.expected_ms))
        command = [*self.command, "--steps", str(steps), "--threads", str(self.threads), "--json"]
        before = children()
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment(self.threads))
        if done.returncode != 0:
            raise Failure(f"exit code {done.returncode}: {last_line(done.stderr)}")
        try:
            document = json.loads(done.stdout)
            result = {key: document[key] for key in ("median_ms", "min_ms", "peak_rss_bytes")}
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise Failure(f"unusable --json output: {type(error).__name__} {error}") from error
        after = children()
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.expected_ms = result["min_ms"]
        return {**result, "repetitions": steps, "cpu_seconds": cpu}

    def details(self) -> dict:
        return {}

    def close(self) -> None:
        pass


class ColdStart:
    """A fresh process that loads the NER model, tags one sentence and ends: wall time of all of it."""

    def __init__(self, command: list[str], threads: int):
        self.command, self.threads = command, threads
        self.once()  # files into the page cache, compiled Python beside its source

    @classmethod
    def of_peer(cls, variant: str, paths: dict[str, Path], sentence: str, threads: int) -> "ColdStart":
        script = HERE / "peer_cold_start.py"
        return cls([sys.executable, str(script), variant, str(paths["models"]), sentence, str(threads)], threads)

    def once(self) -> tuple[float, float, int]:
        """Milliseconds, processor seconds, peak memory; wait4 reports the last for this child alone."""
        with tempfile.TemporaryFile("w+") as errors:
            started = time.perf_counter()
            process = subprocess.Popen(
                self.command, stdout=subprocess.DEVNULL, stderr=errors, env=environment(self.threads)
            )
            _pid, status, usage = os.wait4(process.pid, 0)
            milliseconds = (time.perf_counter() - started) * 1e3
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                errors.seek(0)
                raise Failure(f"exit code {process.returncode}: {last_line(errors.read())}")
        return milliseconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024

    def run(self, seconds: float, at_least: int) -> dict:
        runs, started = [], time.monotonic()
        while len(runs) < at_least or (time.monotonic() - started < seconds and len(runs) < 20):
            runs.append(self.once())
        return summary(
            [run[0] for run in runs],
            cpu_seconds=sum(run[1] for run in runs),
            peak_rss_bytes=max(run[2] for run in runs),
        )

    def details(self) -> dict:
        return {}

    def close(self) -> None:
        pass
