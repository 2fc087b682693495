"""Agreement of annotators: figures of the literature, a naive count, and regions that several people drew."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.dataset import LabeledDataset, Provenance, from_arrays
from ntk_labelqa.diagnostics import agreement
from ntk_labelqa.diagnostics.agreement import agreement_table
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.options import AuditOptions
from tests.labelstudio.samples import annotation, task

NOBODY = 0


def labelled(votes: dict[str, list[int]]) -> LabeledDataset:
    """Items with the labels of several people; 0 where one has not labelled an item."""
    given = np.array(list(votes.values()))
    classes = [str(code) for code in range(1, given.max() + 1)]
    plain = from_arrays(classes + ["1"] * max(given.shape[1] - len(classes), 0))
    rows = [
        (number, item, name, label - 1, "")
        for number, (name, row) in enumerate(votes.items())
        for item, label in enumerate(row)
        if label != NOBODY
    ]
    table = pd.DataFrame(rows, columns=["annotation_id", "item", "annotator", "label", "updated_at"])
    items = plain.items.iloc[: given.shape[1]]
    return replace(plain, items=items, annotations=table, class_names=tuple(classes))


def row(table: pd.DataFrame, level: str, **where: str) -> pd.Series:
    [found] = table[np.logical_and.reduce([table["level"] == level, *(table[k] == v for k, v in where.items())])].index
    return table.loc[found]


def test_krippendorffs_own_example() -> None:
    """Three coders, fifteen units, missing values: nominal alpha .691 (Krippendorff, "Computing alpha", 2011)."""
    votes = {
        "a": [0, 0, 0, 0, 0, 3, 4, 1, 2, 1, 1, 3, 3, 0, 3],
        "b": [1, 0, 2, 1, 3, 3, 4, 3, 0, 0, 0, 0, 0, 0, 0],
        "c": [0, 0, 2, 1, 3, 4, 4, 0, 2, 1, 1, 3, 3, 0, 4],
    }
    found = row(agreement_table(labelled(votes)), "all")
    assert found["alpha"] == pytest.approx(0.691, abs=5e-4)
    assert found["alpha_low"] < found["alpha"] < found["alpha_high"]


def test_fleiss_own_example() -> None:
    """Ten subjects, fourteen raters, five categories: kappa .210 (the worked example of Fleiss' kappa)."""
    counts = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    columns = np.array([np.repeat(np.arange(1, 6), row) for row in counts])
    votes = {f"rater {number:02}": columns[:, number].tolist() for number in range(14)}
    assert row(agreement_table(labelled(votes)), "all")["kappa"] == pytest.approx(0.210, abs=5e-4)


def test_pairs_are_cohens_and_agreement_is_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    right = rng.integers(1, 4, 200)
    votes = {
        name: np.where(rng.random(200) < slip, rng.integers(1, 4, 200), right)
        for name, slip in (("ann", 0.1), ("bob", 0.3), ("cyd", 0.6))
    }
    votes["bob"][:50] = NOBODY
    table = agreement_table(labelled({name: given.tolist() for name, given in votes.items()}))
    for one, other in combinations(votes, 2):
        both = (votes[one] != NOBODY) & (votes[other] != NOBODY)
        found = row(table, "pair", annotator_a=one, annotator_b=other)
        assert found["items"] == both.sum()
        assert found["agreement"] == pytest.approx((votes[one] == votes[other])[both].mean())
        assert found["kappa"] == pytest.approx(cohen_kappa_score(votes[one][both], votes[other][both]))
    kappas = [row(table, "annotator", annotator_a=name)["kappa"] for name in votes]
    assert kappas[0] > kappas[1] > kappas[2]


def test_those_who_agree_on_everything_and_those_who_do_by_chance() -> None:
    rng = np.random.default_rng(1)
    one = rng.integers(1, 4, 400)
    same = row(agreement_table(labelled({"a": one.tolist(), "b": one.tolist()})), "all")
    assert (same["alpha"], same["kappa"], same["agreement"]) == (1, 1, 1)
    chance = row(agreement_table(labelled({"a": one.tolist(), "b": rng.permutation(one).tolist()})), "all")
    assert abs(chance["alpha"]) < 0.1
    assert chance["alpha_low"] < 0 < chance["alpha_high"]


def test_a_class_that_is_hard_stands_out() -> None:
    rng = np.random.default_rng(2)
    right = rng.integers(1, 5, 400)
    blurred = np.where((right >= 3) & (rng.random(400) < 0.5), 7 - right, right)  # 3 and 4 are mixed up
    table = agreement_table(labelled({"a": right.tolist(), "b": blurred.tolist()}))
    by_class = {name: row(table, "class", class_name=name)["alpha"] for name in "1234"}
    assert by_class["1"] == by_class["2"] == 1
    assert max(by_class["3"], by_class["4"]) < 0.6


def test_one_annotator_one_class_and_no_shared_item() -> None:
    assert agreement_table(labelled({"a": [1, 2, 1]})).empty
    assert agreement_table(labelled({"a": [1, 2, 0], "b": [0, 0, 1]})).empty
    found = row(agreement_table(labelled({"a": [1, 1, 1], "b": [1, 1, 1]})), "all")
    assert found["agreement"] == 1
    assert math.isnan(found["alpha"])
    assert math.isnan(found["kappa"])


BOXES = """<View><Image name="i" value="$image"/><RectangleLabels name="b" toName="i"><Label value="x"/>
<Label value="y"/></RectangleLabels></View>"""
SPANS = """<View><Text name="t" value="$text"/><Labels name="b" toName="t"><Label value="x"/><Label value="y"/></Labels>
</View>"""


def box(region: str, label: str, left: float, width: float = 10.0) -> dict:
    value = {"x": left, "y": 20.0, "width": width, "height": 10.0, "rotation": 0, "rectanglelabels": [label]}
    return {"id": region, "from_name": "b", "to_name": "i", "type": "rectanglelabels", "value": value}


def test_regions_agree_on_what_there_is_where_it_is_and_what_it_is() -> None:
    """Of three boxes the second person misses one, draws one a quarter aside, and calls one otherwise."""
    tasks = []
    for of in range(1, 21):
        first = [box("p", "x", 5), box("q", "y", 40), box("r", "x", 70)]
        second = [box("s", "x", 5), box("t", "x", 42.5)]
        tasks.append(
            task(
                of,
                annotation(2 * of, *first, completed_by=1),
                annotation(2 * of + 1, *second, completed_by=2),
                data={"image": "a.png"},
            )
        )
    dataset = build_dataset(tasks, parse(BOXES), Provenance("file"))
    table = agreement_table(dataset)
    found = row(table, "all")
    assert (found["items"], found["agreement"]) == (40, 0.5)
    assert found["region_f1"] == pytest.approx(2 * 2 / 5)
    assert found["mean_overlap"] == pytest.approx((1 + 7.5 / 12.5) / 2)
    backwards = agreement_table(build_dataset(tasks[::-1], parse(BOXES), Provenance("file")))
    pd.testing.assert_frame_equal(table, backwards)


@pytest.mark.long
def test_spans_agree_by_their_characters_and_an_audit_keeps_it_all(tmp_path) -> None:
    tasks = []
    for of in range(1, 41):
        word, label = (("harbour", "x"), ("summit", "y"))[of % 2]
        parts = []
        for by, end in ((1, 7), (2, 7 if of % 4 else 4)):
            value = {"start": 0, "end": min(end, len(word)), "text": word[:end], "labels": [label]}
            parts.append(
                annotation(
                    10 * of + by,
                    {"id": f"s{by}", "from_name": "b", "to_name": "t", "type": "labels", "value": value},
                    completed_by=by,
                )
            )
        tasks.append(task(of, *parts, data={"text": f"{word} again"}))
    dataset = build_dataset(tasks, parse(SPANS), Provenance("file"))
    audit = run_audit(dataset, AuditOptions(architecture="2-L"))
    again = Audit.load(audit.save(tmp_path / "audit"))
    pd.testing.assert_frame_equal(again.agreement, agreement_table(dataset))
    found = row(again.agreement, "all")
    assert (found["agreement"], found["region_f1"]) == (1, 1)
    assert found["mean_overlap"] == pytest.approx((30 * 1 + 10 * 4 / 7) / 40)


def pairs_of_labels(items: int) -> LabeledDataset:
    random = np.random.default_rng(0)
    first = random.integers(1, 5, items)
    second = np.where(random.random(items) < 0.2, random.integers(1, 5, items), first)
    return labelled({"a": first.tolist(), "b": second.tolist()})


def test_intervals_do_not_depend_on_how_many_draws_are_held_at_once(monkeypatch) -> None:
    dataset = pairs_of_labels(300)
    at_once = agreement_table(dataset)
    monkeypatch.setattr(agreement, "DRAWN_BYTES", 7 * 8 * 300)
    pd.testing.assert_frame_equal(agreement_table(dataset), at_once)


def test_the_interval_of_a_class_is_that_of_naive_counts_in_the_same_draws() -> None:
    dataset, seed = pairs_of_labels(120), 3
    drawn = np.random.default_rng(seed).multinomial(120, np.full(120, 1 / 120), agreement.RESAMPLES)
    is_first = (dataset.label_codes == 0).reshape(2, 120)
    alphas = []
    for times in drawn:
        given = np.repeat(is_first, times, axis=1)
        total, ones = given.size, given.sum()
        apart = (given[0] != given[1]).sum() * 2
        alphas.append(1 - (total - 1) * apart / (2 * ones * (total - ones)))
    found = row(agreement_table(dataset, seed=seed), "class", class_name="1")
    expected = np.percentile(alphas, agreement.INTERVAL)
    assert [found["alpha_low"], found["alpha_high"]] == pytest.approx(expected.tolist())


def test_draws_of_many_items_are_never_held_all_at_once() -> None:
    dataset = pairs_of_labels(30_000)
    tracemalloc.start()
    agreement_table(dataset)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < agreement.RESAMPLES * 8 * 30_000 / 2
