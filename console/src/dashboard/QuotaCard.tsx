/** The quota as bars: what is nearest to its limit stands first. */

import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Spinner from "@cloudscape-design/components/spinner";

import { type Place, placePath } from "../api/place";
import { Refusal } from "../parts/Refusal";
import { QuotaBar } from "../quotas/QuotaBar";
import { inOrder, shareOf, titleOfDimension } from "../quotas/dimensions";
import { useQuota } from "../quotas/quota";

const MOST = 6;

export function QuotaCard({ place }: { place: Place }) {
  const quota = useQuota(place);
  const dimensions = inOrder(quota.data?.dimensions ?? {})
    .sort(([, one], [, other]) => (shareOf(other) ?? 0) - (shareOf(one) ?? 0))
    .slice(0, MOST);
  return (
    <section className="card" aria-label="Quota">
      <Header variant="h2" actions={place.scope === "project" && <Link href={`${placePath(place)}/quota`}>All</Link>}>
        Quota
      </Header>
      {quota.error && !quota.data && <Refusal error={quota.error} />}
      {quota.isPending && <Spinner />}
      <dl className="quota-list">
        {dimensions.map(([name, use]) => (
          <div key={name}>
            <dt>{titleOfDimension(name)}</dt>
            <dd>
              <QuotaBar name={name} use={use} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
