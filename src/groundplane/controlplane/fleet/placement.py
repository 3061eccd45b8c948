"""Placement: claims a share of a host for a machine and of a pool for a volume, in the request's own transaction."""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from groundplane.kernel.database import Row, Tx
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


_ROOM = """
    FROM host_capacity WHERE open AND vcpus - vcpus_used >= $1 AND memory_mib - memory_used >= $2
      AND ($3::uuid IS NULL OR host_id = $3) AND ($5::uuid IS NULL OR cluster_id = $5)
      AND ($4 = 0 OR EXISTS (SELECT FROM pool_capacity WHERE pool_capacity.host_id = host_capacity.host_id
                             AND gib - gib_used >= $4))
"""
_PLACE_ONE = f"""
    UPDATE host_capacity SET vcpus_used = vcpus_used + $1, memory_used = memory_used + $2
    WHERE host_id = (SELECT host_id {_ROOM} ORDER BY memory_mib - memory_used DESC LIMIT 1 FOR UPDATE {{wait}})
    RETURNING host_id, cluster_id
"""  # noqa: S608  # our own words


@dataclass(frozen=True)
class Machine:
    """What a machine asks of a host, and where it must be, if that is known: `volume_gib` of a pool of the same host."""

    vcpus: int
    memory_mib: int
    volume_gib: int = 0
    host_id: UUID | None = None
    cluster_id: UUID | None = None


async def place_machines(tx: Tx, resource_ids: Sequence[UUID], wish: Machine) -> Sequence[HostShare]:
    """Claim for each a share of the host with most free memory, as they are placed one after the other.

    Raises NoCapacityError with the numbers: all are placed, or none.
    """
    shares = [await _place_one(tx, wish)] if len(resource_ids) == 1 else await _spread(tx, len(resource_ids), wish)
    for resource_id, share in zip(resource_ids, shares, strict=True):
        row = {"host_id": share.host_id, "vcpus": wish.vcpus, "memory_mib": wish.memory_mib}
        tx.insert("placement", {"resource_id": resource_id, **row})
    return shares


async def _place_one(tx: Tx, wish: Machine) -> HostShare:
    """A host that nobody else is placing on right now, if there is one; else whichever has most room."""
    if wish.host_id is not None and wish.cluster_id is not None:
        return _place_there(tx, wish, HostShare(wish.host_id, wish.cluster_id))
    values = (wish.vcpus, wish.memory_mib, wish.host_id, wish.volume_gib, wish.cluster_id)
    rows = await tx.aside(_PLACE_ONE.format(wait="SKIP LOCKED"), *values)
    rows = rows or await tx.aside(_PLACE_ONE.format(wait=""), *values)
    if not rows:
        raise await _no_capacity(tx, wish, 1)
    return HostShare(rows[0]["host_id"], rows[0]["cluster_id"])


def _place_there(tx: Tx, wish: Machine, share: HostShare) -> HostShare:
    """The host is given: its share is claimed behind, and refused then if there is no room."""
    tx.behind(
        """UPDATE host_capacity SET vcpus_used = vcpus_used + {0}, memory_used = memory_used + {1}
           WHERE host_id = {2} AND cluster_id = {3} AND open
             AND vcpus - vcpus_used >= {0} AND memory_mib - memory_used >= {1}""",
        wish.vcpus,
        wish.memory_mib,
        share.host_id,
        share.cluster_id,
        otherwise=lambda: _no_capacity(tx, wish, 1),
    )
    return share


