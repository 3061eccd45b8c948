/** A job's history as a line down the page: steps, tries, what the agent was asked and answered. */

import Box from "@cloudscape-design/components/box";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { moment } from "../parts/words";
import type { Step } from "./job";
import { lineOf } from "./timeline";

export function Timeline({ steps, since }: { steps: Step[]; since: string }) {
  return (
    <ol className="steps" aria-label="Steps">
      {steps.map((step, index) => (
        <Entry key={index} step={step} since={since} />
      ))}
    </ol>
  );
}

function Entry({ step, since }: { step: Step; since: string }) {
  const { at, sign, text, more } = lineOf(step);
  return (
    <li>
      <time dateTime={at} title={moment(at)}>
        {offset(at, since)}
      </time>
      <div>
        <StatusIndicator type={sign}>{text}</StatusIndicator>
        {step.attempt > 1 && (
          <Box variant="span" color="text-body-secondary">
            {" "}
            try {step.attempt}
          </Box>
        )}
        {more.length > 0 && (
          <Box color="text-body-secondary" fontSize="body-s">
            {more.map((line, index) => (
              <div key={index}>{line}</div>
            ))}
          </Box>
        )}
      </div>
    </li>
  );
}

/** "+0.42 s" after the job was asked for. */
function offset(at: string, since: string): string {
  const seconds = Math.max(0, (Date.parse(at) - Date.parse(since)) / 1000);
  if (seconds < 60) return `+${seconds.toFixed(2)} s`;
  return `+${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
