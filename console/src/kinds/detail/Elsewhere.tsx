/** The same by API and command line, and the resource as the API answers it. */

import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { apiPath } from "../../api/catalog";
import { Code } from "../../parts/Code";
import { itemLine } from "../recipes";
import type { About } from "./about";

export default function Elsewhere({ kind, place, item }: About) {
  const path = apiPath(kind, place, item.id);
  const curl = `curl -H "Authorization: Bearer $TOKEN" ${location.origin}${path}`;
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Command line</Header>}>
        <SpaceBetween size="m">
          <Code title="What is shown here" text={itemLine(kind, "show", item)} />
          <Code title="Why it is so" text={itemLine(kind, "why", item)} />
          <Code title="How it came to be so" text={itemLine(kind, "history", item)} />
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">API</Header>}>
        <SpaceBetween size="m">
          <Code title="Call" text={`GET ${path}`} />
          <Code title="With curl" text={curl} />
          <Code title="Answer" text={JSON.stringify(item, null, 2)} />
        </SpaceBetween>
      </Container>
    </SpaceBetween>
  );
}
