/** How a machine's size reads. */

import { amount } from "../parts/words";

/** "2 vCPUs, 4 GiB". */
export function sizeText(vcpus: number, memoryMib: number): string {
  return `${vcpus} vCPU${vcpus === 1 ? "" : "s"}, ${amount(memoryMib, "MiB")}`;
}
