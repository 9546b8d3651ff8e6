"""Tries many damaged inputs and counts what comes of them.

    python -m tests.fuzz.campaign --inputs 5000 --seed 0

Each kind of input runs in a process of its own, so that a crash of a library counts as one.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.attempt import BUGS
from tests.fuzz.kinds import KINDS, try_one

SHOWN = 5
"""Bugs of a kind that are printed in full."""

MOST_BYTES = 8 * 2**30
"""Address space that inputs may make the product fill, libraries included."""

LONGEST_INPUT = 2000
"""Characters of an input that are kept."""


def main(given_arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each kind; 1 if any input brought a bug to light."""
    arguments = _arguments(given_arguments)
    kinds = {name: KINDS[name].share for name in arguments.kinds or KINDS}
    started, total, found = time.monotonic(), 0, 0
    for name, share in kinds.items():
        begun = time.monotonic()
        number = max(1, round(arguments.inputs * share / sum(kinds.values())))
        entries = _in_a_process(name, number, arguments.seed)
        bugs = [entry for entry in entries if entry["result"] in BUGS]
        counts = Counter(entry["result"] for entry in entries)
        listed = ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
        print(f"{name}: {len(entries)} inputs: {listed} ({time.monotonic() - begun:.0f} s)", flush=True)
        for bug in bugs[:SHOWN]:
            print(f"--- {bug['result']}: {bug['input']}\n{bug['details']}", flush=True)
        total, found = total + len(entries), found + len(bugs)
    print(f"{total} inputs, {found} bugs, {time.monotonic() - started:.0f} s")
    return int(found > 0)


def _arguments(given_arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=[], choices=sorted(KINDS), metavar="KIND")
    return parser.parse_args(given_arguments)


def _in_a_process(name: str, number: int, chosen: int) -> list[dict[str, str]]:
    """What came of each input of a kind; a process that died counts as a bug of its last input."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        diary, current = Path(folder) / "diary.jsonl", Path(folder) / "current.txt"
        work = (name, number, chosen, diary, current)
        process = multiprocessing.get_context("fork").Process(target=_try_all, args=work)
        process.start()
        process.join()
        entries = [json.loads(line) for line in diary.read_text(encoding="utf-8").splitlines()]
        if process.exitcode:
            last = current.read_text(encoding="utf-8")
            entries.append({"result": "crash", "input": last, "details": f"status {process.exitcode}"})
    return entries


def _try_all(name: str, number: int, chosen: int, diary: Path, current: Path) -> None:
    """Draws and tries the inputs; writes a line for each, and the one at work before it is tried."""
    warnings.simplefilter("ignore")
    if name != "command":
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    with diary.open("w", encoding="utf-8", buffering=1) as stream:

        @seed(chosen)
        @settings(
            max_examples=number,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(KINDS[name].inputs)
        def run(drawn: Any) -> None:
            shown = ascii(drawn)[:LONGEST_INPUT]
            current.write_text(shown, encoding="utf-8")
            tried = try_one(KINDS[name], drawn)
            entry = {"result": tried.result, "input": shown, "details": tried.details}
            stream.write(json.dumps(entry) + "\n")

        run()


if __name__ == "__main__":
    raise SystemExit(main())
