import { describe, expect, it } from "vitest";

import { faultsOf } from "./passwords";
import { programText } from "./userAgent";
import { asCode, isCode } from "./userCode";

describe("what a User-Agent says", () => {
  it.each([
    ["groundplane-cli/0.1.0", "gp 0.1.0"],
    ["groundplane-sdk/1.2.3", "Python SDK 1.2.3"],
    ["python-httpx/0.28.1", "python-httpx 0.28.1"],
    ["curl/8.5.0", "curl 8.5.0"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"],
    [
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
      "Edge on Windows",
    ],
    ["Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/1 Safari/604.1", "Safari on iPhone"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1", "Safari on macOS"],
    ["", "Unknown"],
    ["x".repeat(500), "x".repeat(80)],
  ])("%s", (userAgent, text) => expect(programText(userAgent)).toBe(text));
});

describe("a user code", () => {
  it.each(["BCDF-GHJK", "bcdf ghjk", " bcdfghjk "])("%s is whole", (text) => {
    expect(asCode(text)).toBe("BCDF-GHJK");
    expect(isCode(asCode(text))).toBe(true);
  });
  it.each(["", "BCDF", "BCDF-GHJKL", "1234-5678"])("%s is not", (text) => expect(isCode(asCode(text))).toBe(false));
});

describe("another password", () => {
  const good = { password: "the old password", next: "correct horse battery", again: "correct horse battery" };
  it("may be sent when all is right", () => expect(faultsOf(good)).toEqual({}));
  it("is told to be too short, in characters", () =>
    expect(faultsOf({ ...good, next: "🙂".repeat(11), again: "🙂".repeat(11) }).next).toContain("11 characters"));
  it("is told to be too long", () =>
    expect(faultsOf({ ...good, next: "x".repeat(257) }).next).toContain("at most 256"));
  it("is typed twice", () => expect(faultsOf({ ...good, again: "other" }).again).toBeTruthy());
  it("needs the one before, and is another", () => {
    expect(faultsOf({ ...good, password: "" }).password).toBeTruthy();
    expect(faultsOf({ ...good, password: good.next }).next).toBeTruthy();
  });
});
