"""A push that finds another one under way."""

from __future__ import annotations

from contextlib import ExitStack

from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review.push import push_findings
from tests.labelstudio.samples import choice


def test_it_waits_says_so_and_only_then_reads_the_labels(studio, client, audit, own_cache) -> None:
    first, said = ExitStack(), []
    first.enter_context(delivery.only_push(client, studio.source))

    def end(waiting: str) -> None:
        said.append(waiting)
        studio.save_annotation(int(audit.findings["annotation_id"].iloc[0]), choice("cars"))
        first.close()

    result = push_findings(client, audit, say=end)
    assert (result.created, result.outdated) == (3, 1)
    assert said == [f"Waiting for another push of project {studio.source} to end."]
