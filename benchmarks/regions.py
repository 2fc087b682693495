"""How well wrong regions and missing ones are found: ours beside a k-NN on the same features and simple rules.

::

    python benchmarks/regions.py --data-dir DATA --sets bccd wnut17
    python benchmarks/regions.py --size 2000

``region_sets.py`` tells which files DATA holds, ``region_noise.py`` what is planted. Figures are medians over the
seeds. A kind's average precision ranks the regions that are right and those of this kind: a region that is wrong in
another way is no false alarm. ``alone`` is the same with no other kind planted: the most that can be reached.
``--size`` measures time and memory of the whole on synthetic photos instead, read from files.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from region_noise import KINDS, Planted, planted
from region_sets import RegionSet, load_bccd, load_wnut17, synthetic
from sklearn.metrics import average_precision_score
from sklearn.neighbors import NearestNeighbors

from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.diagnostics.architecture_choice import choose_architecture
from ntk_labelqa.diagnostics.label_issues import find_label_issues_in
from ntk_labelqa.diagnostics.region_presence import RegionPresence, find_region_presence
from ntk_labelqa.diagnostics.self_measurement import calibration_error
from ntk_labelqa.encoders.image_scenes import ImageScene, image_scenes
from ntk_labelqa.encoders.pixels import encode_images
from ntk_labelqa.encoders.places import overlaps
from ntk_labelqa.encoders.text import encode_spans
from ntk_labelqa.encoders.text_scenes import TextScene, text_scenes
from ntk_labelqa.gram.choose import invert

LOADERS: dict[str, Callable[[Path], RegionSet]] = {"bccd": load_bccd, "wnut17": load_wnut17}
SHARE = 0.05
NEIGHBOURS, ASKED = 10, 60
CONTEXT = 80
"""Characters beside a span, as an audit has them."""
SHOWN = ("planted", "AP", "precision", "recall", "calibration error", "k-NN AP", "rule AP")
Scenes = list[ImageScene] | list[TextScene]
Figures = dict[str, float]


def main() -> None:
    """Print one table, or time and memory."""
    asked = _arguments()
    if asked.size:
        _timed(asked.size)
        return
    print(f"| set, kind | {' | '.join(SHOWN)} | AP alone |\n|---|{'---|' * (len(SHOWN) + 1)}")
    for name in asked.sets:
        right = LOADERS[name](asked.data_dir)
        runs = [measured(right, planted(right, SHARE, seed), asked.kinds) for seed in asked.seeds]
        for kind in asked.kinds:
            alone = [] if asked.quick else [_alone(right, kind, seed) for seed in asked.seeds]
            figures = [_shown(_median([run[kind][key] for run in runs])) for key in SHOWN]
            print(f"| {name} {kind} | {' | '.join(figures)} | {_shown(_median(alone))} |", flush=True)
        for line in sorted({key for run in runs for key in run["said"]}):
            print(f"{name}: {line} {_shown(_median([run['said'][line] for run in runs]))}", file=sys.stderr)


def _alone(right: RegionSet, kind: str, seed: int) -> float:
    return measured(right, planted(right, SHARE, seed, (kind,)), (kind,))[kind]["AP"]


def measured(right: RegionSet, trial: Planted, kinds: tuple[str, ...]) -> dict[str, Figures]:
    """Figures of each kind, and under ``said`` what the audit says of itself."""
    results: dict[str, Figures] = {}
    if "swapped" in kinds:
        results["swapped"] = _swapped(trial)
    if set(kinds) == {"swapped"}:
        return {**results, "said": {}}
    scenes, rows = scenes_of(trial.given)
    found = find_region_presence(scenes, len(right.class_names))
    neighbours = _Neighbours(scenes, len(right.class_names))
    kind = trial.kind[rows]
    for name in ("spurious", "shifted"):
        if name in kinds:
            results[name] = _drawn(name, kind, found, scenes, neighbours)
    if "missing" in kinds:
        results["missing"] = _missing(right, trial, found, scenes, neighbours)
    parts = {"spurious": found.spurious, "shifted": found.shifted, "missing": found.missing}
    said = {f"{name} recall said": part.recall for name, part in parts.items()}
    said |= {f"{name} precision said": part.precision for name, part in parts.items()}
    said["missing found said"] = found.missing_found
    return {**results, "said": {key: np.nan if value is None else value for key, value in said.items()}}


def scenes_of(given: RegionSet) -> tuple[Scenes, np.ndarray]:
    """The scenes, one a task, and the rows of *given* in the order of their regions."""
    rows = [np.flatnonzero(given.tasks == task) for task in range(len(given.contents))]
    places, labels = [given.places[each] for each in rows], [given.labels[each] for each in rows]
    ids = range(len(given.contents))
    if given.sizes:
        scenes: Scenes = image_scenes(ids, given.contents, given.sizes, places, labels)
    else:
        scenes = text_scenes(ids, given.contents, places, labels)
    return scenes, np.concatenate(rows)


def _swapped(trial: Planted) -> Figures:
    """By the audit's own path for labels; beside it k-NN, and the majority of what the same string is elsewhere."""
    given = trial.given
    kept = np.isin(trial.kind, ("", "swapped"))
    wrong = (trial.kind == "swapped")[kept]
    features = _crops(given) if given.sizes else encode_spans([_in_context(given, row) for row in range(len(kept))])
    count = len(given.class_names)
    labels = np.eye(count)[given.labels]
    inverse = invert(features, labels, architecture=choose_architecture(features, labels).name)
    dataset = from_arrays(given.labels, classes=list(range(count)))
    issues = find_label_issues_in(dataset, inverse)
    flat = features.reshape(len(features), -1)
    near = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(flat).kneighbors(flat, return_distance=False)[:, 1:]
    unlike = (given.labels[near] != given.labels[:, None]).mean(axis=1)
    return {
        **_flagged(wrong, issues.score_rank[kept], issues.is_label_issue[kept], wrong.sum()),
        "calibration error": calibration_error(issues.error_probability[kept], wrong),
        "k-NN AP": average_precision_score(wrong, unlike[kept]),
        "rule AP": average_precision_score(wrong, _by_rule(given)[kept]),
    }


