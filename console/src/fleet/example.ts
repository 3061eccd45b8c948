/** A host for tests: healthy, open and half full. */

import type { HostHealth } from "./health";

export function host(name: string, changes: Partial<HostHealth> = {}): HostHealth {
  return {
    host_id: `hst_${name}`,
    host_name: name,
    cluster_id: "clu_1",
    seen_at: "2026-01-01T00:00:00Z",
    silent_seconds: 3,
    facts: { reachable: true },
    agent: null,
    open: true,
    capacity: {
      vcpus: { claimed: 8, total: 16 },
      memory_mib: { claimed: 512, total: 1024 },
      disk_gib: { claimed: 50, total: 100 },
    },
    ...changes,
  };
}
