/** Traffic rules: what operators hold up, refuse or slow down, for whom, why, and until when. */

import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import Multiselect from "@cloudscape-design/components/multiselect";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";

import { type Catalog, useCatalog } from "../api/catalog";
import { answer, ops } from "../api/client";
import { usePermissions, useReach } from "../api/me";
import type { components } from "../api/ops";
import { PLATFORM, placePath } from "../api/place";
import { keys, queries } from "../api/queries";
import { Confirm, FormDialog } from "../parts/FormDialog";
import { ResourceLink } from "../parts/ResourceLink";
import { Time } from "../parts/Time";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { flash } from "../shell/flashes";
import { useHeading } from "../shell/heading";

type Rule = components["schemas"]["TrafficRule"];
type NewRule = components["schemas"]["CreateTrafficRule"];
type Action = Rule["action"];
type Verb = Rule["verbs"][number];

const ACTIONS: { value: Action; label: string; description: string }[] = [
  { value: "pause", label: "Pause", description: "Jobs are taken and wait until the rule is over." },
  { value: "reject", label: "Reject", description: "Requests are refused, with the reason." },
  { value: "rate", label: "Rate", description: "So many jobs begin in a minute." },
  { value: "concurrency", label: "Concurrency", description: "So many jobs are at work at once." },
];
const VERBS: Verb[] = ["create", "update", "delete", "correct"];
const HOURS = [1, 4, 24, 168];

export default function TrafficPage() {
  useHeading({ title: "Traffic rules" });
  const catalog = useCatalog();
  const may = usePermissions(PLATFORM);
  const [isMaking, setMaking] = useState(false);
  const [doomed, setDoomed] = useState<Rule | null>(null);
  return (
    <>
      <RecordTable<Rule>
        title="Traffic rules"
        description="Jobs are held up, refused or slowed down by organization, project, kind or cluster. Every rule ends by itself."
        noun="rule"
        path="/api/ops/v1/traffic-rules"
        queryKey={(query) => keys.whole(PLATFORM, "traffic-rules", query)}
        filters={[
          filter(
            "action",
            "Action",
            ACTIONS.map(({ value, label }) => ({ value, label })),
          ),
          filter("organization", "Organization (its id)"),
          filter("project", "Project (its id)"),
        ]}
        columns={columnsOf(catalog, may("jobs.traffic_rule.delete") ? setDoomed : null)}
        actions={
          may("jobs.traffic_rule.create") && (
            <Button variant="primary" onClick={() => setMaking(true)}>
              Make a rule
            </Button>
          )
        }
        empty="No rules: everything goes its way"
      />
      {isMaking && <Making catalog={catalog} onClose={() => setMaking(false)} />}
      {doomed && (
        <Confirm
          title="Delete the rule"
          verb="Delete"
          onClose={() => setDoomed(null)}
          act={() => remove(doomed, setDoomed)}
        >
          {doomed.held_jobs
            ? `${doomed.held_jobs} jobs that it holds up begin at once.`
            : "It holds up no job at the moment."}
        </Confirm>
      )}
    </>
  );
}

async function remove(rule: Rule, done: (rule: null) => void): Promise<void> {
  await answer(ops.DELETE("/traffic-rules/{rule_id}", { params: { path: { rule_id: rule.id } } }));
  await changed("The rule is deleted.");
  done(null);
}

async function changed(text: string): Promise<void> {
  flash.done(text);
  await queries.invalidateQueries({ queryKey: keys.whole(PLATFORM, "traffic-rules") });
}

function columnsOf(catalog: Catalog, onDelete: ((rule: Rule) => void) | null): TableProps.ColumnDefinition<Rule>[] {
  return [
    {
      id: "action",
      header: "What",
      isRowHeader: true,
      width: 180,
      cell: ({ action, limit, expired }) => (
        <StatusIndicator type={expired ? "stopped" : "warning"}>{actionText(action, limit)}</StatusIndicator>
      ),
    },
    { id: "of", header: "Of what", width: 240, cell: (rule) => <Reach rule={rule} catalog={catalog} /> },
    { id: "reason", header: "Why", width: 280, cell: ({ reason }) => reason },
    { id: "held", header: "Holds up", width: 110, cell: ({ held_jobs: held }) => `${held} jobs` },
    { id: "until", header: "Ends", width: 140, cell: ({ expires_at: at }) => <Time at={at} /> },
    ...(onDelete
      ? [
          {
            id: "actions",
            header: "Actions",
            width: 120,
            cell: (rule: Rule) => (
              <Button variant="inline-link" ariaLabel={`Delete: ${rule.reason}`} onClick={() => onDelete(rule)}>
                Delete
              </Button>
            ),
          },
        ]
      : []),
  ];
}

function actionText(action: Action, limit: number | null): string {
  if (action === "rate") return `At most ${limit ?? 0} a minute`;
  if (action === "concurrency") return `At most ${limit ?? 0} at once`;
  return action === "pause" ? "Paused" : "Rejected";
}