def _by_rule(given: RegionSet) -> np.ndarray:
    """Of texts the share of other labels among the same strings elsewhere; of boxes how unusual the size is."""
    if given.sizes:
        return _unusual(np.log(given.places[:, 2:]), given.labels)
    strings = [given.contents[task][a:b].casefold() for task, (a, b) in zip(given.tasks, given.places, strict=True)]
    labels: dict[str, Counter] = defaultdict(Counter)
    for string, label in zip(strings, given.labels, strict=True):
        labels[string][label] += 1
    others = [
        (labels[s].total() - labels[s][label]) / labels[s].total()
        for s, label in zip(strings, given.labels, strict=True)
    ]
    return np.array(others)


def _drawn(name: str, kind: np.ndarray, found: RegionPresence, scenes: Scenes, neighbours: _Neighbours) -> Figures:
    """Regions that are drawn and wrong; those wrong in another way are left out."""
    kept = np.isin(kind, ("", "swapped", name))
    wrong = kind[kept] == name
    regions = found.regions
    everything = np.isin(kind, ("spurious", "shifted"))
    score = {"spurious": "score_nothing", "shifted": "score_moved"}[name]
    near = neighbours.background_share([(scene, scene.places) for scene in scenes])
    rule = np.concatenate([_region_rule(scene) for scene in scenes])
    if isinstance(scenes[0], ImageScene):
        labels = np.concatenate([scene.labels for scene in scenes])
        sides = np.concatenate([np.log(scene.places[:, 2:]) for scene in scenes])
        rule = _unusual(np.column_stack([rule, sides]), labels)
    return {
        **_flagged(wrong, regions[score].to_numpy()[kept], regions["is_issue"].to_numpy()[kept], wrong.sum()),
        "calibration error": calibration_error(regions["probability"].to_numpy(), everything),
        "k-NN AP": average_precision_score(wrong, near[kept]),
        "rule AP": average_precision_score(wrong, rule[kept]),
    }


def _region_rule(scene: ImageScene | TextScene, places: np.ndarray | None = None) -> np.ndarray:
    """Mean brightness of boxes; how seldom a span's string is a span elsewhere."""
    at = scene.places if places is None else places
    if isinstance(scene, TextScene):
        return -scene._common.records(scene, at)[:, 0] if len(at) else np.empty(0)
    return scene._common.cells(scene.path, at).mean(axis=1) if len(at) else np.empty(0)


def _missing(
    right: RegionSet, trial: Planted, found: RegionPresence, scenes: Scenes, neighbours: _Neighbours
) -> Figures:
    """Candidates; those that are the right place of a region that was moved are left out."""
    table = found.candidates
    places, tasks = np.array(table["place"].tolist()), table["task_id"].to_numpy()
    hit, moved = np.zeros(len(table), bool), np.zeros(len(table), bool)
    for row in trial.missing:
        at = np.flatnonzero((tasks == right.tasks[row]) & ~hit)
        fits = overlaps(right.places[[row]], places[at])[0] if len(at) else np.empty(0)
        if fits.max(initial=0.0) >= 0.5:
            hit[at[fits.argmax()]] = True
    for row in trial.moved:
        at = np.flatnonzero(tasks == right.tasks[row])
        moved[at] |= overlaps(right.places[[row]], places[at])[0] >= 0.5
    kept = hit | ~moved
    by_task = {scene.task_id: scene for scene in scenes}
    near, rule = np.zeros(len(table)), np.zeros(len(table))
    groups = [(by_task[task], np.flatnonzero(tasks == task)) for task in np.unique(tasks)]
    near[np.concatenate([at for _, at in groups])] = -neighbours.background_share(
        [(scene, places[at]) for scene, at in groups]
    )
    usual = np.median(np.concatenate([_region_rule(scene) for scene in scenes]))
    for scene, at in groups:
        score = _region_rule(scene, places[at])
        rule[at] = -np.abs(score - usual) if right.sizes else -score
    total = len(trial.missing)
    return {
        **_flagged(hit[kept], table["presence"].to_numpy()[kept], table["is_issue"].to_numpy()[kept], total),
        "calibration error": calibration_error(table["probability"].to_numpy()[kept], hit[kept]),
        "k-NN AP": _average_precision(hit[kept], near[kept], total),
        "rule AP": _average_precision(hit[kept], rule[kept], total),
    }


