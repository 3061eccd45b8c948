/** A secret's versions: read, with permission and on the record, and destroyed for good. */

import Alert from "@cloudscape-design/components/alert";
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import type { Resource } from "../api/catalog";
import { answer, tenant } from "../api/client";
import { usePermissions } from "../api/me";
import { usePlace } from "../api/place";
import { problemIn } from "../api/problem";
import { keys, queries } from "../api/queries";
import type { components } from "../api/tenant";
import { Code } from "../parts/Code";
import { Refusal } from "../parts/Refusal";
import { Time } from "../parts/Time";
import { flash } from "../shell/flashes";

type Version = components["schemas"]["SecretVersion"];

export default function VersionsPanel({ resource }: { resource: Resource }) {
  const place = usePlace();
  const may = usePermissions(place);
  const [shown, setShown] = useState<number | null>(null);
  const [doomed, setDoomed] = useState<Version | null>(null);
  const path = { project_id: place.id ?? "", reference: resource.id };
  const versionsKey = keys.item(place, "secret", resource.id, "versions");
  const versions = useQuery({
    queryKey: versionsKey,
    queryFn: () => answer(tenant.GET("/projects/{project_id}/secrets/{reference}/versions", { params: { path } })),
  });
  if (versions.error && !versions.data)
    return <Refusal error={versions.error} onRetry={() => void versions.refetch()} />;
  return (
    <>
      <Table
        variant="container"
        trackBy={({ version }) => String(version)}
        loading={versions.isPending}
        loadingText="Loading the versions"
        items={[...(versions.data ?? [])].reverse()}
        ariaLabels={{ tableLabel: "Versions" }}
        header={
          <Header
            variant="h2"
            description="Editing the secret makes the next version. Each reading of a value is on the record."
          >
            Versions
          </Header>
        }
        columnDefinitions={[
          {
            id: "version",
            header: "Version",
            isRowHeader: true,
            cell: ({ version, current }) => (
              <SpaceBetween direction="horizontal" size="xs">
                {version}
                {current && <Badge color="green">Current</Badge>}
              </SpaceBetween>
            ),
          },
          { id: "at", header: "Written", cell: ({ created_at }) => <Time at={created_at} /> },
          {
            id: "actions",
            header: "Actions",
            cell: (version) => (
              <SpaceBetween direction="horizontal" size="xs">
                {may("secrets.secret.reveal") && (
                  <Button ariaLabel={`Reveal version ${version.version}`} onClick={() => setShown(version.version)}>
                    Reveal
                  </Button>
                )}
                {may("secrets.secret.destroy") && (
                  <Button
                    ariaLabel={`Destroy version ${version.version}`}
                    disabled={version.current}
                    disabledReason="The current version cannot be destroyed."
                    onClick={() => setDoomed(version)}
                  >
                    Destroy
                  </Button>
                )}
              </SpaceBetween>
            ),
          },
        ]}
      />
      {shown !== null && <Revealed path={path} version={shown} onClose={() => setShown(null)} />}
      {doomed && (
        <Destruction
          path={path}
          version={doomed.version}
          onDone={() => {
            flash.done(`Version ${doomed.version} of ${resource.name} is destroyed.`);
            void queries.invalidateQueries({ queryKey: versionsKey });
            setDoomed(null);
          }}
          onClose={() => setDoomed(null)}
        />
      )}
    </>
  );
}

interface OfVersion {
  path: { project_id: string; reference: string };
  version: number;
  onClose: () => void;
}

/** A value is not left on a screen that somebody walked away from. */
const SHOWN_MS = 60_000;

/** Asked for when it is opened, kept nowhere, gone when it is closed. */
function Revealed({ path, version, onClose }: OfVersion) {
  const reveal = useMutation({
    mutationFn: () =>
      answer(tenant.GET("/projects/{project_id}/secrets/{reference}/value", { params: { path, query: { version } } })),
    gcTime: 0,
  });
  const ask = reveal.mutate;
  useEffect(() => ask(), [ask]);
  useEffect(() => {
    const timer = setTimeout(onClose, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [onClose]);
  return (
    <Modal visible header={`Version ${version}`} closeAriaLabel="Close" onDismiss={onClose}>
      <SpaceBetween size="m">
        {reveal.data && <Code title="Value" text={reveal.data.value} />}
        {reveal.error && <Alert type="error">{problemIn(reveal.error).detail}</Alert>}
        {reveal.isPending && <Box>Asking</Box>}
        <Box color="text-body-secondary">It is hidden after a minute. This reading is in the audit trail.</Box>
      </SpaceBetween>
    </Modal>
  );
}

function Destruction({ path, version, onDone, onClose }: OfVersion & { onDone: () => void }) {
  const destroy = useMutation({
    mutationFn: () =>
      answer(
        tenant.DELETE("/projects/{project_id}/secrets/{reference}/versions/{version}", {
          params: { path: { ...path, version } },
        }),
      ),
    onSuccess: onDone,
  });
  return (
    <Modal
      visible
      header={`Destroy version ${version}?`}
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={destroy.isPending} onClick={() => destroy.mutate()}>
              Destroy
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Box>Nobody can read it ever again.</Box>
        {destroy.error && <Alert type="error">{problemIn(destroy.error).detail}</Alert>}
      </SpaceBetween>
    </Modal>
  );
}
