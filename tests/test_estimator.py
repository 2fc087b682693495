"""LabelAudit: one kernel for all questions, by scikit-learn's conventions."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

import ntk_labelqa
from ntk_labelqa import Audit, InvalidInputError, LabelAudit, LabelQAError, find_label_issues, rank_schemes
from ntk_labelqa.dataset import from_arrays, label_means
from ntk_labelqa.diagnostics.fitted_kernel import fit_kernel
from ntk_labelqa.gram.matrix import gram_matrix
from ntk_labelqa.options import KernelOptions
from tests.test_preparation import wrong_at_random


@pytest.fixture(scope="module")
def wine() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A table of 178 rows, labels of which a tenth are wrong, and which."""
    frame, right = load_wine(return_X_y=True, as_frame=True)
    labels, wrong = wrong_at_random(right.to_numpy(), 0.1)
    return frame.set_index(frame.index + 1000), np.array(["red", "white", "rosé"])[labels], wrong


@pytest.fixture(scope="module")
def fitted(wine) -> LabelAudit:
    return LabelAudit(architecture="2-L").fit(wine[0], wine[1])


def test_answers_are_those_of_the_functions(wine, fitted: LabelAudit) -> None:
    frame, labels, _ = wine
    given = {"architecture": "2-L"}
    pd.testing.assert_frame_equal(fitted.label_issues(), find_label_issues(frame, labels, **given))
    found, of_function = fitted.entanglement(), ntk_labelqa.class_entanglement(frame, labels, **given)
    np.testing.assert_allclose(found.matrix, of_function.matrix)
    new, moves = fitted.refurbish("annealed")
    other, as_moved = ntk_labelqa.refurbish(frame, labels, method="annealed", **given)
    assert new.tolist() == other.tolist()
    pd.testing.assert_frame_equal(moves, as_moved)
    columns = ["architecture", "accuracy", "bde"]
    fits = fitted.architectures(["2-L"])[columns]
    pd.testing.assert_frame_equal(fits, ntk_labelqa.architecture_fit(frame, labels, ["2-L"])[columns])


def test_schemes_are_ranked_by_the_kernel_that_was_fitted(wine, fitted: LabelAudit) -> None:
    frame, labels, _ = wine
    right = fitted.refurbish()[0]
    ranked = fitted.schemes({"as given": labels, "refurbished": right})
    assert ranked["scheme"].tolist()[:2] == ["refurbished", "as given"]
    by_function = rank_schemes(
        frame, {"as given": labels, "refurbished": right}, architecture="2-L", ridge=fitted.ridge_
    )
    assert set(by_function["scheme"]) == set(ranked["scheme"])


def test_wrong_labels_are_found_in_a_plain_table(wine) -> None:
    frame, labels, wrong = wine
    audit = LabelAudit().fit(frame, labels)
    flagged = audit.label_issues().is_label_issue
    assert audit.is_informative
    assert audit.why_unknown == ""
    assert (flagged.to_numpy() & wrong).sum() >= 0.9 * wrong.sum()
    assert (flagged.to_numpy() & ~wrong).sum() <= 3
    assert flagged.index.equals(frame.index)


def test_abstaining_reaches_the_caller() -> None:
    random = np.random.default_rng(0)
    audit = LabelAudit(architecture="2-L").fit(random.normal(size=(80, 3)), random.integers(2, size=80))
    assert not audit.is_informative
    assert audit.why_unknown
    assert not audit.label_issues().is_label_issue.any()
    assert audit.why_unknown in audit._repr_html_()


