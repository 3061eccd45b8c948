/** Something as the API tells it, to be unfolded by whoever wants to know exactly. */

export function Raw({ summary, value }: { summary: string; value: unknown }) {
  return (
    <details className="raw">
      <summary>{summary}</summary>
      <pre>{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}
