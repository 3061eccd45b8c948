"""Placement: claims a share of a host for a machine and of a pool for a volume, in the request's own transaction."""

from dataclasses import dataclass
from uuid import UUID

from groundplane.kernel.database import Tx
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
    ORDER BY memory_mib - memory_used DESC LIMIT 1 FOR UPDATE
"""


async def place_machine(
    tx: Tx,
    resource_id: UUID,
    *,
    vcpus: int,
    memory_mib: int,
    volume_gib: int,
    host_id: UUID | None,
    cluster_id: UUID | None,
) -> HostShare:
    """Claim a share of the host with most free memory that also has a pool with `volume_gib` free.

    `host_id` and `cluster_id`, where given, are the only host and cluster that will do.

    Raises NoCapacityError with the numbers that failed. Hosts that another request is claiming are passed over first.
    """
    values = (vcpus, memory_mib, host_id, volume_gib, cluster_id)
    row = await tx.row(f"SELECT host_id, cluster_id {_ROOM} SKIP LOCKED", *values)
    row = row or await tx.row(f"SELECT host_id, cluster_id {_ROOM}", *values)
    if row is None:
        await _refuse(tx, vcpus, memory_mib, volume_gib)
        raise NoCapacityError
    await tx.execute(
        "UPDATE host_capacity SET vcpus_used = vcpus_used + $2, memory_used = memory_used + $3 WHERE host_id = $1",
        row["host_id"],
        vcpus,
        memory_mib,
    )
    await tx.execute(
        "INSERT INTO placement (resource_id, host_id, vcpus, memory_mib) VALUES ($1, $2, $3, $4)",
        resource_id,
        row["host_id"],
        vcpus,
        memory_mib,
    )
    return HostShare(row["host_id"], row["cluster_id"])


async def release_machine(tx: Tx, resource_id: UUID) -> None:
    """Give back what the machine held of its host."""
    await tx.execute(
        """WITH gone AS (DELETE FROM placement WHERE resource_id = $1 RETURNING host_id, vcpus, memory_mib)
           UPDATE host_capacity SET vcpus_used = vcpus_used - gone.vcpus, memory_used = memory_used - gone.memory_mib
           FROM gone WHERE host_capacity.host_id = gone.host_id""",
        resource_id,
    )


async def place_volume(tx: Tx, resource_id: UUID, *, gib: int, host_id: UUID | None) -> PoolShare:
    """Claim a share of the pool with most room (of `host_id`, if given). Raises PoolFullError with the numbers."""
    row = await tx.row(
        """SELECT pool_id, host_id, cluster_id FROM pool_capacity
           WHERE gib - gib_used >= $1 AND ($2::uuid IS NULL OR host_id = $2)
           ORDER BY gib - gib_used DESC LIMIT 1 FOR UPDATE""",
        gib,
        host_id,
    )
    if row is None:
        most = await tx.value("SELECT max(gib - gib_used) FROM pool_capacity WHERE $1::uuid IS NULL OR host_id = $1", host_id)
        raise PoolFullError(
            f"No storage pool has {gib} GiB free; the most that one has is {most or 0} GiB. "
            "Ask for less, delete something, or ask the operators for more.",
            context={"asked_gib": gib, "most_free_gib": most or 0},
        )
    await tx.execute("UPDATE pool_capacity SET gib_used = gib_used + $2 WHERE pool_id = $1", row["pool_id"], gib)
    await tx.execute("INSERT INTO pool_share (resource_id, pool_id, gib) VALUES ($1, $2, $3)", resource_id, row["pool_id"], gib)
    spec = await tx.value("SELECT spec FROM resource WHERE id = $1", row["pool_id"])
    return PoolShare(row["pool_id"], row["host_id"], row["cluster_id"], spec["engine_name"])


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


async def release_volume(tx: Tx, resource_id: UUID) -> None:
    """Give back what the volume held of its pool."""
    await tx.execute(
        """WITH gone AS (DELETE FROM pool_share WHERE resource_id = $1 RETURNING pool_id, gib)
           UPDATE pool_capacity SET gib_used = gib_used - gone.gib FROM gone
           WHERE pool_capacity.pool_id = gone.pool_id""",
        resource_id,
    )


async def pool_of(tx: Tx, resource_id: UUID) -> PoolShare:
    """Where a volume lies. LookupError when it holds no share."""
    row = await tx.one(
        """SELECT pool_id, pool_capacity.host_id, pool_capacity.cluster_id, resource.spec
           FROM pool_share JOIN pool_capacity USING (pool_id) JOIN resource ON resource.id = pool_id WHERE resource_id = $1""",
        resource_id,
    )
    return PoolShare(row["pool_id"], row["host_id"], row["cluster_id"], row["spec"]["engine_name"])


async def default_cluster(tx: Tx) -> UUID:
    """The cluster that takes networks: the oldest. Raises NoCapacityError when there is none yet."""
    cluster_id: UUID | None = await tx.value(
        "SELECT id FROM resource WHERE kind = 'cluster' AND deleted_at IS NULL ORDER BY id LIMIT 1"
    )
    if cluster_id is None:
        raise NoCapacityError("There is no cluster yet. Ask the operators to add one.")
    return cluster_id


async def _refuse(tx: Tx, vcpus: int, memory_mib: int, volume_gib: int) -> None:
    most = await tx.one(
        """SELECT count(*) FILTER (WHERE open) AS open, count(*) AS hosts,
                  coalesce(max(vcpus - vcpus_used) FILTER (WHERE open), 0) AS vcpus,
                  coalesce(max(memory_mib - memory_used) FILTER (WHERE open), 0) AS memory_mib,
                  coalesce((SELECT max(gib - gib_used) FROM pool_capacity), 0) AS gib
           FROM host_capacity"""
    )
    numbers = {
        "asked": {"vcpus": vcpus, "memory_mib": memory_mib, "volume_gib": volume_gib},
        "most_free_on_one_host": {"vcpus": most["vcpus"], "memory_mib": most["memory_mib"], "volume_gib": most["gib"]},
        "open_hosts": most["open"],
        "hosts": most["hosts"],
    }
    raise NoCapacityError(
        f"No host has {vcpus} vCPUs, {memory_mib} MiB of memory and {volume_gib} GiB of storage free at once: of "
        f"{most['open']} open hosts the most that one has free is {most['vcpus']} vCPUs and {most['memory_mib']} MiB, the "
        f"most that one pool has is {most['gib']} GiB. Ask for less, delete something, or ask the operators for more hosts.",
        context=numbers,
    )
