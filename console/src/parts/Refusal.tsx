/** An error in place of what it kept from being shown. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";

import { problemIn } from "../api/problem";

export function Refusal({ error, onRetry }: { error: unknown; onRetry?: (() => void) | undefined }) {
  const { title, detail, request_id: request } = problemIn(error);
  return (
    <Alert type="error" header={title} action={onRetry && <Button onClick={onRetry}>Try again</Button>}>
      {detail}
      {request && <div className="fine">Request {request}</div>}
    </Alert>
  );
}
