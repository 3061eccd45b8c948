/**
 * A verb for one resource or many. Before a deletion it asks the API what would go along, and what keeps it from going; then each
 * is done by itself, and it is told how each went.
 */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import { type ReactNode, useEffect, useState } from "react";

import type { Kind, Resource } from "../api/catalog";
import { type Place, placePath } from "../api/place";
import { ProblemError, problemIn } from "../api/problem";
import { ResourceLink } from "../parts/ResourceLink";
import { type Done, type Order, type Plan, action, carryOut, carryOutQuietly, deletion, rehearse } from "./change";
import { titleOf } from "./schema";
import { type Outcome, together } from "./together";
import { inSentence } from "../parts/words";

interface Props {
  kind: Kind;
  place: Place;
  verb: string;
  items: Resource[];
  onClose: () => void;
  onDeleted: () => void;
}

type Found = Map<string, Outcome<Plan>>;
type Went = Map<string, Outcome<Done>>;

export function BulkDialog({ kind, place, verb, items, onClose, onDeleted }: Props) {
  const isDeletion = verb === "delete";
  const order = (item: Resource): Order => (isDeletion ? deletion(kind, place, item) : action(kind, place, item, verb));
  const found = useRehearsal(items, order);
  const [went, setWent] = useState<Went>(new Map());
  const [step, setStep] = useState<"asking" | "doing" | "done">("asking");
  const doable = items.filter((item) => found.get(item.id)?.ok);
  const noun = (count: number) => (count === 1 ? inSentence(kind.title) : inSentence(kind.title_plural));
  const title = `${titleOf(verb)} ${items.length === 1 ? `${noun(1)} ${items[0]?.name ?? ""}` : `${items.length} ${noun(2)}`}`;

  const doOne = async (item: Resource) => {
    try {
      await carryOut(order(item), `${titleOf(verb)} ${noun(1)} ${item.name}`, kind, place);
      onClose();
      if (isDeletion) onDeleted();
    } catch (error) {
      setWent(new Map([[item.id, { ok: false, error }]]));
      setStep("done");
    }
  };
  const doAll = async () => {
    setStep("doing");
    const [only] = doable;
    if (items.length === 1 && only) return doOne(only);
    await together(
      doable,
      (item) => carryOutQuietly(order(item), kind, place),
      (item, outcome) => setWent((before) => new Map(before).set(item.id, outcome)),
    );
    setStep("done");
  };
  return (
    <Modal
      visible
      size="large"
      header={title}
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              {step === "done" ? "Close" : "Cancel"}
            </Button>
            {step !== "done" && (
              <Button
                variant="primary"
                loading={step === "doing"}
                disabled={found.size < items.length || !doable.length}
                onClick={() => void doAll()}
              >
                {titleOf(verb)}
                {items.length > 1 ? ` ${doable.length}` : ""}
              </Button>
            )}
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {isDeletion && step === "asking" && (
          <Alert type="warning">
            What is deleted cannot be brought back{kind.name === "project" ? ", but for some days" : ""}.
          </Alert>
        )}
        <Table
          variant="embedded"
          trackBy="id"
          items={items}
          ariaLabels={{ tableLabel: title }}
          columnDefinitions={[
            { id: "name", header: "Name", isRowHeader: true, cell: (item) => item.name, minWidth: 120 },
            {
              id: "outcome",
              header: step === "asking" ? "What will happen" : "What came of it",
              cell: (item) => (
                <Told
                  item={item}
                  place={place}
                  isDeletion={isDeletion}
                  found={found.get(item.id)}
                  went={went.get(item.id)}
                  isDoing={step === "doing"}
                />
              ),
            },
          ]}
        />
      </SpaceBetween>
    </Modal>
  );
}

/** What would happen to each, asked when the dialog opens. */
function useRehearsal(items: Resource[], order: (item: Resource) => Order): Found {
  const [found, setFound] = useState<Found>(new Map());
  const text = items.map((item) => item.id).join(" ");
  useEffect(() => {
    let isGone = false;
    void together(
      items,
      (item) => rehearse(order(item)),
      (item, outcome) => {
        if (!isGone) setFound((before) => new Map(before).set(item.id, outcome));
      },
    );
    return () => {
      isGone = true;
    };
  }, [text]); // eslint-disable-line react-hooks/exhaustive-deps -- asked once for the same resources
  return found;
}

interface ToldProps {
  item: Resource;
  place: Place;
  isDeletion: boolean;
  isDoing: boolean;
  found: Outcome<Plan> | undefined;
  went: Outcome<Done> | undefined;
}

function Told({ item, place, isDeletion, isDoing, found, went }: ToldProps): ReactNode {
  if (went) return went.ok ? <Begun done={went.result} place={place} /> : <Refused error={went.error} place={place} />;
  if (!found) return <StatusIndicator type="loading">Looking</StatusIndicator>;
  if (!found.ok) return <Refused error={found.error} place={place} />;
  if (isDoing) return <StatusIndicator type="in-progress">Under way</StatusIndicator>;
  const others = [...found.result.changed, ...found.result.created].filter((each) => each.id !== item.id);
  if (!others.length) return isDeletion ? "It goes, and nothing else with it." : "It changes.";
  return (
    <>
      {isDeletion ? "With it go: " : "With it change: "}
      {others.map((each, index) => (
        <span key={each.id}>
          {index > 0 && ", "}
          {each.kind.replaceAll("_", " ")} <ResourceLink id={each.id} name={each.name} place={place} />
        </span>
      ))}
    </>
  );
}

function Begun({ done, place }: { done: Done; place: Place }) {
  if (!done.job) return <StatusIndicator type="success">Done</StatusIndicator>;
  return (
    <StatusIndicator type="success">
      Begun: <Link href={`${placePath(place)}/jobs/${done.job.id}`}>its job</Link>
    </StatusIndicator>
  );
}

interface User {
  id: string;
  kind: string;
  name: string;
}

/** Why not; what uses it is told with links to there. */
function Refused({ error, place }: { error: unknown; place: Place }) {
  const users = error instanceof ProblemError ? (error.problem.context?.["used_by"] as User[] | undefined) : undefined;
  return (
    <>
      <StatusIndicator type="error">{problemIn(error).detail}</StatusIndicator>
      {users && (
        <div>
          Used by{" "}
          {users.map((user, index) => (
            <span key={user.id}>
              {index > 0 && ", "}
              {user.kind.replaceAll("_", " ")} <ResourceLink id={user.id} name={user.name} place={place} />
            </span>
          ))}
        </div>
      )}
    </>
  );
}
