/** The attempts at what was wanted of a resource, the newest first. */

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Table from "@cloudscape-design/components/table";
import { useInfiniteQuery } from "@tanstack/react-query";

import { call } from "../../api/call";
import { placePath } from "../../api/place";
import { keys } from "../../api/queries";
import type { components } from "../../api/tenant";
import { Refusal } from "../../parts/Refusal";
import { Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { duration } from "../../parts/words";
import { titleOf } from "../schema";
import type { About } from "./about";

type Job = components["schemas"]["JobView"];
type JobPage = components["schemas"]["JobPage"];

const PAGE = 50;

export default function Jobs({ place, item }: About) {
  const path = place.scope === "project" ? `/api/tenant/v1/projects/${place.id}/jobs` : "/api/ops/v1/jobs";
  const jobs = useInfiniteQuery({
    queryKey: keys.list(place, "job", { resource: item.id }),
    queryFn: ({ pageParam, signal }) =>
      call<JobPage>(path, { query: { resource: item.id, limit: PAGE, cursor: pageParam }, signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
  if (jobs.error && !jobs.data) return <Refusal error={jobs.error} onRetry={() => void jobs.refetch()} />;
  return (
    <Table
      header={<Header variant="h2">Jobs</Header>}
      loading={jobs.isPending}
      loadingText="Loading jobs"
      items={jobs.data?.pages.flatMap((page) => page.items) ?? []}
      empty="No job was needed."
      ariaLabels={{ tableLabel: "Jobs" }}
      columnDefinitions={[
        {
          id: "job",
          header: "Job",
          isRowHeader: true,
          cell: (job) => <Link href={`${placePath(place)}/jobs/${job.id}`}>{titleOf(job.verb)}</Link>,
        },
        { id: "state", header: "State", cell: (job) => <Status value={job.state} /> },
        { id: "step", header: "Step", cell: (job) => job.step },
        { id: "reason", header: "Reason", cell: (job) => job.error?.message ?? job.reason },
        { id: "began", header: "Begun", cell: (job) => <Time at={job.created_at} /> },
        { id: "took", header: "Took", cell: took },
      ]}
      footer={
        jobs.hasNextPage && (
          <Button loading={jobs.isFetchingNextPage} onClick={() => void jobs.fetchNextPage()}>
            Show earlier ones
          </Button>
        )
      }
    />
  );
}

function took(job: Job): string {
  if (!job.ended_at) return "–";
  return duration((Date.parse(job.ended_at) - Date.parse(job.created_at)) / 1000);
}
