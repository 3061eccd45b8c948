/** Which hosts are not heard of, or cannot be reached by their agent. */

import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { hostPath } from "../fleet/concerns";
import { type HostHealth, isSilent, troubleOf } from "../fleet/health";
import { useFleet } from "../fleet/queries";
import { Refusal } from "../parts/Refusal";
import { duration } from "../parts/words";

const SHOWN = 6;

export function HostsCard() {
  const fleet = useFleet();
  const hosts = fleet.data?.hosts ?? [];
  const troubled = hosts.filter((host) => troubleOf(host) !== null);
  return (
    <section className="card" aria-label="Hosts">
      <Header variant="h2" actions={<Link href="/console/ops/fleet">The fleet</Link>}>
        Hosts
      </Header>
      {fleet.error && !fleet.data && <Refusal error={fleet.error} />}
      {fleet.data && !troubled.length && (
        <StatusIndicator type={hosts.length ? "success" : "info"}>
          {hosts.length
            ? `All ${hosts.length} answer${fleet.data.truncated ? ", of those looked at" : ""}.`
            : "There is no host yet."}
        </StatusIndicator>
      )}
      <ul className="entries">
        {troubled.slice(0, SHOWN).map((host) => (
          <Trouble key={host.host_id} host={host} />
        ))}
      </ul>
      {troubled.length > SHOWN && <Box>{troubled.length - SHOWN} more are in trouble.</Box>}
    </section>
  );
}

function Trouble({ host }: { host: HostHealth }) {
  return (
    <li>
      <StatusIndicator type={isSilent(host) ? "error" : "warning"}>
        <Link href={hostPath(host.host_id)}>{host.host_name}</Link>
      </StatusIndicator>
      <Box color="text-body-secondary" fontSize="body-s">
        {troubleOf(host)}
        {host.silent_seconds !== null && isSilent(host) && `, for ${duration(host.silent_seconds)}`}
      </Box>
    </li>
  );
}