function Reach({ rule, catalog }: { rule: Rule; catalog: Catalog }) {
  const kind = rule.kind === null ? "Everything" : (catalog.named(rule.kind)?.title_plural ?? rule.kind);
  const verbs = rule.verbs.length && rule.verbs.length < VERBS.length ? `: ${rule.verbs.join(", ")}` : "";
  const whose = [rule.organization_id, rule.project_id, rule.cluster_id].filter((id) => id !== null);
  return (
    <>
      {kind}
      {verbs}
      {whose.map((id) => (
        <div key={id}>
          <Whose id={id} />
        </div>
      ))}
    </>
  );
}

/** By name; a project is not a resource of the platform, so it is known from where one may go. */
function Whose({ id }: { id: string }) {
  const project = useReach().data?.projects.find((each) => each.id === id);
  if (!project) return <ResourceLink id={id} place={PLATFORM} />;
  return <Link href={placePath({ scope: "project", id })}>{`${project.organization_name} / ${project.name}`}</Link>;
}

function Making({ catalog, onClose }: { catalog: Catalog; onClose: () => void }) {
  const reach = useReach();
  const [action, setAction] = useState<Action>("pause");
  const [limit, setLimit] = useState("10");
  const [organization, setOrganization] = useState("");
  const [project, setProject] = useState("");
  const [kind, setKind] = useState("");
  const [verbs, setVerbs] = useState<Verb[]>([]);
  const [reason, setReason] = useState("");
  const [hours, setHours] = useState(HOURS[0] ?? 1);
  const isCounted = action === "rate" || action === "concurrency";
  const act = async () => {
    const body: NewRule = {
      action,
      reason,
      expires_at: new Date(Date.now() + hours * 3_600_000).toISOString(),
      ...(isCounted ? { limit: Number(limit) } : {}),
      ...(organization ? { organization } : {}),
      ...(project ? { project } : {}),
      ...(kind ? { kind } : {}),
      ...(verbs.length ? { verbs } : {}),
    } as NewRule;
    await answer(ops.POST("/traffic-rules", { body }));
    await changed("The rule holds from now on.");
    onClose();
  };
  const kinds = catalog.kinds.map(({ name, title_plural: label }) => ({ value: name, label }));
  return (
    <FormDialog title="Make a traffic rule" verb="Make it" disabled={!reason.trim()} act={act} onClose={onClose}>
      {(fault) => (
        <>
          <FormField label="What happens" errorText={fault("/action")}>
            <RadioGroup value={action} items={ACTIONS} onChange={({ detail }) => setAction(detail.value as Action)} />
          </FormField>
          {isCounted && (
            <FormField label={action === "rate" ? "Jobs a minute" : "Jobs at once"} errorText={fault("/limit")}>
              <Input type="number" value={limit} onChange={({ detail }) => setLimit(detail.value)} />
            </FormField>
          )}
          <Choice
            label="Organization"
            all="All organizations"
            value={organization}
            options={(reach.data?.organizations ?? []).map(({ id, name }) => ({ value: id, label: name }))}
            fault={fault("/organization")}
            onChange={setOrganization}
          />
          <Choice
            label="Project"
            all="All projects"
            value={project}
            options={(reach.data?.projects ?? [])
              .filter((each) => !organization || each.organization_id === organization)
              .map(({ id, name, organization_name: whose }) => ({ value: id, label: name, description: whose }))}
            fault={fault("/project")}
            onChange={setProject}
          />
          <Choice label="Kind" all="All kinds" value={kind} options={kinds} fault={fault("/kind")} onChange={setKind} />
          <FormField label="Of what jobs" description="All, if none is chosen." errorText={fault("/verbs")}>
            <Multiselect
              selectedOptions={verbs.map((verb) => ({ value: verb, label: verb }))}
              options={VERBS.map((verb) => ({ value: verb, label: verb }))}
              placeholder="All jobs"
              deselectAriaLabel={({ label }) => `Remove ${label ?? ""}`}
              onChange={({ detail }) => setVerbs(detail.selectedOptions.map(({ value }) => value as Verb))}
            />
          </FormField>
          <FormField
            label="Why"
            description="The people whose requests are held or refused read this."
            errorText={fault("/reason")}
          >
            <Input value={reason} onChange={({ detail }) => setReason(detail.value)} />
          </FormField>
          <FormField label="For how long" errorText={fault("/expires_at")}>
            <Select
              selectedOption={{ value: String(hours), label: hoursText(hours) }}
              options={HOURS.map((each) => ({ value: String(each), label: hoursText(each) }))}
              onChange={({ detail }) => setHours(Number(detail.selectedOption.value))}
            />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}

function hoursText(hours: number): string {
  if (hours >= 24) return hours === 24 ? "A day" : `${hours / 24} days`;
  return hours === 1 ? "An hour" : `${hours} hours`;
}

interface ChoiceProps {
  label: string;
  all: string;
  value: string;
  options: { value: string; label: string; description?: string }[];
  fault: string | undefined;
  onChange: (value: string) => void;
}

function Choice({ label, all, value, options, fault, onChange }: ChoiceProps) {
  const items = [{ value: "", label: all }, ...options];
  return (
    <FormField label={label} errorText={fault}>
      <Select
        filteringType={options.length > 8 ? "auto" : "none"}
        selectedOption={items.find((item) => item.value === value) ?? null}
        options={items}
        onChange={({ detail }) => onChange(detail.selectedOption.value ?? "")}
      />
    </FormField>
  );
}
