"""Scores the same names by lazaret and by GuardDog's typosquatting rule; prints what each finds, and how long it takes.

The sample is drawn from the shipped list of popular names with a fixed seed: 250 slips of the first 5,000 names, made by the
mutations below and popular names likelier, and 250 ordinary names: real projects from rank 5,001 on, which neither side is told
of. Called by `bench-guarddog`.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

KNOWN = 5_000
EACH = 250
THRESHOLDS = (0.3, 0.5, 0.6, 0.7)
KEYBOARD = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def beside(letter):
    """A key next to this one."""
    row = next((row for row in KEYBOARD if letter in row), "aeiou")
    place = row.find(letter)
    return row[place - 1 if place else 1]


def swap(name, at):
    return name[:at] + name[at + 1] + name[at] + name[at + 2:]


MUTATIONS = {
    "swapped": lambda name, at: swap(name, at),
    "doubled": lambda name, at: name[:at] + name[at] + name[at:],
    "left out": lambda name, at: name[:at] + name[at + 1:],
    "next key": lambda name, at: name[:at] + beside(name[at]) + name[at + 1:],
    "plural": lambda name, at: name + "s",
    "no separator": lambda name, at: name.replace("-", ""),
    "two slips": lambda name, at: (name[:at] + beside(name[at]) + name[at + 1:-1] + name[-1] * 2),
    "affix": lambda name, at: f"python-{name}",
}


def sample(popular):
    """500 names: (name, mutation), where an ordinary name has none."""
    dice = random.Random(2026)
    known = set(popular)
    names = {}
    while len(names) < EACH:
        # The logarithm of the rank is even: as squatters choose.
        target = popular[int(KNOWN ** dice.random()) - 1]
        kind = dice.choice(sorted(MUTATIONS))
        if len(target) < 5:
            continue
        name = MUTATIONS[kind](target, dice.randrange(1, len(target) - 1))
        if name not in known and name[0] != "-" and name[-1] != "-" and "--" not in name:
            names[name] = kind
    for name in dice.sample(popular[KNOWN:], EACH):
        names[name] = None
    return list(names.items())


def lazaret(program, folder, popular, names):
    """Scores, and seconds for a name, the start of the program taken off."""
    (folder / "list.txt").write_text("\n".join(popular) + "\n")
    program = pathlib.Path(program).resolve()
    subprocess.run([program, "names", "refresh", "--from", "list.txt"], cwd=folder, check=True, capture_output=True)

    def run(names):
        started = time.monotonic()
        done = subprocess.run([program, "score", "--ecosystem", "pypi"], cwd=folder, check=True, text=True,
                              input="".join(f"{name}\n" for name in names), capture_output=True)
        return time.monotonic() - started, done.stdout

    empty, _ = run([])
    taken, out = run(names * 100)
    # A combo alone keeps nobody waiting.
    rows = (line.split("\t") for line in out.splitlines())
    return {row[0]: 0.0 if row[3] == "combo" else float(row[1]) for row in rows}, (taken - empty) / (100 * len(names))


def guarddog(folder, popular, names):
    """Flags, and seconds for a name."""
    cache = {"downloaded_timestamp": int(time.time()), "packages": popular}
    # It reads the lists of all ecosystems when it is imported, and fetches those that are missing.
    for ecosystem in ("pypi", "npm", "go", "rubygems"):
        (folder / f"top_{ecosystem}_packages.json").write_text(json.dumps(cache))
    os.environ["GUARDDOG_TOP_PACKAGES_CACHE_LOCATION"] = str(folder)
    from guarddog.analyzer.metadata.pypi.typosquatting import PypiTyposquatDetector

    detector = PypiTyposquatDetector()
    started = time.monotonic()
    flags = {name: bool(detector.get_typosquatted_package(name)) for name in names}
    return flags, (time.monotonic() - started) / len(names)


def main():
    lines = pathlib.Path("policies/names/pypi.txt").read_text().splitlines()
    popular = [line for line in lines if line and not line.startswith("#")]
    drawn = sample(popular)
    names = [name for name, _ in drawn]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        scores, ours = lazaret(sys.argv[1], folder, popular[:KNOWN], names)
        flags, theirs = guarddog(folder, popular[:KNOWN], names)

    def share(is_found, chosen):
        return f"{100 * sum(map(is_found, chosen)) / len(chosen):.1f}"

    slips = [name for name, kind in drawn if kind]
    ordinary = [name for name, kind in drawn if not kind]
    print(f"{len(slips)} slips and {len(ordinary)} ordinary names against {KNOWN} popular ones")
    print("rule\tslips found %\tordinary flagged %\ttime a name")
    print(f"GuardDog\t{share(flags.get, slips)}\t{share(flags.get, ordinary)}\t{theirs * 1e3:.1f} ms")
    for threshold in THRESHOLDS:
        def found(name):
            return scores[name] >= threshold
        print(f"lazaret {threshold}\t{share(found, slips)}\t{share(found, ordinary)}\t{ours * 1e6:.1f} µs")
    for kind in sorted(MUTATIONS):
        chosen = [name for name, other in drawn if other == kind]
        print(f"  {kind} ({len(chosen)}): GuardDog {share(flags.get, chosen)} %, "
              f"lazaret at 0.5 {share(lambda name: scores[name] >= 0.5, chosen)} %")


if __name__ == "__main__":
    main()
