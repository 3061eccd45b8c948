"""Whether the running task was asked to end. Loops that await the bus ask this, since a cancellation can get lost.

Until Python 3.12, `asyncio.wait_for` swallows a cancellation that comes in the same moment as its result
(python/cpython#86296), and nats-py waits for every answer by it.
"""

import asyncio


def ending() -> bool:
    """Was the current task cancelled, even if nothing was raised?"""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
