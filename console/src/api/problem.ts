/** What the API says when it refuses (RFC 9457), as an error that pages can show at the field it is about. */

export interface FieldProblem {
  /** A JSON pointer into the request's body, or below `/query`. */
  pointer: string;
  detail: string;
}

export interface Problem {
  title: string;
  status: number;
  /** Stable; what pages decide by. */
  code: string;
  /** A sentence that says what to do next. */
  detail: string;
  request_id?: string | null;
  errors?: FieldProblem[];
  context?: Record<string, unknown>;
}

/** A request that was refused, or that nobody answered (status 0, code `unreachable`). */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

export const UNREACHABLE: Problem = {
  title: "No answer",
  status: 0,
  code: "unreachable",
  detail:
    "Groundplane does not answer. Check that it runs and that you are connected; this page tries again by itself.",
};

/** The problem in an answer; one of our own words when the body is none. */
export async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    if (typeof body.code === "string" && typeof body.detail === "string") {
      return { title: body.title ?? response.statusText, status: response.status, ...body } as Problem;
    }
  } catch {
    // Something between us and the API answered: it has no problem to tell.
  }
  return {
    title: response.statusText || "Error",
    status: response.status,
    code: "unknown",
    detail: `Groundplane answered ${response.status}. Try again; if it stays, tell the operators.`,
  };
}

/** What is to be said of any error. */
export function problemIn(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  const detail = error instanceof Error ? error.message : String(error);
  return { title: "Something went wrong in this page", status: 0, code: "console", detail };
}

/** The sentences of an error by field: pointer → sentence. */
export function fieldSentences(error: unknown): Map<string, string> {
  const errors = error instanceof ProblemError ? (error.problem.errors ?? []) : [];
  const sentences = new Map<string, string>();
  for (const { pointer, detail } of errors) {
    const before = sentences.get(pointer);
    sentences.set(pointer, before ? `${before} ${detail}` : detail);
  }
  return sentences;
}