def _flagged(wrong: np.ndarray, score: np.ndarray, flags: np.ndarray, total: int) -> Figures:
    precision = float(wrong[flags].mean()) if flags.any() else np.nan
    ap = _average_precision(wrong, score, total)
    return {"planted": total, "AP": ap, "precision": precision, "recall": float(wrong[flags].sum() / max(total, 1))}


def _average_precision(hit: np.ndarray, score: np.ndarray, total: int) -> float:
    """With those that are no candidate at all counted as never found."""
    return float(average_precision_score(hit, score) * hit.sum() / total) if hit.any() else 0.0


class _Neighbours:
    """A k-NN vote on the features that the scenes give, own task left out."""

    def __init__(self, scenes: Scenes, background: int) -> None:
        features, labels, tasks = [], [], []
        for scene in scenes:
            rng = np.random.default_rng([0, scene.task_id, 0])
            empty = scene.background(rng, max(4, len(scene.places)))
            features.append(scene.features(np.concatenate([scene.places, empty])))
            labels.append(np.concatenate([scene.labels, np.full(len(empty), background)]))
            tasks.append(np.full(len(labels[-1]), scene.task_id))
        self._is_background, self._tasks = np.concatenate(labels) == background, np.concatenate(tasks)
        self._index = NearestNeighbors(n_neighbors=min(ASKED, len(self._tasks))).fit(np.concatenate(features))

    def background_share(self, asked: Sequence[tuple[ImageScene | TextScene, np.ndarray]]) -> np.ndarray:
        """Share of the background among the nearest of other tasks, float64[n], of the places of scenes."""
        usable = [(scene, places) for scene, places in asked if len(places)]
        if not usable:
            return np.empty(0)
        features = np.concatenate([scene.features(places) for scene, places in usable])
        tasks = np.concatenate([np.full(len(places), scene.task_id) for scene, places in usable])
        near = self._index.kneighbors(features, return_distance=False)
        shares = []
        for task, row in zip(tasks, near, strict=True):
            others = row[self._tasks[row] != task][:NEIGHBOURS]
            shares.append(self._is_background[others].mean() if len(others) else 0.5)
        return np.array(shares)


def _unusual(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The largest distance from the class's median, in its own spread."""
    scores = np.zeros(len(values))
    for label in np.unique(labels):
        rows = labels == label
        distance = np.abs(values[rows] - np.median(values[rows], axis=0))
        scores[rows] = (distance / np.maximum(np.median(distance, axis=0), 1e-9)).max(axis=1)
    return scores


def _crops(given: RegionSet) -> np.ndarray:
    """Pixels of the crops, as an audit encodes them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for row, (task, place) in enumerate(zip(given.tasks, given.places, strict=True)):
            with Image.open(given.contents[task]) as image:
                scale = np.array([image.width, image.height] * 2) / 100
                x, y, wide, high = place * scale
                crop = image.crop((round(x), round(y), round(x + wide), round(y + high)))
            paths.append(f"{folder}/{row}.png")
            crop.save(paths[-1])
        return encode_images(paths, keep_aspect=True)


def _in_context(given: RegionSet, row: int) -> tuple[str, str, str]:
    text, (start, end) = given.contents[given.tasks[row]], given.places[row]
    return text[max(0, start - CONTEXT) : start], text[start:end], text[end : end + CONTEXT]


def _timed(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = synthetic(Path(folder), count)
        start, busy = time.perf_counter(), time.process_time()
        scenes, _ = scenes_of(made)
        prepared = time.perf_counter() - start
        found = find_region_presence(scenes, len(made.class_names))
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    took = f"{seconds:.0f} s, {prepared:.0f} s of it preparing, {busy:.0f} s of a core; {peak:.2f} GiB at most"
    print(f"{count} images, {len(made.places)} boxes: {took}")
    print(f"{int(found.regions.is_issue.sum())} regions and {int(found.candidates.is_issue.sum())} candidates flagged")


def _median(values: list[float]) -> float:
    usable = [value for value in values if not np.isnan(value)]
    return statistics.median(usable) if usable else np.nan


def _shown(figure: float) -> str:
    return "–" if np.isnan(figure) else f"{figure:.0f}" if figure > 1 else f"{figure:.3f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="folder of the data sets' files")
    parser.add_argument("--sets", nargs="+", choices=list(LOADERS), default=list(LOADERS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true", help="leave out what can be reached with one kind alone")
    parser.add_argument("--size", type=int, default=0, help="measure time and memory on that many synthetic photos")
    return parser.parse_args()


if __name__ == "__main__":
    main()
