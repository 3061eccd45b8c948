import { expect, it } from "vitest";

import { cut, readable } from "./consoleText";

it("colours, cursor movements and control characters are left out", () => {
  expect(readable("\u001b[1;32mOK\u001b[0m\r\n\u001b]0;title\u0007login: \u0007")).toBe("OK\nlogin: ");
});

it("a carriage return begins the line anew", () => {
  expect(readable("10 %\r50 %\r100 %\r\ndone")).toBe("100 %\ndone");
});

it("a search marks its matches, whatever their case", () => {
  expect(cut("Login: login", "login")).toEqual([
    { text: "Login", match: 0 },
    { text: ": ", match: null },
    { text: "login", match: 1 },
  ]);
  expect(cut("abc", "")).toEqual([{ text: "abc", match: null }]);
  expect(cut("aaa", "a", 2).filter(({ match }) => match !== null)).toHaveLength(2);
});
