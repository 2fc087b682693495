r"""Regions where nothing is, regions beside their thing, and things that nobody labelled: without a detector.

Kernel regression learns the project's classes and one more, the background: places where nobody labelled anything, and
places that overlap a region in part. With φ the low-rank features of the kernel and Y the one-hot classes,

.. math:: W_f = (Φ^\top Φ - Φ_f^\top Φ_f + λI)^{-1} (Φ^\top Y - Φ_f^\top Y_f), \qquad
    s(x) = \sum_k (φ(x) W_f)_k - (φ(x) W_f)_{\text{background}}

where f is the fold of whole tasks that x's task is in: a task's own places never vote on themselves. s is the presence
of a thing. Windows of the shapes that people drew are scanned over each task; the best, refined, none on top of another
or of a region, are its candidates.

Probabilities come from what is planted in the data itself (:func:`mixture_share`). Of regions: false ones at places of
the background, and copies moved off their thing. Of candidates: some regions are hidden, and it is seen where they come
out among the candidates. A region's own task does not take part in judging it, so hiding it changes nothing but where
candidates may lie: neither a second fit nor a second scan is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ntk_labelqa.diagnostics.region_presence.judging import (
    RegionPresence,
    judged_candidates,
    judged_regions,
    mixture_share,
    nothing_judged,
)
from ntk_labelqa.diagnostics.region_presence.regression import LANDMARKS, fit_presence
from ntk_labelqa.diagnostics.region_presence.scan import scanned
from ntk_labelqa.diagnostics.region_presence.scene import Scene
from ntk_labelqa.kernels.dense import DenseNetwork
from ntk_labelqa.kernels.kernel import Kernel

__all__ = ["RegionPresence", "Scene", "find_region_presence", "mixture_share"]


def find_region_presence(
    scenes: Sequence[Scene],
    class_count: int,
    *,
    seed: int = 0,
    landmarks: int = LANDMARKS,
    kernel: Kernel | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RegionPresence:
    """Judge every region, and scan every task for what is missing.

    Args:
        scenes: the tasks; those without regions are scanned too.
        class_count: K.
        seed: of folds, landmarks and what is planted. The order of *scenes* does not matter.
        landmarks: m, at most.
        kernel: on the scenes' features; two layers if None.
        progress: called with (tasks done, tasks), over both passes.

    Nothing is judged where fewer than two tasks have regions, or no background was found.

    Cost: two passes over the tasks. n windows of D features take nmD + 40nm flops; memory for the features of the
    regions and of about twice as many places, and an m by m matrix a fold.
    """
    ordered = sorted(scenes, key=lambda scene: scene.task_id)
    tick = progress or (lambda _done, _total: None)
    model = fit_presence(ordered, class_count, seed, landmarks, kernel or DenseNetwork(2), tick)
    if model is None:
        return nothing_judged()
    seen = []
    for done, scene in enumerate(ordered, start=1):
        seen.append(scanned(scene, model, seed, int(model.fold_of[done - 1])))
        tick(len(ordered) + done, 2 * len(ordered))
    regions, spurious, shifted = judged_regions(seen)
    candidates, missing, found = judged_candidates(seen)
    return RegionPresence(regions, candidates, spurious, shifted, missing, found)
