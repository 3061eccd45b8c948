/** Last: a rehearsal says what would be made, by which steps, where, and what becomes of the quota; or why it would be refused. */

import "../wizard.css";

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import type { Kind } from "../../api/catalog";
import type { Place } from "../../api/place";
import { fieldSentences, problemIn } from "../../api/problem";
import { type Order, rehearse } from "../../kinds/change";
import { PlanView } from "../../kinds/form/PlanView";
import { callText, formLine } from "../../kinds/recipes";
import { Code } from "../../parts/Code";
import { ResourceLink } from "../../parts/ResourceLink";
import { amount } from "../../parts/words";
import { sizeText } from "../size";
import { type Draft, STEPS, stepOf } from "../draft";

interface Props {
  kind: Kind;
  draft: Draft;
  order: Order;
  place: Place;
  onRefused: (error: unknown) => void;
  onEdit: (step: number) => void;
}

export function ReviewStep({ kind, draft, order, place, onRefused, onEdit }: Props) {
  const plan = useQuery({
    queryKey: ["rehearsal", order],
    queryFn: () => rehearse(order),
    retry: false,
    refetchInterval: false,
    gcTime: 0,
  });
  const body = order.body as Record<string, unknown>;
  return (
    <SpaceBetween size="l">
      {plan.error && <Refused error={plan.error} onGo={() => onRefused(plan.error)} />}
      <Container header={<Header variant="h2">As you said</Header>}>
        <Said draft={draft} place={place} onEdit={onEdit} />
      </Container>
      <Container header={<Header variant="h2">What will be done</Header>}>
        <div aria-live="polite">
          {plan.data && <PlanView plan={plan.data} />}
          {plan.isPending && <StatusIndicator type="loading">Asking what would be done</StatusIndicator>}
          {plan.error && <StatusIndicator type="error">Nothing: it would be refused.</StatusIndicator>}
        </div>
      </Container>
      <ExpandableSection variant="container" headerText="API and command line">
        <SpaceBetween size="m">
          <Code title="Command line" text={formLine(kind, "create", draft.name, shown(body), null)} />
          <Code title="API" text={callText(order.method, order.path, shown(body))} />
        </SpaceBetween>
      </ExpandableSection>
    </SpaceBetween>
  );
}

/** User data may hold what is secret: it is not shown. */
function shown(body: Record<string, unknown>): Record<string, unknown> {
  const spec = body["spec"] as Record<string, unknown>;
  return { ...body, spec: "user_data" in spec ? { ...spec, user_data: "…" } : spec };
}

function Refused({ error, onGo }: { error: unknown; onGo: () => void }) {
  const { title, detail } = problemIn(error);
  const found = [...fieldSentences(error)];
  return (
    <div role="alert">
      <Alert
        type="error"
        header={title}
        action={found.length > 0 && <Button onClick={onGo}>Go to where it can be mended</Button>}
      >
        {found.length ? found.map(([pointer, sentence]) => <div key={pointer}>{sentence}</div>) : detail}
      </Alert>
    </div>
  );
}

function Said({ draft, place, onEdit }: Pick<Props, "draft" | "place" | "onEdit">) {
  const edit = (pointer: string, label: string) => (
    <Button variant="inline-link" ariaLabel={`Change: ${label}`} onClick={() => onEdit(STEPS.indexOf(stepOf(pointer)))}>
      Change
    </Button>
  );
  const links = (ids: string[]) =>
    ids.length
      ? ids.map((id) => (
          <div key={id}>
            <ResourceLink id={id} place={place} />
          </div>
        ))
      : "None";
  const item = (label: string, pointer: string, value: ReactNode) => ({
    label,
    value: (
      <div className="said">
        <div>{value}</div>
        {edit(pointer, label)}
      </div>
    ),
  });
  const root = draft.root === "image" ? draft.image : draft.volume;
  return (
    <ColumnLayout columns={1}>
      <KeyValuePairs
        columns={3}
        items={[
          item("Name", "/name", draft.count > 1 ? `${draft.name}-1 to ${draft.name}-${draft.count}` : draft.name),
          item("Boots from", "/spec/root_volume", links(root ? [root] : [])),
          item("Size", "/spec/vcpus", sizeText(draft.vcpus, draft.memoryMib)),
          item(
            "Disks",
            "/spec/volumes",
            <>
              {draft.root === "image" && <div>{amount(draft.rootGib, "GiB")} of its own</div>}
              {draft.volumes.length > 0 && links(draft.volumes)}
            </>,
          ),
          item("Networks", "/spec/nics", links(draft.nics.flatMap(({ network }) => network ?? []))),
          item("SSH keys", "/spec/ssh_keys", links(draft.sshKeys)),
        ]}
      />
    </ColumnLayout>
  );
}
