/** The first page of a place: how many there are of each kind. */

import Header from "@cloudscape-design/components/header";

import { useHeading } from "./heading";

export default function Overview() {
  useHeading({ title: "Overview" });
  return <Header variant="h1">Overview</Header>;
}
