"""Times how fast the command answers, with 500 method files in the catalogue. Run it with `make bench-start`."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import configs

METHODS = 500
ROUNDS = 9
LIMITS = {"--help": 0.3, "list": 0.6, "list format=json": 0.6}  # seconds


def seconds(words: list[str], environment: dict[str, str]) -> float:
    """Wall time of one command in a fresh process."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-m", "runners.cli", *words], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def imports_torch(words: list[str], environment: dict[str, str]) -> bool:
    """Whether a command imports torch."""
    program = f"import sys; from runners.cli import main; main({words!r}); sys.exit('torch' in sys.modules)"
    return bool(subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.DEVNULL).returncode)


def main() -> int:
    """Print one line for each command; the exit code says whether all kept their limits."""
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "configs"
        shutil.copytree(Path(configs.__path__[0]), place)
        sample = (place / "method" / "reference" / "trivial.yaml").read_text()
        (place / "method" / "many").mkdir()
        for number in range(METHODS - len(list((place / "method").rglob("*.yaml")))):
            (place / "method" / "many" / f"method{number}.yaml").write_text(sample)
        environment = os.environ | {"PYTHONPATH": folder}
        listed = subprocess.check_output(
            [sys.executable, "-P", "-m", "runners.cli", "list", "methods"], env=environment
        )
        if len(listed.splitlines()) != METHODS:
            raise RuntimeError(f"expected {METHODS} methods in the catalogue, found {len(listed.splitlines())}")
        for command, limit in LIMITS.items():
            words = command.split()
            times = [seconds(words, environment) for _ in range(ROUNDS)]
            torch = imports_torch(words, environment)
            median = statistics.median(times)
            kept &= median <= limit and not torch
            print(
                f"bakeoff {command:18s} median {median:.3f} s, slowest {max(times):.3f} s of {ROUNDS} "
                f"(limit {limit} s), imports torch: {'yes' if torch else 'no'}"
            )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
