// Servers that hand out every n-th id (auto_increment_increment): which ids are theirs, and which lie between.

/** The ids that the server hands out: those that leave `rest` when divided by `step`. */
export interface IdSteps {
  readonly step: bigint;
  readonly rest: bigint;
}

export const EVERY_ID: IdSteps = { step: 1n, rest: 0n };

export function isOnStep(id: bigint, { step, rest }: IdSteps): boolean {
  return (((id - rest) % step) + step) % step === 0n;
}

/** Whether the server may hand out an id of the range. */
export function holdsStep({ from, to }: { readonly from: bigint; readonly to: bigint }, steps: IdSteps): boolean {
  if (to - from + 1n >= steps.step) return true;
  for (let id = from; id <= to; id += 1n) if (isOnStep(id, steps)) return true;
  return false;
}
