/** The limits of all projects, and of all organizations, that have none of their own. */

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { call } from "../api/call";
import { usePermissions } from "../api/me";
import type { components } from "../api/ops";
import { PLATFORM } from "../api/place";
import { keys } from "../api/queries";
import { Refusal } from "../parts/Refusal";
import { useHeading } from "../shell/heading";
import { LimitDialog } from "./LimitDialog";
import { amountOf, inOrder, titleOfDimension } from "./dimensions";
import { limitsPath } from "./limits";

interface Row {
  name: string;
  limit: number | null;
}

type Of = components["schemas"]["QuotaDefaults"]["of"];

export default function DefaultsPage() {
  useHeading({ title: "Default quotas" });
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description="They hold where nothing is set for a project or an organization itself.">
        Default quotas
      </Header>
      <DefaultsOf of="projects" title="Each project" />
      <DefaultsOf of="organizations" title="Each organization, all projects together" />
    </SpaceBetween>
  );
}

function DefaultsOf({ of, title }: { of: Of; title: string }) {
  const isChangeable = usePermissions(PLATFORM)("resources.quota.update");
  const [chosen, setChosen] = useState<string | null>(null);
  const path = limitsPath.defaults(of);
  const defaults = useQuery({
    queryKey: keys.whole(PLATFORM, "limits", path),
    queryFn: ({ signal }) => call<components["schemas"]["QuotaDefaults"]>(path, { signal }),
  });
  if (defaults.error && !defaults.data)
    return <Refusal error={defaults.error} onRetry={() => void defaults.refetch()} />;
  const limits = defaults.data?.limits ?? {};
  const items: Row[] = inOrder(limits).map(([name, limit]) => ({ name, limit }));
  return (
    <>
      <Table
        variant="container"
        loading={!defaults.data}
        loadingText="Loading the defaults"
        items={items}
        trackBy="name"
        ariaLabels={{ tableLabel: title }}
        header={<Header variant="h2">{title}</Header>}
        columnDefinitions={[
          { id: "name", header: "Of", isRowHeader: true, cell: ({ name }) => titleOfDimension(name), width: 240 },
          {
            id: "limit",
            header: "At most",
            cell: ({ name, limit }) => (limit === null ? "No limit" : amountOf(name, limit)),
          },
          ...(isChangeable
            ? [
                {
                  id: "change",
                  header: "Actions",
                  width: 120,
                  cell: ({ name }: Row) => (
                    <Button
                      variant="inline-link"
                      ariaLabel={`Change the default of ${titleOfDimension(name)} of ${of}`}
                      onClick={() => setChosen(name)}
                    >
                      Change
                    </Button>
                  ),
                },
              ]
            : []),
        ]}
      />
      {chosen !== null && (
        <LimitDialog
          path={path}
          dimension={chosen}
          limit={limits[chosen] ?? null}
          own={null}
          onClose={() => setChosen(null)}
        />
      )}
    </>
  );
}