def test_new_items_are_predicted_as_the_equations_say() -> None:
    """Beside the Gram matrix of all items: k(x, X) G Y."""
    random = np.random.default_rng(3)
    codes = random.integers(2, size=90)
    rows = random.normal(size=(90, 3)) + 3.0 * np.eye(3)[codes]
    old, new = slice(0, 60), slice(60, 90)
    audit = LabelAudit(architecture="2-L", preparation="none", ridge=0.1, dtype="float64").fit(rows[old], codes[old])
    gram = gram_matrix(rows, architecture="2-L")
    inside = gram[old, old] + 0.1 * np.trace(gram[old, old]) / 60 * np.eye(60)
    expected = gram[new, old] @ np.linalg.solve(inside, np.eye(2)[codes[old]])
    probabilities = audit.predict_proba(rows[new])
    assert np.corrcoef(expected[:, 1] - expected[:, 0], np.log(probabilities[:, 1] / probabilities[:, 0]))[0, 1] > 0.999
    assert (probabilities.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert audit.predict(rows[new]).dtype == codes.dtype
    assert audit.score(rows[new], codes[new]) > 0.9


def test_with_landmarks_new_items_are_seen_as_the_fitted_ones_are() -> None:
    random = np.random.default_rng(4)
    codes = random.integers(3, size=500)
    rows = random.normal(size=(500, 5)) + 4.0 * np.eye(5)[codes]
    few = LabelAudit(architecture="2-L", landmarks=60).fit(rows[:400], codes[:400])
    exact = LabelAudit(architecture="2-L", landmarks="all").fit(rows[:400], codes[:400])
    one, other = few.predict_proba(rows[400:]), exact.predict_proba(rows[400:])
    assert (one.argmax(axis=1) == other.argmax(axis=1)).mean() > 0.97
    assert np.abs(one - other).mean() < 0.02
    landmarks = few._fitted.inverse.landmarks
    kernel_values = gram_matrix(np.concatenate([few._fitted.features[:50], landmarks.inputs]), architecture="2-L")
    features = few._fitted.inverse.factors[0]
    np.testing.assert_allclose(kernel_values[:50, 50:] @ landmarks.projection, features[:50], atol=2e-2)


def test_prediction_hardly_heeds_a_wrong_label(wine, fitted: LabelAudit) -> None:
    frame, labels, _ = wine
    held_out = LabelAudit(architecture="2-L").fit(frame.iloc[::2], labels[::2])
    predicted = held_out.predict(frame.iloc[1::2])
    right = fitted.refurbish()[0]
    assert (predicted == right[1::2]).mean() > (labels[1::2] == right[1::2]).mean()


@pytest.mark.long
def test_scikit_learns_conventions(wine, fitted: LabelAudit) -> None:
    frame, labels, _ = wine
    assert fitted.get_params()["architecture"] == "2-L"
    assert fitted.classes_.tolist() == ["red", "rosé", "white"]
    assert fitted.n_features_in_ == 13
    assert fitted.feature_names_in_.tolist() == frame.columns.tolist()
    assert (fitted.architecture_, fitted.preparation_) == ("2-L", "standardize")
    other = clone(fitted).set_params(ridge=0.5)
    assert other.ridge == 0.5
    with pytest.raises(NotFittedError):
        other.label_issues()
    with pytest.raises(NotFittedError):
        other.predict(frame)
    again = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(again.label_issues(), fitted.label_issues())
    np.testing.assert_allclose(again.predict_proba(frame), fitted.predict_proba(frame), atol=1e-6)
    assert cross_val_score(LabelAudit(architecture="2-L"), frame, labels, cv=3).mean() > 0.75
    assert not hasattr(LabelAudit(architecture="2-L").fit(frame.to_numpy(), labels), "feature_names_in_")


@pytest.mark.parametrize("state", [7, np.random.RandomState(1), np.random.default_rng(1), None])
def test_any_random_state_of_scikit_learn_will_do(state) -> None:
    rows, labels = np.random.default_rng(0).normal(size=(20, 2)), [0, 1] * 10
    assert len(LabelAudit(architecture="2-L", random_state=state).fit(rows, labels).label_issues()) == len(rows)


def test_options_are_checked_by_fit(wine) -> None:
    frame, labels, _ = wine
    for wrong in ({"random_state": "a"}, {"architecture": "3-L"}, {"ridge": -1}, {"dtype": "int8"}, {"landmarks": 0}):
        with pytest.raises(InvalidInputError):
            LabelAudit(**wrong).fit(frame, labels)


def test_columns_of_new_items_go_by_name() -> None:
    random = np.random.default_rng(5)
    tall = random.integers(2, size=60)
    frame = pd.DataFrame(
        {
            "size": 100.0 + 50 * tall + random.normal(size=60),
            "hue": pd.Categorical(np.where(random.random(60) < 0.5, "red", "blue")),
        }
    )
    audit = LabelAudit(architecture="2-L").fit(frame, tall)
    assert audit.feature_names_in_.tolist() == ["size", "hue"]
    turned = frame[["hue", "size"]].iloc[:9]
    np.testing.assert_allclose(audit.predict_proba(turned), audit.predict_proba(frame.iloc[:9]))
    of_one_hue = frame[frame["hue"] == "red"].astype({"hue": str}).astype({"hue": "category"})
    expected = audit.predict_proba(frame)[(frame["hue"] == "red").to_numpy()]
    np.testing.assert_allclose(audit.predict_proba(of_one_hue), expected, atol=1e-6)
    unseen = frame.iloc[:3].assign(hue=pd.Categorical(["green"] * 3))
    assert np.isfinite(audit.predict_proba(unseen)).all()
    with pytest.raises(InvalidInputError, match=r"lacking: size; new: height"):
        audit.predict(frame.rename(columns={"size": "height"}))
    with pytest.raises(InvalidInputError, match=r"shape \[2, 5\] do not go with those fitted"):
        audit.predict(np.ones((2, 5)))


def test_columns_of_one_name_go_by_their_order_and_kinds_may_not_change() -> None:
    random = np.random.default_rng(6)
    code = np.arange(120) % 4 + 1
    labels = np.where(code <= 2, "a", "b")
    frame = pd.DataFrame({"postcode": pd.Categorical(code), "x": random.normal(size=120)})
    audit = LabelAudit(architecture="2-L").fit(frame, labels)
    of_floats = frame.assign(postcode=pd.Categorical(code.astype(float)))
    np.testing.assert_allclose(audit.predict_proba(of_floats), audit.predict_proba(frame), atol=1e-6)
    with pytest.raises(InvalidInputError, match="categories when fitted, numbers now: postcode"):
        audit.predict(frame.assign(postcode=code))
    with pytest.raises(InvalidInputError, match="numbers when fitted, categories now: x"):
        audit.predict(frame.assign(x=pd.Categorical(code)))
    twice = pd.DataFrame(np.c_[code, random.normal(size=120), -code], columns=["a", "a", "b"])
    audit = LabelAudit(architecture="2-L").fit(twice, labels)
    assert audit.n_features_in_ == 3
    np.testing.assert_allclose(audit.predict_proba(twice.iloc[:, [2, 0, 1]]), audit.predict_proba(twice), atol=1e-6)


def test_scorers_of_scikit_learn_read_categories_in_any_order() -> None:
    codes = np.arange(90) % 3
    rows = np.random.default_rng(0).normal(size=(90, 3)) + 3 * np.eye(3)[codes]
    labels = pd.Series(pd.Categorical.from_codes(codes, ["low", "medium", "high"], ordered=True))
    audit = LabelAudit(architecture="2-L")
    assert audit.fit(rows, labels).classes_.tolist() == ["high", "low", "medium"]
    assert cross_val_score(audit, rows, labels, cv=3, scoring="roc_auc_ovr").min() > 0.9


def test_what_the_caller_does_to_the_features_later_changes_nothing() -> None:
    codes = np.arange(60) % 2
    rows = np.random.default_rng(0).normal(size=(60, 3)) + 4 * np.eye(3)[codes]
    audit = LabelAudit(architecture="2-L", preparation="none").fit(rows, codes)
    kept, expected = rows.copy(), audit.predict_proba(rows)
    rows[:] = 1.0
    np.testing.assert_allclose(audit.predict_proba(kept), expected)


def test_options_set_after_a_fit_wait_for_the_next_one(wine, fitted: LabelAudit) -> None:
    other = pickle.loads(pickle.dumps(fitted)).set_params(dtype="float64", ridge=100.0)
    np.testing.assert_allclose(other.predict_proba(wine[0]), fitted.predict_proba(wine[0]), atol=1e-6)
    assert other.refurbish("annealed")[0].tolist() == fitted.refurbish("annealed")[0].tolist()


def test_numbers_of_numpy_are_options_that_can_be_saved(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    audit = LabelAudit(landmarks=np.int64(50), ridge=np.float32(0.5), random_state=np.uint8(3))
    audit.fit(rows, np.arange(60) % 2).audit().save(tmp_path / "audit")
    taken = Audit.load(tmp_path / "audit").manifest["options"]
    assert (taken["landmarks"], taken["ridge"], taken["seed"]) == (50, 0.5, 3)


def test_a_notebook_shows_the_headline_and_the_worst_labels(wine, fitted: LabelAudit) -> None:
    shown = fitted._repr_mimebundle_()["text/html"]
    flagged = int(fitted.label_issues().is_label_issue.sum())
    assert f"{flagged} of 178 labels are probably wrong" in shown
    assert shown.count("<tr") == 1 + min(flagged, 10)
    assert (
        "<script"
        not in LabelAudit(architecture="2-L").fit(wine[0], [f"<script>{name}" for name in wine[1]])._repr_html_()
    )
    assert "LabelAudit" in LabelAudit()._repr_html_()


def test_report_and_audit_are_those_of_the_command_line(fitted: LabelAudit, tmp_path: Path) -> None:
    page = fitted.report(tmp_path / "report.html").read_text(encoding="utf-8")
    audit = fitted.audit()
    assert isinstance(audit, Audit)
    assert f"{audit.summary['issues']}" in page
    worst = fitted.label_issues().sort_values("label_score").index[0]
    assert str(worst) in page
    audit.save(tmp_path / "audit")
    again = Audit.load(tmp_path / "audit")
    assert again.summary["issues"] == int(fitted.label_issues().is_label_issue.sum())
    assert again.manifest["options"]["preparation"] == "standardize"


def test_one_class_alone_is_entangled_with_none_and_cannot_be_judged() -> None:
    audit = LabelAudit(architecture="2-L").fit(np.eye(4), ["a"] * 4)
    assert len(audit.entanglement().pairs) == 0
    for ask in (audit.label_issues, audit.refurbish, audit.audit, lambda: audit.predict(np.eye(4))):
        with pytest.raises(InvalidInputError, match="one class"):
            ask()
    assert not audit.is_informative
    assert "one class" in audit.why_unknown
    assert "one class" in audit._repr_html_()


def test_new_labels_after_a_second_fit(wine) -> None:
    frame, labels, _ = wine
    audit = LabelAudit(architecture="2-L").fit(frame, labels)
    before = audit.label_issues()
    audit.fit(frame, np.roll(labels, 1))
    assert not audit.label_issues()["given_label"].equals(before["given_label"])


def flagged(seed: int) -> int:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(60, 4)) + np.repeat([[4, 0, 0, 0], [0, 4, 0, 0]], 30, axis=0)
    return int(find_label_issues(rows, ["a"] * 29 + ["b"] * 31, architecture="2-L").is_label_issue.sum())


def test_threads_give_what_one_gives() -> None:
    found: dict[int, int] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: flagged(n)})) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: flagged(n) for n in range(6)}


