/** In place of a page that broke. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import { useRouteError } from "react-router";

import { problemIn } from "../api/problem";

export function Failure() {
  const problem = problemIn(useRouteError());
  return (
    <Alert type="error" header={problem.title} action={<Button onClick={() => location.reload()}>Load again</Button>}>
      {problem.detail}
    </Alert>
  );
}
