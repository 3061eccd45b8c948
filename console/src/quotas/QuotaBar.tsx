/** How much of a limit is used, as a bar. */

import "./quotas.css";

import { type Use, amountOf, shareOf, titleOfDimension } from "./dimensions";

const NEARLY = 0.8;

export function QuotaBar({ name, use }: { name: string; use: Use }) {
  const share = shareOf(use);
  const used = amountOf(name, use.used);
  if (share === null || use.limit === null) return <span className="quota-text">{used}, without a limit</span>;
  const level = share >= 1 ? "full" : share >= NEARLY ? "nearly" : "";
  const text = `${used} of ${amountOf(name, use.limit)}`;
  return (
    <div className="quota">
      <div
        className="quota-track"
        role="meter"
        aria-label={titleOfDimension(name)}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.min(100, Math.round(share * 100))}
        aria-valuetext={text}
      >
        <div className={`quota-fill ${level}`} style={{ inlineSize: `${Math.min(100, share * 100)}%` }} />
      </div>
      <span className="quota-text">{text}</span>
    </div>
  );
}