@pytest.mark.long
def test_joblib_and_spawned_processes_work() -> None:
    assert Parallel(n_jobs=2)(delayed(flagged)(n) for n in range(3)) == [flagged(n) for n in range(3)]


def in_a_fork(pipe) -> None:
    try:
        pipe.send(flagged(0))
    except LabelQAError as error:
        pipe.send(str(error))


@pytest.mark.filterwarnings("ignore:os.fork")
def test_a_fork_after_first_use_says_why_it_cannot_compute() -> None:
    flagged(0)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=in_a_fork, args=(theirs,))
    process.start()
    try:
        assert ours.poll(30), "the forked process hangs"
        assert "forked" in str(ours.recv())
    finally:
        process.kill()


def test_the_functions_of_several_diagnostics_share_one_way_to_a_kernel() -> None:
    """What is fitted does not depend on the question."""
    random = np.random.default_rng(6)
    labels = random.integers(2, size=50)
    rows = random.normal(size=(50, 2)) + 3 * labels[:, None]
    dataset = from_arrays(labels)
    fitted = fit_kernel(rows, label_means(dataset), KernelOptions(), numbers=np.ones(2, bool))
    audit = LabelAudit().fit(rows, labels)
    assert (audit.architecture_, audit.ridge_) == (fitted.architecture, fitted.inverse.ridge)
