/** The jobs of a parent of many: how far they are, and each of them. */

import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useQuery } from "@tanstack/react-query";

import { call } from "../api/call";
import { useCatalog } from "../api/catalog";
import { type Place, placePath } from "../api/place";
import { keys } from "../api/queries";
import { Refusal } from "../parts/Refusal";
import { type Job, jobsPath } from "./job";
import { jobColumns } from "./JobsPage";

/** A parent has at most a thousand; a page of the API is two hundred. */
const PAGE = 200;
const SHOWN = 20;

export function Children({ parent, place }: { parent: Job; place: Place }) {
  const catalog = useCatalog();
  const { data: jobs, error } = useQuery({
    queryKey: keys.list(place, "job", { parent: parent.id }),
    queryFn: ({ signal }) => allChildren(place, parent.id, signal),
  });
  if (error) return <Refusal error={error} />;
  const all = jobs ?? [];
  const failed = all.filter(({ state }) => state === "FAILED").length;
  const succeeded = all.filter(({ state }) => state === "SUCCEEDED").length;
  // What needs a look stands first.
  const shown = [...all].sort((one, other) => rank(one) - rank(other)).slice(0, SHOWN);
  return (
    <Container
      header={
        <Header
          variant="h2"
          counter={`(${all.length})`}
          actions={<Link href={`${placePath(place)}/jobs?parent=${parent.id}`}>All in the list of jobs</Link>}
        >
          Its jobs
        </Header>
      }
    >
      <SpaceBetween size="m">
        <ProgressBar
          label="Ended"
          description={`${succeeded} succeeded, ${failed} failed, ${all.length - succeeded - failed} under way`}
          value={all.length ? Math.floor(((succeeded + failed) / all.length) * 100) : 0}
          status={parent.state === "FAILED" ? "error" : parent.state === "SUCCEEDED" ? "success" : "in-progress"}
          resultText={failed ? `${failed} of ${all.length} failed` : `All ${all.length} succeeded`}
        />
        <Table
          variant="embedded"
          trackBy="id"
          loading={!jobs}
          items={shown}
          columnDefinitions={jobColumns(place, catalog)}
          ariaLabels={{ tableLabel: "Its jobs" }}
        />
        {all.length > SHOWN && (
          <Box color="text-body-secondary">{all.length - SHOWN} more are in the list of jobs.</Box>
        )}
      </SpaceBetween>
    </Container>
  );
}

const ORDER: Job["state"][] = ["FAILED", "RETRYING", "RUNNING", "PENDING", "SUCCEEDED"];
const rank = ({ state }: Job): number => ORDER.indexOf(state);

async function allChildren(place: Place, parent: string, signal: AbortSignal): Promise<Job[]> {
  const all: Job[] = [];
  let cursor: string | undefined;
  do {
    const page: { items: Job[]; next: string | null } = await call(jobsPath(place), {
      query: { parent, limit: PAGE, cursor },
      signal,
    });
    all.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor);
  return all;
}
