/**
 * The form that makes or changes a resource of any kind, from the kind's own schema: with a rehearsal before, and with what the
 * API refuses said at the field that it is about.
 */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type SyntheticEvent, useState } from "react";

import type { Kind } from "../../api/catalog";
import type { Place } from "../../api/place";
import { fieldSentences, problemIn } from "../../api/problem";
import { Code } from "../../parts/Code";
import { type Order, type Plan, rehearse } from "../change";
import { callText, formLine } from "../recipes";
import type { Field } from "../schema";
import { GroupFields } from "./FieldInput";
import { PairsEditor } from "./PairsEditor";
import { PlanView } from "./PlanView";
import { inSentence } from "../../parts/words";

export interface Wish {
  name: string;
  labels: Record<string, string>;
  spec: unknown;
  /** How many at once; undefined for one. */
  count?: number | undefined;
}

interface Props {
  kind: Kind;
  place: Place;
  title: string;
  verb: "create" | "update";
  /** The fields of `spec`; null when there is none to fill in. */
  field: Field | null;
  initial: Wish;
  /** Whether more than one can be made at once. */
  canBeMany?: boolean;
  /** What is missing before the API is asked, by pointer. */
  check: (wish: Wish) => Map<string, string>;
  /** The request that a wish is. */
  orderOf: (wish: Wish) => Order;
  /** Carries it out and goes on from here. */
  onSubmit: (wish: Wish) => Promise<void>;
  onCancel: () => void;
}

export function KindForm(props: Props) {
  const { kind, place, field, verb, check, orderOf } = props;
  const [wish, setWish] = useState(props.initial);
  const [busy, setBusy] = useState<"submit" | "rehearse" | null>(null);
  const [lacking, setLacking] = useState(new Map<string, string>());
  const [refusal, setRefusal] = useState<unknown>(null);
  const [plan, setPlan] = useState<Plan | null>(null);
  const sentences = new Map([...fieldSentences(refusal), ...lacking]);
  const change = (part: Partial<Wish>) => {
    setWish((before) => ({ ...before, ...part }));
    setPlan(null);
  };
  const attempt = async (what: "submit" | "rehearse", work: () => Promise<void>) => {
    const found = check(wish);
    setLacking(found);
    setRefusal(null);
    if (found.size) return;
    setBusy(what);
    await work().catch(setRefusal);
    setBusy(null);
  };
  const submit = () => attempt("submit", () => props.onSubmit(wish));
  const look = () => attempt("rehearse", async () => setPlan(await rehearse(orderOf(wish))));
  const onSubmit = (event: SyntheticEvent) => {
    event.preventDefault();
    void submit();
  };
  const order = orderOf(wish);
  const body = (order.body ?? {}) as Record<string, unknown>;
  return (
    <ContentLayout
      header={
        <Header variant="h1" description={kind.summary}>
          {props.title}
        </Header>
      }
    >
      <form onSubmit={onSubmit} noValidate>
        <Form
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button formAction="none" variant="link" onClick={props.onCancel}>
                Cancel
              </Button>
              <Button formAction="none" loading={busy === "rehearse"} onClick={() => void look()}>
                Preview
              </Button>
              <Button variant="primary" loading={busy === "submit"}>
                {verb === "create" ? `Create ${inSentence(kind.title)}` : "Save"}
              </Button>
            </SpaceBetween>
          }
        >
          <Grid gridDefinition={[{ colspan: { default: 12, m: 8 } }, { colspan: { default: 12, m: 4 } }]}>
            <SpaceBetween size="l">
              {refusal !== null && <Refused error={refusal} />}
              <Container header={<Header variant="h2">{kind.title}</Header>}>
                <SpaceBetween size="l">
                  <FormField
                    label="Name"
                    description="Lower-case letters, digits and hyphens; unique among its kind here."
                    errorText={sentences.get("/name")}
                  >
                    <Input
                      value={wish.name}
                      spellcheck={false}
                      autoComplete={false}
                      onChange={({ detail }) => change({ name: detail.value })}
                    />
                  </FormField>
                  {field?.is === "group" && (
                    <GroupFields
                      field={field}
                      draft={wish.spec}
                      pointer="/spec"
                      sentences={sentences}
                      place={place}
                      onChange={(spec) => change({ spec })}
                    />
                  )}
                  {props.canBeMany && (
                    <FormField
                      label={
                        <>
                          How many <i>(optional)</i>
                        </>
                      }
                      description="Several at once are called NAME-1, NAME-2 and so on; all are made, or none."
                      errorText={sentences.get("/count")}
                    >
                      <Input
                        type="number"
                        inputMode="numeric"
                        placeholder="1"
                        value={wish.count === undefined ? "" : String(wish.count)}
                        onChange={({ detail }) =>
                          change({ count: detail.value === "" ? undefined : Number(detail.value) })
                        }
                      />
                    </FormField>
                  )}
                </SpaceBetween>
              </Container>
              <Container
                header={
                  <Header variant="h2" description="Words of your own to find and group resources by: env = prod.">
                    Labels
                  </Header>
                }
              >
                <FormField errorText={sentences.get("/labels")} label={<span className="unseen">Labels</span>} stretch>
                  <PairsEditor pairs={wish.labels} noun="label" onChange={(labels) => change({ labels })} />
                </FormField>
              </Container>
            </SpaceBetween>
            <SpaceBetween size="l">
              <Container header={<Header variant="h2">Preview</Header>}>
                <div aria-live="polite">
                  {plan ? (
                    <PlanView plan={plan} />
                  ) : (
                    "“Preview” asks what would be done, without doing it: what is made, by which steps, and what becomes of the quota."
                  )}
                </div>
              </Container>
              <ExpandableSection variant="container" headerText="API and command line">
                <SpaceBetween size="m">
                  <Code title="Command line" text={formLine(kind, verb, wish.name, body, field)} />
                  <Code title="API" text={callText(order.method, order.path, hidden(body, field))} />
                </SpaceBetween>
              </ExpandableSection>
            </SpaceBetween>
          </Grid>
        </Form>
      </form>
    </ContentLayout>
  );
}

/** A body as it may be shown: what is secret is not. */
function hidden(body: Record<string, unknown>, field: Field | null): unknown {
  if (field?.is !== "group" || typeof body["spec"] !== "object") return body;
  const spec = Object.entries(body["spec"] as object).map(([name, value]: [string, unknown]) => {
    const each = field.fields[name];
    return [name, each?.is === "text" && each.secret ? "…" : value];
  });
  return { ...body, spec: Object.fromEntries(spec) as Record<string, unknown> };
}

/** What is wrong with the whole; what is wrong with fields stands at them. */
function Refused({ error }: { error: unknown }) {
  const { title, detail, errors = [] } = problemIn(error);
  const elsewhere = errors.filter(({ pointer }) => !/^\/(name|labels|count|spec\/)/.test(pointer));
  return (
    <div role="alert">
      <Alert type="error" header={title}>
        {errors.length ? "See what is said at the fields below." : detail}
        {elsewhere.map((each) => (
          <div key={each.pointer}>
            {each.pointer}: {each.detail}
          </div>
        ))}
      </Alert>
    </div>
  );
}
