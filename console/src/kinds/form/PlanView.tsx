/** What a dry run says: what would be made and changed, by which steps, and what becomes of the quota. */

import Box from "@cloudscape-design/components/box";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { amountOf, titleOfDimension } from "../../quotas/dimensions";
import type { Plan } from "../change";

export function PlanView({ plan }: { plan: Plan }) {
  const { created, created_count: made, changed, changed_count: altered, jobs, quota } = plan;
  return (
    <SpaceBetween size="l">
      <KeyValuePairs
        columns={1}
        items={[
          { label: `Will be made (${made})`, value: <Names items={created} count={made} /> },
          { label: `Will be changed (${altered})`, value: <Names items={changed} count={altered} /> },
          { label: "Steps", value: <Steps jobs={jobs} /> },
        ]}
      />
      {Object.entries(quota).map(([dimension, effect]) => (
        <Quota key={dimension} dimension={dimension} {...effect} />
      ))}
    </SpaceBetween>
  );
}

function Names({ items, count }: { items: Plan["created"]; count: number }) {
  if (!count) return <Box color="text-status-inactive">Nothing</Box>;
  return (
    <ul className="plain">
      {items.map(({ id, kind, name, host_name: host }) => (
        <li key={id}>
          {kind.replaceAll("_", " ")} <b>{name}</b>
          {host && ` on ${host}`}
        </li>
      ))}
      {count > items.length && <li>and {count - items.length} more</li>}
    </ul>
  );
}

function Steps({ jobs }: { jobs: Plan["jobs"] }) {
  if (!jobs.length) return <>Done at once, without a job.</>;
  return (
    <ul className="plain">
      {jobs.map(({ workflow, steps }, index) => (
        <li key={index}>
          {workflow}: {steps.join(" → ")}
        </li>
      ))}
    </ul>
  );
}

function Quota({ dimension, used, after, limit }: { dimension: string } & Plan["quota"][string]) {
  const title = titleOfDimension(dimension);
  const text = `${amountOf(dimension, used)} → ${amountOf(dimension, after)}`;
  if (limit === null) return <KeyValuePairs items={[{ label: title, value: `${text}, without a limit` }]} />;
  return (
    <ProgressBar
      label={title}
      value={limit ? (100 * after) / limit : 100}
      additionalInfo={`${text} of ${amountOf(dimension, limit)}`}
    />
  );
}
