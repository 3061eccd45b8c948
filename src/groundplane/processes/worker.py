"""`groundplane worker`: moves jobs, applies what agents report, reconciles. Any number may run."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from nats.aio.msg import Msg

from groundplane.contracts.tasks import REPORTS_STREAM, TASKS_STREAM, reporting_cluster
from groundplane.controlplane.fleet.accounts import AccountKeeper, BusKeys, ConsumerKeeper, credentials_file
from groundplane.controlplane.fleet.processes import seen
from groundplane.controlplane.jobs.dispatcher import Inbox, Said, run_due
from groundplane.controlplane.reconciler.purge import purge_for_ever
from groundplane.controlplane.reconciler.reconciler import Reconciler
from groundplane.controlplane.traces import keep_partitions_for_ever
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database, RetryableDatabaseError
from groundplane.kernel.logs import configure_logging
from groundplane.kernel.metrics import MESSAGES_RECEIVED
from groundplane.kernel.news import Announcer
from groundplane.kernel.settings import Settings
from groundplane.processes.catalog import BusOutbox, build_platform
from groundplane.processes.figures import queue_figures
from groundplane.processes.house_figures import database_figures
from groundplane.processes.migrate import WORKER_CONSUMER
from groundplane.processes.ready import say_ready
from groundplane.processes.telemetry import observed

log = structlog.get_logger()

BATCH = 200
BEAT_SECONDS = 0.04


async def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    configure_logging("worker", level=settings.log_level)
    database = await Database.connect(settings.database_url.get_secret_value(), size=settings.database_pool)
    url = settings.nats_url.get_secret_value()
    bus = await Bus.connect(url, "worker", credentials=settings.nats_credentials)
    database.on_write = Announcer(bus)
    keys = BusKeys.issuing(settings)
    system: Bus | None = None
    if keys is not None:
        system = await Bus.connect(url, "worker", credentials=credentials_file(settings.key_directory, "system"))
    platform = build_platform(settings, BusOutbox(bus))
    reconciler = Reconciler(platform.manager.kinds, platform.manager)
    inbox = Inbox(database, platform.engine, reconciler.observe)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    loops: asyncio.Future[Any] = asyncio.gather(
        run_due(database, platform.engine),
        receive(bus, inbox),
        reconciler.run(database, bus, look_seconds=settings.look_seconds),
        purge_for_ever(database, window=timedelta(days=settings.project_undo_days)),
        keep_partitions_for_ever(database),
        ConsumerKeeper(database, bus).run(),
        *([AccountKeeper(keys, database, system, settings.agent_credential_seconds).run()] if keys and system else []),
    )
    readings = (database_figures(database), queue_figures(bus, REPORTS_STREAM, TASKS_STREAM))
    told: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    say_ready(settings, "worker")
    try:
        async with seen(database, "worker"), observed(settings, "worker", database=database, readings=readings):
            try:
                await asyncio.wait({told, loops}, return_when=asyncio.FIRST_COMPLETED)
                if loops.done():
                    loops.result()  # a loop that ended by itself is a defect: end with its error, and be restarted
            finally:
                loops.cancel()
                await asyncio.gather(loops, return_exceptions=True)
    finally:
        for each in (bus, system):
            if each is not None:
                await each.close()
        await database.close()


async def receive(bus: Bus, inbox: Inbox) -> None:
    """Take reports as they come, apply a batch in one transaction, and only then acknowledge it.

    The first is applied at once. While more come in, transactions begin no faster than every BEAT_SECONDS, since one costs
    the same for one report as for twenty.
    """
    async with contextlib.aclosing(bus.consume(REPORTS_STREAM, WORKER_CONSUMER, batch=BATCH)) as lists:
        async for messages in lists:
            began = time.monotonic()
            await _apply(inbox, messages)
            await asyncio.sleep(max(0.0, began + BEAT_SECONDS - time.monotonic()))


async def _apply(inbox: Inbox, messages: Sequence[Msg]) -> None:
    MESSAGES_RECEIVED.inc(len(messages))
    try:
        await inbox.apply([Said(message.data, reporting_cluster(message.subject)) for message in messages])
    except RetryableDatabaseError as error:
        log.warning("worker.database", error=repr(error))
        await asyncio.sleep(0.5)
        await asyncio.gather(*(message.nak() for message in messages), return_exceptions=True)
        return
    await asyncio.gather(*(message.ack() for message in messages), return_exceptions=True)
