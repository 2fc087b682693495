"""The machines that share the work: a scheduler of Dask, and workers that take tasks from it.

Dask is in the extra ``distributed``; nothing here imports it before it is asked for.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import signal
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ntk_labelqa.errors import LabelQAError

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
EXTRA = "Install the extra: pip install 'ntk-labelqa[distributed]'."
SECONDS_TO_ANSWER = 20
"""For a scheduler that is there."""
GPU = "GPU"
"""What workers with a GPU call that resource; see ``docs/how-to/clusters.md``."""
MEMORY_OF_RESULTS = 0.5
"""Share of the workers' memory that features of all items may stay in; the rest is for calculating."""

ALLOCATION = {"MALLOC_TRIM_THRESHOLD_": 2**26, "MALLOC_MMAP_THRESHOLD_": 2**25}
"""As glibc has it by itself. Dask has memory given back after every task; to get new pages for each panel takes as long
as to calculate it."""

_clients: dict[str, Client] = {}


def client_of(scheduler: str | Client) -> Client:
    """The client of *scheduler*: itself, one connected to its address, or one of a cluster on this machine.

    Those that are made here are kept for the next call, and closed when the process ends.

    Args:
        scheduler: ``local``, an address such as ``tcp://host:8786``, or a client.

    Raises LabelQAError where nothing answers there, or the extra is not installed.
    """
    distributed = _distributed()
    if not isinstance(scheduler, str):
        return scheduler
    known, local = _clients.get(scheduler), scheduler == LOCAL
    if known is None or known.status != "running":
        # Lost workers and schedulers are told in our words; the loggers would tell of each connection besides.
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        logging.getLogger("asyncio").addFilter(_not_of_dask)
        known = _clients[scheduler] = _of_this_machine(distributed) if local else _connected(distributed, scheduler)
    return known


def _not_of_dask(record: logging.LogRecord) -> bool:
    return "distributed" not in record.getMessage()


def _distributed() -> Any:
    try:
        for name in ("zarr", "cryptography"):
            importlib.import_module(name)
        return importlib.import_module("distributed")
    except ImportError as error:
        raise LabelQAError(
            "Work can be spread over a cluster with Dask and Zarr alone, which are not installed.",
            why=str(error),
            remedy=f"{EXTRA} Or leave out --scheduler.",
        ) from error


def _of_this_machine(distributed: Any) -> Client:
    """A worker of one thread a core. By TLS: any user of this machine could have its workers run what they like else.

    On the processor, since workers that share a GPU would each reserve its memory.
    """
    import dask.config

    before = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ALLOCATION.items()}
    with dask.config.set(before):
        cluster = distributed.LocalCluster(
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            protocol="tls://",
            security=True,
            silence_logs=logging.CRITICAL,
            env={"JAX_PLATFORMS": "cpu"},
        )
    client = distributed.Client(cluster)
    atexit.register(_end, cluster)
    return client


def _end(cluster: Any) -> None:
    """End the workers of *cluster* at once: Dask itself, whose turn is next, would wait for what they calculate."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid:
            with suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)


def _connected(distributed: Any, address: str) -> Client:
    try:
        return distributed.Client(address, timeout=SECONDS_TO_ANSWER)
    except (OSError, ValueError) as error:
        raise LabelQAError(
            f"No scheduler answers at {address}.",
            why=str(error),
            remedy="Start one with `dask scheduler`, or correct the address; --scheduler local needs none.",
        ) from error


def resources_of(client: Client) -> dict[str, float] | None:
    """What a task asks of a worker: one GPU, where workers have some, so that each runs one panel at a time."""
    return {GPU: 1} if any(GPU in worker["resources"] for worker in _workers(client)) else None


def memory_for_results(client: Client) -> float:
    """Bytes of the workers that results may stay in; infinite where a worker has no limit."""
    limits = [worker["memory_limit"] for worker in _workers(client)]
    return MEMORY_OF_RESULTS * sum(limits) if all(limits) else float("inf")


def threads_of(client: Client) -> int:
    """How many threads *client*'s workers have together."""
    return sum(worker["nthreads"] for worker in _workers(client))


def described(client: Client) -> str:
    """*client*'s workers, in words."""
    count = len(_workers(client))
    return f"{count:,} worker{'' if count == 1 else 's'} of {address_of(client)}"


def address_of(client: Client) -> str:
    """Where the scheduler of *client* is."""
    return str(getattr(client.scheduler, "address", "a scheduler that is gone"))


def described_scheduler(scheduler: str | Client | None) -> str | None:
    """*scheduler* as it is recorded: ``local`` or its address."""
    return scheduler if scheduler is None or isinstance(scheduler, str) else address_of(scheduler)


def _workers(client: Client) -> list[dict[str, Any]]:
    return list(client.scheduler_info(n_workers=-1)["workers"].values())


@contextmanager
def in_words(client: Client) -> Iterator[None]:
    """LabelQAError for what goes wrong with the cluster of *client* in the body; other errors stay what they are."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except LabelQAError:
        raise
    except KilledWorker as error:
        raise LabelQAError(
            "Workers ended again and again while they calculated the same panel.",
            why="They have probably run out of memory.",
            remedy="Give each worker more memory, or use fewer landmarks.",
        ) from error
    except ModuleNotFoundError as error:
        raise LabelQAError(
            "The cluster cannot run the tasks of ntk-labelqa.",
            why=str(error),
            remedy="Install the same version of ntk-labelqa[distributed] for the scheduler and for every worker.",
        ) from error
    except (Exception, CancelledError) as error:
        lost = isinstance(error, CancelledError | CommClosedError) or client.status != "running"
        if not lost:
            raise
        raise LabelQAError(
            "The connection to Dask's scheduler was lost.",
            why="It has ended, or the network is down.",
            remedy="The panels calculated so far are kept: start a scheduler, and the same command goes on from them.",
        ) from error
