"""Placement: claims a share of a host for a machine and of a pool for a volume, in the request's own transaction."""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from groundplane.kernel.database import CollidedError, Otherwise, Tx
from groundplane.kernel.errors import ConflictError


class NoCapacityError(ConflictError):
    """No host has room for this. Ask for less, delete something, or ask the operators for more hosts."""

    code = "no_capacity"


class PoolFullError(ConflictError):
    """No storage pool has room for this. Ask for less, delete something, or ask the operators for more."""

    code = "pool_full"


@dataclass(frozen=True)
class HostShare:
    """Where a machine was placed."""

    host_id: UUID
    cluster_id: UUID


@dataclass(frozen=True)
class PoolShare:
    """Where a volume was placed. `engine_name` is what its storage engine calls the pool."""

    pool_id: UUID
    host_id: UUID
    cluster_id: UUID
    engine_name: str


LOOKED_AT = 16
"""How many places one is chosen from, those with most room: more than one, since who shares the transaction has claimed too."""
ALL = 1 << 31

# Nothing is held while it is chosen from: what is chosen is claimed behind, with all else that is claimed, in one order.
_ROOM = """
    FROM host_capacity WHERE open AND vcpus - vcpus_used >= $1 AND memory_mib - memory_used >= $2
      AND ($3::uuid IS NULL OR host_id = $3) AND ($5::uuid IS NULL OR cluster_id = $5)
      AND ($4 = 0 OR EXISTS (SELECT FROM pool_capacity WHERE pool_capacity.host_id = host_capacity.host_id
                             AND gib - gib_used >= $4))
"""
_VOLUMES = """(SELECT coalesce(sum(CASE WHEN $4 > 0 THEN (gib - gib_used) / $4 ELSE 0 END), 0)::bigint
               FROM pool_capacity WHERE pool_capacity.host_id = host_capacity.host_id)"""
_HOST_SHARES = """
    UPDATE host_capacity SET vcpus_used = vcpus_used + asked.vcpus, memory_used = memory_used + asked.memory_mib
    FROM unnest({keys}::uuid[], {amounts}::jsonb[]) AS claim (host_id, amounts)
         CROSS JOIN LATERAL jsonb_to_record(amounts) AS asked (vcpus bigint, memory_mib bigint)
    WHERE host_capacity.host_id = claim.host_id AND open
      AND host_capacity.vcpus - vcpus_used >= asked.vcpus AND host_capacity.memory_mib - memory_used >= asked.memory_mib
"""


@dataclass(frozen=True)
class Machine:
    """What a machine asks of a host, and where it must be, if that is known: `volume_gib` of a pool of the same host."""

    vcpus: int
    memory_mib: int
    volume_gib: int = 0
    host_id: UUID | None = None
    cluster_id: UUID | None = None


async def place_machines(tx: Tx, resource_ids: Sequence[UUID], wish: Machine) -> Sequence[HostShare]:
    """Claim for each, behind, a share of the host with most free memory, as they are placed one after the other.

    Raises NoCapacityError with the numbers, CollidedError when the room was just taken: all are placed, or none.
    """
    count = len(resource_ids)
    if wish.host_id is not None and wish.cluster_id is not None:
        shares: Sequence[HostShare] = [HostShare(wish.host_id, wish.cluster_id)] * count
        otherwise: Otherwise = partial(_no_capacity, tx, wish, count)
    else:
        shares, otherwise = await _choose_hosts(tx, count, wish), _just_taken
    for share, number in Counter(shares).items():
        amounts = {"vcpus": wish.vcpus * number, "memory_mib": wish.memory_mib * number}
        tx.claim(_HOST_SHARES, share.host_id, amounts, otherwise=otherwise)
    for resource_id, share in zip(resource_ids, shares, strict=True):
        row = {"host_id": share.host_id, "vcpus": wish.vcpus, "memory_mib": wish.memory_mib}
        tx.insert("placement", {"resource_id": resource_id, **row})
    tx.refuse({"placement_host_id_fkey": _just_gone})
    return shares


