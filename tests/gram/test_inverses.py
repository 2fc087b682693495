"""One conformance suite: every inverse against its naive twin."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from ntk_labelqa.errors import InvalidInputError, MemoryBudgetError, SingularKernelError
from ntk_labelqa.gram import arrays, choose, inverse_plan, nystrom
from ntk_labelqa.gram import landmarks as landmarks_module
from ntk_labelqa.gram.arrays import to_host
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.distributed import DistributedInverse, distributed_nystrom
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.landmarks import landmarks_of, ridge_leverages
from ntk_labelqa.gram.low_rank import LowRankInverse, exact_inverse
from ntk_labelqa.gram.matrix import gram_matrix, prepare
from ntk_labelqa.gram.nystrom import nystrom_inverse
from ntk_labelqa.gram.ridge import RIDGES, leave_one_out_error, with_best_ridge
from tests import naive

RIDGE = 0.05
TOLERANCE = {"dense": 1e-10, "exact": 1e-10, "nystrom": 1e-4, "distributed": 1e-4}


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(90, 12))


@pytest.fixture(scope="module")
def gram(features: np.ndarray) -> np.ndarray:
    return gram_matrix(features, architecture="2-L")


@pytest.fixture(params=["dense", "exact", "nystrom", pytest.param("distributed", marks=pytest.mark.slow)])
def named_inverse(
    request: pytest.FixtureRequest, _device: None, features: np.ndarray, gram: np.ndarray, tmp_path: Path
):
    kernel, inputs = prepare(features, "2-L", "float64")

    def distributed() -> DistributedInverse:
        client, folder = request.getfixturevalue("cluster"), tmp_path / "panels" / "one"
        return distributed_nystrom(
            kernel, inputs, landmarks=len(inputs), ridge=RIDGE, scheduler=client, length=40, folder=folder
        )

    return request.param, {
        "dense": lambda: DenseInverse(gram, ridge=RIDGE),
        "exact": lambda: exact_inverse(gram, ridge=RIDGE),
        "nystrom": lambda: nystrom_inverse(kernel, inputs, landmarks=len(inputs), ridge=RIDGE),
        "distributed": distributed,
    }[request.param]()


def assert_near(actual: np.ndarray, expected: np.ndarray, name: str) -> None:
    assert np.abs(actual - expected).max() <= TOLERANCE[name] * np.abs(expected).max()


class TestConformance:
    def test_apply_is_the_product_with_the_inverse(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        values = np.random.default_rng(0).normal(size=(len(gram), 4))
        assert_near(inverse.apply(values), naive.inverse(gram, RIDGE) @ values, name)

    def test_diagonal(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        assert_near(inverse.diagonal(), np.diag(naive.inverse(gram, RIDGE)), name)

    def test_columns_come_in_the_order_asked_for(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        asked = np.array([7, 0, 88, 7])
        assert_near(inverse.columns(asked), naive.inverse(gram, RIDGE)[:, asked], name)

    def test_another_ridge(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        other = inverse.at(0.7)
        assert other.ridge == 0.7
        assert_near(other.diagonal(), np.diag(naive.inverse(gram, 0.7)), name)

    def test_leave_one_out_is_n_refits(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        labels = np.eye(3)[np.random.default_rng(1).integers(3, size=len(gram))]
        assert_near(leave_one_out(inverse, labels), naive.refitted_without(gram, labels, RIDGE), name)

    @pytest.mark.parametrize("count", [0, 1, 30, 90])
    def test_what_some_items_alone_say_of_all(self, named_inverse, gram, count: int) -> None:
        name, inverse = named_inverse
        labels = np.eye(3)[np.random.default_rng(1).integers(3, size=len(gram))]
        rows = np.random.default_rng(2).permutation(len(gram))[:count]
        assert_near(to_host(inverse.predicted_from(rows, labels)), naive.refitted_on(gram, rows, labels, RIDGE), name)

    def test_size_scale_and_ridge_describe_the_gram(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        assert (inverse.size, inverse.ridge) == (len(gram), RIDGE)
        assert inverse.scale == pytest.approx(np.trace(gram) / len(gram), rel=TOLERANCE[name])

    def test_the_gram_is_left_as_it_was(self, features, gram) -> None:
        before = gram.copy()
        DenseInverse(gram, ridge=RIDGE).at(0.5)
        exact_inverse(gram, ridge=RIDGE)
        assert (gram == before).all()


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_more_items_than_landmarks_learn_by_conjugate_gradients(ridge: float) -> None:
    kernel, inputs = prepare(np.random.default_rng(4).normal(size=(600, 12)), "2-L", "float64")
    inverse = nystrom_inverse(kernel, inputs, landmarks=60, ridge=ridge)
    features, _, scale = inverse.factors
    labels, rows = np.eye(3)[np.arange(600) % 3], np.arange(0, 600, 3)
    own = features[rows].T @ features[rows] + ridge * scale * np.eye(features.shape[1])
    expected = features @ np.linalg.solve(own, features[rows].T @ labels[rows])
    assert np.abs(to_host(inverse.predicted_from(rows, labels)) - expected).max() <= 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("ridge", [1e-3, 1e-2, 1.0])
def test_nystrom_with_every_item_as_landmark_is_dense(features: np.ndarray, gram: np.ndarray, ridge: float) -> None:
    kernel, inputs = prepare(features, "2-L", "float64")
    values = np.random.default_rng(0).normal(size=(len(gram), 3))
    low, dense = nystrom_inverse(kernel, inputs, landmarks=90, ridge=ridge), DenseInverse(gram, ridge=ridge)
    assert np.abs(low.apply(values) - dense.apply(values)).max() <= 1e-4 * np.abs(dense.apply(values)).max()


@pytest.mark.usefixtures("_device")
def test_duplicates_without_a_ridge_name_the_ridge_that_would_do() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 5))
    gram = gram_matrix(np.vstack([rows, rows]))
    with pytest.raises(SingularKernelError, match=r"Use a ridge of 1e-\d+ or more") as caught:
        DenseInverse(gram)
    enough = float(str(caught.value).split("ridge of ")[1].split()[0])
    assert np.isfinite(DenseInverse(gram, ridge=enough).diagonal()).all()


@pytest.mark.parametrize(
    ("gram", "said"),
    [
        (np.ones((2, 3)), "square"),
        (np.ones((0, 0)), "not empty"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "NaN"),
        (np.array([[1.0, 0.5], [0.1, 1.0]]), "not symmetric"),
        (np.zeros((2, 2)), "trace"),
    ],
)
def test_a_matrix_that_is_no_gram_is_refused(gram: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        DenseInverse(gram)


def test_one_item_has_an_inverse() -> None:
    assert DenseInverse(np.array([[4.0]]), ridge=1.0).diagonal() == pytest.approx(1 / 8)


@pytest.mark.parametrize("ridge", [0.0, -1.0, np.nan])
def test_low_rank_without_a_ridge_is_refused(ridge: float) -> None:
    with pytest.raises(InvalidInputError, match="positive ridge"):
        LowRankInverse(np.ones((3, 1)), np.array([3.0]), 1.0, ridge=ridge)


def test_the_ridge_chosen_is_the_best_of_the_grid(named_inverse, gram: np.ndarray, features: np.ndarray) -> None:
    labels = np.eye(2)[(features[:, 0] > 0).astype(int)]
    chosen = with_best_ridge(named_inverse[1], labels)
    errors = [np.square(naive.refitted_without(gram, labels, ridge) - labels).mean() for ridge in RIDGES]
    assert chosen.ridge == RIDGES[np.argmin(errors)]
    assert leave_one_out_error(chosen, labels) == pytest.approx(min(errors), rel=1e-4)
    assert named_inverse[1].leave_one_out_errors(labels, RIDGES) == pytest.approx(errors, rel=1e-4)


@pytest.mark.parametrize("named", ["dense", "low_rank"])
def test_a_ridge_judged_on_a_sample_is_near_the_best(named: str, monkeypatch) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 6))
    labels = np.eye(2)[(features[:, 0] + 0.3 * random.normal(size=400) > 0).astype(int)]
    gram = gram_matrix(features, architecture="2-L")
    monkeypatch.setattr(f"ntk_labelqa.gram.{named}.JUDGED", 250)
    make = {"dense": DenseInverse, "low_rank": exact_inverse}[named]
    whole = exact_inverse(gram, ridge=1.0)
    chosen = leave_one_out_error(with_best_ridge(make(gram, ridge=1.0), labels), labels)
    assert chosen < 1.03 * leave_one_out_error(with_best_ridge(whole, labels), labels)


class TestChosen:
    @pytest.fixture
    def labels(self, features) -> np.ndarray:
        return np.eye(2)[(features[:, 0] > 0).astype(int)]

    @pytest.mark.parametrize(("landmarks", "exact"), [("auto", True), ("all", True), (90, True), (40, False)])
    def test_exact_where_every_item_is_asked_for(self, features, labels, gram, landmarks, exact: bool) -> None:
        inverse = invert(features, labels, architecture="2-L", ridge=0.1, landmarks=landmarks, dtype="float64")
        worst = np.abs(inverse.diagonal() - np.diag(naive.inverse(gram, 0.1))).max()
        assert (worst < 1e-4) == exact

    def test_more_items_than_an_eigendecomposition_is_worth(self, features, labels, gram, monkeypatch) -> None:
        monkeypatch.setattr(choose, "EIGEN_ITEMS", 60)
        inverse = invert(features, labels, architecture="2-L", landmarks="all", dtype="float64")
        assert isinstance(inverse, DenseInverse)
        assert inverse.ridge in RIDGES
        exact = naive.inverse(gram, inverse.ridge)
        assert np.abs(inverse.diagonal() - np.diag(exact)).max() < 1e-10 * np.abs(exact).max()

    @pytest.mark.parametrize("landmarks", [91, 0])
    def test_landmarks_that_cannot_be_drawn(self, features, labels, landmarks: int) -> None:
        with pytest.raises(InvalidInputError, match=f"{landmarks} landmarks cannot be drawn from 90 items.*'all'"):
            invert(features, labels, architecture="2-L", landmarks=landmarks)

    def test_auto_takes_as_many_landmarks_as_memory_holds(self, labels, features, monkeypatch) -> None:
        monkeypatch.setattr(inverse_plan, "LANDMARKS", 80)
        monkeypatch.setattr(inverse_plan, "FEWEST", 30)
        limit = inverse_plan.low_rank_bytes(90, 50, 4)
        low = invert(features, labels, architecture="2-L", memory_limit=limit)
        assert np.linalg.matrix_rank(low.apply(np.eye(90)) - np.eye(90) / (low.ridge * low.scale), tol=1e-6) <= 50

    @pytest.mark.parametrize(
        ("landmarks", "said"), [("all", "exact inverse of 90 items"), (50, "from 50 landmarks"), ("auto", "90 items")]
    )
    def test_what_does_not_fit_is_refused(self, features, labels, landmarks, said: str) -> None:
        with pytest.raises(MemoryBudgetError, match=said):
            invert(features, labels, architecture="2-L", landmarks=landmarks, memory_limit=1000)


class TestDependentLandmarks:
    """Duplicates, and more landmarks than a linear kernel has dimensions: what depends on the others is dropped."""

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("architecture", ["linear", "2-L"])
    def test_the_inverse_is_the_exact_one(self, architecture: str, dtype: str) -> None:
        random = np.random.default_rng(0)
        rows = np.repeat(random.normal(size=(40, 5)), 6, axis=0)
        kernel, inputs = prepare(rows, architecture, dtype)
        low = nystrom_inverse(kernel, inputs, landmarks=200, ridge=0.1, seed=1)
        exact = naive.inverse(gram_matrix(rows, architecture=architecture), 0.1)
        values = random.normal(size=(240, 3))
        assert np.abs(low.apply(values) - exact @ values).max() < 2e-3 * np.abs(exact @ values).max()
        assert np.abs(low.diagonal() / np.diag(exact) - 1).max() < 2e-3

    def test_nothing_but_blank_images_is_refused(self) -> None:
        kernel, inputs = prepare(np.ones((9, 6, 6)), "CNN-1", "float32")
        with pytest.raises(SingularKernelError, match="every landmark with itself is zero"):
            nystrom_inverse(kernel, inputs, landmarks=4, ridge=0.1)


def test_leverages_against_those_of_the_whole(features, gram) -> None:
    kernel, inputs = prepare(features, "2-L", "float64")
    ridge = np.trace(gram) / 20
    exact = np.diag(gram @ np.linalg.inv(gram + ridge * np.eye(len(gram))))
    assert np.abs(ridge_leverages(kernel, inputs, 20) - exact).max() < 1e-10


class TestLandmarks:
    @pytest.mark.long
    def test_leverages_do_not_miss_a_small_cluster(self) -> None:
        random = np.random.default_rng(0)
        crowd, few = random.normal(1, 0.05, size=(1500, 6)), random.normal(-1, 0.05, size=(6, 6))
        kernel, inputs = prepare(np.vstack([crowd, few]), "2-L", "float32")
        seen = [
            (landmarks_of(kernel, inputs, 30, sampling=sampling, seed=seed)[:, 0] < 0).any()
            for sampling in ("leverage", "uniform")
            for seed in range(10)
        ]
        assert all(seen[:10])
        assert not all(seen[10:])

    @pytest.mark.parametrize("sampling", ["kmeans", "uniform", "leverage"])
    def test_they_are_different_and_the_seed_s(self, features, sampling) -> None:
        kernel, inputs = prepare(features, "2-L", "float32")
        drawn = [landmarks_of(kernel, inputs, 40, sampling=sampling, seed=seed) for seed in (1, 1, 2)]
        assert len(np.unique(drawn[0], axis=0)) == 40
        assert (drawn[0] == drawn[1]).all()
        assert (drawn[0] != drawn[2]).any()

    @pytest.mark.long
    @pytest.mark.parametrize(("architecture", "shape"), [("2-L", (400, 24)), ("CNN-2", (400, 6, 4))])
    def test_means_of_clusters_approximate_better_than_drawn_items(self, architecture, shape) -> None:
        random = np.random.default_rng(0)
        centres = random.normal(size=(40, *shape[1:]))
        rows = centres[random.integers(40, size=400)] + 0.3 * random.normal(size=shape)
        kernel, inputs = prepare(rows, architecture, "float64")
        exact = exact_inverse(kernel.block(inputs), ridge=RIDGE).diagonal()
        off = {
            sampling: np.abs(
                nystrom_inverse(kernel, inputs, landmarks=40, ridge=RIDGE, sampling=sampling).diagonal() - exact
            ).mean()
            for sampling in ("kmeans", "uniform")
        }
        assert off["kmeans"] < off["uniform"]

    def test_items_that_cancel_leave_their_landmark_what_it_was(self) -> None:
        kernel, inputs = prepare(np.array([[1.0, 0], [-1, 0]] * 30), "2-L", "float64")
        landmarks = landmarks_of(kernel, inputs, 1)
        assert np.abs(landmarks).max() == 1


class TestPlan:
    """What is said before the memory is spent."""

    @pytest.mark.parametrize(("landmarks", "how"), [("all", "exactly"), (40, "from 40 landmarks")])
    def test_it_is_announced_with_memory_and_time(self, features, landmarks, how: str) -> None:
        heard: list[object] = []
        labels = np.eye(2)[(features[:, 0] > 0).astype(int)]
        invert(features, labels, architecture="2-L", landmarks=landmarks, announce=heard.append)
        (plan,) = (one for one in heard if isinstance(one, inverse_plan.InversePlan))
        assert f"Kernel of 90 items, inverted {how}: " in str(plan)
        assert "KiB of memory, its values in about 1 s." in str(plan)

    def test_landmarks_need_the_memory_of_their_features(self) -> None:
        inputs = np.ones((10_000, 3), np.float32)
        plan = inverse_plan.plan_inverse(inputs, 2000, memory_limit=10**9)
        assert plan.peak_bytes == 10_000 * 2000 * 4 + 4 * 8 * 2000**2

    def test_an_accelerator_needs_what_its_programs_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By XLA's own account of those that take the most: features, before and after they are turned."""
        monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
        items, landmarks, width = 4000, 500, 30
        inputs = np.ones((items, width), np.float32)
        plan = inverse_plan.plan_inverse(inputs, landmarks, memory_limit=10**9)
        features, square = (jax.ShapeDtypeStruct((rows, landmarks), np.float32) for rows in (items, landmarks))
        program = arrays._filled.lower(nystrom.rotated, None, landmarks_module.PANEL, features, square)
        taken = program.compile().memory_analysis()
        assert taken is not None
        peak = taken.argument_size_in_bytes + taken.output_size_in_bytes + taken.temp_size_in_bytes
        assert peak + inputs.nbytes <= plan.accelerator_bytes <= 2 * peak

    def test_what_an_accelerator_has_no_room_for_is_refused_or_made_smaller(self, monkeypatch) -> None:
        monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
        inputs = np.ones((40_000, 3), np.float32)
        needed = inverse_plan.accelerator_bytes(inputs, 2000)
        monkeypatch.setattr(arrays, "device_memory", lambda: needed)
        with pytest.raises(MemoryBudgetError, match=r"on cpu needs .* \(--device cpu\), or .* \(--scheduler local\)"):
            inverse_plan.plan_inverse(inputs, 2250, memory_limit=10**12)
        plan = inverse_plan.plan_inverse(inputs, memory_limit=10**12)
        assert (plan.landmarks, plan.accelerator_bytes) == (2000, needed)
        assert "of that of cpu" in str(plan)
        assert plan.doubled(inputs, 10**12, 6000) is None
        elsewhere = inverse_plan.plan_inverse(inputs, memory_limit=10**12, held=1000)
        assert (elsewhere.landmarks, elsewhere.accelerator_bytes) == (3000, None)
