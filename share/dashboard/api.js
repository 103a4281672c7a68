// The HTTP API, as far as the page needs it.  The token lives as long as the browser's tab.

const STORE = "repman-token";
const PATIENCE = 10000; // milliseconds that an answer may take

export class NotLoggedIn extends Error {}

export function loggedIn() {
  return sessionStorage.getItem(STORE) !== null;
}

export function logOut() {
  sessionStorage.removeItem(STORE);
}

/** Log in; throws an Error whose message can be shown. */
export async function logIn(username, password) {
  const answer = await send("/api/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  if (!answer.ok) throw new Error(await sentence(answer));
  sessionStorage.setItem(STORE, (await answer.json()).token);
}

/** The JSON at a path, and the age in seconds of what it tells (null when it has none). */
export async function read(path) {
  const token = sessionStorage.getItem(STORE);
  if (token === null) throw new NotLoggedIn();
  const answer = await send(path, { headers: { Authorization: `Bearer ${token}`, Accept: "application/json" } });
  if (answer.status === 401) {
    logOut();
    throw new NotLoggedIn();
  }
  if (!answer.ok) throw new Error(await sentence(answer));
  const age = Number.parseFloat(answer.headers.get("X-Repman-Age"));
  return { body: await answer.json(), age: Number.isNaN(age) ? null : age };
}

export function clusterPath(name, rest = "") {
  return `/api/clusters/${encodeURIComponent(name)}${rest}`;
}

async function send(path, options) {
  try {
    return await fetch(path, {
      ...options,
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new Error("repman does not answer; trying again.");
  }
}

async function sentence(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text || `HTTP ${answer.status}`;
  }
}
