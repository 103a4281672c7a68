// One cluster's published document, drawn.

import { byId, element, fill, say } from "./dom.js";

const DOWN = ["Suspect", "Failed", "ErrorAuth"];
const SHAKY = ["SlaveLate", "RelayLate", "SlaveErr", "RelayErr", "StandAlone", "Maintenance"];
const EVENTS = 30;

export function draw(snapshot) {
  const names = new Map(snapshot.servers.map((view) => [view.policy.address, view.policy.name]));
  const nameOf = (address) => names.get(address) ?? address;
  say(byId("cluster-name"), snapshot.cluster);
  drawWriter(snapshot, nameOf);
  drawVerdict(snapshot, nameOf);
  drawPlan(snapshot.plan, nameOf);
  fill(byId("servers"), snapshot.servers.map((view) => serverRow(snapshot, view, nameOf)));
  fill(byId("problems"), problemLines(snapshot.problems, nameOf));
  fill(byId("events"), eventLines(snapshot.events));
}

function drawWriter(snapshot, nameOf) {
  const writer = byId("writer");
  if (!snapshot.writer) {
    say(writer, "None", "headline bad");
    say(byId("writer-detail"), "No server of this cluster has been the writer yet.");
    return;
  }
  const dead = snapshot.writer_alive ? "" : " – down";
  say(writer, nameOf(snapshot.writer) + dead, snapshot.writer_alive ? "headline good" : "headline bad");
  const degraded = snapshot.degraded ? "; semi-sync is off, writes are unprotected" : "";
  say(byId("writer-detail"), `${snapshot.writer}, ${snapshot.topology}${degraded}`);
}

function drawVerdict(snapshot, nameOf) {
  const verdict = byId("verdict");
  const reasons = [...snapshot.blocked_by];
  for (const refusal of snapshot.refusals) {
    if (!reasons.some((known) => known.sentence === refusal.sentence)) reasons.push(refusal);
  }
  if (snapshot.in_failover) say(verdict, "Under way", "headline warn");
  else if (snapshot.protected) say(verdict, "✓ Possible", "headline good");
  else say(verdict, "✕ Not possible", "headline bad");
  const lines = reasons.map((reason) => line(reason, nameOf));
  if (!snapshot.active) lines.push(`This repman only watches: ${snapshot.lease || "it does not hold the lease"}.`);
  if (snapshot.paused) lines.push("repman is paused and changes nothing.");
  if (snapshot.protected && lines.length === 0) lines.push("If the writer died now, a replica would take over.");
  fill(byId("reasons"), lines.map((text) => element("li", "", text)));
}

function drawPlan(plan, nameOf) {
  const headline = byId("plan");
  if (!plan) {
    say(headline, "None yet", "headline");
    say(byId("plan-detail"), "");
    fill(byId("steps"), []);
    return;
  }
  const tone = { running: "warn", done: "good" }[plan.state] ?? "bad";
  const target = plan.new_writer ? ` to ${nameOf(plan.new_writer)}` : "";
  say(headline, `${plan.kind}${target}: ${plan.state}`, `headline ${tone}`);
  const told = [plan.reason, plan.detail].filter(Boolean).join(" – ");
  say(byId("plan-detail"), `${clock(plan.started_at)}, ${plan.seconds.toFixed(2)} s. ${told}`);
  fill(byId("steps"), plan.steps.map((step, index) => stepItem(plan, step, index, nameOf)));
}

function stepItem(plan, step, index, nameOf) {
  let state = index < plan.current ? "done" : "";
  if (index === plan.current) state = plan.state === "running" ? "running" : "failed";
  const source = step.source ? ` ← ${nameOf(step.source)}` : "";
  const item = element("li", state, `${step.kind} ${nameOf(step.server)}${source}`);
  if (state === "running" || state === "failed") item.append(` (${state})`);
  return item;
}

function serverRow(snapshot, view, nameOf) {
  const known = view.seen.reach === "answered" ? view.seen : view.last ?? view.seen;
  const link = view.seen.links[0] ?? null;
  const row = element("tr", "");
  const name = element("th", "", view.policy.name, element("span", "address", view.policy.address));
  name.scope = "row";
  row.append(
    name,
    element("td", "", badge(snapshot, view)),
    element("td", "", link ? nameOf(link.source) : "–"),
    element("td", "", lag(link)),
    element("td", "", access(view.seen)),
    element("td", "", semiSync(snapshot, view)),
    element("td", "gtid", known.executed?.last || "–"),
    element("td", "", version(known.version)),
  );
  return row;
}

function badge(snapshot, view) {
  let tone = "good";
  let mark = "● ";
  if (DOWN.includes(view.state)) [tone, mark] = ["bad", "✕ "];
  else if (SHAKY.includes(view.state)) [tone, mark] = ["warn", "▲ "];
  const word = view.policy.address === snapshot.writer && tone !== "good" ? `${view.state} (writer)` : view.state;
  const made = element("span", `badge ${tone}`, mark + word);
  if (view.seen.error) return element("span", "", made, element("span", "address", view.seen.error));
  return made;
}

function lag(link) {
  if (!link) return "–";
  if (link.receiver !== "running") return `receiver ${link.receiver}`;
  if (!link.applier_running) return "applier stopped";
  return link.lag === null ? "unknown" : `${link.lag} s`;
}

function access(seen) {
  if (seen.reach !== "answered" || seen.read_only === null) return "–";
  return seen.read_only ? "read-only" : "writable";
}

function semiSync(snapshot, view) {
  const half = view.seen.semi_sync;
  if (!half) return "–";
  if (view.policy.address === snapshot.writer) {
    if (!half.source_enabled) return "off";
    return half.waiting_for_acks ? `waits, ${half.ackers} acknowledge` : "not in force";
  }
  return half.replica_enabled ? "acknowledges" : "off";
}

function version(told) {
  return told ? `${told.flavour} ${told.major}.${told.minor}.${told.patch}` : "–";
}

function problemLines(problems, nameOf) {
  if (problems.length === 0) return [element("li", "", element("span", "empty", "None."))];
  return problems.map((problem) => {
    const tone = { error: "bad", warning: "warn" }[problem.severity] ?? "";
    return element(
      "li", "",
      element("span", `badge ${tone}`, problem.severity),
      element("span", "text", line(problem, nameOf)),
    );
  });
}

function eventLines(events) {
  if (events.length === 0) return [element("li", "", element("span", "empty", "Nothing has happened yet."))];
  const newest = [...events].sort((one, other) => other.at - one.at); // stable: one moment stays newest first
  return newest.slice(0, EVENTS).map((event) => {
    const tone = { ERROR: "bad", ALERT: "bad", WARN: "warn" }[event.level] ?? "";
    const when = element("time", "", clock(event.at));
    when.dateTime = new Date(event.at * 1000).toISOString();
    return element("li", "", when, element("span", `badge ${tone}`, event.level), element("span", "text", event.text));
  });
}

function line(told, nameOf) {
  const name = told.server ? nameOf(told.server) : "";
  return name && !told.sentence.includes(name) ? `${name}: ${told.sentence}` : told.sentence;
}

function clock(seconds) {
  const then = new Date(seconds * 1000);
  const today = then.toDateString() === new Date().toDateString();
  return today ? then.toLocaleTimeString() : then.toLocaleString();
}
