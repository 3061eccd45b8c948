/** Try a job again, or cancel it: offered to whoever may, while it makes sense. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";

import { call } from "../api/call";
import { useCatalog } from "../api/catalog";
import { usePermissions } from "../api/me";
import type { Place } from "../api/place";
import { problemIn } from "../api/problem";
import { keys, queries } from "../api/queries";
import { Recipe } from "../kinds/Recipe";
import { flash } from "../shell/flashes";
import { type Job, doing, hasEnded, jobAddress, jobsPath } from "./job";

interface Props {
  job: Job;
  place: Place;
}

export function JobActions({ job, place }: Props) {
  const may = usePermissions(place);
  const [isAsking, setAsking] = useState(false);
  const noun = place.scope === "project" ? "gp job" : "gp ops job";
  const canRetry = may("jobs.job.retry") && (job.state === "FAILED" || job.state === "RETRYING");
  const canCancel = may("jobs.job.cancel") && !hasEnded(job) && !job.cancel_requested_at;
  return (
    <SpaceBetween direction="horizontal" size="xs">
      <Recipe call={`GET ${jobsPath(place, job.id)}`} line={`${noun} watch ${job.id}`} />
      {canCancel && <Button onClick={() => setAsking(true)}>Cancel the job</Button>}
      {canRetry && <Retry job={job} place={place} />}
      {isAsking && <CancelDialog job={job} place={place} onClose={() => setAsking(false)} />}
    </SpaceBetween>
  );
}

function Retry({ job, place }: Props) {
  const navigate = useNavigate();
  const catalog = useCatalog();
  const retry = useMutation({
    mutationFn: () => call<Job>(jobsPath(place, job.id, "retry"), { method: "POST" }),
    onSuccess: async (next) => {
      await readAgain(place, job.id);
      if (next.id === job.id) return;
      // One that failed stays as it was; another takes its place.
      flash.job(doing(next, catalog), { id: next.id, state: next.state, href: jobsPath(place, next.id) }, place);
      await navigate(jobAddress(place, next.id));
    },
    onError: flash.refused,
  });
  return (
    <Button variant="primary" iconName="refresh" loading={retry.isPending} onClick={() => retry.mutate()}>
      {job.state === "RETRYING" ? "Try now" : "Retry"}
    </Button>
  );
}

function CancelDialog({ job, place, onClose }: Props & { onClose: () => void }) {
  const cancel = useMutation({
    mutationFn: () => call<Job>(jobsPath(place, job.id, "cancel"), { method: "POST" }),
    onSuccess: async () => {
      await readAgain(place, job.id);
      onClose();
    },
  });
  return (
    <Modal
      visible
      onDismiss={onClose}
      closeAriaLabel="Close"
      header="Cancel the job?"
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Let it go on
            </Button>
            <Button variant="primary" loading={cancel.isPending} onClick={() => cancel.mutate()}>
              Cancel the job
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Box>
          {job.verb === "bulk"
            ? "Each of its jobs that has not ended is stopped, and what it had done is undone."
            : "It is stopped, and what it had done is undone."}
        </Box>
        {cancel.error && <Alert type="error">{problemIn(cancel.error).detail}</Alert>}
      </SpaceBetween>
    </Modal>
  );
}

async function readAgain(place: Place, id: string): Promise<void> {
  void queries.invalidateQueries({ queryKey: keys.list(place, "job") });
  await queries.invalidateQueries({ queryKey: keys.item(place, "job", id) });
}
