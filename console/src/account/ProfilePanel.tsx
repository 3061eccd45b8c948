/** Who one is, and which roles one has where. */

import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import type { components } from "../api/common";
import { type Reach, useReach } from "../api/me";
import { PLATFORM, type Place, placePath } from "../api/place";
import { Time } from "../parts/Time";

type User = components["schemas"]["UserView"];
type Binding = components["schemas"]["BindingView"];

export function ProfilePanel({ user, bindings }: { user: User; bindings: Binding[] }) {
  const { data: reach } = useReach();
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">You</Header>}>
        <KeyValuePairs
          columns={4}
          items={[
            { label: "Name", value: user.name },
            { label: "E-mail address", value: user.email },
            { label: "Here since", value: <Time at={user.created_at} /> },
            {
              label: "Id",
              value: (
                <CopyToClipboard
                  variant="inline"
                  textToCopy={user.id}
                  copyButtonAriaLabel="Copy the id"
                  copySuccessText="Copied"
                  copyErrorText="Copying failed"
                />
              ),
            },
          ]}
        />
      </Container>
      <Table
        variant="container"
        trackBy="id"
        items={bindings}
        ariaLabels={{ tableLabel: "Roles" }}
        header={
          <Header
            variant="h2"
            counter={`(${bindings.length})`}
            description="Given to you or to a group that you are in. A role in an organization holds in all its projects."
          >
            Roles
          </Header>
        }
        empty="You have no role yet. Ask an owner of your organization for an invitation."
        columnDefinitions={[
          { id: "role", header: "Role", isRowHeader: true, cell: ({ role }) => role },
          { id: "where", header: "Where", cell: (binding) => <Where binding={binding} reach={reach} /> },
          { id: "by", header: "Given to", cell: ({ group_id: group }) => (group ? "A group of yours" : "You") },
          {
            id: "until",
            header: "Until",
            cell: ({ expires_at: at }) => (at ? <Time at={at} /> : "For good"),
          },
        ]}
      />
    </SpaceBetween>
  );
}

function Where({ binding, reach }: { binding: Binding; reach: Reach | undefined }) {
  const place = placeOf(binding);
  return <Link href={placePath(place)}>{nameOf(place, reach)}</Link>;
}

function placeOf({ project_id: project, organization_id: organization }: Binding): Place {
  if (project) return { scope: "project", id: project };
  return organization ? { scope: "organization", id: organization } : PLATFORM;
}

function nameOf(place: Place, reach: Reach | undefined): string {
  if (place.scope === "platform") return "Platform";
  const project = reach?.projects.find(({ id }) => id === place.id);
  if (project) return `${project.organization_name} / ${project.name}`;
  return reach?.organizations.find(({ id }) => id === place.id)?.name ?? place.id;
}
