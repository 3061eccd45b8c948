/** How much is claimed of what there is, as a bar for each dimension. */

import "./fleet.css";

import { QuotaBar } from "../quotas/QuotaBar";
import { titleOfDimension } from "../quotas/dimensions";
import type { HostHealth } from "./health";
import { DIMENSIONS } from "./heat";

export function Shares({ capacity }: { capacity: HostHealth["capacity"] }) {
  return (
    <dl className="shares">
      {DIMENSIONS.map((dimension) => {
        const { claimed: used, total: limit } = capacity[dimension];
        return (
          <div key={dimension}>
            <dt>{titleOfDimension(dimension)}</dt>
            <dd>
              <QuotaBar name={dimension} use={{ used, limit }} />
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