async def _spread(tx: Tx, count: int, wish: Machine) -> Sequence[HostShare]:
    """Hosts with room are held in the order of their ids, and filled from the emptiest on."""
    values = (wish.vcpus, wish.memory_mib, wish.host_id, wish.volume_gib, wish.cluster_id)
    rows = await tx.fetch(
        f"""SELECT host_id, cluster_id, vcpus - vcpus_used AS vcpus, memory_mib - memory_used AS memory_mib,
                   (SELECT coalesce(sum(CASE WHEN $4 > 0 THEN (gib - gib_used) / $4 ELSE 0 END), 0)::bigint
                    FROM pool_capacity WHERE pool_capacity.host_id = host_capacity.host_id) AS volumes
            {_ROOM} ORDER BY host_id FOR UPDATE""",  # noqa: S608  # our own words
        *values,
    )
    room = [(-row["memory_mib"], number, _slots(row, wish)) for number, row in enumerate(rows)]
    heapq.heapify(room)
    shares: list[HostShare] = []
    while room and len(shares) < count:
        memory, number, slots = heapq.heappop(room)
        shares.append(HostShare(rows[number]["host_id"], rows[number]["cluster_id"]))
        if slots > 1:
            heapq.heappush(room, (memory + wish.memory_mib, number, slots - 1))
    if len(shares) < count:
        raise await _no_capacity(tx, wish, count)
    placed = Counter(share.host_id for share in shares)
    await tx.execute(
        """UPDATE host_capacity SET vcpus_used = vcpus_used + $3 * n, memory_used = memory_used + $4 * n
           FROM unnest($1::uuid[], $2::bigint[]) AS placed (id, n) WHERE host_id = placed.id""",
        list(placed),
        list(placed.values()),
        wish.vcpus,
        wish.memory_mib,
    )
    return shares


def _slots(row: Row, wish: Machine) -> int:
    slots = min(row["vcpus"] // wish.vcpus, row["memory_mib"] // wish.memory_mib)
    return int(min(slots, row["volumes"]) if wish.volume_gib else slots)


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


_POOL_SHARE = "pool_capacity.pool_id, pool_capacity.host_id, pool_capacity.cluster_id, spec ->> 'engine_name' AS engine_name"


async def place_volumes(tx: Tx, wishes: Sequence[tuple[UUID, UUID | None]], *, gib: int) -> Sequence[PoolShare]:
    """Claim for each (its id, its host if that is known) `gib` of the pool with most room. Raises PoolFullError."""
    if len(wishes) == 1:
        shares: Sequence[PoolShare] = [await _one_pool(tx, wishes[0][1], gib)]
    else:
        shares = await _many_pools(tx, [host_id for _, host_id in wishes], gib)
    for (resource_id, _), share in zip(wishes, shares, strict=True):
        tx.insert("pool_share", {"resource_id": resource_id, "pool_id": share.pool_id, "gib": gib})
    return shares


async def _one_pool(tx: Tx, host_id: UUID | None, gib: int) -> PoolShare:
    rows = await tx.aside(
        f"""UPDATE pool_capacity SET gib_used = gib_used + $1 FROM resource
            WHERE resource.id = pool_id AND pool_id = (
                SELECT pool_id FROM pool_capacity WHERE gib - gib_used >= $1 AND ($2::uuid IS NULL OR host_id = $2)
                ORDER BY gib - gib_used DESC LIMIT 1 FOR UPDATE)
            RETURNING {_POOL_SHARE}""",  # noqa: S608  # our own words
        gib,
        host_id,
    )
    if not rows:
        raise await _pool_full(tx, host_id, gib)
    return PoolShare(**rows[0])


async def _many_pools(tx: Tx, host_ids: Sequence[UUID | None], gib: int) -> Sequence[PoolShare]:
    rows = await tx.fetch(
        f"""SELECT {_POOL_SHARE}, gib - gib_used AS free FROM pool_capacity JOIN resource ON resource.id = pool_id
            WHERE $1 OR pool_capacity.host_id = ANY($2::uuid[]) ORDER BY pool_id FOR UPDATE OF pool_capacity""",  # noqa: S608
        None in host_ids,
        [host_id for host_id in host_ids if host_id is not None],
    )
    pools = {row["pool_id"]: PoolShare(**{name: row[name] for name in PoolShare.__dataclass_fields__}) for row in rows}
    free = {row["pool_id"]: row["free"] for row in rows}
    shares = []
    for host_id in host_ids:
        fitting = [pool_id for pool_id, pool in pools.items() if host_id in {None, pool.host_id} and free[pool_id] >= gib]
        if not fitting:
            raise await _pool_full(tx, host_id, gib)
        pool_id = max(fitting, key=lambda each: free[each])
        free[pool_id] -= gib
        shares.append(pools[pool_id])
    placed = Counter(share.pool_id for share in shares)
    await tx.execute(
        """UPDATE pool_capacity SET gib_used = gib_used + $3 * n
           FROM unnest($1::uuid[], $2::bigint[]) AS placed (id, n) WHERE pool_id = placed.id""",
        list(placed),
        list(placed.values()),
        gib,
    )
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
