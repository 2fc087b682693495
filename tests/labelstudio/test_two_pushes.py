"""A push that finds another one under way, or one that was cut off."""

from __future__ import annotations

from contextlib import ExitStack, suppress

from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review.push import push_findings
from tests.disks import full_disk
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


def test_that_one_was_cut_off_is_not_forgotten_for_lack_of_room(studio, client, own_cache) -> None:
    with suppress(KeyboardInterrupt), delivery.only_push(client, studio.source):
        raise KeyboardInterrupt
    with full_disk(), delivery.only_push(client, studio.source) as interrupted:
        assert interrupted
    with delivery.only_push(client, studio.source) as interrupted:
        assert not interrupted
