/** The same for many, a few at a time. */

const AT_ONCE = 6;

/** Calls `work` for each item, at most six at a time; `onEach` is told each outcome as it comes. Never throws. */
export async function together<Item, Result>(
  items: Item[],
  work: (item: Item) => Promise<Result>,
  onEach: (item: Item, outcome: Outcome<Result>) => void,
): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift())
      onEach(item, await outcomeOf(work(item)));
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
}

export type Outcome<Result> = { ok: true; result: Result } | { ok: false; error: unknown };

async function outcomeOf<Result>(work: Promise<Result>): Promise<Outcome<Result>> {
  try {
    return { ok: true, result: await work };
  } catch (error) {
    return { ok: false, error };
  }
}
