"""How many right labels are flagged where classes overlap by nature: clouds in eight dimensions, nothing planted.

    python benchmarks/overlap.py [--seeds 1 2 3]

One row a mix of classes and distance of their centres, in standard deviations of a cloud: the share flagged, by seed;
*unknown* where the audit says that nothing can be said.
"""

from __future__ import annotations

import argparse

import numpy as np

from ntk_labelqa import find_label_issues

ITEMS, DIMENSIONS = 2000, 8
MIXES = {
    "two, 9 to 1": [0.9, 0.1],
    "two, 3 to 1": [0.75, 0.25],
    "two alike": [0.5, 0.5],
    "three, 8 to 1 to 1": [0.8, 0.1, 0.1],
    "three, 5 to 4 to 1": [0.5, 0.4, 0.1],
    "five alike": [0.2] * 5,
    "ten, one of half": [0.5, *[0.5 / 9] * 9],
}
DISTANCES = (0.7, 1.5, 3.0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    seeds = parser.parse_args().seeds
    print(f"| classes | {' | '.join(f'{distance:g} off' for distance in DISTANCES)} |\n|---|---|---|---|")
    for name, shares in MIXES.items():
        cells = [", ".join(flagged(shares, distance, seed) for seed in seeds) for distance in DISTANCES]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def flagged(shares: list[float], distance: float, seed: int) -> str:
    """The share flagged of one draw."""
    random = np.random.default_rng(seed)
    labels = random.choice(len(shares), ITEMS, p=shares)
    centres = random.normal(size=(len(shares), DIMENSIONS))
    centres *= distance / np.linalg.norm(centres, axis=1, keepdims=True)
    features = np.c_[random.normal(size=(ITEMS, DIMENSIONS)) + centres[labels], np.ones(ITEMS)]
    found = find_label_issues(features, labels, architecture="10-L")
    return f"{found['is_label_issue'].mean():.3f}" if found.attrs["is_informative"] else "unknown"


if __name__ == "__main__":
    main()
