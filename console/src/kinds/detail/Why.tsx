/** Why a resource is as it is: all that happened to it, cause before effect. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { placePath } from "../../api/place";
import type { components } from "../../api/tenant";
import { Splash } from "../../login/Entrance";
import { Raw } from "../../parts/Raw";
import { Refusal } from "../../parts/Refusal";
import { moment } from "../../parts/words";
import { useItemPart } from "../item";
import { titleOf } from "../schema";
import type { About } from "./about";

type Timeline = components["schemas"]["Why"];
type Entry = Timeline["entries"][number];

const BAD = new Set(["failed", "denied", "drifted", "step_error", "unanswered", "retrying"]);

export default function Why({ kind, place, item }: About) {
  const why = useItemPart<Timeline>(kind, place, item.id, "why");
  if (why.error && !why.data) return <Refusal error={why.error} onRetry={() => void why.refetch()} />;
  if (!why.data) return <Splash />;
  const { summary, entries } = why.data;
  return (
    <SpaceBetween size="l">
      <Alert type="info" header={`${item.name} is ${summary}`} />
      <Container
        header={
          <Header variant="h2" counter={`(${entries.length})`}>
            What happened
          </Header>
        }
      >
        <ol className="timeline">
          {entries.map((entry, index) => (
            <Line key={index} entry={entry} jobs={`${placePath(place)}/jobs`} />
          ))}
        </ol>
      </Container>
    </SpaceBetween>
  );
}

function Line({ entry, jobs }: { entry: Entry; jobs: string }) {
  const detail = Object.entries(entry.detail).filter(([, value]) => value !== null && value !== "");
  return (
    <li className={BAD.has(entry.what) ? "bad" : undefined}>
      <Box variant="small" color="text-body-secondary">
        <time dateTime={entry.at}>{moment(entry.at)}</time> · {titleOf(entry.what)}
        {entry.step && ` · step ${entry.step}`}
        {entry.job_id && (
          <>
            {" · "}
            <Link fontSize="body-s" href={`${jobs}/${entry.job_id}`}>
              its job
            </Link>
          </>
        )}
      </Box>
      <div>{entry.sentence}</div>
      {detail.length > 0 && <Raw summary="Details" value={Object.fromEntries(detail)} />}
    </li>
  );
}
