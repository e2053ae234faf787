"""What the kernels of a step need of a card, without one: a table of registers, spills, shared memory and occupancy.

    python tests/gpu/kernels.py FOLDER PTXAS

FOLDER has the PTX of each kernel, and launches-1.tsv and launches-11.tsv of as many steps, as `FAKE_DRIVER_KERNELS=FOLDER`
makes them (see kernels.sh). A row is a kernel in a shape of its launches. *Spilled*: bytes of a thread that go to memory and come back. *Blocks*: how many of
them fit a multiprocessor at once, and what limits it. *Rounds*: the launch's blocks by those that the card holds at once; a little more than a whole
number means that most of the card waits for a few blocks. Limits are those of compute capability 9.0, from the table of technical
specifications in NVIDIA's CUDA C++ programming guide; rounds are those of an H100 with 132 multiprocessors.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

folder, ptxas = sys.argv[1:]

MULTIPROCESSORS, REGISTERS, WARPS, BLOCKS, SHARED = 132, 65536, 64, 32, 228 * 1024
# Of each block for the system, and what a warp's registers are rounded up to.
RESERVED, REGISTERS_ROUNDED = 1024, 256


def compiled(name: str) -> dict[str, int]:
    """What ptxas says of a kernel."""
    path = f"{folder}/{name}.ptx"
    target = re.search(r"^\.target (\w+)", open(path).read(), re.M)[1]
    result = subprocess.run([ptxas, "-v", f"-arch={target}", "-o", "/dev/null", path], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{name}: {result.stderr}")

    def said(pattern: str) -> int:
        found = re.search(pattern, result.stderr)
        return int(found[1]) if found else 0

    return {
        "registers": said(r"Used (\d+) registers"),
        "spilled": said(r"(\d+) bytes spill stores") + said(r"(\d+) bytes spill loads"),
        "shared": said(r"(\d+) bytes smem"),
    }


def fitting(of: dict[str, int], threads: int, shared: int) -> tuple[int, str]:
    """Blocks that fit a multiprocessor at once, and what limits them."""
    warps = -(-threads // 32)
    of_a_warp = -(-of["registers"] * 32 // REGISTERS_ROUNDED) * REGISTERS_ROUNDED
    limits = {
        "registers": REGISTERS // (of_a_warp * warps),
        "shared memory": SHARED // (of["shared"] + shared + RESERVED),
        "warps": WARPS // warps,
        "blocks": BLOCKS,
    }
    limit = min(limits, key=limits.get)
    return limits[limit], limit


def launched(steps: int) -> dict[tuple[str, ...], int]:
    """How often each kernel was launched in each shape."""
    rows = [line.rstrip("\n").split("\t") for line in open(f"{folder}/launches-{steps}.tsv")]
    return {(name, *shape): int(times) for name, times, *shape in rows}


few, many = launched(1), launched(11)
launches = {kernel: (times - few.get(kernel, 0)) / 10 for kernel, times in many.items() if times != few.get(kernel)}
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    names = sorted({name for name, *_ in launches})
    kernels = dict(zip(names, pool.map(compiled, names)))

rows = []
for (name, *shape), times in launches.items():
    grid, block, shared = [int(n) for n in shape[:3]], [int(n) for n in shape[3:6]], int(shape[6])
    threads = block[0] * block[1] * block[2]
    blocks = grid[0] * grid[1] * grid[2]
    of = kernels[name]
    fit, limit = fitting(of, threads, shared)
    if fit == 0:
        sys.exit(f"{name}: no block of {threads} threads fits ({limit})")
    rounds = blocks / (fit * MULTIPROCESSORS)
    rows.append((of["spilled"], times, name, blocks, threads, of["registers"], of["shared"] + shared, fit, limit, rounds))

print(f"{sum(launches.values()):.0f} launches a step of {len(names)} kernels.\n")
print("| kernel | launches a step | blocks × threads | registers | spilled | shared memory | blocks at once | rounds |")
print("| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
for spilled, times, name, blocks, threads, registers, shared, fit, limit, rounds in sorted(rows, key=lambda row: (-row[0], -row[1], row[2])):
    warps = fit * -(-threads // 32)
    print(
        f"| {name} | {times:.1f} | {blocks:,} × {threads} | {registers} | {spilled} | {shared:,} | "
        f"{fit} ({limit}; {100 * warps // WARPS} % of warps) | {rounds:.2f} |"
    )