async def _choose_hosts(tx: Tx, count: int, wish: Machine) -> Sequence[HostShare]:
    """Filled from the emptiest on."""
    rows = await tx.common(
        f"""SELECT host_id, cluster_id, vcpus - vcpus_used AS vcpus, memory_mib - memory_used AS memory_mib,
                   {_VOLUMES if count > 1 else 1} AS volumes
            {_ROOM} ORDER BY memory_mib - memory_used DESC, host_id LIMIT $6""",
        wish.vcpus,
        wish.memory_mib,
        wish.host_id,
        wish.volume_gib,
        wish.cluster_id,
        LOOKED_AT if count == 1 else ALL,
    )
    room = []
    for number, row in enumerate(rows):
        claimed = tx.claimed(_HOST_SHARES, row["host_id"])
        memory, vcpus = (row[name] - claimed.get(name, 0) for name in ("memory_mib", "vcpus"))
        slots = min(vcpus // wish.vcpus, memory // wish.memory_mib)
        slots = min(slots, row["volumes"]) if wish.volume_gib else slots
        if slots > 0:
            room.append((-memory, number, slots))
    heapq.heapify(room)
    shares: list[HostShare] = []
    while room and len(shares) < count:
        memory, number, slots = heapq.heappop(room)
        shares.append(HostShare(rows[number]["host_id"], rows[number]["cluster_id"]))
        if slots > 1:
            heapq.heappush(room, (memory + wish.memory_mib, number, slots - 1))
    if len(shares) < count:
        tx.alone()
        raise await _no_capacity(tx, wish, count)
    return shares


async def _just_taken() -> Exception:
    """Between the look and the claim: who looks again finds another place, or is told in numbers that there is none."""
    return CollidedError("the room of a place that was chosen was just taken")


def _just_gone(_error: Exception) -> CollidedError:
    return CollidedError("a place that was chosen was just taken away")


async def release_machines(tx: Tx, resource_ids: Sequence[UUID]) -> None:
    """Give back what the machines held of their hosts, host by host in the order of their ids."""
    await tx.execute(
        """WITH gone AS (DELETE FROM placement WHERE resource_id = ANY($1::uuid[]) RETURNING host_id, vcpus, memory_mib),
                total AS (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib FROM gone GROUP BY host_id),
                held AS (SELECT host_id FROM host_capacity WHERE host_id IN (SELECT host_id FROM total)
                         ORDER BY host_id FOR UPDATE)
           UPDATE host_capacity SET vcpus_used = vcpus_used - total.vcpus, memory_used = memory_used - total.memory_mib
           FROM total JOIN held USING (host_id) WHERE host_capacity.host_id = total.host_id""",
        list(resource_ids),
    )


_POOL_SHARES = """
    UPDATE pool_capacity SET gib_used = gib_used + (amounts ->> 'gib')::bigint
    FROM unnest({keys}::uuid[], {amounts}::jsonb[]) AS claim (pool_id, amounts)
    WHERE pool_capacity.pool_id = claim.pool_id AND gib - gib_used >= (amounts ->> 'gib')::bigint
"""


async def place_volumes(tx: Tx, wishes: Sequence[tuple[UUID, UUID | None]], *, gib: int) -> Sequence[PoolShare]:
    """Claim for each (its id, its host if that is known), behind, `gib` of the pool with most room.

    Raises PoolFullError, CollidedError when the room was just taken.
    """
    shares = await _choose_pools(tx, [host_id for _, host_id in wishes], gib)
    for (resource_id, _), share in zip(wishes, shares, strict=True):
        tx.insert("pool_share", {"resource_id": resource_id, "pool_id": share.pool_id, "gib": gib})
        tx.claim(_POOL_SHARES, share.pool_id, {"gib": gib}, otherwise=_just_taken)
    tx.refuse({"pool_share_pool_id_fkey": _just_gone})
    return shares


async def _choose_pools(tx: Tx, host_ids: Sequence[UUID | None], gib: int) -> Sequence[PoolShare]:
    rows = await tx.common(
        """SELECT pool_id, host_id, cluster_id, gib - gib_used AS gib,
                  (SELECT spec ->> 'engine_name' FROM resource WHERE id = pool_id) AS engine_name
           FROM pool_capacity WHERE gib - gib_used >= $1 AND ($2 OR host_id = ANY($3::uuid[]))
           ORDER BY gib - gib_used DESC, pool_id LIMIT $4""",
        gib,
        None in host_ids,
        tuple(host_id for host_id in host_ids if host_id is not None),
        LOOKED_AT if len(host_ids) == 1 else ALL,
    )
    pools = {row["pool_id"]: PoolShare(**{name: row[name] for name in PoolShare.__dataclass_fields__}) for row in rows}
    free = {row["pool_id"]: row["gib"] - tx.claimed(_POOL_SHARES, row["pool_id"]).get("gib", 0) for row in rows}
    shares = []
    for host_id in host_ids:
        fitting = [pool_id for pool_id, pool in pools.items() if host_id in {None, pool.host_id} and free[pool_id] >= gib]
        if not fitting:
            tx.alone()
            raise await _pool_full(tx, host_id, gib)
        pool_id = max(fitting, key=lambda each: free[each])
        free[pool_id] -= gib
        shares.append(pools[pool_id])
    return shares


async def _pool_full(tx: Tx, host_id: UUID | None, gib: int) -> PoolFullError:
    most = await tx.value("SELECT max(gib - gib_used) FROM pool_capacity WHERE $1::uuid IS NULL OR host_id = $1", host_id)
    return PoolFullError(
        f"No storage pool has {gib} GiB free; the most that one has is {most or 0} GiB. "
        "Ask for less, delete something, or ask the operators for more.",
        context={"asked_gib": gib, "most_free_gib": most or 0},
    )


async def grow_volume(tx: Tx, resource_id: UUID, *, gib: int) -> None:
    """Make the volume's share `gib` in all. Raises PoolFullError."""
    grown = await tx.execute(
        """WITH share AS (SELECT pool_id, gib FROM pool_share WHERE resource_id = $1 FOR UPDATE)
           UPDATE pool_capacity SET gib_used = gib_used + $2 - share.gib FROM share
           WHERE pool_capacity.pool_id = share.pool_id AND pool_capacity.gib - gib_used >= $2 - share.gib""",
        resource_id,
        gib,
    )
    if not grown:
        raise PoolFullError
    await tx.execute("UPDATE pool_share SET gib = $2 WHERE resource_id = $1", resource_id, gib)


async def release_volumes(tx: Tx, resource_ids: Sequence[UUID]) -> None:
    """Give back what the volumes held of their pools, pool by pool in the order of their ids."""
    await tx.execute(
        """WITH gone AS (DELETE FROM pool_share WHERE resource_id = ANY($1::uuid[]) RETURNING pool_id, gib),
                total AS (SELECT pool_id, sum(gib) AS gib FROM gone GROUP BY pool_id),
                held AS (SELECT pool_id FROM pool_capacity WHERE pool_id IN (SELECT pool_id FROM total)
                         ORDER BY pool_id FOR UPDATE)
           UPDATE pool_capacity SET gib_used = gib_used - total.gib
           FROM total JOIN held USING (pool_id) WHERE pool_capacity.pool_id = total.pool_id""",
        list(resource_ids),
    )


async def default_cluster(tx: Tx) -> UUID:
    """The cluster that takes networks: the oldest. Raises NoCapacityError when there is none yet."""
    cluster_id: UUID | None = await tx.value(
        "SELECT id FROM resource WHERE kind = 'cluster' AND deleted_at IS NULL ORDER BY id LIMIT 1"
    )
    if cluster_id is None:
        raise NoCapacityError("There is no cluster yet. Ask the operators to add one.")
    return cluster_id


async def _no_capacity(tx: Tx, wish: Machine, count: int) -> NoCapacityError:
    most = await tx.one(
        """SELECT count(*) FILTER (WHERE open) AS open, count(*) AS hosts,
                  coalesce(max(vcpus - vcpus_used) FILTER (WHERE open), 0) AS vcpus,
                  coalesce(max(memory_mib - memory_used) FILTER (WHERE open), 0) AS memory_mib,
                  coalesce((SELECT max(gib - gib_used) FROM pool_capacity), 0) AS gib
           FROM host_capacity"""
    )
    asked = {"vcpus": wish.vcpus, "memory_mib": wish.memory_mib, "volume_gib": wish.volume_gib}
    numbers = {
        "asked": asked | ({"count": count} if count > 1 else {}),
        "most_free_on_one_host": {"vcpus": most["vcpus"], "memory_mib": most["memory_mib"], "volume_gib": most["gib"]},
        "open_hosts": most["open"],
        "hosts": most["hosts"],
    }
    many = f"There is no room for {count} machines. " if count > 1 else ""
    return NoCapacityError(
        f"{many}No host has {wish.vcpus} vCPUs, {wish.memory_mib} MiB of memory and {wish.volume_gib} GiB of storage free at "
        f"once: of {most['open']} open hosts the most that one has free is {most['vcpus']} vCPUs and {most['memory_mib']} MiB, "
        f"the most that one pool has is {most['gib']} GiB. "
        "Ask for less, delete something, or ask the operators for more hosts.",
        context=numbers,
    )
